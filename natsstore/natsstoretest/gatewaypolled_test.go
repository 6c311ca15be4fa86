package natsstoretest_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// polled is an upstream that knows who polls what: a source is /NAME, a job /job/NAME, and one that is soon over /quick/NAME.
type polled struct {
	*httptest.Server
	t     *testing.T
	began time.Time

	mu         sync.Mutex         // guards the fields below
	asked      map[string][]*asks // by path, the oldest first
	from       time.Time          // when longest was called last
	mayOverlap bool
}

// asks is one request.
type asks struct {
	by       string // the replica, as its header X-Replica says
	conn     net.Conn
	from, to time.Time     // to is zero while it is not over
	over     chan struct{} // closed then
}

func newPolled(t *testing.T) *polled {
	p := &polled{t: t, began: time.Now(), asked: map[string][]*asks{}}
	p.Server = httptest.NewUnstartedServer(p)
	p.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, c)
	}
	p.Start()
	t.Cleanup(p.Close)
	return p
}

func (p *polled) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Path
	one := &asks{by: r.Header.Get("X-Replica"), conn: r.Context().Value(connKey{}).(net.Conn), over: make(chan struct{})}
	_, _ = io.Copy(io.Discard, r.Body) // the server notices from now on when the client is gone
	p.begin(name, one)
	take := 20 * time.Millisecond
	switch {
	case strings.HasPrefix(name, "/job/"):
		take = time.Minute
	case strings.HasPrefix(name, "/quick/"):
		take = 200 * time.Millisecond
	}
	wait(r.Context(), take)
	p.mu.Lock()
	one.to = time.Now()
	close(one.over)
	p.mu.Unlock()
	if r.URL.Path == "/large" {
		fmt.Fprintf(w, "%q", strings.Repeat("x", 2<<20))
		return
	}
	io.WriteString(w, "42")
}

// begin takes note of a request, and fails the test if there is another one that its client has not broken off: what was
// broken off before, of which nobody here may know yet, is over first. So is the request itself if it was broken off before it
// was read here: whoever took the source over has asked meanwhile.
func (p *polled) begin(name string, one *asks) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		all := p.asked[name]
		if len(all) == 0 || !all[len(all)-1].to.IsZero() {
			break
		}
		before := all[len(all)-1]
		if isOpen(before.conn) {
			if !isOpen(one.conn) {
				return
			}
			if !p.mayOverlap {
				p.t.Errorf("%s is asked twice at once: by %s, and by %s since %v", name, one.by, before.by, time.Since(before.from))
			}
			break
		}
		p.mu.Unlock()
		<-before.over
		p.mu.Lock()
	}
	one.from = time.Now()
	p.asked[name] = append(p.asked[name], one)
}

// count returns how often something was asked for.
func (p *polled) count(name string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.asked[name])
}

// longest returns the longest time in which a source was not polled since the last call.
func (p *polled) longest() (name string, gap time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for n, all := range p.asked {
		if strings.Count(n, "/") > 1 { // it is a job's
			continue
		}
		for i, one := range all {
			next := now
			if i+1 < len(all) {
				next = all[i+1].from
			}
			if next.After(p.from) && next.Sub(one.from) > gap {
				name, gap = n, next.Sub(one.from)
			}
		}
	}
	p.from = now
	return name, gap
}

// check fails the test if a source was not polled for longer than most since longest or check was called last. It says then who
// polled it when, and what the gateways make of it.
func (p *polled) check(what string, most time.Duration, gateways ...*gatewayProcess) {
	p.t.Helper()
	name, gap := p.longest()
	if gap <= most {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s was not polled for %v, want at most %v. Its polls:", what, name, gap, most)
	p.mu.Lock()
	all := p.asked[name]
	for i, one := range all {
		near := i+1 < len(all) && all[i+1].from.Sub(one.from) > gap/2 || i > 0 && one.from.Sub(all[i-1].from) > gap/2
		if near || i > len(all)-4 {
			fmt.Fprintf(&b, "\n%s, %v after the beginning, by %s, for %v", one.from.Format("15:04:05.000"),
				one.from.Sub(p.began).Round(time.Millisecond), one.by, one.to.Sub(one.from).Round(time.Millisecond))
		}
	}
	p.mu.Unlock()
	for _, g := range gateways {
		_, source := g.try("GET", "/api/v1/sources"+name, "")
		_, replicas := g.try("GET", "/api/v1/replicas", "")
		fmt.Fprintf(&b, "\n%s shows %v\nand knows %v", g.url, source, replicas)
	}
	p.t.Error(b.String())
}
