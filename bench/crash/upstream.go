//go:build linux

package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"time"
)

// An upstream answers each source with a number that grows with each answer, and notes when.
type upstream struct {
	url    string
	server *httptest.Server

	mu       sync.Mutex          // guards the fields below
	answered map[int][]time.Time // by source; the answer with index i was i+1
}

func startUpstream() *upstream {
	u := &upstream{answered: map[int][]time.Time{}}
	u.server = httptest.NewServer(http.HandlerFunc(u.answer))
	u.url = u.server.URL
	return u
}

func (u *upstream) close() { u.server.Close() }

func (u *upstream) answer(w http.ResponseWriter, r *http.Request) {
	source, err := strconv.Atoi(r.URL.Path[1:])
	if err != nil {
		http.NotFound(w, r)
		return
	}
	u.mu.Lock()
	u.answered[source] = append(u.answered[source], time.Now())
	n := len(u.answered[source])
	u.mu.Unlock()
	fmt.Fprintf(w, `{"n":%d}`, n)
}

// count returns how many answers a source got before a time.
func (u *upstream) count(source int, before time.Time) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	list := u.answered[source]
	n := len(list)
	for n > 0 && !list[n-1].Before(before) {
		n--
	}
	return n
}

// at returns when a source got its answer n.
func (u *upstream) at(source, n int) time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.answered[source][n-1]
}
