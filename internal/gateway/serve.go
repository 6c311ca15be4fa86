package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/tidewire/tidewire/internal/api"
	"github.com/tidewire/tidewire/internal/lifecycle"
	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/sse"
)

// serve runs the gateway until ctx ends or a part of it fails.
func (g *gateway) serve(ctx, live context.Context, ln net.Listener, secret *tls.Config) error {
	polls := lifecycle.Start(live, g.poll)
	<-polls.Started()
	loads := lifecycle.Loop(live, g.loader.run)
	g.ready.Store(true) // first: whoever is answered at all finds it so
	server := g.newServer(live, secret)
	answers := lifecycle.Start(live, func(context.Context, func()) error { return answerOn(server, ln) })
	watches := lifecycle.Loop(live, g.api.Watch)
	counts := lifecycle.Loop(live, g.countEvents)
	beats := lifecycle.Loop(live, g.beat)
	moves := lifecycle.Loop(live, g.moveStreams)
	g.observer.ready()

	var failure error
	select {
	case <-ctx.Done():
		g.log.Info("stopping", "reason", context.Cause(ctx))
	case <-answers.Ended():
		failure = fmt.Errorf("gateway: serve: %w", answers.Stop())
	case <-polls.Ended():
		// Poll failures are state, not errors: only a defect of ours ends the loop.
		failure = fmt.Errorf("gateway: poll: %w", polls.Stop())
	}

	// Last in, first out, but for the server: it answers until nothing more happens.
	g.ready.Store(false)
	g.beginStop()
	g.observer.stopping()
	_ = beats.Stop()
	_ = moves.Stop()
	_ = watches.Stop()
	_ = counts.Stop()
	g.leave(live)
	if err := polls.Stop(); errors.As(err, new(*smartpoll.DrainError)) {
		g.log.Warn("some polls did not end", "err", err)
	}
	_ = loads.Stop()
	g.jobs.Stop()
	g.sources.Stop(live)
	g.forwarders.close(live)
	g.journal.Stopping()
	g.drain(live, server)
	g.upstreams.Close() // the last messages may have gone by them
	_ = answers.Stop()
	g.flooding.ReportAll(time.Now())
	g.auditLog.Close()
	g.endSharing()
	g.home.close(live, g.log)
	return failure
}

// poll runs the scheduler's loop.
func (g *gateway) poll(ctx context.Context, started func()) error {
	g.polling = started
	return g.scheduler.Run(ctx)
}

// newServer returns the HTTP server of the gateway.
func (g *gateway) newServer(live context.Context, secret *tls.Config) *http.Server {
	return &http.Server{
		Handler:           g.api.Handler(),
		TLSConfig:         secret,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       requestWithin,
		WriteTimeout:      requestWithin,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return live },
		ErrorLog:          api.ErrorLog(g.clients),
	}
}

// answerOn serves requests on ln until the server is shut down.
func answerOn(server *http.Server, ln net.Listener) error {
	ln = sse.NewListener(ln)
	if server.TLSConfig != nil {
		return server.ServeTLS(ln, "", "")
	}
	return server.Serve(ln)
}

// drain ends streams, requests and topics, and delivers what is still to be told, within
// the time of a stop.
func (g *gateway) drain(live context.Context, server *http.Server) {
	ctx, done := context.WithTimeout(live, goodbye)
	defer done()
	g.hearEnds(ctx)
	drained := lifecycle.Start(ctx, func(ctx context.Context, _ func()) error { return g.hub.Drain(ctx) })
	told := lifecycle.Loop(ctx, g.alerts.Flush)
	if err := server.Shutdown(ctx); err != nil {
		server.Close()
		g.log.Warn("some requests were cut off", "err", err)
	}
	<-drained.Ended()
	if err := g.tracker.Shutdown(ctx); err != nil {
		g.log.Warn("the topics did not end", "err", err)
	}
	<-told.Ended()
}

// hearEnds waits until the streams can have the ends of runs that are stored, which the store
// may be late to tell.
func (g *gateway) hearEnds(ctx context.Context) {
	ctx, done := context.WithTimeout(ctx, hearWithin)
	defer done()
	if err := g.store.Heard(ctx); err != nil {
		g.log.Warn("some streams do not get the end of their run: the store has not told of it", "err", err)
	}
}
