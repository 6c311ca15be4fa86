package archive_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/archive/archivetest"
)

func TestMemoryRuns(t *testing.T) {
	archivetest.RunRuns(t, func(_ *testing.T, forgotten int) archive.Runs {
		return archive.NewMemoryRuns(&archive.MemoryOptions{MaxForgotten: forgotten})
	})
}

// Of runs from hosts whose clocks differ, those that were added first are forgotten first: by the times, one whose host is
// ahead, or behind, would be gone as soon as it is there.
func TestMemoryRunsOfSeveralHosts(t *testing.T) {
	m := archive.NewMemoryRuns(&archive.MemoryOptions{AsAdded: true})
	now := time.Now()
	for i := range 9 {
		ended := now.Add(time.Duration(i%3-1) * time.Hour) // one is behind, one right, one ahead
		run := archive.Run{ID: fmt.Sprint(i), Job: "j", Created: ended, Finished: ended, Expires: ended.Add(24 * time.Hour)}
		if err := m.Add(t.Context(), run, 4); err != nil {
			t.Fatal(err)
		}
		for k := range i + 1 {
			_, err := m.Get(t.Context(), fmt.Sprint(k))
			if isKept := k > i-4; isKept != (err == nil) {
				t.Errorf("with %d runs number %d: %v, want it kept: %v", i+1, k, err, isKept)
			}
		}
		if last, err := m.Last(t.Context(), "j"); err != nil || last.ID != run.ID {
			t.Errorf("the last of %d is %v, %v", i+1, last.ID, err)
		}
	}
}

// Runs are forgotten at the moment at which they expire, whether anybody sweeps or not.
func TestMemoryRunsExpireToTheTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := archive.NewMemoryRuns(nil)
		run := archive.Run{ID: "a", Job: "j", Expires: time.Now().Add(time.Hour)}
		if err := m.Add(t.Context(), run, 1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour - 1)
		if _, err := m.Get(t.Context(), "a"); err != nil {
			t.Errorf("before it expires Get = %v", err)
		}
		time.Sleep(time.Nanosecond)
		if _, err := m.Get(t.Context(), "a"); err != archive.ErrForgotten {
			t.Errorf("when it has expired Get = %v, want %v", err, archive.ErrForgotten)
		}
	})
}

// However much many runs print, memory is bounded: what ended runs have printed goes first, the oldest of it before the
// rest.
func TestMemoryRunsBoundTheOutputOfAll(t *testing.T) {
	const each = 4 * archive.ChunkSize
	m := archive.NewMemoryRuns(&archive.MemoryOptions{MaxOutput: 3 * each})
	print := func(id string) { m.Print(id, 0, make([]byte, each), each) }
	kept := func() (all string) {
		for i := range 6 {
			part, err := m.Output(t.Context(), fmt.Sprint("r", i), 0, 10*each)
			if err != nil || part.Size != 0 && part.Size != each || part.Begin != part.Size-int64(len(part.Text)) {
				t.Errorf("the output of r%d is %d to %d with %d bytes, %v", i, part.Begin, part.Size, len(part.Text), err)
			}
			all += fmt.Sprint(len(part.Text)/archive.ChunkSize, " ")
		}
		return all
	}
	for i := range 3 {
		print(fmt.Sprint("r", i))
	}
	run := archive.Run{ID: "r1", Job: "j", Expires: time.Now().Add(time.Hour)}
	if err := m.Add(t.Context(), run, 1); err != nil {
		t.Fatal(err)
	}
	print("r3")
	if got, want := kept(), "4 0 4 4 0 0 "; got != want {
		t.Errorf("chunks of the runs are %q, want %q", got, want)
	}
	print("r4")
	if got, want := kept(), "0 0 4 4 4 0 "; got != want {
		t.Errorf("chunks of the runs are %q, want %q", got, want)
	}
}
