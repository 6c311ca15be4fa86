package sse_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/sse/ssetest"
)

// memoryServer is ssetest.Start over connections that can be handed off, as those of TCP can, and work in a bubble. The
// server's side of one holds 4 KB that the client has not read.
func memoryServer(t *testing.T, srv *http.Server) *ssetest.Server {
	l := &memoryListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	transport := &http.Transport{DialContext: l.dial}
	t.Cleanup(func() {
		_ = srv.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("http.Server.Serve: %v, want %v", err, http.ErrServerClosed)
		}
		transport.CloseIdleConnections()
	})
	return &ssetest.Server{Client: &http.Client{Transport: transport}}
}

type memoryListener struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *memoryListener) dial(context.Context, string, string) (net.Conn, error) {
	request, requests := net.Pipe()
	answers := &buffer{changed: make(chan struct{})}
	select {
	case l.conns <- serverConn{requests, answers}:
		return clientConn{request, answers}, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *memoryListener) Addr() net.Addr { return &net.TCPAddr{} }

// clientConn and serverConn are the two sides of a connection: requests go through a pipe, answers through a buffer.
type clientConn struct {
	net.Conn
	answers *buffer
}

func (c clientConn) Read(p []byte) (int, error) { return c.answers.read(p) }

func (c clientConn) Close() error {
	c.answers.close(&c.answers.left)
	return c.Conn.Close()
}

type serverConn struct {
	net.Conn
	answers *buffer
}

func (c serverConn) LocalAddr() net.Addr                 { return &net.TCPAddr{} } // it stands for one
func (c serverConn) Write(p []byte) (int, error)         { return c.answers.write(p, true) }
func (c serverConn) TryWrite(p []byte) (int, error)      { return c.answers.write(p, false) }
func (c serverConn) SetWriteDeadline(at time.Time) error { return c.answers.setDeadline(at) }

func (c serverConn) SetDeadline(at time.Time) error {
	_ = c.answers.setDeadline(at)
	return c.Conn.SetReadDeadline(at)
}

func (c serverConn) Left() bool {
	c.answers.mu.Lock()
	defer c.answers.mu.Unlock()
	return c.answers.left
}

func (c serverConn) Close() error {
	c.answers.close(&c.answers.ended)
	return c.Conn.Close()
}

// buffer holds up to 4 KB on their way.
type buffer struct {
	mu sync.Mutex // guards the fields below

	data     []byte
	deadline time.Time
	left     bool          // the reader is gone
	ended    bool          // the writer is
	changed  chan struct{} // closed, and made anew, when something has changed
}

func (b *buffer) changedLocked() {
	close(b.changed)
	b.changed = make(chan struct{})
}

func (b *buffer) close(flag *bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	*flag = true
	b.changedLocked()
}

func (b *buffer) setDeadline(at time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deadline = at
	b.changedLocked()
	return nil
}

func (b *buffer) read(p []byte) (int, error) {
	for {
		b.mu.Lock()
		n, ended, left, changed := copy(p, b.data), b.ended, b.left, b.changed
		b.data = b.data[n:]
		if n > 0 {
			b.changedLocked()
		}
		b.mu.Unlock()
		switch {
		case left:
			return 0, net.ErrClosed
		case n > 0:
			return n, nil
		case ended:
			return 0, io.EOF
		}
		<-changed
	}
}

func (b *buffer) write(p []byte, wait bool) (written int, err error) {
	for {
		b.mu.Lock()
		n, deadline, changed := 0, b.deadline, b.changed
		switch {
		case b.left, b.ended:
			err = io.ErrClosedPipe
		case !deadline.IsZero() && !time.Now().Before(deadline):
			err = os.ErrDeadlineExceeded
		default:
			n = min(len(p)-written, 4096-len(b.data))
			b.data = append(b.data, p[written:written+n]...)
		}
		if n > 0 {
			b.changedLocked()
		}
		b.mu.Unlock()
		if written += n; err != nil || written == len(p) || !wait {
			return written, err
		}
		if deadline.IsZero() {
			<-changed
			continue
		}
		expiry := time.NewTimer(time.Until(deadline))
		select {
		case <-changed:
		case <-expiry.C:
		}
		expiry.Stop()
	}
}
