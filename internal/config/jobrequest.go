package config

import (
	"iter"
	"net/http"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/kind"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
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
			httpkind.QueryShape, func(v *grammar.Node) { h.Query = httpkind.ReadPairs(v, where) }).Also("params").Secret(),
		grammar.Func("headers",
			"added to the upstream's headers; a header of the same name replaces the upstream's", httpkind.HeadersShape,
			func(v *grammar.Node) { httpkind.ReadRequestHeaders(v, "headers of "+where, h.Header) }).Secret(),
		grammar.Func("json",
			"the body as a mapping or a list, which is sent as JSON. A text that is `{arg}` alone becomes the value of the argument",
			httpkind.JSONShape, func(*grammar.Node) {}).Also("data payload").Without("body").Secret(),
		grammar.Func("body",
			"the body as text. Without `json` and `body`, `POST`, `PUT` and `PATCH` send the arguments as a JSON object",
			grammar.AnyText, func(v *grammar.Node) { h.Body, _ = v.Template("body", aBody) }).Without("json").Secret(),
		httpkind.StatusesKey(&h.Statuses, false),
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
	body, made := n.Get("body"), n.Get("json")
	if body != nil && made != nil {
		made.Problem("http has body and json", "keep one of them")
	}
	for _, v := range []*grammar.Node{body, made} {
		if v != nil && v.IsGood() && isBodiless(d.HTTP.Method) {
			v.Problem("a "+d.HTTP.Method+" has no body", "remove it, or write method: POST")
		}
	}
	d.HTTP.Computed = n.Expressions()
}

func isBodiless(method string) bool { return method == http.MethodGet || method == http.MethodDelete }

// argumentTexts returns the texts of the request n that may contain arguments, and whether one can be left out.
func argumentTexts(n *grammar.Node) iter.Seq2[*grammar.Node, bool] {
	return func(yield func(*grammar.Node, bool) bool) {
		texts, canVanish := append([]*grammar.Node{n.Get("path"), n.Get("body")}, textsIn(n.Get("json"))...), false
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

// textsIn returns the scalars in n, which may be nil.
func textsIn(n *grammar.Node) (all []*grammar.Node) {
	if n.IsScalar() {
		return []*grammar.Node{n}
	}
	for _, e := range n.Elements() {
		all = append(all, textsIn(e)...)
	}
	for _, v := range n.Pairs() {
		all = append(all, textsIn(v)...)
	}
	return all
}

// sendsAll reports whether a request, which was read from n, has all arguments in its body.
func sendsAll(n *grammar.Node, h *JobHTTP) bool {
	return h.Body == "" && n.Get("json") == nil && h.Method != "" && !isBodiless(h.Method)
}
