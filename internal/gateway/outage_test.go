package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/gateway"
	"github.com/tidewire/tidewire/sse/ssetest"
)

// An outage of an upstream is one message to each receiver when it begins and one when it is over, which count the sources
// behind it, whatever their polls and the pauses of their backoff spread over.
func TestAnOutageIsOneMessage(t *testing.T) {
	if gateway.Lag > 0 {
		t.Skip("alerts of sources follow no store")
	}
	for _, tt := range []struct {
		name     string
		sources  int
		defaults string
		lasts    time.Duration
	}{
		{"forty sources", 40, "every: 10s", 2 * time.Minute},
		{"many sources, polled by default", 300, "every: 30s", 10 * time.Minute}, // until their backoff is the longest
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testOutage(t, tt.sources, tt.defaults, tt.lasts) })
		})
	}
}

func testOutage(t *testing.T, sources int, defaults string, lasts time.Duration) {
	var yaml strings.Builder
	fmt.Fprintf(&yaml, `
defaults: {%s}
upstreams: {plant: {http: http://plant.example}}
notify: {ops: {http: http://ops.example/x}, lead: {http: http://lead.example/x}}
sources:
`, defaults)
	for i := range sources {
		fmt.Fprintf(&yaml, "  s%d: {http: {upstream: plant, path: /%[1]d}, alert: {notify: [ops, lead]}}\n", i)
	}
	var mu sync.Mutex // guards the variables below
	down, told := false, map[string][]string{}
	server := ssetest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.Host == "plant.example" {
			if down {
				w.WriteHeader(http.StatusBadGateway)
			}
			fmt.Fprint(w, "1")
			return
		}
		var m struct {
			State string
			Count int
		}
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Errorf("a message to %s: %v", r.Host, err)
		}
		told[r.Host] = append(told[r.Host], fmt.Sprint(m.State, " ", m.Count))
	}))
	var log lockedBuffer
	newBubble(t, load(t, yaml.String()), &log, server.Client.Transport)
	set := func(is bool) {
		mu.Lock()
		defer mu.Unlock()
		down = is
	}
	time.Sleep(40 * time.Second) // all have been polled
	set(true)
	time.Sleep(lasts)
	set(false)
	over := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(told["ops.example"]) > 1 && len(told["lead.example"]) > 1
	}
	for late := time.Now().Add(6 * time.Minute); !over() && time.Now().Before(late); { // the longest backoff, and then a minute
		time.Sleep(time.Second)
	}
	time.Sleep(40 * time.Second) // all are polled once more
	synctest.Wait()
	mu.Lock()
	defer mu.Unlock()
	want := []string{fmt.Sprint("firing ", sources), fmt.Sprint("resolved ", sources)}
	for _, to := range []string{"ops.example", "lead.example"} {
		if !slices.Equal(told[to], want) {
			t.Errorf("%s was told %d messages, %.20q, want %q", to, len(told[to]), told[to], want)
		}
	}
}
