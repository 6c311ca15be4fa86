package smartpoll_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

type (
	internal = smartpoll.Internal
	hook     = smartpoll.TaskHook
)

func mustNew(t testing.TB, options ...smartpoll.Option) *smartpoll.Scheduler {
	t.Helper()
	s, err := smartpoll.New(options...)
	if err != nil {
		t.Fatalf("New() error = %v, want nil", err)
	}
	return s
}

// nothing is a task without a second stage.
func nothing(context.Context) (hook, error) { return nil, nil }

// then returns a task whose hook is f.
func then(f func(*internal) error) smartpoll.Task {
	return func(context.Context) (hook, error) {
		return func(_ context.Context, i *internal) error { return f(i) }, nil
	}
}

// onRun returns the option of a run hook.
func onRun(f func(*internal)) smartpoll.Option {
	return smartpoll.WithRunHook(func(_ context.Context, i *internal) error { f(i); return nil })
}

// start schedules the keys for at once on each Run.
func start(keys ...any) smartpoll.Option {
	return onRun(func(i *internal) {
		for _, key := range keys {
			i.Schedule(key, 0)
		}
	})
}

// background is a Run in the background.
type background struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

func run(s *smartpoll.Scheduler) *background {
	ctx, cancel := context.WithCancel(context.Background())
	return runCtx(ctx, cancel, s)
}

func runCtx(ctx context.Context, cancel context.CancelFunc, s *smartpoll.Scheduler) *background {
	r := &background{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = errGone // unless Run returns
		r.err = s.Run(ctx)
	}()
	return r
}

// errGone is the result of a Run whose goroutine ended.
var errGone = errors.New("the goroutine of Run has ended")

func (r *background) wait() error {
	<-r.done
	return r.err
}

func (r *background) stop() error {
	r.cancel()
	return r.wait()
}

// caught calls f and returns what it panics with.
func caught(f func()) (value any) {
	defer func() { value = recover() }()
	f()
	return nil
}

// journal is a list that may be appended to from anywhere.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

func (j *journal) got() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lines)
}

func (j *journal) want(t *testing.T, want ...string) {
	t.Helper()
	if got := j.got(); !slices.Equal(got, want) {
		t.Errorf("journal = %q, want %q", got, want)
	}
}

// since returns the time in the bubble since begin, without the date.
func since(begin time.Time) time.Duration { return time.Since(begin) }

// contains tells whether the text of err contains text.
func contains(err error, text string) bool { return err != nil && strings.Contains(err.Error(), text) }
