package config

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

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
	r.mapping(hook, "http of "+where, webhookKeys, reads{
		"url":     func(v *yaml.Node) { to.URL = r.hookURL(v) },
		"method":  func(v *yaml.Node) { to.Method = r.choice(v, "method", hookMethods...) },
		"headers": func(v *yaml.Node) { r.headers(v, "headers of "+where, to.Header) },
		"body": func(v *yaml.Node) {
			if s, ok := r.text(v, "body", aBody); ok {
				to.Body = s
				r.hookPlaceholders(v, s)
			}
		},
	})
	r.need(hook, "http of "+where, "url", "https://ntfy.example.com/ops")
	if to.URL == nil {
		return nil
	}
	return to
}

var hookMethods = []string{http.MethodPost, http.MethodPut, http.MethodPatch}

// hookURL reads the address of a webhook. It is often a credential: it is never
// quoted.
func (r *reader) hookURL(n *yaml.Node) *url.URL {
	const example = "write an address such as https://ntfy.example.com/ops"
	s, ok := r.text(n, "url", example)
	if !ok {
		return nil
	}
	u, err := url.Parse(s)
	switch {
	case err == nil && u.User != nil, err != nil && strings.Contains(s, "@"):
		r.problem(n, "url contains a user name or password", "write credentials into headers such as {Authorization: Bearer ...}")
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		r.problem(n, "url is not an http or https address", example)
	case u.Fragment != "":
		r.problem(n, "url has a fragment", "leave it out; it is not sent")
	case !validPort(u.Port()):
		r.problem(n, "url has a bad port", "write a port from 1 to 65535")
	default:
		return u
	}
	return nil
}

// hookFields are what stands for an alert in the body of a webhook.
var hookFields = []string{"source", "title", "state", "value", "error", "since"}

var hookPlaceholder = regexp.MustCompile(`\{([A-Za-z_]+)\}`)

// hookPlaceholders checks the placeholders in the body that n is.
func (r *reader) hookPlaceholders(n *yaml.Node, body string) {
	for _, m := range hookPlaceholder.FindAllStringSubmatchIndex(body, -1) {
		if name := body[m[2]:m[3]]; !slices.Contains(hookFields, name) {
			r.problemWithin(n, utf8.RuneCountInString(body[:m[0]]), fmt.Sprintf("body: there is no {%s} of an alert", name), suggest(name, "placeholders", hookFields))
		}
	}
}
