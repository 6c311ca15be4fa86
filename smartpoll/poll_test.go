package smartpoll_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

func TestPollCommitsWhatWasFetched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		var got []string
		s := mustNew(t, start("k"), smartpoll.WithTask("k", smartpoll.Poll(
			func(ctx context.Context) (int, error) {
				if n++; n == 2 {
					return -1, errFlaky
				}
				return n, nil
			},
			func(ctx context.Context, i *internal, v int, err error) error {
				got = append(got, fmt.Sprint(v, err))
				i.Schedule("k", time.Second)
				return nil
			})))
		r := run(s)
		time.Sleep(2500 * time.Millisecond)
		if err := r.stop(); err != context.Canceled {
			t.Errorf("Run() = %v, want %v: commit has handled the error", err, context.Canceled)
		}
		if want := []string{"1 <nil>", "-1 flaky", "3 <nil>"}; !slices.Equal(got, want) {
			t.Errorf("committed %q, want %q", got, want)
		}
	})
}

// uncomparable is an error type whose values panic when they are compared.
type uncomparable []string

func (uncomparable) Error() string { return "uncomparable" }

func TestPollErrors(t *testing.T) {
	boom := errors.New("boom")
	retry := []smartpoll.TaskOption{smartpoll.Retry(smartpoll.Backoff{})}
	for _, test := range []struct {
		name   string
		opts   []smartpoll.TaskOption
		fetch  error
		commit error
		want   error // nil: Run goes on
	}{
		{"handled", nil, errFlaky, nil, nil},
		{"passed on", nil, errFlaky, errFlaky, errFlaky},
		{"replaced", nil, errFlaky, boom, boom},
		{"of commit alone", nil, nil, boom, boom},
		{"Retry, handled", retry, errFlaky, nil, nil},
		{"Retry, passed on", retry, errFlaky, errFlaky, nil},
		{"Retry, passed on, not comparable", retry, uncomparable{"x"}, uncomparable{"x"}, nil},
		{"Retry, replaced", retry, errFlaky, boom, boom},
		{"Retry, of commit alone", retry, nil, boom, boom},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := mustNew(t, start("k"), smartpoll.WithTask("k", smartpoll.Poll(
				func(context.Context) (int, error) { return 0, test.fetch },
				func(_ context.Context, _ *internal, _ int, err error) error { return test.commit }), test.opts...))
			r := run(s)
			time.Sleep(time.Hour)
			got, want := r.stop(), test.want
			if want == nil {
				want = context.Canceled
			}
			if got != want {
				t.Errorf("%s: Run() = %v, want %v", test.name, got, want)
			}
		})
	}
}

func TestPollWithRetryTellsTheNextTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		n := 0
		var got []string
		s := mustNew(t, start("k"), smartpoll.WithTask("k", smartpoll.Poll(
			func(context.Context) (int, error) {
				n++
				switch n {
				case 3, 6: // success
					return n, nil
				case 8:
					return n, later(time.Hour)
				}
				return n, errFlaky
			},
			func(_ context.Context, i *internal, v int, err error) error {
				next := "none"
				if at := i.Next("k"); !at.IsZero() {
					next = time.Until(at).String()
				}
				got = append(got, fmt.Sprintf("%v: %d %v next %s", since(begin), v, err, next))
				switch {
				case n == 5: // commit knows better
					i.Schedule("k", 10*time.Second)
				case err == nil:
					i.Schedule("k", time.Minute)
				case n == 8:
					i.Schedule("k", -1)
				}
				return err
			}), smartpoll.Retry(smartpoll.Backoff{Jitter: -1})))
		r := run(s)
		time.Sleep(24 * time.Hour)
		if err := r.stop(); err != context.Canceled {
			t.Errorf("Run() = %v, want it to go on", err)
		}
		want := []string{
			"0s: 1 flaky next 1s",
			"1s: 2 flaky next 2s",
			"3s: 3 <nil> next none", // ends the row
			"1m3s: 4 flaky next 1s",
			"1m4s: 5 flaky next 2s",
			"1m14s: 6 <nil> next none",
			"2m14s: 7 flaky next 1s",
			"2m15s: 8 later next 1h0m0s",
		}
		if !slices.Equal(got, want) {
			t.Errorf("committed\n%q, want\n%q", got, want)
		}
	})
}

// A task may wrap the one that Poll returns.
func TestPollWithinATaskOfOnesOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var next time.Duration
		poll := smartpoll.Poll(
			func(context.Context) (int, error) { return 0, errFlaky },
			func(_ context.Context, i *internal, _ int, err error) error {
				next = time.Until(i.Next("k"))
				return err
			})
		s := mustNew(t, start("k"), smartpoll.WithTask("k", func(ctx context.Context) (hook, error) {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			return poll(ctx)
		}, smartpoll.Retry(smartpoll.Backoff{Min: time.Minute, Jitter: -1})))
		r := run(s)
		synctest.Wait()
		if r.stop(); next != time.Minute {
			t.Errorf("Next() in the commit is %v ahead, want %v", next, time.Minute)
		}
	})
}

func TestPollIsNotCommittedAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustNew(t, start("k"), smartpoll.WithTask("k", smartpoll.Poll(
			func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() },
			func(context.Context, *internal, int, error) error { t.Error("committed"); return nil }),
			smartpoll.Retry(smartpoll.Backoff{})), smartpoll.WithDrain(smartpoll.Drain{Wait: time.Minute}))
		r := run(s)
		synctest.Wait()
		if got := r.stop(); got != context.Canceled {
			t.Errorf("Run() = %v, want %v", got, context.Canceled)
		}
	})
}

func TestPollOfNil(t *testing.T) {
	const want = "smartpoll: Poll needs both a fetch and a commit func"
	if got := caught(func() { smartpoll.Poll[int](nil, nil) }); got != want {
		t.Errorf("Poll(nil, nil) panics with %v, want %q", got, want)
	}
}
