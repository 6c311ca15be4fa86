package sse_test

import (
	"context"
	"net"
	"net/http"
	"testing"

	"github.com/tidewire/tidewire/sse/ssetest"
)

// memoryServer is ssetest.Start with connections that hold 4 KB which the client has not read.
func memoryServer(t *testing.T, srv *http.Server) *ssetest.Server {
	return ssetest.Start(t, srv, &ssetest.Options{Buffer: 4096})
}

// handOffServer is memoryServer with connections that can be handed off, as those of TCP can, in a bubble too.
func handOffServer(t *testing.T, srv *http.Server) *ssetest.Server {
	inner := srv.Handler
	srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{})))
	})
	return memoryServer(t, srv)
}
