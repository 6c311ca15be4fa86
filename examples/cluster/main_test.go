package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if isServer() {
		main()
		return
	}
	os.Exit(m.Run())
}

// lines is what the example prints.
type lines struct {
	mu  sync.Mutex // guards the field below
	all bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// The example runs, and its page answers while one of its gateways and one of its servers are killed.
func TestCluster(t *testing.T) {
	said := new(lines)
	log.SetOutput(said)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(said)
		}
	})
	until(t, "three replicas", func() bool { return strings.Count(get("/api/v1/replicas"), `"id"`) == 3 })
	until(t, "the value of a source", func() bool { return strings.Contains(get("/api/v1/sources/iris"), `"state":"ok"`) })
	for _, name := range []string{"tidewire-1", "nats-1"} {
		pid := regexp.MustCompile(name + " is process ([0-9]+)").FindStringSubmatch(said.String())
		if pid == nil {
			t.Fatalf("it does not say which process %s is", name)
		}
		n, _ := strconv.Atoi(pid[1])
		if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		if body := get("/api/v1/sources/iris"); !strings.Contains(body, `"value":`) {
			t.Errorf("after two deaths the page gets %q", body)
		}
	}
}

// get asks a gateway through the balancer. It returns nothing if that is not answered with 200.
func get(path string) string {
	answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d%s", pagePort, path))
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != http.StatusOK {
		return ""
	}
	return string(body)
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not yet: %s", what)
		}
	}
}
