package progress_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/progress"
	"github.com/tidewire/tidewire/sse/ssetest"
)

// handlerFixture is a Handler behind a server. Its work waits until it is told how to end.
type handlerFixture struct {
	*fixture
	t    *testing.T
	ends chan error // what the work returns next

	mu   sync.Mutex // guards the field below
	runs []string   // what each call of Work got: method, topic and body
}

func newHandlerFixture(t *testing.T, opts progress.HandlerOptions) *handlerFixture {
	h := &handlerFixture{fixture: newFixture(t), t: t, ends: make(chan error)}
	if opts.Work == nil {
		opts.Work = h.work
	}
	h.server = ssetest.NewServer(t, progress.Handler(h.Tracker, opts))
	return h
}

func (h *handlerFixture) work(ctx context.Context, report *progress.Reporter, r *http.Request) (any, error) {
	body, err := io.ReadAll(r.Body)
	h.mu.Lock()
	h.runs = append(h.runs, fmt.Sprintf("%s %s %s", r.Method, r.URL.Path, body))
	h.mu.Unlock()
	if err != nil {
		return nil, err
	}
	report.Step(1, 2, "")
	select {
	case err := <-h.ends:
		return len(body), err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// began returns what the calls of Work got.
func (h *handlerFixture) began() string {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.runs, ", ")
}

// reply is an answer without its body, which is in text and, if JSON, in the fields.
type reply struct {
	*http.Response
	text string

	ID        string
	Coalesced bool
	Events    string
	Snapshot  progress.Progress

	Status, Percent any // of a bare snapshot; Status of a problem is a number
	Detail          string
}

// do makes a request; header is pairs.
func (h *handlerFixture) do(method, path, body string, header ...string) (r reply) {
	h.t.Helper()
	req, err := http.NewRequest(method, "http://server"+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	if r.Response, err = h.server.Client.Do(req); err != nil {
		h.t.Fatal(err)
	}
	defer r.Body.Close()
	data, err := io.ReadAll(r.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	r.text = string(data)
	if strings.Contains(r.Header.Get("Content-Type"), "json") && len(data) > 0 {
		if err := json.Unmarshal(data, &r); err != nil {
			h.t.Errorf("%s %s answers %s: %v", method, path, data, err)
		}
	}
	return r
}

// problem checks that an answer is a problem with this status and a detail that contains what.
func (r reply) problem(t *testing.T, status int, what string) {
	t.Helper()
	var p struct {
		Type, Title, Detail, Instance string
		Status                        int
	}
	_ = json.Unmarshal([]byte(r.text), &p)
	if r.StatusCode != status || r.Header.Get("Content-Type") != "application/problem+json" || p.Type != "about:blank" || p.Title != http.StatusText(status) ||
		p.Status != status || !strings.Contains(p.Detail, what) || p.Instance == "" {
		t.Errorf("answer %d %v %s, want a problem %d about %q", r.StatusCode, r.Header, r.text, status, what)
	}
}

func asJSON(header ...string) []string { return append(header, "Accept", "application/json") }

// The whole life of a run: start, join, watch, look, end, 204, start again.
func TestHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandlerFixture(t, progress.HandlerOptions{})
		h.do("GET", "/a", "").problem(t, 404, "no such run")
		h.do("GET", "/a", "", asJSON()...).problem(t, 404, "no such run")
		h.do("DELETE", "/a", "").problem(t, 404, "no such run")

		first := h.do("POST", "/a?x=1", "hello")
		if want := "/a?run=" + first.ID + "&x=1"; first.StatusCode != 202 || first.ID == "" || first.Coalesced || first.Events != want || first.Header.Get("Location") != want {
			t.Errorf("POST: %d %v %s, want 202 and Location %s", first.StatusCode, first.Header, first.text, want)
		}
		if first.Snapshot.Status != "running" {
			t.Errorf("POST: %s, want a snapshot in it", first.text)
		}
		second := h.do("POST", "/a", "other")
		if second.StatusCode != 202 || second.ID != first.ID || !second.Coalesced || second.Header.Get("Location") != "/a?run="+first.ID {
			t.Errorf("second POST: %d %s, want to join", second.StatusCode, second.text)
		}
		if got, want := h.began(), "POST /a hello"; got != want {
			t.Errorf("work was called for: %s, want %s", got, want)
		}

		s := h.server.Open(t, first.Events, nil)
		if ev := s.Event(t); ev.ID != first.ID+"-2" || !strings.Contains(string(ev.Data), `"percent":50`) {
			t.Errorf("stream: %s %s, want snapshot 2", ev.ID, ev.Data)
		}
		look := h.do("GET", "/a", "", asJSON()...)
		if look.StatusCode != 200 || look.Header.Get("ETag") != `"`+first.ID+`-2"` || look.Status != "running" || look.Percent != 50.0 || look.Header.Get("Retry-After") != "1" ||
			look.Header.Get("Content-Type") != "application/json" || look.Header.Get("Vary") != "Accept" || look.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("GET for JSON: %d %v %s", look.StatusCode, look.Header, look.text)
		}

		h.ends <- nil
		ev := s.Event(t)
		if ev.ID != first.ID+"-end" || !strings.Contains(string(ev.Data), `"status":"succeeded"`) || !strings.Contains(string(ev.Data), `"result":5`) {
			t.Errorf("stream: %s %s, want the terminal", ev.ID, ev.Data)
		}
		ended(t, s)
		look = h.do("GET", first.Events, "", asJSON()...)
		if look.StatusCode != 200 || look.Status != "succeeded" || look.Header.Get("Retry-After") != "" {
			t.Errorf("GET after the end: %d %v %s", look.StatusCode, look.Header, look.text)
		}
		if got := h.do("GET", first.Events, "", "Last-Event-ID", ev.ID).StatusCode; got != 204 {
			t.Errorf("return after the terminal: %d, want 204", got)
		}

		again := h.do("POST", "/a", "")
		if again.ID == first.ID || again.Coalesced {
			t.Errorf("POST after the end: %s, want a new run", again.text)
		}
		h.do("GET", first.Events, "").problem(t, 404, "no such run") // not the other run's
		h.do("GET", first.Events, "", asJSON()...).problem(t, 404, "no such run")
		h.do("DELETE", first.Events, "").problem(t, 404, "no such run")
		if got := h.do("GET", first.Events, "", "Last-Event-ID", ev.ID).StatusCode; got != 204 {
			t.Errorf("return after the terminal, beside another run: %d, want 204", got)
		}
		if got := h.do("GET", "/a", "", asJSON()...); got.Status != "running" {
			t.Errorf("the other run is %s, want it running: a DELETE of the first is not for it", got.text)
		}
		h.ends <- errors.New("no more paper")
		synctest.Wait()
		if got := h.do("GET", "/a", "", asJSON()...); got.Status != "failed" || !strings.Contains(got.text, "no more paper") {
			t.Errorf("GET after failure: %s", got.text)
		}
		time.Sleep(retention + time.Second)
		h.do("GET", "/a", "", asJSON()...).problem(t, 404, "no such run")
	})
}

// HEAD asks what GET would answer, and other methods learn which there are.
func TestHandlerMethods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandlerFixture(t, progress.HandlerOptions{Topic: func(r *http.Request) string { return strings.TrimPrefix(r.URL.Path, "/") }})
		h.do("POST", "/a", "")
		if got := h.do("HEAD", "/a", ""); got.StatusCode != 200 || got.Header.Get("Content-Type") != "text/event-stream" {
			t.Errorf("HEAD: %d %v", got.StatusCode, got.Header)
		}
		if got := h.do("HEAD", "/a", "", asJSON()...); got.StatusCode != 200 || got.Header.Get("ETag") == "" || got.text != "" {
			t.Errorf("HEAD for JSON: %d %v %s", got.StatusCode, got.Header, got.text)
		}
		put := h.do("PUT", "/a", "")
		put.problem(t, 405, "PUT is not allowed")
		if got, want := put.Header.Get("Allow"), "DELETE, GET, HEAD, POST"; got != want {
			t.Errorf("Allow: %s, want %s", got, want)
		}
		h.do("POST", "/", "").problem(t, 404, "does not exist")
	})
}

func TestHandlerCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandlerFixture(t, progress.HandlerOptions{})
		run := h.do("POST", "/a", "")
		got := h.do("DELETE", run.Events, "")
		if got.StatusCode != 202 || got.ID != run.ID {
			t.Errorf("DELETE: %d %s, want 202", got.StatusCode, got.text)
		}
		synctest.Wait()
		for range 2 { // asking twice does no harm
			got = h.do("DELETE", "/a", "")
			if got.StatusCode != 200 || got.ID != run.ID || got.Snapshot.Status != "cancelled" || got.Snapshot.Error != "" {
				t.Errorf("DELETE after the end: %d %s, want 200 and cancelled", got.StatusCode, got.text)
			}
		}
	})
}

// A run of another process can be watched, joined, waited for and cancelled.
func TestHandlerForeignRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := snapshot.NewMemory()
		elsewhere, here := openFixture(t, store, progress.Options{}), openFixture(t, store, progress.Options{})
		h := &handlerFixture{fixture: here, t: t}
		h.server = ssetest.NewServer(t, progress.Handler(here.Tracker, progress.HandlerOptions{Work: h.work}))
		job := mustStart(t, elsewhere.Tracker, "/a")
		if got := h.do("GET", "/a", "", asJSON()...); got.StatusCode != 200 || got.text != "null\n" || got.Header.Get("ETag") != "" {
			t.Errorf("GET before the first snapshot: %d %v %s, want null", got.StatusCode, got.Header, got.text)
		}
		if got := h.do("POST", "/a", ""); got.ID != job.ID() || !got.Coalesced {
			t.Errorf("POST: %s, want to join", got.text)
		}
		working := job.Context()
		if got := h.do("DELETE", "/a", ""); got.StatusCode != 202 || got.ID != job.ID() {
			t.Errorf("DELETE: %d %s, want 202", got.StatusCode, got.text)
		}
		<-working.Done()
		if cause := context.Cause(working); !errors.Is(cause, progress.ErrCancelled) {
			t.Errorf("DELETE ends the work with %v, want ErrCancelled", cause)
		}
		time.AfterFunc(time.Second, func() { job.Finish(map[string]string{"status": "cancelled"}) })
		if got := h.do("POST", "/a", "", "Prefer", "wait=5"); got.StatusCode != 200 || got.Snapshot.Status != "cancelled" {
			t.Errorf("POST that waits: %d %s, want the end", got.StatusCode, got.text)
		}
	})
}

// Prefer: wait=N gets the end with the answer, if it comes in time (RFC 7240 §4.3).
func TestHandlerWait(t *testing.T) {
	for _, test := range []struct {
		prefer, applied string
		end, took       time.Duration
		status          int
	}{
		{"wait=10", "wait=10", 4 * time.Second, 4 * time.Second, 200},
		{"wait=10", "wait=10", 14 * time.Second, 10 * time.Second, 202},
		{"wait=600", "wait=60", 0, time.Minute, 202},
		{"handling=lenient, Wait = \"3\" ; x=1, wait=9", "wait=3", 0, 3 * time.Second, 202},
		{"respond-async, wait=2", "respond-async, wait=2", time.Second, time.Second, 200},
		{"respond-async", "respond-async", 0, 0, 202},
		{"wait=0", "wait=0", 0, 0, 202},
		{"wait", "", 0, 0, 202},
		{"wait=-1, wait=x", "", 0, 0, 202},
		{"return=minimal", "", 0, 0, 202},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newHandlerFixture(t, progress.HandlerOptions{})
			if test.end > 0 {
				time.AfterFunc(test.end, func() { h.ends <- nil })
			}
			began := time.Now()
			got := h.do("POST", "/a", "", "Prefer", test.prefer)
			if took := time.Since(began); took != test.took || got.StatusCode != test.status || got.Header.Get("Preference-Applied") != test.applied ||
				(got.Snapshot.Status == "succeeded") != (test.status == 200) || got.Header.Get("Location") == "" {
				t.Errorf("%s with the end after %v: %d %v %s after %v, want %d, %q, after %v", test.prefer, test.end, got.StatusCode, got.Header, got.text, took, test.status, test.applied, test.took)
			}
			if test.end > test.took {
				time.Sleep(test.end)
			}
		})
	}
}

// The server's timeouts do not end a wait, and count again for the next request.
func TestHandlerWaitsBeyondTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandlerFixture(t, progress.HandlerOptions{})
		var inner http.Handler = progress.Handler(h.Tracker, progress.HandlerOptions{Work: h.work})
		h.server = ssetest.Start(t, &http.Server{Handler: inner, ReadTimeout: 2 * time.Second, WriteTimeout: 3 * time.Second}, nil)
		for range 2 {
			began := time.Now()
			if got := h.do("POST", "/a", "", "Prefer", "wait=20"); got.StatusCode != 202 || time.Since(began) != 20*time.Second {
				t.Errorf("POST: %d after %v, want 202 after 20 s", got.StatusCode, time.Since(began))
			}
		}
		time.AfterFunc(10*time.Second, func() { h.ends <- nil })
		if got := h.do("POST", "/a", "", "Prefer", "wait=20"); got.StatusCode != 200 || got.Snapshot.Status != "succeeded" {
			t.Errorf("POST: %d %s, want the end", got.StatusCode, got.text)
		}
	})
}

// A GET with If-None-Match and Prefer: wait is a long poll, for where streams do not come through.
func TestHandlerLongPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandlerFixture(t, progress.HandlerOptions{MaxWait: 25 * time.Second})
		h.do("POST", "/a", "")
		synctest.Wait()
		first := h.do("GET", "/a", "", asJSON("Prefer", "wait=20")...)
		tag := first.Header.Get("ETag")
		if first.StatusCode != 200 || first.Status != "running" || first.Header.Get("Preference-Applied") != "wait=20" {
			t.Errorf("first GET: %d %v %s, want the snapshot at once", first.StatusCode, first.Header, first.text)
		}
		for _, value := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
			if got := h.do("GET", "/a", "", asJSON("If-None-Match", value)...); got.StatusCode != 304 || got.text != "" || got.Header.Get("ETag") != tag {
				t.Errorf("If-None-Match %s: %d %v %q, want 304", value, got.StatusCode, got.Header, got.text)
			}
		}
		if got := h.do("GET", "/a", "", asJSON("If-None-Match", `"x"`)...); got.StatusCode != 200 {
			t.Errorf("If-None-Match of something else: %d, want 200", got.StatusCode)
		}
		began := time.Now()
		if got := h.do("GET", "/a", "", asJSON("If-None-Match", tag, "Prefer", "wait=99")...); got.StatusCode != 304 || time.Since(began) != 25*time.Second || got.Header.Get("Preference-Applied") != "wait=25" {
			t.Errorf("nothing new: %d %v after %v, want 304 after 25 s", got.StatusCode, got.Header, time.Since(began))
		}
		time.AfterFunc(7*time.Second, func() { h.ends <- nil })
		began = time.Now()
		got := h.do("GET", "/a", "", asJSON("If-None-Match", tag, "Prefer", "wait=20")...)
		if got.StatusCode != 200 || got.Status != "succeeded" || time.Since(began) != 7*time.Second {
			t.Errorf("the end: %d %s after %v, want 200 and succeeded after 7 s", got.StatusCode, got.text, time.Since(began))
		}
		began = time.Now()
		if got := h.do("GET", "/a", "", asJSON("If-None-Match", got.Header.Get("ETag"), "Prefer", "wait=20")...); got.StatusCode != 304 || time.Since(began) != 0 {
			t.Errorf("after the end: %d after %v, want 304 at once", got.StatusCode, time.Since(began))
		}
	})
}

func TestHandlerAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandlerFixture(t, progress.HandlerOptions{})
		h.do("POST", "/a", "")
		for accept, want := range map[string]string{
			"":    "text/event-stream",
			"*/*": "text/event-stream",
			"text/html,application/xhtml+xml,*/*;q=0.8": "text/event-stream",
			"text/event-stream":                         "text/event-stream",
			"text/event-stream, application/json":       "text/event-stream",
			"application/json":                          "application/json",
			"application/*":                             "application/json",
			"Application/JSON;charset=utf-8":            "application/json",
			"application/json, text/event-stream;q=0.9": "application/json",
			"application/json;q=0.5, text/*":            "text/event-stream",
			"*/*, text/event-stream;q=0":                "application/json",
			"*/*;q=0.1, application/json;q=0":           "text/event-stream",
			"application/json;q=x":                      "text/event-stream",
			"/, application/json":                       "application/json",
		} {
			header := http.Header{}
			if accept != "" {
				header.Set("Accept", accept)
			}
			s := h.server.Open(t, "/a", header)
			if got := s.Response.Header.Get("Content-Type"); got != want || s.Response.Header.Get("Vary") != "Accept" {
				t.Errorf("Accept %q: %s %v, want %s", accept, got, s.Response.Header["Vary"], want)
			}
			s.Close()
		}
	})
}

// A repeated request leads to the run that the first one did, also when that has ended; a new key leads to a new run.
func TestHandlerIdempotencyKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandlerFixture(t, progress.HandlerOptions{})
		post := func(path, key, body string) reply { return h.do("POST", path, body, "Idempotency-Key", key) }
		first := post("/a", "k1", "x")
		if got := post("/a", "k1", "x"); got.ID != first.ID || !got.Coalesced || got.StatusCode != 202 {
			t.Errorf("repeated: %d %s, want to join %s", got.StatusCode, got.text, first.ID)
		}
		if got := post("/a", "k2", "x"); got.ID != first.ID { // joins what runs
			t.Errorf("another key: %s, want to join %s", got.text, first.ID)
		}
		if got := post("/b", "k1", "x"); got.ID == first.ID || got.Coalesced {
			t.Errorf("another topic: %s, want a new run", got.text)
		}
		if got := post("/a", "k1", "y"); got.StatusCode != 422 || !strings.Contains(got.Detail, "another body") {
			t.Errorf("the key of another body: %d %s, want 422", got.StatusCode, got.text)
		}
		h.do("DELETE", "/b", "")
		synctest.Wait()
		h.ends <- nil
		synctest.Wait()
		time.Sleep(retention - time.Second)
		for _, key := range []string{"k1", "k2"} {
			if got := post("/a", key, "x"); got.ID != first.ID || got.StatusCode != 202 || got.Snapshot.Status != "succeeded" {
				t.Errorf("repeated after the end, %s: %d %s, want run %s", key, got.StatusCode, got.text, first.ID)
			}
		}
		next := post("/a", "k3", "x")
		if next.ID == first.ID || next.Coalesced {
			t.Errorf("new key after the end: %s, want a new run", next.text)
		}
		post("/a", "k1", "x").problem(t, 409, first.ID)
		time.Sleep(2 * time.Second)
		if got := post("/a", "k1", "x"); got.ID != next.ID {
			t.Errorf("key of a run forgotten by now: %s, want to join %s", got.text, next.ID)
		}
		post("/a", strings.Repeat("k", 256), "x").problem(t, 400, "255")
		if got := h.began(); got != "POST /a x, POST /b x, POST /a x" {
			t.Errorf("work was called for: %s", got)
		}
	})
}

// The retention of a key begins with the run's end, not with the wish for it.
func TestHandlerIdempotencyKeyOfCancelledRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandlerFixture(t, progress.HandlerOptions{Work: func(ctx context.Context, _ *progress.Reporter, _ *http.Request) (any, error) {
			<-ctx.Done()
			time.Sleep(retention + 10*time.Second)
			return nil, ctx.Err()
		}})
		first := h.do("POST", "/a", "", "Idempotency-Key", "k")
		h.do("DELETE", "/a", "")
		time.Sleep(retention + 20*time.Second)
		if got := h.do("POST", "/a", "", "Idempotency-Key", "k"); got.ID != first.ID || got.Snapshot.Status != "cancelled" {
			t.Errorf("repeated 10 s after the end: %s, want run %s, cancelled", got.text, first.ID)
		}
	})
}

// Keys are forgotten with their runs, and the oldest of too many at any rate.
func TestHandlerForgetsKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		h := progress.Handler(progress.New(ctx, retention, heartbeat, nil), progress.HandlerOptions{
			Work: func(ctx context.Context, _ *progress.Reporter, r *http.Request) (any, error) {
				if r.URL.Path == "/long" {
					<-ctx.Done()
				}
				return nil, nil
			},
		})
		post := func(path string, key int) {
			r := httptest.NewRequest("POST", path, nil)
			r.Header.Set("Idempotency-Key", fmt.Sprint(key))
			w := httptest.NewRecorder()
			if h.ServeHTTP(w, r); w.Code != 202 {
				t.Fatalf("POST %s: %d %s", path, w.Code, w.Body)
			}
		}
		for key := range 100 {
			post("/short", key)
			synctest.Wait()
		}
		time.Sleep(retention + time.Second)
		post("/long", 0)
		if got := progress.Keys(h); got != 1 {
			t.Errorf("%d keys after the retention of 100, want the new one", got)
		}
		for key := range progress.MaxKeys + 10 {
			post("/long", key)
		}
		if got := progress.Keys(h); got != progress.MaxKeys {
			t.Errorf("%d keys of one run, want %d", got, progress.MaxKeys)
		}
	})
}

// Of many requests with one key at once, one starts the run, even if that ends at once.
func TestHandlerIdempotencyKeyAtOnce(t *testing.T) {
	for round := range 20 {
		var mu sync.Mutex
		runs, ids := 0, map[string]int{}
		tracker := progress.New(t.Context(), retention, heartbeat, nil)
		handler := progress.Handler(tracker, progress.HandlerOptions{Work: func(context.Context, *progress.Reporter, *http.Request) (any, error) {
			mu.Lock()
			defer mu.Unlock()
			runs++
			return nil, nil
		}})
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				r := httptest.NewRequest("POST", fmt.Sprint("/", round), nil)
				r.Header.Set("Idempotency-Key", "k")
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				mu.Lock()
				defer mu.Unlock()
				ids[w.Header().Get("Location")]++
			})
		}
		wg.Wait()
		if mu.Lock(); runs > 1 || len(ids) != 1 {
			t.Errorf("%d runs, locations %v, want one", runs, ids)
		}
		mu.Unlock()
	}
}

// fragileStore is a store that can fail.
type fragileStore struct {
	*snapshot.Memory
	claims func() error // asked before each Claim
}

func (s *fragileStore) Claim(ctx context.Context, topic string, opts snapshot.ClaimOptions) (snapshot.Claim, snapshot.Entry, error) {
	if err := s.claims(); err != nil {
		return nil, snapshot.Entry{}, err
	}
	return s.Memory.Claim(ctx, topic, opts)
}

// If the process that has a run cannot be asked to stop it, the client hears that, and the log has the reason.
func TestHandlerCancelFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := snapshot.NewMemory()
		elsewhere := openFixture(t, store, progress.Options{})
		here := openFixture(t, &fragileStore{store, func() error { return errors.New("the disk is full") }}, progress.Options{})
		h := &handlerFixture{fixture: here, t: t}
		h.server = ssetest.NewServer(t, progress.Handler(here.Tracker, progress.HandlerOptions{Work: h.work}))
		mustStart(t, elsewhere.Tracker, "/a")
		got := h.do("DELETE", "/a", "")
		got.problem(t, 503, "cannot be asked to stop it")
		if got.Header.Get("Retry-After") != "5" || strings.Contains(got.text, "disk") || !strings.Contains(here.log.String(), "disk") {
			t.Errorf("answer %v %s, log %s, want Retry-After, and the reason in the log alone", got.Header, got.text, here.log)
		}
	})
}

// A start that fails leaves its key free, and those who waited for it try by themselves.
func TestHandlerStartFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		claims := 0
		f := openFixture(t, &fragileStore{snapshot.NewMemory(), func() error {
			time.Sleep(time.Second)
			if claims++; claims < 3 {
				return errors.New("the disk is full")
			}
			return nil
		}}, progress.Options{})
		h := &handlerFixture{fixture: f, t: t, ends: make(chan error)}
		h.server = ssetest.NewServer(t, progress.Handler(f.Tracker, progress.HandlerOptions{Work: h.work}))
		got := h.do("POST", "/a", "", "Idempotency-Key", "k")
		got.problem(t, 503, "no run can be started")
		if got.Header.Get("Retry-After") != "5" || strings.Contains(got.text, "disk") || !strings.Contains(f.log.String(), "disk") {
			t.Errorf("answer %v %s, log %s, want Retry-After, and the reason in the log alone", got.Header, got.text, f.log)
		}
		var wg sync.WaitGroup
		statuses := make(chan int, 3)
		for range 3 {
			wg.Go(func() { statuses <- h.do("POST", "/a", "", "Idempotency-Key", "k").StatusCode })
		}
		wg.Wait()
		if sum := <-statuses + <-statuses + <-statuses; sum != 503+202+202 {
			t.Errorf("the statuses of three at once add up to %d, want those of one failure and two that share a run", sum)
		}
		if got := h.began(); got != "POST /a " {
			t.Errorf("work was called for: %s", got)
		}
	})
}

// Whoever waits for another request's start does not wait longer than its own client.
func TestHandlerLeavesWhileStarting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := openFixture(t, &fragileStore{snapshot.NewMemory(), func() error { time.Sleep(time.Minute); return nil }}, progress.Options{})
		handler := progress.Handler(f.Tracker, progress.HandlerOptions{Work: (&handlerFixture{fixture: f}).work})
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				r := httptest.NewRequestWithContext(ctx, "POST", "/a", nil)
				r.Header.Set("Idempotency-Key", "k")
				began := time.Now()
				handler.ServeHTTP(httptest.NewRecorder(), r)
				if took := time.Since(began); took != time.Second && took != time.Minute { // the one that claims waits for the store
					t.Errorf("answered after %v, want 1 s, or 1 min for one of them", took)
				}
			})
		}
		wg.Wait()
		f.end()
	})
}

func TestHandlerBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandlerFixture(t, progress.HandlerOptions{MaxBody: 10})
		h.do("POST", "/a", "01234567890").problem(t, 413, "larger than 10 bytes")
		time.Sleep(time.Second) // net/http closes the connection after a while
		if got := h.do("POST", "/a", "0123456789"); got.StatusCode != 202 {
			t.Errorf("10 bytes: %d, want 202", got.StatusCode)
		}
		if got := h.began(); got != "POST /a 0123456789" {
			t.Errorf("work was called for: %s", got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		h := newHandlerFixture(t, progress.HandlerOptions{})
		h.do("POST", "/a", strings.Repeat("x", 64<<10+1)).problem(t, 413, "larger than 65536 bytes")
		time.Sleep(time.Second)
	})
}

// JoinEnded is for work that is done once and shown to many.
func TestHandlerJoinEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandlerFixture(t, progress.HandlerOptions{JoinEnded: true})
		first := h.do("POST", "/a", "")
		h.ends <- nil
		synctest.Wait()
		if got := h.do("POST", "/a", ""); got.ID != first.ID || !got.Coalesced || got.Snapshot.Status != "succeeded" {
			t.Errorf("POST after the end: %s, want to join %s", got.text, first.ID)
		}
	})
}

// The work's context outlives the request, and ends with the Tracker, whose Shutdown waits for the work.
func TestHandlerContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cause error
		h := newHandlerFixture(t, progress.HandlerOptions{Work: func(ctx context.Context, _ *progress.Reporter, r *http.Request) (any, error) {
			<-r.Context().Done()
			cause = ctx.Err()
			return nil, nil
		}})
		h.do("POST", "/a", "")
		time.Sleep(time.Hour)
		if got := h.do("GET", "/a", "", asJSON()...); got.Status != "running" {
			t.Errorf("an hour later: %s, want running", got.text)
		}
		h.end()
		if err := h.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if cause == nil {
			t.Error("the work's context goes on")
		}
	})
}

// What a client is told leads back here, whatever the handlers around this one do to the path, and never to another host.
func TestHandlerLocation(t *testing.T) {
	tracker := progress.New(t.Context(), retention, heartbeat, nil)
	inner := progress.Handler(tracker, progress.HandlerOptions{Work: func(context.Context, *progress.Reporter, *http.Request) (any, error) { return nil, nil }})
	for target, want := range map[string]string{
		"/api/scan":               "/api/scan?run=",
		"/api/a%2Fb":              "/api/a%2Fb?run=",
		"/api/scan?run=old&x=%26": "/api/scan?run=ID&x=%26",
		"http://host/api/scan":    "/api/scan?run=",
		"//evil/api/scan":         "/evil/api/scan?run=",
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/", nil)
		r.RequestURI = target
		r.URL.Path = "/scan" // stripped
		inner.ServeHTTP(w, r)
		got := w.Header().Get("Location")
		if run, _ := tracker.Start("/scan"); run != nil {
			run.Finish(nil)
		}
		var body struct{ ID string }
		_ = json.Unmarshal(w.Body.Bytes(), &body)
		if got := strings.ReplaceAll(got, body.ID, "ID"); !strings.HasPrefix(got, want) {
			t.Errorf("Location for %s: %s, want %s", target, got, want)
		}
	}
}

func TestHandlerNeedsWork(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("Handler without Work does not panic")
		}
	}()
	progress.Handler(progress.New(t.Context(), 0, 0, nil), progress.HandlerOptions{})
}

// A writer that cannot stream is the server's fault.
func TestHandlerCannotStream(t *testing.T) {
	f := newFixture(t)
	mustStart(t, f.Tracker, "/a")
	h := progress.Handler(f.Tracker, progress.HandlerOptions{Work: func(context.Context, *progress.Reporter, *http.Request) (any, error) { return nil, nil }})
	w := httptest.NewRecorder()
	h.ServeHTTP(struct{ http.ResponseWriter }{w}, httptest.NewRequest("GET", "/a", nil))
	if w.Code != 500 || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("answer %d %s, want a problem 500", w.Code, w.Body)
	}
}

// The hub's own check of subscribers counts.
func TestHandlerForbidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		hub := sse.NewHub(ctx, &sse.HubOptions{OnSubscribe: func(*http.Request, *sse.Topic) error { return errors.New("no ticket") }})
		f := openFixture(t, snapshot.NewMemory(), progress.Options{Hub: hub})
		h := &handlerFixture{fixture: f, t: t}
		h.server = ssetest.NewServer(t, progress.Handler(f.Tracker, progress.HandlerOptions{Work: h.work}))
		mustStart(t, f.Tracker, "/a")
		h.do("GET", "/a", "").problem(t, 403, "may not watch")
		h.do("GET", "/a", "", asJSON()...).problem(t, 403, "may not watch")
		h.do("GET", "/a", "", asJSON("Prefer", "wait=5")...).problem(t, 403, "may not watch")
		h.do("GET", "/none", "", asJSON()...).problem(t, 404, "no such run")
	})
}

// Pages of the hub's AllowedOrigins can read every answer, and ask with every method and header that a Handler knows.
func TestHandlerAnswersPagesOfAllowedOrigins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const page, stranger = "https://page.example", "https://stranger.example"
		hub := sse.NewHub(t.Context(), &sse.HubOptions{AllowedOrigins: []string{page}})
		tracker, err := progress.Open(t.Context(), snapshot.NewMemory(), &progress.Options{Hub: hub})
		if err != nil {
			t.Fatal(err)
		}
		h := &handlerFixture{fixture: &fixture{Tracker: tracker}, t: t, ends: make(chan error)}
		h.server = ssetest.NewServer(t, progress.Handler(tracker, progress.HandlerOptions{Work: h.work, Topic: func(r *http.Request) string {
			return strings.TrimPrefix(r.URL.Path, "/nothing")
		}}))
		h.do("POST", "/over", "")
		h.ends <- nil
		for _, c := range []struct {
			method, path string
			header       []string
			status       int
		}{
			{"GET", "/a", nil, 404},
			{"GET", "/a", asJSON(), 404},
			{"GET", "/a", []string{"Last-Event-ID", "r-end"}, 204},
			{"DELETE", "/a", nil, 404},
			{"POST", "/a", nil, 202},
			{"POST", "/a", []string{"Idempotency-Key", strings.Repeat("x", 256)}, 400},
			{"GET", "/over", nil, 200},
			{"GET", "/a", asJSON(), 200},
			{"GET", "/a", asJSON("If-None-Match", "*"), 304},
			{"DELETE", "/a", nil, 202},
			{"PUT", "/a", nil, 405},
			{"OPTIONS", "/a", nil, 405},
			{"GET", "/nothing", nil, 404},
		} {
			for _, origin := range []string{page, stranger, ""} {
				header := c.header
				if origin != "" {
					header = append([]string{"Origin", origin}, header...)
				}
				want := ""
				if origin == page {
					want = page
				}
				got := h.do(c.method, c.path, "", header...)
				if origin == page && got.StatusCode != c.status || got.Header.Get("Access-Control-Allow-Origin") != want {
					t.Errorf("%s %s from %q = %d for the origin %q, want %d for %q",
						c.method, c.path, origin, got.StatusCode, got.Header.Get("Access-Control-Allow-Origin"), c.status, want)
				}
				if exposed := got.Header.Get("Access-Control-Expose-Headers"); (exposed != "") != (origin == page) {
					t.Errorf("%s %s from %q exposes %q", c.method, c.path, origin, exposed)
				}
				if vary := strings.Join(got.Header.Values("Vary"), ", "); !strings.Contains(vary, "Origin") {
					t.Errorf("%s %s from %q: Vary is %q, want Origin in it", c.method, c.path, origin, vary)
				}
			}
		}
		for origin, want := range map[string]string{page: "DELETE, GET, HEAD, POST", stranger: ""} {
			got := h.do("OPTIONS", "/a", "", "Origin", origin, "Access-Control-Request-Method", "DELETE")
			headers := strings.ToLower(got.Header.Get("Access-Control-Allow-Headers"))
			if methods := got.Header.Get("Access-Control-Allow-Methods"); methods != want || (got.StatusCode == 204) != (want != "") {
				t.Errorf("preflight from %s = %d for %q, want %q", origin, got.StatusCode, methods, want)
			}
			for _, name := range []string{"authorization", "content-type", "idempotency-key", "if-none-match", "last-event-id", "prefer"} {
				if strings.Contains(headers, name) != (want != "") {
					t.Errorf("preflight from %s allows the headers %q", origin, headers)
				}
			}
		}
	})
}
