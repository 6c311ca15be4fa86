package http

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/secret"
)

// tracedHeader are the names of an answer's header that say something about the value.
var tracedHeader = []string{
	"Content-Type", "Content-Length", "Content-Encoding", "Date", "Age", "Cache-Control", "ETag", "Last-Modified",
	"Location", "Retry-After", "Server",
}

// A trace shows one exchange. A nil one shows nothing.
type trace struct {
	to      *kind.Trace
	own     http.Header      // whose values are hidden
	sent    []byte           // the body of the request
	secrets *secret.Redactor // what is hidden in it

	mu sync.Mutex // guards the fields below: connections are made on goroutines of their own

	dns, connect, handshake, wrote, first time.Time // when phases began
	phases                                []string  // that are over
}

// traceOf returns what shows in the trace of ctx what h does, nil if there is none.
func traceOf(ctx context.Context, h Exchange) *trace {
	if t := kind.TraceOf(ctx); t != nil {
		return &trace{to: t, own: h.Header, sent: h.Body, secrets: h.Secrets}
	}
	return nil
}

// timed returns a context whose request notes how long its phases take.
func (t *trace) timed(ctx context.Context) context.Context {
	if t == nil {
		return ctx
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart:             func(httptrace.DNSStartInfo) { t.mark(&t.dns) },
		DNSDone:              func(httptrace.DNSDoneInfo) { t.over("name", &t.dns) },
		ConnectStart:         func(string, string) { t.mark(&t.connect) },
		ConnectDone:          func(string, string, error) { t.over("connect", &t.connect) },
		TLSHandshakeStart:    func() { t.mark(&t.handshake) },
		TLSHandshakeDone:     func(tls.ConnectionState, error) { t.over("TLS", &t.handshake) },
		WroteRequest:         func(httptrace.WroteRequestInfo) { t.mark(&t.wrote) },
		GotFirstResponseByte: func() { t.over("first byte", &t.wrote); t.mark(&t.first) },
	})
}

// mark notes when a phase begins.
func (t *trace) mark(begun *time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*begun = time.Now()
}

// over notes how long a phase has taken.
func (t *trace) over(phase string, begun *time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !begun.IsZero() {
		t.phases = append(t.phases, phase+" "+kind.Short(time.Since(*begun)))
	}
}

// request shows a request before it is sent, with [secret.Mask] for the values of its query and of the source's own
// header.
func (t *trace) request(r *http.Request) {
	if t == nil {
		return
	}
	address := *r.URL
	query := address.Query()
	for _, name := range slices.Sorted(maps.Keys(query)) {
		query.Set(name, secret.Mask)
	}
	address.User, address.RawQuery = nil, strings.ReplaceAll(query.Encode(), "%2A", "*")
	t.to.Section("request")
	t.to.Line("%s %s", r.Method, address.String())
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		text := strings.Join(r.Header[name], ", ")
		for own := range t.own {
			if http.CanonicalHeaderKey(own) == name && name != "Content-Type" {
				text = secret.Mask
			}
		}
		t.to.Line("%s: %s", name, text)
	}
	if len(t.sent) > 0 {
		t.to.Line("")
		t.to.Block(t.secrets.With(secret.OfBody(r.Header.Get("Content-Type"), string(t.sent))...).Text(string(t.sent)))
	}
}

// traceResults shows what the expressions of a request give, in the trace of ctx.
func traceResults(ctx context.Context, f *Filled, secrets *secret.Redactor) {
	t := kind.TraceOf(ctx)
	if t == nil {
		return
	}
	t.Section("computed")
	for _, text := range slices.Sorted(maps.Keys(f.Results)) {
		data, _ := json.Marshal(f.Results[text]) // what jq gives encodes
		t.Line("%s", secrets.Text(fmt.Sprintf("%s = %s", text, data)))
	}
}

// response shows the head of an answer.
func (t *trace) response(r *http.Response) {
	if t == nil {
		return
	}
	t.mu.Lock()
	phases := strings.Join(t.phases, ", ")
	t.mu.Unlock()
	t.to.Section("answer after %s (%s)", t.to.Took(), phases)
	t.to.Line("%s %s", r.Proto, r.Status)
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		c := r.TLS.PeerCertificates[0]
		t.to.Line("certificate of %s by %s, for %d more days", c.Subject, c.Issuer, daysLeft(c, time.Now()))
	}
	for _, name := range tracedHeader {
		if value := r.Header.Get(name); value != "" {
			t.to.Line("%s: %s", name, value)
		}
	}
}

// body shows the body of an answer.
func (t *trace) body(body []byte) {
	if t == nil {
		return
	}
	var took time.Duration
	t.mu.Lock()
	if !t.first.IsZero() {
		took = time.Since(t.first)
	}
	t.mu.Unlock()
	t.to.Output(body, took)
}
