package sse_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// published records what a Polling publishes, as JSON after the time since the record was made.
type published struct {
	since time.Time

	mu    sync.Mutex // guards the field below
	lines []string
}

func newPublished() *published { return &published{since: time.Now()} }

func (p *published) Publish(data any) {
	b, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines = append(p.lines, fmt.Sprintf("%v %s", time.Since(p.since), b))
}

// take returns what was published since the last take.
func (p *published) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	lines := p.lines
	p.lines = nil
	return lines
}

// count returns a function to poll that answers 1, 2, 3…
func count() func(context.Context) (any, error) {
	var n atomic.Int64
	return func(context.Context) (any, error) { return n.Add(1), nil }
}

// coded is an error with a code.
type coded int

func (c coded) Error() string { return fmt.Sprintf("no, %d", int(c)) }
func (c coded) Code() int     { return int(c) }

func checkLines(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got\n\t%s\nwant\n\t%s", what, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func TestBehaviour25PollsAtOnceThenEveryInterval(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts []sse.PollingOption
		want []string
	}{
		{"default", nil, []string{"0s 1", "5s 2", "10s 3"}},
		{"zero", []sse.PollingOption{sse.WithCustomPollingInterval(0)}, []string{"0s 1", "5s 2", "10s 3"}},
		{"negative", []sse.PollingOption{sse.WithCustomPollingInterval(-1)}, []string{"0s 1", "5s 2", "10s 3"}},
		{"4s", []sse.PollingOption{sse.WithCustomPollingInterval(4 * time.Second)}, []string{"0s 1", "4s 2", "8s 3"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := newPublished()
				p := sse.NewPolling(nil, count(), tt.opts...)
				p.Start(got)
				time.Sleep(11 * time.Second)
				p.Stop()
				checkLines(t, "published", got.take(), tt.want...)
			})
		})
	}
}

func TestBehaviour25PollsNeverOverlapAndSkipTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := newPublished()
		var running, n atomic.Int64
		p := sse.NewPolling(nil, func(context.Context) (any, error) {
			if running.Add(1) > 1 {
				t.Error("two polls at once")
			}
			defer running.Add(-1)
			if n.Add(1) == 2 {
				time.Sleep(12 * time.Second) // from 5s to 17s: the tick at 10s waits, the one at 15s is skipped
			}
			return n.Load(), nil
		})
		p.Start(got)
		time.Sleep(26 * time.Second)
		p.Stop()
		checkLines(t, "published", got.take(), "0s 1", "17s 2", "17s 3", "20s 4", "25s 5")
	})
}

func TestBehaviour26ErrorsArePublishedAndPollingGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		got := newPublished()
		errs := []error{
			errors.New("upstream is down"),
			fmt.Errorf("tank: %w", coded(404)),
			coded(7),    // no HTTP status
			coded(1200), // nor this
			nil,
		}
		n := 0
		var asked []any
		p := sse.NewPolling(slog.New(slog.NewTextHandler(&logged, nil)),
			func(context.Context) (any, error) { n++; return n, errs[(n-1)%len(errs)] },
			sse.WithCustomPollingInterval(time.Second),
			sse.WithStopCondition(func(v any) bool { asked = append(asked, v); return false }),
		)
		p.Start(got)
		time.Sleep(4500 * time.Millisecond)
		p.Stop()
		checkLines(t, "published", got.take(),
			`0s {"apiVersion":"v1","message":"upstream is down","statusCode":500}`,
			`1s {"apiVersion":"v1","message":"tank: no, 404","statusCode":404}`,
			`2s {"apiVersion":"v1","message":"no, 7","statusCode":500}`,
			`3s {"apiVersion":"v1","message":"no, 1200","statusCode":500}`,
			`4s 5`,
		)
		if want := []any{5}; !slices.Equal(asked, want) {
			t.Errorf("the stop condition was asked about %v, want %v", asked, want)
		}
		if got, want := logged.String(), `msg="poll failed" err="upstream is down"`; !strings.Contains(got, want) {
			t.Errorf("log = %q, want it to contain %q", got, want)
		}
	})
}

func TestBehaviour26CustomApiVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := newPublished()
		p := sse.NewPolling(nil, func(context.Context) (any, error) { return nil, coded(503) }, sse.WithCustomApiVersion("v3"))
		p.Start(got)
		synctest.Wait()
		p.Stop()
		checkLines(t, "published", got.take(), `0s {"apiVersion":"v3","message":"no, 503","statusCode":503}`)
	})
}

func TestBehaviour27StopConditionPublishesThenEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := newPublished()
		over := 0
		p := sse.NewPolling(nil, count(),
			sse.WithStopCondition(func(v any) bool { return v.(int64)%3 == 0 }),
			sse.WithStopCallback(func() { over++ }),
		)
		p.Start(got)
		time.Sleep(time.Hour)
		synctest.Wait()
		checkLines(t, "published", got.take(), "0s 1", "5s 2", "10s 3")
		if over != 1 {
			t.Errorf("stop callbacks = %d, want 1", over)
		}
		if p.Running() {
			t.Error("Running() = true after the stop condition was met")
		}
		p.Stop()
		if over != 1 {
			t.Errorf("stop callbacks after Stop = %d, want 1", over)
		}
	})
}

func TestBehaviour27StopCallbackRunsWhateverTheReason(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fetch func(context.Context) (any, error)
	}{
		{"stopped", count()},
		{"stopped in a poll", func(ctx context.Context) (any, error) { <-ctx.Done(); return nil, ctx.Err() }},
		{"goroutine ended", func(context.Context) (any, error) { runtime.Goexit(); return nil, nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				over := 0
				var p *sse.Polling
				p = sse.NewPolling(nil, tt.fetch, sse.WithStopCallback(func() {
					over++
					if p.Running() {
						t.Error("Running() = true when polling is over")
					}
				}))
				p.Start(newPublished())
				synctest.Wait()
				p.Stop()
				if over != 1 {
					t.Errorf("stop callbacks = %d, want 1", over)
				}
			})
		})
	}
}

func TestBehaviour28StopBeforeStart(t *testing.T) {
	p := sse.NewPolling(nil, count())
	if err := p.Stop(); err != nil {
		t.Errorf("Stop() = %v, want nil", err)
	}
	if p.Running() {
		t.Error("Running() = true before Start")
	}
}

func TestBehaviour28StopCancelsThePollAndWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := newPublished()
		returned := false
		p := sse.NewPolling(nil, func(ctx context.Context) (any, error) {
			<-ctx.Done()
			time.Sleep(3 * time.Second) // tidies up
			returned = true
			return 1, nil
		})
		p.Start(got)
		time.Sleep(time.Second)
		if !p.Running() {
			t.Error("Running() = false during a poll")
		}
		before := time.Now()
		p.Stop()
		if !returned {
			t.Error("Stop returned before the poll")
		}
		if took := time.Since(before); took != 3*time.Second {
			t.Errorf("Stop took %v, want 3s", took)
		}
		checkLines(t, "published", got.take(), "4s 1")
	})
}

// A second Start used to lose sight of the first loop.
func TestPollingStartAgainTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := newPublished(), newPublished()
		var running, n atomic.Int64
		p := sse.NewPolling(nil, func(ctx context.Context) (any, error) {
			if running.Add(1) > 1 {
				t.Error("two loops at once")
			}
			defer running.Add(-1)
			if n.Add(1) == 1 {
				<-ctx.Done()
				time.Sleep(3 * time.Second)
			}
			return n.Load(), nil
		})
		p.Start(first)
		synctest.Wait()
		p.Start(second) // does not wait for the 3 s
		if !p.Running() {
			t.Error("Running() = false after Start")
		}
		time.Sleep(6 * time.Second)
		p.Stop()
		time.Sleep(time.Hour)
		checkLines(t, "first", first.take(), "3s 1")
		checkLines(t, "second", second.take(), "3s 2")
	})
}

func TestPollingStartsAgainAfterItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := newPublished()
		over := 0
		p := sse.NewPolling(nil, count(),
			sse.WithStopCondition(func(any) bool { return true }),
			sse.WithStopCallback(func() { over++ }),
		)
		for range 3 {
			p.Start(got)
			time.Sleep(time.Second)
		}
		p.Stop()
		checkLines(t, "published", got.take(), "0s 1", "1s 2", "2s 3")
		if over != 3 {
			t.Errorf("stop callbacks = %d, want 3", over)
		}
	})
}

// Who finds it running can rely on another value.
func TestPollingIsOverBeforeItsLastValueIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := sse.NewPolling(nil, count(), sse.WithStopCondition(func(v any) bool { return v.(int64) == 2 }))
		var running []bool
		p.Start(publisherFunc(func(any) { running = append(running, p.Running()) }))
		time.Sleep(time.Minute)
		p.Stop()
		if want := []bool{true, false}; !slices.Equal(running, want) {
			t.Errorf("Running() at each value = %v, want %v", running, want)
		}
	})
}

func TestPollingRecoversPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		got := newPublished()
		n := 0
		p := sse.NewPolling(slog.New(slog.NewTextHandler(&logged, nil)),
			func(context.Context) (any, error) {
				if n++; n == 1 {
					panic("tank is empty")
				}
				return n, nil
			},
			sse.WithStopCondition(func(v any) bool {
				if v == 2 {
					panic(coded(404)) // its code is not asked for
				}
				return false
			}),
		)
		p.Start(got)
		time.Sleep(12 * time.Second)
		p.Stop()
		checkLines(t, "published", got.take(),
			`0s {"apiVersion":"v1","message":"sse: polling panicked: tank is empty","statusCode":500}`,
			`5s {"apiVersion":"v1","message":"sse: polling panicked: no, 404","statusCode":500}`,
			`10s 3`,
		)
		for _, want := range []string{`msg="poll panicked"`, "TestPollingRecoversPanics"} { // the stack
			if got := logged.String(); !strings.Contains(got, want) {
				t.Errorf("log = %q, want it to contain %q", got, want)
			}
		}
	})
}

// publisherFunc is a Publisher.
type publisherFunc func(any)

func (f publisherFunc) Publish(v any) { f(v) }

// Eight goroutines start and stop one Polling. Whatever they do, no two polls
// overlap, and after the last Stop none runs.
func TestStressPollingStartStop(t *testing.T) {
	var running, polls, starts, overs atomic.Int64
	p := sse.NewPolling(nil, func(context.Context) (any, error) {
		if running.Add(1) > 1 {
			t.Error("two polls at once")
		}
		defer running.Add(-1)
		runtime.Gosched()
		return polls.Add(1), nil
	},
		sse.WithCustomPollingInterval(10*time.Microsecond),
		sse.WithStopCallback(func() { overs.Add(1) }),
	)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 500 {
				if (i+j)%3 != 0 {
					p.Stop()
					continue
				}
				starts.Add(1)
				p.Start(newPublished())
			}
		})
	}
	wg.Wait()
	p.Stop()
	if got, want := overs.Load(), starts.Load(); got != want {
		t.Errorf("stop callbacks = %d, want %d: one for each start", got, want)
	}
	after := polls.Load()
	first := make(chan any, 1)
	p.Start(publisherFunc(func(v any) {
		select {
		case first <- v:
		default:
		}
	}))
	if got, want := <-first, after+1; got != want {
		t.Errorf("first value after the storm = %v, want %d: something polled after Stop", got, want)
	}
	p.Stop()
}

// A poll that Stop finds under way, and that succeeds all the same, is not in vain. One that fails then says nothing.
func TestAValueThatComesDuringStopIsPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fail error
		p := sse.NewPolling(nil, func(context.Context) (any, error) {
			time.Sleep(3 * time.Second)
			return "late", fail
		})
		for _, want := range [][]string{{`3s "late"`}, nil} {
			got := newPublished()
			p.Start(got)
			time.Sleep(time.Second)
			p.Stop()
			checkLines(t, "published when Stop returns", got.take(), want...)
			time.Sleep(time.Minute)
			checkLines(t, "published after that", got.take())
			fail = errors.New("cancelled")
		}
	})
}

// What panics on the goroutine of a poll is logged, and polling goes on.
func TestPollingContainsItsCallbacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		p := sse.NewPolling(slog.New(slog.NewTextHandler(&logged, nil)), count(),
			sse.WithStopCallback(func() { panic("callback") }))
		values := 0
		for range 2 {
			p.Start(publisherFunc(func(any) { values++; panic("publisher") }))
			time.Sleep(6 * time.Second)
			p.Stop()
		}
		if values != 4 {
			t.Errorf("%d values were published, want 4", values)
		}
		for _, want := range []string{"callback=StopCallback panic=callback", "callback=Publisher.Publish panic=publisher"} {
			if got := logged.String(); !strings.Contains(got, want) {
				t.Errorf("log = %q, want it to contain %q", got, want)
			}
		}
	})
}

// rude is an error all of whose methods panic: a nil *rude in an error is one that is often met.
type rude struct{ message string }

func (r *rude) Error() string { return r.message }
func (r *rude) Code() int     { return len(r.message) }

// What a poll returns is the application's, the methods of its error included. A panic in them is a failed poll.
func TestPollingOutlivesAnErrorThatPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := newPublished()
		n := 0
		p := sse.NewPolling(nil, func(context.Context) (any, error) {
			if n++; n == 1 {
				return nil, (*rude)(nil)
			}
			return n, nil
		})
		p.Start(got)
		time.Sleep(7 * time.Second)
		p.Stop()
		checkLines(t, "published", got.take(),
			`0s {"apiVersion":"v1","message":"sse: polling panicked: runtime error: invalid memory address or nil pointer dereference","statusCode":500}`,
			"5s 2")
	})
}
