package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/sse/progress"
)

// listen opens a port that can be found, a low one, so that few come before it.
func listen(t *testing.T) (port int) {
	for port = 2000; port < 4000; port++ {
		if l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port)); err == nil {
			t.Cleanup(func() { l.Close() })
			return port
		}
	}
	t.Fatal("no port from 2000 to 3999 is free")
	return 0
}

// newServer serves scans up to port last.
func newServer(t *testing.T, last int) (url string) {
	tracker := progress.New(context.Background(), time.Minute, 0, nil)
	srv := httptest.NewServer(handler(tracker, last))
	t.Cleanup(func() {
		if err := tracker.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		srv.Close()
	})
	return srv.URL
}

func follow(t *testing.T, run *progress.Run) (p progress.Progress) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for s, err := range run.Follow(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		p = progress.Progress{}
		if err := json.Unmarshal(s.Data, &p); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func TestDiscovery(t *testing.T) {
	port := listen(t)
	client := &progress.Client{URL: newServer(t, port) + "/discovery/127.0.0.1"}
	run, err := client.Start(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	joined, err := client.Start(t.Context(), nil)
	if err != nil || joined.ID != run.ID {
		t.Errorf("second start: %+v, %v, want to join run %s", joined, err, run.ID)
	}
	var open []int
	p := follow(t, run)
	if err := json.Unmarshal(p.Result, &open); err != nil || p.Status != progress.StatusSucceeded || !slices.Contains(open, port) {
		t.Errorf("terminal %+v, want a result with port %d", p, port)
	}
}

func TestCancel(t *testing.T) {
	client := &progress.Client{URL: newServer(t, 1<<16-1) + "/discovery/127.0.0.1"}
	run, err := client.Start(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Cancel(t.Context()); err != nil {
		t.Error(err)
	}
	if p := follow(t, run); p.Status != progress.StatusCancelled {
		t.Errorf("terminal %+v, want cancelled", p)
	}
}

// The page has all that it is made of.
func TestPage(t *testing.T) {
	url := newServer(t, 1)
	for path, want := range map[string]string{
		"/":            `<tidewire-progress src="/discovery/127.0.0.1" start=""`,
		"/tidewire.js": `"tidewire-progress"`,
	} {
		resp, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
			t.Errorf("GET %s = %s, %v, want %s in it", path, resp.Status, err, want)
		}
	}
}

func TestOnlyLoopback(t *testing.T) {
	url := newServer(t, 1)
	for _, host := range []string{"192.0.2.1", "example.com", "::ffff:192.0.2.1"} {
		resp, err := http.Post(url+"/discovery/"+host, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("POST for %s = %s, want 404", host, resp.Status)
		}
	}
}
