package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/archive/archivetest"
	"github.com/tidewire/tidewire/internal/store"
)

func TestEvents(t *testing.T) {
	t.Run("newest in memory", func(t *testing.T) {
		archivetest.Events(t, func(t *testing.T, bounds archive.EventBounds) (archive.Events, func()) {
			d := open(t, t.TempDir())
			e := d.EventsWithin(bounds, 1000)
			return e, e.Settle
		})
	})
	t.Run("most on disk", func(t *testing.T) {
		archivetest.Events(t, func(t *testing.T, bounds archive.EventBounds) (archive.Events, func()) {
			d := open(t, t.TempDir())
			e := d.EventsWithin(bounds, 1)
			return written{t, e}, e.Settle
		})
	})
}

// written are events that are on disk before the next one is added.
type written struct {
	t testing.TB
	*store.Events
}

func (w written) List(ctx context.Context, f archive.EventFilter, limit int) ([]archive.Event, error) {
	w.Written()
	return w.Events.List(ctx, f, limit)
}

func TestEventsOutliveTheProcess(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	begin := time.Now().Truncate(time.Millisecond)
	const all = 3000
	for i := range all {
		d.Events().Add(archive.Event{ID: int64(i + 1), At: begin, Kind: fmt.Sprint(i % 10), Source: fmt.Sprint(i), Data: []byte("{}")})
	}
	closeDir(t, d)
	d = open(t, path)
	d.Events().Add(archive.Event{ID: all + 1, At: begin, Kind: "0", Data: []byte("{}")})
	next, got := int64(all+1), 0
	for before := int64(0); ; {
		page, err := d.Events().List(t.Context(), archive.EventFilter{Before: before}, 70)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page {
			if e.ID != next {
				t.Fatalf("event %d follows, want %d", e.ID, next)
			}
			next--
			got++
		}
		if len(page) == 0 {
			break
		}
		before = page[len(page)-1].ID
	}
	if oldest, err := d.Events().Oldest(t.Context()); got != all+1 || oldest != 1 || err != nil {
		t.Errorf("%d events from %d on (%v), want %d", got, oldest, err, all+1)
	}
	for _, f := range []archive.EventFilter{{Sources: []string{"7"}}, {Kinds: []string{"7"}, Before: 9}, {After: 7, Before: 9}} {
		if found, err := d.Events().List(t.Context(), f, 10); err != nil || len(found) != 1 || found[0].ID != 8 {
			t.Errorf("%+v chooses %v, %v, want event 8", f, found, err)
		}
	}
}

// What is not written is listed all the same while it is among the newest; what cannot be read is an error.
func TestEventsWithoutADisk(t *testing.T) {
	d := open(t, t.TempDir())
	release := d.Block()
	defer release()
	for i := range 10 {
		d.Events().Add(archive.Event{ID: int64(i + 100), Kind: "state", Data: []byte("{}")})
	}
	if found, err := d.Events().List(t.Context(), archive.EventFilter{}, 10); err != nil || len(found) != 10 {
		t.Errorf("List = %d events, %v, want 10", len(found), err)
	}
	_ = d.Read().Close()
	if found, err := d.Events().List(t.Context(), archive.EventFilter{}, 10); err != nil || len(found) != 10 {
		t.Errorf("List without a disk = %d events, %v, want the 10 newest", len(found), err)
	}
	if found, err := d.Events().List(t.Context(), archive.EventFilter{}, 11); err == nil {
		t.Errorf("List of more = %d events, want an error", len(found))
	}
}

func BenchmarkEvents(b *testing.B) {
	d := open(b, b.TempDir())
	for i := range 100_000 {
		d.Events().Add(archive.Event{
			ID: int64(i + 1), At: time.Now(), Kind: fmt.Sprint(i % 8), Source: fmt.Sprint(i % 1000), Text: "stale: no route to host",
			Data: []byte(`{"state":"stale","before":"ok","error":"no route to host"}`),
		})
		if i%1000 == 0 {
			d.Events().Written()
		}
	}
	d.Events().Written()
	for name, f := range map[string]archive.EventFilter{
		"newest": {}, "old": {Before: 1000}, "source": {Sources: []string{"7"}, Before: 90_000}, "kind": {Kinds: []string{"7"}, Before: 90_000},
		"none": {Sources: []string{"none"}}, "until": {Until: time.Now().Add(-time.Hour)}, "no kind": {Kinds: []string{"none"}},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := d.Events().List(b.Context(), f, 100); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
