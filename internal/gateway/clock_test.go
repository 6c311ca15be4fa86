package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/sse/ssetest"
)

// A pending alert counts the time that has passed, whatever is done to the wall clock.
func TestAPendingAlertDoesNotFollowTheWallClock(t *testing.T) {
	for _, step := range []time.Duration{-time.Hour, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlant(t, alerting("{if: .level > 90, for: 1m, notify: ops}"), "50")
			p.steps = map[int]time.Duration{51: step}
			got := p.runs(220, map[int]string{35: "95"})
			want := []string{"40s alert pending since 40s", "1m40s alert firing since 40s", "1m40s ops: tank firing at 95 since 40s"}
			if !slices.Equal(got, want) {
				t.Errorf("%v: it went\n%s\nwant\n%s", step, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

// A run lasts as long as it lasts, and a job can start again in the future.
func TestRunsDoNotFollowTheWallClock(t *testing.T) {
	for _, step := range []time.Duration{-3 * time.Hour, 3 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			server := ssetest.NewServer(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(5 * time.Second) }))
			audit := filepath.Join(t.TempDir(), "audit")
			b := newBubble(t, load(t, fmt.Sprintf(`
audit: %q
upstreams: {plant: {http: http://plant.example}}
jobs: {scan: {http: {upstream: plant, path: /}, limit: 1/h}}
`, audit)), io.Discard, server.Client.Transport)
			b.do("POST", runs, `{"args": {}}`)
			time.Sleep(2 * time.Second)
			b.step(step)
			time.Sleep(10 * time.Second)
			log, err := os.ReadFile(audit)
			if err != nil || !contains(string(log), `"seconds":5}`) {
				t.Errorf("%v: the audit log has %s, %v, want a run of 5 seconds", step, log, err)
			}
			again := time.Now().Add(step + time.Hour - 12*time.Second)
			if got := at(t, b.json("GET", "/api/v1/jobs/scan", "")["available_at"]); !got.Equal(again) {
				t.Errorf("%v: available_at is %v, want %v", step, got, again)
			}
			got, want := fmt.Sprint(b.json("POST", runs, `{"args": {}}`)["detail"]), again.UTC().Format(time.RFC3339)
			if !contains(got, want) {
				t.Errorf("%v: refused with %q, want the time %s in it", step, got, want)
			}
		})
	}
}

// Of a limit of 2/h, each start counts for an hour to the nanosecond, and no longer.
func TestAStartCountsForTheTimeOfItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		server := ssetest.NewServer(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		b := newBubble(t, load(t, `
upstreams: {plant: {http: http://plant.example}}
jobs: {scan: {http: {upstream: plant, path: /}, limit: 2/h}}
`), io.Discard, server.Client.Transport)
		for _, tt := range []struct {
			at     time.Duration // since the first start
			status int
			after  string // Retry-After of a refusal
		}{
			{0, 202, ""},
			{10 * time.Minute, 202, ""},
			{20 * time.Minute, 429, "2400"},
			{time.Hour - time.Nanosecond, 429, "1"},
			{time.Hour, 202, ""},
			{time.Hour, 429, "600"},
			{time.Hour + 10*time.Minute - time.Nanosecond, 429, "1"},
			{time.Hour + 10*time.Minute, 202, ""},
			{time.Hour + 10*time.Minute, 429, "3000"},
		} {
			time.Sleep(tt.at - time.Since(begun))
			w := b.do("POST", runs, "{}")
			if got := w.Header().Get("Retry-After"); w.Code != tt.status || tt.after != "" && got != tt.after {
				t.Errorf("a start after %v = %d with Retry-After %q, want %d with %q", tt.at, w.Code, got, tt.status, tt.after)
			}
			synctest.Wait()
		}
	})
}
