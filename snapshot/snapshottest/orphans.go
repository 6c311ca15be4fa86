package snapshottest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/snapshot"
)

// release gives up a claim and fails the test if the store refuses.
func release(t *testing.T, c snapshot.Claim) {
	t.Helper()
	if err := c.Release(context.Background()); err != nil {
		t.Fatalf("Release() of run %s = %v", c.Run(), err)
	}
}

// adopt takes over an Orphan and fails the test if it cannot.
func adopt(t *testing.T, s snapshot.Store, topic, run string) (snapshot.Claim, snapshot.Entry) {
	t.Helper()
	c, e, err := s.Claim(context.Background(), topic, snapshot.ClaimOptions{Adopt: run})
	if err != nil || c == nil {
		t.Fatalf("Claim(%q) to adopt run %s = %v, %v, %v, want a claim", topic, run, c, e, err)
	}
	if c.Run() != run || e.Topic != topic || e.Run != run || e.State != snapshot.Live {
		t.Errorf("Claim(%q) to adopt run %s has run %s and made %v, want that run live again", topic, run, c.Run(), e)
	}
	return c, e
}

func adoptedRunGoesOn(t *testing.T, s snapshot.Store) {
	f, _ := follow(t, s)
	old := claim(t, s, "a")
	old.Put([]byte("1"))
	old.Put([]byte("2"))
	release(t, old)
	before := f.waitFor("a", snapshot.Orphan, "2")
	if e := current(t, s)["a"]; e.State != snapshot.Orphan || e.Run != old.Run() || string(e.Data) != "2" {
		t.Errorf("a new follower is told %v, want the orphan with what was put last", e)
	}
	c, e := adopt(t, s, "a", old.Run())
	if string(e.Data) != "2" || e.N < before.N {
		t.Errorf("the adopted entry is %v, want the data of %v, and no lower N", e, before)
	}
	if got := f.last("a"); got.State != snapshot.Live || got.Run != old.Run() {
		t.Errorf("Claim to adopt returned when its follower had seen %v, want the run live again", got)
	}
	c.Put([]byte("3"))
	if e := f.waitFor("a", snapshot.Live, "3"); e.N <= before.N {
		t.Errorf("after a put by the adopter the entry is %v, want N above that of %v", e, before)
	}
	finish(t, c, "end", keep)
	f.waitFor("a", snapshot.Final, "end")
}

func orphanIsNotReplaced(t *testing.T, s snapshot.Store) {
	f, _ := follow(t, s)
	c := claim(t, s, "a")
	c.Put([]byte("1"))
	release(t, c)
	f.waitFor("a", snapshot.Orphan, "1")
	for _, opts := range []snapshot.ClaimOptions{{}, {KeepFinal: true}, {Run: "Other"}} {
		if e := join(t, s, "a", opts); e.State != snapshot.Orphan || e.Run != c.Run() || string(e.Data) != "1" {
			t.Errorf("Claim(%+v) of an orphan's topic returns %v, want the orphan", opts, e)
		}
	}
	if err := s.Forget(context.Background(), "a", c.Run()); !errors.Is(err, snapshot.ErrLive) {
		t.Errorf("Forget() of an orphan = %v, want ErrLive", err)
	}
	c, _ = adopt(t, s, "a", c.Run())
	finish(t, c, "lost", 0)
	f.waitFor("a", snapshot.Gone, "")
	claim(t, s, "a") // the topic is free
}

func onlyAnOrphanIsAdopted(t *testing.T, s snapshot.Store) {
	refused := func(what, topic, run string, want snapshot.State) {
		t.Helper()
		if e := join(t, s, topic, snapshot.ClaimOptions{Adopt: run}); e.State != want {
			t.Errorf("Claim to adopt %s returns %v, want no claim and an entry that is %v", what, e, want)
		}
	}
	refused("a run that never was", "none", "Run1", 0)
	c := claim(t, s, "a")
	refused("a live run", "a", c.Run(), snapshot.Live)
	release(t, c)
	refused("another run than the orphan", "a", "Run1", snapshot.Orphan)
	c, _ = adopt(t, s, "a", c.Run())
	refused("a run that was adopted", "a", c.Run(), snapshot.Live)
	finish(t, c, "end", keep)
	refused("a run that has ended", "a", c.Run(), snapshot.Final)
	for _, opts := range []snapshot.ClaimOptions{{Adopt: "Run1", Run: "Run2"}, {Adopt: "Run1", KeepFinal: true}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Claim with %+v did not panic", opts)
				}
			}()
			s.Claim(context.Background(), "a", opts)
		}()
	}
}

func oneAdoptsOfMany(t *testing.T, s snapshot.Store) {
	f, _ := follow(t, s)
	c := claim(t, s, "a")
	for round := range 20 {
		run := c.Run()
		c.Put(fmt.Append(nil, round))
		release(t, c)
		var wg sync.WaitGroup
		claims := make(chan snapshot.Claim, 32)
		for i := range cap(claims) {
			wg.Go(func() {
				opts := snapshot.ClaimOptions{Adopt: run}
				if i%4 == 0 {
					opts = snapshot.ClaimOptions{} // somebody who wants to begin a run
				}
				c, e, err := s.Claim(context.Background(), "a", opts)
				if err != nil || e.Run != run {
					t.Errorf("Claim(%+v) = %v, %v, want an entry of run %s", opts, e, err, run)
				}
				if c != nil {
					claims <- c
				}
			})
		}
		wg.Wait()
		if len(claims) != 1 {
			t.Fatalf("of %d callers %d adopted the orphan, want one", cap(claims), len(claims))
		}
		c = <-claims
	}
	finish(t, c, "end", keep)
	f.waitFor("a", snapshot.Final, "end")
}

func releasedClaimChangesNothing(t *testing.T, s snapshot.Store) {
	f, _ := follow(t, s)
	old := claim(t, s, "a")
	old.Put([]byte("1"))
	release(t, old)
	fenced := func(when string) {
		t.Helper()
		old.Put([]byte("late"))
		if err := old.Finish(context.Background(), []byte("late"), keep); !errors.Is(err, snapshot.ErrLost) {
			t.Errorf("%s: Finish of a released claim = %v, want ErrLost", when, err)
		}
		if err := old.Release(context.Background()); !errors.Is(err, snapshot.ErrLost) {
			t.Errorf("%s: Release of a released claim = %v, want ErrLost", when, err)
		}
	}
	fenced("an orphan")
	f.waitFor("a", snapshot.Orphan, "1")
	c, _ := adopt(t, s, "a", old.Run())
	fenced("adopted")
	c.Put([]byte("2"))
	f.waitFor("a", snapshot.Live, "2")
	finish(t, c, "end", keep)
	fenced("ended")
	if err := c.Release(context.Background()); !errors.Is(err, snapshot.ErrOver) {
		t.Errorf("Release after Finish = %v, want ErrOver", err)
	}
	f.waitFor("a", snapshot.Final, "end")
	for _, e := range f.all() {
		if string(e.Data) == "late" {
			t.Errorf("follower saw %v, which a released claim had put", e)
		}
	}
}

func releaseWhileWriting(t *testing.T, s snapshot.Store) {
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
		wg.Go(func() { release(t, c) })
		wg.Wait()
		next, e := adopt(t, s, topic, c.Run())
		next.Put([]byte("mine"))
		if got := f.waitFor(topic, snapshot.Live, "mine"); got.N <= e.N {
			t.Errorf("the adopter's put made %v, want N above that of %v", got, e)
		}
		finish(t, next, "", 0)
	}
}

func syncSeesWhatWasWritten(t *testing.T, s snapshot.Store) {
	f, _ := follow(t, s)
	for i := range 20 {
		topic := fmt.Sprint("a", i)
		finish(t, claim(t, s, topic), "end", keep)
		if err := s.Sync(context.Background()); err != nil {
			t.Fatalf("Sync() = %v", err)
		}
		if e := f.last(topic); e.State != snapshot.Final {
			t.Errorf("after Sync the follower had seen %v, want the final entry", e)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Sync(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Sync with an ended context = %v, want context.Canceled", err)
	}
}

// largest is how much of MaxData the suite tries.
const largest = 64 << 20

func dataHasABound(t *testing.T, s snapshot.Store) {
	limit := s.MaxData()
	if limit < 64<<10 {
		t.Errorf("MaxData() = %d, want at least 64 KiB", limit)
	}
	if limit > largest {
		return
	}
	f, _ := follow(t, s)
	c := claim(t, s, "a")
	full := make([]byte, limit)
	full[0] = 1
	c.Put(full)
	f.waitFor("a", snapshot.Live, string(full))
	c.Put(make([]byte, limit+1))
	if err := c.Finish(context.Background(), make([]byte, limit+1), keep); err == nil {
		t.Errorf("Finish with %d bytes = nil, want an error", limit+1)
	}
	c.Put([]byte("small"))
	f.waitFor("a", snapshot.Live, "small")
	for _, e := range f.all() {
		if len(e.Data) > limit {
			t.Errorf("follower saw %d bytes, want at most %d", len(e.Data), limit)
		}
	}
	finish(t, c, "end", keep)
	f.waitFor("a", snapshot.Final, "end")
}
