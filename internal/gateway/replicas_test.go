package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/gateway"
	"github.com/tidewire/tidewire/internal/replica"
	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/snapshot/snapshottest"
	"github.com/tidewire/tidewire/sse/ssetest"
)

// A questions brings questions from one gateway of a test to another one.
type questions struct {
	mu      sync.Mutex // guards the field below
	answers map[string]func(context.Context, []byte) []byte
	silent  map[string]bool // those that do not answer
}

func (q *questions) Ask(ctx context.Context, id string, question []byte) ([]byte, error) {
	q.mu.Lock()
	answer, silent := q.answers[id], q.silent[id]
	q.mu.Unlock()
	if silent {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	if answer == nil {
		return nil, replica.ErrNoReplica
	}
	time.Sleep(time.Millisecond)
	if len(question) > maxMessage {
		return nil, fmt.Errorf("the question has %d bytes", len(question))
	}
	got := answer(ctx, bytes.Clone(question))
	if len(got) > maxMessage {
		return nil, fmt.Errorf("the answer has %d bytes", len(got))
	}
	return got, nil
}

// maxMessage bounds a question and an answer, as a store on NATS does.
const maxMessage = 992 << 10

func (q *questions) Answer(id string, answer func(context.Context, []byte) []byte) (stop func(), err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.answers == nil {
		q.answers = map[string]func(context.Context, []byte) []byte{}
	}
	q.answers[id] = answer
	return func() { q.drop(id) }, nil
}

func (q *questions) drop(id string) func(context.Context, []byte) []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	defer delete(q.answers, id)
	return q.answers[id]
}

// silence has a replica not answer, or answer again.
func (q *questions) silence(id string, silent bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.silent == nil {
		q.silent = map[string]bool{}
	}
	q.silent[id] = silent
}

// A fleet is some replicas in a bubble, with the service that their sources poll.
type fleet struct {
	t        *testing.T
	store    snapshot.Store
	jobTakes time.Duration // how long a run works
	opsTakes time.Duration // how long the receiver ops takes to answer
	lingers  time.Duration // how long it takes to end when it is to
	joined   int           // how many have
	questions

	mu       sync.Mutex           // guards the fields below
	polling  map[string]*member   // who polls a source at the moment
	polled   map[string]time.Time // when the last poll of a source began
	by       map[string]*member   // who did that
	gaps     map[string]time.Duration
	worked   map[string][]time.Time // when runs of a job began
	working  map[string]int         // how many are at work
	value    string                 // of all sources
	refuses  bool                   // polls get 429
	messages []object               // which the receiver ops got
	logs     bytes.Buffer
}

// A member is a replica of a fleet.
type member struct {
	gateway.Gateway
	of      *fleet
	process *snapshottest.Process
	end     context.CancelFunc
	over    <-chan struct{}
	dead    bool
}

func newFleet(t *testing.T) *fleet {
	if gateway.Lag > 0 {
		t.Skip("the store of a fleet is late in any case")
	}
	f := &fleet{
		t: t, store: snapshottest.Distant(snapshot.NewMemory(), 5*time.Millisecond), polling: map[string]*member{},
		polled: map[string]time.Time{}, by: map[string]*member{}, gaps: map[string]time.Duration{},
		worked: map[string][]time.Time{}, working: map[string]int{}, jobTakes: 2 * time.Second, value: "1",
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(f.logs.String())
		}
	})
	return f
}

func (f *fleet) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.logs.Write(p)
}

// join starts one more replica.
func (f *fleet) join(yaml string) *member { return f.joinWith(yaml, 0) }

// joinWith starts one that reads what replicas share up to a format.
func (f *fleet) joinWith(yaml string, format int) *member {
	return f.joinAs(yaml, func(o gateway.Options) gateway.Options { return o.WithFormat(format) })
}

// joinAs starts one with other options.
func (f *fleet) joinAs(yaml string, with func(gateway.Options) gateway.Options) *member {
	return f.joinBy(load(f.t, yaml), with)
}

// joinNamed starts one of that name.
func (f *fleet) joinNamed(name, yaml string) *member {
	return f.joinAs(yaml, func(o gateway.Options) gateway.Options { return gateway.Named(o, name) })
}

func (f *fleet) joinBy(cfg *config.Config, with func(gateway.Options) gateway.Options) *member {
	m := &member{of: f, process: snapshottest.NewProcess(f.store)}
	ctx, end := context.WithCancel(context.Background())
	m.end = end
	f.joined++
	opts := with(gateway.Named(gateway.Replica(m.process, &f.questions), fmt.Sprint("r", f.joined)))
	opts.Logger = slog.New(slog.NewTextHandler(f, nil))
	m.Gateway = gateway.NewGateway(f.t, ctx, cfg, opts)
	m.Ask(m)
	m.over = m.Start(ctx)
	return m
}

// RoundTrip answers a poll of http://up/NAME/N after 100 ms.
func (m *member) RoundTrip(r *http.Request) (*http.Response, error) {
	f, name := m.of, r.URL.Path
	f.mu.Lock()
	dead := m.dead
	f.mu.Unlock()
	if dead {
		return nil, context.Canceled
	}
	if name == "/ops" {
		var message object
		_ = json.NewDecoder(r.Body).Decode(&message)
		f.mu.Lock()
		f.messages = append(f.messages, message)
		fmt.Fprintf(&f.logs, "ops was told by %s: %v\n", m.ReplicaID(), message)
		f.mu.Unlock()
		time.Sleep(f.opsTakes)
		return answerOf(r, "{}"), nil
	}
	if strings.HasSuffix(name, "/job") {
		return m.work(r)
	}
	f.mu.Lock()
	if other := f.polling[name]; other != nil {
		f.t.Errorf("%s is polled twice at once", name)
	}
	now := time.Now()
	if before := f.polled[name]; !before.IsZero() {
		f.gaps[name] = max(f.gaps[name], now.Sub(before))
	}
	f.polling[name], f.polled[name], f.by[name] = m, now, m
	f.mu.Unlock()
	var err error
	select {
	case <-time.After(100 * time.Millisecond):
	case <-r.Context().Done():
		err = r.Context().Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.polling, name)
	if err != nil {
		return nil, err
	}
	answer := answerOf(r, f.value)
	if f.refuses {
		answer.StatusCode = http.StatusTooManyRequests
		answer.Header.Set("Retry-After", "3600")
	}
	return answer, nil
}

func answerOf(r *http.Request, body string) *http.Response {
	return &http.Response{
		StatusCode: 200, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)),
	}
}

// work is the work of a run of a job.
func (m *member) work(r *http.Request) (*http.Response, error) {
	f, name := m.of, r.URL.Path
	f.mu.Lock()
	f.worked[name] = append(f.worked[name], time.Now())
	f.by[name] = m
	if f.working[name]++; f.working[name] > 1 {
		f.t.Errorf("two runs of %s are at work", name)
	}
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.working[name]--
	}()
	select {
	case <-time.After(f.jobTakes):
		return answerOf(r, "1"), nil
	case <-r.Context().Done():
		time.Sleep(f.lingers)
		return nil, r.Context().Err()
	}
}

// leave stops the replica in order.
func (m *member) leave() {
	m.Leave(context.Background())
	m.stop()
}

func (m *member) stop() {
	m.end()
	<-m.over
	m.End()
}

// kill has the replica die.
func (m *member) kill() {
	m.of.drop(m.ReplicaID())
	m.of.mu.Lock()
	m.dead = true
	m.of.mu.Unlock()
	m.process.Kill()
	m.stop()
}

// doer returns who has done something last.
func (f *fleet) doer(name string) *member {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.by[name]
}

// owners returns who has polled each source last, of those that were polled since.
func (f *fleet) owners(since time.Time) map[*member]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := map[*member]int{}
	for name, at := range f.polled {
		if !at.Before(since) {
			all[f.by[name]]++
		}
	}
	return all
}

func (m *member) do(method, path, body string) *httptest.ResponseRecorder {
	return m.doWith(method, path, body, nil)
}

func (m *member) doWith(method, path, body string, header http.Header) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(m.of.t.Context(), method, "http://localhost"+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, values := range header {
		r.Header[name] = values
	}
	m.Handler().ServeHTTP(w, r)
	return w
}

func (m *member) json(method, path, body string) object {
	m.of.t.Helper()
	return decode(m.of.t, m.do(method, path, body).Body.Bytes())
}

// Sources are polled by one replica each, all of an upstream by the same. They move within two seconds when replicas come,
// leave and die, are never polled twice at once, and miss no poll but for the time in which nobody knows of a death.
func TestReplicasShareSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		yaml := "upstreams:\n"
		for u := range 48 {
			yaml += fmt.Sprintf("  u%d: {http: \"http://up/u%d\"}\n", u, u)
		}
		yaml += "sources:\n"
		for u := range 48 {
			for s := range 3 {
				yaml += fmt.Sprintf("  s%d-%d: {http: {upstream: u%d, path: /%d}, every: 1s}\n", u, s, u, s)
			}
		}
		f := newFleet(t)
		check := func(what string, members ...*member) {
			t.Helper()
			time.Sleep(2 * time.Second)
			since := time.Now()
			time.Sleep(3 * time.Second)
			owners := f.owners(since)
			sum := 0
			for _, m := range members {
				sum += owners[m]
				if owners[m] == 0 || owners[m]%3 != 0 {
					t.Errorf("%s: a replica polls %d sources, want some, and all of an upstream", what, owners[m])
				}
			}
			if sum != 144 {
				t.Errorf("%s: %d sources are polled by those who should, want 144: %v", what, sum, owners)
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			for name, gap := range f.gaps {
				if gap > 3*time.Second {
					t.Errorf("%s: %s was not polled for %v", what, name, gap)
				}
			}
			clear(f.gaps)
		}
		a := f.join(yaml)
		check("one", a)
		b := f.join(yaml)
		check("two", a, b)
		c := f.join(yaml)
		check("three", a, b, c)
		b.leave()
		check("one left", a, c)
		d := f.join(yaml)
		check("one came", a, c, d)
		a.kill()
		check("one died", c, d)
		for _, m := range []*member{c, d} {
			if got := m.json("GET", "/api/v1/sources/s3-1", ""); got["state"] != "ok" || got["value"] != 1.0 {
				t.Errorf("a replica shows %v", got)
			}
		}
		c.leave()
		check("one is left", d)
		d.leave()
	})
}

// What an upstream has asked for, by Retry-After, holds for whoever polls it next.
func TestReplicasKeepAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const yaml = "upstreams: {u: {http: \"http://up/u\"}}\nsources: {a: {http: {upstream: u, path: /a}, every: 1s}}\n"
		f := newFleet(t)
		a := f.join(yaml)
		time.Sleep(5 * time.Second)
		f.mu.Lock()
		f.refuses = true
		f.mu.Unlock()
		time.Sleep(5 * time.Second)
		a.kill()
		b := f.join(yaml)
		time.Sleep(10 * time.Minute)
		f.mu.Lock()
		if got := time.Since(f.polled["/u/a"]); got < 10*time.Minute {
			t.Errorf("the upstream was asked %v ago, though it wants to be left alone for an hour", got)
		}
		f.refuses = false
		f.mu.Unlock()
		time.Sleep(time.Hour)
		if got := b.json("GET", "/api/v1/sources/a", ""); got["state"] != "ok" {
			t.Errorf("after the pause the source is %v", got)
		}
		b.leave()
	})
}

// A source that is polled while it is watched is so wherever it is watched.
func TestReplicasShareWatchers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		yaml := "upstreams:\n"
		for u := range 8 {
			yaml += fmt.Sprintf("  u%d: {http: \"http://up/u%d\"}\n", u, u)
		}
		yaml += "sources:\n"
		for u := range 8 {
			yaml += fmt.Sprintf("  s%d: {http: {upstream: u%d, path: /s}, every: {normal: 1s, unwatched: never}}\n", u, u)
		}
		f := newFleet(t)
		a, b := f.join(yaml), f.join(yaml)
		time.Sleep(10 * time.Second)
		if got := f.owners(time.Now().Add(-5 * time.Second)); len(got) != 0 {
			t.Errorf("sources that nobody watches are polled: %v", got)
		}
		ctx, leave := context.WithCancel(t.Context())
		over := make(chan struct{})
		go func() {
			defer close(over)
			r := httptest.NewRequestWithContext(ctx, "GET", "http://localhost/api/v1/stream", nil)
			a.Handler().ServeHTTP(new(ssetest.Writer), r)
		}()
		time.Sleep(10 * time.Second)
		polled := 0
		for _, n := range f.owners(time.Now().Add(-3 * time.Second)) {
			polled += n
		}
		if polled != 8 {
			t.Errorf("of 8 sources that are watched at one replica %d are polled", polled)
		}
		leave()
		<-over
		time.Sleep(20 * time.Second)
		if got := f.owners(time.Now().Add(-5 * time.Second)); len(got) != 0 {
			t.Errorf("sources that nobody watches any more are polled: %v", got)
		}
		a.leave()
		b.leave()
	})
}
