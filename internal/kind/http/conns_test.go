package http_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"testing"

	httpkind "github.com/tidewire/tidewire/internal/kind/http"
)

// However many requests are made at once, one host gets a bounded number of connections; the others wait for them.
func TestConnectionsToAHostAreBounded(t *testing.T) {
	const requests = 2 * httpkind.MaxConns
	var answering, dialled atomic.Int64
	var asking sync.WaitGroup // for a connection: all do before the first answer
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if answering.Add(1) == httpkind.MaxConns {
			asking.Wait()
			close(release)
		}
		<-release
	}))
	defer server.Close()
	client := httpkind.NewClient()
	var all sync.WaitGroup
	asking.Add(requests)
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
		GetConn:      func(string) { asking.Done() },
		ConnectStart: func(string, string) { dialled.Add(1) },
	})
	for range requests {
		all.Go(func() {
			req, err := http.NewRequestWithContext(ctx, "GET", server.URL, nil)
			if err != nil {
				t.Error(err)
				return
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
		})
	}
	all.Wait()
	if n := dialled.Load(); n != httpkind.MaxConns {
		t.Errorf("%d connections were made for %d requests at once, want %d", n, requests, httpkind.MaxConns)
	}
}
