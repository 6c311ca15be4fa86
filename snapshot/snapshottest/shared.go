package snapshottest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/snapshot"
)

// A Shared is a backend, such as a directory or a server, that keeps the entries of several processes. Each has a
// [snapshot.Store] of its own on it.
type Shared struct {
	// Open returns the store of a further process. It registers its cleanup with t.Cleanup.
	Open func(t *testing.T) snapshot.Store

	// Kill has the process of a store that Open returned die without a word to the backend, as by SIGKILL. When it
	// returns, Open succeeds again. What the store is asked to do afterwards must change nothing.
	Kill func(t *testing.T, store snapshot.Store)

	// Cut has nothing pass between the process of a store and the backend, without a word to either, until Heal is called.
	// Both are nil if nothing comes between them, as on a disk.
	Cut, Heal func(t *testing.T, store snapshot.Store)

	// Wipe has the backend lose all that it keeps while stores are open. Nil if that cannot happen.
	Wipe func(t *testing.T)

	// Alone says that one process at a time can open the backend, so that each has to die before the next begins.
	Alone bool
}

// RunShared runs the tests of what several processes see of each other, and of what is left when one of them dies. open
// returns a new, empty backend. An entry whose writer has died must be an Orphan within seconds.
func RunShared(t *testing.T, open func(t *testing.T) Shared) {
	for _, c := range []struct {
		name string
		test func(*testing.T, backend)
	}{
		{"OneAdoptsWhatTheDeadLeave", oneAdoptsWhatTheDeadLeave},
		{"TheDeadChangeNothing", theDeadChangeNothing},
		{"EndsOutliveTheirProcess", endsOutliveTheirProcess},
		{"OddTopics", oddTopics},
		{"LargeData", largeData},
		{"ReadWhatOthersWrote", readWhatOthersWrote},
		{"HandOver", handOver},
		{"CutOffAndBack", cutOffAndBack},
		{"Wiped", wiped},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, backend{open(t)}) })
	}
}

type backend struct{ Shared }

// pair returns the stores of two processes, skipping the test if the backend has only one at a time.
func (b backend) pair(t *testing.T) (one, other snapshot.Store) {
	t.Helper()
	if b.Alone {
		t.Skip("one process at a time")
	}
	return b.Open(t), b.Open(t)
}

// bereave kills the process of a store and returns those of others: three that have seen it live where that is
// possible, or else one that comes after it.
func (b backend) bereave(t *testing.T, dying snapshot.Store) []snapshot.Store {
	t.Helper()
	if b.Alone {
		b.Kill(t, dying)
		return []snapshot.Store{b.Open(t)}
	}
	others := []snapshot.Store{b.Open(t), b.Open(t), b.Open(t)}
	b.Kill(t, dying)
	return others
}

// Of all that want the run of a process that died, in whatever process, one gets it, and goes on where it was. A crash
// may cost the newest puts, but not the run.
func oneAdoptsWhatTheDeadLeave(t *testing.T, b backend) {
	owner := b.Open(t)
	c := claim(t, owner, "a")
	run := c.Run()
	highest := uint64(0)
	for round := range 3 {
		c.Put(fmt.Append(nil, round))
		others := b.bereave(t, owner)
		f, _ := follow(t, others[0])
		orphan := f.waitForState("a", snapshot.Orphan)
		if orphan.Run != run || orphan.N < highest {
			t.Errorf("the orphan is %v, want run %s, and N not below %d", orphan, run, highest)
		}
		for _, s := range others[1:] {
			seen, _ := follow(t, s)
			seen.waitForState("a", snapshot.Orphan)
		}
		type winner struct {
			snapshot.Claim
			of    snapshot.Store
			entry snapshot.Entry
		}
		winners := make(chan winner, 30)
		var wg sync.WaitGroup
		for i := range cap(winners) {
			wg.Go(func() {
				s := others[i%len(others)]
				c, e, err := s.Claim(context.Background(), "a", snapshot.ClaimOptions{Adopt: run})
				if err != nil || e.Run != run {
					t.Errorf("Claim to adopt = %v, %v, want an entry of run %s", e, err, run)
				}
				if c != nil {
					winners <- winner{c, s, e}
				}
			})
		}
		wg.Wait()
		if len(winners) != 1 {
			t.Fatalf("%d of %d adopted the orphan, want one", len(winners), cap(winners))
		}
		w := <-winners
		if w.entry.State != snapshot.Live || w.entry.N < orphan.N || string(w.entry.Data) != string(orphan.Data) {
			t.Errorf("the adopted entry is %v, want it to go on from %v", w.entry, orphan)
		}
		mine := fmt.Sprint("round ", round)
		w.Put([]byte(mine))
		if e := f.waitFor("a", snapshot.Live, mine); e.N <= orphan.N {
			t.Errorf("the adopter's put made %v, want N above that of %v", e, orphan)
		}
		c, owner, highest = w.Claim, w.of, w.entry.N
		for _, s := range others {
			if s != owner {
				b.Kill(t, s)
			}
		}
	}
	finish(t, c, "end", keep)
}

// What a process does that counts as dead, though it lives, is without effect: it was only stopped, or cut off.
func theDeadChangeNothing(t *testing.T, b backend) {
	owner := b.Open(t)
	adopted, orphaned := claim(t, owner, "adopted"), claim(t, owner, "orphaned")
	s := b.bereave(t, owner)[0]
	f, _ := follow(t, s)
	f.waitForState("adopted", snapshot.Orphan)
	f.waitForState("orphaned", snapshot.Orphan)
	c, _ := adopt(t, s, "adopted", adopted.Run())
	c.Put([]byte("1"))
	f.waitFor("adopted", snapshot.Live, "1")
	late := func() {
		t.Helper()
		for _, old := range []snapshot.Claim{adopted, orphaned} {
			old.Put([]byte("late"))
			if err := old.Finish(context.Background(), []byte("late"), keep); err == nil {
				t.Error("Finish by a process that is dead = nil, want an error")
			}
			if err := old.Release(context.Background()); err == nil {
				t.Error("Release by a process that is dead = nil, want an error")
			}
		}
	}
	late()
	finish(t, c, "end", keep)
	late()
	if err := s.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
	f.waitFor("adopted", snapshot.Final, "end")
	f.waitFor("orphaned", snapshot.Orphan, "")
	for _, e := range f.all() {
		if string(e.Data) == "late" {
			t.Errorf("a follower saw %v, which a process put that was dead", e)
		}
	}
}

// An end that was stored stays for its retention, and then goes.
func endsOutliveTheirProcess(t *testing.T, b backend) {
	owner := b.Open(t)
	kept, short := claim(t, owner, "kept"), claim(t, owner, "short")
	finish(t, kept, "end", keep)
	finish(t, short, "end", retention)
	finish(t, claim(t, owner, "none"), "end", 0)
	s := b.bereave(t, owner)[0]
	f, _ := follow(t, s)
	if e := f.waitFor("kept", snapshot.Final, "end"); e.Run != kept.Run() {
		t.Errorf("the entry is %v, want the end of run %s", e, kept.Run())
	}
	if e := f.last("none"); e.State != 0 && e.State != snapshot.Gone {
		t.Errorf("an end without retention is %v, want nothing", e)
	}
	f.waitForState("short", 0, snapshot.Gone)
	forget(t, s, "kept", kept.Run())
	f.waitFor("kept", snapshot.Gone, "")
}

// A topic can have any name.
func oddTopics(t *testing.T, b backend) {
	names := []string{
		"", " ", ".", "..", "/", "//", "a/../b", "../a", "a..b", ".a.", "a.", "a b", "a\tb\r\n", "*", ">", "a.*", "a.>",
		"\x00", "a\x00b", "a\x00c", "$SYS.x", "_lease.x", "%", "'; --", "\"", "\\", "ü", "u\u0308", "A", "a", "☃/水", "\xff",
		"\xff\xfe", strings.Repeat("x", 4096), strings.Repeat("x", 4095) + "y",
	}
	owner := b.Open(t)
	for i, name := range names {
		finish(t, claim(t, owner, name), fmt.Sprint(i, " end"), keep)
		c := claim(t, owner, name)
		if i%2 == 0 {
			finish(t, c, fmt.Sprint(i), keep)
		}
	}
	f, _ := follow(t, b.bereave(t, owner)[0])
	for i, name := range names {
		if i%2 == 0 {
			f.waitFor(name, snapshot.Final, fmt.Sprint(i))
		} else {
			f.waitFor(name, snapshot.Orphan, "")
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.newest) != len(names) {
		t.Errorf("%d topics have entries, want %d", len(f.newest), len(names))
	}
}

// What is as large as MaxData allows comes over whole.
func largeData(t *testing.T, b backend) {
	owner := b.Open(t)
	size := owner.MaxData()
	if size > largest {
		t.Skip("without a bound")
	}
	data := strings.Repeat("0123456789abcdef", size/16+1)[:size]
	c := claim(t, owner, "a")
	c.Put([]byte(data + "x"))
	finish(t, c, data, keep)
	f, _ := follow(t, b.bereave(t, owner)[0])
	f.waitFor("a", snapshot.Final, data)
}

// Whoever does not find what another process has written calls Sync and finds it.
func readWhatOthersWrote(t *testing.T, b backend) {
	one, other := b.pair(t)
	f, _ := follow(t, other)
	for i := range 50 {
		topic := fmt.Sprint("a", i)
		c := claim(t, one, topic)
		if err := other.Sync(context.Background()); err != nil {
			t.Fatal(err)
		}
		if e := f.last(topic); e.Run != c.Run() {
			t.Errorf("after Sync the follower had seen %v, want run %s", e, c.Run())
		}
		if e := join(t, other, topic, snapshot.ClaimOptions{}); e.Run != c.Run() {
			t.Errorf("the entry to join is %v, want run %s", e, c.Run())
		}
		finish(t, c, "end", keep)
		if err := other.Sync(context.Background()); err != nil {
			t.Fatal(err)
		}
		if e := f.last(topic); e.State != snapshot.Final || string(e.Data) != "end" {
			t.Errorf("after Sync the follower had seen %v, want the end", e)
		}
	}
}

// A process that stops in order gives its runs to others, which go on.
func handOver(t *testing.T, b backend) {
	one, other := b.pair(t)
	f, _ := follow(t, one)
	old := claim(t, one, "a")
	old.Put([]byte("1"))
	release(t, old)
	if err := other.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
	c, e := adopt(t, other, "a", old.Run())
	if string(e.Data) != "1" {
		t.Errorf("the adopted entry is %v, want what was put last", e)
	}
	c.Put([]byte("2"))
	f.waitFor("a", snapshot.Live, "2")
	old.Put([]byte("late"))
	if err := old.Finish(context.Background(), []byte("late"), keep); !errors.Is(err, snapshot.ErrLost) {
		t.Errorf("Finish of a claim that was handed over = %v, want ErrLost", err)
	}
	finish(t, c, "end", keep)
	f.waitFor("a", snapshot.Final, "end")
}
