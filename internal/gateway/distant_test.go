package gateway_test

import (
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/gateway"
	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/snapshot/snapshottest"
)

// What a client was told of it finds, however late the store tells its followers: long before they have heard of a run,
// it can be looked at, is cancelled for whoever asks afterwards, and is the last one of its job.
func TestAnswersDoNotWaitForTheStore(t *testing.T) {
	store := snapshottest.Distant(snapshot.NewMemory(), time.Second)
	script := newScript(t)
	s := run(t, load(t, script.scan()+"    on_busy: queue\nsources: {tank: {exec: [echo, '1'], every: 1h}}\n"), gateway.On(store))
	defer s.stop()
	first := s.json(202, "POST", runs, `{"args":{"subnet":"10.1.2.0/24"}}`)
	p := script.Begun()
	second := s.json(202, "POST", runs, `{"args":{"subnet":"10.1.3.0/24"}}`)
	at := func(run object) string { return "/api/v1/runs/" + of(run, "id") }
	if got := s.json(200, "GET", at(first), ""); got["status"] != "running" {
		t.Errorf("the first run is %v, want it running", got)
	}
	if got := s.json(200, "GET", at(second), ""); got["status"] != "queued" {
		t.Errorf("the second run is %v, want it queued", got)
	}
	job := s.json(200, "GET", "/api/v1/jobs/scan", "")
	if got := of(job["last_run"].(object), "id"); got != first["id"] || job["queued"] != 1.0 {
		t.Errorf("the job has run %q and %v in its queue, want %q and 1", got, job["queued"], first["id"])
	}
	if got := s.json(202, "POST", at(second)+"/cancel", ""); got["status"] == "queued" {
		t.Errorf("the answer of a cancelled run is %v", got)
	}
	if got := s.json(200, "GET", at(second), ""); got["status"] == "queued" {
		t.Errorf("the cancelled run is %v", got)
	}
	p.Exit(0)
	for s.json(200, "GET", at(first), "")["status"] == "running" {
		time.Sleep(time.Millisecond)
	}
	last := func() object { return s.json(200, "GET", "/api/v1/jobs/scan", "")["last_run"].(object) }
	for last()["status"] == "running" { // its own end comes first, and then that in the topic of the job
		time.Sleep(time.Millisecond)
	}
	if got := last(); got["id"] != first["id"] || got["status"] != "succeeded" {
		t.Errorf("the last run of the job is %v, want the first and that it has succeeded", got)
	}
	for s.json(200, "GET", "/api/v1/sources/tank", "")["state"] == "pending" {
		time.Sleep(time.Millisecond)
	}
	if all := s.json(200, "GET", "/api/v1/sources", "")["sources"].([]any); all[0].(object)["state"] != "ok" {
		t.Errorf("the sources are %v, want the value of tank", all)
	}
}
