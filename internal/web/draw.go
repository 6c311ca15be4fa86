package web

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/negotiate"
	"github.com/tidewire/tidewire/internal/web/view"
	"github.com/tidewire/tidewire/internal/wire"
)

//go:embed templates
var templates embed.FS

// A Page is a page as its template gets it.
type Page struct {
	Title  string    // of the document
	Needs  int       // how many sources and jobs need attention, which the title begins with; 0: it does not
	Tab    string    // which of overview, jobs and alerts is shown; empty: there are no tabs
	Script string    // the module of the page, a file of static/; empty: none
	Form   string    // kiosk: it hangs on a wall; embed: it is a part of another page; empty: neither
	Embed  []string  // the origins whose pages may show it in a frame; nil: none
	Follow []string  // the keys of the stream that the page is about: with a new snapshot of one it is fetched again
	Brand  Brand     // of the gateway
	Here   string    // the address of the page, below the root of the gateway
	Me     wire.Me   // who looks at it
	Now    time.Time // when it was drawn
	Body   any       // what the page is about: each template has its own type
}

// Deepest is how many segments the address of a page has at most.
const Deepest = 4

// sets are the templates, once for each depth of an address: {{to}} leads from there to the root of the gateway.
var sets = sync.OnceValue(func() (sets [Deepest]*template.Template) {
	for depth := range sets {
		root := strings.Repeat("../", depth)
		sets[depth] = template.Must(template.New("").Funcs(template.FuncMap{
			"to": func(parts ...string) string {
				if path := root + strings.Join(parts, ""); path != "" {
					return path
				}
				return "./"
			},
			"asset":   func(name string) string { return root + "static/" + files().plain[name].name },
			"modules": func(name string) []string { return modules(name) },
			"styles":  styles,
			"dict": func(pairs ...any) map[string]any {
				m := map[string]any{}
				for i := 0; i+1 < len(pairs); i += 2 {
					m[pairs[i].(string)] = pairs[i+1]
				}
				return m
			},
			"blank":      func() blank { return blank{Section: &view.Section{}} },
			"join":       strings.Join,
			"sourceHref": view.SourceHref,
			"jobHref":    view.JobHref,
			"query":      url.QueryEscape, // a value of a query, whatever is in it
			"list":       func(all ...string) []string { return all },
			"stamp":      func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") },
		}).ParseFS(templates, "templates/*.html"))
	}
	return sets
})

// A Brand is what a gateway shows of itself on each page.
type Brand struct {
	Title string // empty: Tidewire
	Logo  string // the address of an image, below the root of the gateway; empty: that of Tidewire
	Style string // the address of a style sheet after that of the page; empty: there is none
}

// A blank has a view of each component with nothing in it: modules copy what is drawn of them.
type blank struct {
	Band    band
	Count   view.Count
	Need    view.Need
	Section *view.Section
	Card    view.Card
	Field   view.Field
	Job     view.JobRow
	Event   view.Recent
}

// A band is a message of the page about itself.
type band struct{ State, Text, More, Act string }

// Draw answers a request with a page, drawn by the template of that name: compressed if the client accepts that, and with 304
// if it has this very page.
func Draw(w http.ResponseWriter, r *http.Request, status int, name string, p Page) {
	p.Brand.Title = cmp.Or(p.Brand.Title, "Tidewire")
	depth := min(max(strings.Count(r.URL.EscapedPath(), "/")-1, 0), Deepest-1)
	var body bytes.Buffer
	if err := sets()[depth].ExecuteTemplate(&body, name, p); err != nil {
		panic("web: the page " + name + " cannot be drawn: " + err.Error()) // templates are part of the program
	}
	h := w.Header()
	harden(h)
	if p.Embed != nil {
		framed(h, p.Embed)
	}
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "private, no-cache")
	}
	h.Set("Content-Type", contentType(".html"))
	h.Add("Vary", "Accept-Encoding, Cookie, Authorization")
	if status == http.StatusOK {
		// Weak: it is the same for all encodings. Of the origins, since browsers keep the policy of a page that has not changed.
		tag := `W/"` + digest(append(body.Bytes(), strings.Join(p.Embed, " ")...)) + `"`
		h.Set("ETag", tag)
		if negotiate.HasTag(r.Header, strings.TrimPrefix(tag, "W/")) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	data := body.Bytes()
	if negotiate.AcceptsCoding(r.Header, "gzip") {
		if zipped := zip(data, gzip.BestSpeed); zipped != nil {
			h.Set("Content-Encoding", "gzip")
			data = zipped
		}
	}
	w.WriteHeader(status)
	_, _ = w.Write(data) // an error means that the client has left
}
