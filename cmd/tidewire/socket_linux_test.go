package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// started starts a command and returns the first line of its output.
func started(t *testing.T, cmd *exec.Cmd) (first string) {
	t.Helper()
	var log strings.Builder
	cmd.Stderr = &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	first, err = bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		t.Fatalf("the first line is %q, %v\n%s", first, err, &log)
	}
	return strings.TrimSuffix(first, "\n")
}

// A gateway on a unix socket is reached by every command; it takes the place of one that was killed, not of one that
// serves.
func TestAUnixSocket(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	socket := filepath.Join(dir, "t.sock")
	cfg := filepath.Join(dir, "tidewire.yaml")
	text := "version: 1\nlisten: unix:t.sock\nsocket: {mode: 660}\nsources: {a: {exec: [echo, hello]}}\njobs: {greet: {exec: [echo, '::result \"hi\"']}}\n"
	if err := os.WriteFile(cfg, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	serve := func() *exec.Cmd { return exec.Command(os.Args[0], "serve", cfg) }
	killed := serve()
	started(t, killed)
	killed.Process.Kill()
	killed.Wait()

	if got, want := started(t, serve()), "tidewire: listening on unix:"+socket; got != want {
		t.Errorf("the first line is %q, want %q", got, want)
	}
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("the socket is %v, %v, want the mode 660", info.Mode(), err)
	}
	if code, _, stderr := tidewire(t, "healthcheck", "unix:"+socket); code != 0 {
		t.Errorf("healthcheck = %d, want 0:\n%s", code, stderr)
	}
	if code, out, stderr := tidewire(t, "watch", "--once", "--url", "unix:"+socket, "a"); code != 0 || !strings.Contains(out, "\na ") {
		t.Errorf("watch = %d %q, want 0 and a row of the source:\n%s", code, out, stderr)
	}
	if code, out, stderr := tidewire(t, "run", "--url", "unix:"+socket, "greet"); code != 0 || !strings.Contains(out, "hi") {
		t.Errorf("run = %d %q, want 0 and hi:\n%s", code, out, stderr)
	}
	if code, _, stderr := tidewire(t, "serve", cfg); code != 1 || !strings.Contains(stderr, "another process serves it") {
		t.Errorf("a second gateway = %d, want 1 and why:\n%s", code, stderr)
	}
	missing := "unix:" + filepath.Join(dir, "none")
	if code, _, stderr := tidewire(t, "healthcheck", missing); code != 1 || !strings.Contains(stderr, missing+" cannot be reached") {
		t.Errorf("healthcheck where there is no socket = %d, want 1 and the name:\n%s", code, stderr)
	}
}

// The socket that systemd has opened is served, whatever the configuration names, and jobs know nothing of it. One that
// is wider than the configuration allows is not served.
func TestSocketActivation(t *testing.T) {
	t.Parallel()
	cfg := file(t, "version: 1\nlisten: 127.0.0.1:1\njobs: {env: {exec: [sh, -c, 'echo \"::result \\\"[$LISTEN_FDS$LISTEN_PID]\\\"\"']}}\n")
	activated := func(network, address string) (*exec.Cmd, net.Listener) {
		ln, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ln.Close() })
		file, err := ln.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close() })
		cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=x exec "$0" serve "$1"`, os.Args[0], cfg)
		cmd.ExtraFiles = []*os.File{file}
		return cmd, ln
	}
	cmd, ln := activated("tcp", "127.0.0.1:0")
	if got, want := started(t, cmd), fmt.Sprintf("tidewire: listening on http://%s", ln.Addr()); got != want {
		t.Errorf("the first line is %q, want %q", got, want)
	}
	if code, out, stderr := tidewire(t, "run", "--url", "http://"+ln.Addr().String(), "env"); code != 0 || !strings.Contains(out, "[]") {
		t.Errorf("run = %d %q, want 0 and an environment without the socket:\n%s", code, out, stderr)
	}
	socket := filepath.Join(t.TempDir(), "s")
	cmd, _ = activated("unix", socket)
	if got, want := started(t, cmd), "tidewire: listening on unix:"+socket; got != want {
		t.Errorf("the first line is %q, want %q", got, want)
	}
	resp, err := (&http.Client{Transport: dialUnix(socket)}).Get("http://localhost/readyz")
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("GET /readyz = %s, want 200", resp.Status)
	}
	cmd, _ = activated("tcp", "0.0.0.0:0")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "would let anybody on the network do everything") {
		t.Errorf("a socket for everybody, without access: %v, want it refused:\n%s", err, out)
	}
}
