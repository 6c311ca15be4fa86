package api_test

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/sse"
)

// slowRuns are runs of which a list takes 20 ms.
type slowRuns struct {
	otherRuns
	lists int
}

func (s *slowRuns) Runs(context.Context, archive.RunFilter) ([]archive.Run, bool, error) {
	s.lists++
	time.Sleep(20 * time.Millisecond)
	return nil, false, nil
}

// Who waits for a list of what does not change, beside much that changes all the time, has it made now and then.
func TestAListIsNotMadeAgainAllTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := newServices(t)
		runs := &slowRuns{}
		s.runs = runs
		resp, _ := do(t, h, "GET", "/api/v1/runs?status=lost", "")
		go func() {
			for i := range 10_000 {
				if t.Context().Err() != nil {
					return
				}
				_ = s.topic.Publish(sse.Event{Data: []byte(strconv.Itoa(i))})
				time.Sleep(time.Millisecond)
			}
		}()
		runs.lists = 0
		resp, _ = do(t, h, "GET", "/api/v1/runs?status=lost", "", "If-None-Match", resp.Header.Get("ETag"), "Prefer", "wait=10")
		if most := 10_000 / 200; resp.StatusCode != 304 || runs.lists > most+2 || runs.lists < most/2 {
			t.Errorf("within 10 s the list was made %d times for an answer of %d, want some %d and 304", runs.lists, resp.StatusCode, most)
		}
	})
}
