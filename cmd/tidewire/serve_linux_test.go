package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// A process is tidewire as a process of its own.
type process struct {
	*exec.Cmd
	t   *testing.T
	url string
	log *strings.Builder // complete when the process has ended
}

// service starts tidewire serve with what more says, and reads its first line.
func service(t *testing.T, env []string, more ...string) *process {
	t.Helper()
	p := &process{t: t, Cmd: exec.Command(os.Args[0], append([]string{"serve", "--listen", "127.0.0.1:0"}, more...)...), log: new(strings.Builder)}
	p.Env = append(os.Environ(), env...)
	p.Stderr = p.log
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdout, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill(); p.Wait() })
	first, err := bufio.NewReader(stdout).ReadString('\n')
	match := regexp.MustCompile(`^tidewire: listening on (https?://127\.0\.0\.1:[1-9][0-9]*)\n$`).FindStringSubmatch(first)
	if match == nil {
		p.Process.Kill()
		p.Wait()
		t.Fatalf("the first line is %q, %v, want the address\n%s", first, err, p.log)
	}
	p.url = match[1]
	return p
}

// signal sends a signal.
func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// notifications is a socket as systemd has it, and what is sent there.
func notifications(t *testing.T) (env string, next func() string) {
	name := filepath.Join(t.TempDir(), "notify")
	ln, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return "NOTIFY_SOCKET=" + name, func() string {
		t.Helper()
		if err := ln.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		for {
			buf := make([]byte, 1024)
			n, err := ln.Read(buf)
			if err != nil {
				t.Fatalf("nothing more is told to systemd: %v", err)
			}
			if text := string(buf[:n]); text != "WATCHDOG=1" {
				return regexp.MustCompile(`\nMONOTONIC_USEC=\d+`).ReplaceAllString(text, "")
			}
		}
	}
}

// SIGTERM while a run is in progress and a stream is read: the gateway says that it is not ready any more, ends the run,
// which the stream tells, then the stream, and exits with 0. systemd is told what happens.
func TestServiceStopsInOrder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	may := filepath.Join(dir, "may-end")
	script := filepath.Join(dir, "job.sh")
	if err := os.WriteFile(script, []byte(`trap 'until [ -e "$1" ]; do sleep 0.02; done; exit 0' TERM
echo "::progress 50 $$"
while :; do sleep 0.02; done
`), 0o600); err != nil {
		t.Fatal(err)
	}
	env, told := notifications(t)
	config := file(t, fmt.Sprintf("version: 1\njobs: {hold: {exec: [sh, %s, %s]}}\n", script, may))
	p := service(t, []string{env, "WATCHDOG_USEC=200000"}, "--log-format", "json", config)
	ready := "READY=1\nSTATUS=serving " + p.url
	if got := told(); got != ready {
		t.Errorf("systemd is told %q, want %q", got, ready)
	}
	good, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	reload := func(text, want string) {
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p.signal(syscall.SIGHUP)
		for _, want := range []string{"RELOADING=1", want} {
			if got := told(); got != want {
				t.Errorf("after SIGHUP, systemd is told %q, want %q", got, want)
			}
		}
	}
	reload("version: 2\n", ready+" with the previous configuration; the new one was not loaded: "+config+":1:10: version: \"2\" is not a version of this format, write 1")
	reload(string(good), ready)
	resp, err := http.Post(p.url+"/api/v1/jobs/hold/runs", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	stream, err := http.Get(p.url + "/api/v1/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	begun, ended, bye, pid := make(chan bool), "", false, 0
	read := make(chan error, 1)
	go func() {
		var last error
		for ev, err := range sse.Read(stream.Body, nil) {
			if err != nil {
				last = err
				break
			}
			if ev.Name == "bye" {
				bye = true
			}
			var run struct {
				Key, Status, Message string
				FinishedAt           *string `json:"finished_at"`
			}
			if ev.Name != "" || json.Unmarshal(ev.Data, &run) != nil || run.Key != "job/hold" {
				continue
			}
			if pid == 0 && run.Message != "" {
				pid, _ = strconv.Atoi(run.Message)
				close(begun)
			}
			if run.FinishedAt != nil {
				ended = run.Status
			}
		}
		read <- last
	}()
	<-begun

	p.signal(syscall.SIGTERM)
	if got := told(); got != "STOPPING=1" {
		t.Errorf("after SIGTERM, systemd is told %q, want STOPPING=1", got)
	}
	for path, want := range map[string]int{"/readyz": 503, "/livez": 200} {
		resp, err := http.Get(p.url + path)
		if err != nil {
			t.Fatalf("GET %s while it stops: %v", path, err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("GET %s while it stops = %d, want %d", path, resp.StatusCode, want)
		}
	}
	if err := os.WriteFile(may, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	<-read
	if err := p.Wait(); err != nil {
		t.Errorf("serve ended with %v, want 0\n%s", err, p.log)
	}
	if ended != "cancelled" || !bye {
		t.Errorf("the stream told the end %q of the run, and bye: %v, want cancelled and bye", ended, bye)
	}
	if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
		t.Errorf("the job's process outlived the gateway: %v", err)
	}
	for line := range strings.Lines(p.log.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("a line of the log is not JSON: %s", line)
		}
	}
	if !strings.Contains(p.log.String(), `"msg":"run started"`) {
		t.Errorf("the log is %s", p.log)
	}
}

// SIGHUP has the file read again, and so has its change by itself.
func TestServiceReloads(t *testing.T) {
	t.Parallel()
	config := file(t, "version: 1\nsources: {one: {exec: [echo, one]}}\n")
	for _, by := range []string{"SIGHUP", "change"} {
		watch := map[string]string{"SIGHUP": "0", "change": "20ms"}[by]
		p := service(t, nil, "--watch", watch, config)
		name := "after-" + strings.ToLower(by)
		if err := os.WriteFile(config, fmt.Appendf(nil, "version: 1\nsources: {%s: {exec: [echo]}}\n", name), 0o600); err != nil {
			t.Fatal(err)
		}
		if by == "SIGHUP" {
			p.signal(syscall.SIGHUP)
		}
		body, tag, deadline := "", "", time.Now().Add(patience)
		for !strings.Contains(body, `"name":"`+name+`"`) {
			if time.Now().After(deadline) {
				t.Fatalf("by %s, the sources stay %s", by, body)
			}
			req, err := http.NewRequest("GET", p.url+"/api/v1/sources", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("If-None-Match", tag)
			req.Header.Set("Prefer", "wait=5") // a reload ends the wait
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			body, tag = string(data), resp.Header.Get("ETag")
		}
		p.signal(syscall.SIGTERM)
		if err := p.Wait(); err != nil {
			t.Errorf("serve ended with %v, want 0\n%s", err, p.log)
		}
	}
}

// pair writes a certificate for 127.0.0.1 with that number, and its key.
func pair(t *testing.T, dir string, number int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(number), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name+".new"), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, name+".new"), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// A certificate that is renewed is served without a restart, and watch and healthcheck speak HTTPS.
func TestServiceWithTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pair(t, dir, 1)
	p := service(t, nil, file(t, fmt.Sprintf("version: 1\ntls: {cert: %[1]s/cert.pem, key: %[1]s/key.pem}\nsources: {one: {exec: [echo, one]}}\n", dir)))
	if !strings.HasPrefix(p.url, "https://") {
		t.Fatalf("the first line names %s, want https", p.url)
	}
	serial := func() int64 {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(p.url, "https://"), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if got := conn.ConnectionState().NegotiatedProtocol; got != "h2" {
			t.Errorf("the protocol is %q, want h2", got)
		}
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if got := serial(); got != 1 {
		t.Errorf("the certificate is number %d, want 1", got)
	}
	if code, _, stderr := tidewire(t, "healthcheck", p.url); code != 0 {
		t.Errorf("healthcheck = %d, %s", code, stderr)
	}
	if code, _, stderr := tidewire(t, "watch", "--once", p.url); code != exitFailure || !strings.Contains(stderr, "certificate") {
		t.Errorf("watch of a certificate that nobody vouches for = %d, %s", code, stderr)
	}
	client := exec.Command(os.Args[0], "watch", "--once", p.url)
	client.Env = append(os.Environ(), "SSL_CERT_FILE="+filepath.Join(dir, "cert.pem"))
	if out, err := client.CombinedOutput(); err != nil || !strings.Contains(string(out), "one") {
		t.Errorf("watch with the certificate in $SSL_CERT_FILE: %v, %s", err, out)
	}
	pair(t, dir, 2)
	for deadline := time.Now().Add(patience); serial() != 2; {
		if time.Now().After(deadline) {
			t.Fatal("the renewed certificate is not served")
		}
	}
	p.signal(syscall.SIGTERM)
	if err := p.Wait(); err != nil || !strings.Contains(p.log.String(), "the certificate was renewed") {
		t.Errorf("serve ended with %v\n%s", err, p.log)
	}
	if code, _, _ := tidewire(t, "healthcheck", p.url); code != exitFailure {
		t.Errorf("healthcheck of nobody = %d, want %d", code, exitFailure)
	}
}

func TestServeRefusesBadFlags(t *testing.T) {
	good := file(t, "version: 1\n")
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--log-format", "xml", good}, exitUsage, "--log-format xml is not text or json"},
		{[]string{"--log-level", "loud", good}, exitUsage, "--log-level loud is not debug, info, warn or error"},
		{[]string{file(t, "version: 1\ntls: {cert: /none.pem, key: /none.pem}\n")}, exitFailure, "none.pem"},
	} {
		code, stdout, stderr := tidewire(t, append([]string{"serve"}, c.args...)...)
		if code != c.code || stdout != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("serve %q = %d, %q, %q, want %d and %q", c.args, code, stdout, stderr, c.code, c.want)
		}
	}
}
