package progress_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/progress"
	"github.com/tidewire/tidewire/sse/ssetest"
)

// client returns a client of h's job at path.
func (h *handlerFixture) client(path string) *progress.Client {
	return &progress.Client{HTTP: h.server.Client, URL: "http://server" + path}
}

func startRun(t *testing.T, c *progress.Client, body any) *progress.Run {
	t.Helper()
	run, err := c.Start(t.Context(), body)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// follow follows run to the end, as `status percent` of each snapshot, - for none.
func follow(ctx context.Context, run *progress.Run, each func(progress.Snapshot)) (string, error) {
	var got []string
	for s, err := range run.Follow(ctx) {
		if err != nil {
			return strings.Join(got, ", "), err
		}
		var p progress.Progress
		if err := json.Unmarshal(s.Data, &p); err != nil {
			return "", err
		}
		got = append(got, fmt.Sprintf("%s %s", p.Status, percent(p)))
		if each != nil {
			each(s)
		}
	}
	return strings.Join(got, ", "), nil
}

// Two clients share a run, and both follow it to its end.
func TestClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandlerFixture(t, progress.HandlerOptions{})
		first := startRun(t, h.client("/a"), map[string]int{"x": 1})
		second := startRun(t, h.client("/a"), nil)
		if first.ID == "" || first.ID != second.ID || first.Coalesced || !second.Coalesced {
			t.Errorf("runs %q (coalesced: %v) and %q (%v), want one, coalesced the second time", first.ID, first.Coalesced, second.ID, second.Coalesced)
		}
		if got, want := h.began(), `POST /a {"x":1}`; got != want {
			t.Errorf("work was called for %s, want %s", got, want)
		}
		var wg sync.WaitGroup
		for _, run := range []*progress.Run{first, second} {
			wg.Go(func() {
				var last progress.Snapshot
				got, err := follow(t.Context(), run, func(s progress.Snapshot) {
					if s.Run != run.ID || last.Final {
						t.Errorf("snapshot %+v after %+v", s, last)
					}
					last = s
				})
				if want := "running 50, succeeded 100"; got != want || err != nil || !last.Final {
					t.Errorf("followed %s, %v, final: %v, want %s to the end", got, err, last.Final, want)
				}
			})
		}
		synctest.Wait()
		h.ends <- nil
		wg.Wait()
		if got, err := follow(t.Context(), first, nil); got != "succeeded 100" || err != nil {
			t.Errorf("followed after the end: %s, %v, want the terminal", got, err)
		}
	})
}

func TestClientCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandlerFixture(t, progress.HandlerOptions{})
		run := startRun(t, h.client("/a?line=1"), nil)
		for range 2 { // the second time it is over
			if err := run.Cancel(t.Context()); err != nil {
				t.Errorf("Cancel = %v", err)
			}
			synctest.Wait()
		}
		if got, err := follow(t.Context(), run, nil); got != "cancelled 50" && got != "cancelled unknown" || err != nil {
			t.Errorf("followed %s, %v, want cancelled", got, err)
		}
		time.Sleep(2 * retention)
		err := run.Cancel(t.Context())
		var status *sse.StatusError
		if !errors.Is(err, progress.ErrNoTopic) || !errors.As(err, &status) || status.StatusCode != 404 || status.Method != "DELETE" || !strings.HasPrefix(err.Error(), "progress: cancel run "+run.ID+": DELETE http://server/a?line=1&run=") {
			t.Errorf("Cancel of a forgotten run: %v, want a 404", err)
		}
		got, err := follow(t.Context(), run, nil)
		if got != "" || !errors.As(err, &status) || status.StatusCode != 404 || !errors.Is(err, progress.ErrNoTopic) {
			t.Errorf("following a forgotten run: %s, %v, want a 404, which is %v", got, err, progress.ErrNoTopic)
		}
	})
}

// A run whose end was missed, because another has begun, is not mistaken for that one.
func TestClientMissedEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		s := ssetest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == "POST" {
				w.Header().Set("Location", "/runs/r1")
				w.WriteHeader(202)
				io.WriteString(w, `{"id":"r1"}`)
				return
			}
			if r.URL.Path != "/runs/r1" {
				t.Errorf("GET %s, want the Location", r.URL)
			}
			n++
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, "id: r%d-1\ndata: {}\n\n", n)
		}))
		run := startRun(t, &progress.Client{HTTP: s.Client, URL: "http://server/"}, nil)
		got, err := follow(t.Context(), run, nil)
		if got != " unknown" || !errors.Is(err, progress.ErrNoTopic) || !strings.Contains(err.Error(), `"r2"`) {
			t.Errorf("followed %s, %v, want one snapshot and %v", got, err, progress.ErrNoTopic)
		}
	})
}

// flakyServer is a runs API as in the gateway, each answer of which a test gives.
func flakyServer(t *testing.T, answers ...http.HandlerFunc) (c *progress.Client, requests func() string) {
	var mu sync.Mutex
	var seen []string
	s := ssetest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		n := len(seen)
		seen = append(seen, strings.TrimSpace(fmt.Sprintf("%s %s %s%s", r.Method, r.URL.RequestURI(), r.Header.Get("Last-Event-ID"), body)))
		mu.Unlock()
		if r.Header.Get("Authorization") != "Bearer x" {
			t.Errorf("request %d has no Authorization", n)
		}
		if n < len(answers) {
			answers[n](w, r)
		}
	}))
	c = &progress.Client{HTTP: s.Client, URL: "http://server/api/v1/jobs/scan/runs", Header: http.Header{"Authorization": {"Bearer x"}}}
	return c, func() string { mu.Lock(); defer mu.Unlock(); return strings.Join(seen, "; ") }
}

func says(status int, location, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if location != "" {
			w.Header().Set("Location", location)
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func streams(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, body)
	}
}

var accepted = says(202, "/api/v1/runs/r1", `{"id":"r1","coalesced":false,"events":"/api/v1/runs/r1/events"}`)

// Follow goes on where a connection broke off, through a proxy's errors, leaving control events out; Cancel is a POST at a runs API.
func TestClientRunsAPI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, requests := flakyServer(t,
			accepted,
			streams("id: r1-1\ndata: {\"status\":\"running\"}\n\nevent: bye\ndata:\n\n"),
			says(502, "", ""),
			says(202, "", `{"id":"r1"}`), // of the cancel
			streams("id: r1-end\ndata: {\"status\":\"cancelled\"}\n\n"),
		)
		var ends []string
		c.OnRetry = func(err error, _ time.Duration) { ends = append(ends, err.Error()) }
		run := startRun(t, c, map[string]any{"args": map[string]any{}})
		time.AfterFunc(5*time.Second, func() { // between the second and the third attempt
			if err := run.Cancel(t.Context()); err != nil {
				t.Errorf("Cancel = %v", err)
			}
		})
		got, err := follow(t.Context(), run, nil)
		if want := "running unknown, cancelled unknown"; got != want || err != nil {
			t.Errorf("followed %s, %v, want %s", got, err, want)
		}
		if len(ends) != 2 || !strings.HasSuffix(ends[0], "EOF") || !strings.Contains(ends[1], "502") {
			t.Errorf("OnRetry was told of %q, want of the server's close and the proxy's 502", ends)
		}
		want := `POST /api/v1/jobs/scan/runs {"args":{}}; GET /api/v1/runs/r1/events; GET /api/v1/runs/r1/events r1-1; POST /api/v1/runs/r1/cancel; GET /api/v1/runs/r1/events r1-1`
		if got := requests(); got != want {
			t.Errorf("requests: %s\nwant %s", got, want)
		}
	})
}

func TestClientStartFails(t *testing.T) {
	for _, test := range []struct {
		answer http.HandlerFunc
		body   any
		want   string
	}{
		{says(409, "", ""), nil, "progress: start a run: POST http://server/api/v1/jobs/scan/runs: 409 Conflict"},
		{says(303, "/x", ""), make(chan int), "progress: start a run: encode the body: json: unsupported type: chan int"},
		{says(202, "/x", "<html>"), nil, "progress: start a run: decode the answer: invalid character '<' looking for beginning of value"},
		{says(202, "/x", `{}`), nil, "progress: start a run: the answer names no run: an object with an id is needed"},
		{says(202, "", `{"id":"r1"}`), nil, "progress: start a run: http: no Location header in response"},
		{says(202, "/x", `{"id":"r1","events":":"}`), nil, `progress: start a run: the answer's events: parse ":": missing protocol scheme`},
	} {
		synctest.Test(t, func(t *testing.T) {
			c, _ := flakyServer(t, test.answer)
			if _, err := c.Start(t.Context(), test.body); err == nil || err.Error() != test.want {
				t.Errorf("Start = %v, want %s", err, test.want)
			}
		})
	}
	_, err := (&progress.Client{URL: ":"}).Start(t.Context(), nil)
	if err == nil {
		t.Error("Start with a bad URL is fine")
	}
}

// Each Start has a key of its own, unless the caller gave one.
func TestClientIdempotencyKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var keys []string
		note := func(w http.ResponseWriter, r *http.Request) {
			keys = append(keys, r.Header.Get("Idempotency-Key")+" "+r.Header.Get("Content-Type"))
			accepted(w, r)
		}
		c, _ := flakyServer(t, note, note, note)
		startRun(t, c, nil)
		startRun(t, c, nil)
		c.Header.Set("Idempotency-Key", "mine")
		startRun(t, c, nil)
		if len(keys) != 3 || len(keys[0]) < 20 || keys[0] == keys[1] || keys[2] != "mine application/json" {
			t.Errorf("keys and types: %q, want two random ones and mine", keys)
		}
	})
}

// What is for the server alone is not told to another one.
func TestClientOtherHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := map[string]string{}
		s := ssetest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			told[r.Method+" "+r.Host] = r.Header.Get("Authorization")
			switch r.Method {
			case "POST":
				says(202, "http://other/runs/r1", `{"id":"r1"}`)(w, r)
			case "GET":
				streams("id: r1-end\ndata: {}\n\n")(w, r)
			}
		}))
		run := startRun(t, &progress.Client{HTTP: s.Client, URL: "http://server/", Header: http.Header{"Authorization": {"Bearer x"}}}, nil)
		if _, err := follow(t.Context(), run, nil); err != nil {
			t.Error(err)
		}
		if got, want := fmt.Sprint(told), "map[GET other: POST server:Bearer x]"; got != want {
			t.Errorf("told %s, want %s", got, want)
		}
	})
}

func TestClientFollowEnds(t *testing.T) {
	cause := errors.New("the window is closed")
	hang := func(w http.ResponseWriter, r *http.Request) {
		streams("id: r1-1\ndata: {}\n\n")(w, r)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	synctest.Test(t, func(t *testing.T) {
		c, _ := flakyServer(t, accepted, hang)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, cause)
		defer cancel()
		if got, err := follow(ctx, startRun(t, c, nil), nil); got != " unknown" || err != cause {
			t.Errorf("followed %s, %v, want a snapshot and %v", got, err, cause)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		c, _ := flakyServer(t, accepted, says(204, "", ""))
		if got, err := follow(t.Context(), startRun(t, c, nil), nil); got != "" || err == nil || err.Error() != "progress: follow run r1: the server says that there is no more, but sent no end" || !errors.Is(err, progress.ErrNoTopic) {
			t.Errorf("followed %s, %v, want an error", got, err)
		}
	})
	synctest.Test(t, func(t *testing.T) { // a half-open stream
		for silence, want := range map[time.Duration]time.Duration{0: 75 * time.Second, 10 * time.Second: 10 * time.Second} {
			c, _ := flakyServer(t, accepted, hang, streams("id: r1-end\ndata: {}\n\n"))
			c.Silence = silence
			began := time.Now()
			got, err := follow(t.Context(), startRun(t, c, nil), nil)
			if took := time.Since(began); got != " unknown,  unknown" || err != nil || took < want || took > want+5*time.Second {
				t.Errorf("followed %s, %v after %v, want the end after %v and a reconnection", got, err, took, want)
			}
		}
	})
}

// Leaving the loop is fine at any snapshot.
func TestClientFollowLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandlerFixture(t, progress.HandlerOptions{})
		for range startRun(t, h.client("/a"), nil).Follow(t.Context()) {
			break
		}
	})
}

// A redirect to another port of the same host gets none of the headers that Client.Header sends, nor does a stream
// there, or at another scheme, that the answer to a start names.
func TestClientKeepsItsHeaderAtItsOrigin(t *testing.T) {
	var mu sync.Mutex
	var leaked []string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		for _, name := range []string{"Authorization", "Cookie", "X-Api-Key"} {
			if r.Header.Get(name) != "" {
				leaked = append(leaked, r.Method+" "+r.URL.Path+" "+name)
			}
		}
		w.Header().Set("Location", "/run")
		w.WriteHeader(http.StatusAccepted)
		io.WriteString(w, `{"id":"r1","events":"/run"}`)
	}))
	defer other.Close()
	own := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("X-Api-Key") != "k":
			http.Error(w, "no key", http.StatusUnauthorized)
		case r.URL.Path == "/moved":
			http.Redirect(w, r, other.URL+"/job", http.StatusTemporaryRedirect)
		default:
			w.Header().Set("Location", other.URL+"/run")
			w.WriteHeader(http.StatusAccepted)
			fmt.Fprintf(w, `{"id":"r1","events":%q}`, other.URL+"/run")
		}
	}))
	defer own.Close()
	header := http.Header{"Authorization": {"Bearer t"}, "Cookie": {"a=b"}, "X-Api-Key": {"k"}}
	for _, path := range []string{"/moved", "/elsewhere"} {
		run := startRun(t, &progress.Client{URL: own.URL + path, Header: header}, nil)
		for _, err := range run.Follow(t.Context()) {
			if err == nil {
				t.Error("a snapshot came, want the refusal of an answer that is no stream")
			}
		}
		if err := run.Cancel(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if leaked != nil {
		t.Errorf("the other origin got %q", leaked)
	}
}

// Somebody who did not start a run attaches to it by URL: that of the job, or its own, which stays with it.
func TestClientAttaches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandlerFixture(t, progress.HandlerOptions{})
		first := startRun(t, h.client("/a"), nil)
		attach := func(at string) *progress.Run {
			t.Helper()
			run, err := h.client("/").Attach(t.Context(), at)
			if err != nil {
				t.Fatal(err)
			}
			return run
		}
		run := attach("http://server/a")
		if run.ID != first.ID || !run.Coalesced {
			t.Errorf("attached to run %q (coalesced: %v), want %q", run.ID, run.Coalesced, first.ID)
		}
		if err := run.Cancel(t.Context()); err != nil {
			t.Error(err)
		}
		if got, err := follow(t.Context(), run, nil); err != nil || !strings.HasSuffix(got, "cancelled 50") {
			t.Errorf("followed %s, %v, want to the end", got, err)
		}
		second := startRun(t, h.client("/a"), nil)
		if run := attach("a?run=" + second.ID); run.ID != second.ID {
			t.Errorf("attached to run %q, want %q", run.ID, second.ID)
		}
		if err := run.Cancel(t.Context()); err == nil { // of the run before
			t.Error("the run that is over and forgotten was cancelled")
		}
		for _, at := range []string{"/a?run=" + first.ID, "/nothing"} {
			var status *sse.StatusError
			_, err := h.client("/").Attach(t.Context(), at)
			if !errors.As(err, &status) || status.StatusCode != 404 || !errors.Is(err, progress.ErrNoTopic) {
				t.Errorf("Attach(%s) = %v, want 404, which is %v", at, err, progress.ErrNoTopic)
			}
		}
		mustStart(t, h.Tracker, "/mute").Context()
		if _, err := h.client("/").Attach(t.Context(), "/mute"); err == nil || !strings.Contains(err.Error(), "names no run") {
			t.Errorf("Attach to a run without a snapshot = %v, want an error that says so", err)
		}
	})
}

// A program that has stored the URL of its run attaches to it after a restart, whatever has become of it.
func TestClientAttachesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandlerFixture(t, progress.HandlerOptions{})
		first := startRun(t, h.client("/a?line=1"), nil)
		synctest.Wait() // it has published
		stored := first.URL()
		if want := "http://server/a?line=1&run=" + first.ID; stored != want {
			t.Errorf("URL = %q, want %q", stored, want)
		}
		again := &progress.Client{HTTP: h.server.Client} // of another process
		connects := 0
		again.OnConnect = func(resp *http.Response) {
			if connects++; resp.StatusCode != http.StatusOK {
				t.Errorf("connected to an answer with %d", resp.StatusCode)
			}
		}
		run, err := again.Attach(t.Context(), stored)
		if err != nil {
			t.Fatal(err)
		}
		if run.ID != first.ID || run.URL() != stored {
			t.Errorf("attached to %q at %q, want %q at %q", run.ID, run.URL(), first.ID, stored)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if got, err := follow(t.Context(), run, nil); got != "running 50, succeeded 100" || err != nil {
				t.Errorf("followed %s, %v, want the newest and the end", got, err)
			}
		})
		synctest.Wait()
		h.ends <- nil
		wg.Wait()
		if run, err = again.Attach(t.Context(), stored); err != nil {
			t.Fatal(err)
		}
		if got, err := follow(t.Context(), run, nil); got != "succeeded 100" || err != nil {
			t.Errorf("followed %s, %v after the end, want the end", got, err)
		}
		if connects != 2 {
			t.Errorf("OnConnect was called %d times, want once for each Follow", connects)
		}
		time.Sleep(2 * retention)
		if _, err := again.Attach(t.Context(), stored); !errors.Is(err, progress.ErrNoTopic) {
			t.Errorf("Attach to a forgotten run = %v, want %v", err, progress.ErrNoTopic)
		}
		again.HTTP = &http.Client{Transport: refusing{}}
		var failed *url.Error
		if _, err := again.Attach(t.Context(), stored); !errors.As(err, &failed) || errors.Is(err, progress.ErrNoTopic) {
			t.Errorf("Attach without a server = %v, want a *url.Error", err)
		}
	})
}

type refusing struct{}

func (refusing) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("connection refused")
}

// A worker that has restarted takes up its run under its id, before its server listens again: those who follow it, by
// the URL of then, see it go on.
func TestRestartedWorkerTakesUpItsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var serving atomic.Pointer[progress.Tracker]
		work := func(context.Context, *progress.Reporter, *http.Request) (any, error) { return nil, nil }
		srv := ssetest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			progress.Handler(serving.Load(), progress.HandlerOptions{Work: work}).ServeHTTP(w, r)
		}))
		ctx, crash := context.WithCancel(t.Context())
		before := progress.New(ctx, 0, 0, nil)
		serving.Store(before)
		job := mustStart(t, before, "/a")
		for percent := range 3 {
			job.Publish(map[string]int{"percent": percent})
		}

		run, err := (&progress.Client{HTTP: srv.Client}).Attach(t.Context(), "http://server/a")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		var wg sync.WaitGroup
		wg.Go(func() {
			for s, err := range run.Follow(t.Context()) {
				got = append(got, fmt.Sprintf("%s %v %v", s.Data, s.Final, err))
			}
		})
		synctest.Wait()
		after := progress.New(t.Context(), 0, 0, nil)
		again, isNew, err := after.StartAs(t.Context(), "/a", progress.StartOptions{Run: job.ID()})
		if !isNew || err != nil {
			t.Fatalf("StartAs = %v, %v, want the run", isNew, err)
		}
		again.Publish(map[string]int{"percent": 3})
		serving.Store(after)
		crash()
		time.Sleep(10 * time.Second)
		again.Finish(map[string]int{"percent": 100})
		wg.Wait()
		if want := `{"percent":2} false <nil>, {"percent":3} false <nil>, {"percent":100} true <nil>`; strings.Join(got, ", ") != want {
			t.Errorf("followed %s, want %s", strings.Join(got, ", "), want)
		}
	})
}
