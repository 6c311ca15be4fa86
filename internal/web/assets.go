package web

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tdewolff/minify/v2"
	"github.com/tdewolff/minify/v2/css"
	"github.com/tdewolff/minify/v2/js"

	"github.com/tidewire/tidewire/internal/negotiate"
	"github.com/tidewire/tidewire/internal/theme"
)

//go:embed static
var static embed.FS

// An asset is a file in the forms in which it is sent.
type asset struct {
	name    string // with its hash
	data    []byte
	zipped  []byte // by gzip; nil: that is not smaller
	digest  string // of data
	imports []string

	mediaType string // empty: that of the name
}

// serve sends the file. The caller has set what says how long it may be kept.
func (a *asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", cmp.Or(a.mediaType, contentType(a.name)))
	h.Add("Vary", "Accept-Encoding")
	if a.zipped == nil || !negotiate.AcceptsCoding(r.Header, "gzip") {
		http.ServeContent(w, r, a.name, time.Time{}, bytes.NewReader(a.data))
		return
	}
	h.Set("Content-Encoding", "gzip")
	if tag := h.Get("ETag"); tag != "" { // other bytes have another tag (RFC 9110 §8.8.3.3)
		h.Set("ETag", strings.TrimSuffix(tag, `"`)+`-gzip"`)
	}
	http.ServeContent(w, r, a.name, time.Time{}, bytes.NewReader(a.zipped))
}

// zip returns data compressed at a level, or nil if that does not make it smaller.
func zip(data []byte, level int) []byte {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, level) // fails for levels that do not exist alone
	_, _ = z.Write(data)                   // a buffer takes everything
	_ = z.Close()
	if b.Len() >= len(data) {
		return nil
	}
	return b.Bytes()
}

// served holds the embedded files in the form sent to browsers.
type served struct {
	module *asset            // the browser module, which refers to no other file
	assets map[string]*asset // by hashed name
	plain  map[string]*asset // by plain name
}

var imported = regexp.MustCompile(`(?m)(?:\bfrom|^import) "\./([a-z-]+\.js)";`)

// files returns the embedded files, prepared once. They refer to each other by plain names ("./plant.js"), so that they also
// work as written; those are replaced by hashed names.
//
// One hash over all files is in all names: modules import each other, so a change of one would rename its importers
// anyway, and all files come from the same binary.
var files = sync.OnceValue(func() served {
	sum := sha256.New()
	plain := map[string][]byte{}
	err := fs.WalkDir(static, "static", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := static.ReadFile(file)
		if d.Name() == "page.css" {
			data = append([]byte(theme.CSS+"\n"), data...)
		}
		plain[path.Base(file)] = data
		fmt.Fprintf(sum, "%s %d %s", file, len(data), data) // WalkDir's order is lexical, so the hash is stable
		return err
	})
	if err != nil {
		panic("web: the embedded files cannot be read: " + err.Error())
	}
	hash := hex.EncodeToString(sum.Sum(nil))[:12]

	var pairs []string
	hashed := map[string]string{}
	for name := range plain {
		ext := path.Ext(name)
		hashed[name] = strings.TrimSuffix(name, ext) + "." + hash + ext
		pairs = append(pairs, `"./`+name+`"`, `"./`+hashed[name]+`"`)
	}
	rename := strings.NewReplacer(pairs...)
	all := served{assets: map[string]*asset{}, plain: map[string]*asset{}}
	for name, written := range plain {
		data := minified(name, rename.Replace(string(written)))
		a := &asset{name: hashed[name], data: data, zipped: zip(data, gzip.BestCompression), digest: digest(data)}
		for _, m := range imported.FindAllSubmatch(written, -1) {
			a.imports = append(a.imports, string(m[1]))
		}
		all.assets[a.name], all.plain[name] = a, a
	}
	all.module = all.plain["tidewire.js"]
	return all
})

// minified returns a module or a style sheet without what browsers do not need. Any other file stays as it is. The names of what modules
// export stay, since each file is minified alone.
func minified(name, text string) []byte {
	media := ""
	switch path.Ext(name) {
	case ".js":
		media = "text/javascript"
	case ".css":
		media = "text/css"
	default:
		return []byte(text)
	}
	m := minify.New()
	m.Add("text/javascript", &js.Minifier{})
	m.Add("text/css", &css.Minifier{})
	short, err := m.String(media, text)
	if err != nil {
		panic("web: " + name + " cannot be minified: " + err.Error())
	}
	return []byte(short)
}

// modules returns a module and all that it imports, directly or not, by plain names; nil if there is no such module.
func modules(name string) []string {
	var list []string
	var follow func(string)
	follow = func(name string) {
		a := files().plain[name]
		if a == nil || slices.Contains(list, name) {
			return
		}
		list = append(list, name)
		for _, other := range a.imports {
			follow(other)
		}
	}
	follow(name)
	return list
}

// styles returns the style sheets of a page by plain names: that of all pages, and those that stand beside its module and that of its form.
func styles(module, form string) []string {
	list := []string{"page.css"}
	for _, name := range []string{strings.TrimSuffix(module, ".js"), form} {
		if files().plain[name+".css"] != nil {
			list = append(list, name+".css")
		}
	}
	return list
}

// contentType returns the type of an asset by its extension. It does not use the machine's MIME tables, since browsers
// refuse modules of any other type.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	case ".webmanifest":
		return "application/manifest+json"
	default:
		return mime.TypeByExtension(path.Ext(name))
	}
}

// digest returns a short name of data's content.
func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])[:16]
}

// A File is one that the configuration names, in the form in which it is sent.
type File struct {
	path  string
	asset asset
}

// NewFile prepares a file of a media type. Its address, below the root of the gateway, is another one if the data is.
func NewFile(name, mediaType string, data []byte) *File {
	sum := digest(data)
	return &File{
		path:  "theme/" + name + "." + sum,
		asset: asset{name: name, data: data, zipped: zip(data, gzip.BestCompression), digest: sum, mediaType: mediaType},
	}
}

// Path is the address of the file below the root of the gateway; empty for nil.
func (f *File) Path() string {
	if f == nil {
		return ""
	}
	return f.path
}

// Serve answers with the file, which may be kept for ever.
func (f *File) Serve(w http.ResponseWriter, r *http.Request) {
	harden(w.Header())
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	f.asset.serve(w, r)
}
