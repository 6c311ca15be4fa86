package jobs_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/jobs"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/progress"
)

// Readers of a lost run see all that it was, and that it is over, for as long as its job keeps runs; what is not a run is
// left alone.
func TestTheEndOfALostRunIsOneOfARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, problems := config.Load("test.yaml", []byte("version: 1\njobs: {scan: {exec: ['true'], keep: {for: 2h}}}\n"))
		if problems != nil {
			t.Fatal(problems)
		}
		definition := func(job string) *config.Job {
			if job != "scan" {
				return nil
			}
			return cfg.Jobs[0]
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		testEndOfALostRun(t, jobs.Lost(jobs.LostDeps{
			Clock: clock.New(), Definition: definition, Hub: sse.NewHub(ctx, nil), Archive: archive.NewMemoryRuns(nil),
		}))
	})
}

// A run whose process came as far as to store its end, in its own topic or in the archive, has that end everywhere. What a
// lost run has printed is in its end.
func TestALostRunHasTheEndThatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		hub, runs := sse.NewHub(ctx, nil), archive.NewMemoryRuns(nil)
		lost := jobs.Lost(jobs.LostDeps{
			Clock: clock.New(), Definition: func(string) *config.Job { return nil }, Hub: hub, Archive: runs,
		})
		known := func(id string) string { return `{"id":"` + id + `","job":"scan","status":"failed"}` }
		topic := hub.Topic("run/a", sse.TopicOptions{KeepData: true})
		topic.Open("a")
		if err := topic.Close(sse.Event{Data: []byte(known("a"))}); err != nil {
			t.Fatal(err)
		}
		if err := runs.Add(ctx, archive.Run{ID: "b", Job: "scan", Expires: time.Now().Add(time.Hour), Data: []byte(known("b"))}, 9); err != nil {
			t.Fatal(err)
		}
		for i := range int64(3000) {
			runs.Print("c", 7*i, []byte("a line\n"), 1e6)
		}
		for id, want := range map[string]progress.Status{"a": "failed", "b": "failed", "c": "lost"} {
			end, _ := lost("job/scan", progress.Snapshot{Run: id, Data: []byte(`{"id":"` + id + `","job":"scan","status":"running","queue":[]}`)})
			got, ok := end.(wire.Job)
			if !ok || got.Status != want || got.ID != id {
				t.Errorf("run %s ends as %+v, want %s", id, end, want)
			}
			if id == "c" && (got.OutputBytes != 21000 || len(got.Output) > 16<<10 || len(got.Output) < 16<<10-7 || !strings.HasPrefix(got.Output, "a line\n")) {
				t.Errorf("the end has %d bytes of %d, want 16 KiB of whole lines", len(got.Output), got.OutputBytes)
			}
		}
	})
}

func testEndOfALostRun(t *testing.T, lost func(string, progress.Snapshot) (any, time.Duration)) {
	end := func(topic, last string, wantKeep time.Duration) (end map[string]any) {
		made, keep := lost(topic, progress.Snapshot{Run: "r1", Data: []byte(last)})
		data, err := json.Marshal(made)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &end); err != nil {
			t.Fatal(err)
		}
		if keep != wantKeep {
			t.Errorf("the end of %s after %q is kept for %v, want %v", topic, last, keep, wantKeep)
		}
		return end
	}
	run := `{"key":"job/scan","id":"r1","job":"scan","status":"running","percent":40,"eta":3,"message":"12 found"`
	for topic, more := range map[string]string{"run/r1": `}`, "job/scan": `,"queue":[{"id":"r2"}],"queued":1}`} {
		last := run + more
		end := end(topic, last, 2*time.Hour)
		for member, want := range map[string]any{
			"id": "r1", "job": "scan", "status": "lost", "percent": 40.0, "message": "12 found", "eta": nil,
			"error": "the process that ran it went away", "finished_at": "2000-01-01T00:00:00Z", "expires_at": "2000-01-01T02:00:00Z",
		} {
			if end[member] != want {
				t.Errorf("after %s the %s is %v, want %v", last, member, end[member], want)
			}
		}
		if list, ok := end["queue"].([]any); ok != (topic == "job/scan") || len(list) > 0 {
			t.Errorf("after %s the queue is %v, want an empty one in the topic of the job", last, end["queue"])
		}
	}
	if end := end("run/r1", `{"id":"r1","job":"removed"}`, 24*time.Hour); end["status"] != "lost" {
		t.Errorf("a run of a job that is not configured ends as %v, want lost", end)
	}
	for topic, job := range map[string]string{"run/r1": "", "job/scan": "scan"} {
		if end := end(topic, "", 0); end["status"] != "lost" || end["id"] != "r1" || end["job"] != job {
			t.Errorf("what had published nothing in %s ends as %v, want lost, and not to be kept", topic, end)
		}
	}
	if end, _ := lost("source/tank", progress.Snapshot{Data: []byte(`{"key":"source/tank"}`)}); end != nil {
		t.Errorf("the end of a source is %v, want none", end)
	}
}
