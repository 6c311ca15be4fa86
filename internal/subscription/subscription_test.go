package subscription_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/subscription"
)

// A source subscribes as its func says.
type source struct {
	kind.Told
	subscribe func(ctx context.Context, emit kind.Emit) error
}

func (s source) Subscribe(ctx context.Context, emit kind.Emit) error { return s.subscribe(ctx, emit) }

// message is one of that value.
func message(v any) kind.FetchFunc {
	return func(context.Context) (kind.Result, error) { return kind.Result{Value: v}, nil }
}

// A log has what a subscription gave to whoever takes everything at once.
type log struct {
	mu    sync.Mutex
	lines []string
}

func (l *log) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
}

// drain returns the lines since the last call.
func (l *log) drain() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := strings.Join(l.lines, " | ")
	l.lines = nil
	return all
}

// started subscribes the source for the time of a test; the log has what was taken.
func started(t *testing.T, o subscription.Options, subscribe func(context.Context, kind.Emit) error) (*subscription.Subscription, *log) {
	var (
		s     *subscription.Subscription
		taken log
	)
	o.Ready = func() {
		got, err := s.Fetch(t.Context())
		switch {
		case errors.Is(err, kind.ErrNothingYet):
		case err != nil:
			taken.add(err.Error())
		default:
			taken.add(fmt.Sprint(got.Value))
		}
	}
	s = subscription.New(source{subscribe: subscribe}, o)
	s.Start(t.Context())
	t.Cleanup(func() {
		s.End()
		if err := s.Wait(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s, &taken
}

func TestMessagesAreTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := make(chan kind.Emit)
		_, taken := started(t, subscription.Options{}, func(ctx context.Context, emit kind.Emit) error {
			to <- emit
			<-ctx.Done()
			return ctx.Err()
		})
		emit := <-to
		emit.Connected()
		synctest.Wait()
		emit(message(1))
		synctest.Wait()
		emit.Connected() // which is no news
		emit(message(2))
		synctest.Wait()
		if got, want := taken.drain(), "connected, and no message yet | 1 | 2"; got != want {
			t.Errorf("taken: %s, want %s", got, want)
		}
	})
}

// A burst costs at most one message in each AtMost, and its last one always counts.
func TestAtMostBoundsABurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, taken := started(t, subscription.Options{AtMost: 100 * time.Millisecond}, func(ctx context.Context, emit kind.Emit) error {
			for i := range 1000 {
				emit(message(i))
				time.Sleep(time.Millisecond)
			}
			<-ctx.Done()
			return nil
		})
		time.Sleep(2 * time.Second)
		got := strings.Split(taken.drain(), " | ")
		if len(got) > 12 || got[len(got)-1] != "999" {
			t.Errorf("%d messages taken, the last is %s; want about 11, and 999", len(got), got[len(got)-1])
		}
	})
}

// The end of the link is news at once, also within AtMost, and is retried with pauses that grow to 5 s.
func TestTheLinkIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			calls atomic.Int32
			last  atomic.Int64
		)
		_, taken := started(t, subscription.Options{AtMost: time.Minute}, func(ctx context.Context, emit kind.Emit) error {
			last.Store(time.Now().UnixNano())
			if calls.Add(1) == 1 {
				emit(message("first"))
				time.Sleep(time.Second)
				emit(message("just before"))
			}
			return errors.New("connection reset by peer")
		})
		time.Sleep(time.Second)
		synctest.Wait()
		if got, want := taken.drain(), "first | just before | connection reset by peer"; got != want {
			t.Errorf("taken: %s, want %s", got, want)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := calls.Load(); n < 12 || n > 28 {
			t.Errorf("subscribed %d times in a minute, want pauses up to 5s", n)
		}
		if since := time.Since(time.Unix(0, last.Load())); since > 5*time.Second {
			t.Errorf("subscribed %v ago, want it tried within 5s", since)
		}
	})
}

func TestTheLinkIsUpAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		_, taken := started(t, subscription.Options{}, func(ctx context.Context, emit kind.Emit) error {
			switch calls++; calls {
			case 1:
				return nil
			case 2:
				panic("a nil map")
			}
			emit.Connected()
			<-ctx.Done()
			return ctx.Err()
		})
		time.Sleep(5 * time.Second)
		want := "the subscription has ended | internal error (a nil map); the log says more | connected, and no message yet"
		if got := taken.drain(); got != want {
			t.Errorf("taken: %s, want %s", got, want)
		}
	})
}

func TestAMessageThatPanicsIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, taken := started(t, subscription.Options{}, func(ctx context.Context, emit kind.Emit) error {
			emit(func(context.Context) (kind.Result, error) { panic("out of range") })
			<-ctx.Done()
			return nil
		})
		synctest.Wait()
		if got, want := taken.drain(), "internal error (out of range); the log says more"; got != want {
			t.Errorf("taken: %s, want %s", got, want)
		}
	})
}

// What is emitted after the end counts for nothing, and the end waits for a Subscribe that takes its time.
func TestEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var emit kind.Emit
		s, taken := started(t, subscription.Options{}, func(ctx context.Context, e kind.Emit) error {
			emit = e
			<-ctx.Done()
			time.Sleep(time.Second)
			e(message("late"))
			return ctx.Err()
		})
		synctest.Wait()
		s.End()
		emit(message("late"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := s.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait = %v, want %v", err, context.DeadlineExceeded)
		}
		if err := s.Wait(t.Context()); err != nil {
			t.Errorf("Wait = %v", err)
		}
		if got := taken.drain(); got != "" {
			t.Errorf("taken: %s, want nothing", got)
		}
		if _, err := s.Fetch(t.Context()); !errors.Is(err, kind.ErrNothingYet) {
			t.Errorf("Fetch = %v, want %v", err, kind.ErrNothingYet)
		}
		s.End()
		s.Start(t.Context()) // does nothing
	})
}

func TestEndBeforeStart(t *testing.T) {
	s := subscription.New(source{}, subscription.Options{Ready: func() {}})
	s.End()
	s.Start(t.Context())
	if err := s.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}

// Start, emit and end meet in any order.
func TestStress(t *testing.T) {
	for range 200 {
		var (
			s     *subscription.Subscription
			group sync.WaitGroup
			after atomic.Bool
		)
		s = subscription.New(source{subscribe: func(ctx context.Context, emit kind.Emit) error {
			for i := 0; ctx.Err() == nil && i < 100; i++ {
				emit(message(i))
				if i == 50 {
					emit.Connected()
				}
			}
			return errors.New("down")
		}}, subscription.Options{Ready: func() {
			if after.Load() {
				t.Error("Ready is called after Wait")
			}
			_, _ = s.Fetch(context.Background())
		}})
		for _, f := range []func(){
			func() { s.Start(t.Context()) },
			func() { _, _ = s.Fetch(t.Context()) },
			func() { time.Sleep(time.Microsecond); s.End() },
		} {
			group.Add(1)
			go func() { defer group.Done(); f() }()
		}
		group.Wait()
		s.End()
		if err := s.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		after.Store(true)
	}
}

// A source that can be asked is asked on demand, if there is nothing else to take.
func TestAsk(t *testing.T) {
	s := subscription.New(askable{}, subscription.Options{Ready: func() {}})
	s.Ask()
	if got, err := s.Fetch(t.Context()); err != nil || got.Value != "asked" {
		t.Errorf("Fetch = %v, %v, want that the source was asked", got, err)
	}
	if _, err := s.Fetch(t.Context()); !errors.Is(err, kind.ErrNothingYet) {
		t.Errorf("Fetch = %v, want %v", err, kind.ErrNothingYet)
	}
}

// Without a source, messages are told, the newest of them counts, and nothing waits.
func TestTell(t *testing.T) {
	s := subscription.New(nil, subscription.Options{})
	s.Start(t.Context())
	if _, err := s.Fetch(t.Context()); !errors.Is(err, kind.ErrNothingYet) {
		t.Errorf("Fetch = %v, want %v", err, kind.ErrNothingYet)
	}
	s.Tell(message(1))
	s.Tell(message(2))
	if got, err := s.Fetch(t.Context()); err != nil || got.Value != 2 {
		t.Errorf("Fetch = %v, %v, want 2", got.Value, err)
	}
	s.Tell(message(3))
	s.Tell(nil)
	if _, err := s.Fetch(t.Context()); !errors.Is(err, kind.ErrNothingYet) {
		t.Errorf("Fetch of what was taken back = %v, want %v", err, kind.ErrNothingYet)
	}
	s.End()
	s.Tell(message(4))
	if _, err := s.Fetch(t.Context()); !errors.Is(err, kind.ErrNothingYet) {
		t.Errorf("Fetch after the end = %v, want %v", err, kind.ErrNothingYet)
	}
	if err := s.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}

type askable struct{}

func (askable) Subscribe(context.Context, kind.Emit) error { return nil }
func (askable) Fetch(context.Context) (kind.Result, error) {
	return kind.Result{Value: "asked"}, nil
}
