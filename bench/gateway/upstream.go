//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

const (
	interval = time.Second             // between two polls of a source
	change   = 3700 * time.Millisecond // between two changes of its value
	onTime   = 100 * time.Millisecond  // after its time, a poll still is
)

// An upstream serves every source under its name, and notes how late each poll of one is: the times of a source are
// multiples of the interval, moved as [smartpoll.Interval.Spread] has it.
type upstream struct {
	mu     sync.Mutex // guards the fields below
	phases map[string]time.Duration
	polls  upstreamPolls
}

// upstreamPolls is what has come since the last look.
type upstreamPolls struct {
	Polls, OnTime int
	Late          []float64 // of each, in seconds
}

func upstreamMain() error {
	u := &upstream{phases: map[string]time.Duration{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /tank/{name}", u.tank)
	mux.HandleFunc("GET /polls", u.look)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("http://" + ln.Addr().String())
	go func() { // ends with the parent process
		_, _ = os.Stdin.Read(make([]byte, 1))
		os.Exit(0)
	}()
	return http.Serve(ln, mux)
}

// tank answers with a value of about 400 bytes that contains the time of its last change.
func (u *upstream) tank(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	name := r.PathValue("name")
	u.mu.Lock()
	phase, ok := u.phases[name]
	if !ok {
		phase = time.Duration(smartpoll.Every(interval).Spread(name).Next(time.Unix(0, 0)).UnixNano())
		u.phases[name] = phase
	}
	late := (time.Duration(now.UnixNano()) - phase) % interval
	u.polls.Polls++
	if late <= onTime {
		u.polls.OnTime++
	}
	u.polls.Late = append(u.polls.Late, late.Seconds())
	u.mu.Unlock()

	n, _ := strconv.ParseInt(strings.TrimPrefix(name, "tank-"), 10, 64)
	shift := n * int64(change) / 1000 // not all at once
	changed := (now.UnixNano()-shift)/int64(change)*int64(change) + shift
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(
		w,
		`{"tank":{"name":%q,"site":"Perth","area":"North yard","level":%d.%02d,"temperature":18.25,"pressure":101.3},`+
			`"pump":{"running":%t,"speed":1450,"current":11.8,"hours":20431},"valves":[{"id":"v1","open":true},{"id":"v2","open":false},`+
			`{"id":"v3","open":false}],"alarms":[],"firmware":"4.12.1","uptime":8640012,"changed":%d}`,
		name, changed/int64(change)%90, n%100, n%2 == 0, changed/1e6,
	)
}

// look answers with what has come since the last look.
func (u *upstream) look(w http.ResponseWriter, _ *http.Request) {
	u.mu.Lock()
	seen := u.polls
	u.polls = upstreamPolls{}
	u.mu.Unlock()
	_ = json.NewEncoder(w).Encode(seen)
}
