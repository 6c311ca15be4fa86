package api_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/api"
	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/audit"
	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/events"
	"github.com/tidewire/tidewire/internal/flood"
	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/jobs"
	"github.com/tidewire/tidewire/internal/jq"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/kind/from"
	"github.com/tidewire/tidewire/internal/replica"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse"
)

// services are an API's, with one source and one job, both called a. Calls return what its fields say.
type services struct {
	events  *brokenEvents
	journal *events.Journal

	topic *sse.Topic
	empty bool          // there are no sources
	plain bool          // alerts have no condition of their own
	kept  time.Duration // of numbers; 0: an hour

	wait       time.Duration // of Refresh
	refresh    error
	start      error
	queue      error
	reloaded   wire.Difference
	reload     error
	storeFails bool
	past       error // of what reads the polls and states of sources
	spans      *archive.MemorySpans
	runs       api.Runs   // nil: there are none
	changed    *sse.Topic // of them
	alerts     *someAlerts
	recorded   []audit.Record
	log        lockedBuffer // of what clients cause
}

func (s *services) Topics() []*sse.Topic {
	if s.empty {
		return nil
	}
	return []*sse.Topic{s.topic}
}

func (s *services) Topic(name string) *sse.Topic {
	if name != "a" {
		return nil
	}
	return s.topic
}

func (s *services) Definition(name string) *config.Source {
	if name == "gone" {
		return nil
	}
	alert := &config.Alert{If: mustCompile(". > 90"), Severity: config.SeverityWarning}
	if s.plain {
		alert.If = nil
	}
	return &config.Source{
		Name: name, Title: "Source " + name, Spec: &from.Source{From: []string{"tank"}}, Show: config.Show{History: cmp.Or(s.kept, time.Hour)},
		Alert: alert,
	}
}

func (s *services) Answer(string) (string, bool) { return `{"raw":"<b>"}`, true }

func (s *services) Refresh(context.Context, string) (time.Duration, error) { return s.wait, s.refresh }
func (s *services) Push(context.Context, string, kind.Message, access.Identity, string) (bool, error) {
	return true, nil
}

// brokenSamples and brokenSpans fail as services says.
type (
	brokenSamples struct {
		archive.Samples
		of *services
	}
	brokenSpans struct {
		archive.Spans
		of *services
	}
)

func (b brokenSamples) Read(ctx context.Context, source, field string, since, until time.Time) (archive.Numbers, error) {
	if b.of.past != nil {
		return archive.Numbers{}, b.of.past
	}
	return b.Samples.Read(ctx, source, field, since, until)
}

func (b brokenSamples) Polls(ctx context.Context, source string) ([]archive.Poll, error) {
	if b.of.past != nil {
		return nil, b.of.past
	}
	return b.Samples.Polls(ctx, source)
}

func (b brokenSpans) Past(ctx context.Context, source string, since, now time.Time) (archive.Past, error) {
	if b.of.past != nil {
		return archive.Past{}, b.of.past
	}
	return b.Spans.Past(ctx, source, since, now)
}

// served are the jobs of services.
type served struct{ *services }

func (s served) List() []*jobs.Job { return nil }

func (s served) Job(name string) *jobs.Job {
	if name != "a" {
		return nil
	}
	return &jobs.Job{Job: &config.Job{Name: name}, Topic: s.topic}
}

func (s served) Queue(context.Context, string) ([]wire.Waiting, error) {
	return []wire.Waiting{{ID: "r2", Position: 1}}, s.queue
}

func (s served) Start(context.Context, *jobs.Job, jobs.StartOptions) (*jobs.Run, wire.Run, error) {
	return nil, wire.Run{ID: "r1", Status: "succeeded"}, s.start
}

// otherRuns are api.Runs under a name that is not that of one of its methods.
type otherRuns = api.Runs

// servedRuns are the runs of services.
type servedRuns struct {
	otherRuns
	of *services
}

func (s servedRuns) Lookup(ctx context.Context, id string) (jobs.Record, error) {
	return s.of.runs.Lookup(ctx, id)
}

func (s servedRuns) Output(ctx context.Context, id string, from int64, most int) (archive.Output, <-chan struct{}, error) {
	return s.of.runs.Output(ctx, id, from, most)
}

func (s servedRuns) Runs(ctx context.Context, filter archive.RunFilter) ([]archive.Run, bool, error) {
	return s.of.runs.Runs(ctx, filter)
}

func (s servedRuns) Changed() *sse.Topic { return s.of.changed }

// newServices returns services and what answers requests about them.
func newServices(t *testing.T) (*services, http.Handler) {
	t.Helper()
	hub := sse.NewHub(t.Context(), &sse.HubOptions{OnSubscribe: api.Authorise, Subject: api.Subject})
	s := &services{topic: hub.Topic("source/a", sse.TopicOptions{KeepData: true})}
	if err := s.topic.Publish(sse.Event{Data: []byte(`{"key":"source/a"}`)}); err != nil {
		t.Fatal(err)
	}
	eventsTopic := hub.Topic("events", sse.TopicOptions{})
	s.events = &brokenEvents{Events: archive.NewMemoryEvents(archive.NewEventBounds(10_000))}
	s.journal = newJournal(t, s.events, eventsTopic)
	cfg := alertsConfig()
	current := func() *config.Config { return cfg }
	log := slog.New(slog.DiscardHandler)
	guard := access.New(current)
	s.alerts = &someAlerts{topic: hub.Topic("alerts", sse.TopicOptions{})}
	s.spans, s.changed = archive.NewMemorySpans(), hub.Topic("runs", sse.TopicOptions{})
	samples := archive.NewMemorySamples()
	samples.Keep("a", time.Hour)
	samples.Add("a", archive.Sample{Poll: archive.Poll{At: time.Now(), State: "ok"}, Value: 1.5})
	return s, api.New(api.Deps{
		Sources:     s,
		Jobs:        served{s},
		Runs:        servedRuns{of: s},
		Samples:     brokenSamples{samples, s},
		Spans:       brokenSpans{s.spans, s},
		Alerts:      s.alerts,
		AlertsTopic: s.alerts.topic,
		Clock:       clock.New(),
		Config:      current,
		ConfigTopic: hub.Topic("config", sse.TopicOptions{}),
		Reload:      func(context.Context, audit.Actor) (wire.Difference, error) { return s.reloaded, s.reload },
		Events:      s.events,
		EventsTopic: eventsTopic,
		Latest:      (*sse.Topic).Latest,
		Hub:         hub,
		Guard:       guard,
		Audit: audit.New(audit.Options{File: func() string { return "" }, Clock: clock.New(), Logger: log,
			Tell: func(r audit.Record) { s.recorded = append(s.recorded, r) }}),
		Log:        log,
		Clients:    flood.NewHandler(slog.NewTextHandler(&s.log, nil)),
		Ready:      func() bool { return true },
		Newer:      func() bool { return false },
		StoreFails: func() bool { return s.storeFails },
		Behind:     func(context.Context, bool) bool { return false },
	}).Handler()
}

// do makes a request and returns its answer, and the members of that if it is a JSON object.
func do(t *testing.T, h http.Handler, method, path, body string, header ...string) (*http.Response, map[string]any) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "http://localhost"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var object map[string]any
	_ = json.Unmarshal(w.Body.Bytes(), &object)
	return w.Result(), object
}

// Each error of a service has a status, and a type of problem if that says more.
func TestErrorsOfServicesAreProblems(t *testing.T) {
	const startsA, refreshesA, reloads = "/api/v1/jobs/a/runs", "/api/v1/sources/a/refresh", "/api/v1/config/reload"
	refused := func(code jobs.Code) func(*services) {
		return func(s *services) {
			s.start = &jobs.Refusal{Code: code, Detail: "the detail", Run: "r1", After: 1500 * time.Millisecond}
		}
	}
	for _, tt := range []struct {
		path   string
		with   func(*services)
		status int
		kind   string // the end of the type; empty: about:blank
	}{
		{startsA, refused(jobs.Busy), 409, "job-busy"},
		{startsA, refused(jobs.QueueFull), 429, "queue-full"},
		{startsA, refused(jobs.Limited), 429, "limit-reached"},
		{startsA, refused(jobs.Stopping), 503, "stopping"},
		{startsA, refused(jobs.KeyReused), 422, "idempotency-key-reused"},
		{startsA, refused(jobs.Expired), 410, ""},
		{startsA, func(s *services) { s.start = errors.New("no space") }, 503, ""},
		{refreshesA, func(s *services) { s.refresh = errors.New("ended") }, 503, "stopping"},
		{refreshesA, func(s *services) { s.wait = time.Second }, 429, ""},
		{startsA, refused(jobs.Elsewhere), 503, ""},
		{startsA, refused(jobs.NoAnswer), 504, ""},
		{refreshesA, func(s *services) { s.refresh = replica.ErrNoReplica }, 503, ""},
		{refreshesA, func(s *services) { s.refresh = fmt.Errorf("ask: %w", replica.ErrNoAnswer) }, 504, ""},
		{reloads, func(s *services) { s.reload = api.ErrNoFile }, 409, ""},
		{reloads, func(s *services) { s.reload = api.ErrStopping }, 503, "stopping"},
		{reloads, func(s *services) { s.reload = errors.New("no access") }, 422, ""},
		{reloads, func(s *services) { s.reload = grammar.Problems{{What: "unknown key", Line: 3}} }, 422, ""},
		{"/api/v1/sources/b/refresh", func(*services) {}, 404, ""},
		{"/api/v1/jobs/b/runs", func(*services) {}, 404, ""},
	} {
		s, handler := newServices(t)
		tt.with(s)
		answer, p := do(t, handler, "POST", tt.path, "{}")
		kind, _ := p["type"].(string)
		if i := strings.Index(kind, "/problems/"); i >= 0 {
			kind = kind[i+len("/problems/"):]
		} else {
			kind = strings.TrimPrefix(kind, "about:blank")
		}
		if answer.StatusCode != tt.status || kind != tt.kind || p["status"] != float64(tt.status) || p["detail"] == "" {
			t.Errorf("POST %s = %d %v, want %d of the type %q", tt.path, answer.StatusCode, p, tt.status, tt.kind)
		}
	}
	s, handler := newServices(t)
	refused(jobs.Busy)(s)
	if answer, p := do(t, handler, "POST", startsA, "{}"); p["run"] != "r1" || answer.Header.Get("Retry-After") != "2" {
		t.Errorf("a refused start is answered %v, Retry-After %q, want run r1 and 2", p, answer.Header.Get("Retry-After"))
	}
}

func TestAnswersComeFromServices(t *testing.T) {
	s, handler := newServices(t)
	s.reloaded = wire.Difference{Added: []string{"source/b"}, Changed: []string{}, Removed: []string{}}
	for _, tt := range []struct {
		method, path string
		status       int
		want         string // the answer, or its beginning
	}{
		{"GET", "/api/v1/sources", 200, `{"sources":[{"key":"source/a"}]}`},
		{"GET", "/api/v1/sources/a", 200, `{"key":"source/a"}`},
		{"POST", "/api/v1/sources/a/refresh", 202, `{"key":"source/a"}`},
		{"GET", "/api/v1/sources/a/history", 200, `{"name":"a","field":"","fields":[""],"t":[`},
		{"GET", "/api/v1/jobs", 200, `{"jobs":[]}`},
		{"GET", "/api/v1/jobs/a/queue", 200, `{"queue":[{"id":"r2","position":1,"args":null}]}`},
		{"POST", "/api/v1/jobs/a/runs", 202, `{"key":"","id":"r1",`},
		{"POST", "/api/v1/config/reload", 200, `{"added":["source/b"],"changed":[],"removed":[],"unchanged":0}`},
		{"GET", "/livez", 200, `{"status":"ok"}`},
		{"GET", "/readyz", 200, `{"status":"ok"}`},
		{"GET", "/metrics", 404, `{"type":"about:blank"`},
	} {
		r := httptest.NewRequestWithContext(t.Context(), tt.method, "http://localhost"+tt.path, strings.NewReader("{}"))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != tt.status || !strings.HasPrefix(w.Body.String(), tt.want) {
			t.Errorf("%s %s = %d %s, want %d %s", tt.method, tt.path, w.Code, w.Body, tt.status, tt.want)
		}
	}
}

// A gateway whose store fails still gets requests; monitors see it, and why is not for everybody.
func TestReadyWhileTheStoreFails(t *testing.T) {
	s, handler := newServices(t)
	s.storeFails = true
	resp, body := do(t, handler, "GET", "/readyz", "")
	if resp.StatusCode != 200 || body["status"] != "degraded" || body["store"] != "failing" || len(body) != 2 {
		t.Errorf("readyz = %d %v, want 200 and that it is degraded", resp.StatusCode, body)
	}
	if resp, body := do(t, handler, "GET", "/livez", ""); resp.StatusCode != 200 || body["status"] != "ok" {
		t.Errorf("livez = %d %v, want 200 and ok", resp.StatusCode, body)
	}
}

// A method that a path does not have is answered with those that it has.
func TestAllowNamesEveryMethod(t *testing.T) {
	_, handler := newServices(t)
	for path, want := range map[string]string{
		"/api/v1/sources": "GET, HEAD", "/api/v1/sources/a/refresh": "POST", "/": "GET, HEAD", "/auth/token": "POST",
		"/api/v1/silences": "GET, HEAD, POST",
	} {
		answer, p := do(t, handler, "DELETE", path, "")
		if got := answer.Header.Get("Allow"); answer.StatusCode != 405 || got != want || p["instance"] != path {
			t.Errorf("DELETE %s = %d, Allow %q, %v, want 405 and %q", path, answer.StatusCode, got, p, want)
		}
	}
	for path, want := range map[string]string{"/sources/a/refresh": "text/html; charset=utf-8", "/api/v1/sources/a/refresh": "application/problem+json"} {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "http://127.0.0.1"+path, nil)
		r.Header.Set("Accept", "text/html,*/*")
		handler.ServeHTTP(w, r)
		if got := w.Header().Get("Content-Type"); w.Code != 405 || got != want || w.Header().Get("Allow") != "POST" {
			t.Errorf("a browser at %s gets %d, %s, want 405 and %s", path, w.Code, got, want)
		}
	}
	if answer, _ := do(t, handler, "PUT", "/api/v1/silences/s1", "{}"); answer.StatusCode != 405 || answer.Header.Get("Allow") != "DELETE" {
		t.Errorf("PUT of a silence = %d, Allow %q, want 405 and DELETE", answer.StatusCode, answer.Header.Get("Allow"))
	}
}

func mustCompile(src string) *jq.Program {
	p, err := jq.Compile(src)
	if err != nil {
		panic(err)
	}
	return p
}
