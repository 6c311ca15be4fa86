package smartpoll_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/tidewire/tidewire/smartpoll"
)

// Between the end of one member, hook included, and the start of the next the upstream has its peace.
func TestGroupGap(t *testing.T) {
	for _, test := range []struct {
		name   string
		config smartpoll.GroupConfig
		want   []string
	}{
		{"alone", smartpoll.GroupConfig{Running: 1, Gap: 3 * time.Second}, []string{"a 0s", "b 5s", "c 10s"}},
		{"shorter than the rate", smartpoll.GroupConfig{Running: 1, Gap: time.Second, Rate: rate.Every(6 * time.Second)}, []string{"a 0s", "b 6s", "c 12s"}},
		{"longer than the rate", smartpoll.GroupConfig{Running: 1, Gap: 9 * time.Second, Rate: rate.Every(6 * time.Second)}, []string{"a 0s", "b 11s", "c 22s"}},
		{"without places", smartpoll.GroupConfig{Gap: 3 * time.Second}, []string{"a 0s", "b 0s", "c 0s"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				var j journal
				in := smartpoll.In(smartpoll.NewGroup(test.config))
				const takes = 2 * time.Second
				s, err := smartpoll.New(start("a", "b", "c"), starts(&j, begin, "a", takes, in), starts(&j, begin, "b", takes, in), starts(&j, begin, "c", takes, in))
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				_ = s.Run(ctx)
				got := j.got()
				slices.SortStableFunc(got, func(a, b string) int { return strings.Compare(a[:1], b[:1]) }) // those of one moment
				if !slices.Equal(got, test.want) {
					t.Errorf("starts are %q, want %q", got, test.want)
				}
			})
		})
	}
}

// A member that comes when the gap is over does not wait, and one that comes before waits for the rest of it, also in another
// group that has a place for it.
func TestGroupGapThatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var j journal
		gap := smartpoll.In(smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1, Gap: 3 * time.Second}))
		other := smartpoll.In(smartpoll.NewGroup(smartpoll.GroupConfig{Running: 2}))
		s, err := smartpoll.New(smartpoll.WithRunHook(func(_ context.Context, internal *internal) error {
			internal.Schedule("a", 0)
			internal.Schedule("b", 10*time.Second)
			internal.Schedule("c", 12*time.Second)
			return nil
		}), starts(&j, begin, "a", time.Second, gap), starts(&j, begin, "b", time.Second, gap, other), starts(&j, begin, "c", time.Second, other, gap))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_ = s.Run(ctx)
		if got, want := j.got(), []string{"a 0s", "b 10s", "c 14s"}; !slices.Equal(got, want) {
			t.Errorf("starts are %q, want %q", got, want)
		}
	})
}

func TestNewGroupRefusesANegativeGap(t *testing.T) {
	defer func() {
		if got, want := recover(), "smartpoll: NewGroup: Gap is -1s, use a positive duration, or zero for none"; got != want {
			t.Errorf("NewGroup panics with %v, want %s", got, want)
		}
	}()
	smartpoll.NewGroup(smartpoll.GroupConfig{Gap: -time.Second})
}

// A member that has its place and waits for WithMaxRunning alone does not start within the gap after another one that has
// ended meanwhile; nobody who came later starts before it.
func TestGroupGapCountsWhileAMemberWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var j journal
		in := smartpoll.In(smartpoll.NewGroup(smartpoll.GroupConfig{Running: 3, Gap: 3 * time.Second}))
		task := func(key string, d time.Duration, opts ...smartpoll.TaskOption) smartpoll.Option {
			return smartpoll.WithTask(key, func(context.Context) (hook, error) {
				j.add("%s %v", key, since(begin))
				time.Sleep(d)
				return nil, nil
			}, opts...)
		}
		s := mustNew(t, smartpoll.WithMaxRunning(2), smartpoll.WithDrain(smartpoll.Drain{Wait: time.Minute}),
			onRun(func(internal *internal) {
				internal.Schedule("a", 0)                // until 1s
				internal.Schedule("b", 0)                // until 10s
				internal.Schedule("c", 2*time.Second)    // waits for the gap until 4s, and then for room
				internal.Schedule("room", 2*time.Second) // until 12s
				internal.Schedule("d", 11*time.Second)
			}),
			task("a", time.Second, in), task("b", 10*time.Second, in), task("c", time.Second, in),
			task("room", 10*time.Second), task("d", time.Second, in))
		r := run(s)
		time.Sleep(time.Minute)
		r.stop()
		got := j.got()
		slices.Sort(got) // two start at one moment
		if want := []string{"a 0s", "b 0s", "c 13s", "d 13s", "room 2s"}; !slices.Equal(got, want) {
			t.Errorf("starts are %q, want %q", got, want)
		}
	})
}
