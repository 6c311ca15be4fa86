package natsstoretest_test

import (
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// balancer brings TCP connections to gateways. It asks each of them every half second whether it is ready: one that says no
// gets no further connections, one that does not answer twice loses those that it has.
type balancer struct {
	ln  net.Listener
	all sync.WaitGroup // its goroutines

	mu     sync.Mutex // guards the fields below
	places []balanced
	next   int
	over   bool
}

type balanced struct {
	addr   string // of the process; empty: none
	ready  bool
	silent int // how often it has not answered
	conns  map[net.Conn]net.Conn
}

func newBalancer(t *testing.T, places int) *balancer {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{ln: ln, places: make([]balanced, places)}
	for i := range places {
		b.places[i].conns = map[net.Conn]net.Conn{}
		b.all.Go(func() { b.look(i) })
	}
	b.all.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			b.all.Go(func() { b.serve(conn) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		b.mu.Lock()
		b.over = true
		b.mu.Unlock()
		for i := range places {
			b.cutOff(i)
		}
		b.all.Wait()
	})
	return b
}

func (b *balancer) url() string { return "http://" + b.ln.Addr().String() }

// set has another process at a place.
func (b *balancer) set(place int, addr string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.places[place].addr, b.places[place].ready, b.places[place].silent = addr, false, 0
}

// look asks the process at a place whether it is ready.
func (b *balancer) look(place int) {
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		time.Sleep(500 * time.Millisecond)
		b.mu.Lock()
		addr, over := b.places[place].addr, b.over
		b.mu.Unlock()
		if over {
			return
		}
		status := 0
		if answer, err := client.Get("http://" + addr + "/readyz"); err == nil {
			answer.Body.Close()
			status = answer.StatusCode
		}
		b.mu.Lock()
		p := &b.places[place]
		if p.addr == addr {
			p.ready = status == http.StatusOK
			p.silent++
			if status != 0 {
				p.silent = 0
			}
		}
		dead := p.silent == 2
		b.mu.Unlock()
		if dead {
			b.cutOff(place)
		}
	}
}

// cutOff closes the connections to a place.
func (b *balancer) cutOff(place int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for client, gateway := range b.places[place].conns {
		client.Close()
		gateway.Close()
	}
}

// choose returns the next place that is ready, and its address; -1 if there is none.
func (b *balancer) choose() (place int, addr string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range b.places {
		b.next = (b.next + 1) % len(b.places)
		if p := b.places[b.next]; p.ready {
			return b.next, p.addr
		}
	}
	return -1, ""
}

func (b *balancer) serve(client net.Conn) {
	defer client.Close()
	for range b.places {
		place, addr := b.choose()
		if place < 0 {
			return
		}
		gateway, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			continue
		}
		defer gateway.Close()
		b.mu.Lock()
		over := b.over
		b.places[place].conns[client] = gateway
		b.mu.Unlock()
		if over {
			b.cutOff(place)
		}
		var both sync.WaitGroup
		both.Go(func() { _, _ = io.Copy(gateway, client); gateway.Close() })
		both.Go(func() { _, _ = io.Copy(client, gateway); client.Close() })
		both.Wait()
		b.mu.Lock()
		delete(b.places[place].conns, client)
		b.mu.Unlock()
		return
	}
}
