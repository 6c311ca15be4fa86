package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// A site is a handler and its listener.
type site struct {
	listener net.Listener
	handler  http.Handler
}

// serve announces the first site's URL as a line on stdout and serves all of them until ctx ends, which is not an
// error. Requests in progress are cut off.
func serve(ctx context.Context, stdout io.Writer, sites ...site) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var serving sync.WaitGroup
	for _, s := range sites {
		server := &http.Server{Handler: s.handler, ReadHeaderTimeout: 5 * time.Second}
		stop := context.AfterFunc(ctx, func() { server.Close() })
		defer stop()
		serving.Go(func() {
			if err := server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
				cancel(err)
			}
		})
	}
	if _, err := fmt.Fprintf(stdout, "http://%s\n", sites[0].listener.Addr()); err != nil {
		cancel(err)
	}
	serving.Wait()
	if err := context.Cause(ctx); ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		return fmt.Errorf("demo: serve: %w", err)
	}
	return nil
}

// withEOF returns a context that also ends when r does. Its goroutine lasts as
// long as r.
func withEOF(ctx context.Context, r io.Reader) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		io.Copy(io.Discard, r)
	}()
	return ctx
}
