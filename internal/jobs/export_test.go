package jobs

import (
	"context"
	"encoding/json"
	"time"

	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/snapshot"
)

// Forgotten are the ids of runs that were forgotten.
type Forgotten struct{ s *records }

// MaxExpired is how many of them are remembered.
const MaxExpired = maxExpired

func NewForgotten() Forgotten {
	return Forgotten{newRecords(Deps{})}
}

// Expire has the store say that a run ended, and that it was forgotten.
func (e Forgotten) Expire(id string) {
	at := time.Unix(0, 0)
	data, err := json.Marshal(wire.Run{ID: id, Job: "j", FinishedAt: &at})
	if err != nil {
		panic(err)
	}
	e.s.apply(snapshot.Entry{Topic: runTopic(id), Run: id, State: snapshot.Final, Data: data})
	e.s.apply(snapshot.Entry{Topic: runTopic(id), Run: id, State: snapshot.Gone})
}

// Has reports whether a run is known to have expired.
func (e Forgotten) Has(id string) bool { return e.s.hasExpired(id) }

// Count is how many of them are remembered, in whatever way.
func (e Forgotten) Count() int {
	return max(len(e.s.expired), len(e.s.order), cap(e.s.order)/2, len(e.s.jobs), len(e.s.ended))
}

// Do makes work the work of all jobs that are configured now.
func (s *Service) Do(work func(ctx context.Context) error) {
	for _, j := range s.List() {
		j.action = testAction(work)
	}
}

// A testAction does what a test wants.
type testAction func(ctx context.Context) error

func (a testAction) Do(ctx context.Context, _ *Run) (Result, error) { return Result{}, a(ctx) }
