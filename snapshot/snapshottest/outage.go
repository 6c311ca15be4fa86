package snapshottest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tidewire/tidewire/snapshot"
)

// A process that is cut off from the backend loses its claims before others can have them, knows that it does, and
// changes nothing when it is back. Then it works as before.
func cutOffAndBack(t *testing.T, b backend) {
	if b.Cut == nil {
		t.Skip("nothing comes between a process and the backend")
	}
	far, near := b.pair(t)
	farSees, _ := follow(t, far)
	nearSees, _ := follow(t, near)
	adopted, orphaned, ended := claim(t, far, "adopted"), claim(t, far, "orphaned"), claim(t, near, "ended")
	adopted.Put([]byte("1"))
	nearSees.waitFor("adopted", snapshot.Live, "1")
	farSees.waitForState("ended", snapshot.Live)
	nearSees.orphansAreLost(adopted)
	b.Cut(t, far)
	adopted.Put([]byte("late"))
	failsInTime(t, far)
	waitLost(t, adopted)
	nearSees.waitFor("adopted", snapshot.Orphan, "1")
	nearSees.waitForState("orphaned", snapshot.Orphan)
	mine, _ := adopt(t, near, "adopted", adopted.Run())
	mine.Put([]byte("2"))
	nearSees.waitFor("adopted", snapshot.Live, "2")
	finish(t, ended, "end", 0)
	finish(t, claim(t, near, "new"), "end", keep)
	waitLost(t, orphaned)
	orphaned.Put([]byte("late"))
	if err := orphaned.Finish(context.Background(), []byte("late"), keep); !errors.Is(err, snapshot.ErrLost) {
		t.Errorf("Finish of a lost claim = %v, want ErrLost", err)
	}
	b.Heal(t, far)
	farSees.waitFor("adopted", snapshot.Live, "2")
	farSees.waitForState("orphaned", snapshot.Orphan)
	farSees.waitForState("ended", snapshot.Gone)
	farSees.waitFor("new", snapshot.Final, "end")
	again, _ := adopt(t, far, "orphaned", orphaned.Run())
	finish(t, again, "end", keep)
	nearSees.waitFor("orphaned", snapshot.Final, "end")
	finish(t, mine, "end", keep)
	farSees.waitFor("adopted", snapshot.Final, "end")
	for _, e := range append(nearSees.all(), farSees.all()...) {
		if string(e.Data) == "late" {
			t.Errorf("a follower saw %v, which a process put that was cut off", e)
		}
	}
}

// orphansAreLost checks that the claim of a run is lost before the follower is told that the run is an orphan.
func (f *follower) orphansAreLost(c snapshot.Claim) {
	run, lost := c.Run(), c.Lost()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.check = func(e snapshot.Entry) {
		if e.Run != run || e.State != snapshot.Orphan {
			return
		}
		select {
		case <-lost:
		default:
			f.t.Errorf("a follower was told %v while the claim of the run was not lost", e)
		}
	}
}

// failsInTime has all that waits for the backend end with its context.
func failsInTime(t *testing.T, s snapshot.Store) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	c, _, err := s.Claim(ctx, "none", snapshot.ClaimOptions{})
	if c != nil {
		t.Error("a process that is cut off has claimed a topic")
	}
	for what, err := range map[string]error{
		"Claim": err, "Forget": s.Forget(ctx, "none", "Run1"), "Sync": s.Sync(ctx),
	} {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s by a process that is cut off = %v, want context.DeadlineExceeded", what, err)
		}
	}
}

// waitLost waits until a claim is lost.
func waitLost(t *testing.T, c snapshot.Claim) {
	t.Helper()
	select {
	case <-c.Lost():
	case <-time.After(patience):
		t.Fatalf("the claim of run %s is not lost after %v", c.Run(), patience)
	}
}

// A backend that has lost everything is noticed by all: what was there is gone, claims are lost, topics are free.
func wiped(t *testing.T, b backend) {
	if b.Wipe == nil {
		t.Skip("nothing is lost while it is open")
	}
	one, other := b.pair(t)
	seen, _ := follow(t, one)
	seenToo, _ := follow(t, other)
	live := claim(t, one, "live")
	live.Put([]byte("1"))
	kept := claim(t, other, "kept")
	finish(t, kept, "end", keep)
	for i := range 100 { // so that the new backend has less than the old one for a while
		finish(t, claim(t, other, fmt.Sprint("many", i%10)), "end", keep)
	}
	for _, f := range []*follower{seen, seenToo} {
		f.waitFor("live", snapshot.Live, "1")
		f.waitForState("kept", snapshot.Final)
	}
	b.Wipe(t)
	for _, f := range []*follower{seen, seenToo} {
		f.waitForState("live", snapshot.Gone)
		f.waitForState("kept", snapshot.Gone)
	}
	waitLost(t, live)
	live.Put([]byte("late"))
	if err := live.Finish(context.Background(), []byte("late"), keep); !errors.Is(err, snapshot.ErrLost) {
		t.Errorf("Finish of a run that is gone = %v, want ErrLost", err)
	}
	for _, topic := range []string{"live", "kept"} {
		c := claim(t, other, topic)
		c.Put([]byte("again"))
		seen.waitFor(topic, snapshot.Live, "again")
		finish(t, c, "end", 0)
		seen.waitForState(topic, snapshot.Gone)
	}
}
