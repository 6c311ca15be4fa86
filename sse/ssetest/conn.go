package ssetest

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// newConn returns the two sides of a connection that holds up to size bytes of answers that the client has not read
// yet; with a negative size it holds none.
func newConn(size int) (client, server net.Conn) {
	client, server = net.Pipe()
	if size < 0 {
		return client, server
	}
	answers := &buffer{size: size, changed: make(chan struct{})}
	return clientConn{client, answers}, serverConn{server, answers}
}

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

func (c serverConn) Write(p []byte) (int, error)         { return c.answers.write(p, true) }
func (c serverConn) SetWriteDeadline(at time.Time) error { return c.answers.setDeadline(at) }

func (c serverConn) SetDeadline(at time.Time) error {
	_ = c.answers.setDeadline(at)
	return c.Conn.SetReadDeadline(at)
}

// TryWrite writes as many bytes as there is room for. Together with Left it lets package sse test the hand-off of
// connections.
func (c serverConn) TryWrite(p []byte) (int, error) { return c.answers.write(p, false) }

// Left reports whether the client has closed the connection.
func (c serverConn) Left() bool {
	c.answers.mu.Lock()
	defer c.answers.mu.Unlock()
	return c.answers.left
}

func (c serverConn) Close() error {
	c.answers.close(&c.answers.ended)
	return c.Conn.Close()
}

// buffer holds up to size bytes in transit.
type buffer struct {
	size int

	mu sync.Mutex // guards the fields below

	data     []byte
	deadline time.Time
	left     bool          // by the reader
	ended    bool          // by the writer
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
			n = min(len(p)-written, b.size-len(b.data))
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
