//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/bench/figures"
)

// nchanName is the only subject that is not a library: the nchan module of nginx.
const nchanName = "nchan"

const nchanConfig = `
load_module /usr/lib/nginx/modules/ngx_nchan_module.so;
daemon off;
worker_processes 2;
worker_rlimit_nofile 16384;
pid nginx.pid;
error_log stderr error;
events { worker_connections 16000; }
http {
	access_log off;
	server {
		listen 127.0.0.1:%d backlog=4096;
		location = /publish { nchan_publisher; nchan_channel_id t; }
		location = / { nchan_subscriber eventsource; nchan_channel_id t; nchan_subscriber_first_message newest; }
	}
}
`

// nginx is a running one.
type nginx struct {
	port    int
	workers []int // their process ids
	input   io.Closer
}

// nchanVersion names the packages that are installed.
func nchanVersion() (string, error) {
	version, err := figures.Output("dpkg-query", "-W", "-f", "${Package} ${Version}, ", "nginx", "libnginx-mod-nchan")
	if err != nil {
		return "", fmt.Errorf("nchan needs the packages nginx and libnginx-mod-nchan of Debian: %w", err)
	}
	return strings.TrimSuffix(version, ","), nil
}

// startNginx starts an nginx that ends with this process.
func startNginx() (*nginx, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0") // finds a free port
	if err != nil {
		return nil, err
	}
	n := &nginx{port: portOf(l)}
	if err := l.Close(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "nchan")
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nchanConfig, n.port), 0o644); err != nil {
		return nil, err
	}
	// The shell ends nginx when its input ends, which it does with this process at the latest.
	cmd := exec.Command("sh", "-c", `nginx -p "$0" -c "$1" & cat >/dev/null; kill $!; wait; rm -r "$0"`, dir, config)
	if n.input, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	for began := time.Now(); time.Since(began) < 5*time.Second; time.Sleep(50 * time.Millisecond) {
		text, _ := os.ReadFile(filepath.Join(dir, "nginx.pid"))
		master := strings.TrimSpace(string(text))
		children, _ := os.ReadFile(filepath.Join("/proc", master, "task", master, "children"))
		n.workers = n.workers[:0]
		for _, field := range strings.Fields(string(children)) {
			if pid, err := strconv.Atoi(field); err == nil {
				n.workers = append(n.workers, pid)
			}
		}
		if len(n.workers) == 2 {
			return n, nil
		}
	}
	return nil, errors.New("nginx has no workers after 5 s")
}

// publish posts an event over a connection that is kept.
func (n *nginx) publish(data []byte) {
	response, err := http.Post(fmt.Sprintf("http://127.0.0.1:%d/publish", n.port), "text/plain", bytes.NewReader(data))
	if err != nil {
		panic(err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
}

// cpu is the processor time of the workers.
func (n *nginx) cpu() (sum time.Duration) {
	for _, pid := range n.workers {
		sum += cpuOf(pid)
	}
	return sum
}

// memory is that of the workers, what they share counted once.
func (n *nginx) memory() memory {
	var sum float64
	for _, pid := range n.workers {
		sum += rollup(strconv.Itoa(pid), "Pss")
	}
	return memory{rss: sum}
}
