package config

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"mime"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/grammar"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
)

// Bounds of files.
const (
	// MaxFiles bounds the files of one run together, in bytes.
	MaxFiles = 8_000_000
	// defaultFileSize is how large a file is that is given for an argument, unless max_size says.
	defaultFileSize = 1_000_000
	// maxFileName bounds the name of a file, in bytes.
	maxFileName = 100
)

// A File is the value of an argument of the type file. Its JSON is all but the content. It is not changed once it is made.
type File struct {
	Name   string `json:"name"`   // without a directory, see [FileName]
	Type   string `json:"type"`   // its media type, as the sender says, or by its name
	Size   int    `json:"size"`   // of Data
	SHA256 string `json:"sha256"` // of Data, in hexadecimal digits
	Data   []byte `json:"-"`
}

// String returns the name, for texts in which the file stands.
func (f *File) String() string { return f.Name }

// argAlone returns the name of the argument of which a text consists, empty if it is anything else.
func argAlone(text string) string {
	name, begins := strings.CutPrefix(text, "{")
	name, ends := strings.CutSuffix(name, "}")
	if !begins || !ends {
		return ""
	}
	return name
}

// NewFile returns a file of which a sender gives the name and the media type; either may be empty.
func NewFile(name, media string, data []byte) *File {
	name = FileName(name)
	sum := sha256.Sum256(data)
	return &File{Name: name, Type: mediaOf(name, media), Size: len(data), SHA256: hex.EncodeToString(sum[:]), Data: data}
}

// FileName makes of what somebody calls a file a name that is safe in a directory, in a header and on a page. It is never empty.
func FileName(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(c rune) rune {
		if c == ' ' || c < utf8.RuneSelf && strings.ContainsRune("._-()+,@=", c) || unicode.IsLetter(c) || unicode.IsDigit(c) {
			return c
		}
		return '_'
	}, strings.ToValidUTF8(name, "_"))
	for len(name) > maxFileName {
		_, last := utf8.DecodeLastRuneInString(strings.TrimSuffix(name, path.Ext(name)))
		if last == 0 || len(path.Ext(name)) > maxFileName/2 { // it is all extension
			name = strings.ToValidUTF8(name[:maxFileName], "")
			continue
		}
		end := len(name) - len(path.Ext(name))
		name = name[:end-last] + name[end:]
	}
	if name = strings.TrimRight(strings.TrimLeft(name, ".- "), " "); name == "" {
		return "file"
	}
	return name
}

// mediaOf is the media type of a file: what its sender says, else by its name.
func mediaOf(name, said string) string {
	if strings.HasPrefix(said, unknownMedia) { // a browser says so of what it does not know
		said = ""
	}
	for _, media := range []string{said, mime.TypeByExtension(path.Ext(name))} {
		if media, _, err := mime.ParseMediaType(media); err == nil && strings.Contains(media, "/") && len(media) <= maxFileName {
			return media
		}
	}
	return unknownMedia
}

const unknownMedia = "application/octet-stream"

// AFile tells how to give a file in a request. What is wrong with one ends with it.
const AFile = `write {"name": "a.csv", "data": "BASE64"}, or send a form of multipart/form-data`

// file converts a value given for an argument of the type file: a [*File], or one as JSON, whose member data is its content in
// base64. An empty text is no file, which only a default is.
func (a *Arg) file(v any) (any, *ArgError) {
	var f *File
	switch v := v.(type) {
	case string:
		if v == "" {
			return "", nil
		}
	case *File:
		f = v
	case map[string]any:
		for name := range v {
			if !slices.Contains([]string{"name", "type", "data", "size", "sha256"}, name) {
				return nil, a.wrong(AFile, "a file has no %s", grammar.Quote(name))
			}
		}
		text, ok := v["data"].(string)
		if !ok {
			return nil, a.wrong(AFile, "the content of the file is missing")
		}
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, a.wrong(AFile, "the data of the file is not base64")
		}
		name, _ := v["name"].(string)
		media, _ := v["type"].(string)
		f = NewFile(name, media, data)
	}
	switch {
	case f == nil:
		return nil, a.wrong(AFile, "this is not a file")
	case int64(f.Size) > a.MaxSize:
		return nil, a.wrong(fmt.Sprintf("give one of at most %d", a.MaxSize), "the file has %d bytes", f.Size)
	case !a.accepts(f):
		return nil, a.wrong("give one of "+grammar.List(a.Accept, "or"), "%s is %s", grammar.Quote(f.Name), f.Type)
	}
	return f, nil
}

// accepts reports whether a file is one of Accept, as the attribute of that name in HTML means it.
func (a *Arg) accepts(f *File) bool {
	return a.Accept == nil || slices.ContainsFunc(a.Accept, func(of string) bool {
		kind, all := strings.CutSuffix(of, "/*")
		switch {
		case all:
			return strings.HasPrefix(f.Type, kind+"/")
		case strings.HasPrefix(of, "."):
			return strings.HasSuffix(strings.ToLower(f.Name), of)
		}
		return f.Type == of
	})
}

// Given returns bound arguments as a client would give them as JSON: files have their content.
func Given(args map[string]any) map[string]any {
	given := maps.Clone(args)
	for name, v := range args {
		if f, ok := v.(*File); ok {
			given[name] = map[string]any{"name": f.Name, "type": f.Type, "data": base64.StdEncoding.EncodeToString(f.Data)}
		}
	}
	return given
}

// readAccept reads the files that an argument accepts.
func readAccept(n *grammar.Node) (accept []string) {
	for _, e := range n.OneOrMore("accept", "[.csv, text/csv]") {
		of := strings.ToLower(e.Line("accept"))
		media, _, err := mime.ParseMediaType(of)
		isMedia := err == nil && media == of && strings.Count(of, "/") == 1
		isEnding := strings.HasPrefix(of, ".") && len(of) > 1 && FileName("x"+of) == "x"+of
		if of != "" && !isMedia && !isEnding {
			e.Problem(fmt.Sprintf("accept: %s is neither the end of a name nor a media type", grammar.Quote(of)), "write one such as .csv, text/csv or image/*")
		}
		accept = append(accept, of)
	}
	return accept
}

// readResults reads the names of the files that a program leaves.
func readResults(n *grammar.Node) (names []string) {
	for _, e := range n.OneOrMore("results", `[report.pdf, "*.csv"]`) {
		name := e.Line("a name in results")
		_, err := path.Match(name, "")
		switch {
		case name == "":
		case strings.ContainsAny(name, `/\`) || strings.HasPrefix(name, "."):
			e.Problem(fmt.Sprintf("results: %s is not the name of a file in the directory of a run", grammar.Quote(name)),
				"write a name alone such as report.pdf, and have the program write {run_dir}/report.pdf")
		case err != nil:
			e.Problem(fmt.Sprintf("results: %s is not a pattern", grammar.Quote(name)), `write a name such as report.pdf or "*.csv"`)
		}
		names = append(names, name)
	}
	return names
}

// RunDir is the placeholder of the directory of a run, in which a program leaves its results.
const RunDir = "run_dir"

// Keeps reports whether a file that a program has left is one of its results. As in a shell, no pattern is for a name that begins
// with a dot.
func (j *Job) Keeps(name string) bool {
	return !strings.HasPrefix(name, ".") && slices.ContainsFunc(j.Results, func(pattern string) bool {
		ok, _ := path.Match(pattern, name) // it was checked
		return ok
	})
}

// HasFiles reports whether a run of j has a directory of its own.
func (j *Job) HasFiles() bool {
	return j.Results != nil || slices.ContainsFunc(j.Args, func(a Arg) bool { return a.Type == ArgFile })
}

// MaxGiven is how many bytes the files that a start gives may have together.
func (j *Job) MaxGiven() (most int64) {
	for _, a := range j.Args {
		if a.Type == ArgFile {
			most += a.MaxSize
		}
	}
	return min(most, MaxFiles)
}

// bodyFile returns the argument whose file is the whole body of the request of j.
func (j *Job) bodyFile() (name string, ok bool) {
	name = argAlone(j.HTTP.Body)
	return name, slices.ContainsFunc(j.Args, func(a Arg) bool { return a.Type == ArgFile && a.Name == name })
}

// setBody makes the file the body of a request.
func (f *File) setBody(r *httpkind.Filled) {
	r.Body = f.Data
	if r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", f.Type)
	}
}

// checkFiles checks that each file among the arguments of a request is its whole body. N is the request, and keys has the keys
// of the arguments.
func checkFiles(n *grammar.Node, j *Job, keys map[string]*grammar.Node) {
	for _, a := range j.Args {
		if a.Type != ArgFile {
			continue
		}
		body, isBody := j.bodyFile()
		if isBody = isBody && body == a.Name; !isBody && keys[a.Name] != nil {
			keys[a.Name].Problem(fmt.Sprintf("argument %s is a file, which can only be the whole body of a request", grammar.Quote(a.Name)),
				fmt.Sprintf(`write body: "{%s}"`, a.Name))
		}
		for text := range argumentTexts(n) {
			for _, p := range argsIn(text) {
				if p.name == a.Name && (!isBody || text != n.Get("body")) {
					text.ProblemAt(p.at, p.text+" is a file, which can only be the whole body", fmt.Sprintf(`write body: "{%s}" alone`, a.Name))
				}
			}
		}
	}
}
