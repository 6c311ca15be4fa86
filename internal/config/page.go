package config

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/grammar"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
)

// Bounds of page.
const (
	defaultTitle = "Tidewire"
	maxTitle     = 60        // characters
	maxPageFile  = 128 << 10 // bytes; each visitor loads it
	maxEmbed     = 50        // origins, which are in a header of each page
)

// A Page is how the page looks, and which other pages may show it.
type Page struct {
	Title string    // its name for people; "Tidewire" unless set
	Logo  *PageFile // an image; nil: that of Tidewire
	CSS   *PageFile // a style sheet that is loaded after that of Tidewire; nil: none
	Embed []string  // the origins whose pages may show parts of it in a frame, such as "https://wiki.example.com"; nil: none
}

// A PageFile is the content of a file that the page loads, as it was when the configuration was read.
type PageFile struct {
	Name string // absolute
	Type string // the media type: text/css, image/svg+xml, image/png, image/jpeg, image/gif or image/webp
	Data []byte // at most 128 KiB
}

func pageKeys(p *Page) grammar.Keys {
	return grammar.Keys{
		grammar.Func("title",
			"the name of the page, in its head and in the titles of windows: at most 60 characters",
			grammar.ALine, func(v *grammar.Node) { p.Title = readPageTitle(v) }).Also("name label").Default(defaultTitle),
		grammar.Func("logo",
			"a file with an image beside the title: SVG, PNG, JPEG, GIF or WebP of at most 128 KiB; relative to this file",
			grammar.ALine, func(v *grammar.Node) {
				p.Logo = readPageFile(v, "logo", imageType, "an image in SVG, PNG, JPEG, GIF or WebP")
			}).
			Also("icon image"),
		grammar.Func("css",
			"a file with a style sheet of at most 128 KiB, which is loaded after that of the page; relative to this file",
			grammar.ALine, func(v *grammar.Node) { p.CSS = readPageFile(v, "css", sheetType, "a style sheet in UTF-8") }).
			Also("style stylesheet theme"),
		grammar.Func("embed",
			"the pages that may show parts of this one in a frame: an origin such as `https://wiki.example.com`, or a list of them",
			embedShape, func(v *grammar.Node) { p.Embed = readEmbed(v) }).Also("frame_ancestors origins allow_embedding"),
	}
}

var embedShape = grammar.Either(grammar.ALine, grammar.Texts)

func readPageTitle(n *grammar.Node) string {
	s := strings.TrimSpace(n.Line("title"))
	if length := utf8.RuneCountInString(s); length > maxTitle {
		n.Problem(fmt.Sprintf("title has %d characters", length), fmt.Sprintf("write at most %d", maxTitle))
	} else if s == "" && n.IsGood() {
		n.Problem("title is empty", "write a name, or remove it")
	}
	return s
}

// readPageFile reads a file of which typeOf knows the type; what tells what it has to be.
func readPageFile(n *grammar.Node, key string, typeOf func(name string, data []byte) string, what string) *PageFile {
	f := &PageFile{Name: n.Path(key, grammar.ReadableFile)}
	if f.Name == "" {
		return nil
	}
	var why string
	if f.Data, why = n.ReadFile(f.Name, maxPageFile); why != "" {
		n.Problem(fmt.Sprintf("%s: %s cannot be used: %s", key, grammar.Quote(n.Value()), why), "name a file of at most 128 KiB")
		return nil
	}
	if f.Type = typeOf(f.Name, f.Data); f.Type == "" {
		n.Problem(fmt.Sprintf("%s: %s is not %s", key, grammar.Quote(n.Value()), what), "name a file that is one")
		return nil
	}
	return f
}

// imageType returns the media type of an image; empty: it is none that the page shows.
func imageType(name string, data []byte) string {
	images := []string{"image/png", "image/jpeg", "image/gif", "image/webp"}
	switch is := http.DetectContentType(data); {
	case slices.Contains(images, is):
		return is
	case strings.EqualFold(filepath.Ext(name), ".svg") && bytes.Contains(data, []byte("<svg")) && utf8.Valid(data):
		return "image/svg+xml"
	}
	return ""
}

// sheetType returns the media type of a style sheet; empty: it is none.
func sheetType(_ string, data []byte) string {
	if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
		return ""
	}
	return "text/css; charset=utf-8"
}

func readEmbed(n *grammar.Node) (origins []string) {
	const example = "write an origin such as https://wiki.example.com"
	all := n.OneOrMore("embed", "[https://wiki.example.com]")
	if len(all) > maxEmbed {
		n.Problem(fmt.Sprintf("embed has %d origins", len(all)), fmt.Sprintf("write at most %d", maxEmbed))
		return nil
	}
	for _, e := range all {
		s, ok := e.Text("embed", example)
		if !ok {
			continue
		}
		origin, wrong := originOf(s)
		switch {
		case wrong != "":
			e.Problem(fmt.Sprintf("embed: %s %s", grammar.Quote(s), wrong), example)
		case slices.Contains(origins, origin):
			e.Twice("embed", grammar.Quote(s))
		default:
			origins = append(origins, origin)
		}
	}
	return origins
}

// originOf returns an origin as a header has it, or what is wrong with it.
func originOf(s string) (origin, wrong string) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || !isHost(u.Hostname()) || strings.Contains(u.Host, "%"):
		return "", "is not an http or https origin"
	case u.User != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", "has more than scheme, host and port"
	case !httpkind.ValidPort(u.Port()):
		return "", "has a port that is not 1 to 65535"
	}
	return strings.ToLower(u.Scheme + "://" + u.Host), ""
}
