package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tidewire/tidewire/sse/echosse"
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

func TestDiscovery(t *testing.T) {
	port := listen(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	serve := func(last int) (url string) {
		e := echo.New()
		register(e, echosse.New(ctx, time.Minute, 0, nil), last)
		srv := httptest.NewServer(e)
		t.Cleanup(srv.Close)
		t.Cleanup(cancel) // before Close, which waits for streams
		return srv.URL
	}
	client := &progress.Client{URL: serve(port) + "/discovery/127.0.0.1"}
	start := func() *progress.Run {
		t.Helper()
		run, err := client.Start(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		return run
	}
	follow := func(run *progress.Run) (p progress.Progress) {
		t.Helper()
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
	run := start()
	if joined := start(); joined.ID != run.ID || !joined.Coalesced {
		t.Errorf("second start: %+v, want to join run %s", joined, run.ID)
	}
	var open []int
	p := follow(run)
	if err := json.Unmarshal(p.Result, &open); err != nil || p.Status != progress.StatusSucceeded || !slices.Contains(open, port) {
		t.Errorf("terminal %+v, want a result with port %d", p, port)
	}

	url := serve(1<<16 - 1) // which takes long enough to be cancelled
	client.URL = url + "/discovery/127.0.0.1"
	run = start()
	if err := run.Cancel(ctx); err != nil {
		t.Error(err)
	}
	if p := follow(run); p.Status != progress.StatusCancelled {
		t.Errorf("terminal %+v, want cancelled", p)
	}
	for path, want := range map[string]int{"/discovery/192.0.2.1": 404, "/discovery/127.0.0.9": 404} {
		resp, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("GET %s = %d, want %d", path, resp.StatusCode, want)
		}
	}
}
