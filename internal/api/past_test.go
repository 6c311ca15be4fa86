package api_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// A past that cannot be read is neither empty nor a series of no outages.
func TestAPastThatCannotBeRead(t *testing.T) {
	s, h := newServices(t)
	paths := []string{"history", "history?format=csv", "polls", "availability"}
	for _, path := range paths {
		if resp, _ := do(t, h, "GET", "/api/v1/sources/a/"+path, ""); resp.StatusCode != 200 {
			t.Errorf("%s = %d, want 200", path, resp.StatusCode)
		}
	}
	s.past = errors.New("the disk is gone")
	for _, path := range paths {
		resp, got := do(t, h, "GET", "/api/v1/sources/a/"+path, "")
		if resp.StatusCode != 503 || got["detail"] != "the past cannot be read; the log says more" || resp.Header.Get("Retry-After") == "" {
			t.Errorf("%s = %d %v, want 503", path, resp.StatusCode, got)
		}
	}
	for range 100 {
		do(t, h, "GET", "/api/v1/sources/a/polls", "")
	}
	if n := strings.Count(s.log.String(), "the past cannot be read"); n < 1 || n > 10 {
		t.Errorf("a client has %d lines in the log, want some, and no more than 10 a minute", n)
	}
}

// A short outage is not rounded away, and time that nobody knows is neither up nor down.
func TestAvailability(t *testing.T) {
	s, h := newServices(t)
	now := time.Now()
	available := func(want ...any) {
		t.Helper()
		_, got := do(t, h, "GET", "/api/v1/sources/a/availability", "")
		for i, w := range got["windows"].([]any) {
			if got := w.(map[string]any)["availability"]; got != want[i] {
				t.Errorf("the availability over %v is %v, want %v", w.(map[string]any)["window"], got, want[i])
			}
		}
	}
	available(nil, nil, nil, nil)
	s.spans.Enter("a", now.Add(-20*24*time.Hour), "pending", "")
	s.spans.Enter("a", now.Add(-20*24*time.Hour+time.Millisecond), "ok", "")
	available(100.0, 100.0, 100.0, 100.0) // there was no outage
	s.spans.Enter("a", now.Add(-3*24*time.Hour), "stale", "why")
	s.spans.Enter("a", now.Add(-3*24*time.Hour+time.Second), "ok", "")
	available(100.0, 99.999, 99.999, 99.999)
	s.spans.Enter("a", now.Add(-6*time.Hour), "failing", "")
	available(75.0, 96.428, 98.75, 98.75)
	_, got := do(t, h, "GET", "/api/v1/sources/a/availability", "")
	days := got["days"].([]any)
	day := func(i int) string {
		d := days[len(days)-i].(map[string]any)
		from, err := time.Parse(time.RFC3339, d["from"].(string))
		if err != nil || from.Local().Hour() != 0 {
			t.Errorf("a day begins at %v, want midnight", d["from"])
		}
		return fmt.Sprint(d["availability"], d["ok"], d["unknown"])
	}
	if len(days) != 30 || day(30) != "<nil> 0 1" || day(3) != "100 1 0" && day(4) != "100 1 0" {
		t.Errorf("%d days, from %s, want 30, the first of which is unknown, and %v", len(days), day(30), days)
	}
}
