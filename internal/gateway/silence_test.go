package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/gateway"
	"github.com/tidewire/tidewire/sse/ssetest"
)

// A watch is a gateway in a bubble, one process after the other on the same directory, which polls the source tank every
// 10 s and tells one receiver. It keeps a diary of how the alert was shown, and of what the receiver was told.
type watch struct {
	t     *testing.T
	yaml  string
	begun time.Time
	log   lockedBuffer

	client *http.Client
	gateway.Gateway
	end func()

	stepped time.Time // when the clock was set
	looked  string    // what had been published at the last look

	mu    sync.Mutex // guards the fields below
	level string
	fails bool // runs do
	diary []string
	shown string
}

// newWatch starts a watch whose source has that alert; more are further sections of the configuration.
func newWatch(t *testing.T, alert, more string) *watch {
	t.Helper()
	once(t)
	w := &watch{t: t, begun: time.Now(), level: "50", shown: "clear"}
	w.yaml = withDir(t.TempDir()) + `
notify: {ops: {http: http://ops.example/}}
upstreams: {plant: {http: http://plant.example}}
sources: {tank: {section: Plant/Line 1, http: {upstream: plant, path: /}, every: 10s, jitter: 0, alert: ` + alert + "}}\n" + more
	server := ssetest.NewServer(t, http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.mu.Lock()
		defer w.mu.Unlock()
		if r.Host == "plant.example" {
			if r.URL.Path == "/sync" && w.fails {
				out.WriteHeader(http.StatusInternalServerError)
			}
			fmt.Fprint(out, w.level)
			return
		}
		var m struct{ State, Again string }
		if err := json.Unmarshal(body, &m); err != nil {
			t.Errorf("the receiver was told %q: %v", body, err)
		}
		w.writeLocked(strings.TrimSpace("told " + m.State + " " + m.Again))
	}))
	w.client = server.Client
	w.start()
	synctest.Wait() // so that the first poll finds 50
	t.Cleanup(func() {
		w.stop()
		if t.Failed() {
			t.Logf("log of the gateway:\n%s", &w.log)
		}
	})
	return w
}

// start begins a process.
func (w *watch) start() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	w.Gateway = gateway.NewGateway(w.t, ctx, load(w.t, w.yaml), gateway.Options{Logger: slog.New(slog.NewTextHandler(&w.log, nil))})
	w.Ask(w.client.Transport)
	polls, done := context.WithCancel(ctx)
	over := w.Start(polls)
	w.end = func() {
		w.StopJobs()
		done()
		<-over
		w.Close(ctx)
		cancel()
	}
}

// stop ends the process.
func (w *watch) stop() {
	w.end()
	synctest.Wait()
	w.end = func() {}
}

func (w *watch) writeLocked(what string) {
	w.diary = append(w.diary, fmt.Sprintf("%v %s", (time.Since(w.begun)+time.Second-1).Truncate(time.Second), what)) // looks are at whole seconds
}

// step sets the wall clock ahead, or back.
func (w *watch) step(d time.Duration) {
	w.stepped = time.Now()
	w.Step(d)
}

// do makes a request.
func (w *watch) do(method, path, body string) map[string]any {
	w.t.Helper()
	rec := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(w.t.Context(), method, "http://localhost"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w.Handler().ServeHTTP(rec, r)
	if rec.Code >= 300 {
		w.t.Fatalf("%s %s %s = %d %s", method, path, body, rec.Code, rec.Body)
	}
	if rec.Body.Len() == 0 {
		return nil
	}
	return decode(w.t, rec.Body.Bytes())
}

// tag is the entity tag of an answer.
func (w *watch) tag(path string) string {
	rec := httptest.NewRecorder()
	w.Handler().ServeHTTP(rec, httptest.NewRequestWithContext(w.t.Context(), "GET", "http://localhost"+path, nil))
	return rec.Header().Get("ETag")
}

// silence makes a silence.
func (w *watch) silence(of, length string) (id string) {
	w.t.Helper()
	return str(w.do("POST", "/api/v1/silences", fmt.Sprintf(`{"of":%q,"for":%q,"reason":"noise"}`, of, length))["id"])
}

// says has the upstream answer that level.
func (w *watch) says(level string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.level = level
}

// runs has a job run, which fails or does not.
func (w *watch) runs(job string, fails bool) {
	w.t.Helper()
	w.mu.Lock()
	w.fails = fails
	w.mu.Unlock()
	w.do("POST", "/api/v1/jobs/"+job+"/runs", "{}")
	synctest.Wait()
}

// passes lets time pass, while the upstream answers that level.
func (w *watch) passes(d time.Duration, level string) {
	w.t.Helper()
	w.says(level)
	for late := time.Now().Add(d); time.Now().Before(late); time.Sleep(time.Second) {
		synctest.Wait()
		w.looks()
	}
}

// looks notes how the alert is shown, by the source and by the list of alerts, if something has been published since.
func (w *watch) looks() {
	w.t.Helper()
	newest := w.Newest("source/tank") + w.Newest("alerts")
	if newest == w.looked {
		return
	}
	w.looked = newest
	is := "clear"
	a, _ := w.do("GET", "/api/v1/sources/tank", "")["alert"].(object)
	if a != nil {
		is = str(a["state"])
		if s, _ := a["silenced"].(object); s != nil {
			is += fmt.Sprintf(", silenced by %q: %v", str(s["by"]), s["reason"])
		}
		if s, _ := a["acknowledged"].(object); s != nil {
			is += fmt.Sprintf(", acknowledged by %q: %v", str(s["by"]), s["reason"])
		}
	}
	all, _ := w.do("GET", "/api/v1/alerts", "")["alerts"].([]any)
	listed := slices.ContainsFunc(all, func(o any) bool {
		o, _ = o.(object)
		for name, v := range a {
			if fmt.Sprint(v) != fmt.Sprint(o.(object)[name]) {
				return false
			}
		}
		return o.(object)["key"] == "source/tank"
	})
	if listed != (a != nil) && time.Since(w.stepped) > 5*time.Second { // a source is careful for a moment after the clock was set
		w.t.Errorf("the source has the alert %v, and the list of alerts has %v", a, all)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if is != w.shown {
		w.shown = is
		w.writeLocked(is)
	}
}

// wants checks the diary.
func (w *watch) wants(want ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.SortStableFunc(w.diary, func(a, b string) int { // at one time: how it is shown first
		x, a, _ := strings.Cut(a, " ")
		y, b, _ := strings.Cut(b, " ")
		if x != y {
			return 0
		}
		return strings.Compare(a, b)
	})
	if !slices.Equal(w.diary, want) {
		w.t.Errorf("it went\n\t%s\nwant\n\t%s", strings.Join(w.diary, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// inWatch is a story.
func inWatch(t *testing.T, name, alert, more string, story func(w *watch)) {
	t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { story(newWatch(t, alert, more)) })
	})
}

func TestSilencedAlerts(t *testing.T) {
	const (
		high      = "{if: . > 90, notify: ops}"
		silenced  = `firing, silenced by "anonymous": noise`
		repeating = "{if: . > 90, repeat: 2m, notify: ops}"
		minute    = time.Minute
	)
	inWatch(t, "what fires at the end of a silence is told again then", high, "", func(w *watch) {
		w.passes(minute, "95")
		w.silence("source/tank", "5m")
		w.passes(6*minute, "95")
		w.passes(minute, "50")
		w.wants("6s firing", "6s told firing", "1m0s "+silenced, "6m0s firing", "6m0s told firing unsilenced",
			"7m6s clear", "7m6s told resolved")
	})
	inWatch(t, "what began to fire during a silence is told at its end", high, "", func(w *watch) {
		w.silence("all", "5m")
		w.passes(6*minute, "95")
		w.wants("6s "+silenced, "5m0s firing", "5m0s told firing")
	})
	inWatch(t, "what is over by the end of a silence is told as over if it was told before", high, "", func(w *watch) {
		w.passes(minute, "95")
		w.silence("upstream/plant", "5m")
		w.passes(6*minute, "50")
		w.wants("6s firing", "6s told firing", "1m0s "+silenced, "1m6s clear", "6m0s told resolved")
	})
	inWatch(t, "a silence of a section is of all below it", high, "", func(w *watch) {
		w.silence("section/Plant", "5m")
		w.passes(6*minute, "95")
		w.wants("6s "+silenced, "5m0s firing", "5m0s told firing")
	})
	inWatch(t, "what fires and is over within a silence is told to nobody", high, "", func(w *watch) {
		w.silence("source/tank", "5m")
		w.passes(2*minute, "95")
		w.passes(5*minute, "50")
		w.wants("6s "+silenced, "2m6s clear")
	})
	inWatch(t, "a silence of something else", high, "jobs: {sync: {exec: ['true']}}\n", func(w *watch) {
		w.silence("job/sync", "5m")
		w.passes(minute, "95")
		w.wants("6s firing", "6s told firing")
	})
	inWatch(t, "a silence that is ended early", high, "", func(w *watch) {
		id := w.silence("source/tank", "10d")
		w.passes(2*minute, "95")
		w.do("DELETE", "/api/v1/silences/"+id, "")
		w.passes(minute, "95")
		w.wants("6s "+silenced, "2m0s firing", "2m0s told firing")
	})
	inWatch(t, "the longer of two silences counts", high, "", func(w *watch) {
		w.passes(minute, "95")
		w.silence("source/tank", "2m")
		w.silence("all", "4m")
		w.passes(6*minute, "95")
		w.wants("6s firing", "6s told firing", "1m0s "+silenced, "5m0s firing", "5m0s told firing unsilenced")
	})
	inWatch(t, "an alert that is acknowledged is not repeated until it fires the next time", repeating, "", func(w *watch) {
		w.passes(3*minute, "95")
		w.do("POST", "/api/v1/alerts/acknowledge", `{"of":"source/tank","reason":"on it"}`)
		w.passes(5*minute, "95")
		w.passes(minute, "50")
		w.passes(3*minute, "95")
		w.wants("6s firing", "6s told firing", "2m6s told firing repeat", `3m0s firing, acknowledged by "anonymous": on it`,
			"8m6s clear", "8m6s told resolved", "9m6s firing", "9m6s told firing", "11m6s told firing repeat")
	})
}

// Whoever shows alerts is woken when they have changed, and by nothing else.
func TestAlertsWake(t *testing.T) {
	inWatch(t, "the stream and whoever waits", "{if: . > 90, notify: ops}", "", func(w *watch) {
		version := func() string { synctest.Wait(); return w.Newest("alerts") }
		before := version()
		w.passes(time.Minute, "50")
		if got := version(); got != before {
			t.Errorf("alerts are %s after nothing has changed, want %s", got, before)
		}
		for _, change := range []func(){
			func() { w.passes(time.Minute, "95") },
			func() { w.silence("source/tank", "1m") },
			func() { w.passes(2*time.Minute, "95") }, // it ends
			func() { w.do("POST", "/api/v1/alerts/acknowledge", `{"of":"source/tank"}`) },
			func() { w.passes(time.Minute, "50") },
		} {
			tag := w.tag("/api/v1/alerts")
			change()
			got := version()
			if got == before || !contains(got, `{"key":"alerts","version":`) || w.tag("/api/v1/alerts") == tag {
				t.Errorf("alerts are %s, and were %s", got, before)
			}
			before = got
		}
	})
}

// Whatever happens to the process and to the clock, a silence ends once, and by the clock that people have.
func TestSilencesOverRestartsAndJumps(t *testing.T) {
	const (
		high     = "{if: . > 90, notify: ops}"
		silenced = `firing, silenced by "anonymous": noise`
		minute   = time.Minute
	)
	inWatch(t, "a silence goes on after a restart and is told when it ends", high, "", func(w *watch) {
		w.passes(minute, "95")
		w.silence("source/tank", "5m")
		w.passes(minute, "95")
		w.stop()
		time.Sleep(minute)
		w.start()
		w.passes(4*minute, "95")
		w.wants("6s firing", "6s told firing", "1m0s "+silenced, "6m0s firing", "6m0s told firing unsilenced")
	})
	inWatch(t, "a silence that ended while no process ran", high, "", func(w *watch) {
		w.passes(minute, "95")
		w.silence("source/tank", "5m")
		w.passes(minute, "95")
		w.stop()
		time.Sleep(10 * minute)
		w.start()
		w.passes(minute, "95")
		w.wants("6s firing", "6s told firing", "1m0s "+silenced, "12m0s firing", "12m0s told firing unsilenced")
	})
	inWatch(t, "what was over by then", high, "", func(w *watch) {
		w.passes(minute, "95")
		w.silence("source/tank", "5m")
		w.passes(minute, "50")
		w.stop()
		time.Sleep(10 * minute)
		w.start()
		w.passes(minute, "50")
		w.wants("6s firing", "6s told firing", "1m0s "+silenced, "1m6s clear", "12m0s told resolved")
	})
	inWatch(t, "an acknowledgement goes on after a restart", "{if: . > 90, repeat: 2m, notify: ops}", "", func(w *watch) {
		w.passes(minute, "95")
		w.do("POST", "/api/v1/alerts/acknowledge", `{"of":"source/tank","reason":"on it"}`)
		w.passes(minute, "95")
		w.stop()
		w.start()
		w.passes(4*minute, "95")
		w.passes(minute, "50")
		w.wants("6s firing", "6s told firing", `1m0s firing, acknowledged by "anonymous": on it`, "6m6s clear", "6m6s told resolved")
	})
	inWatch(t, "the clock is set ahead", high, "", func(w *watch) {
		w.passes(minute, "95")
		w.silence("source/tank", "1h")
		w.passes(30*time.Second, "95")
		time.Sleep(500 * time.Millisecond) // the clock is looked at each second
		w.step(2 * time.Hour)
		time.Sleep(500 * time.Millisecond)
		w.passes(minute, "95")
		w.wants("6s firing", "6s told firing", "1m0s "+silenced, "1m31s told firing unsilenced", "1m33s firing")
	})
	inWatch(t, "the clock is set back", high, "", func(w *watch) {
		w.passes(minute, "95")
		w.silence("source/tank", "2m")
		w.passes(minute, "95")
		w.step(-2 * minute)
		w.passes(4*minute, "95")
		w.wants("6s firing", "6s told firing", "1m0s "+silenced, "5m0s firing", "5m0s told firing unsilenced")
	})
}

// In a bubble it is midnight of 1 January 2000 in UTC at first, a Saturday.
func TestQuietTimes(t *testing.T) {
	const (
		high   = "{if: . > 90, notify: ops}"
		backup = "quiet: [{at: {cron: '2 0 * * 6', zone: UTC}, for: 3m, of: %s, reason: backup}]\n"
		quiet  = `firing, silenced by "": backup`
		minute = time.Minute
	)
	inWatch(t, "what fires when it begins and ends is told again", high, fmt.Sprintf(backup, "all"), func(w *watch) {
		before := w.Newest("alerts")
		w.passes(3*minute, "95")
		all, _ := w.do("GET", "/api/v1/silences", "")["silences"].([]any)
		if len(all) != 1 || all[0].(object)["id"] != "" || all[0].(object)["reason"] != "backup" || all[0].(object)["until"] != "2000-01-01T00:05:00Z" {
			t.Errorf("the silences are %v, want the quiet time", all)
		}
		if n := w.Status().Silences; n != 0 {
			t.Errorf("%d silences were made by people, want none", n)
		}
		w.passes(3*minute, "95")
		if all := w.do("GET", "/api/v1/silences", "")["silences"]; fmt.Sprint(all) != "[]" || w.Newest("alerts") == before {
			t.Errorf("the silences are %v after it, want none", all)
		}
		w.wants("6s firing", "6s told firing", "2m0s "+quiet, "5m0s firing", "5m0s told firing unsilenced")
	})
	inWatch(t, "what begins to fire meanwhile is told at the end", high, fmt.Sprintf(backup, "[upstream/plant]"), func(w *watch) {
		w.passes(3*minute, "50")
		w.passes(3*minute, "95")
		w.wants("3m6s "+quiet, "5m0s firing", "5m0s told firing")
	})
	inWatch(t, "the list of silences has it though nothing fires", high, fmt.Sprintf(backup, "all"), func(w *watch) {
		seen := []string{w.Newest("alerts")}
		for range 6 {
			w.passes(minute, "50")
			synctest.Wait()
			if now := w.Newest("alerts"); seen[len(seen)-1] != now {
				seen = append(seen, now)
			}
		}
		if len(seen) != 3 {
			t.Errorf("alerts were %q, want a change at the beginning and one at the end", seen)
		}
	})
	inWatch(t, "of something else", high, fmt.Sprintf(backup, "[job/sync]")+"jobs: {sync: {exec: ['true']}}\n", func(w *watch) {
		w.passes(3*minute, "95")
		w.wants("6s firing", "6s told firing")
	})
	inWatch(t, "it began before the process did", high, fmt.Sprintf(backup, "[source/tank]"), func(w *watch) {
		w.stop()
		time.Sleep(3 * minute)
		w.says("95")
		w.start()
		w.passes(3*minute, "95")
		w.wants("3m0s "+quiet, "5m0s firing", "5m0s told firing")
	})
	inWatch(t, "a silence that lasts longer", high, fmt.Sprintf(backup, "all"), func(w *watch) {
		w.passes(minute, "95")
		w.silence("source/tank", "6m")
		w.passes(7*minute, "95")
		w.wants("6s firing", "6s told firing", `1m0s firing, silenced by "anonymous": noise`, "7m0s firing", "7m0s told firing unsilenced")
	})
}

// Whoever may operate cannot fill memory or the disk with silences.
func TestSilencesAreBounded(t *testing.T) {
	handler, stop := gateway.NewHandler(t, load(t, "sources: {a: {exec: [echo, '1'], every: 1h}}\n"))
	t.Cleanup(stop)
	do := func(method, path, body string) (int, object) {
		rec := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), method, "http://localhost"+path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		handler.ServeHTTP(rec, r)
		if rec.Body.Len() == 0 {
			return rec.Code, nil
		}
		return rec.Code, decode(t, rec.Body.Bytes())
	}
	const silences, body = "/api/v1/silences", `{"of":"all","for":"1h"}`
	var last string
	for range 1000 {
		status, made := do("POST", silences, body)
		if last = str(made["id"]); status != 201 {
			t.Fatalf("a silence = %d %v, want 201", status, made)
		}
	}
	if status, p := do("POST", silences, body); status != 409 || !contains(str(p["detail"]), "end some of these 1000 first") {
		t.Errorf("one more = %d %v, want 409, and what to do", status, p)
	}
	if status, _ := do("DELETE", silences+"/"+last, ""); status != 204 {
		t.Errorf("the end of one = %d, want 204", status)
	}
	if status, p := do("POST", silences, body); status != 201 {
		t.Errorf("one in its place = %d %v, want 201", status, p)
	}
}

// A job is silenced as a source is, also with its upstream.
func TestSilencedJobs(t *testing.T) {
	const (
		calm   = "{if: . > 90}"
		job    = "jobs: {sync: {http: {upstream: plant, path: /sync, method: POST}, alert: {on: failed, notify: ops}}}\n"
		minute = time.Minute
	)
	for _, of := range []string{"job/sync", "upstream/plant"} {
		inWatch(t, "by "+of, calm, job, func(w *watch) {
			w.passes(minute, "50")
			w.silence(of, "5m")
			w.runs("sync", true)
			w.passes(6*minute, "50")
			w.do("POST", "/api/v1/alerts/acknowledge", `{"of":"job/sync","reason":"on it"}`)
			w.runs("sync", false)
			w.passes(minute, "50")
			w.wants("6m0s told firing", "7m0s told resolved")
		})
	}
}
