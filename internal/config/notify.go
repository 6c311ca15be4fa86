package config

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/tidewire/tidewire/internal/template"
	"go.yaml.in/yaml/v4"
)

// notify reads one entry of notify. It returns nil if it has no address, so that
// alerts need not complain about it again.
func (r *reader) notify(e named) *Notify {
	where := "notify " + quote(e.name)
	to := &Notify{Name: e.name, Method: http.MethodPost, Header: http.Header{}}
	var hook *yaml.Node
	r.mapping(e.value, where, notifyKeys, reads{
		"http": func(v *yaml.Node) { hook = v },
	})
	switch {
	case hook == nil && r.lacks(e.value, "http"):
		r.problem(e.key, where+" does not say how", "add an address such as http: https://ntfy.example.com/ops")
		return nil
	case hook == nil:
		return nil
	case hook.Kind == yaml.ScalarNode && !isNull(hook):
		if to.URL = r.hookURL(hook); to.URL == nil {
			return nil
		}
		return to
	}
	var body *yaml.Node
	r.mapping(hook, "http of "+where, webhookKeys, reads{
		"url":    func(v *yaml.Node) { to.URL = r.hookURL(v) },
		"method": func(v *yaml.Node) { to.Method = r.choice(v, "method", hookMethods) },
		"headers": func(v *yaml.Node) {
			r.headers(v, "headers of "+where, to.Header)
			if v.Kind == yaml.MappingNode {
				for i := 1; i < len(v.Content); i += 2 {
					r.hookPlaceholders(v.Content[i], "headers")
				}
			}
		},
		"body": func(v *yaml.Node) {
			if s, ok := r.text(v, "body", aBody); ok {
				to.Body, body = s, v
				r.hookPlaceholders(v, "body")
			}
		},
	})
	r.headerTemplates(value(hook, "headers"), isHookField)
	if body != nil {
		r.body(body, to.Header, textMedia, isHookField)
	}
	r.need(hook, "http of "+where, "url", "https://ntfy.example.com/ops")
	if to.URL == nil {
		return nil
	}
	return to
}

// hookURL reads the address of a webhook. It is often a credential: it is never
// quoted.
func (r *reader) hookURL(n *yaml.Node) *url.URL {
	const example = "write an address such as https://ntfy.example.com/ops"
	s, ok := r.text(n, "url", example)
	if !ok {
		return nil
	}
	u, err := url.Parse(s)
	_, rest, _ := strings.Cut(s, "://")
	host, _, _ := strings.Cut(rest, "/")
	switch {
	case err == nil && u.User != nil, err != nil && strings.Contains(s, "@"):
		r.problem(n, "url contains a user name or password", "write credentials into headers such as {Authorization: Bearer ...}")
	case len(template.Find(host)) > 0 && !strings.ContainsAny(host, "?#"):
		r.problem(n, "url has a placeholder in its host", "write it into the path or the query")
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		r.problem(n, "url is not an http or https address", example)
	case u.Fragment != "":
		r.problem(n, "url has a fragment", "leave it out; it is not sent")
	case !validPort(u.Port()):
		r.problem(n, "url has a bad port", "write a port from 1 to 65535")
	default:
		r.hookPlaceholders(n, "url")
		for language, part := range hookAddress(u) {
			if _, wrong := template.Parse(part, language, isHookField); wrong != nil {
				r.problem(n, "url: "+wrong.What, wrong.Want)
			}
		}
		return u
	}
	return nil
}
