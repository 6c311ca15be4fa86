package http_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/kind"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/internal/value"
)

// canned is a network that answers at once.
type canned []byte

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: 200, Proto: "HTTP/1.1", Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
		ContentLength: int64(len(c)), Body: io.NopCloser(bytes.NewReader(c)),
	}, nil
}

// What a poll costs beside the network and the parts of the runtime.
func BenchmarkFetch(b *testing.B) {
	for _, bench := range []struct {
		name, text string
		variables  []string
	}{
		{"plain", "path: /v1/now, query: {q: Perth}, headers: {X-A: b}", nil},
		{"variables", "path: /v1/now, query: {q: Perth}, headers: {X-A: b}", []string{"$status", "$headers", "$took", "$cert"}},
		{"computed", `path: /v1/now, query: {q: "${jq: .city}"}, headers: {X-A: b}`, nil},
	} {
		b.Run(bench.name, func(b *testing.B) {
			upstream := &httpkind.Upstream{Name: "u", URL: parseURL(b, "http://plant.example"), Header: http.Header{}, KeepAlive: true}
			var source kind.Source
			grammar.Read("f", []byte("http: {upstream: u, "+bench.text+"}"), grammar.Options{}, func(root *grammar.Node) {
				section := httpkind.Kind.Section(kind.Reading{Where: "source", Upstream: func(*grammar.Node) kind.Upstream { return upstream }})
				root.Read("source", section.Keys)
				source = section.Source(root)
			})
			client := &http.Client{Transport: canned(`{"main": {"temp": 21.5, "pressure": 1013}, "wind": {"speed": 4.1}}`)}
			last := map[string]any{"city": "Perth"}
			fetcher, err := source.Open(kind.Env{Client: client, Parse: value.Format{Name: "json"}, Variables: bench.variables, Last: func() any { return last }})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := fetcher.Fetch(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
