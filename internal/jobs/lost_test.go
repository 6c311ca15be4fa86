package jobs_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"

	"github.com/tidewire/tidewire/internal/jobs"
	"github.com/tidewire/tidewire/sse/progress"
)

// Readers of a lost run see all that it was, and that it is over; what is not a run ends as anything else.
func TestTheEndOfALostRunIsOneOfARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		testEndOfALostRun(t, open(t, "jobs: {scan: {exec: ['true'], keep: {for: 2h}}}\n", nil).Lost)
	})
	if end := (*jobs.Service)(nil).Lost(progress.Snapshot{Data: []byte(`{"job":"scan"}`)}); end != nil {
		t.Errorf("before there is a service the end is %v, want none", end)
	}
}

func testEndOfALostRun(t *testing.T, lost func(progress.Snapshot) any) {
	run := `{"key":"job/scan","id":"r1","job":"scan","status":"running","percent":40,"eta":3,"message":"12 found"`
	for last, queue := range map[string]bool{run + `}`: false, run + `,"queue":[{"id":"r2"}],"queued":1}`: true} {
		data, err := json.Marshal(lost(progress.Snapshot{Run: "r1", Data: []byte(last)}))
		if err != nil {
			t.Fatal(err)
		}
		var end map[string]any
		if err := json.Unmarshal(data, &end); err != nil {
			t.Fatal(err)
		}
		for member, want := range map[string]any{
			"id": "r1", "job": "scan", "status": "lost", "percent": 40.0, "message": "12 found", "eta": nil,
			"error": "the process that ran it went away", "finished_at": "2000-01-01T00:00:00Z", "expires_at": "2000-01-01T02:00:00Z",
		} {
			if end[member] != want {
				t.Errorf("after %s the %s is %v, want %v", last, member, end[member], want)
			}
		}
		if list, ok := end["queue"].([]any); ok != queue || len(list) > 0 {
			t.Errorf("after %s the queue is %v, want an empty one: %v", last, end["queue"], queue)
		}
	}
	if end := lost(progress.Snapshot{Data: []byte(`{"key":"source/tank"}`)}); end != nil {
		t.Errorf("the end of a source is %v, want none", end)
	}
}
