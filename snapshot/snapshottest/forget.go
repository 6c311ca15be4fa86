package snapshottest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/snapshot"
)

// forget forgets a run and fails the test if the store refuses.
func forget(t *testing.T, s snapshot.Store, topic, run string) {
	t.Helper()
	if err := s.Forget(context.Background(), topic, run); err != nil {
		t.Errorf("Forget(%q, %q) = %v, want nil", topic, run, err)
	}
}

func forgetIsSeenWhenItReturns(t *testing.T, s snapshot.Store) {
	f, _ := follow(t, s)
	for i := range 20 {
		topic := fmt.Sprint("a", i)
		c := claim(t, s, topic)
		c.Put([]byte("1"))
		finish(t, c, "end", keep)
		forget(t, s, topic, c.Run())
		var last []snapshot.Entry
		for _, e := range f.all() {
			if e.Topic == topic && e.State != snapshot.Live {
				last = append(last, e)
			}
		}
		if len(last) != 2 || last[0].State != snapshot.Final || string(last[0].Data) != "end" ||
			last[1].State != snapshot.Gone || last[1].Run != c.Run() {
			t.Errorf("when Forget returned its follower had seen the ends %v, want the final entry, then that it is gone", last)
		}
		forget(t, s, topic, c.Run()) // again
		c.Put([]byte("late"))
		if err := c.Finish(context.Background(), nil, keep); !errors.Is(err, snapshot.ErrOver) {
			t.Errorf("Finish of a forgotten run = %v, want ErrOver", err)
		}
		next, e, err := s.Claim(context.Background(), topic, snapshot.ClaimOptions{KeepFinal: true})
		if next == nil || err != nil {
			t.Fatalf("Claim after Forget = %v, %v, %v, want a claim", next, e, err)
		}
		finish(t, next, "", 0)
	}
	f.waitFor("a19", snapshot.Gone, "")
	if now := current(t, s); len(now) != 0 {
		t.Errorf("entries are %v, want none", now)
	}
}

// The retention of others goes on, and a newer run stays.
func forgetSparesOthers(t *testing.T, s snapshot.Store) {
	f, _ := follow(t, s)
	forget(t, s, "unknown", "Run7")
	old := claim(t, s, "a")
	finish(t, old, "old", retention)
	c := claim(t, s, "a")
	forget(t, s, "a", old.Run())
	c.Put([]byte("1"))
	f.waitFor("a", snapshot.Live, "1")
	finish(t, c, "new", keep)
	forget(t, s, "a", old.Run())

	for _, topic := range []string{"first", "second", "third"} {
		finish(t, claim(t, s, topic), "end", retention)
	}
	first := join(t, s, "first", snapshot.ClaimOptions{KeepFinal: true})
	second := join(t, s, "second", snapshot.ClaimOptions{KeepFinal: true})
	forget(t, s, "second", second.Run)
	forget(t, s, "first", first.Run)
	f.waitFor("third", snapshot.Gone, "")
	time.Sleep(retention)
	if e := join(t, s, "a", snapshot.ClaimOptions{KeepFinal: true}); e.Run != c.Run() || string(e.Data) != "new" {
		t.Errorf("entry is %v, want the retained one of run %s", e, c.Run())
	}
	gone := make(map[string]int)
	for _, e := range f.all() {
		if e.State == snapshot.Gone {
			gone[e.Topic]++
		}
	}
	if len(gone) != 3 || gone["first"] != 1 || gone["second"] != 1 || gone["third"] != 1 {
		t.Errorf("topics were gone %v times, want first, second and third once each", gone)
	}
}

func forgetOfARunThatHasNotEnded(t *testing.T, s snapshot.Store) {
	f, _ := follow(t, s)
	c := claim(t, s, "a")
	c.Put([]byte("1"))
	if err := s.Forget(context.Background(), "a", c.Run()); !errors.Is(err, snapshot.ErrLive) {
		t.Errorf("Forget of a live run = %v, want ErrLive", err)
	}
	c.Put([]byte("2"))
	f.waitFor("a", snapshot.Live, "2")
	finish(t, c, "end", keep)
	f.waitFor("a", snapshot.Final, "end")
}

// Whatever is first, the new run has the topic.
func forgetWhileClaiming(t *testing.T, s snapshot.Store) {
	f, _ := follow(t, s)
	for i := range 50 {
		topic := fmt.Sprint("a", i)
		old := claim(t, s, topic)
		finish(t, old, "old", keep)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { forget(t, s, topic, old.Run()) })
		}
		var c snapshot.Claim
		wg.Go(func() { c = claim(t, s, topic) })
		wg.Wait()
		c.Put([]byte("1"))
		f.waitFor(topic, snapshot.Live, "1")
		finish(t, c, "end", keep)
		if e := f.waitFor(topic, snapshot.Final, "end"); e.Run != c.Run() {
			t.Errorf("the entry is %v, want that of run %s", e, c.Run())
		}
	}
}

func forgetEndsWithContext(t *testing.T, s snapshot.Store) {
	c := claim(t, s, "a")
	finish(t, c, "end", keep)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Forget(ctx, "a", c.Run()); !errors.Is(err, context.Canceled) {
		t.Errorf("Forget with an ended context = %v, want context.Canceled", err)
	}
	if e := current(t, s)["a"]; e.State != snapshot.Final || string(e.Data) != "end" {
		t.Errorf("entry is %v, want it retained", e)
	}
}
