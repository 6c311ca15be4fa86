package smartpoll_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/tidewire/tidewire/smartpoll"
)

// Random operations on tasks in groups. After each: the counters of the groups
// are the members that run, heap and lists are in order, nobody waits beside a
// free place (Check); no group with a rate has started more than it may; and at
// the end everything that was scheduled has run.
func TestModelOfGroups(t *testing.T) {
	for n := range 24 {
		synctest.Test(t, func(t *testing.T) { modelOfGroups(t, rand.New(rand.NewPCG(uint64(n), 0)), n%2 == 0) })
	}
}

// blocking says whether hooks take time, which starts must wait for.
func modelOfGroups(t *testing.T, r *rand.Rand, blocking bool) {
	const keys = 16
	configs := []smartpoll.GroupConfig{{Running: 1}, {Running: 3}, {Rate: 20, Burst: 3}, {Running: 2, Rate: 50}}
	var groups []*smartpoll.Group
	var models []*modelGroup
	for _, config := range configs {
		groups = append(groups, smartpoll.NewGroup(config))
		models = append(models, newModelGroup(config))
	}
	lock := make(chan struct{}, 1)
	options := []smartpoll.Option{smartpoll.WithDrain(smartpoll.Drain{Wait: time.Hour})}
	if r.IntN(2) == 0 {
		options = append(options, smartpoll.WithMaxRunning(1+r.IntN(6)))
	}
	for key := range keys {
		var opts []smartpoll.TaskOption
		var in []int
		for g := range groups {
			if r.IntN(3) == 0 && (g < 3 || !slices.Contains(in, 2)) { // one with a rate at most: see In
				opts = append(opts, smartpoll.In(groups[g]))
				in = append(in, g)
			}
		}
		if key%4 == 0 {
			opts = append(opts, smartpoll.Retry(smartpoll.Backoff{Min: time.Millisecond}))
		}
		p := rand.New(rand.NewPCG(r.Uint64(), 0))
		options = append(options, smartpoll.WithTask(key, func(context.Context) (hook, error) {
			lock <- struct{}{}
			for _, g := range in {
				if wrong := models[g].start(!blocking, groups[g].Info()); wrong != "" {
					t.Errorf("key %d starts in group %d: %s", key, g, wrong)
				}
			}
			<-lock
			time.Sleep(pause(p))
			switch p.IntN(4) {
			case 0:
				return nil, nil
			case 1:
				if key%4 == 0 {
					return nil, errFlaky
				}
			}
			return func(_ context.Context, i *internal) error {
				i.ScheduleSooner(p.IntN(keys), pause(p))
				if blocking {
					time.Sleep(pause(p) / 20)
				}
				return nil
			}, nil
		}, opts...))
	}
	s := mustNew(t, options...)
	check := func(when string) {
		if wrong := smartpoll.Check(s, groups...); wrong != "" {
			t.Fatalf("%s: %s", when, wrong)
		}
	}
	for range 2 { // Runs
		run := run(s)
		for step := range 150 {
			key := r.IntN(keys)
			op := r.IntN(13)
			switch op {
			case 0, 1:
				s.Schedule(key, 0)
			case 2:
				s.Schedule(key, pause(r))
			case 3:
				s.Schedule(key, -1)
			case 4:
				s.StopTimer(key)
			case 5:
				s.ScheduleAtSooner(key, time.Now().Add(pause(r)-20*time.Millisecond))
			case 6:
				g := r.IntN(len(groups))
				config := smartpoll.GroupConfig{Running: r.IntN(4), Burst: r.IntN(4), Gap: time.Duration(r.IntN(3)) * time.Millisecond}
				if g > 1 && r.IntN(4) > 0 {
					config.Rate = rate.Limit(20 + r.IntN(40))
				}
				lock <- struct{}{}
				models[g].set(config)
				<-lock
				groups[g].SetLimit(config)
			case 7:
				groups[r.IntN(len(groups))].Pause("pause")
			case 8, 9:
				groups[r.IntN(len(groups))].Resume("pause")
			case 10:
				s.PauseAll("pause")
			case 11, 12:
				s.ResumeAll("pause")
			}
			check(fmt.Sprintf("step %d, operation %d", step, op))
			if r.IntN(3) == 0 {
				time.Sleep(pause(r))
			}
			synctest.Wait()
			check(fmt.Sprintf("after step %d, operation %d", step, op))
		}
		// Liveness: whatever waits now has started soon.
		s.ResumeAll("pause")
		for _, g := range groups {
			g.Resume("pause")
		}
		synctest.Wait()
		var waiting []int
		for key := range keys {
			if s.StopTimer(key) {
				waiting = append(waiting, key)
			}
		}
		since := time.Now()
		time.Sleep(20 * time.Second)
		for _, key := range waiting {
			if next := s.Next(key); !next.IsZero() && next.Before(since) {
				t.Errorf("key %d has been ready for %v", key, time.Since(next))
			}
		}
		if got := run.stop(); got != context.Canceled {
			t.Fatalf("Run() = %v, want %v", got, context.Canceled)
		}
		check("after Run")
	}
}

// modelGroup is a group that is simple enough to be believed.
type modelGroup struct {
	config smartpoll.GroupConfig
	tokens float64
	at     time.Time // when there were tokens
}

func newModelGroup(config smartpoll.GroupConfig) *modelGroup {
	return &modelGroup{config: config, tokens: float64(max(config.Burst, 1)), at: time.Now()}
}

// refill adds the tokens of the time that has passed.
func (m *modelGroup) refill() {
	now := time.Now()
	m.tokens = min(m.tokens+now.Sub(m.at).Seconds()*float64(m.config.Rate), float64(max(m.config.Burst, 1)))
	m.at = now
}

func (m *modelGroup) set(config smartpoll.GroupConfig) {
	m.refill()
	if m.config.Rate == 0 {
		m.tokens = float64(max(config.Burst, 1))
	}
	m.config = config
}

// start counts a start, and returns what is wrong with it, or "". Rated says whether starts are not held up.
func (m *modelGroup) start(rated bool, info smartpoll.GroupInfo) string {
	if info.Limit != m.config || info.Running < 1 || info.Running > info.Limit.Running && info.Limit.Running > 0 {
		return fmt.Sprintf("Info() = %+v, want the limit %+v to be observed", info, m.config)
	}
	m.refill()
	m.tokens--
	if m.config.Rate > 0 && m.tokens < -1e-3 && rated {
		return fmt.Sprintf("%v of a start were left, want a whole one", m.tokens+1)
	}
	return ""
}
