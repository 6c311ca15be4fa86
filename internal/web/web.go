// Package web is the live page: HTML, CSS and ES modules that are embedded as written, without a build step.
//
// [Handler] serves the page at / and everything it needs below /static/. The page itself uses only the HTTP API: it
// lists sources and jobs, then follows one event stream. Its colours are those of package theme.
//
// All addresses in the page are relative, so that it works below any path.
//
// The module with which the page follows streams is public: it needs no other file, and is also at /tidewire.js, for
// pages of any origin.
//
// Caching: embedded files have no modification time, so each asset's name
// carries a hash of the content and may be kept for ever; the page and
// /tidewire.js, whose names never change, are revalidated by their ETag on
// each visit.
//
// Security: a Content-Security-Policy admits scripts, styles and connections only from the page's own origin, admits no
// inline code, and forbids turning strings into markup or code (Trusted Types). Values of sources and output of jobs
// are treated as hostile; they enter the document only as text.
package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/theme"
)

//go:embed static
var static embed.FS

// module is the browser module, which refers to no other file.
//
//go:embed static/tidewire.js
var module []byte

// policy is the Content-Security-Policy of every response. Requests of the
// page go to the API of its own origin; data: images are its masks.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
	"img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types 'none'"

// Handler returns a handler of the page at /, of the browser module at /tidewire.js and of the page's assets at
// /static/<name>.<hash>.<ext>. Other paths are 404; methods other than GET and HEAD are 405. Every response carries the
// security headers that the package's documentation describes. The handler is safe for concurrent use and depends on
// nothing but its own files.
func Handler() http.Handler {
	all := files()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		serveRevalidated(w, r, "index.html", all.index)
	})
	mux.HandleFunc("GET /tidewire.js", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*") // modules are fetched with CORS; this one is public
		serveRevalidated(w, r, "tidewire.js", module)
	})
	mux.HandleFunc("GET /static/{name}", func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("name")
		data, ok := all.assets[name]
		if !ok {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		h.Set("Content-Type", contentType(name))
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(data))
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		harden(w.Header())
		mux.ServeHTTP(w, r)
	})
}

// harden sets the security headers of a document.
func harden(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY") // for browsers older than frame-ancestors
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
}

// A Notice is a page with a single message.
type Notice struct {
	Title, Text string
	Link        *Link // what else the person can do; nil: only the way back to the live page
}

// A Link leads somewhere, relative to the address of the notice.
type Link struct{ Text, To string }

// Message answers a person's request with a notice in the style of the live page, with a link back to it. It is for
// addresses of two segments, such as /auth/callback. Title and texts are shown literally.
func Message(w http.ResponseWriter, status int, notice Notice) {
	h := w.Header()
	harden(h)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", contentType("message.html"))
	w.WriteHeader(status)
	_ = files().message.Execute(w, notice) // an error means that the client has left
}

// serveRevalidated serves a file whose name does not depend on its content: browsers ask each time whether it has
// changed.
func serveRevalidated(w http.ResponseWriter, r *http.Request, name string, data []byte) {
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Type", contentType(name))
	h.Set("ETag", `"`+digest(data)+`"`)
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(data))
}

// served holds the embedded files in the form sent to browsers.
type served struct {
	index   []byte
	message *template.Template
	assets  map[string][]byte // by hashed name
}

// files returns the embedded files, prepared once. They refer to each other by plain names ("./store.js",
// "static/app.css"), so that they also work as written; those are replaced by hashed names.
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
		if d.Name() == "app.css" {
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
		pairs = append(pairs,
			`"./`+name+`"`, `"./`+hashed[name]+`"`,
			`"static/`+name+`"`, `"static/`+hashed[name]+`"`,
			`"../static/`+name+`"`, `"../static/`+hashed[name]+`"`)
	}
	rename := strings.NewReplacer(pairs...)
	all := served{assets: map[string][]byte{}}
	for name, data := range plain {
		data = []byte(rename.Replace(string(data)))
		switch name {
		case "index.html":
			all.index = data
		case "message.html":
			all.message = template.Must(template.New(name).Parse(string(data)))
		default:
			all.assets[hashed[name]] = data
		}
	}
	return all
})

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
	default:
		return mime.TypeByExtension(path.Ext(name))
	}
}

// digest returns a short name of data's content.
func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])[:16]
}
