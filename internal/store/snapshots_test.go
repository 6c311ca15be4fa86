package store_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/store"
	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/snapshot/snapshottest"
)

func TestSnapshots(t *testing.T) {
	snapshottest.RunInBubble(t, func(t *testing.T) snapshot.Store { return open(t, t.TempDir()).Snapshots() })
}

// Each process is killed and leaves what its files have at that moment.
func TestSnapshotsOutliveTheProcess(t *testing.T) {
	type process struct {
		*snapshottest.Process
		*store.Dir
	}
	snapshottest.RunShared(t, func(t *testing.T) snapshottest.Shared {
		path := t.TempDir()
		return snapshottest.Shared{
			Alone: true,
			Open: func(t *testing.T) snapshot.Store {
				d := open(t, path)
				return process{snapshottest.NewProcess(d.Snapshots()), d}
			},
			Kill: func(t *testing.T, s snapshot.Store) {
				p := s.(process)
				path = t.TempDir()
				if err := p.Crash(path); err != nil {
					t.Fatal(err)
				}
				p.Kill()
			},
		}
	})
}

// entries returns all that a store has.
func entries(t *testing.T, s snapshot.Store) map[string]snapshot.Entry {
	t.Helper()
	all := map[string]snapshot.Entry{}
	ctx, cancel := context.WithCancel(t.Context())
	_ = s.Follow(ctx, func(e snapshot.Entry) { all[e.Topic] = e }, cancel)
	return all
}

// After an orderly end all is there, up to the last put, and an end is kept for as long as it was to be.
func TestSnapshotsAfterAnOrderlyEnd(t *testing.T) {
	path := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := open(t, path)
		claim := func(topic string) snapshot.Claim {
			c, _, err := d.Snapshots().Claim(t.Context(), topic, snapshot.ClaimOptions{})
			if c == nil || err != nil {
				t.Fatalf("Claim(%q) = %v, %v", topic, c, err)
			}
			return c
		}
		live := claim("live")
		live.Put([]byte("1"))
		live.Put([]byte("2"))
		for topic, kept := range map[string]time.Duration{"short": time.Minute, "long": time.Hour, "none": 0} {
			if err := claim(topic).Finish(t.Context(), []byte(topic), kept); err != nil {
				t.Fatal(err)
			}
		}
		if err := claim("forgotten").Finish(t.Context(), nil, time.Hour); err != nil {
			t.Fatal(err)
		}
		if err := d.Snapshots().Forget(t.Context(), "forgotten", entries(t, d.Snapshots())["forgotten"].Run); err != nil {
			t.Fatal(err)
		}
		closeDir(t, d)
		time.Sleep(2 * time.Minute)
		d = open(t, path)
		got := entries(t, d.Snapshots())
		if e := got["live"]; e.State != snapshot.Orphan || e.Run != live.Run() || e.N < 2 || string(e.Data) != "2" {
			t.Errorf("the live run is %v, want an orphan with its data", e)
		}
		if e := got["long"]; e.State != snapshot.Final || string(e.Data) != "long" {
			t.Errorf("the end that is kept is %v, want it as it was", e)
		}
		if len(got) != 2 {
			t.Errorf("there are %v, want 2 entries", got)
		}
		time.Sleep(57 * time.Minute)
		if n := len(entries(t, d.Snapshots())); n != 2 {
			t.Errorf("after 59 minutes there are %d entries, want 2", n)
		}
		time.Sleep(2 * time.Minute)
		closeDir(t, d)
		d = open(t, path)
		if got := entries(t, d.Snapshots()); len(got) != 1 {
			t.Errorf("after 61 minutes there are %v, want the orphan alone", got)
		}
		closeDir(t, d)
	})
}

// What was put survives the process when Sync has returned.
func TestSyncWritesWhatWasPut(t *testing.T) {
	d := open(t, t.TempDir())
	for i := range 20 {
		topic := fmt.Sprint("a", i)
		c, _, err := d.Snapshots().Claim(t.Context(), topic, snapshot.ClaimOptions{})
		if c == nil || err != nil {
			t.Fatalf("Claim = %v, %v", c, err)
		}
		c.Put([]byte("put"))
		if err := d.Snapshots().Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		var data string
		if err := d.Read().QueryRow("SELECT data FROM snapshot WHERE topic=?", []byte(topic)).Scan(&data); err != nil || data != "put" {
			t.Errorf("after Sync the database has %q, %v, want what was put", data, err)
		}
	}
}
