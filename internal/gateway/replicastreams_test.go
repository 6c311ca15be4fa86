package gateway_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/sse/ssetest"
)

// stream is what a stream has within a time, as the client has it that has seen an event of that ID.
func (m *member) stream(path, last string, within time.Duration) (status int, events string) {
	ctx, done := context.WithTimeout(m.of.t.Context(), within)
	defer done()
	r := httptest.NewRequestWithContext(ctx, "GET", "http://localhost"+path, nil)
	r.Header.Set("Accept", "text/event-stream")
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	var w ssetest.Writer
	m.Handler().ServeHTTP(&w, r)
	return w.Status(), w.Body()
}

// aloneAndNot returns a replica that does a job, with a run of it that is in progress, and another one that knows that.
func (f *fleet) aloneAndNot(yaml string) (does, other *member, run string) {
	all := []*member{f.join(yaml), f.join(yaml)}
	time.Sleep(3 * time.Second)
	_, started := all[0].start("j0", "")
	time.Sleep(time.Second)
	does, other = all[0], all[1]
	if f.doer("/u0/job") == other {
		does, other = other, does
	}
	return does, other, of(started, "id")
}

// What a client has seen does not go back: a replica that is cut off shows nothing to one that has seen something, which
// may be newer.
func TestReplicasDoNotGoBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		does, far, run := f.aloneAndNot(jobsOf(1, "on_busy: queue"))
		path := "/api/v1/runs/" + run
		tag := far.do("GET", path, "").Header().Get("ETag")
		far.process.Cut()
		time.Sleep(3 * time.Second)
		if _, events := does.stream(path+"/events", "", time.Second); !strings.Contains(events, "id: "+run+"-end\n") {
			t.Fatalf("a stream of the run has no end: %s", events)
		}
		newer := strings.Trim(does.do("GET", path, "").Header().Get("ETag"), `"`)
		for name, path := range map[string]string{"the run": path + "/events", "all": "/api/v1/stream", "jobs": "/api/v1/stream?jobs=*"} {
			if code, events := far.stream(path, newer, time.Minute); code != 200 || !strings.Contains(events, "event: bye\n") || strings.Contains(events, "running") {
				t.Errorf("a stream of %s at the replica that is cut off: %d %s", name, code, events)
			}
		}
		if code, events := far.stream(path+"/events", "", time.Second); code != 200 || !strings.Contains(events, `"running"`) {
			t.Errorf("a client that has seen nothing gets %d %s", code, events)
		}
		for name, c := range map[string]struct {
			tag, prefer string
			want        int
		}{
			"of another version":      {`"` + newer + `"`, "", 503},
			"of this version":         {tag, "", 304},
			"for what follows on it":  {tag, "wait=5", 304},
			"for what follows on one": {`"` + newer + `"`, "wait=5", 503},
			"of any version":          {"", "wait=5", 200},
		} {
			header := http.Header{}
			if c.tag != "" {
				header.Set("If-None-Match", c.tag)
			}
			if c.prefer != "" {
				header.Set("Prefer", c.prefer)
			}
			w := far.doWith("GET", path, "", header)
			if w.Code != c.want || c.want == 503 && w.Header().Get("Retry-After") == "" {
				t.Errorf("a request %s is answered with %d %v, want %d", name, w.Code, w.Header(), c.want)
			}
		}
		far.process.Heal()
		if code, events := far.stream(path+"/events", newer, time.Second); code != 204 {
			t.Errorf("after that, a client that has seen the end gets %d %s, want 204", code, events)
		}
		if _, events := far.stream("/api/v1/stream", newer, time.Second); !strings.Contains(events, "event: reset\n") || strings.Contains(events, `"running"`) {
			t.Errorf("after that, a stream of all has %s", events)
		}
		if w := far.doWith("GET", path, "", http.Header{"If-None-Match": {tag}}); w.Code != 200 || !strings.Contains(w.Body.String(), `"succeeded"`) {
			t.Errorf("after that, the run is %d %s", w.Code, w.Body)
		}
		does.leave()
		far.leave()
	})
}

// A replica that has lost its lease begins no stream, which would be silent until it has one again, while a balancer may not
// have noticed. After that, whoever comes has no other replica.
func TestReplicasWithoutALeaseHaveNoStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		does, far, run := f.aloneAndNot(jobsOf(1, "on_busy: queue"))
		far.process.Cut()
		time.Sleep(15 * time.Second)
		far.process.Lose()
		synctest.Wait()
		for _, path := range []string{"/api/v1/runs/" + run + "/events", "/api/v1/stream", "/api/v1/events"} {
			began := time.Now()
			if _, events := far.stream(path, "", time.Minute); !strings.Contains(events, "event: bye\n") || time.Since(began) > time.Second {
				t.Errorf("%s has, for %v, %s", path, time.Since(began), events)
			}
		}
		if w := far.doWith("GET", "/api/v1/jobs", "", http.Header{"If-None-Match": {"*"}, "Prefer": {"wait=5"}}); w.Code != 503 {
			t.Errorf("a long poll is answered with %d %s, want 503", w.Code, w.Body)
		}
		time.Sleep(30 * time.Second)
		if code, events := far.stream("/api/v1/stream", "", time.Second); code != 200 || !strings.Contains(events, `"state":"away"`) {
			t.Errorf("when a balancer must have noticed, a client that has seen nothing gets %d %s", code, events)
		}
		if _, events := far.stream("/api/v1/stream", "x-1", time.Second); !strings.Contains(events, "event: bye\n") {
			t.Errorf("when a balancer must have noticed, a client that has seen something gets %s", events)
		}
		far.process.Heal()
		time.Sleep(2 * time.Second)
		if code, events := far.stream("/api/v1/stream", "", time.Second); code != 200 || strings.Contains(events, "event: bye\n") {
			t.Errorf("after that, a stream has %d %s", code, events)
		}
		does.leave()
		far.leave()
	})
}
