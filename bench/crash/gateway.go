//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A gateway is the program that is killed and started again, with one configuration and one directory.
type gateway struct {
	program, file, addr string
	cmd                 *exec.Cmd
	log                 *os.File
	client              *http.Client
}

// newGateway writes the configuration: sources of upstream, jobs, and what the outage brings about.
func newGateway(program, dir, upstream string, jobs, sources int, o *outage) (*gateway, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := ln.Addr().String()
	ln.Close()
	g := &gateway{
		program: program, file: filepath.Join(dir, "tidewire.yaml"), addr: addr,
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}, Timeout: 20 * time.Second},
	}
	if g.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		return nil, err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "version: 1\nlisten: %s\nstore: {dir: data}\n", addr)
	fmt.Fprintf(&b, "defaults: {every: 1s, jitter: 0}\nupstreams:\n  plant: {http: %q}\n%ssources:\n", upstream, o.upstreams())
	for i := range sources {
		fmt.Fprintf(&b, "  s%d: {http: {upstream: plant, path: /%[1]d}, show: {value: n, history: 24h}}\n", i)
	}
	b.WriteString(o.sources() + "jobs:\n")
	for i := range jobs {
		fmt.Fprintf(&b, "  j%d: {exec: [sleep, \"{seconds}\"], args: {seconds: {type: number, default: 1}}, "+
			"on_busy: queue, queue: 10, keep: {runs: 1000}}\n", i)
	}
	failing, err := o.jobs(dir)
	if err != nil {
		return nil, err
	}
	b.WriteString(failing + o.notify())
	return g, os.WriteFile(g.file, []byte(b.String()), 0o600)
}

// start starts the program, and returns how long it took until that was ready.
func (g *gateway) start() (time.Duration, error) {
	g.cmd = exec.Command(g.program, "serve", g.file)
	g.cmd.Stderr = g.log
	out, err := g.cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	begun := time.Now()
	if err := g.cmd.Start(); err != nil {
		return 0, err
	}
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	if err != nil || !strings.Contains(line, "http://") {
		return 0, fmt.Errorf("the gateway says %q, want its address: see %s", line, g.log.Name())
	}
	go io.Copy(io.Discard, lines)
	for {
		if err = g.get("/readyz", new(any)); err == nil {
			return time.Since(begun), nil
		}
		if time.Since(begun) > 30*time.Second {
			return 0, err
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// kill ends the program with SIGKILL.
func (g *gateway) kill() {
	g.cmd.Process.Kill()
	g.cmd.Wait()
	g.client.CloseIdleConnections()
}

// stop ends it in order.
func (g *gateway) stop() {
	g.cmd.Process.Signal(syscall.SIGTERM)
	g.cmd.Wait()
}

// A status is an answer that was not expected.
type status struct {
	code int
	body string
}

func (s *status) Error() string { return fmt.Sprintf("status %d: %s", s.code, s.body) }

// get decodes an answer of the gateway.
func (g *gateway) get(path string, v any) error {
	req, _ := http.NewRequest(http.MethodGet, "http://"+g.addr+path, nil)
	return g.do(req, v)
}

// post decodes the answer to a body.
func (g *gateway) post(path, key, body string, v any) error {
	req, _ := http.NewRequest(http.MethodPost, "http://"+g.addr+path, bytes.NewReader([]byte(body)))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", key)
	return g.do(req, v)
}

// do returns a [*status] for an answer that is not one of success.
func (g *gateway) do(req *http.Request, v any) error {
	resp, err := g.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode >= 300:
		return &status{resp.StatusCode, string(body)}
	}
	return json.Unmarshal(body, v)
}
