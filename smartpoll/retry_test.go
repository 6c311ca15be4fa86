package smartpoll_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

var errFlaky = errors.New("flaky")

// later is an error that asks for a delay.
type later time.Duration

func (l later) Error() string             { return "later" }
func (l later) RetryAfter() time.Duration { return time.Duration(l) }

// retried runs a task that returns the given results, one a run, for a day, and
// returns when it ran.
func retried(t *testing.T, b smartpoll.Backoff, results ...error) (ran []time.Duration, err error) {
	t.Helper()
	b.Jitter = -1
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		s := mustNew(t, start("k"), smartpoll.WithTask("k", func(context.Context) (hook, error) {
			ran = append(ran, since(begin))
			if len(ran) > len(results) {
				return nil, nil
			}
			if err := results[len(ran)-1]; err != nil {
				return nil, err
			}
			return func(_ context.Context, i *internal) error { i.Schedule("k", time.Minute); return nil }, nil
		}, smartpoll.Retry(b)))
		r := run(s)
		time.Sleep(24 * time.Hour)
		err = r.stop()
	})
	return ran, err
}

func TestRetry(t *testing.T) {
	x := errFlaky
	ms := time.Millisecond
	for _, test := range []struct {
		name    string
		backoff smartpoll.Backoff
		results []error
		want    []time.Duration
	}{
		{"grows up to max", smartpoll.Backoff{Min: 100 * ms, Max: 500 * ms, Factor: 3}, []error{x, x, x, x},
			[]time.Duration{0, 100 * ms, 400 * ms, 900 * ms, 1400 * ms}},
		{"defaults", smartpoll.Backoff{}, []error{x, x, x}, []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second}},
		{"success ends the row", smartpoll.Backoff{}, []error{x, x, nil, x},
			[]time.Duration{0, time.Second, 3 * time.Second, 63 * time.Second, 64 * time.Second}},
		{"RetryAfter", smartpoll.Backoff{}, []error{later(time.Hour)}, []time.Duration{0, time.Hour}},
		{"RetryAfter in the chain", smartpoll.Backoff{}, []error{fmt.Errorf("x: %w", errors.Join(x, later(time.Hour)))}, []time.Duration{0, time.Hour}},
		{"RetryAfter never shortens", smartpoll.Backoff{}, []error{x, x, later(time.Second)},
			[]time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second}},
		{"RetryAfter of the past", smartpoll.Backoff{}, []error{later(-time.Hour)}, []time.Duration{0, time.Second}},
	} {
		ran, err := retried(t, test.backoff, test.results...)
		wantRan(t, test.name, ran, test.want...)
		if err != context.Canceled {
			t.Errorf("%s: Run() = %v, want it to go on", test.name, err)
		}
	}
}

func TestRetryKeepsASchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var s *smartpoll.Scheduler
		var ran []time.Duration
		s = mustNew(t, start("k"), smartpoll.WithTask("k", func(context.Context) (hook, error) {
			if ran = append(ran, since(begin)); len(ran) == 1 {
				s.Schedule("k", time.Hour)
				return nil, errFlaky
			}
			return nil, nil
		}, smartpoll.Retry(smartpoll.Backoff{})))
		r := run(s)
		time.Sleep(24 * time.Hour)
		r.stop()
		wantRan(t, "scheduled already", ran, 0, time.Hour)
	})
}

func TestRetryRunsAreARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustNew(t, start("k"), smartpoll.WithTask("k", func(context.Context) (hook, error) { return nil, errFlaky },
			smartpoll.Retry(smartpoll.Backoff{Jitter: -1})))
		for range 2 {
			r := run(s)
			time.Sleep(2 * time.Second) // 0, 1
			if got, want := time.Until(s.Next("k")), time.Second; got != want {
				t.Errorf("third try in %v, want %v: the row of an earlier Run does not count", got, want)
			}
			r.stop()
		}
	})
}

func TestRetryLeavesTheRestFatal(t *testing.T) {
	boom := errors.New("boom")
	retry := smartpoll.Retry(smartpoll.Backoff{})
	for name, test := range map[string]struct {
		task smartpoll.Task
		want error
	}{
		"task hook": {then(func(*internal) error { return boom }), boom},
		"Goexit":    {func(context.Context) (hook, error) { runtime.Goexit(); return nil, nil }, smartpoll.ErrPanicInTask},
	} {
		if got := mustNew(t, start("k"), smartpoll.WithTask("k", test.task, retry)).Run(t.Context()); got != test.want {
			t.Errorf("Run() with Retry and a failing %s = %v, want %v", name, got, test.want)
		}
	}
}

func TestBackoffIsChecked(t *testing.T) {
	for _, test := range []struct {
		backoff smartpoll.Backoff
		want    string
	}{
		{smartpoll.Backoff{Min: -1}, "smartpoll: backoff min -1ns is negative, use a positive duration, or zero for 1s"},
		{smartpoll.Backoff{Max: -1}, "smartpoll: backoff max -1ns is negative, use a positive duration, or zero for 5m"},
		{smartpoll.Backoff{Min: 2, Max: 1}, "smartpoll: backoff max 1ns is less than min 2ns, use at least as much"},
		{smartpoll.Backoff{Factor: 0.5}, "smartpoll: backoff factor 0.5 would not grow the delay, use at least 1, or zero for 2"},
		{smartpoll.Backoff{Factor: -2}, "smartpoll: backoff factor -2 would not grow the delay, use at least 1, or zero for 2"},
		{smartpoll.Backoff{Factor: math.NaN()}, "smartpoll: backoff factor NaN would not grow the delay, use at least 1, or zero for 2"},
		{smartpoll.Backoff{Jitter: 1.1},
			"smartpoll: backoff jitter 1.1 is not a part of the delay, use a number up to 1, zero for 0.2, or a negative one for none"},
		{smartpoll.Backoff{Jitter: math.NaN()},
			"smartpoll: backoff jitter NaN is not a part of the delay, use a number up to 1, zero for 0.2, or a negative one for none"},
		{smartpoll.Backoff{MaxFailures: -1}, "smartpoll: backoff max failures -1 is negative, use a positive number, or zero for no limit"},
	} {
		s, err := smartpoll.New(smartpoll.WithTask("k", nothing, smartpoll.Retry(test.backoff)))
		if s != nil || err == nil || err.Error() != test.want {
			t.Errorf("New() with %+v = %v, %v, want nil, %s", test.backoff, s, err, test.want)
		}
	}
}

func TestBackoffDelay(t *testing.T) {
	for _, test := range []struct {
		backoff smartpoll.Backoff
		n       int
		random  float64
		want    time.Duration
	}{
		{smartpoll.Backoff{}, 1, 0, time.Second},
		{smartpoll.Backoff{}, 9, 0, 256 * time.Second},
		{smartpoll.Backoff{}, 10, 0, 5 * time.Minute},
		{smartpoll.Backoff{}, math.MaxInt, 0, 5 * time.Minute},
		{smartpoll.Backoff{Max: time.Millisecond}, 1, 0, time.Millisecond},
		{smartpoll.Backoff{Min: time.Hour}, 1, 0, time.Hour},
		{smartpoll.Backoff{Min: 1, Max: math.MaxInt64, Factor: 1e300}, 3, 0, math.MaxInt64},
		{smartpoll.Backoff{Min: math.MaxInt64, Max: math.MaxInt64}, 1, 0, math.MaxInt64},
		{smartpoll.Backoff{Factor: math.Inf(1)}, 2, 0, 5 * time.Minute},
		{smartpoll.Backoff{Jitter: 0.5}, 1, 0, time.Second},
		{smartpoll.Backoff{Jitter: 0.5}, 1, 0.5, 750 * time.Millisecond},
		{smartpoll.Backoff{Jitter: 1}, 10, 0.75, 75 * time.Second},
		{smartpoll.Backoff{}, 1, 0.5, 900 * time.Millisecond},
		{smartpoll.Backoff{Jitter: -1}, 1, 0.5, time.Second},
	} {
		if got := smartpoll.BackoffDelay(test.backoff, test.n, test.random); got != test.want {
			t.Errorf("delay of %+v after %d failures, random %v = %v, want %v", test.backoff, test.n, test.random, got, test.want)
		}
	}
}

// After so many failures in a row the error goes where it would go without Retry; then it begins anew.
func TestRetryGivesUp(t *testing.T) {
	const s = time.Second
	backoff := smartpoll.Backoff{MaxFailures: 3, Jitter: -1}
	on := smartpoll.On(smartpoll.Every(time.Minute))
	handled := smartpoll.OnError(func(_ context.Context, i *internal, key any, err error) error {
		if i.Next(key).IsZero() && err != errFlaky {
			t.Errorf("OnError was called with %v, want %v", err, errFlaky)
		}
		return nil
	})
	fetch := func(context.Context) (int, error) { return 0, errFlaky }
	for _, test := range []struct {
		name     string
		task     smartpoll.Task
		opts     []smartpoll.TaskOption
		want     []time.Duration
		err      error
		failures int
	}{
		{"fatal", func(context.Context) (hook, error) { return nil, errFlaky }, nil, []time.Duration{0, s, 3 * s}, errFlaky, 0},
		{"fatal, with a Schedule", func(context.Context) (hook, error) { return nil, errFlaky }, []smartpoll.TaskOption{on},
			[]time.Duration{0, s, 3 * s}, errFlaky, 0},
		{"handled", func(context.Context) (hook, error) { return nil, errFlaky }, []smartpoll.TaskOption{handled},
			[]time.Duration{0, s, 3 * s}, context.Canceled, 3},
		{"handled, with a Schedule", func(context.Context) (hook, error) { return nil, errFlaky }, []smartpoll.TaskOption{on, handled},
			[]time.Duration{0, s, 3 * s, 63 * s, 64 * s, 66 * s}, context.Canceled, 6},
		{"a Poll that returns it", smartpoll.Poll(fetch, func(_ context.Context, _ *internal, _ int, err error) error { return err }),
			nil, []time.Duration{0, s, 3 * s}, errFlaky, 0},
		{"a Poll that does not", smartpoll.Poll(fetch, func(context.Context, *internal, int, error) error { return nil }),
			[]smartpoll.TaskOption{on}, []time.Duration{0, s, 3 * s, 63 * s, 64 * s, 66 * s}, context.Canceled, 6},
		{"the longest pause asked for", func(context.Context) (hook, error) { return nil, later(10 * s) }, nil,
			[]time.Duration{0, 10 * s, 20 * s}, later(10 * s), 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			var ran []time.Duration
			x := mustNew(t, start("k"), smartpoll.WithTask("k", func(ctx context.Context) (hook, error) {
				ran = append(ran, since(begin))
				return test.task(ctx)
			}, append(test.opts, smartpoll.Retry(backoff))...))
			r := run(x)
			time.Sleep(100 * s)
			info, _ := x.Info("k")
			if err := r.stop(); err != test.err || info.Failures != test.failures {
				t.Errorf("%s: Run() = %v after %d failures, want %v after %d", test.name, err, info.Failures, test.err, test.failures)
			}
			wantRan(t, test.name, ran, test.want...)
		})
	}
}

// Laws: the delay lies between its lower end and Max, and does not fall with n.
func FuzzBackoff(f *testing.F) {
	f.Add(int64(0), int64(0), 0.0, 0.0, 1, 0.0)
	f.Add(int64(1), int64(math.MaxInt64), 1e300, 1.0, 3, 0.999)
	f.Add(int64(time.Second), int64(time.Minute), 1.5, 0.2, 100, 0.5)
	f.Add(int64(math.MaxInt64), int64(math.MaxInt64), 2.0, 1.0, 1<<30, 1-0x1p-53)
	f.Fuzz(func(t *testing.T, least, most int64, factor, jitter float64, n int, random float64) {
		b := smartpoll.Backoff{Min: time.Duration(least), Max: time.Duration(most), Factor: factor, Jitter: jitter}
		normal, err := smartpoll.NormalBackoff(b)
		if err != nil || n < 1 || n == math.MaxInt || !(random >= 0 && random < 1) {
			return
		}
		if normal.Min <= 0 || normal.Max < normal.Min || !(normal.Factor >= 1) {
			t.Fatalf("%+v becomes %+v, which is not normal", b, normal)
		}
		whole, got := smartpoll.BackoffDelay(b, n, 0), smartpoll.BackoffDelay(b, n, random)
		if whole < normal.Min || whole > normal.Max {
			t.Errorf("delay of %+v after %d failures = %v, want from %v to %v", b, n, whole, normal.Min, normal.Max)
		}
		if got > whole || got < 0 || float64(got) < float64(whole)*(1-normal.Jitter)*(1-1e-9)-1 {
			t.Errorf("delay of %+v after %d failures, random %v = %v, want jitter downwards from %v", b, n, random, got, whole)
		}
		if next := smartpoll.BackoffDelay(b, n+1, 0); next < whole {
			t.Errorf("delay of %+v falls from %v to %v after %d failures", b, whole, next, n+1)
		}
	})
}
