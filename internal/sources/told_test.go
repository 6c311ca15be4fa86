package sources_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/kind/all"
	"github.com/tidewire/tidewire/internal/sources"
	"github.com/tidewire/tidewire/internal/value"
)

// A bus is a kind of sources that are told their values, by topic.
type bus struct {
	mu        sync.Mutex // guards the fields below
	subscribe map[string]func(ctx context.Context, emit kind.Emit) error
	emits     map[string]kind.Emit // of those that are subscribed
	open      atomic.Int32         // sources that are open
}

// newBus adds the kind "bus" for the time of a test.
func newBus(t *testing.T) *bus {
	b := &bus{subscribe: map[string]func(context.Context, kind.Emit) error{}, emits: map[string]kind.Emit{}}
	t.Cleanup(all.Extend(kind.Kind{Name: "bus", Subscribes: true, Section: func(kind.Reading) kind.Section {
		s := &busSource{bus: b}
		return kind.Section{
			Keys:   grammar.Keys{grammar.Line("bus", "a topic", &s.Topic).OneOf()},
			Source: func(*grammar.Node) kind.Source { return s },
		}
	}}))
	return b
}

// on has what subscribes to a topic do something. Without it, it waits until it ends.
func (b *bus) on(topic string, subscribe func(ctx context.Context, emit kind.Emit) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.subscribe[topic] = subscribe
}

// tell emits a text on a topic.
func (b *bus) tell(topic, text string) {
	b.mu.Lock()
	emit := b.emits[topic]
	b.mu.Unlock()
	if emit != nil {
		emit(kind.Payload([]byte(text), value.JSON))
	}
}

type busSource struct {
	Topic string
	bus   *bus
}

func (s *busSource) Open(kind.Env) (kind.Fetcher, error) {
	s.bus.open.Add(1)
	return &listener{source: s}, nil
}
func (s *busSource) SameValue(other kind.Source) bool { return s.Topic == other.(*busSource).Topic }
func (s *busSource) Describe() string                 { return "is told on " + s.Topic }
func (s *busSource) Secrets() kind.Secrets            { return kind.Secrets{} }
func (s *busSource) DefaultParse() string             { return "json" }

// A listener is one that is subscribed to a topic.
type listener struct {
	kind.Told
	source *busSource
}

func (l *listener) Close() error {
	l.source.bus.open.Add(-1)
	return nil
}

func (l *listener) Subscribe(ctx context.Context, emit kind.Emit) error {
	b, topic := l.source.bus, l.source.Topic
	b.mu.Lock()
	b.emits[topic] = emit
	subscribe := b.subscribe[topic]
	b.mu.Unlock()
	if subscribe != nil {
		return subscribe(ctx, emit)
	}
	emit.Connected()
	<-ctx.Done()
	return ctx.Err()
}

// toldPolling polls a configuration, which is stopped at the end.
func toldPolling(t *testing.T, yaml string) *polling {
	p := newPolling(t, yaml)
	t.Cleanup(func() { p.Stop(context.Background()) })
	return p
}

func (p *polling) wantState(when, name, state, value, err string) {
	p.t.Helper()
	synctest.Wait()
	now := p.now(name)
	text, _ := now["error"].(string)
	if got := fmt.Sprint(now["value"]); now["state"] != state || got != value || text != err {
		p.t.Errorf("%s: %s is %v, %s, error %q, want %s, %s, %q", when, name, now["state"], got, text, state, value, err)
	}
	if now["next_at"] != nil || now["waiting"] != "" {
		p.t.Errorf("%s: the next poll of %s is at %v, %v", when, name, now["next_at"], now["waiting"])
	}
}

func TestToldSources(t *testing.T) {
	b := newBus(t)
	synctest.Test(t, func(t *testing.T) {
		p := toldPolling(t, `
sources:
  a: {bus: a, pick: .v, deadband: 2, stale_after: 1m, show: {history: 1h}}
  sum: {from: [a], combine: .a.value * 2}
`)
		p.wantState("connected without data", "a", "pending", "<nil>", "")
		b.tell("a", `{"v": 5}`)
		time.Sleep(time.Second)
		p.wantState("a message", "a", "ok", "5", "")
		if sum := p.now("sum"); sum["state"] != "ok" || sum["value"] != 10.0 {
			t.Errorf("sum = %v, want 10 of the message", sum)
		}
		b.tell("a", `{"v": 6}`)
		p.wantState("within the deadband", "a", "ok", "5", "")
		b.tell("a", `{"v": `)
		p.wantState("broken", "a", "stale", "5", `JSON that ends too early, starts with "{\"v\":"`)
		b.tell("a", `{"v": 8}`)
		p.wantState("fine again", "a", "ok", "8", "")
		time.Sleep(59 * time.Second)
		p.wantState("for 59s", "a", "ok", "8", "")
		time.Sleep(2 * time.Second)
		p.wantState("for 61s", "a", "stale", "8", "no message for 1 min")
		b.tell("a", `{"v": 8}`)
		p.wantState("told again", "a", "ok", "8", "")
		if n := len(p.polled("a")); n != 0 {
			t.Errorf("a was polled %d times", n)
		}
	})
}

func TestTheLinkOfAToldSourceIsDown(t *testing.T) {
	b := newBus(t)
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("connection refused")
		b.on("a", func(context.Context, kind.Emit) error { return down })
		p := toldPolling(t, "sources:\n  a: {bus: a}\n")
		p.wantState("never up", "a", "failing", "<nil>", "connection refused")
		b.on("a", nil)
		time.Sleep(6 * time.Second)
		p.wantState("up, without data", "a", "pending", "<nil>", "")
		b.tell("a", "1")
		p.wantState("a message", "a", "ok", "1", "")

		lost := make(chan error)
		b.on("a", func(ctx context.Context, emit kind.Emit) error { panic("in a kind") })
		p.changeTo(t, "sources:\n  a: {bus: a, title: A}\n")
		p.wantState("a panic", "a", "stale", "1", "internal error (in a kind); the log says more")
		b.on("a", func(ctx context.Context, emit kind.Emit) error {
			emit.Connected()
			select {
			case err := <-lost:
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		time.Sleep(6 * time.Second)
		p.wantState("up, no new data", "a", "stale", "1", "internal error (in a kind); the log says more")
		b.tell("a", "2")
		p.wantState("new data", "a", "ok", "2", "")
		before := time.Now()
		lost <- errors.New("connection reset by peer")
		p.wantState("down at once", "a", "stale", "2", "connection reset by peer")
		if took := time.Since(before); took != 0 {
			t.Errorf("the end of the link was known after %v", took)
		}
		time.Sleep(6 * time.Second)
		b.tell("a", "3")
		p.wantState("up again", "a", "ok", "3", "")
	})
}

func (p *polling) changeTo(t *testing.T, yaml string) {
	t.Helper()
	cfg, problems := config.Load("test.yaml", []byte("version: 1\ndefaults: {jitter: 0}\n"+yaml))
	if problems != nil {
		t.Fatal(problems)
	}
	if err := p.Change(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
}

// A reload ends the subscription of what it changes or removes, and nothing else.
func TestReloadsOfToldSources(t *testing.T) {
	b := newBus(t)
	synctest.Test(t, func(t *testing.T) {
		var subscribed, ended atomic.Int32
		for _, topic := range []string{"a", "b", "c"} {
			b.on(topic, func(ctx context.Context, emit kind.Emit) error {
				subscribed.Add(1)
				emit(kind.Payload([]byte(`"`+topic+`"`), value.JSON))
				<-ctx.Done()
				ended.Add(1)
				emit(kind.Payload([]byte(`"late"`), value.JSON))
				return ctx.Err()
			})
		}
		want := func(when string, begun, over, open int32) {
			t.Helper()
			synctest.Wait()
			if subscribed.Load() != begun || ended.Load() != over || b.open.Load() != open {
				t.Errorf("%s: %d subscribed, %d ended, %d open, want %d, %d, %d", when, subscribed.Load(), ended.Load(), b.open.Load(), begun, over, open)
			}
		}
		p := toldPolling(t, "sources:\n  a: {bus: a}\n  b: {bus: b}\n")
		want("at first", 2, 0, 2)
		p.changeTo(t, "sources:\n  a: {bus: a}\n  b: {bus: b, title: B}\n  c: {bus: c}\n")
		want("b is changed, c is new", 4, 1, 3)
		for _, name := range []string{"a", "b", "c"} {
			p.wantState("changed", name, "ok", name, "")
		}
		p.changeTo(t, "sources:\n  b: {bus: c}\n")
		want("a and c are removed", 5, 4, 1)
		p.wantState("another topic", "b", "ok", "c", "")
		p.Stop(t.Context())
		want("stopped", 5, 5, 0)
	})
}

// What wakes the task of a source that is told its values shows no next poll: there may be nothing to take when it runs.
func TestNoNextPollOfToldSources(t *testing.T) {
	b := newBus(t)
	synctest.Test(t, func(t *testing.T) {
		p := toldPolling(t, "sources:\n  a: {bus: a}\n")
		synctest.Wait()
		for i := range 500 {
			for range i % 5 {
				b.tell("a", "0")
			}
			b.tell("a", fmt.Sprint(i))
			p.wantState("two messages", "a", "ok", fmt.Sprint(i), "")
		}
	})
}

// A burst is published at most as often as at_most says, and its end always is.
func TestAtMost(t *testing.T) {
	b := newBus(t)
	synctest.Test(t, func(t *testing.T) {
		p := toldPolling(t, "sources:\n  a: {bus: a, at_most: 100ms}\n")
		var published atomic.Int32
		defer p.Topic("a").OnPublish(func() { published.Add(1) })()
		for i := range 1000 {
			b.tell("a", fmt.Sprint(i))
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		p.wantState("after the burst", "a", "ok", "999", "")
		if n := published.Load(); n < 10 || n > 13 {
			t.Errorf("published %d times in 1s, want about 10", n)
		}
	})
}

func TestRefreshOfToldSources(t *testing.T) {
	b := newBus(t)
	synctest.Test(t, func(t *testing.T) {
		p := toldPolling(t, `
sources:
  told: {bus: told}
  polled: {exec: [polled], every: 1h}
  both: {from: [told, polled]}
  none: {from: [told]}
`)
		for name, want := range map[string]error{"told": kind.ErrNotAsked, "none": kind.ErrNotAsked, "polled": nil, "both": nil} {
			if _, err := p.Refresh(t.Context(), name); err != want {
				t.Errorf("Refresh(%s) = %v, want %v", name, err, want)
			}
		}
		b.tell("told", "1")
		p.wantState("told", "told", "ok", "1", "")
		if got := p.now("told"); got["told"] != true {
			t.Errorf("the snapshot of what cannot be asked is %v, want told in it", got)
		}
		synctest.Wait()
		if got := p.now("polled"); got["told"] != nil {
			t.Errorf("the snapshot of what is polled is %v, want no told in it", got)
		}
	})
}

// A poll by a person waits for one message.
func TestPollOnceOfAToldSource(t *testing.T) {
	b := newBus(t)
	for _, tt := range []struct{ what, want, err string }{
		{"message", "7", ""},
		{"link", "", "connection refused"},
		{"silence", "", "no message for 10 s"},
	} {
		synctest.Test(t, func(t *testing.T) {
			b.on("a", func(ctx context.Context, emit kind.Emit) error {
				kind.TraceOf(ctx).Section("subscribed")
				if tt.what == "link" {
					return errors.New(tt.err)
				}
				emit.Connected()
				time.Sleep(time.Second)
				if tt.what == "message" {
					emit(kind.Payload([]byte(tt.want), value.JSON))
				}
				<-ctx.Done()
				return ctx.Err()
			})
			cfg, _ := config.Load("test.yaml", []byte("version: 1\nsources:\n  a: {bus: a}\n"))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			p, err := sources.NewPolling(ctx, cfg, nil) // which does not run
			if err != nil {
				t.Fatal(err)
			}
			var trace strings.Builder
			for _, to := range []io.Writer{nil, &trace} {
				data, err := p.PollOnce(t.Context(), "a", to)
				if string(data) != tt.want || (err == nil) != (tt.err == "") || err != nil && err.Error() != tt.err {
					t.Errorf("%s: PollOnce = %s, %v, want %s, %s", tt.what, data, err, tt.want, tt.err)
				}
			}
			if got := trace.String(); !strings.HasPrefix(got, "source a is told on a\n\nsubscribed\n") || strings.Contains(got, "every") {
				t.Errorf("%s: the trace is\n%s", tt.what, got)
			}
			p.Stop(t.Context())
		})
	}
}

// Start, stop, reload, messages and links that are down meet in any order.
func TestStressOfToldSources(t *testing.T) {
	b := newBus(t)
	for i := range 8 {
		b.on(fmt.Sprint("t", i), func(ctx context.Context, emit kind.Emit) error {
			for ctx.Err() == nil && rand.N(20) > 0 {
				emit(kind.Payload([]byte(fmt.Sprint(rand.N(100))), value.JSON))
				time.Sleep(rand.N(5 * time.Millisecond))
			}
			if rand.N(10) == 0 {
				panic("in a kind")
			}
			return errors.New("down")
		})
	}
	configuration := func() string {
		text := "sources:\n  other: {exec: [x]}\n"
		for i := range 8 {
			if rand.N(3) > 0 {
				text += fmt.Sprintf("  s%d: {bus: t%d, at_most: %dms, title: '%d'}\n", i, rand.N(8), 1+rand.N(3), rand.N(3))
			}
		}
		return text
	}
	for range 5 {
		synctest.Test(t, func(t *testing.T) {
			p := toldPolling(t, configuration())
			for range 100 {
				time.Sleep(rand.N(20 * time.Millisecond))
				p.changeTo(t, configuration())
			}
			p.Stop(t.Context())
			if n := b.open.Load(); n != 0 {
				t.Errorf("%d sources are open after the stop", n)
			}
		})
	}
}

// Messages after the end of the scheduler, and before the sources are stopped, count for nothing.
func TestMessagesAfterTheEnd(t *testing.T) {
	b := newBus(t)
	synctest.Test(t, func(t *testing.T) {
		cfg, _ := config.Load("test.yaml", []byte("version: 1\nsources:\n  a: {bus: a}\n"))
		ctx, cancel := context.WithCancel(t.Context())
		p, err := sources.NewPolling(ctx, cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		over := make(chan error)
		go func() { over <- p.Run(ctx) }()
		synctest.Wait()
		b.tell("a", "1")
		synctest.Wait()
		cancel()
		<-over
		b.tell("a", "2")
		synctest.Wait()
		p.Stop(context.Background())
		b.tell("a", "3")
		if n := b.open.Load(); n != 0 {
			t.Errorf("%d sources are open after the stop", n)
		}
	})
}

// What a source that is told cannot have, and what only that can have, is said.
func TestKeysOfToldSources(t *testing.T) {
	newBus(t)
	for source, want := range map[string]string{
		"bus: a, every: 1s":             "every in a source that is told its values, which is not polled, remove it",
		"bus: a, timeout: 1s":           "timeout in a source that is told its values",
		"bus: a, stale_after: 3 polls":  "stale_after counts polls in a source that is told its values",
		"exec: [a], at_most: 1s":        "at_most in a source that is not told its values",
		"bus: a, parse: text, title: A": "",
	} {
		_, problems := config.Load("t.yaml", []byte("version: 1\ndefaults: {every: 1s, stale_after: 2 polls}\nsources:\n  a: {"+source+"}\n"))
		if got := problems.Error(); !strings.Contains(got, want) || (want == "") != (problems == nil) {
			t.Errorf("%s: %s, want %s", source, got, want)
		}
	}
}
