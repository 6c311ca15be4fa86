package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
)

// What a name costs is paid once, however often a query has it.
func TestEachSnapshotIsAnsweredOnce(t *testing.T) {
	s := start(t, twoSourcesAndJobs)
	s.source("a", "ok")
	s.source("b", "ok")
	for _, query := range []string{
		"sources=*" + strings.Repeat(",*", 900),
		"sources=b" + strings.Repeat(",b,a", 400),
		strings.Repeat("sources=a&sources=*&", 400) + "sources=b",
	} {
		got := s.json(http.StatusOK, "GET", "/api/v1/stream?"+query, "", "Accept", "application/json")["snapshots"].([]any)
		if len(got) != 2 {
			t.Errorf("stream?%.40s has %d snapshots, want each of 2 once", query, len(got))
		}
	}
}

func TestAQueryNamesABoundedNumber(t *testing.T) {
	s := start(t, twoSourcesAndJobs)
	const want = "sources and jobs have more than 1000 names: * stands for all of them"
	for _, query := range []string{
		"sources=*" + strings.Repeat(",*", 15_000),
		"sources=" + strings.Repeat("a,", 600) + "&jobs=" + strings.Repeat("j,", 401),
		strings.Repeat("sources=a&", 1001),
		"jobs=" + strings.Repeat(strings.Repeat("x", 20)+",", 1001), // rather than 404 for the first
	} {
		for _, accept := range []string{"text/event-stream", "application/json"} {
			if got := s.json(http.StatusBadRequest, "GET", "/api/v1/stream?"+query, "", "Accept", accept)["detail"]; got != want {
				t.Errorf("stream?%.40s: %v, want %s", query, got, want)
			}
		}
	}
}

// An answer with every value, and a look at whether one has changed, take no memory for the values.
func TestAnswersShareTheirValues(t *testing.T) {
	const sources = 4
	up := newUpstream(t, "")
	up.does(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "%q", strings.Repeat("x", 500_000)) })
	yaml := fmt.Sprintf("upstreams: {up: {http: %q}}\nsources:\n", up.URL)
	for i := range sources {
		yaml += fmt.Sprintf("  s%d: {http: {upstream: up, path: /}, every: 1h}\n", i)
	}
	s := start(t, yaml)
	got := map[any]bool{}
	s.await("the last value", func(v object) bool {
		if v["state"] == "ok" {
			got[v["key"]] = true
		}
		return len(got) == sources
	})
	get := func(path, tag string) (int, http.Header) {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", s.url+path, nil)
		req.Header.Set("Accept", "application/json")
		if tag != "" {
			req.Header.Set("If-None-Match", tag)
		}
		resp, err := s.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode, resp.Header
	}
	for _, path := range []string{"/api/v1/sources", "/api/v1/stream?sources=*"} {
		_, header := get(path, "")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 10 {
			if status, _ := get(path, ""); status != http.StatusOK {
				t.Fatalf("GET %s = %d", path, status)
			}
			if status, _ := get(path, header.Get("ETag")); status != http.StatusNotModified {
				t.Fatalf("GET %s with its tag = %d, want 304", path, status)
			}
		}
		runtime.ReadMemStats(&after)
		// The 20 answers stand for 40 MB of values.
		if got := (after.TotalAlloc - before.TotalAlloc) >> 20; got > 6 {
			t.Errorf("20 times GET %s took %d MiB, want none for the values of 2 MB", path, got)
		}
	}
}

// A client that says it has every version waits for a change as any other does.
func TestALongPollOfAnyVersionEndsWithTheFirstChange(t *testing.T) {
	up := newUpstream(t, "")
	up.does(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, up.count()) })
	s := start(t, fmt.Sprintf("upstreams: {up: {http: %q}}\nsources: {a: {http: {upstream: up, path: /}, every: 20ms}}\n", up.URL))
	s.source("a", "ok")
	status, _, _ := s.do("GET", "/api/v1/sources", "", "If-None-Match", "*", "Prefer", "wait=60")
	if status != http.StatusNotModified {
		t.Errorf("long poll with * = %d, want 304", status)
	}
}

// Clients whose JSON libraries nest less than Go's read the list of all sources, whatever one of them sends.
func TestOneSourceDoesNotSpoilTheList(t *testing.T) {
	up := newUpstream(t, "")
	up.does(func(w http.ResponseWriter, r *http.Request) {
		n := 100
		if r.URL.Path == "/deep" {
			n = 999
		}
		_, _ = io.WriteString(w, strings.Repeat("[", n)+strings.Repeat("]", n))
	})
	s := start(t, fmt.Sprintf(`
upstreams: {up: {http: %q}}
sources:
  deep: {http: {upstream: up, path: /deep}, every: 1h}
  deepest: {http: {upstream: up, path: /}, every: 1h}
`, up.URL))
	s.source("deepest", "ok")
	text, _ := s.source("deep", "failing")["error"].(string)
	if !strings.Contains(text, "JSON nests deeper than 100 levels") {
		t.Errorf("the error is %q, want it to say what is too deep", text)
	}
	_, _, body := s.do("GET", "/api/v1/sources", "")
	most, level := 0, 0
	for _, c := range body {
		switch c {
		case '[', '{':
			level++
			most = max(most, level)
		case ']', '}':
			level--
		}
	}
	if most > 103 {
		t.Errorf("the list nests %d levels, want 100 and the list's own", most)
	}
}

func TestLargeAnswersAtOnceTakeBoundedMemory(t *testing.T) {
	up := newUpstream(t, "")
	body := "[" + strings.Repeat(`{"a":1},`, 60_000) + "1]" // 0.5 MB, which take some 30 MiB
	up.does(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
	yaml := fmt.Sprintf("upstreams: {up: {http: %q}}\nsources:\n", up.URL)
	for i := range 5 {
		yaml += fmt.Sprintf("  s%d: {http: {upstream: up, path: /}, pick: {n: length}, every: 1h, timeout: 1m}\n", i)
	}
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	s := start(t, yaml)
	most := uint64(0)
	for i := range 5 {
		s.source(fmt.Sprintf("s%d", i), "ok")
		runtime.ReadMemStats(&now)
		most = max(most, now.HeapInuse)
	}
	if got := (int64(most) - int64(before.HeapInuse)) >> 20; got > 150 {
		t.Errorf("5 large answers at once take %d MiB, want at most what one takes and as much garbage", got)
	}
}
