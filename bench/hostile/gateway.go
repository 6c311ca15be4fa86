//go:build linux

package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// The tokens of honest users, and of authorised but hostile ones.
const (
	honestToken = "honest-0123456789abcdef0123456789abcdef"
	viewerToken = "viewer-0123456789abcdef0123456789abcdef"
	adminToken  = "admins-0123456789abcdef0123456789abcdef"
)

// A gateway is the program under attack.
type gateway struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when it has ended
	url    string
	file   string // of the configuration
	config string
	client *http.Client
}

func configOf(addr string, up *upstreams) string {
	var b strings.Builder
	sum := func(token string) string { s := sha256.Sum256([]byte(token)); return hex.EncodeToString(s[:]) }
	fmt.Fprintf(&b, `version: 1
listen: %s
audit: audit.jsonl
defaults: {jitter: 0, backoff: {min: 1s, max: 2s}, timeout: 10s}
access:
  anonymous: viewer
  tokens:
    honest: {sha256: %s, role: viewer}
    viewer: {sha256: %s, role: viewer}
    admin: {sha256: %s, role: admin}
jobs:
  echo:
    exec: [sleep, "{a}"]
    args: {a: {type: string, default: "0.2"}}
    on_busy: queue
    queue: 1000
  host:
    exec: [echo, "{h}"]
    args: {h: {type: host, default: localhost}}
upstreams:
  honest: {http: %q}
`, addr, sum(honestToken), sum(viewerToken), sum(adminToken), up.honest.URL)
	for name, server := range up.hostile {
		fmt.Fprintf(&b, "  %s: {http: %q}\n", name, server.URL)
	}
	b.WriteString("sources:\n")
	for i := range honestSources {
		fmt.Fprintf(
			&b, "  honest%d: {http: {upstream: honest, path: /%d}, every: 1s, pick: {n: .n + 1, at: .at}}\n", i, i,
		)
	}
	for name, h := range bad {
		fmt.Fprintf(&b, "  %s:\n    http: {upstream: %s, path: /}\n    every: 1s\n", name, name)
		if h.source != "" {
			fmt.Fprintf(&b, "    %s\n", h.source)
		}
	}
	return b.String()
}

func startGateway(ctx context.Context, program, dir, addr string, up *upstreams) (*gateway, error) {
	g := &gateway{url: "http://" + addr, file: filepath.Join(dir, "hostile.yaml"), config: configOf(addr, up)}
	g.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100, DisableCompression: true}}
	if err := os.WriteFile(g.file, []byte(g.config), 0o600); err != nil {
		return nil, err
	}
	g.cmd = exec.Command(program, "serve", g.file)
	logFile, err := os.Create(filepath.Join(dir, "gateway.log"))
	if err != nil {
		return nil, err
	}
	defer logFile.Close()
	g.cmd.Stdout, g.cmd.Stderr = logFile, logFile
	if err := g.cmd.Start(); err != nil {
		return nil, err
	}
	g.exited = make(chan struct{})
	go func() { _ = g.cmd.Wait(); close(g.exited) }()
	for running := true; running && ctx.Err() == nil; {
		if status, _, err := g.do(ctx, "", "GET", "/readyz", ""); err == nil && status == http.StatusOK {
			return g, nil
		}
		select {
		case <-g.exited:
			running = false
		case <-time.After(50 * time.Millisecond):
		}
	}
	text, _ := os.ReadFile(logFile.Name())
	g.stop()
	return nil, fmt.Errorf("the gateway does not start:\n%s", text)
}

// stop ends the gateway and waits for it.
func (g *gateway) stop() {
	_ = g.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(20*time.Second, func() { _ = g.cmd.Process.Kill() })
	defer kill.Stop()
	<-g.exited
}

// do makes a request and reads at most a megabyte of the answer.
func (g *gateway) do(ctx context.Context, token, method, path, body string, header ...string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, g.url+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := g.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, string(text), err
}

// figures are what the gateway takes.
type figures struct{ memory, goroutines, descriptors int }

func (g *gateway) figures(ctx context.Context) (f figures, err error) {
	_, text, err := g.do(ctx, honestToken, "GET", "/metrics", "")
	if err != nil {
		return f, err
	}
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "go_goroutines "); ok {
			n, _ := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			f.goroutines = int(n)
		}
	}
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", g.cmd.Process.Pid))
	f.descriptors, f.memory = len(fds), g.memory()
	if f.goroutines == 0 {
		err = errors.Join(err, errors.New("/metrics has no go_goroutines"))
	}
	return f, err
}

// memory is the resident memory of the gateway.
func (g *gateway) memory() int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.cmd.Process.Pid))
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, _ := strconv.Atoi(strings.Fields(rest)[0])
			return n << 10
		}
	}
	return 0
}

// watchMemory sends the most memory that the gateway took until ctx ends.
func (g *gateway) watchMemory(ctx context.Context) <-chan int {
	result := make(chan int, 1)
	go func() {
		most := 0
		for tick := time.Tick(100 * time.Millisecond); ; {
			most = max(most, g.memory())
			select {
			case <-tick:
			case <-ctx.Done():
				result <- most
				return
			}
		}
	}()
	return result
}

// admitted reports whether a good token is let in, also where others were tried.
func (g *gateway) admitted(ctx context.Context) error {
	for range 5 {
		for _, token := range []string{honestToken, adminToken} {
			status, text, err := g.do(ctx, token, "GET", "/api/v1/sources/honest0", "")
			if err != nil || status != http.StatusOK {
				return fmt.Errorf("an honest token is answered %d %.200s, %w", status, text, err)
			}
		}
	}
	return nil
}

// streams are the honest ones.
type streams struct {
	begun, ended, events atomic.Int64
	wg                   sync.WaitGroup
}

// openStreams opens them; they live as long as ctx.
func (g *gateway) openStreams(ctx context.Context) *streams {
	s := &streams{}
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	for i := range honestStreams {
		s.wg.Go(func() {
			path := fmt.Sprintf("/api/v1/stream?sources=honest%d,honest%d", i%honestSources, (i+1)%honestSources)
			req, _ := http.NewRequestWithContext(ctx, "GET", g.url+path, nil)
			req.Header.Set("Accept", "text/event-stream")
			req.Header.Set("Authorization", "Bearer "+honestToken)
			resp, err := client.Do(req)
			if err != nil {
				s.ended.Add(1)
				return
			}
			defer resp.Body.Close()
			first := true
			for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
				if strings.HasPrefix(lines.Text(), "data:") {
					if s.events.Add(1); first {
						s.begun.Add(1)
						first = false
					}
				}
			}
			s.ended.Add(1)
		})
	}
	return s
}

// ready waits until each has had an event.
func (s *streams) ready(ctx context.Context) error {
	for deadline := time.Now().Add(30 * time.Second); s.begun.Load() < honestStreams; time.Sleep(50 * time.Millisecond) {
		if ctx.Err() != nil || time.Now().After(deadline) {
			return fmt.Errorf(
				"%d of %d honest streams have begun, %d ended", s.begun.Load(), honestStreams, s.ended.Load(),
			)
		}
	}
	return nil
}

func (s *streams) state() (ended, events int64) { return s.ended.Load(), s.events.Load() }
