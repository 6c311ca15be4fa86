package natsstoretest_test

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// proxy is a line between a client and a server that can be cut: then nothing passes, and nobody is told.
type proxy struct {
	l      net.Listener
	target string

	mu    sync.Mutex    // guards the fields below
	open  chan struct{} // closed while the line is whole
	conns []net.Conn
}

func newProxy(t testing.TB, target string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l: l, target: target, open: make(chan struct{})}
	close(p.open)
	go p.accept()
	t.Cleanup(p.close)
	return p
}

func (p *proxy) url() string { return "nats://" + p.l.Addr().String() }

func (p *proxy) accept() {
	for {
		client, err := p.l.Accept()
		if err != nil {
			return
		}
		go p.serve(client)
	}
}

func (p *proxy) serve(client net.Conn) {
	p.whole()
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		client.Close()
		return
	}
	p.mu.Lock()
	p.conns = append(p.conns, client, server)
	p.mu.Unlock()
	var wg sync.WaitGroup
	wg.Go(func() { p.copy(client, server) })
	wg.Go(func() { p.copy(server, client) })
	wg.Wait()
}

// whole waits while the line is cut.
func (p *proxy) whole() {
	p.mu.Lock()
	open := p.open
	p.mu.Unlock()
	<-open
}

func (p *proxy) copy(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		p.whole()
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	to.Close()
	_, _ = io.Copy(io.Discard, from)
}

// waitForAttempts waits until clients have connected n times.
func (p *proxy) waitForAttempts(t testing.TB, n int) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		p.mu.Lock()
		attempts := len(p.conns) / 2
		p.mu.Unlock()
		if attempts >= n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("clients have connected %d times after 30 s, want %d", attempts, n)
		}
	}
}

// cutLine has nothing pass until heal. What was sent meanwhile passes then.
func (p *proxy) cutLine() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = make(chan struct{})
}

func (p *proxy) heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.open:
	default:
		close(p.open)
	}
}

func (p *proxy) close() {
	p.l.Close()
	p.heal()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
}
