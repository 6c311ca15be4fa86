//go:build linux

package main

import (
	"compress/gzip"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
)

// upstreams are an honest server, which notes when it is polled, and hostile ones.
type upstreams struct {
	honest  *httptest.Server
	hostile map[string]*httptest.Server

	mu        sync.Mutex // guards the fields below
	measuring bool
	last      map[string]time.Time // poll of each path
	late      time.Duration        // the most
	polls     int
}

// bad are what hostile upstreams answer, and what their source does with it.
var bad = map[string]struct {
	source  string
	handler http.HandlerFunc
}{
	"endless": {"", func(w http.ResponseWriter, r *http.Request) { forever(w, strings.Repeat("x", 64<<10)) }},
	"bomb": {"", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		forever(gzip.NewWriter(w), strings.Repeat("\x00", 64<<10))
	}},
	"objects":  {"", say("[" + strings.Repeat("{},", 1_300_000) + "1]")},
	"objects2": {"", say("[" + strings.Repeat("{},", 1_300_000) + "1]")},
	"numbers":  {"", say("[" + strings.Repeat("1,", 2_000_000) + "1]")},
	"records":  {"pick: {n: length}", say("[" + strings.Repeat(`{"a":1},`, 60_000) + "1]")},
	"records2": {"pick: {n: length}", say("[" + strings.Repeat(`{"a":1},`, 60_000) + "1]")},
	"records3": {"pick: {n: length}", say("[" + strings.Repeat(`{"a":1},`, 60_000) + "1]")},
	"deep":     {"", say(strings.Repeat("[", 999) + strings.Repeat("]", 999))},
	"text": {
		`pick: {n: '.s | gsub("\\s+"; " ") | length'}`, say(`{"s": "` + strings.Repeat("a b ", 750_000) + `"}`),
	},
	"match": {
		`pick: {n: '[.s | match("(a|b)*"; "g")] | length'}`, say(`{"s": "` + strings.Repeat("ab ", 60_000) + `"}`),
	},
	"index":  {`pick: {n: '.n as $n | [] | .[$n] = 1'}`, say(`{"n": 500000000}`)},
	"repeat": {`pick: {n: '.s * .n | length'}`, say(`{"n": 1000000000, "s": "x"}`)},
	"loop":   {`pick: {n: '.n as $n | [range($n)] | length'}`, say(`{"n": 1000000000}`)},
	"shared": {`pick: {n: '.n as $n | reduce range($n) as $i (1; [., .]) | tojson'}`, say(`{"n": 60}`)},
	"pattern": {
		`pick: {n: '.re as $re | .s | test($re)'}`,
		say(`{"re": "(a{100}){10}b", "s": "` + strings.Repeat("a", 1_000_000) + `"}`),
	},
	"slow": {"", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, "1")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(50 * time.Millisecond)
		}
	}},
	"head": {"", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) }},
	"away": {"", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://169.254.169.254/latest", http.StatusFound)
	}},
}

func say(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
	}
}

func forever(w io.Writer, piece string) {
	for {
		if _, err := io.WriteString(w, piece); err != nil {
			return
		}
	}
}

func startUpstreams() *upstreams {
	u := &upstreams{hostile: map[string]*httptest.Server{}, last: map[string]time.Time{}}
	u.honest = httptest.NewServer(http.HandlerFunc(u.poll))
	for name, b := range bad {
		server := httptest.NewUnstartedServer(b.handler)
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.Start()
		u.hostile[name] = server
	}
	return u
}

func (u *upstreams) close() {
	u.honest.CloseClientConnections()
	u.honest.Close()
	for _, server := range u.hostile {
		server.CloseClientConnections()
		server.Close()
	}
}

// poll answers an honest source, which is polled once a second.
func (u *upstreams) poll(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	u.mu.Lock()
	if last, ok := u.last[r.URL.Path]; ok && u.measuring {
		u.polls++
		u.late = max(u.late, now.Sub(last)-time.Second)
	}
	u.last[r.URL.Path] = now
	n := u.polls
	u.mu.Unlock()
	fmt.Fprintf(w, `{"n": %d, "at": %d}`, n, now.UnixMilli())
}

// measure begins to note how late polls are.
func (u *upstreams) measure() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.measuring = true
}

// latest returns how late a poll was at most, also one that has not come yet, and how many there were.
func (u *upstreams) latest() (late time.Duration, polls int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.measuring = false
	for _, last := range u.last {
		u.late = max(u.late, time.Since(last)-time.Second)
	}
	return u.late, u.polls
}
