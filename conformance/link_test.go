package conformance_test

import (
	"bytes"
	"net"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// A link is a TCP port that leads to another one. It sees what the server writes, can break connections off, refuse
// them, and lead elsewhere, as from a server to its successor.
type link struct {
	t    *testing.T
	addr string

	changing
	target string
	ln     net.Listener // nil: connections are refused
	conns  []*linked
}

// linked is a connection over a link.
type linked struct {
	client, server net.Conn
	at             time.Time // of the connection
	asked          []byte    // by the client
	told           []byte    // by the server
	toldAt         time.Time // when the server said the last of it
	over           bool
	left           bool // the client has ended its side
	beatsBefore    int  // that the server had sent by then
}

// newLink returns a link to an address that lasts until the test ends.
func newLink(t *testing.T, target string) *link {
	t.Helper()
	l := &link{t: t, addr: freeAddr(t), target: target}
	l.up()
	t.Cleanup(l.down)
	return l
}

// lead has later connections go to target.
func (l *link) lead(target string) { l.change(func() { l.target = target }) }

// up has the link accept connections, at the address that it had before.
func (l *link) up() {
	l.t.Helper()
	ln, err := net.Listen("tcp", l.addr)
	if err != nil {
		l.t.Fatal(err)
	}
	l.addr = ln.Addr().String()
	l.change(func() { l.ln = ln })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go l.carry(conn)
		}
	}()
}

// down breaks all connections off and refuses new ones.
func (l *link) down() {
	l.change(func() {
		if l.ln != nil {
			stopListening(l.ln)
			l.ln = nil
		}
	})
	l.cut()
}

// cut breaks all connections off, and returns when it began to.
func (l *link) cut() time.Time {
	at := time.Now()
	for _, c := range read(&l.changing, func() []*linked { return slices.Clone(l.conns) }) {
		c.client.(*net.TCPConn).SetLinger(0)
		c.client.Close()
		c.server.Close()
	}
	return at
}

func (l *link) carry(client net.Conn) {
	server, err := net.Dial("tcp", read(&l.changing, func() string { return l.target }))
	if err != nil {
		client.Close()
		return
	}
	c := &linked{client: client, server: server, at: time.Now()}
	l.change(func() { l.conns = append(l.conns, c) })
	var both sync.WaitGroup
	both.Go(func() {
		l.copy(server, client, func(p []byte) { l.change(func() { c.asked = append(c.asked, p...) }) })
		l.change(func() { c.left, c.beatsBefore = true, c.heartbeats() })
	})
	both.Go(func() {
		l.copy(client, server, func(p []byte) { l.change(func() { c.told, c.toldAt = append(c.told, p...), time.Now() }) })
	})
	both.Wait()
	client.Close()
	server.Close()
	l.change(func() { c.over = true })
}

// copy copies until the source ends, and ends the destination likewise.
func (l *link) copy(to, from net.Conn, saw func([]byte)) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			saw(buffer[:n])
			if _, err := to.Write(buffer[:n]); err != nil {
				from.Close()
				return
			}
		}
		if err != nil {
			to.(*net.TCPConn).CloseWrite()
			return
		}
	}
}

// last returns the last connection. Use it within await or read.
func (l *link) last() *linked {
	if len(l.conns) == 0 {
		return &linked{}
	}
	return l.conns[len(l.conns)-1]
}

// awaitAsked waits for the request on the n-th connection, and returns that.
func (l *link) awaitAsked(t *testing.T, n int) linked {
	t.Helper()
	l.await(t, "the next request", func() bool { return len(l.conns) >= n && bytes.Contains(l.conns[n-1].asked, []byte("\r\n\r\n")) })
	return read(&l.changing, func() linked { return *l.conns[n-1] })
}

var comment = regexp.MustCompile(`(?m)^:\n`)

// heartbeats returns how many comments the server has sent.
func (c *linked) heartbeats() int { return len(comment.FindAll(c.told, -1)) }

var retry = regexp.MustCompile(`(?m)^retry: (\d+)$`)

// retry returns the time that the server has named last.
func (c *linked) retry() time.Duration {
	all := retry.FindAllSubmatch(c.told, -1)
	if len(all) == 0 {
		return 0
	}
	ms, _ := strconv.Atoi(string(all[len(all)-1][1]))
	return time.Duration(ms) * time.Millisecond
}
