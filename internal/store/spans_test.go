package store_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/store"
)

// Whatever happens, the time in each state is that of a model which knows the state of each second: the newest that was said of it.
func TestStatesAreThoseOfEachSecond(t *testing.T) {
	for seed := range uint64(6) {
		synctest.Test(t, func(t *testing.T) { testStates(t, rand.New(rand.NewPCG(seed, 3))) })
	}
}

func testStates(t *testing.T, r *rand.Rand) {
	path := t.TempDir()
	d := openQuietly(t, path)
	defer func() { closeDir(t, d) }()
	states := []string{"ok", "stale", "failing", "pending"}
	second := func(at time.Time) int64 { return at.Unix() }
	begin := time.Unix(time.Now().Unix(), 0)
	wall, state := begin, ""
	known := map[int64]string{} // by second
	lives := func(seconds int) {
		for range seconds {
			time.Sleep(time.Second)
			if state != "" {
				known[second(wall)] = state
			}
			wall = wall.Add(time.Second)
			d.Spans().Lived(wall)
		}
	}
	// What was said of times that a clock was set back from is wrong as soon as something else is said of them.
	forget := func() {
		for at := range known {
			if at >= second(wall) {
				delete(known, at)
			}
		}
	}
	enter := func() {
		forget()
		state = states[r.IntN(len(states))]
		d.Spans().Enter("tank", wall, state, "why")
	}
	for range 60 {
		switch r.IntN(6) {
		case 0: // it is down
			closeDir(t, d)
			down := time.Duration(r.IntN(1000)) * time.Second
			time.Sleep(down)
			wall, state = wall.Add(down), ""
			d = openQuietly(t, path)
		case 1: // the clock is set
			before := wall
			wall = wall.Add(time.Duration(r.IntN(2000)-1000) * time.Second)
			d.Spans().Slept(before, wall)
			if state != "" {
				forget()
			}
		default:
			enter()
		}
		lives(r.IntN(50))
		since, now := wall.Add(-time.Duration(r.IntN(3000))*time.Second), wall
		past, err := d.Spans().Past(context.Background(), "tank", since, now)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]time.Duration{}
		for at, state := range known {
			if at >= second(since) && at < second(now) {
				want[state] += time.Second
			}
		}
		got := archive.Shares(past.Spans, since, now)
		for _, state := range states {
			if got[state] != want[state] {
				t.Fatalf("from %v to %v it was %v, want %v", since, now, got, want)
			}
		}
	}
}

// What a process does with spans when it begins does not take longer the more spans there are.
func TestSpansOfTheProcessBeforeAreFoundByIndexes(t *testing.T) {
	d := open(t, t.TempDir())
	now(t, d, `INSERT INTO span VALUES ('a', 1, 1, 2, 'ok', ''), ('a', 2, 2, NULL, 'ok', ''), ('b', 7, 3, NULL, 'ok', '')`)
	if n := count(t, d, "SELECT sum(newest) FROM ("+store.NewestSpans+")"); n != 9 {
		t.Errorf("the numbers of the newest spans add up to %d, want those of both sources", n)
	}
	for _, query := range []string{store.NewestSpans, store.EndSpans} {
		rows, err := d.Read().Query("EXPLAIN QUERY PLAN "+query, slices.Repeat([]any{1}, strings.Count(query, "?"))...)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			if detail == "SCAN span" {
				t.Errorf("%s scans all spans", query)
			}
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
