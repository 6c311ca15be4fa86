package config

import (
	"net/http"
	"slices"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/template"
	"go.yaml.in/yaml/v4"
)

// jobRequest reads the http key of a job. It returns also the texts in which
// arguments can stand, and whether all arguments are sent anyway.
func (r *reader) jobRequest(n *yaml.Node, where string, upstreams map[string]*Upstream) (h *JobHTTP, texts []*yaml.Node, all bool) {
	h = &JobHTTP{Method: http.MethodPost, Header: http.Header{}}
	var upstream, method, body *yaml.Node
	r.mapping(n, "http of "+where, jobRequestKeys, reads{
		"upstream": func(v *yaml.Node) { upstream = v },
		"method":   func(v *yaml.Node) { method = v; h.Method = r.choice(v, "method", jobMethods) },
		"path":     func(v *yaml.Node) { texts = append(texts, v); h.Path = r.path(v, true) },
		"query": func(v *yaml.Node) {
			for k, v := range r.query(v, where) {
				texts = append(texts, v)
				h.Query = append(h.Query, Pair{k, v.Value})
			}
		},
		"accept": func(v *yaml.Node) { h.Accept = r.statuses(v, false) },
		"headers": func(v *yaml.Node) {
			r.headers(v, "headers of "+where, h.Header)
			if v.Kind == yaml.MappingNode {
				for i := 1; i < len(v.Content); i += 2 {
					texts = append(texts, v.Content[i])
				}
			}
		},
		"body": func(v *yaml.Node) {
			if s, ok := r.text(v, "body", aBody); ok {
				texts, body = append(texts, v), v
				h.Body = s
			}
		},
		"follow": func(v *yaml.Node) { h.Follow = r.choice(v, "follow", follows) != "" },
	})
	bodiless := h.Method == http.MethodGet || h.Method == http.MethodDelete
	if body != nil && bodiless {
		r.problem(body, "a "+h.Method+" has no body", "remove it, or write method: POST")
	}
	r.need(n, "http of "+where, "upstream", "weather")
	if upstream != nil {
		h.Upstream = lookup(r, upstream, "upstream", upstreams)
	}
	all = !bodiless && (body == nil || h.Body == "") && (method == nil || h.Method != "")
	return h, slices.DeleteFunc(texts, func(n *yaml.Node) bool { return r.spoiled[n] || n.Kind != yaml.ScalarNode }), all
}

// jobTemplates checks that the placeholders in the headers and the body of the request n stand where values can be escaped.
func (r *reader) jobTemplates(n *yaml.Node, h *JobHTTP, args map[string]*yaml.Node) {
	known := func(name string) bool { return args[name] != nil }
	r.headerTemplates(value(n, "headers"), known)
	header := h.Header.Clone()
	if h.Upstream != nil && header.Get("Content-Type") == "" {
		header.Set("Content-Type", h.Upstream.Header.Get("Content-Type"))
	}
	if body := value(n, "body"); body != nil && !r.spoiled[body] {
		r.body(body, header, jsonMedia, known)
	}
}

// headerTemplates checks the placeholders in the headers n, which may be nil.
func (r *reader) headerTemplates(n *yaml.Node, known func(name string) bool) {
	if n == nil || n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i < len(n.Content); i += 2 {
		name, v := http.CanonicalHeaderKey(n.Content[i].Value), n.Content[i+1]
		if v.Kind != yaml.ScalarNode || r.spoiled[v] {
			continue
		}
		if _, wrong := template.Parse(v.Value, template.OfHeader(name), known); wrong != nil {
			r.problemWithin(v, utf8.RuneCountInString(v.Value[:wrong.At]), "header "+name+": "+wrong.What, wrong.Want)
			continue
		}
		for _, p := range r.placeholders(v) {
			if name == "Content-Type" && known(p.name) {
				r.problemWithin(v, p.at, "header "+name+": "+p.text+" could change how the other values are escaped", "write it without a placeholder")
			}
		}
	}
}

// body checks the placeholders in the body of a request.
func (r *reader) body(n *yaml.Node, header http.Header, usual string, known func(name string) bool) {
	language, safe := bodyLanguage(header, usual)
	if !safe {
		for _, p := range r.placeholders(n) {
			if known(p.name) {
				r.problemWithin(n, p.at, "body: "+p.text+" cannot be escaped in a body of this Content-Type",
					"write one of JSON, XML, application/x-www-form-urlencoded or text/plain, or no placeholder")
				return
			}
		}
		return
	}
	if _, wrong := template.Parse(n.Value, language, known); wrong != nil {
		r.problemWithin(n, utf8.RuneCountInString(n.Value[:wrong.At]), "body: "+wrong.What, wrong.Want)
	}
}
