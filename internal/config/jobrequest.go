package config

import (
	"iter"
	"net/http"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/kind"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/internal/template"
)

func (r *reader) jobRequestKeys(h *JobHTTP, where string) grammar.Keys {
	return grammar.Keys{
		grammar.Func("upstream",
			"one of `upstreams`, with its credential and its limit",
			grammar.ALine, func(v *grammar.Node) { h.Upstream = r.jobUpstream(v) }).
			Need("weather"),
		grammar.OneOf("method", "the method", &h.Method, jobMethods).Default(http.MethodPost),
		grammar.Func("path",
			"begins with `/`, is joined to the upstream's path; no `..`, no query",
			httpkind.PathShape, func(v *grammar.Node) { h.Path = httpkind.ReadPath(v, true) }),
		grammar.Func("query",
			"the query; a list of texts repeats the parameter",
			httpkind.QueryShape, func(v *grammar.Node) { h.Query = readPairs(v, where) }).Also("params").Secret(),
		grammar.Func("headers",
			"added to the upstream's headers; a header of the same name replaces the upstream's", httpkind.HeadersShape,
			func(v *grammar.Node) { httpkind.ReadHeaders(v, "headers of "+where, h.Header) }).Secret(),
		grammar.Func("body",
			"the body. Without it `POST`, `PUT` and `PATCH` send the arguments as a JSON object",
			grammar.AnyText, func(v *grammar.Node) { h.Body, _ = v.Text("body", aBody) }).
			Also("data json payload").Secret(),
		httpkind.AcceptKey(&h.Accept, false),
		grammar.Func("follow",
			"where a 202 answer names the operation, whose status is then requested until it has ended",
			grammar.Words(follows), func(v *grammar.Node) { h.Follow = v.OneOf("follow", follows) != "" }),
	}
}

// jobUpstream reads the name of an upstream for requests.
func (r *reader) jobUpstream(n *grammar.Node) *httpkind.Upstream {
	u, _ := kind.UpstreamOf[*httpkind.Upstream](r.reading(&sourceDraft{Source: &Source{}}, ""), n, httpkind.Kind.Name)
	return u
}

const aBody = `write a text, also of JSON, such as '{"text": "done"}'`

// requestRead completes the request of a job, which was read from n.
func (d *jobDraft) requestRead(n *grammar.Node) {
	d.HTTP = d.request
	if body := n.Get("body"); body != nil && body.IsGood() && isBodiless(d.HTTP.Method) {
		body.Problem("a "+d.HTTP.Method+" has no body", "remove it, or write method: POST")
	}
}

func isBodiless(method string) bool { return method == http.MethodGet || method == http.MethodDelete }

// readPairs reads a query.
func readPairs(n *grammar.Node, where string) (query []Pair) {
	for k, v := range httpkind.ReadQuery(n, where) {
		query = append(query, Pair{k, v.Value()})
	}
	return query
}

// argumentTexts returns the texts of the request n that may contain arguments, and whether one can be left out.
func argumentTexts(n *grammar.Node) iter.Seq2[*grammar.Node, bool] {
	return func(yield func(*grammar.Node, bool) bool) {
		texts, canVanish := []*grammar.Node{n.Get("path"), n.Get("body")}, false
		for range 2 {
			for _, n := range texts {
				if n.IsScalar() && !n.IsNull() && !n.IsSpoiled() && !yield(n, canVanish) {
					return
				}
			}
			texts, canVanish = nil, true
			for _, v := range n.Get("query").Pairs() {
				texts = append(append(texts, v), v.Elements()...)
			}
			for _, v := range n.Get("headers").Pairs() {
				texts = append(texts, v)
			}
		}
	}
}

// sendsAll reports whether a request has all arguments in its body.
func sendsAll(h *JobHTTP) bool {
	return h.Body == "" && h.Method != "" && !isBodiless(h.Method)
}

// checkRequestTemplates checks that placeholders in the headers and the body of the request n are where values can be
// escaped.
func checkRequestTemplates(n *grammar.Node, j *Job, args map[string]*grammar.Node) {
	h := j.HTTP
	known := func(name string) bool { return args[name] != nil }
	checkHeaderTemplates(n.Get("headers"), known)
	header := h.Header.Clone()
	if h.Upstream != nil && header.Get("Content-Type") == "" {
		header.Set("Content-Type", h.Upstream.Header.Get("Content-Type"))
	}
	_, isFile := j.bodyFile()
	if body := n.Get("body"); body != nil && !body.IsSpoiled() && !isFile {
		checkBody(body, header, jsonMedia, known)
	}
}

// checkHeaderTemplates checks the placeholders in the headers n, which may be nil.
func checkHeaderTemplates(n *grammar.Node, known func(name string) bool) {
	for k, v := range n.Pairs() {
		name := http.CanonicalHeaderKey(k.Value())
		if !v.IsScalar() || v.IsSpoiled() {
			continue
		}
		if _, wrong := template.Parse(v.Value(), template.OfHeader(name), known); wrong != nil {
			v.ProblemAt(utf8.RuneCountInString(v.Value()[:wrong.At]), "header "+name+": "+wrong.What, wrong.Want)
			continue
		}
		for _, p := range placeholders(v) {
			if name == "Content-Type" && known(p.name) {
				v.ProblemAt(p.at, "header "+name+": "+p.text+" could change how the other values are escaped",
					"write it without a placeholder")
			}
		}
	}
}

// checkBody checks the placeholders in the body of a request.
func checkBody(n *grammar.Node, header http.Header, usual string, known func(name string) bool) {
	language, safe := bodyLanguage(header, usual)
	if !safe {
		for _, p := range placeholders(n) {
			if known(p.name) {
				n.ProblemAt(p.at, "body: "+p.text+" cannot be escaped in a body of this Content-Type",
					"write one of JSON, XML, application/x-www-form-urlencoded or text/plain, or no placeholder")
				return
			}
		}
		return
	}
	if _, wrong := template.Parse(n.Value(), language, known); wrong != nil {
		n.ProblemAt(utf8.RuneCountInString(n.Value()[:wrong.At]), "body: "+wrong.What, wrong.Want)
	}
}
