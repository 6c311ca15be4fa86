package replica_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/replica"
	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/snapshot/snapshottest"
)

func openRuns(t *testing.T, store snapshot.Store) *replica.Runs {
	t.Helper()
	a, err := replica.OpenRuns(t.Context(), replica.RunsOptions{
		Runs: archive.NewMemoryRuns(nil), Store: store, Log: slog.New(slog.DiscardHandler), Recorded: 16 << 10,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

// ended has a run print a text at one replica, and adds its end at all.
func ended(t *testing.T, id string, text []byte, at *replica.Runs, all ...*replica.Runs) {
	t.Helper()
	at.Print(id, 0, text, int64(len(text)))
	now := time.Now()
	for _, a := range all {
		run := archive.Run{ID: id, Job: "j", Created: now, Finished: now, Expires: now.Add(time.Hour)}
		if err := a.Add(context.Background(), run, 2); err != nil {
			t.Fatal(err)
		}
	}
}

// readAll reads what a run has printed from an offset on.
func readAll(t *testing.T, a *replica.Runs, id string, from int64) (text []byte, size int64) {
	t.Helper()
	for {
		part, err := a.Output(context.Background(), id, from, 100_000)
		if err != nil {
			t.Fatal(err)
		}
		if part.Begin != from && len(part.Text) > 0 {
			t.Fatalf("run %s: the part at %d begins at %d", id, from, part.Begin)
		}
		if len(part.Text) == 0 {
			return text, part.Size
		}
		text, from = append(text, part.Text...), from+int64(len(part.Text))
	}
}

func lines(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "line %d of what is printed\n", i)
	}
	return b.Bytes()
}

// What a run has printed is read at every replica, those that come later included, after the death of the one that had it;
// until the run expires, or is forgotten.
func TestOutputOutlivesItsReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := snapshottest.Distant(snapshot.NewMemory(), 5*time.Millisecond)
		process := snapshottest.NewProcess(store)
		a, b := openRuns(t, process), openRuns(t, store)
		text := lines(40_000) // 1.1 MB
		ended(t, "r1", text, a, a, b)
		ended(t, "short", lines(10), a, a, b)
		time.Sleep(time.Second)
		process.Kill()
		c := openRuns(t, store)
		time.Sleep(time.Second)
		for _, from := range []int64{0, 1, 256 << 10, 300_001, int64(len(text)), int64(len(text)) + 5} {
			for i, one := range []*replica.Runs{b, c} {
				got, size := readAll(t, one, "r1", from)
				if want := text[min(from, int64(len(text))):]; !bytes.Equal(got, want) || size != int64(len(text)) {
					t.Errorf("replica %d reads %d of %d bytes from %d, want %d of %d", i, len(got), size, from, len(want), len(text))
				}
			}
		}
		if got, size := readAll(t, b, "short", 0); len(got) > 0 || size > 0 {
			t.Errorf("of a run whose record has all that it printed %d bytes are stored", size)
		}
		ended(t, "r2", nil, b, b, c)
		ended(t, "r3", nil, b, b, c) // of the job two runs are kept
		time.Sleep(time.Second)
		if got, size := readAll(t, b, "r1", 0); len(got) > 0 || size > 0 {
			t.Errorf("of a run that was forgotten %d bytes are kept", size)
		}
		if n := entries(t, store); n != 0 {
			t.Errorf("the store has %d pieces of runs that were forgotten", n)
		}
		ended(t, "r4", text, b, b, c)
		time.Sleep(time.Second)
		if entries(t, store) == 0 {
			t.Error("the output of another run is not stored")
		}
		time.Sleep(time.Hour + 2*time.Second)
		if n := entries(t, store); n != 0 {
			t.Errorf("the store has %d pieces of a run that has expired", n)
		}
	})
}

// Of one run 8 MiB are stored, as they are compressed, and 32 MiB of all.
func TestSharedOutputIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := snapshottest.Distant(snapshot.NewMemory(), 5*time.Millisecond)
		a, b := openRuns(t, store), openRuns(t, store)
		noise := make([]byte, 10<<20)
		for i := range noise {
			noise[i] = byte(rand.Uint32())
		}
		for i := range 6 {
			id := fmt.Sprint("r", i)
			a.Print(id, 0, noise, int64(len(noise)))
			now := time.Now()
			for _, one := range []*replica.Runs{a, b} {
				if err := one.Add(t.Context(), archive.Run{ID: id, Job: id, Created: now, Finished: now, Expires: now.Add(time.Hour)}, 5); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Minute)
		}
		for i, want := range []bool{false, false, true, true, true, true} {
			id := fmt.Sprint("r", i)
			part, err := b.Output(t.Context(), id, 0, 1)
			if err != nil || (part.Size > 0) != want {
				t.Errorf("%s has %d bytes, %v; want some: %v", id, part.Size, err, want)
			}
			if got, _ := readAll(t, b, id, part.Begin); !bytes.Equal(got, noise[part.Begin:]) && want {
				t.Errorf("%s: the %d bytes from %d on are others", id, len(got), part.Begin)
			}
		}
	})
}

// entries is how many there are in a store, without those of what is only gone.
func entries(t *testing.T, store snapshot.Store) (n int) {
	ctx, done := context.WithCancel(t.Context())
	_ = store.Follow(ctx, func(snapshot.Entry) { n++ }, done)
	return n
}
