package snapshot_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/snapshot/snapshottest"
)

func TestMemory(t *testing.T) {
	snapshottest.RunInBubble(t, func(*testing.T) snapshot.Store { return snapshot.NewMemory() })
}

// A Memory is no backend of several processes, but shows that a store like it, with handles that can die or be cut off,
// would be.
func TestMemoryIsShared(t *testing.T) {
	snapshottest.RunShared(t, func(t *testing.T) snapshottest.Shared {
		m := snapshot.NewMemory()
		return snapshottest.Shared{
			Open: func(*testing.T) snapshot.Store { return snapshottest.NewProcess(m) },
			Kill: func(_ *testing.T, s snapshot.Store) { s.(*snapshottest.Process).Kill() },
			Cut: func(_ *testing.T, s snapshot.Store) {
				s.(*snapshottest.Process).Cut()
				go s.(*snapshottest.Process).Lose() // some time later
			},
			Heal: func(_ *testing.T, s snapshot.Store) { s.(*snapshottest.Process).Heal() },
		}
	})
}

// The same, with one process at a time, as with a store on disk.
func TestMemoryIsRestored(t *testing.T) {
	snapshottest.RunShared(t, func(t *testing.T) snapshottest.Shared {
		m := snapshot.NewMemory()
		return snapshottest.Shared{
			Open: func(*testing.T) snapshot.Store { return snapshottest.NewProcess(m) },
			Kill: func(t *testing.T, s snapshot.Store) {
				s.(*snapshottest.Process).Kill()
				m = restored(t, m)
			},
			Alone: true,
		}
	})
}

// restored returns a store with the entries of another.
func restored(t *testing.T, old *snapshot.Memory) *snapshot.Memory {
	ctx, cancel := context.WithCancel(t.Context())
	m := snapshot.NewMemory()
	_ = old.Follow(ctx, func(e snapshot.Entry) {
		if err := m.Restore(e, time.Second); err != nil {
			t.Error(err)
		}
	}, cancel)
	return m
}

func claim(t testing.TB, m *snapshot.Memory, topic string) snapshot.Claim {
	t.Helper()
	c, _, err := m.Claim(t.Context(), topic, snapshot.ClaimOptions{})
	if c == nil || err != nil {
		t.Fatalf("Claim(%q) = %v, %v, want a claim", topic, c, err)
	}
	return c
}

// follow has fn called until the test ends.
func follow(t testing.TB, m *snapshot.Memory, fn func(snapshot.Entry)) {
	t.Helper()
	synced := make(chan struct{})
	go m.Follow(t.Context(), fn, func() { close(synced) })
	<-synced
}

// Everything has been told, in order and by the caller's goroutine, when a call returns: nothing is skipped in
// memory.
func TestMemoryTellsSynchronously(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := snapshot.NewMemory()
		var got []string // no lock: the calls below are the only ones
		follow(t, m, func(e snapshot.Entry) { got = append(got, fmt.Sprintf("%s %d %s", e.State, e.N, e.Data)) })
		c := claim(t, m, "a")
		c.Put([]byte("x"))
		c.Put([]byte("y"))
		c.Finish(t.Context(), []byte("z"), 0)
		if got, want := fmt.Sprint(got), "[live 0  live 1 x live 2 y final 3 z gone 3 ]"; got != want {
			t.Errorf("follower saw %s, want %s", got, want)
		}
	})
}

// Retentions of different lengths end each at its own time, whatever the order of their Finish.
func TestMemoryRetentionToTheTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := snapshot.NewMemory()
		began := time.Now()
		gone := make(map[string]time.Duration)
		var mu sync.Mutex
		follow(t, m, func(e snapshot.Entry) {
			if e.State == snapshot.Gone {
				mu.Lock()
				gone[e.Topic] = time.Since(began)
				mu.Unlock()
			}
		})
		want := make(map[string]time.Duration)
		for i, tenths := range rand.Perm(200) {
			topic := fmt.Sprint("a", i)
			want[topic] = time.Duration(tenths+1) * 100 * time.Millisecond
			claim(t, m, topic).Finish(t.Context(), nil, want[topic])
		}
		for i := 0; i < 200; i += 3 { // replaced ones expire when the new run does
			topic := fmt.Sprint("a", i)
			want[topic] = time.Duration(300+i) * time.Second
			claim(t, m, topic).Finish(t.Context(), nil, want[topic])
		}
		time.Sleep(time.Hour)
		mu.Lock()
		defer mu.Unlock()
		if len(gone) != len(want) {
			t.Errorf("%d topics are gone, want %d", len(gone), len(want))
		}
		for topic, at := range gone {
			if at != want[topic] {
				t.Errorf("%s was gone after %v, want %v", topic, at, want[topic])
			}
		}
	})
}

// A store that wraps a Memory puts the entries of an earlier process in place.
func TestMemoryRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := snapshot.NewMemory()
		var mu sync.Mutex
		var got []string
		follow(t, m, func(e snapshot.Entry) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, fmt.Sprintf("%s %s-%d %s", e.State, e.Run, e.N, e.Data))
		})
		tells := func(when string, want ...string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(got, want) {
				t.Errorf("%s the follower saw %q, want %q", when, got, want)
			}
			got = nil
		}
		restore := func(topic, run string, n uint64, state snapshot.State, retention time.Duration) error {
			return m.Restore(snapshot.Entry{Topic: topic, Run: run, N: n, State: state, Data: []byte(topic)}, retention)
		}
		for _, err := range []error{
			restore("live", "r", 7, snapshot.Live, 0),
			restore("orphan", "r", 0, snapshot.Orphan, 0),
			restore("final", "r", 9, snapshot.Final, time.Minute),
			restore("over", "r", 9, snapshot.Final, 0),
		} {
			if err != nil {
				t.Error(err)
			}
		}
		tells("while they were restored", "orphan r-7 live", "orphan r-0 orphan", "final r-9 final")
		for what, err := range map[string]error{
			"of a topic with an entry": restore("live", "s", 1, snapshot.Final, time.Minute),
			"of a Gone entry":          restore("new", "r", 1, snapshot.Gone, time.Minute),
			"of a run with a -":        restore("new", "r-1", 1, snapshot.Live, 0),
			"without a run":            restore("new", "", 1, snapshot.Live, 0),
		} {
			if err == nil {
				t.Errorf("Restore %s = nil, want an error", what)
			}
		}
		tells("of what was refused")
		c, e, err := m.Claim(t.Context(), "live", snapshot.ClaimOptions{Adopt: "r"})
		if err != nil || c == nil || e.N != 7 {
			t.Fatalf("Claim to adopt = %v, %v, %v, want the run with N 7", c, e, err)
		}
		c.Put([]byte("on"))
		tells("when it was adopted", "live r-7 live", "live r-8 on")
		time.Sleep(time.Minute)
		tells("a minute later", "gone r-9 ")
	})
}

// A topic that waits, live or retained, costs no goroutine.
func TestMemoryIdleEntriesOwnNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := snapshot.NewMemory()
		before := runtime.NumGoroutine()
		for i := range 10000 {
			c := claim(t, m, fmt.Sprint("a", i))
			c.Put([]byte("1"))
			if i%2 == 0 {
				c.Finish(t.Context(), nil, time.Duration(i)*time.Second)
			}
		}
		if got := runtime.NumGoroutine() - before; got > 0 {
			t.Errorf("10000 entries started %d goroutines, want none", got)
		}
	})
}

// Claims, puts, ends and expiries of few topics by many goroutines: the followers check the order.
func TestMemoryStress(t *testing.T) {
	m := snapshot.NewMemory()
	type place struct {
		run string
		n   uint64
	}
	newest := make(map[string]place) // no lock: the store calls one at a time, which the race detector checks
	live := make(map[string]string)
	follow(t, m, func(e snapshot.Entry) {
		last := newest[e.Topic]
		if last.run == e.Run && (e.N < last.n || e.N == last.n && e.State != snapshot.Gone) {
			t.Errorf("%v came after N %d", e, last.n)
		}
		if e.State == snapshot.Live {
			if run := live[e.Topic]; run != "" && run != e.Run {
				t.Errorf("%v began while run %s was live", e, run)
			}
			live[e.Topic] = e.Run
		} else {
			delete(live, e.Topic)
		}
		newest[e.Topic] = place{e.Run, e.N}
	})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 2000 {
				topic := fmt.Sprint("a", rand.IntN(4))
				c, _, err := m.Claim(context.Background(), topic, snapshot.ClaimOptions{KeepFinal: rand.IntN(2) == 0})
				if err != nil {
					t.Errorf("Claim(%q) error %v", topic, err)
				}
				if c == nil {
					continue
				}
				for range rand.IntN(3) {
					c.Put([]byte("1"))
				}
				go c.Put([]byte("late"))
				if err := c.Finish(context.Background(), nil, time.Duration(rand.IntN(200))*time.Microsecond); err != nil {
					t.Errorf("Finish() = %v", err)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkMemoryPut(b *testing.B) {
	m := snapshot.NewMemory()
	follow(b, m, func(snapshot.Entry) {})
	c := claim(b, m, "a")
	data := []byte(`{"percent":50}`)
	b.ReportAllocs()
	for b.Loop() {
		c.Put(data)
	}
}
