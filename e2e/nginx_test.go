package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/scripttest"
	"github.com/tidewire/tidewire/sse"
)

// newNginx starts an nginx before target until the test ends, and returns its URL.
// settings go into the location that forwards.
func newNginx(t *testing.T, target, settings string) string {
	path, err := exec.LookPath("nginx")
	if err != nil {
		t.Fatal("no nginx found: install it (Debian, Ubuntu: apt-get install nginx-light; macOS: brew install nginx)")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	socket, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()

	dir := t.TempDir()
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
		location / {
			proxy_pass %[3]s;
			%[4]s
		}
	}
}
`, dir, ln.Addr(), strings.TrimSuffix(target, "/"), settings)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var log logBuffer
	ctx, stop := context.WithCancel(context.Background())
	nginx := exec.CommandContext(ctx, path, "-p", dir, "-c", file)
	// The socket listens already, and nginx takes it as it takes those of the binary
	// that it replaces in an upgrade: requests wait for it, and no port is raced for.
	nginx.ExtraFiles = []*os.File{socket}
	nginx.Env = append(os.Environ(), "NGINX=3;")
	nginx.Stderr = &log
	nginx.Cancel = func() error { return nginx.Process.Signal(syscall.SIGTERM) } // it ends its worker
	if err := nginx.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		nginx.Wait()
		if t.Failed() {
			t.Logf("log of nginx:\n%s", log.String())
		}
	})
	return "http://" + ln.Addr().String() + "/"
}

// buffering is how people set nginx up for everything but streams; that the upstream
// objects is ignored.
const buffering = `proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;
	proxy_buffer_size 256k; proxy_buffers 8 256k; proxy_busy_buffers_size 512k;`

func TestThePagePollsBehindAProxyThatBuffers(t *testing.T) {
	t.Parallel() // it waits most of the time
	plant := newUpstream(t, `{"level": 41}`)
	s := scripttest.New(t)
	p := open(t, newNginx(t, serve(t, tank(plant.url)+scan(s)).url, buffering), view{width: 1440, height: 900, before: sooner(5_000, 300)})
	p.await(`connection() === "polling"`)
	p.await(`value("tank") === "41.0"`)
	plant.say(`{"level": 42}`)
	p.await(`value("tank") === "42.0"`)
	p.click(startReport)
	work := s.Begun()
	work.Print("::progress 40 writing")
	p.await(`card("report").querySelector("progress").value === 40`)
	work.Exit(0)
	p.await(`card("report").dataset.state === "ok" && connection() === "polling"`)
}

func TestThePageIsLiveBehindNginxAsItComes(t *testing.T) {
	plant := newUpstream(t, `{"level": 41}`)
	p := open(t, newNginx(t, serve(t, tank(plant.url)).url, ""), view{before: sooner(5_000, 300)})
	p.await(`connection() === "live" && value("tank") === "41.0"`)
	plant.say(`{"level": 42}`)
	p.await(`value("tank") === "42.0" && connection() === "live"`)
}

// The first byte comes at once and heartbeats pass, although nginx buffers by default
// and speaks HTTP/1.0 to the upstream.
func TestHeartbeatsPassNginx(t *testing.T) {
	t.Parallel() // it waits most of the time
	hub := sse.NewHub(t.Context(), &sse.HubOptions{Heartbeat: time.Second})
	quiet := hub.Topic("quiet", sse.TopicOptions{})
	quiet.Open("run")
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := hub.Serve(w, r, quiet); err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
	}))
	t.Cleanup(upstream.Close)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, newNginx(t, upstream.URL, ""), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	var comments []time.Time
	for len(comments) < 3 && lines.Scan() {
		if lines.Text() == ":" {
			comments = append(comments, time.Now())
		}
	}
	if len(comments) < 3 {
		t.Fatalf("the stream ended after %d comments: %v", len(comments), lines.Err())
	}
	if got := comments[2].Sub(comments[0]); got < time.Second {
		t.Errorf("two heartbeats came within %v, want each when it was sent", got)
	}
}

// nginx passes the slash in a name on as it is written or, with a path in proxy_pass, decodes it. Pages lead to each other
// either way.
func TestANameWithASlashPassesNginx(t *testing.T) {
	plant := newUpstream(t, `{"level": 41}`)
	s := serve(t, strings.Replace(tank(plant.url), "    title: Tank T-101\n", "    for: [a, b]\n    title: Tank {each}\n", 1))
	direct := strings.TrimSuffix(s.url, "/")
	for _, target := range []string{direct, direct + "//"} { // newNginx removes one slash
		p := open(t, newNginx(t, target, ""), view{width: 1440, height: 900})
		p.await(`document.querySelector("[data-key='source/tank/a'] .value b")?.textContent === "41.0"`)
		p.click(`[data-key="source/tank/a"] .title`)
		p.goes(`document.querySelector(".head .value b")?.textContent === "41.0" && location.pathname === "/sources/tank%2Fa"`)
		p.await(`document.querySelector(".chart path.line, [data-part=polls]") !== null`)
		p.click(`[data-part=path] a`)
		p.goes(`location.pathname === "/" && document.querySelector("[data-key='source/tank/b'] .value b")?.textContent === "41.0"`)
	}
}
