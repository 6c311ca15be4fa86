package snapshottest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/snapshot"
)

// claim takes topic and fails the test if it cannot.
func claim(t *testing.T, s snapshot.Store, topic string) snapshot.Claim {
	t.Helper()
	c, e, err := s.Claim(context.Background(), topic, snapshot.ClaimOptions{})
	if err != nil || c == nil {
		t.Fatalf("Claim(%q) = %v, %v, %v, want a claim", topic, c, e, err)
	}
	if e.Topic != topic || e.Run != c.Run() || e.N != 0 || e.State != snapshot.Live || e.Data != nil {
		t.Errorf("Claim(%q) made entry %v, want a live one of run %s with N 0 and no data", topic, e, c.Run())
	}
	return c
}

// join expects that topic cannot be claimed, and returns the entry to join.
func join(t *testing.T, s snapshot.Store, topic string, opts snapshot.ClaimOptions) snapshot.Entry {
	t.Helper()
	c, e, err := s.Claim(context.Background(), topic, opts)
	if err != nil || c != nil {
		t.Fatalf("Claim(%q, %+v) = %v, %v, %v, want no claim but an entry to join", topic, opts, c, e, err)
	}
	return e
}

// finish ends a run and fails the test if the store refuses.
func finish(t *testing.T, c snapshot.Claim, data string, retention time.Duration) {
	t.Helper()
	if err := c.Finish(context.Background(), []byte(data), retention); err != nil {
		t.Fatalf("Finish(%q, %v) = %v", data, retention, err)
	}
}

func oneClaimOfMany(t *testing.T, s snapshot.Store) {
	for _, keepFinal := range []bool{false, true} {
		topic := fmt.Sprintf("many/%v", keepFinal)
		var wg sync.WaitGroup
		var mu sync.Mutex
		claims, runs := 0, make(map[string]int)
		for range 64 {
			wg.Go(func() {
				c, e, err := s.Claim(context.Background(), topic, snapshot.ClaimOptions{KeepFinal: keepFinal})
				if err != nil {
					t.Errorf("Claim(%q) error %v", topic, err)
				}
				mu.Lock()
				defer mu.Unlock()
				if c != nil {
					claims++
				}
				runs[e.Run]++
			})
		}
		wg.Wait()
		if claims != 1 || len(runs) != 1 {
			t.Errorf(
				"64 callers of Claim(%q) got %d claims and entries of %d runs, want 1 and 1: %v",
				topic,
				claims,
				len(runs),
				runs,
			)
		}
	}
}

func joinLive(t *testing.T, s snapshot.Store) {
	f, _ := follow(t, s)
	c := claim(t, s, "a")
	c.Put([]byte("1"))
	f.waitFor("a", snapshot.Live, "1")
	for _, keepFinal := range []bool{false, true} {
		e := join(t, s, "a", snapshot.ClaimOptions{KeepFinal: keepFinal})
		if e.Topic != "a" || e.Run != c.Run() || e.State != snapshot.Live || string(e.Data) != "1" {
			t.Errorf("entry to join is %v, want the live one of run %s with data 1", e, c.Run())
		}
	}
	claim(t, s, "b") // another topic is free
}

func finalIsReplaced(t *testing.T, s snapshot.Store) {
	f, _ := follow(t, s)
	first := claim(t, s, "a")
	finish(t, first, "end", keep)
	f.waitFor("a", snapshot.Final, "end")
	second := claim(t, s, "a")
	if first.Run() == second.Run() {
		t.Errorf("the new run has the old one's id %q", first.Run())
	}
	if e := current(t, s)["a"]; e.State != snapshot.Live || e.Run != second.Run() || e.Data != nil {
		t.Errorf("entry is %v, want the new run's, live and without data", e)
	}
}

func keepFinal(t *testing.T, s snapshot.Store) {
	c := claim(t, s, "a")
	c.Put([]byte("1"))
	finish(t, c, "end", keep)
	e := join(t, s, "a", snapshot.ClaimOptions{KeepFinal: true})
	if e.Topic != "a" || e.Run != c.Run() || e.State != snapshot.Final || string(e.Data) != "end" {
		t.Errorf("entry to join is %v, want the retained one of run %s", e, c.Run())
	}
}

func claimIsSeenWhenItReturns(t *testing.T, s snapshot.Store) {
	f, _ := follow(t, s)
	for i := range 20 {
		topic := fmt.Sprint("a", i)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				_, e, err := s.Claim(context.Background(), topic, snapshot.ClaimOptions{})
				if got := f.last(topic); err != nil || got.Run != e.Run {
					t.Errorf("Claim(%q) = %v, %v, but its follower had seen %v", topic, e, err, got)
				}
			})
		}
		wg.Wait()
	}
}

func runIDs(t *testing.T, s snapshot.Store) {
	seen := make(map[string]bool)
	for i := range 50 {
		run := claim(t, s, fmt.Sprint("a", i)).Run()
		if run == "" || len(run) > 40 || seen[run] || strings.ContainsFunc(run, func(r rune) bool {
			return !('0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z')
		}) {
			t.Errorf("run id %q: want up to 40 letters and digits, a new one each time", run)
		}
		seen[run] = true
	}
	c, e, err := s.Claim(context.Background(), "mine", snapshot.ClaimOptions{Run: "Run7"})
	if err != nil || c.Run() != "Run7" || e.Run != "Run7" {
		t.Errorf("Claim with Run7 = %v, %v, %v", c, e, err)
	}
	defer func() {
		if recover() == nil {
			t.Error(`Claim with run id "a-1" did not panic`)
		}
	}()
	s.Claim(context.Background(), "bad", snapshot.ClaimOptions{Run: "a-1"})
}

func newestWins(t *testing.T, s snapshot.Store) {
	f, _ := follow(t, s)
	c := claim(t, s, "a")
	for i := range 1000 {
		c.Put(fmt.Append(nil, i))
	}
	f.waitFor("a", snapshot.Live, "999")
	if e := join(t, s, "a", snapshot.ClaimOptions{}); string(e.Data) != "999" {
		t.Errorf("entry to join has data %q, want the newest, 999", e.Data)
	}
	for _, e := range f.all() {
		if e.Run != c.Run() || e.State != snapshot.Live {
			t.Errorf("follower saw %v, want live entries of run %s alone", e, c.Run())
		}
	}
}

func lastIsNeverSkipped(t *testing.T, s snapshot.Store) {
	f, _ := follow(t, s)
	for i := range 20 {
		topic := fmt.Sprint("a", i)
		c := claim(t, s, topic)
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for n := range 50 {
					c.Put(fmt.Append(nil, w, n))
				}
			})
		}
		wg.Wait()
		c.Put([]byte("last"))
		if i%2 == 0 {
			f.waitFor(topic, snapshot.Live, "last")
		}
		finish(t, c, "end", keep)
		f.waitFor(topic, snapshot.Final, "end")
	}
}

func followReplaysThenSyncs(t *testing.T, s snapshot.Store) {
	first, _ := follow(t, s)
	live, ended := claim(t, s, "live"), claim(t, s, "ended")
	claim(t, s, "empty")
	live.Put([]byte("1"))
	live.Put([]byte("2"))
	finish(t, ended, "end", keep)
	finish(t, claim(t, s, "gone"), "", 0)
	first.waitFor("live", snapshot.Live, "2")
	first.waitFor("gone", snapshot.Gone, "")

	f, _ := follow(t, s)
	replayed := f.all() // follow returned after synced, and no entry has changed since
	if len(replayed) != 3 {
		t.Errorf("Follow told %v before synced, want one entry of each topic that has one", replayed)
	}
	f.waitFor("live", snapshot.Live, "2")
	f.waitFor("ended", snapshot.Final, "end")
	f.waitFor("empty", snapshot.Live, "")
	live.Put([]byte("3"))
	f.waitFor("live", snapshot.Live, "3")
	first.waitFor("live", snapshot.Live, "3")
}

func followWhileWriting(t *testing.T, s snapshot.Store) {
	c := claim(t, s, "a")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				finish(t, c, "end", keep)
				return
			default:
				c.Put(fmt.Append(nil, n))
				time.Sleep(50 * time.Microsecond)
			}
		}
	})
	var followers []*follower
	for range 20 {
		f, _ := follow(t, s)
		followers = append(followers, f)
	}
	close(stop)
	wg.Wait()
	for _, f := range followers {
		f.waitFor("a", snapshot.Final, "end")
	}
}

func firstFinishCounts(t *testing.T, s snapshot.Store) {
	f, _ := follow(t, s)
	c := claim(t, s, "a")
	var wg sync.WaitGroup
	var mu sync.Mutex
	var won []string
	for i := range 16 {
		wg.Go(func() {
			data := fmt.Sprint("end", i)
			switch err := c.Finish(context.Background(), []byte(data), keep); {
			case err == nil:
				mu.Lock()
				won = append(won, data)
				mu.Unlock()
			case !errors.Is(err, snapshot.ErrOver):
				t.Errorf("later Finish() = %v, want ErrOver", err)
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Fatalf("of 16 calls of Finish %v succeeded, want one", won)
	}
	f.waitFor("a", snapshot.Final, won[0])
	c.Put([]byte("late"))
	if e := join(
		t, s, "a", snapshot.ClaimOptions{KeepFinal: true}); e.State != snapshot.Final ||
		string(e.Data) != won[0] {
		t.Errorf("entry after a late Put is %v, want the final one with %q", e, won[0])
	}
}

func oldRunChangesNothing(t *testing.T, s snapshot.Store) {
	f, _ := follow(t, s)
	old := claim(t, s, "a")
	finish(t, old, "end", keep)
	c := claim(t, s, "a")
	c.Put([]byte("1"))
	f.waitFor("a", snapshot.Live, "1")

	old.Put([]byte("late"))
	if err := old.Finish(context.Background(), []byte("late"), keep); !errors.Is(err, snapshot.ErrOver) {
		t.Errorf("Finish of a replaced run = %v, want ErrOver", err)
	}
	if e := join(t, s, "a", snapshot.ClaimOptions{}); e.Run != c.Run() || string(e.Data) != "1" {
		t.Errorf("entry is %v, want run %s with data 1", e, c.Run())
	}

	finish(t, c, "", 0)
	f.waitFor("a", snapshot.Gone, "")
	c.Put([]byte("late"))
	if err := c.Finish(context.Background(), []byte("late"), keep); !errors.Is(err, snapshot.ErrOver) {
		t.Errorf("Finish of a forgotten run = %v, want ErrOver", err)
	}
	if now := current(t, s); len(now) != 0 {
		t.Errorf("entries are %v, want none", now)
	}
}

func dataStays(t *testing.T, s snapshot.Store) {
	f, stop := follow(t, s)
	c := claim(t, s, "a")
	mine := []byte("first")
	c.Put(mine)
	f.waitFor("a", snapshot.Live, "first")
	c.Put([]byte("second"))
	f.waitFor("a", snapshot.Live, "second")
	finish(t, c, "third", retention)
	f.waitFor("a", snapshot.Gone, "")
	if string(mine) != "first" {
		t.Errorf("the store changed the caller's data to %q", mine)
	}
	stop() // compares the delivered data with the data now
}

func claimEndsWithContext(t *testing.T, s snapshot.Store) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c, e, err := s.Claim(ctx, "a", snapshot.ClaimOptions{})
	if c != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("Claim with an ended context = %v, %v, %v, want context.Canceled", c, e, err)
	}
	if now := current(t, s); len(now) != 0 {
		t.Errorf("entries are %v, want none", now)
	}
}

func followEndsWithContext(t *testing.T, s snapshot.Store) {
	c := claim(t, s, "a")
	_, stop := follow(t, s)
	f, _ := follow(t, s) // another follower, which stays
	stop()               // waits until Follow has returned; tell fails the test if it is called after that
	c.Put([]byte("1"))
	f.waitFor("a", snapshot.Live, "1")

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Follow(ctx, func(snapshot.Entry) {}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Follow with an ended context = %v, want context.Canceled", err)
	}
}
