package progress_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/sse/progress"
)

// newest returns the newest snapshot of topic as a Progress.
func newest(t *testing.T, tracker *progress.Tracker, topic string) (p progress.Progress) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for s, err := range tracker.Watch(ctx, topic) {
		if err != nil {
			t.Fatalf("Watch(%q): %v", topic, err)
		}
		if err := json.Unmarshal(s.Data, &p); err != nil {
			t.Fatalf("snapshot %s: %v", s.Data, err)
		}
		break
	}
	return p
}

func percent(p progress.Progress) string {
	if p.Percent == nil {
		return "unknown"
	}
	return fmt.Sprint(*p.Percent)
}

// Every way in which work can end is one word and, if need be, a reason.
func TestRunEnds(t *testing.T) {
	for name, test := range map[string]struct {
		work                           func(ctx context.Context, r *progress.Reporter) (any, error)
		status                         progress.Status
		percent, message, result, text string
	}{
		"nothing": {
			work:   func(context.Context, *progress.Reporter) (any, error) { return nil, nil },
			status: "succeeded", percent: "100",
		},
		"result": {
			work: func(_ context.Context, r *progress.Reporter) (any, error) {
				r.Step(1, 2, "half")
				return []int{1, 2}, nil
			},
			status: "succeeded", percent: "100", message: "half", result: "[1,2]",
		},
		"error": {
			work: func(_ context.Context, r *progress.Reporter) (any, error) {
				r.Step(1, 4, "a quarter")
				return "so far", fmt.Errorf("no more paper")
			},
			status: "failed", percent: "25", message: "a quarter", result: `"so far"`, text: "no more paper",
		},
		"unencodable": {
			work:   func(context.Context, *progress.Reporter) (any, error) { return make(chan int), nil },
			status: "failed", percent: "unknown", text: "the result cannot be encoded: json: unsupported type: chan int",
		},
		"unencodable beside an error": {
			work: func(context.Context, *progress.Reporter) (any, error) {
				return make(chan int), errors.New("no more paper")
			},
			status: "failed", percent: "unknown", text: "no more paper",
		},
		"deadline": {
			work: func(ctx context.Context, _ *progress.Reporter) (any, error) {
				ctx, cancel := context.WithTimeout(ctx, time.Second)
				defer cancel()
				<-ctx.Done()
				return nil, ctx.Err()
			},
			status: "timed_out", percent: "unknown", text: "context deadline exceeded",
		},
		"panic": {
			work:   func(context.Context, *progress.Reporter) (any, error) { panic("password is 1234") },
			status: "failed", percent: "unknown", text: "internal error",
		},
		"panic in Update": {
			work: func(_ context.Context, r *progress.Reporter) (any, error) {
				r.Update(func(*progress.Progress) { panic("password is 1234") })
				return nil, nil
			},
			status: "failed", percent: "unknown", text: "internal error",
		},
		"Goexit": {
			work:   func(context.Context, *progress.Reporter) (any, error) { runtime.Goexit(); return nil, nil },
			status: "failed", percent: "unknown", text: "the work stopped without a result",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				began := time.Now()
				job := mustStart(t, f.Tracker, "a")
				go job.Run(test.work)
				synctest.Wait()
				time.Sleep(2 * time.Second)
				p := newest(t, f.Tracker, "a")
				if p.Status != test.status || percent(p) != test.percent || p.Message != test.message || string(p.Result) != test.result || p.Error != test.text || p.ETA != nil {
					t.Errorf("terminal %+v at %s, want %+v", p, percent(p), test)
				}
				if !p.Status.Ended() || !p.StartedAt.Equal(began) || p.StartedAt.Location() != time.UTC || p.UpdatedAt.Before(began) {
					t.Errorf("terminal %+v, want an end, and times in UTC", p)
				}
				wantLog := strings.HasPrefix(name, "panic")
				if got := strings.Contains(f.log.String(), "password is 1234") && strings.Contains(f.log.String(), "reporter_test.go"); got != wantLog {
					t.Errorf("log: %s, want the panic and its stack: %v", f.log, wantLog)
				}
			})
		})
	}
}

// A run that is to stop says so at once, whatever the work goes on to report, and how it ended.
func TestRunCancelled(t *testing.T) {
	for text, err := range map[string]error{"": context.Canceled, "cleaning up failed": errors.New("cleaning up failed")} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			job := mustStart(t, f.Tracker, "a")
			go job.Run(func(ctx context.Context, r *progress.Reporter) (any, error) {
				r.Step(1, 2, "half")
				<-ctx.Done()
				time.Sleep(time.Second)
				r.Step(2, 3, "still at it")
				time.Sleep(time.Second)
				return nil, err
			})
			synctest.Wait()
			f.Cancel("a")
			synctest.Wait()
			if p := newest(t, f.Tracker, "a"); p.Status != "cancelling" || percent(p) != "50" || p.Message != "half" {
				t.Errorf("after Cancel: %+v, want cancelling at 50", p)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if p := newest(t, f.Tracker, "a"); p.Status != "cancelling" || p.Message != "still at it" {
				t.Errorf("a report after that: %+v, want cancelling", p)
			}
			time.Sleep(2 * time.Second)
			if p := newest(t, f.Tracker, "a"); p.Status != "cancelled" || p.Error != text {
				t.Errorf("terminal %+v, want cancelled and %q", p, text)
			}
		})
	}
}

// Work that is done although it was to stop has succeeded.
func TestRunCancelledTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		job := mustStart(t, f.Tracker, "a")
		go job.Run(func(ctx context.Context, r *progress.Reporter) (any, error) {
			<-ctx.Done()
			return "done", nil
		})
		f.Cancel("a")
		synctest.Wait()
		if p := newest(t, f.Tracker, "a"); p.Status != "succeeded" || string(p.Result) != `"done"` {
			t.Errorf("terminal %+v, want succeeded", p)
		}
	})
}

// Work may finish with a payload of its own, and nothing it reports afterwards counts.
func TestRunOwnTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		s := f.open(t, "a", "")
		s.Close()
		job := mustStart(t, f.Tracker, "a")
		job.Run(func(_ context.Context, r *progress.Reporter) (any, error) {
			r.Finish("mine")
			r.Step(1, 2, "late")
			return "Run's", nil
		})
		next(t, f.open(t, "a", ""), job, "end", `"mine"`)
	})
}

// Reports after the end do nothing, and leave no second terminal.
func TestReportAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		job := mustStart(t, f.Tracker, "a")
		var kept *progress.Reporter
		job.Run(func(_ context.Context, r *progress.Reporter) (any, error) {
			kept = r
			return nil, nil
		})
		called := false
		kept.Update(func(*progress.Progress) { called = true })
		if called || newest(t, f.Tracker, "a").Status != "succeeded" {
			t.Errorf("Update after the end called back: %v", called)
		}
	})
}

func TestReporterPercent(t *testing.T) {
	f := newFixture(t)
	mustStart(t, f.Tracker, "a").Run(func(_ context.Context, r *progress.Reporter) (any, error) {
		for _, test := range []struct {
			in   float64
			want string
		}{{-1, "0"}, {0, "0"}, {42.5, "42.5"}, {101, "100"}, {math.Inf(1), "100"}, {math.Inf(-1), "0"}, {math.NaN(), "unknown"}} {
			in := test.in
			r.Update(func(p *progress.Progress) { p.Percent = &in })
			if got := percent(newest(t, f.Tracker, "a")); got != test.want {
				t.Errorf("percent %v is shown as %s, want %s", test.in, got, test.want)
			}
		}
		for _, test := range []struct {
			done, total int
			want        string
		}{{0, 3, "0"}, {1, 4, "25"}, {4, 4, "100"}, {9, 4, "100"}, {1, 0, "unknown"}, {1, -1, "unknown"}} {
			r.Step(test.done, test.total, "")
			if got := percent(newest(t, f.Tracker, "a")); got != test.want {
				t.Errorf("Step(%d, %d) is shown as %s, want %s", test.done, test.total, got, test.want)
			}
		}
		mine := 10.0
		r.Update(func(p *progress.Progress) { p.Percent = &mine })
		mine = 90
		r.Update(func(p *progress.Progress) { p.Stage = "second" })
		if p := newest(t, f.Tracker, "a"); percent(p) != "10" || p.Stage != "second" {
			t.Errorf("snapshot %+v at %s, want 10: the variable is the caller's", p, percent(p))
		}
		return nil, nil
	})
}

// The estimate comes with the second step, counts down between steps, says unknown rather than 0 when it has passed,
// follows a change of speed, and does not jump about with single steps.
func TestETA(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		mustStart(t, f.Tracker, "a").Run(func(_ context.Context, r *progress.Reporter) (any, error) {
			eta := func() float64 {
				p := newest(t, f.Tracker, "a")
				if p.ETA == nil {
					return -1
				}
				return *p.ETA
			}
			near := func(what string, want, tolerance float64) {
				t.Helper()
				if got := eta(); math.Abs(got-want) > tolerance {
					t.Errorf("%s: %v s left, want %v ± %v", what, got, want, tolerance)
				}
			}
			r.Step(0, 100, "")
			near("first step", -1, 0)
			time.Sleep(time.Second)
			r.Step(0, 100, "")
			near("no progress", -1, 0)
			time.Sleep(time.Second)
			r.Step(1, 100, "")
			near("one percent in two seconds", 198, 1e-6)
			for i := 2; i <= 30; i++ {
				time.Sleep(2 * time.Second)
				r.Step(i, 100, "")
			}
			near("steady", 140, 1e-6)
			time.Sleep(20 * time.Second)
			r.Update(func(p *progress.Progress) { p.Message = "hm" })
			near("between steps", 120, 1e-6)
			time.Sleep(121 * time.Second)
			r.Update(func(*progress.Progress) {})
			near("overdue", -1, 0)

			for i := 31; i <= 60; i++ { // now at a tenth of a second each
				time.Sleep(100 * time.Millisecond)
				r.Step(i, 100, "")
			}
			if got := eta(); got < 4 || got > 40 {
				t.Errorf("after faster steps: %v s left, want between the 4 of their speed and a seventh of the 280 of the whole run's", got)
			}
			r.Step(20, 100, "")
			near("backwards", -1, 0)
			last := math.NaN()
			for i := 21; i <= 99; i++ { // a mean of a second, from next to nothing to two
				time.Sleep(rand.N(2 * time.Second))
				r.Step(i, 100, "")
				got := eta()
				if got < 0 && i > 25 {
					t.Errorf("unsteady, at %d: unknown", i)
				}
				if i > 40 && math.Abs(got-last) > 0.5*float64(100-i)+4 {
					t.Errorf("unsteady, at %d: from %v to %v s left", i, last, got)
				}
				last = got
			}
			r.Step(100, 100, "")
			near("arrived", 0, 0)
			return nil, nil
		})
	})
}

// Steps in one instant, and steps too small to measure, make no estimate that JSON could not carry.
func TestETAExtremes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		mustStart(t, f.Tracker, "a").Run(func(_ context.Context, r *progress.Reporter) (any, error) {
			for i, percent := range []float64{0, 1, 50, 5e-324, 1e-323, 1.5e-323} {
				if i > 3 {
					time.Sleep(time.Second)
				}
				r.Update(func(p *progress.Progress) { p.Percent, p.Stage = &percent, fmt.Sprint(i) })
				if p := newest(t, f.Tracker, "a"); p.ETA != nil || p.Stage != fmt.Sprint(i) {
					t.Errorf("at %v: %+v, want a snapshot with no estimate", percent, p)
				}
			}
			return nil, nil
		})
		if log := f.log.String(); log != "" {
			t.Errorf("log: %s", log)
		}
	})
}

// The words and the JSON are for programs in other languages.
func TestProgressJSON(t *testing.T) {
	at := time.Date(2026, 11, 21, 18, 40, 2, 0, time.UTC)
	half, left := 50.0, 2.5
	for _, test := range []struct {
		p    progress.Progress
		want string
	}{
		{progress.Progress{Status: progress.StatusQueued}, `{"status":"queued","percent":null}`},
		{progress.Progress{Status: progress.StatusRunning, Percent: &half, Stage: "scan", Message: "x", StartedAt: at, UpdatedAt: at, ETA: &left},
			`{"status":"running","percent":50,"stage":"scan","message":"x","started_at":"2026-11-21T18:40:02Z","updated_at":"2026-11-21T18:40:02Z","eta":2.5}`},
		{progress.Progress{Status: progress.StatusTimedOut, Result: json.RawMessage(`{"a":1}`), Error: "late"}, `{"status":"timed_out","percent":null,"result":{"a":1},"error":"late"}`},
	} {
		got, err := json.Marshal(test.p)
		if err != nil || string(got) != test.want {
			t.Errorf("JSON of %+v = %s, %v, want %s", test.p, got, err, test.want)
		}
	}
	ends := map[progress.Status]bool{"queued": false, "running": false, "cancelling": false, "succeeded": true, "failed": true, "cancelled": true, "timed_out": true, "lost": true, "": false}
	for status, want := range ends {
		if got := status.Ended(); got != want {
			t.Errorf("%q.Ended() = %v, want %v", status, got, want)
		}
	}
}

// rude is a result, and an error, whose methods panic: a nil *rude in an interface is one that is often met.
type rude struct{ message string }

func (r *rude) Error() string               { return r.message }
func (r *rude) Is(error) bool               { return r.message != "" }
func (r rude) MarshalJSON() ([]byte, error) { panic("password is 1234") }

// What the work returns has methods of the application's. A panic in one of them is one of the work: the run fails, and
// neither the process nor the terminal is lost.
func TestRunOutlivesAResultThatPanics(t *testing.T) {
	for name, work := range map[string]func(context.Context, *progress.Reporter) (any, error){
		"result":                 func(context.Context, *progress.Reporter) (any, error) { return &rude{}, nil },
		"result beside an error": func(context.Context, *progress.Reporter) (any, error) { return &rude{}, errors.New("x") },
		"error":                  func(context.Context, *progress.Reporter) (any, error) { return nil, (*rude)(nil) },
		"error of a cancelled run": func(ctx context.Context, r *progress.Reporter) (any, error) {
			<-ctx.Done()
			return nil, (*rude)(nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				job := mustStart(t, f.Tracker, "a")
				go job.Run(work)
				synctest.Wait()
				f.Tracker.Cancel("a")
				synctest.Wait()
				if p := newest(t, f.Tracker, "a"); !p.Status.Ended() || p.Error != "internal error" {
					t.Errorf("terminal %+v, want an end with an internal error", p)
				}
				if !strings.Contains(f.log.String(), "work panicked") {
					t.Errorf("log: %s, want the panic", f.log)
				}
			})
		})
	}
}

// A payload that panics when it is encoded cannot be encoded: a terminal that says so is better than none.
func TestFinishOutlivesAPayloadThatPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		job := mustStart(t, f.Tracker, "a")
		job.Publish(rude{})
		job.Finish(rude{})
		if p := newest(t, f.Tracker, "a"); p.Status != progress.StatusFailed || !strings.Contains(p.Error, "cannot be encoded") {
			t.Errorf("terminal %+v, want a failure that says why", p)
		}
		if strings.Contains(newest(t, f.Tracker, "a").Error, "1234") || !strings.Contains(f.log.String(), "1234") {
			t.Errorf("the panic is for the log, and for nobody else: %+v, log %s", newest(t, f.Tracker, "a"), f.log)
		}
	})
}
