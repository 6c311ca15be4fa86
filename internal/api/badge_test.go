package api_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// A badge says how a source is, to whoever may view it.
func TestBadges(t *testing.T) {
	s, h := newServices(t)
	now := time.Now()
	ago := func(d time.Duration) string { return now.Add(-d).UTC().Format(time.RFC3339) }
	const tank = `"key":"source/a","name":"a","title":"Tank <1>","show":{"value":"level","unit":"%"},`
	for _, c := range []struct{ source, query, label, text string }{
		{`"state":"ok","value":{"level":93.4}`, "", "Tank &lt;1&gt;", "93.4 %"},
		{`"state":"ok","value":{"level":93.4}`, "?label=Level", "Level", "93.4 %"},
		{`"state":"ok","value":{"level":93.4}`, "?show=state", "Tank &lt;1&gt;", "ok"},
		{`"state":"ok","value":{"level":93.4},"alert":{"state":"firing","since":"` + ago(time.Minute) + `"}`, "", "Tank &lt;1&gt;", "alert, 93.4 %"},
		{`"state":"ok","value":{"level":93.4},"alert":{"state":"firing","since":"` + ago(time.Minute) + `"}`, "?show=value", "Tank &lt;1&gt;", "93.4 %"},
		{`"state":"stale","value":{"level":93.4},"since":"` + ago(14*time.Minute) + `"`, "", "Tank &lt;1&gt;", "stale, 14 min"},
		{`"state":"failing","value":null,"since":"` + ago(38*time.Minute) + `"`, "", "Tank &lt;1&gt;", "failing, 38 min"},
		{`"state":"pending","value":null,"every":"5s"`, "", "Tank &lt;1&gt;", "first poll"},
		{`"state":"pending","value":null`, "", "Tank &lt;1&gt;", "first value"},
		{`"state":"ok","value":{"level":61.36278649734441}`, "", "Tank &lt;1&gt;", "61.363 %"},
		{`"state":"ok","value":{"level":1}`, "?show=availability", "Tank &lt;1&gt;", "not known"},
	} {
		if err := s.topic.Publish(sse.Event{Data: []byte("{" + tank + c.source + "}")}); err != nil {
			t.Fatal(err)
		}
		resp, svg := badge(t, h, "/badge/a.svg"+c.query)
		if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "image/svg+xml" || resp.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("GET %s: %d %v", c.query, resp.StatusCode, resp.Header)
		}
		for _, want := range []string{">" + c.label + "</text>", ">" + c.text + "</text>"} {
			if !strings.Contains(svg, want) {
				t.Errorf("the badge of %s with %q has no %s:\n%s", c.source, c.query, want, svg)
			}
		}
		if again, _ := badge(t, h, "/badge/a.svg"+c.query, "If-None-Match", resp.Header.Get("ETag")); again.StatusCode != 304 {
			t.Errorf("the same badge is %d, want 304", again.StatusCode)
		}
	}

	if resp, svg := badge(t, h, "/badge/none.svg"); resp.StatusCode != 404 || !strings.Contains(svg, ">no such source</text>") {
		t.Errorf("the badge of no source is %d %s, want 404 and an image", resp.StatusCode, svg)
	}
	for path, want := range map[string]int{
		"/badge/a.png": 404, "/badge/a": 404, "/badge/a.svg?show=x": 400, "/badge/a.svg?show=availability&window=1d": 400,
	} {
		if resp, _ := badge(t, h, path); resp.StatusCode != want {
			t.Errorf("GET %s = %d, want %d", path, resp.StatusCode, want)
		}
	}
}

// After any outage a badge does not say 100 %.
func TestABadgeDoesNotRoundAvailabilityUp(t *testing.T) {
	s, h := newServices(t)
	now := time.Now()
	s.spans.Enter("a", now.Add(-29*24*time.Hour), "ok", "")
	s.spans.Enter("a", now.Add(-time.Hour), "failing", "")
	s.spans.Enter("a", now.Add(-time.Hour+time.Second), "ok", "")
	_, svg := badge(t, h, "/badge/a.svg?show=availability")
	if !strings.Contains(svg, ">99.99 % of 30 days</text>") {
		t.Errorf("the badge is %s, want 99.99 %%", svg)
	}
}

func badge(t *testing.T, h http.Handler, path string, header ...string) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "GET", "http://localhost"+path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	resp := w.Result()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}
