// Command cluster runs three gateways that share their state on three servers of NATS JetStream, behind a balancer, each as
// a process of its own. Open the page, kill any of the processes that it names, and watch:
//
//	cd examples/cluster && go run .
//
// A process that ends is started again after 20 seconds. Press Ctrl-C to end all of them.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	clientPort  = 24220 // of the first server of NATS; the others have the next ones
	clusterPort = 26220
	gatewayPort = 28480
	pagePort    = 8480
	again       = 20 * time.Second
)

func main() {
	log.SetFlags(log.Ltime)
	if isServer() {
		serveNATS(os.Args[2], os.Args[3])
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

// isServer reports whether this process is to be a server of NATS.
func isServer() bool { return len(os.Args) == 4 && os.Args[1] == "nats" }

// serveNATS is one of the servers, in a process of its own.
func serveNATS(number, dir string) {
	n := int(number[0] - '0')
	var routes []string
	for i := range 3 {
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", clusterPort+i))
	}
	opts := &server.Options{
		ServerName: "nats-" + number, Host: "127.0.0.1", Port: clientPort + n, JetStream: true, StoreDir: filepath.Join(dir, "nats-"+number),
		SyncAlways: true,
		Cluster:    server.ClusterOpts{Name: "cluster", Host: "127.0.0.1", Port: clusterPort + n},
		Routes:     server.RoutesFromStr(strings.Join(routes, ",")),
	}
	s, err := server.NewServer(opts)
	if err != nil {
		log.Fatal(err)
	}
	s.Start()
	s.WaitForShutdown()
}

// run runs all of it until ctx ends.
func run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "tidewire-cluster")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	page, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", pagePort))
	if err != nil {
		return fmt.Errorf("the page has the port of tidewire serve and tidewire demo, so end these first: %w", err)
	}
	defer page.Close()
	log.Print("tidewire is built, which takes a few minutes the first time")
	program := filepath.Join(dir, "tidewire")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/tidewire")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build tidewire: %w\n%s", err, out)
	}
	upstream, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer upstream.Close()
	file := filepath.Join(dir, "tidewire.yaml")
	if err := os.WriteFile(file, []byte(configuration("http://"+upstream.Addr().String())), 0o600); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	all.Go(func() { serveWaves(ctx, upstream) })
	for i := range 3 {
		all.Go(func() { keep(ctx, dir, fmt.Sprint("nats-", i), self, "nats", fmt.Sprint(i), dir) })
	}
	var gateways []string
	for i := range 3 {
		address := fmt.Sprintf("127.0.0.1:%d", gatewayPort+i)
		gateways = append(gateways, address)
		all.Go(func() { keep(ctx, dir, fmt.Sprint("tidewire-", i), program, "serve", file, "--listen", address) })
	}
	all.Go(func() { balance(ctx, page, gateways) })
	log.Printf("the page is at http://127.0.0.1:%d/, logs are in %s", pagePort, dir)
	all.Wait()
	return nil
}

// configuration is that of all gateways.
func configuration(upstream string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "version: 1\nstore: {nats: {url: \"nats://127.0.0.1:%d,nats://127.0.0.1:%d,nats://127.0.0.1:%d\", replicas: 3, name: \"${env:REPLICA}\"}}\n",
		clientPort, clientPort+1, clientPort+2)
	b.WriteString("upstreams:\n")
	for _, name := range names {
		fmt.Fprintf(&b, "  %s: {http: %q}\n", name, upstream)
	}
	b.WriteString("sources:\n")
	for _, name := range names {
		fmt.Fprintf(&b, "  %s: {http: {upstream: %s, path: /%s}, every: 1s, show: {min: -1, max: 1, decimals: 3, history: 10m}}\n", name, name, name)
	}
	b.WriteString("jobs:\n")
	for _, name := range names[:3] {
		fmt.Fprintf(&b, "  count-%s: {exec: [sh, -c, 'for i in $(seq 60); do echo $i; sleep 1; done'], on_busy: queue}\n", name)
	}
	b.WriteString("  every-minute: {exec: [date], at: '* * * * *'}\n")
	return b.String()
}

var names = []string{"amber", "birch", "cedar", "dune", "elm", "fern", "gorse", "hazel", "iris"}

// serveWaves is the upstream, until ctx ends.
func serveWaves(ctx context.Context, ln net.Listener) {
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		period := 10 + 5*float64(len(r.URL.Path))
		fmt.Fprintf(w, "%.3f", math.Sin(float64(time.Now().UnixMilli())/1000/period*2*math.Pi))
	})}
	defer context.AfterFunc(ctx, func() { _ = s.Close() })()
	_ = s.Serve(ln)
}

// keep runs a process until ctx ends, and starts it again some time after it has ended.
func keep(ctx context.Context, dir, name, program string, args ...string) {
	for ctx.Err() == nil {
		err := once(ctx, dir, name, program, args...)
		if ctx.Err() != nil {
			return
		}
		log.Printf("%s has ended (%v) and is started again in %v", name, err, again)
		select {
		case <-time.After(again):
		case <-ctx.Done():
		}
	}
}

func once(ctx context.Context, dir, name, program string, args ...string) error {
	out, err := os.OpenFile(filepath.Join(dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(), "REPLICA="+name) // all are on one host
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		return err
	}
	log.Printf("%s is process %d: kill -9 %d", name, cmd.Process.Pid, cmd.Process.Pid)
	return cmd.Wait()
}

// balance brings each connection of a browser to the next gateway that is ready, until ctx ends.
func balance(ctx context.Context, ln net.Listener, gateways []string) {
	defer context.AfterFunc(ctx, func() { _ = ln.Close() })()
	var all sync.WaitGroup
	defer all.Wait()
	for next := 0; ; next++ {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		all.Go(func() {
			defer conn.Close()
			for i := range gateways {
				if to := gateways[(next+i)%len(gateways)]; isReady(ctx, to) {
					pipe(ctx, conn, to)
					return
				}
			}
			fmt.Fprint(conn, "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		})
	}
}

// isReady asks a gateway whether it should get requests.
func isReady(ctx context.Context, gateway string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, "GET", "http://"+gateway+"/readyz", nil)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// pipe copies both ways until one side ends, or ctx does.
func pipe(ctx context.Context, conn net.Conn, to string) {
	other, err := new(net.Dialer).DialContext(ctx, "tcp", to)
	if err != nil {
		return
	}
	end := func() {
		conn.Close()
		other.Close()
	}
	defer end()
	defer context.AfterFunc(ctx, end)()
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(other, conn); end() })
	both.Go(func() { _, _ = io.Copy(conn, other); end() })
	both.Wait()
}
