package config

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/kind"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/internal/notify"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/template"
)

// readWebhookUpstream reads the name of the upstream of a webhook.
func (r *reader) readWebhookUpstream(n *grammar.Node, to *notifyDraft) {
	u := grammar.Lookup(n, "upstream", r.parts.upstreams)
	if u == nil {
		return
	}
	spec, ok := u.Spec.(*httpkind.Upstream)
	if !ok {
		n.Problem("upstream "+grammar.Quote(u.Name)+" is not one with http", "name one that has the key http")
		return
	}
	to.Upstream, to.http.Upstream = u, spec
}

// Client returns the client for calls of the receiver outside a gateway, which is nil if any will do, and what to call
// when it is used no more.
func (to *Notify) Client() (client *http.Client, end func(), err error) {
	if to.Upstream == nil {
		return nil, func() {}, nil
	}
	link, err := to.Upstream.Spec.Open(kind.UpstreamEnv{
		Secrets: secret.New(to.Upstream.Spec.Secrets().Said...), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil || link == nil {
		return nil, func() {}, err
	}
	return httpkind.ClientOf(link, nil), func() { _ = link.Close() }, nil // it always succeeds
}

func readWebhookPath(n *grammar.Node) string {
	path := httpkind.ReadPath(n, true)
	if path != "" {
		checkWebhookPlaceholders(n, "path")
	}
	return path
}

func readWebhookQuery(n *grammar.Node, where string) url.Values {
	query := url.Values{}
	for name, v := range httpkind.ReadQuery(n, where) {
		checkWebhookPlaceholders(v, "query")
		query.Add(name, v.Value())
	}
	return query
}

// completeURL makes the address of a webhook by an upstream, and reports whether there is an address. N is its mapping, nil
// if it is an address alone.
func (to *notifyDraft) completeURL(n *grammar.Node) bool {
	at, by := n.Get("url"), n.Get("upstream")
	switch {
	case by == nil && at == nil:
		if n.Lacks("url", "upstream") {
			n.Problem("http of "+to.where+" has no address",
				"add one such as url: https://ntfy.example.com/ops, or upstream: NAME with path: /PATH")
		}
		return to.http.URL != nil
	case by != nil && at != nil:
		by.Problem("http has url and upstream", "keep one of them")
		return false
	case at != nil:
		for _, key := range []string{"path", "query"} {
			if v := n.Get(key); v != nil {
				v.Problem(key+" without upstream", "write it into url")
			}
		}
		return to.http.URL != nil
	case to.http.Upstream == nil:
		return false
	}
	u := *to.http.Upstream.URL
	if to.path != "" {
		u = *u.JoinPath(to.path)
	}
	u.RawQuery = queryTemplate(to.query)
	to.http.URL = &u
	if wrong := notify.CheckAddress(&u); wrong != nil {
		n.Problem("http: "+wrong.What, wrong.Want)
		return false
	}
	return true
}

// queryTemplate encodes a query, in which placeholders stay.
func queryTemplate(query url.Values) string {
	var all []string
	for _, pair := range strings.Split(query.Encode(), "&") { // in the order of the names
		if pair != "" {
			all = append(all, pair)
		}
	}
	for i, pair := range all {
		name, value, _ := strings.Cut(pair, "=")
		plain, _ := url.QueryUnescape(value) // it was escaped just now
		var escaped strings.Builder
		end := 0
		for _, p := range template.Find(plain) {
			escaped.WriteString(url.QueryEscape(plain[end:p.Begin]) + plain[p.Begin:p.End])
			end = p.End
		}
		all[i] = name + "=" + escaped.String() + url.QueryEscape(plain[end:])
	}
	return strings.Join(all, "&")
}
