package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/gateway"
	"github.com/tidewire/tidewire/sse/ssetest"
)

// A workshop is a gateway in a bubble whose job sync asks a plant to do its work, and whose alerts are told to receivers. It
// keeps a diary of what these were told.
type workshop struct {
	t      *testing.T
	log    lockedBuffer
	begun  time.Time
	server *ssetest.Server
	now    *lifetime

	mu    sync.Mutex // guards the fields below
	does  string     // what the plant does with the work: "ok", "fail", "hang"; or "15s": it takes that long, and then is ok
	diary []string
}

// A lifetime is one process of a gateway.
type lifetime struct {
	gateway.Gateway
	dir  string
	dead atomic.Bool // its requests go nowhere
	end  func()
}

// syncing is a configuration with the job sync, which starts every minute, and has that alert.
func syncing(alert string) string {
	return `
upstreams: {plant: {http: http://plant.example}}
notify:
  ops: {http: http://ops.example/x}
  lead: {http: http://lead.example/x}
jobs:
  sync:
    title: Sync
    http: {upstream: plant, path: /sync}
    at: {cron: "* * * * *", zone: UTC}
    timeout: 30s
    alert: ` + alert + "\n"
}

// withCatchUp is a configuration as syncing makes one, with that catch_up.
func withCatchUp(yaml, catchUp string) string {
	return strings.Replace(yaml, "zone: UTC}", "zone: UTC, catch_up: "+catchUp+"}", 1)
}

// newWorkshop starts a workshop. Its clock shows a full minute.
func newWorkshop(t *testing.T, yaml string) *workshop {
	t.Helper()
	w := &workshop{t: t, begun: time.Now(), does: "ok"}
	w.server = ssetest.NewServer(t, http.HandlerFunc(w.serve))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of the gateway:\n%s", &w.log)
		}
	})
	w.open("", yaml)
	return w
}

// serve is the plant, and the receivers.
func (w *workshop) serve(rw http.ResponseWriter, r *http.Request) {
	name := strings.TrimSuffix(r.Host, ".example")
	if name != "plant" {
		var m struct {
			State, Again, Severity string
			Alerts                 []struct {
				Key, Reason, Run string
				Error            *string
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil || len(m.Alerts) != 1 || m.Alerts[0].Key != "job/sync" {
			w.t.Errorf("%s was told %+v, %v", name, m, err)
			return
		}
		said, a := m.State, m.Alerts[0]
		for _, more := range []string{m.Again, a.Reason} {
			if more != "" {
				said += " " + more
			}
		}
		if a.Error != nil && m.State == "firing" {
			said += ": " + *a.Error
		}
		if (a.Run == "") != (a.Reason == "missed") {
			said += " without a run"
		}
		w.write("%s: %s", name, said)
		return
	}
	w.mu.Lock()
	does := w.does
	w.mu.Unlock()
	if d, err := time.ParseDuration(does); err == nil {
		time.Sleep(d)
		return
	}
	_, _ = io.Copy(io.Discard, r.Body) // else it is not noticed that the client has gone
	switch does {
	case "fail":
		rw.WriteHeader(http.StatusTeapot)
	case "hang":
		<-r.Context().Done()
	}
}

// write puts a line with the time into the diary.
func (w *workshop) write(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := time.Since(w.begun).Truncate(time.Second)
	w.diary = append(w.diary, fmt.Sprintf("%v %s", at, fmt.Sprintf(format, args...)))
}

// plant has the plant do something else from now on.
func (w *workshop) plant(does string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.does = does
}

// open starts a process whose state is in a directory, or in memory if that is "".
func (w *workshop) open(dir, yaml string) {
	w.t.Helper()
	if dir != "" {
		yaml = withDir(dir) + yaml
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &lifetime{dir: dir}
	l.Gateway = gateway.NewGateway(w.t, ctx, load(w.t, yaml), gateway.Options{Logger: slog.New(slog.NewTextHandler(&w.log, nil))})
	l.Ask(roundTripper(func(r *http.Request) (*http.Response, error) {
		if l.dead.Load() {
			return nil, errors.New("the process is gone")
		}
		return w.server.Client.Transport.RoundTrip(r)
	}))
	running, stop := context.WithCancel(ctx)
	over := l.Start(running)
	l.end = sync.OnceFunc(func() {
		stop()
		<-over
		l.End()
		cancel()
	})
	w.t.Cleanup(func() {
		l.dead.Store(true)
		l.end()
	})
	w.now = l
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// kill ends the process as kill -9 does: what its store has now is what the next one finds, which starts after a while.
func (w *workshop) kill(away time.Duration, yaml string) {
	w.t.Helper()
	w.now.dead.Store(true)
	dir := w.t.TempDir()
	for _, name := range []string{"tidewire.db", "tidewire.db-wal"} {
		data, err := os.ReadFile(filepath.Join(w.now.dir, name))
		if err != nil && !os.IsNotExist(err) {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	time.Sleep(away)
	w.open(dir, yaml)
}

// until waits until that long after the beginning.
func (w *workshop) until(d time.Duration) { time.Sleep(time.Until(w.begun.Add(d))) }

// do makes a request, which must be answered well, and returns the object in the answer.
func (w *workshop) do(method, path, body string) object {
	w.t.Helper()
	r := httptest.NewRequestWithContext(w.t.Context(), method, "http://localhost"+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	answer := httptest.NewRecorder()
	w.now.Handler().ServeHTTP(answer, r)
	if answer.Code > 299 {
		w.t.Fatalf("%s %s = %d %s", method, path, answer.Code, answer.Body)
	}
	if answer.Body.Len() == 0 {
		return nil
	}
	return decode(w.t, answer.Body.Bytes())
}

// wants compares the diary.
func (w *workshop) wants(want ...string) {
	w.t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.SortStableFunc(w.diary, func(a, b string) int { // at one time: receivers by name
		x, _, _ := strings.Cut(a, " ")
		y, _, _ := strings.Cut(b, " ")
		if x == y {
			return strings.Compare(a, b)
		}
		return 0
	})
	if !slices.Equal(w.diary, want) {
		w.t.Errorf("it went\n\t%s\nwant\n\t%s", strings.Join(w.diary, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// What the plant does with the runs that start each minute, and what is told of that.
func TestAlertsOfJobs(t *testing.T) {
	const failed = "POST http://plant.example/sync: 418 I'm a teapot"
	for _, tt := range []struct {
		name, alert string
		does        []string
		want        []string
	}{
		{
			"a failure is told once, and so is that it is over", "{notify: [ops, lead]}",
			[]string{"ok", "fail", "fail", "ok", "ok"},
			[]string{"2m0s lead: firing failed: " + failed, "2m0s ops: firing failed: " + failed, "4m0s lead: resolved failed", "4m0s ops: resolved failed"},
		},
		{
			"a run that takes too long", "{notify: ops}",
			[]string{"hang", "ok"},
			[]string{"1m30s ops: firing timed_out: timed out after 30 s", "2m0s ops: resolved timed_out"},
		},
		{
			"of what it does not fire on nothing is told", "{on: [failed], notify: ops}",
			[]string{"hang", "ok", "fail", "hang", "ok"},
			[]string{"3m0s ops: firing failed: " + failed, "5m0s ops: resolved failed"},
		},
		{
			"it is slow, and succeeds", "{slow_after: 10s, notify: ops}",
			[]string{"9s", "11s", "ok"},
			[]string{"2m10s ops: firing slow: it has been at work for more than 10 s", "2m11s ops: resolved slow"},
		},
		{
			"it is slow, and fails then", "{slow_after: 10s, notify: ops}",
			[]string{"hang", "ok"},
			[]string{
				"1m10s ops: firing slow: it has been at work for more than 10 s", "1m30s ops: firing changed timed_out: timed out after 30 s",
				"2m0s ops: resolved timed_out",
			},
		},
		{"without a receiver nobody is told", "{on: failed}", []string{"fail", "ok"}, nil},
		{"none is none", "none", []string{"fail", "hang", "ok"}, nil},
		{
			"it is told again", "{notify: ops, repeat: {every: 70s, limit: 2}}",
			[]string{"fail", "fail", "fail", "fail", "ok"},
			[]string{
				"1m0s ops: firing failed: " + failed, "2m10s ops: firing repeat failed: " + failed, "3m20s ops: firing repeat failed: " + failed,
				"5m0s ops: resolved failed",
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorkshop(t, syncing(tt.alert))
				for i, does := range tt.does {
					w.until(time.Duration(i)*time.Minute + 59*time.Second)
					w.plant(does)
				}
				w.until(time.Duration(len(tt.does)+1)*time.Minute - time.Second)
				w.wants(tt.want...)
			})
		})
	}
}

// onDisk is the workshop's first process whose state is in a directory.
func newWorkshopOnDisk(t *testing.T, yaml string) *workshop {
	t.Helper()
	once(t)
	w := newWorkshop(t, yaml)
	w.now.dead.Store(true)
	w.open(t.TempDir(), yaml)
	return w
}

// A run that a crash ends is told as lost, once, however often the process is killed afterwards.
func TestALostRunIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		yaml := syncing("{notify: ops}")
		w := newWorkshopOnDisk(t, yaml)
		w.until(30 * time.Second)
		w.plant("hang")
		w.until(70 * time.Second) // the run has begun at 1m
		w.kill(5*time.Second, yaml)
		time.Sleep(time.Second)
		const lost = "1m15s ops: firing lost: the process that ran it went away"
		w.wants(lost)
		w.kill(time.Second, yaml)
		time.Sleep(time.Second)
		w.wants(lost)
		w.plant("ok")
		w.until(130 * time.Second)
		w.wants(lost, "2m0s ops: resolved lost")
		w.kill(time.Second, yaml)
		time.Sleep(time.Second)
		w.wants(lost, "2m0s ops: resolved lost")
	})
}

// Whenever the process is killed around the end of a run, what became of it is told, and not twice.
func TestAKillAroundTheEndOfARun(t *testing.T) {
	for _, does := range []string{"fail", "ok"} {
		for _, after := range []time.Duration{0, time.Millisecond, 20 * time.Millisecond, 49 * time.Millisecond, 50 * time.Millisecond, 60 * time.Millisecond, time.Second} {
			t.Run(fmt.Sprint(does, " ", after), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					yaml := syncing("{notify: ops}")
					w := newWorkshopOnDisk(t, yaml)
					w.until(59 * time.Second)
					w.plant("fail")
					w.until(time.Minute + time.Second)
					w.plant(does)
					w.until(2*time.Minute + after)
					synctest.Wait()
					w.kill(time.Second, yaml)
					w.until(2*time.Minute + 10*time.Second)
					w.mu.Lock()
					diary := slices.Clone(w.diary)
					w.mu.Unlock()
					last := diary[len(diary)-1]
					switch state := w.state("sync"); {
					case !strings.HasPrefix(diary[0], "1m0s ops: firing failed"), len(diary) > 2:
						t.Errorf("it went %q", diary)
					case does == "fail" && (len(diary) > 1 && !contains(last, "changed lost") || state != "firing"):
						t.Errorf("after another failure it went %q, and is %s", diary, state)
					case does == "ok" && state == "clear" && !contains(last, "resolved"), does == "ok" && state == "firing" && !contains(last, "changed lost"):
						t.Errorf("after a success it went %q, and is %s", diary, state)
					}
				})
			})
		}
	}
}

// state is that of the alert of a job.
func (w *workshop) state(job string) string {
	for _, a := range w.now.Alerts().Alerts {
		if a.Key == "job/"+job {
			return a.State
		}
	}
	return "clear"
}

// A run that the timetable wanted and that did not begin is missed: because the job was busy, because its limit was reached,
// or because nothing was running.
func TestAMissedRunIsTold(t *testing.T) {
	t.Run("busy", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorkshop(t, strings.Replace(syncing("{notify: ops}"), "timeout: 30s", "timeout: 80s\n    on_busy: reject", 1))
			w.until(30 * time.Second)
			w.plant("70s")
			w.until(2*time.Minute + 30*time.Second)
			w.plant("ok")
			w.until(3*time.Minute + 30*time.Second)
			w.wants(
				"2m0s ops: firing missed: a run is in progress: wait for its end or cancel it",
				"2m10s ops: resolved missed",
			)
		})
	})
	t.Run("limit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorkshop(t, strings.Replace(syncing("{on: missed, notify: ops}"), "timeout: 30s", "limit: 1/d", 1))
			w.until(3*time.Minute + 30*time.Second)
			w.wants("2m0s ops: firing missed: 1 in 24 h is the limit of starts: the next one is possible at 2000-01-02T00:01:00Z")
		})
	})
	t.Run("away", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			yaml := withCatchUp(syncing("{notify: ops}"), "0s")
			w := newWorkshopOnDisk(t, yaml)
			w.until(70 * time.Second)
			w.kill(10*time.Second, yaml)
			w.until(90 * time.Second)
			w.wants()
			w.kill(2*time.Minute, yaml) // at 2m and at 3m
			w.until(3*time.Minute + 40*time.Second)
			const missed = "3m30s ops: firing missed: Tidewire was not running"
			w.wants(missed)
			w.kill(time.Second, yaml)
			w.until(3*time.Minute + 50*time.Second)
			w.wants(missed)
			w.until(4*time.Minute + 10*time.Second)
			w.wants(missed, "4m0s ops: resolved missed")
		})
	})
	t.Run("made up for", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			yaml := withCatchUp(syncing("{on: [missed, failed], notify: ops}"), "3m")
			w := newWorkshopOnDisk(t, yaml)
			w.until(70 * time.Second)
			w.plant("fail")
			w.kill(2*time.Minute+20*time.Second, yaml) // at 2m and at 3m
			w.until(3*time.Minute + 40*time.Second)
			w.wants("3m30s ops: firing failed: POST http://plant.example/sync: 418 I'm a teapot")
			w.kill(time.Second, yaml)
			w.kill(time.Second, yaml)
			w.until(3*time.Minute + 55*time.Second)
			runs := w.do("GET", "/api/v1/jobs/sync/runs", "")["runs"].([]any)
			if len(runs) != 2 {
				t.Errorf("%d runs, want that of 1m and the one that was made up for", len(runs))
			}
		})
	})
	t.Run("too late to be made up for", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			yaml := strings.Replace(withCatchUp(syncing("{notify: ops}"), "4m"), "* * * * *", "*/5 * * * *", 1)
			w := newWorkshopOnDisk(t, yaml)
			w.until(5*time.Minute + 10*time.Second)
			w.kill(9*time.Minute+20*time.Second, yaml) // at 10m
			w.until(14*time.Minute + 40*time.Second)
			w.wants("14m30s ops: firing missed: Tidewire was not running")
		})
	})
	t.Run("a job that is new", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			yaml := syncing("{notify: ops}")
			w := newWorkshopOnDisk(t, strings.Replace(yaml, "  sync:", "  other:", 1))
			w.until(70 * time.Second)
			w.kill(2*time.Minute, yaml)
			w.until(3*time.Minute + 50*time.Second)
			w.wants()
		})
	})
	t.Run("started just before the process was killed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			yaml := syncing("{on: missed, notify: ops}")
			w := newWorkshopOnDisk(t, yaml)
			w.until(time.Minute + 500*time.Millisecond)
			w.kill(time.Second, yaml)
			w.until(90 * time.Second)
			w.wants()
		})
	})
}

// That somebody cancels a run says nothing about the job, whether its alert fires or not. A job that is stopped neither.
func TestACancelledRunSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorkshop(t, syncing("{slow_after: 10s, notify: ops}"))
		cancel := func() {
			id := w.do("POST", "/api/v1/jobs/sync/runs", "{}")["id"].(string)
			time.Sleep(time.Second)
			w.do("POST", "/api/v1/runs/"+id+"/cancel", "")
			time.Sleep(time.Second)
		}
		w.plant("hang")
		cancel()
		w.wants()
		w.plant("fail")
		w.do("POST", "/api/v1/jobs/sync/runs", "{}")
		time.Sleep(time.Second)
		w.plant("hang")
		cancel()
		const failed = "2s ops: firing failed: POST http://plant.example/sync: 418 I'm a teapot"
		w.wants(failed)
		w.do("POST", "/api/v1/jobs/sync/runs", "{}")
		w.now.end()
		w.wants(failed)
	})
}

// Defaults give every job an alert, but for those that want none.
func TestDefaultsOfAlertsOfJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorkshop(t, "defaults: {alert: {notify: ops, slow_after: 10s}}\n"+
			strings.Replace(syncing(""), "    alert: \n", "", 1)+"  mute: {http: {upstream: plant}, at: {cron: '* * * * *', zone: UTC}, timeout: 30s, alert: none}\n")
		w.until(30 * time.Second)
		w.plant("hang")
		w.until(70*time.Second + time.Second)
		w.wants("1m10s ops: firing slow: it has been at work for more than 10 s")
	})
}

// A reload keeps the alert of a job, and watches the run at work by the new definition; a job that is removed ends it.
func TestAReloadOfAlertsOfJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorkshop(t, syncing("{notify: ops}"))
		w.until(30 * time.Second)
		w.plant("fail")
		w.until(90 * time.Second)
		const failed = "1m0s ops: firing failed: POST http://plant.example/sync: 418 I'm a teapot"
		w.wants(failed)
		w.plant("hang")
		w.now.Reload(t, load(t, syncing("{notify: [ops, lead], slow_after: 20s}")))
		time.Sleep(time.Second)
		w.wants(failed, "1m30s lead: firing failed: POST http://plant.example/sync: 418 I'm a teapot")
		w.until(2*time.Minute + 5*time.Second)
		const again = "1m30s lead: firing failed: POST http://plant.example/sync: 418 I'm a teapot"
		w.wants(failed, again)
		w.now.Reload(t, load(t, syncing("{notify: ops, slow_after: 10s}")))
		w.until(2*time.Minute + 20*time.Second)
		w.now.Reload(t, load(t, strings.Replace(syncing("none"), "  sync:", "  other:", 1)))
		time.Sleep(time.Second)
		w.wants(failed, again, "2m10s ops: firing changed slow: it has been at work for more than 10 s", "2m20s lead: resolved slow", "2m20s ops: resolved slow")
	})
}
