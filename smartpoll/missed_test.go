package smartpoll_test

import (
	"context"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

// plainly is a Schedule that is no Interval.
type plainly time.Duration

func (p plainly) Next(t time.Time) time.Time {
	return t.Add(time.Duration(p)).Truncate(time.Duration(p))
}

// Ten times pass while a hook keeps the loop. MissedAll(n) makes up for n of them, and Skipped counts those
// that led to no run.
func TestMissedTimesAreCounted(t *testing.T) {
	const minute = time.Minute
	for _, tt := range []struct {
		missed  smartpoll.MissedPolicy
		runs    uint64 // at once when the loop is free
		skipped uint64
	}{
		{smartpoll.MissedOnce, 1, 0},
		{smartpoll.MissedSkip, 0, 10},
		{smartpoll.MissedAll(1), 1, 9},
		{smartpoll.MissedAll(3), 3, 7},
		{smartpoll.MissedAll(20), 10, 0},
	} {
		for what, schedule := range map[string]smartpoll.Schedule{
			"plain": smartpoll.Every(minute), "pinned": smartpoll.Every(minute).Offset(0), "jittered": smartpoll.Every(minute).Jitter(0.3, "id"),
			"custom": plainly(minute),
		} {
			synctest.Test(t, func(t *testing.T) {
				s := mustNew(t, smartpoll.WithTask("k", nothing, smartpoll.On(schedule), smartpoll.Missed(tt.missed)))
				r := run(s)
				synctest.Wait()
				s.Do(t.Context(), func(context.Context, *internal) error { time.Sleep(10*minute + 30*time.Second); return nil })
				synctest.Wait()
				runs, skipped := tt.runs, tt.skipped
				if what == "jittered" { // the time of the instant at which the bubble begins comes on top
					switch tt.missed {
					case smartpoll.MissedOnce:
					case smartpoll.MissedAll(20):
						runs++
					default:
						skipped++
					}
				}
				info, _ := s.Info("k")
				if info.Runs != runs || info.Skipped != skipped {
					t.Errorf("%s, %v: %d runs and %d skipped, want %d and %d", what, tt.missed, info.Runs, info.Skipped, runs, skipped)
				}
				if d := time.Until(info.Next); d <= 0 || d > minute {
					t.Errorf("%s, %v: the next time is in %v, want it within a minute", what, tt.missed, d)
				}
				r.stop()
			})
		}
	}
}

// Of a Schedule that can only be asked for one time after the other, no more than a thousand are counted at once.
func TestMissedTimesThatAreCountedAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustNew(t, smartpoll.WithTask("k", nothing, smartpoll.On(plainly(time.Second)), smartpoll.Missed(smartpoll.MissedSkip)))
		r := run(s)
		synctest.Wait()
		s.Do(t.Context(), func(context.Context, *internal) error { time.Sleep(24 * time.Hour); return nil })
		synctest.Wait()
		if info, _ := s.Info("k"); info.Skipped != 1001 { // the one that was noticed, and those after it
			t.Errorf("Skipped = %d, want 1001", info.Skipped)
		}
		r.stop()
	})
}

// However a task comes to be late, it is so against the time that was planned.
func TestLateIsCountedFromThePlannedTime(t *testing.T) {
	for _, missed := range []smartpoll.MissedPolicy{smartpoll.MissedOnce, smartpoll.MissedAll(1)} {
		synctest.Test(t, func(t *testing.T) {
			var late journal
			var takes atomic.Int64
			s := mustNew(t, smartpoll.WithObserver(&smartpoll.Observer{OnStart: func(_ any, d, held time.Duration) { late.add("%v", d+held) }}),
				smartpoll.WithTask("k", func(context.Context) (hook, error) { time.Sleep(time.Duration(takes.Load())); return nil, nil },
					smartpoll.On(smartpoll.Every(time.Minute)), smartpoll.Missed(missed)))
			r := run(s)
			var starts []string
			want := func(when string, d time.Duration) {
				t.Helper()
				synctest.Wait()
				starts = append(starts, d.String())
				if info, _ := s.Info("k"); info.Late+info.Held != d {
					t.Errorf("%v, %s: Late and Held = %v, %v, want the sum %v", missed, when, info.Late, info.Held, d)
				}
				late.want(t, starts...)
			}
			synctest.Wait()
			s.Do(t.Context(), func(context.Context, *internal) error { time.Sleep(90 * time.Second); return nil })
			want("after a hook that kept the loop", 30*time.Second)
			s.Pause("k")
			time.Sleep(5*time.Minute - 30*time.Second)
			next := s.Next("k")
			s.Resume("k")
			want("after a pause", time.Since(next))
			takes.Store(int64(90 * time.Second))
			time.Sleep(time.Until(s.Next("k")))
			want("on time", 0)
			takes.Store(0)
			time.Sleep(90 * time.Second)
			want("after a run that took long", 30*time.Second)
			r.stop()
		})
	}
}

// A time that has passed, as one that was saved by an earlier process, stands for all that were missed since.
func TestARestoredTimeThatHasPassedRunsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, opts := range [][]smartpoll.TaskOption{nil, {smartpoll.Missed(smartpoll.MissedSkip)}, {smartpoll.Missed(smartpoll.MissedAll(1))}} {
			for _, every := range []smartpoll.Interval{smartpoll.Every(time.Hour), smartpoll.Every(time.Hour).Offset(0)} {
				time.Sleep(time.Until(time.Now().Truncate(time.Hour).Add(90 * time.Minute)))
				s := mustNew(t, smartpoll.WithTask("k", nothing, append(opts, smartpoll.On(every))...),
					onRun(func(i *internal) { i.ScheduleAt("k", time.Now().Round(0).Add(-3*time.Hour)) }))
				r := run(s)
				synctest.Wait()
				info, _ := s.Info("k")
				if in := time.Until(info.Next); info.Runs != 1 || in <= 0 || in > time.Hour {
					t.Errorf("%v, %d options: %d runs and the next in %v, want 1 and within an hour", every, len(opts), info.Runs, in)
				}
				r.stop()
			}
		}
	})
}

// A time that has passed and is scheduled explicitly is not skipped, even if it is the one that was planned last.
func TestAMissedTimeThatIsScheduledAgainRuns(t *testing.T) {
	for name, again := range map[string]func(s *smartpoll.Scheduler, at time.Time){
		"cleared": func(s *smartpoll.Scheduler, at time.Time) {
			s.Schedule("k", -1)
			time.Sleep(time.Until(at) + 2*time.Second)
			s.ScheduleAt("k", at)
		},
		"paused": func(s *smartpoll.Scheduler, at time.Time) {
			s.Pause("k")
			time.Sleep(time.Until(at) + 2*time.Second)
			s.ScheduleAt("k", at)
			s.Resume("k")
		},
		"while it runs": func(s *smartpoll.Scheduler, at time.Time) {
			time.Sleep(time.Until(at))
			synctest.Wait()
			s.Do(context.Background(), func(context.Context, *internal) error { time.Sleep(2 * time.Second); s.ScheduleAt("k", at); return nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ran := 0
				s := mustNew(t, smartpoll.WithDrain(smartpoll.Drain{Wait: time.Minute}), smartpoll.WithTask("k", func(context.Context) (hook, error) {
					if ran++; name == "while it runs" && ran == 1 {
						time.Sleep(time.Second) // until its result waits for the hook of Do
					}
					return nil, nil
				}, smartpoll.On(smartpoll.Every(time.Minute)), smartpoll.Missed(smartpoll.MissedSkip)))
				r := run(s)
				synctest.Wait()
				at := s.Next("k")
				again(s, at)
				if wrong := smartpoll.Check(s); wrong != "" {
					t.Errorf("%s", wrong)
				}
				synctest.Wait()
				want := 1
				if name == "while it runs" {
					want = 2
				}
				info, _ := s.Info("k")
				if next := at.Add(time.Minute); ran != want || info.Skipped != 0 || !info.Next.Equal(next) {
					t.Errorf("%d runs, %d skipped, the next at %v, want %d, none and %v", ran, info.Skipped, info.Next, want, next)
				}
				if wrong := smartpoll.Check(s); wrong != "" {
					t.Errorf("%s", wrong)
				}
				r.stop()
			})
		})
	}
}

// A retry comes before the schedule, also if that has planned its next time already to replace a run that hangs.
func TestRetryWithAScheduleThatReplaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var ran []time.Duration
		s := mustNew(t, smartpoll.WithTask("k", func(context.Context) (hook, error) {
			ran = append(ran, since(begin))
			if len(ran) <= 2 {
				return nil, errFlaky
			}
			return nil, nil
		}, smartpoll.On(smartpoll.Every(time.Minute)), smartpoll.Overlap(smartpoll.Replace), smartpoll.Retry(smartpoll.Backoff{Min: time.Second, Jitter: -1})))
		r := run(s)
		time.Sleep(150 * time.Second)
		r.stop()
		wantRan(t, "with Replace", ran, time.Minute, 61*time.Second, 63*time.Second, 123*time.Second)
	})
}

// Planning takes turns with hooks: it may be slow, and there may be much to plan.
func TestHooksRunWhileTasksArePlanned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0 // used between hooks only
		var options []smartpoll.Option
		for n := range 1000 {
			options = append(options, smartpoll.WithTask(n, nothing, smartpoll.On(scheduleFunc(func(t time.Time) time.Time {
				asked++
				time.Sleep(time.Second)
				return t.Add(time.Hour)
			}))))
		}
		s := mustNew(t, options...)
		r := run(s)
		time.Sleep(1500 * time.Millisecond)
		before := 0
		begin := time.Now()
		for range 10 {
			if err := s.Do(t.Context(), func(context.Context, *internal) error { before = asked; return nil }); err != nil {
				t.Fatal(err)
			}
		}
		if took := since(begin); took > 20*time.Second || before > 20 {
			t.Errorf("ten hooks waited %v while %d tasks were planned, want a second each", took, before)
		}
		r.stop()
	})
}

type scheduleFunc func(time.Time) time.Time

func (f scheduleFunc) Next(t time.Time) time.Time { return f(t) }

// The wall clock is slewed by less than what counts as set: a time of it is not early nevertheless.
func TestATimeOfTheWallClockIsNeverEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slew, want atomic.Int64 // of the wall clock: how far, and Unix nanoseconds
		wall := func(now time.Time) time.Time { return now.Add(time.Duration(slew.Load())) }
		var early journal
		s := mustNew(t, smartpoll.WithTask("k", func(context.Context) (hook, error) {
			if d := time.Duration(want.Load() - wall(time.Now()).UnixNano()); d > 0 {
				early.add("%v", d)
			}
			return nil, nil
		}), smartpoll.WithDrain(smartpoll.Drain{Wait: time.Minute}))
		smartpoll.SetWallClock(s, wall)
		r := run(s)
		for n := range 100 {
			due := wall(time.Now()).Add(10 * time.Minute).Round(0)
			want.Store(due.UnixNano())
			s.ScheduleAt("k", due)
			for range 10 {
				slew.Add(int64(-4 * time.Millisecond * time.Duration(n%3)))
				time.Sleep(59 * time.Second)
			}
			if n%3 == 1 {
				time.Sleep(due.Sub(wall(time.Now())) - 10*time.Millisecond)
				slew.Add(int64(-30 * time.Millisecond))
				time.Sleep(11 * time.Millisecond)
				if s.StopTimer("k") {
					t.Error("StopTimer() = true before the time has come")
				}
			}
			time.Sleep(time.Minute)
		}
		r.stop()
		early.want(t)
		if info, _ := s.Info("k"); info.Runs < 60 {
			t.Errorf("%d runs, want at least 60", info.Runs)
		}
	})
}

// However long ago a task was due and however long its head start, it starts first: sums of times that
// are far apart do not overflow.
func TestAHeadStartOfATimeLongAgo(t *testing.T) {
	for _, d := range []time.Duration{time.Hour, math.MaxInt64} {
		for _, at := range []time.Time{time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC), time.Unix(0, 0), time.Now()} {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				begin := time.Now()
				at := at
				if at.After(begin) {
					at = begin
				}
				s := mustNew(t, smartpoll.WithMaxRunning(1), starts(&j, begin, "ahead", 0, smartpoll.HeadStart(d)), starts(&j, begin, "other", 0),
					onRun(func(i *internal) {
						i.ScheduleAt("other", at)
						i.ScheduleAt("ahead", at)
					}))
				r := run(s)
				synctest.Wait()
				r.stop()
				j.want(t, "ahead 0s", "other 0s")
			})
		}
	}
}
