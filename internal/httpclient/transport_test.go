package httpclient_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/httpclient"
)

// A network is servers in memory, behind one path that can lose its flows.
type network struct {
	t *testing.T

	mu    sync.Mutex // guards the fields below
	dials int
	conns []*flow
	at    string // the server to which the name resolves
	hosts map[string]*host
}

// A host is an HTTPS server that speaks HTTP/2 and HTTP/1.1.
type host struct {
	srv   *http.Server
	conns chan net.Conn
	done  chan struct{}
}

func (h *host) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}
func (h *host) Close() error   { close(h.done); return nil }
func (h *host) Addr() net.Addr { return &net.TCPAddr{} }

// newNetwork starts a server of each name, which answers with its name, and a slow one below /slow.
func newNetwork(t *testing.T, protocols *http.Protocols, names ...string) *network {
	n := &network{t: t, at: names[0], hosts: make(map[string]*host)}
	cert := httptest.NewUnstartedServer(nil)
	cert.StartTLS() // for its certificate
	config := cert.TLS.Clone()
	cert.Close()
	config.NextProtos = nil
	for _, name := range names {
		h := &host{conns: make(chan net.Conn), done: make(chan struct{})}
		h.srv = &http.Server{Protocols: protocols, TLSConfig: config.Clone(), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				select {
				case <-time.After(30 * time.Second):
				case <-r.Context().Done():
				}
			}
			fmt.Fprintf(w, "%s %s", name, r.Proto)
		})}
		n.hosts[name] = h
		served := make(chan struct{})
		go func() { defer close(served); _ = h.srv.ServeTLS(h, "", "") }()
		t.Cleanup(func() { _ = h.srv.Close(); <-served })
	}
	return n
}

func (n *network) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	client, server := net.Pipe()
	n.dials++
	f := &flow{Conn: client}
	n.conns = append(n.conns, f)
	h := n.hosts[n.at]
	select {
	case h.conns <- server:
		return f, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// lose drops all flows of now: nothing arrives any more, and neither end is told.
func (n *network) lose() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, f := range n.conns {
		f.lost.Store(true)
	}
}

func (n *network) resolve(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.at = name
}

// A flow is the client's end of a connection.
type flow struct {
	net.Conn
	lost atomic.Bool
}

func (f *flow) Write(p []byte) (int, error) {
	if f.lost.Load() {
		return len(p), nil // into the kernel's buffer
	}
	return f.Conn.Write(p)
}

func (f *flow) Read(p []byte) (int, error) {
	for {
		k, err := f.Conn.Read(p)
		if err != nil || !f.lost.Load() {
			return k, err
		}
	}
}

func (n *network) client() *http.Client {
	transport := httpclient.New(httpclient.Options{Dial: n.dial, TLS: &tls.Config{InsecureSkipVerify: true}})
	n.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func get(client *http.Client, path string, timeout time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://plant.example"+path, nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

func protocols(http1, http2 bool) *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(http1)
	p.SetHTTP2(http2)
	return p
}

// Six polls share one connection whose path goes silent. Requests overlap, so the connection is never without one, which
// is what keeps net/http from giving it up.
func TestALostFlowIsLeftWithinTwoTimeouts(t *testing.T) {
	for _, p := range []*http.Protocols{protocols(true, false), protocols(false, true)} {
		t.Run(p.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const (
					pollers = 6
					timeout = 5 * time.Second
					every   = 2 * time.Second
				)
				n := newNetwork(t, p, "a")
				client := n.client()
				ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
				defer stop()
				var back [pollers]time.Duration // after the loss, until the first good answer
				lostAt := time.Now().Add(20 * time.Second)
				time.AfterFunc(time.Until(lostAt), n.lose)
				var all sync.WaitGroup
				for i := range pollers {
					all.Go(func() {
						time.Sleep(time.Duration(i) * every / pollers)
						for ctx.Err() == nil {
							if _, err := get(client, "/", timeout); err == nil && back[i] == 0 && time.Now().After(lostAt) {
								back[i] = time.Since(lostAt)
							}
							time.Sleep(every)
						}
					})
				}
				all.Wait()
				for i, took := range back {
					if took == 0 || took > 2*timeout {
						t.Errorf("poll %d had its next answer after %v (0: none in 100 s), want at most %v", i, took, 2*timeout)
					}
				}
			})
		})
	}
}

// A server that takes long is not a dead path: it answers pings.
func TestASlowAnswerIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, protocols(false, true), "a")
		got, err := get(n.client(), "/slow", time.Minute)
		if got != "a HTTP/2.0" || err != nil {
			t.Errorf("a slow answer = %q, %v, want a HTTP/2.0", got, err)
		}
		if n.dials != 1 {
			t.Errorf("%d connections, want 1", n.dials)
		}
	})
}

// The old server still answers, so nothing but their age ends the connections to it. Polls come too often for one to be idle
// for long.
func TestANameThatMovesIsFollowed(t *testing.T) {
	for _, p := range []*http.Protocols{protocols(true, false), protocols(false, true)} {
		t.Run(p.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t, p, "old", "new")
				client := n.client()
				from := time.Now()
				for {
					got, err := get(client, "/", time.Second)
					if err != nil {
						t.Fatal(err)
					}
					if got[:3] == "new" {
						break
					}
					n.resolve("new")
					if time.Since(from) > httpclient.MaxAge+time.Second {
						t.Fatalf("the old server is still asked after %v", time.Since(from))
					}
					time.Sleep(time.Second)
				}
				if n.dials != 2 {
					t.Errorf("%d connections, want 2: one for each server", n.dials)
				}
			})
		})
	}
}

// What is under way when its connection has aged is not cut off.
func TestAnAnswerOutlivesTheAgeOfItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, protocols(false, true), "a")
		client := n.client()
		if _, err := get(client, "/", time.Second); err != nil {
			t.Fatal(err)
		}
		time.Sleep(httpclient.MaxAge - 10*time.Second)
		var slow sync.WaitGroup
		slow.Go(func() {
			if got, err := get(client, "/slow", time.Minute); err != nil {
				t.Errorf("a slow answer = %q, %v", got, err)
			}
		})
		time.Sleep(15 * time.Second)
		if _, err := get(client, "/", time.Second); err != nil {
			t.Fatal(err)
		}
		slow.Wait()
	})
}

// After a 101, no context ends the reading of the body: a server must not get that for nothing.
func TestASwitchOfTheProtocolThatNobodyAskedForIsAnError(t *testing.T) {
	left := make(chan struct{}, 2)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhello")
		_, _ = io.Copy(io.Discard, conn) // until the client leaves
		left <- struct{}{}
	}))
	defer server.Close()
	client := &http.Client{Transport: httpclient.New(httpclient.Options{})}
	resp, err := client.Get(server.URL)
	if err == nil {
		resp.Body.Close()
	}
	if err == nil || !strings.HasSuffix(err.Error(), "the server switched to another protocol, which nobody asked for") {
		t.Errorf("Get = %v, want that the server switched to another protocol", err)
	}
	<-left

	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	req.Header.Set("Upgrade", "x")
	if resp, err = client.Do(req); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("asked for: %v", err)
	}
	resp.Body.Close()
	<-left
}
