package snapshottest

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/tidewire/tidewire/snapshot"
)

func retentionEndsInGone(t *testing.T, s snapshot.Store) {
	f, _ := follow(t, s)
	c := claim(t, s, "a")
	c.Put([]byte("1"))
	long := claim(t, s, "long")
	finish(t, long, "end", keep)
	began := time.Now()
	finish(t, c, "end", retention)
	f.waitFor("a", snapshot.Final, "end")
	e := f.waitFor("a", snapshot.Gone, "")
	if took := time.Since(began); took < retention {
		t.Errorf("the entry was gone %v after Finish, want it kept for %v", took, retention)
	}
	if e.Run != c.Run() {
		t.Errorf("Gone entry %v, want run %s", e, c.Run())
	}
	if now := current(t, s); len(now) != 1 || now["long"].State != snapshot.Final {
		t.Errorf("entries are %v, want the other topic's alone", now)
	}
	c = claim(t, s, "a") // the topic is free again
	c.Put([]byte("2"))
	f.waitFor("a", snapshot.Live, "2")
}

func noRetention(t *testing.T, s snapshot.Store) {
	f, _ := follow(t, s)
	for i, r := range []time.Duration{0, -time.Second} {
		topic := fmt.Sprint("a", i)
		c := claim(t, s, topic)
		c.Put([]byte("1"))
		finish(t, c, "end", r)
		f.waitFor(topic, snapshot.Gone, "")
		if now := current(t, s); len(now) != 0 {
			t.Errorf("entries after Finish with retention %v are %v, want none", r, now)
		}
		if c2, e, err := s.Claim(
			context.Background(), topic, snapshot.ClaimOptions{KeepFinal: true}); c2 == nil ||
			err != nil {
			t.Errorf("Claim after a Finish without retention = %v, %v, %v, want a claim", c2, e, err)
		} else {
			finish(t, c2, "", 0)
		}
	}
}

func retentionWithoutEnd(t *testing.T, s snapshot.Store) {
	f, _ := follow(t, s)
	time.Sleep(retention) // so that a sum with the time of the store's clock is beyond what fits
	var runs []string
	for i, r := range []time.Duration{math.MaxInt64, math.MaxInt64 - 1, 200 * 365 * 24 * time.Hour} {
		topic := fmt.Sprint("a", i)
		c := claim(t, s, topic)
		runs = append(runs, c.Run())
		finish(t, c, "end", r)
	}
	finish(t, claim(t, s, "clock"), "", retention)
	f.waitFor("clock", snapshot.Gone, "")
	now := current(t, s)
	for i, run := range runs {
		if e := now[fmt.Sprint("a", i)]; e.State != snapshot.Final || e.Run != run || string(e.Data) != "end" {
			t.Errorf("an entry that is to be kept for centuries is %v after a second, want run %s final", e, run)
		}
	}
}

func expirySparesReplacement(t *testing.T, s snapshot.Store) {
	f, _ := follow(t, s)
	finish(t, claim(t, s, "live"), "old", retention)
	live := claim(t, s, "live")
	live.Put([]byte("1"))
	finish(t, claim(t, s, "final"), "old", retention)
	final := claim(t, s, "final")
	finish(t, final, "new", keep)

	other := claim(t, s, "clock") // expires after both old runs would have
	finish(t, other, "", retention)
	f.waitFor("clock", snapshot.Gone, "")
	time.Sleep(retention)

	if e := f.last("live"); e.Run != live.Run() || e.State != snapshot.Live {
		t.Errorf("after the old run's retention the entry is %v, want run %s live", e, live.Run())
	}
	if e := f.last("final"); e.Run != final.Run() || e.State != snapshot.Final {
		t.Errorf("after the old run's retention the entry is %v, want run %s final", e, final.Run())
	}
	if e := join(t, s, "live", snapshot.ClaimOptions{}); e.Run != live.Run() {
		t.Errorf("entry to join is %v, want run %s", e, live.Run())
	}
	for _, e := range f.all() {
		if e.State == snapshot.Gone && e.Topic != "clock" {
			t.Errorf("follower saw %v of a run that had been replaced", e)
		}
	}
}
