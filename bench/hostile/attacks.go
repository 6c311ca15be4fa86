//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// An attack is made again and again, with a pause, by some at once.
type attack struct {
	name  string
	pause time.Duration
	by    int
	once  func(ctx context.Context)
}

// attack begins all attacks. The func that it returns waits for their ends and returns how often each was made.
func (g *gateway) attack(ctx context.Context, dir string) func() map[string]int {
	counts := map[string]*atomic.Int64{}
	var wg sync.WaitGroup
	for _, a := range g.attacks(dir) {
		n := new(atomic.Int64)
		counts[a.name] = n
		for range a.by {
			wg.Go(func() {
				for ctx.Err() == nil {
					a.once(ctx)
					n.Add(1)
					select {
					case <-time.After(a.pause):
					case <-ctx.Done():
					}
				}
			})
		}
	}
	wg.Go(func() { g.neverRead(ctx) })
	return func() map[string]int {
		wg.Wait()
		all := map[string]int{}
		for name, n := range counts {
			all[name] = int(n.Load())
		}
		return all
	}
}

func (g *gateway) attacks(dir string) []attack {
	const often, seldom = 50 * time.Millisecond, 5 * time.Second
	get := func(token, path string, header ...string) func(context.Context) {
		return func(ctx context.Context) { _, _, _ = g.do(ctx, token, "GET", path, "", header...) }
	}
	post := func(token, path, body string, header ...string) func(context.Context) {
		return func(ctx context.Context) { _, _, _ = g.do(ctx, token, "POST", path, body, header...) }
	}
	stars := "/api/v1/stream?sources=*" + strings.Repeat(",*", 15_000)
	all := "/api/v1/stream?sources=*" + strings.Repeat(",*", 900) + strings.Repeat("&jobs=*", 50)
	json := []string{"Accept", "application/json"}
	long := func(part string) string { return strings.Repeat(part, 50_000/len(part)) }
	forty := `{"args": {` + strings.TrimSuffix(strings.Repeat(`"a": "0.2", `, 40), ", ") + `}}`
	return []attack{
		{"stars", often, 4, get("", stars, json...)},
		{"all", often, 4, get("", all, json...)},
		{"polls", 0, 20, get("", all, "Accept", "application/json", "Prefer", "wait=60", "If-None-Match", "*")},
		{"prefer", often, 1, get("", "/api/v1/sources", "Prefer", long("wait=60, "), "If-None-Match", `"none"`)},
		{"tags", often, 1, get("", "/api/v1/sources", "If-None-Match", long(`"x", `))},
		{"accept", often, 1, get("", "/api/v1/stream", "Accept", long("application/json;q=0.1, "))},
		{"range", often, 1, get("", "/", "Range", "bytes="+long("0-1,"))},
		{"query", often, 1, get("", "/api/v1/sources?"+long("a=1&"))},
		{"path", often, 1, get("", "/api/v1/sources/"+long("%41"))},
		{"history", often, 1, get("", "/api/v1/sources/honest0/history?since=876000h&points=2000")},
		{"start", 20 * time.Millisecond, 2, post(adminToken, "/api/v1/jobs/echo/runs", forty)},
		{"jobs", often, 4, get("", "/api/v1/jobs")},
		{"key", often, 1, post(adminToken, "/api/v1/jobs/echo/runs", "{}", "Idempotency-Key", long("k"))},
		{"host", often, 1, post(adminToken, "/api/v1/jobs/host/runs", `{"args": {"h": "::1%\n--evil"}}`)},
		{"denied", often, 4, post(viewerToken, "/api/v1/jobs/echo/runs", "{}")},
		{"wrong", often, 4, get("wrong-0123456789abcdef0123456789abcdef", "/api/v1/sources")},
		{"callback", often, 4, get("", "/auth/callback?code=x&state=y")},
		{"session", often, 2, post("", "/auth/token", `{"token": "`+viewerToken+`"}`)},
		{"body", often, 1, post(adminToken, "/api/v1/jobs/echo/runs", `{"args": `+strings.Repeat("[", 60_000))},
		{"reload", seldom, 1, func(ctx context.Context) { g.badReload(ctx, dir) }},
		{"reset", often, 4, g.reset},
	}
}

// badReload has the gateway read a configuration that means no good, and then the good one again.
func (g *gateway) badReload(ctx context.Context, dir string) {
	pipe := filepath.Join(dir, "pipe")
	_ = syscall.Mkfifo(pipe, 0o600)
	for _, text := range []string{
		g.config + "include: /proc/*/*/*\n",
		g.config + "include: pipe\n",
		g.config + strings.Repeat("# a comment\n", 800_000),
		g.config + keys(100_000),
		g.config + keys(20_000),
	} {
		_ = os.WriteFile(g.file, []byte(text), 0o600)
		_, _, _ = g.do(ctx, adminToken, "POST", "/api/v1/config/reload", "")
	}
	_ = os.WriteFile(g.file, []byte(g.config), 0o600)
	_, _, _ = g.do(ctx, adminToken, "POST", "/api/v1/config/reload", "")
}

func keys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "unknown%d: 1\n", i)
	}
	return b.String()
}

// reset begins a stream and resets the connection.
func (g *gateway) reset(ctx context.Context) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", strings.TrimPrefix(g.url, "http://"))
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	_, _ = conn.Write(
		[]byte(
			"GET /api/v1/stream HTTP/1.1\r\nHost: " + strings.TrimPrefix(
				g.url,
				"http://",
			) + "\r\nAccept: text/event-stream\r\n\r\n",
		),
	)
	_, _ = conn.Read(make([]byte, 100))
	_ = conn.(*net.TCPConn).SetLinger(0)
}

// neverRead has 50 clients that ask for everything and do not read it.
func (g *gateway) neverRead(ctx context.Context) {
	client := &http.Client{Transport: &http.Transport{ReadBufferSize: 1}}
	defer client.CloseIdleConnections()
	for range 50 {
		req, _ := http.NewRequestWithContext(ctx, "GET", g.url+"/api/v1/stream", nil)
		req.Header.Set("Accept", "text/event-stream")
		if resp, err := client.Do(req); err == nil {
			defer resp.Body.Close()
		}
	}
	<-ctx.Done()
}
