package config

import (
	"log/slog"
	"maps"
	"net/http"
	"slices"

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
		checkWebhookPath(n, "path", path)
	}
	return path
}

// checkWebhookPath checks that values can be escaped in a path, which was read from n.
func checkWebhookPath(n *grammar.Node, what, path string) {
	computed := slices.Collect(maps.Keys(n.Expressions()))
	if _, wrong := template.Parse(path, template.Path, notify.IsField, computed...); wrong != nil {
		n.Problem(what+": "+wrong.What, wrong.Want)
	}
}

func readWebhookQuery(n *grammar.Node, where string) (query []httpkind.Pair) {
	for name, v := range httpkind.ReadQuery(n, where) {
		checkWebhookPlaceholders(v, "query")
		query = append(query, httpkind.Pair{Name: name, Value: v.Value()})
	}
	return query
}

// completeAddress completes the address of a webhook, and reports whether there is one. N is its mapping, nil if it is an
// address alone.
func (to *notifyDraft) completeAddress(n *grammar.Node) bool {
	at, by := n.Get("url"), n.Get("upstream")
	switch {
	case by != nil && at != nil:
		by.Problem("http has url and upstream", "keep one of them")
		return false
	case by != nil:
		return to.http.Upstream != nil
	case at != nil:
		for _, key := range []string{"path", "query"} {
			if v := n.Get(key); v != nil {
				v.Problem(key+" without upstream", "write it into url")
			}
		}
	case n.Lacks("url", "upstream"):
		n.Problem("http of "+to.where+" has no address",
			"add one such as url: https://ntfy.example.com/ops, or upstream: NAME with path: /PATH")
	}
	if to.url == nil {
		return false
	}
	r := notify.At(to.url)
	to.http.Upstream, to.http.Path, to.http.Query = r.Upstream, r.Path, r.Query
	return true
}
