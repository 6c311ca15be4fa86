package http

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/template"
)

// CheckTexts checks that the placeholders in the headers and the body of the request r, which was read from n, are where
// values can be escaped. Placeholders are expressions, and {name} where known says so.
func CheckTexts(n *grammar.Node, r *Request, known func(name string) bool) {
	CheckHeaders(n.Get("headers"), known)
	contentType := r.Header.Get("Content-Type")
	if r.Upstream != nil {
		contentType = cmp.Or(contentType, r.Upstream.Header.Get("Content-Type"))
	}
	contentType = cmp.Or(contentType, jsonMedia)
	if body := n.Get("body"); body != nil && !body.IsSpoiled() {
		CheckBody(body, contentType, known)
	}
	if made := n.Get("json"); made != nil {
		if language, _ := template.Of(contentType); language != template.JSON {
			made.Problem("json is sent as JSON, and headers have another Content-Type", "remove that, or write body in place of json")
		}
	}
}

// CheckHeaders checks the placeholders in the headers n, which may be nil.
func CheckHeaders(n *grammar.Node, known func(name string) bool) {
	for k, v := range n.Pairs() {
		name := http.CanonicalHeaderKey(k.Value())
		if !v.IsScalar() || v.IsSpoiled() {
			continue
		}
		computed := slices.Collect(maps.Keys(v.Expressions()))
		if _, wrong := template.Parse(v.Value(), template.OfHeader(name), known, computed...); wrong != nil {
			v.ProblemAt(utf8.RuneCountInString(v.Value()[:wrong.At]), "header "+name+": "+wrong.What, wrong.Want)
			continue
		}
		for _, p := range template.Find(v.Value(), computed...) {
			if name == "Content-Type" && (known(p.Name) || slices.Contains(computed, p.Name)) {
				v.ProblemAt(utf8.RuneCountInString(v.Value()[:p.Begin]),
					"header "+name+": "+v.Value()[p.Begin:p.End]+" could change how the other values are escaped",
					"write it without a placeholder")
			}
		}
	}
}

// CheckBody checks the placeholders in the body of a request, which has that Content-Type.
func CheckBody(n *grammar.Node, contentType string, known func(name string) bool) {
	computed := slices.Collect(maps.Keys(n.Expressions()))
	language, safe := template.Of(contentType)
	if !safe {
		for _, p := range template.Find(n.Value(), computed...) {
			if known(p.Name) || slices.Contains(computed, p.Name) {
				n.ProblemAt(utf8.RuneCountInString(n.Value()[:p.Begin]),
					"body: "+n.Value()[p.Begin:p.End]+" cannot be escaped in a body of this Content-Type",
					"write one of JSON, XML, application/x-www-form-urlencoded or text/plain, or no placeholder")
				return
			}
		}
		return
	}
	if _, wrong := template.Parse(n.Value(), language, known, computed...); wrong != nil {
		n.ProblemAt(utf8.RuneCountInString(n.Value()[:wrong.At]), "body: "+wrong.What, wrong.Want)
	}
}
