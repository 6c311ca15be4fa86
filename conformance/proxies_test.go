package conformance_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A proxy is a reverse proxy with the configuration that docs/operations.md shows for it.
type proxy struct {
	name    string
	program string
	version []string // arguments with which it prints its version
	block   string   // of docs/operations.md: the language of the code
	// setUp returns the documented block with what a test needs around it, the name of its file, and the arguments.
	setUp func(block, listen, dir string) (config, file string, args []string)
}

var proxies = []proxy{
	{
		name: "nginx", program: "nginx", version: []string{"-v"}, block: "nginx",
		setUp: func(block, listen, dir string) (string, string, []string) {
			config := fmt.Sprintf(`
daemon off;
worker_processes 1;
pid %[1]s/pid;
error_log stderr warn;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	server {
		listen %[2]s;
		%[3]s
	}
}
`, dir, listen, block)
			return config, "nginx.conf", []string{"-p", dir, "-c", filepath.Join(dir, "nginx.conf")}
		},
	},
	{
		name: "HAProxy", program: "haproxy", version: []string{"-v"}, block: "haproxy",
		setUp: func(block, listen, dir string) (string, string, []string) {
			config := strings.Replace(block, "bind :80\n", "bind "+listen+"\n", 1)
			return config, "haproxy.cfg", []string{"-db", "-f", filepath.Join(dir, "haproxy.cfg")}
		},
	},
	{
		name: "Caddy", program: "caddy", version: []string{"version"}, block: "caddyfile",
		setUp: func(block, listen, dir string) (string, string, []string) {
			config := "{\n\tadmin off\n}\n" + strings.Replace(block, "tidewire.plant {", "http://"+listen+" {", 1)
			return config, "Caddyfile", []string{"run", "--config", filepath.Join(dir, "Caddyfile"), "--adapter", "caddyfile"}
		},
	},
	{
		name: "Varnish", program: "varnishd", version: []string{"-V"}, block: "vcl",
		setUp: func(block, listen, dir string) (string, string, []string) {
			return block, "default.vcl", []string{
				"-F", "-j", "none", "-n", filepath.Join(dir, "work"), "-a", listen, "-f", filepath.Join(dir, "default.vcl"),
				"-s", "malloc,16m", "-S", "none", "-T", "none",
			}
		},
	},
}

// documented returns the block of code in that language under "Behind a proxy".
func documented(t *testing.T, language string) string {
	t.Helper()
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Behind a proxy\n")
	section, _, _ = strings.Cut(section, "\n## ")
	_, block, found := strings.Cut(section, "\n```"+language+"\n")
	block, _, _ = strings.Cut(block, "```\n")
	if !found {
		t.Fatalf("docs/operations.md shows no configuration in %s", language)
	}
	return block
}

// start runs the proxy before a link until the test ends, and returns its URL.
func (p proxy) start(t *testing.T, to *link) string {
	t.Helper()
	host, port, _ := net.SplitHostPort(to.addr)
	block := documented(t, p.block)
	config := strings.NewReplacer("127.0.0.1:8480", to.addr, `"127.0.0.1"`, `"`+host+`"`, `"8480"`, `"`+port+`"`).Replace(block)
	if config == block {
		t.Fatalf("the configuration of %s names no address to forward to:\n%s", p.name, block)
	}
	listen, dir := freeAddr(t), t.TempDir()
	config, file, args := p.setUp(config, listen, dir)
	if err := os.WriteFile(filepath.Join(dir, file), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(p.program, args...)
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	var log lockedBuffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: run ci/conformance.sh, which installs it", err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		cmd.Wait()
	}()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM) // it ends its workers
		<-over
		if t.Failed() {
			t.Logf("log of %s:\n%s", p.name, log.String())
		}
	})
	for late := time.After(patience); ; {
		conn, err := net.Dial("tcp", listen)
		if err == nil {
			conn.Close()
			return "http://" + listen
		}
		select {
		case <-over:
			t.Fatalf("%s has ended:\n%s", p.name, log.String())
		case <-late:
			t.Fatalf("%s does not listen: %v", p.name, err)
		case <-time.After(20 * time.Millisecond): // it does not tell that it listens
		}
	}
}

var nextPort atomic.Int32

// freeAddr returns an address for a program that cannot listen on a socket of ours, and for a link, which does not
// always listen. It is below the ports that the kernel gives to whoever wants any, so nobody takes it meanwhile.
func freeAddr(t *testing.T) string {
	t.Helper()
	for range 1000 {
		addr := fmt.Sprintf("127.0.0.1:%d", 16_000+(os.Getpid()*512+int(nextPort.Add(1)))%16_000)
		if ln, err := net.Listen("tcp", addr); err == nil {
			stopListening(ln)
			return addr
		}
	}
	t.Fatal("no port is free")
	return ""
}

// stopListening closes ln so that its address is free at once. Close alone does not see to that: a program that another
// test starts at that moment has the socket too, until it executes its own code.
func stopListening(ln net.Listener) {
	if raw, err := ln.(*net.TCPListener).SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { syscall.Shutdown(int(fd), syscall.SHUT_RD) })
	}
	ln.Close()
}

// lockedBuffer is a buffer for concurrent writers.
type lockedBuffer struct {
	mu     sync.Mutex // guards buffer
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
