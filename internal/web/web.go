// Package web is the page: HTML that the server draws, and the style sheets and ES modules that are embedded as written, and
// minified when the process first needs them: there is no build step.
//
// # How a page is made
//
// A page is an address: /, /jobs, /alerts, /sources/NAME, /jobs/NAME and /runs/ID. Package api collects what a page says,
// as the types of package view, and calls [Draw] with the name of a template and a [Page]:
//
//   - templates/base.html is what all pages have: "top", the head, and "end". templates/parts.html has what several pages
//     show, such as a card. Each other file of templates is one page, named as its file.
//   - A template gets the [Page]; what the page is about is its Body. Texts are ready: words, numbers and times are made by
//     package view, so a template decides nothing but where they stand.
//   - Addresses are relative. {{to (sourceHref .Name)}} is one below the root of the gateway, {{asset "page.css"}} that of a
//     file of static/.
//   - The page is whole without a script. A module takes over what the server has drawn by data-key; the blank of a
//     component, in a <template>, is the same Go template with nothing in it.
//   - static/page.css styles all pages. static/NAME.js, named by Page.Script, is the module of a page; base.html preloads
//     what it imports. static/NAME.css beside it, if there is one, has what only that page shows; kiosk.css and embed.css
//     are for the forms of that name.
//   - A form posts to a route of the page, such as POST /sources/NAME/refresh. See form.go of package api.
//   - A page that names in Page.Follow what it is about is fetched again by static/refresh.js when the stream brings one of
//     those keys, and the elements with data-part are replaced if they differ.
//
// # Addresses
//
// [Handler] serves what does not depend on the gateway: the files below /static/, and the module with which the page follows
// streams, which is public: it needs no other file, and is at /tidewire.js for pages of any origin.
//
// All addresses in pages are relative, so that they work below any path.
//
// # Caching
//
// Embedded files have no modification time, so each asset's name carries a hash of the content and may be kept for ever. Pages
// and /tidewire.js, whose names never change, are revalidated by their ETag on each visit. Files and pages are compressed
// by gzip for clients that accept it.
//
// # Security
//
// A Content-Security-Policy admits scripts, styles and connections only from the page's own origin, admits no inline code,
// and forbids turning strings into markup or code (Trusted Types). Values of sources and output of jobs are treated as
// hostile; they enter the document only as text.
package web

import (
	"net/http"
	"strings"
)

// policy is the Content-Security-Policy of every response. Requests of the
// page go to the API of its own origin; data: images are its masks.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
	"img-src 'self' data:; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types 'none'"

// Handler returns a handler of the browser module at /tidewire.js, and of the assets of pages at /static/<name>.<hash>.<ext>.
// Other paths are 404; methods other than GET and HEAD are 405. Every response carries the security headers that the package's
// documentation describes. The handler is safe for concurrent use and depends on nothing but its own files.
func Handler() http.Handler {
	all := files()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /tidewire.js", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*") // modules are fetched with CORS; this one is public
		serveRevalidated(w, r, all.module)
	})
	mux.HandleFunc("GET /static/{name}", func(w http.ResponseWriter, r *http.Request) {
		file, ok := all.assets[r.PathValue("name")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		file.serve(w, r)
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
	h.Set("X-Frame-Options", "DENY")        // for browsers older than frame-ancestors
	h.Set("Referrer-Policy", "same-origin") // with no-referrer, browsers send forms with Origin: null
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
}

// framed lets the pages of some origins show a document in a frame, and those of its own.
func framed(h http.Header, origins []string) {
	allowed := "frame-ancestors 'self' " + strings.Join(origins, " ")
	h.Set("Content-Security-Policy", strings.Replace(policy, "frame-ancestors 'none'", allowed, 1))
	h.Del("X-Frame-Options") // which has no word for that; browsers since 2016 know frame-ancestors
}

// serveRevalidated serves a file whose name does not depend on its content: browsers ask each time whether it has
// changed.
func serveRevalidated(w http.ResponseWriter, r *http.Request, file *asset) {
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", `"`+file.digest+`"`)
	file.serve(w, r)
}
