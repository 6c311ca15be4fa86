package gateway_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/gateway"
	"github.com/tidewire/tidewire/sse"
)

// One of a thousand sources is changed: nobody touches the tasks of the others, nor what is published of them.
func TestOneOfAThousandChanges(t *testing.T) {
	const sources = 1000
	text := many("http://127.0.0.1:9", sources)
	g := gateway.NewGateway(t, t.Context(), load(t, strings.TrimPrefix(text, "version: 1\n")), gateway.Options{})
	topics := g.Topics()
	var before []string
	for _, name := range topics {
		before = append(before, g.Newest(name))
	}
	tasks := g.Tasks()

	g.Change(t, load(t, strings.TrimPrefix(replaceOnce(t, text, "title: Sensor 500\n", "title: Another 500\n"), "version: 1\n")))
	now := g.Tasks()
	for key, task := range tasks {
		if got := now[key]; !reflect.DeepEqual(got, task) && key != any("source/s0500") {
			t.Errorf("task %v was %+v and is %+v", key, task, got)
		}
	}
	if len(now) != len(tasks) {
		t.Errorf("%d tasks, want %d as before", len(now), len(tasks))
	}
	if got := g.Topics(); !slices.Equal(got, topics) {
		t.Errorf("%d topics, want %d as before", len(got), len(topics))
	}
	for i, name := range topics {
		if got := g.Newest(name); (got == before[i]) != (name != "source/s0500") {
			t.Errorf("%s was %s and is %s", name, before[i], got)
		}
	}
}

// replaceOnce returns text with the one place where before stands changed.
func replaceOnce(t testing.TB, text, before, after string) string {
	t.Helper()
	if strings.Count(text, before) != 1 {
		t.Fatalf("%q is there %d times, want once", before, strings.Count(text, before))
	}
	return strings.Replace(text, before, after, 1)
}

// The polls of all others keep their times, and an open stream hears of none, while one source is changed again and again.
func TestReloadKeepsTheRhythm(t *testing.T) {
	var polls sync.Map // of a path, its requests
	plant := newUpstream(t, "")
	plant.does(func(w http.ResponseWriter, r *http.Request) {
		count, _ := polls.LoadOrStore(r.URL.Path, new(atomic.Int64))
		count.(*atomic.Int64).Add(1)
		fmt.Fprint(w, `{"level": 1, "temp": 2}`)
	})
	text := strings.ReplaceAll(strings.TrimPrefix(many(plant.URL, 200), "version: 1\n"), "every: 1s", "every: 8760h") // their times are spread over the pause
	s := startFile(t, text, 0)
	list := func() map[string]any {
		byName := map[string]any{}
		for _, source := range s.json(200, "GET", "/api/v1/sources", "")["sources"].([]any) {
			byName[source.(object)["name"].(string)] = source
		}
		return byName
	}
	for ok := false; !ok; { // until every source was polled; the stream tells when another was
		ok = true
		tag := s.tag("/api/v1/sources")
		for _, source := range list() {
			ok = ok && source.(object)["state"] == "ok"
		}
		if !ok {
			s.do("GET", "/api/v1/sources", "", "If-None-Match", tag, "Prefer", "wait=20")
		}
	}
	st := s.stream()
	polled := map[any]bool{} // by key: what the stream, which may be late, has shown as ok
	for len(polled) < 200 {
		v, _ := st.await("the first poll of every source", func(v object) bool { return v["state"] == "ok" })
		polled[v["key"]] = true
	}
	before := list()
	for i := range 2 {
		got := s.reload(replaceOnce(t, text, "title: Sensor 100\n", fmt.Sprintf("title: Number %d\n", i)))
		if got["unchanged"] != 199.0 || !reflect.DeepEqual(got["changed"], []any{"source/s0100"}) {
			t.Fatalf("reload = %v, want one change", got)
		}
		_, keys := st.config(float64(i + 2))
		for _, key := range keys {
			if key != "source/s0100" {
				t.Errorf("the stream got an event of %s", key)
			}
		}
		s.await("the poll after the change", func(v object) bool {
			return v["key"] == "source/s0100" && v["title"] == fmt.Sprintf("Number %d", i) && v["next_at"] != nil
		})
	}
	after := list()
	if len(after) != len(before) {
		t.Fatalf("%d sources, want %d", len(after), len(before))
	}
	for name, source := range before {
		count, _ := polls.Load("/sensor/" + strings.TrimLeft(name[1:4], "0") + name[4:])
		switch n := count.(*atomic.Int64).Load(); {
		case name == "s0100":
			if n < 2 {
				t.Errorf("the changed source was polled %d times", n)
			}
		case n != 1 || !reflect.DeepEqual(after[name], source):
			t.Errorf("%s was polled %d times, and is %v, want once and as before: %v", name, n, after[name], source)
		}
	}
}

func TestAChangedSourceKeepsAValueThatMeansTheSame(t *testing.T) {
	plant := newUpstream(t, `{"level": 41}`)
	base := replaceOnce(t, tank(plant.URL), "every: 20ms", "every: 1h") // or another value would come before it hangs
	s := startFile(t, base, 0)
	good := s.source("tank", "ok")
	plant.hangs(t) // nothing new from here on

	for _, tt := range []struct{ before, after, state string }{
		{"title: Tank", "title: Vessel", "ok"},
		{"path: /tank", "path: /vessel", "ok"},
		{"show: {value: level, unit", "show: {value: level, decimals: 1, unit", "ok"},
		{"{level: .level}", "{level: .level, more: .more}", "pending"},
	} {
		s.reload(replaceOnce(t, base, tt.before, tt.after))
		v := s.json(200, "GET", "/api/v1/sources/tank", "")
		want := good["value"]
		if tt.state == "pending" {
			want = nil
		}
		if v["state"] != tt.state && v["state"] != "stale" || !reflect.DeepEqual(v["value"], want) {
			t.Errorf("%s: %v, want %s and the value %v", tt.after, v, tt.state, want)
		}
		if tt.state == "ok" && v["updated_at"] != good["updated_at"] {
			t.Errorf("%s: updated_at %v, want it to stay %v", tt.after, v["updated_at"], good["updated_at"])
		}
	}
	s.reload(base) // the value that was given up does not come back
	if v := s.json(200, "GET", "/api/v1/sources/tank", ""); v["value"] != nil || v["state"] != "pending" {
		t.Errorf("back to the first definition: %v, want it pending", v)
	}
	plant.say(`{"level": 42}`)
	s.reload(replaceOnce(t, base, "title: Tank", "title: Barrel\n    section: Plant/Line 1"))
	s.await("a new value", func(v object) bool {
		return reflect.DeepEqual(v["value"], object{"level": 42.0}) && v["title"] == "Barrel" && v["section"] == "Plant/Line 1"
	})
}

// What an upstream was asked stays asked, as long as its limit is the same.
func TestReloadDoesNotRenewALimit(t *testing.T) {
	plant := newUpstream(t, `{"level": 1}`)
	text := func(limit, token string) string {
		return fmt.Sprintf(`
upstreams: {plant: {http: %q, limit: %s, bearer: %s}}
sources:
  a: {http: {upstream: plant, path: /a}, every: 1h}
  b: {http: {upstream: plant, path: /b}, every: 1h}
  beat: {exec: ["true"], every: 10ms}
`, plant.URL, limit, token)
	}
	s := startFile(t, text("1/h, burst: 2", "first"), 0)
	s.source("a", "ok")
	s.source("b", "ok")
	beats := func() {
		t.Helper()
		last := ""
		for range 5 {
			last, _ = s.await("a beat", func(v object) bool {
				return v["name"] == "beat" && v["state"] == "ok" && v["updated_at"] != last
			})["updated_at"].(string)
		}
	}
	if got := s.reload(text("1/h, burst: 2", "second")); len(got["changed"].([]any)) != 2 || got["unchanged"] != 1.0 {
		t.Fatalf("reload = %v, want both sources changed", got)
	}
	beats()
	if n := plant.count(); n != 2 {
		t.Errorf("the upstream got %d requests, want 2: its limit was renewed", n)
	}
	s.reload(text("1/h, burst: 3", "second"))
	beats()
	if n := plant.count(); n != 4 && n != 5 {
		t.Errorf("the upstream got %d requests after another limit, want 2 or 3 more", n)
	}
}

func TestWhatIsComputedFollowsItsInputsThroughAReload(t *testing.T) {
	a := newUpstream(t, `{"level": 1}`)
	b := newUpstream(t, `{"level": 2}`)
	text := func(url, more string) string {
		return fmt.Sprintf(`
upstreams: {plant: {http: %q}}
sources:
  sum: {from: [tank, fix], combine: '.tank.value + .fix.value'}
  tank: {http: {upstream: plant, path: /}, every: 1h, pick: .level}
  fix: {exec: [echo, "40"], every: 1h, parse: json}
%s`, url, more)
	}
	s := startFile(t, text(a.URL, ""), 0)
	value := func(name string, want any) {
		t.Helper()
		s.await(fmt.Sprint(name, " ", want), func(v object) bool { return v["key"] == "source/"+name && reflect.DeepEqual(v["value"], want) })
	}
	value("sum", 41.0)
	if got := s.reload(text(b.URL, "")); got["unchanged"] != 2.0 {
		t.Fatalf("reload = %v, want tank alone changed", got)
	}
	value("sum", 42.0)
	// One that is new is computed from what is there: nothing will come within the hour.
	s.reload(text(b.URL, "  twice: {from: [sum], combine: '.sum.value * 2'}\n"))
	value("twice", 84.0)
	s.reload(replaceOnce(t, text(b.URL, "  twice: {from: [sum], combine: '.sum.value * 2'}\n"), "* 2", "* 3"))
	value("twice", 126.0)
}

// A run goes on as it began, whatever becomes of its job, and can be asked for as before.
func TestARunOutlivesTheDefinitionOfItsJob(t *testing.T) {
	script := newScript(t)
	with := func(job, more string) string {
		return fmt.Sprintf("jobs:\n  other: {exec: ['true']}\n  %s: {exec: %s, progress: '^(?<percent>\\d+)%%'%s}\n", job, script.Argv(), more)
	}
	s := startFile(t, with("scan", ""), 0)
	status := func(id string) any { return s.json(200, "GET", "/api/v1/runs/"+id, "")["status"] }
	trigger := func(job string) string { return s.json(202, "POST", "/api/v1/jobs/"+job+"/runs", "{}")["id"].(string) }

	first, p := trigger("scan"), script.Begun()
	if got := s.reload(strings.ReplaceAll(with("scan", ", timeout: 9m"), `^(?<percent>`, `^never(?<percent>`)); !reflect.DeepEqual(got["changed"], []any{"job/scan"}) {
		t.Fatalf("reload = %v, want scan changed", got)
	}
	if joined := s.json(202, "POST", "/api/v1/jobs/scan/runs", "{}"); joined["id"] != first || joined["coalesced"] != true {
		t.Errorf("a start after the change is %v, want it to join %s", joined, first)
	}
	p.Print("40%")
	s.await("progress by the pattern with which it began", func(v object) bool { return v["id"] == first && v["percent"] == 40.0 })
	p.Exit(0)
	s.await("the end", func(v object) bool { return v["id"] == first && v["status"] == "succeeded" })

	second, p := trigger("scan"), script.Begun()
	if got := s.reload("jobs: {other: {exec: ['true']}}\n"); !reflect.DeepEqual(got["removed"], []any{"job/scan"}) {
		t.Fatalf("reload = %v, want scan removed", got)
	}
	s.json(404, "POST", "/api/v1/jobs/scan/runs", "{}")
	if got := []any{status(first), status(second)}; !reflect.DeepEqual(got, []any{"succeeded", "running"}) {
		t.Errorf("runs of the job that is gone are %v, want succeeded and running", got)
	}
	s.json(202, "POST", "/api/v1/runs/"+second+"/cancel", "")
	p.Ended()
	s.events("/api/v1/runs/"+second+"/events", "", func(sse.Event) bool { return true })
	if got := status(second); got != "cancelled" {
		t.Errorf("it ended as %v, want cancelled", got)
	}

	// A stop waits for runs of jobs that are gone, too.
	s.reload(with("scan", ""))
	trigger("scan")
	p = script.Begun()
	s.reload("jobs: {other: {exec: ['true']}}\n")
	s.stop()
	p.Ended()
}

func TestAWiderListenerRefusesAReloadThatOpensIt(t *testing.T) {
	const source = "sources: {a: {exec: [echo, a], every: 1h}}\n"
	access := fmt.Sprintf("access: {tokens: {ci: {sha256: \"%x\", role: admin}}}\n", sha256.Sum256([]byte("secret")))
	s := startFileOn(t, "0.0.0.0:0", access+source, 0)
	reload := func(yaml string) (int, string) {
		s.write(yaml)
		status, _, body := s.do("POST", "/api/v1/config/reload", "", "Authorization", "Bearer secret")
		return status, body
	}
	if status, body := reload(source); status != 422 || !contains(body, "listen") {
		t.Errorf("reload without access = %d %s, want 422 about listen", status, body)
	}
	s.json(401, "GET", "/api/v1/sources", "")
	if status, body := reload("listen: 127.0.0.1:1\n" + access + source); status != 200 || !contains(body, `"restart":["listen"]`) {
		t.Errorf("reload with another address = %d %s, want that it needs a restart", status, body)
	}
}

// What was removed leaves nothing behind.
func TestAThousandReloadsLeaveNothingBehind(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	text := func(i int) string {
		return fmt.Sprintf(`
upstreams: {u%[1]d: {http: "http://127.0.0.1:9", limit: 1/h}}
sources:
  stays: {exec: [echo], every: 1h}
  changes: {exec: [echo, "%[1]d"], every: 1h}
  a%[1]d: {http: {upstream: u%[1]d, path: /}, pick: {level: .level}, show: {value: level, history: 1h}}
  b%[1]d: {from: [stays, changes, a%[1]d], combine: ".stays"}
jobs: {j%[1]d: {exec: [echo]}}
`, i)
	}
	g := gateway.NewGateway(t, ctx, load(t, text(0)), gateway.Options{})
	measure := func() (heap uint64, goroutines int) {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc, runtime.NumGoroutine()
	}
	cycle := func(n int) {
		for i := range n {
			g.Change(t, load(t, text(i+1)))
		}
		g.Change(t, load(t, text(0)))
	}
	reloads := 1000
	if gateway.Lag > 0 { // this time it is about what is told late
		reloads = 200
	}
	cycle(100)
	heap, goroutines := measure()
	tasks := slices.Collect(maps.Keys(g.Tasks()))
	cycle(reloads)
	topics, want := g.Topics(), []string{"alerts", "config", "events", "source/a0", "source/b0", "source/changes", "source/stays"}
	// A store tells of the end of a topic first, and then that the topic is gone.
	for late := time.Now().Add(10 * time.Second); !slices.Equal(topics, want) && time.Now().Before(late); {
		time.Sleep(10 * time.Millisecond)
		topics = g.Topics()
	}
	if !slices.Equal(topics, want) {
		t.Errorf("topics are %v, want %v", topics, want)
	}
	if got := len(g.Tasks()); got != len(tasks) {
		t.Errorf("%d tasks, want %d", got, len(tasks))
	}
	after, now := measure()
	// Followers of a store that tells late hold what they have not heard yet, and what was given up may be about to end.
	for late := time.Now().Add(10 * time.Second); (after > heap+64<<10 || now > goroutines) && time.Now().Before(late); after, now = measure() {
		time.Sleep(10 * time.Millisecond)
	}
	if grown := int64(after) - int64(heap); grown > 64<<10 {
		t.Errorf("%d reloads grew the heap by %d bytes", reloads, grown)
	}
	if now > goroutines {
		t.Errorf("%d goroutines, want %d", now, goroutines)
	}
}

// Files that are being written are not read before they stay as they are, so that the part which is there counts for
// nothing, although it is valid.
func TestAFileThatIsBeingWrittenIsWaitedFor(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(dir, "tidewire.yaml")
		whole := "version: 1\nsources:\n  a: {exec: ['true'], every: 1h}\n  b: {exec: ['true'], every: 1h}\n"
		write := func(text string) {
			t.Helper()
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write(whole)
		cfg, files, err := config.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		g := gateway.NewGateway(t, ctx, cfg, gateway.Options{Files: files, Look: 2 * time.Second})
		go g.Run(ctx)
		defer cancel()
		at := func(d time.Duration, want string) { // after a time, these sources are there, as of this version
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			var names []string
			for _, name := range g.Topics() {
				if name, ok := strings.CutPrefix(name, "source/"); ok {
					names = append(names, name)
				}
			}
			version := decode(t, []byte(g.Newest("config")))["version"]
			if got := fmt.Sprint(version, names); got != want {
				t.Errorf("after %v more: %s, want %s", d, got, want)
			}
		}
		at(1900*time.Millisecond, "1 [a b]")
		changed := strings.Replace(whole, "b:", "c:", 1)
		write(changed[:len(changed)/2+3]) // without the second source
		at(200*time.Millisecond, "1 [a b]")
		write(changed)
		at(500*time.Millisecond, "1 [a b]")
		at(500*time.Millisecond, "2 [a c]")
		write("")
		at(100*time.Millisecond, "2 [a c]")
		at(3*time.Second, "2 [a c]")
		if got := g.Newest("config"); !strings.Contains(got, `"error":"`) {
			t.Errorf("an empty file is at work: %s", got)
		}
		write(changed)
		at(3*time.Second, "2 [a c]")
		if got := g.Newest("config"); !strings.Contains(got, `"error":null`) {
			t.Errorf("the mended file is not at work: %s", got)
		}
	})
}

// Whatever way a file is replaced: by renaming another one to it, as editors do, or by another target of a symbolic
// link on its way, as Kubernetes does.
func TestAFileThatIsReplacedIsNoticed(t *testing.T) {
	dir := t.TempDir()
	text := func(name string) []byte {
		return []byte("version: 1\nsources:\n  " + name + ": {exec: [echo], every: 1h}\n")
	}
	put := func(name string, data []byte) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	old := time.Now().Add(-time.Hour)
	for i, name := range []string{"one", "two", "six"} { // of one length and one time
		put(fmt.Sprint(i, "/t.yaml"), text(name))
		if err := os.Chtimes(filepath.Join(dir, fmt.Sprint(i), "t.yaml"), old, old); err != nil {
			t.Fatal(err)
		}
	}
	link := func(target, name string) {
		t.Helper()
		if err := os.Symlink(target, filepath.Join(dir, "new")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("0", "..data")
	link("..data/t.yaml", "t.yaml")
	_, files, err := config.Open(filepath.Join(dir, "t.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	files.Look()
	link("1", "..data")
	if _, changed := files.Look(); !changed {
		t.Error("another target was not noticed")
	}
	if _, files, err = config.Open(files.Name()); err != nil {
		t.Fatal(err)
	}
	files.Look()
	if err := os.Rename(filepath.Join(dir, "2", "t.yaml"), filepath.Join(dir, "1", "t.yaml")); err != nil {
		t.Fatal(err)
	}
	if _, changed := files.Look(); !changed {
		t.Error("another file was not noticed")
	}
}
