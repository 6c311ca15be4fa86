package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// write replaces the configuration's file.
func (s *server) write(yaml string) {
	s.t.Helper()
	if err := os.WriteFile(s.file, []byte("version: 1\n"+yaml), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// reload has a configuration loaded in place of the one before, and returns what that has changed.
func (s *server) reload(yaml string) object {
	s.t.Helper()
	s.write(yaml)
	return s.json(200, "POST", "/api/v1/config/reload", "")
}

// A stream is a stream of everything that is read while other things happen.
type stream struct {
	t      *testing.T
	events chan object // closed at the end
}

// stream opens a stream of everything and waits for the first event.
func (s *server) stream() *stream {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), "GET", s.url+"/api/v1/stream", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	st := &stream{s.t, make(chan object, 10_000)}
	s.t.Cleanup(func() { resp.Body.Close() })
	go func() {
		defer close(st.events)
		for ev, err := range sse.Read(resp.Body, nil) {
			if err != nil {
				return
			}
			var v object
			if len(ev.Data) > 0 {
				v = decode(s.t, ev.Data)
			}
			st.events <- v
		}
	}()
	return st
}

// await reads events until one satisfies ok, which it returns with the keys of those before.
func (st *stream) await(what string, ok func(object) bool) (found object, keys []string) {
	st.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case v, open := <-st.events:
			if !open {
				st.t.Fatalf("the stream ended before %s", what)
			}
			if ok(v) {
				return v, keys
			}
			keys = append(keys, fmt.Sprint(v["key"]))
		case <-timeout:
			st.t.Fatalf("%s did not come; events of %v", what, keys)
		}
	}
}

// config waits for a version of the configuration.
func (st *stream) config(version float64) (found object, keys []string) {
	st.t.Helper()
	return st.await(fmt.Sprintf("configuration %v", version), func(v object) bool { return v["key"] == "config" && v["version"] == version })
}

func TestReloadChangesWhatDiffersAndNothingElse(t *testing.T) {
	plant := newUpstream(t, `{"level": 41}`)
	with := func(more string) string {
		return fmt.Sprintf(`
upstreams: {plant: {http: %q}}
sources:
  tank: {http: {upstream: plant, path: /tank}, every: 1h, pick: .level}
  beat: {exec: [echo, "1"], every: 1h}
%s`, plant.URL, more)
	}
	before := with(`  old: {exec: [echo, old], every: 1h}
jobs: {a: {exec: ["true"]}, b: {exec: ["true"]}}
`)
	s := startFile(t, before, 0)
	tank, beat := s.source("tank", "ok"), s.source("beat", "ok")
	s.source("old", "ok")
	st := s.stream()
	st.config(1)

	got := s.reload(strings.Replace(with(`  new: {exec: [echo, new], every: 1h}
jobs: {a: {exec: ["true"]}, b: {exec: ["false"]}, c: {exec: ["true"]}}
`), `[echo, "1"]`, `[echo, "2"]`, 1))
	want := object{"added": []any{"source/new", "job/c"}, "changed": []any{"source/beat", "job/b"}, "removed": []any{"source/old"}, "unchanged": 2.0}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("reload = %v, want %v", got, want)
	}

	// The stream that was open hears of what it knew; lists and new streams have what there is now.
	_, keys := st.config(2)
	if !slices.Contains(keys, "source/old") || slices.Contains(keys, "source/new") {
		t.Errorf("the open stream got events of %v, want one of source/old and none of source/new", keys)
	}
	s.await("the new source", func(v object) bool { return v["key"] == "source/new" && v["value"] == "new" })
	changed := s.await("the changed source", func(v object) bool { return v["key"] == "source/beat" && v["value"] == "2" })
	if changed["updated_at"] == beat["updated_at"] {
		t.Error("the changed source was not polled again")
	}
	if now := s.source("tank", "ok"); !reflect.DeepEqual(now, tank) {
		t.Errorf("the unchanged source is %v, want it as before: %v", now, tank)
	}
	if n := plant.count(); n != 1 {
		t.Errorf("the unchanged source was polled %d times, want 1", n)
	}
	var names []string
	for _, v := range s.json(200, "GET", "/api/v1/sources", "")["sources"].([]any) {
		names = append(names, v.(object)["name"].(string))
	}
	for _, v := range s.json(200, "GET", "/api/v1/jobs", "")["jobs"].([]any) {
		names = append(names, v.(object)["name"].(string))
	}
	if want := []string{"tank", "beat", "new", "a", "b", "c"}; !slices.Equal(names, want) {
		t.Errorf("listed are %v, want %v", names, want)
	}
	s.json(404, "GET", "/api/v1/sources/old", "")

	// The same once more changes nothing, and the version stays.
	if got := s.json(200, "POST", "/api/v1/config/reload", ""); got["unchanged"] != 6.0 || len(got["added"].([]any)) != 0 {
		t.Errorf("the same again = %v, want all unchanged", got)
	}
	if v, _ := st.await("the configuration", func(v object) bool { return v["key"] == "config" }); v["version"] != 2.0 {
		t.Errorf("after the same again the version is %v, want 2", v["version"])
	}
	// And back: what comes again is new.
	s.reload(before)
	old := s.await("the source that is back", func(v object) bool { return v["key"] == "source/old" && v["state"] == "ok" })
	if old["value"] != "old" {
		t.Errorf("it is %v, want old", old)
	}
}

func TestABadConfigurationChangesNothingAndIsSaid(t *testing.T) {
	s := startFile(t, "sources: {a: {exec: [echo, '1'], every: 1h}}\n", 0)
	a := s.source("a", "ok")
	st := s.stream()
	st.config(1)

	s.write("sources: {a: {exec: [echo, '1'], evry: 1h}, b: {}}\n")
	status, h, body := s.do("POST", "/api/v1/config/reload", "")
	problem := decode(t, []byte(body))
	errors, _ := problem["errors"].([]any)
	if status != 422 || h.Get("Content-Type") != "application/problem+json" || len(errors) != 2 {
		t.Fatalf("reload of a bad file = %d %s", status, body)
	}
	first := errors[0].(object)
	if first["file"] != s.file || first["line"] != 2.0 || first["column"] != 34.0 || !contains(first["detail"].(string), `unknown key "evry"`) {
		t.Errorf("first problem = %v, want the key evry and its place", first)
	}
	v, _ := st.await("the error", func(v object) bool { return v["key"] == "config" && v["error"] != nil })
	if text := v["error"].(string); v["version"] != 1.0 || !contains(text, `unknown key "evry"`) || !contains(text, `"b"`) {
		t.Errorf("the stream says %v, want both problems and version 1", v)
	}
	if log := s.log.String(); !contains(log, "2:34: unknown key") || !contains(log, `source \"b\"`) {
		t.Error("the log does not have all positions")
	}
	if now := s.source("a", "ok"); !reflect.DeepEqual(now, a) {
		t.Errorf("the source is %v, want it untouched: %v", now, a)
	}
	if status, _, _ := s.do("GET", "/readyz", ""); status != 200 {
		t.Errorf("GET /readyz = %d, want 200", status)
	}

	if err := os.Remove(s.file); err != nil {
		t.Fatal(err)
	}
	if status, _, body := s.do("POST", "/api/v1/config/reload", ""); status != 422 || !contains(body, "no such file") {
		t.Errorf("reload without a file = %d %s", status, body)
	}
	s.reload("sources: {a: {exec: [echo, '1'], every: 1h}}\n")
	if v, _ := st.await("no error", func(v object) bool { return v["key"] == "config" && v["error"] == nil }); v["version"] != 1.0 {
		t.Errorf("mended as it was: %v, want version 1", v)
	}

	plain := start(t, "sources: {a: {exec: [echo, '1'], every: 1h}}\n")
	if status, _, _ := plain.do("POST", "/api/v1/config/reload", ""); status != 409 {
		t.Errorf("reload without a file to read = %d, want 409", status)
	}
}

func TestAChangedFileIsLoadedByItself(t *testing.T) {
	s := startFile(t, "sources: {a: {exec: [echo, '1'], every: 1h}}\n", 10*time.Millisecond)
	s.source("a", "ok")
	value := func(want string) {
		t.Helper()
		s.await("value "+want, func(v object) bool { return v["key"] == "source/a" && v["value"] == want })
	}
	s.write("sources: {a: {exec: [echo, '2'], every: 1h}}\n")
	value("2")
	s.write("sources: {a: ")
	s.await("an error", func(v object) bool { return v["key"] == "config" && v["error"] != nil })
	s.write("include: more.yaml\n")
	s.await("an error about what is included", func(v object) bool {
		text, _ := v["error"].(string)
		return v["key"] == "config" && contains(text, "cannot be read")
	})
	if err := os.WriteFile(strings.Replace(s.file, "tidewire.yaml", "more.yaml", 1), []byte("sources: {a: {exec: [echo, '3'], every: 1h}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	value("3")
	s.await("no error", func(v object) bool { return v["key"] == "config" && v["error"] == nil })
}

// Reloads, by API and by itself, while sources are polled, jobs run, streams and long polls come and go, and at last a stop
// in the middle of it all.
func TestReloadUnderLoad(t *testing.T) {
	plant := newUpstream(t, `{"level": 41}`)
	text := func(i int) string {
		var b strings.Builder
		fmt.Fprintf(&b, "upstreams: {plant: {http: %q, limit: 1000/s, burst: %d}}\nsources:\n", plant.URL, 1+i%3)
		for n := range 6 {
			if n != i%6 {
				fmt.Fprintf(&b, "  s%d: {http: {upstream: plant, path: /%d}, every: 2ms, pick: {level: .level}, title: T%d, show: {history: 1h}, stale_after: 20ms}\n", n, n, i/(n+1)%2)
			}
		}
		fmt.Fprintf(&b, "  sum: {from: [s%d, s%d], combine: '[.[].value.level] | add'}\n", (i+1)%6, (i+2)%6)
		fmt.Fprintf(&b, "jobs:\n  j%d: {exec: ['true'], timeout: %dm}\n  j: {exec: ['true'], title: J%d}\n", i%2, 1+i%3, i%2)
		return b.String()
	}
	s := startFile(t, text(0), time.Millisecond)
	get := func(ctx context.Context, method, path string) (int, error) {
		var body io.Reader
		if strings.HasSuffix(path, "/runs") {
			body = strings.NewReader("{}")
		}
		req, err := http.NewRequestWithContext(ctx, method, s.url+path, body)
		if err != nil {
			t.Error(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("If-None-Match", "*")
		req.Header.Set("Prefer", "wait=1")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		_, err = io.CopyN(io.Discard, resp.Body, 4<<10)
		return resp.StatusCode, err
	}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for _, path := range []string{"GET /api/v1/stream", "GET /api/v1/sources", "GET /api/v1/sources/s1", "GET /api/v1/sources/sum", "GET /api/v1/jobs", "GET /api/v1/sources/s2/history", "POST /api/v1/jobs/j/runs", "POST /api/v1/jobs/j1/runs", "POST /api/v1/config/reload"} {
		method, path, _ := strings.Cut(path, " ")
		group.Go(func() {
			for ctx.Err() == nil {
				if status, _ := get(ctx, method, path); status == 500 {
					t.Errorf("%s %s = 500", method, path)
				}
			}
		})
	}
	const loads = 12 // a multiple of 6: s0 is what is left out at last
	for i := range loads {
		s.write(text(i))
		s.do("POST", "/api/v1/config/reload", "")
	}
	last := s.reload(text(loads))
	if n := len(last["added"].([]any)) + len(last["changed"].([]any)) + int(last["unchanged"].(float64)); n != 8 {
		t.Errorf("after %d reloads there are %d sources and jobs, want 8: %v", loads, n, last)
	}
	// Every source that there is goes on being polled, and what is computed of them computed.
	for _, name := range []string{"s1", "s2", "s3", "s4", "s5"} {
		s.source(name, "ok")
	}
	s.await("the sum", func(v object) bool { return v["key"] == "source/sum" && v["value"] == 82.0 })
	s.stop()
	cancel()
	group.Wait()
	if contains(s.log.String(), "panicked") {
		t.Error("something panicked")
	}
}

func TestAReloadLogsWarnings(t *testing.T) {
	s := startFile(t, "sources: {a: {exec: [echo]}}\n", 0)
	s.reload("sources: {a: {exec: [no-such-program-at-all]}}\n")
	if log := s.log.String(); strings.Count(log, "the configuration is worth a look") != 1 || !strings.Contains(log, "no-such-program-at-all") {
		t.Errorf("the log is\n%s\nwant the warning that check gives, once", log)
	}
}
