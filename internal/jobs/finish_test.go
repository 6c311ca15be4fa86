package jobs_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/jobs"
	"github.com/tidewire/tidewire/snapshot"
)

// slowEnds is a store in which the end of a run takes a second.
type slowEnds struct{ snapshot.Store }

type slowEnd struct{ snapshot.Claim }

func (s slowEnds) Claim(
	ctx context.Context, topic string, opts snapshot.ClaimOptions,
) (snapshot.Claim, snapshot.Entry, error) {
	claim, e, err := s.Store.Claim(ctx, topic, opts)
	if claim != nil && strings.HasPrefix(topic, "run/") {
		claim = slowEnd{claim}
	}
	return claim, e, err
}

func (c slowEnd) Finish(ctx context.Context, data []byte, retention time.Duration) error {
	time.Sleep(time.Second)
	return c.Claim.Finish(ctx, data, retention)
}

// Nobody is told that a run has ended before its end is stored, for a process that dies in between has not ended it.
func TestAnEndIsToldWhenItIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := openIn(t, slowEnds{snapshot.NewMemory()}, archive.NewMemoryRuns(nil), "jobs: {j: {exec: [x]}}\n",
			func(context.Context) error { return nil })
		run, err := b.start("j", jobs.StartOptions{})
		if err != nil {
			t.Fatal(err)
		}
		told := func() (ended []bool) {
			t.Helper()
			record, err := b.Lookup(t.Context(), run.Snapshot().ID)
			if err != nil {
				t.Fatal(err)
			}
			list, _, err := b.Runs(t.Context(), archive.RunFilter{})
			if err != nil || len(list) != 1 {
				t.Fatalf("Runs = %d runs, %v, want one", len(list), err)
			}
			return []bool{
				run.Snapshot().Status.Ended(), record.Status.Ended(), strings.Contains(string(list[0].Data), "succeeded"),
			}
		}
		time.Sleep(500 * time.Millisecond)
		for i, ended := range told() {
			if ended {
				t.Errorf("while the end is being stored, reader %d is told of it", i)
			}
		}
		run.Wait(t.Context(), time.Minute)
		for i, ended := range told() {
			if !ended {
				t.Errorf("when the end is stored, reader %d is not told of it", i)
			}
		}
	})
}
