package gateway_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/gateway"
	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/snapshot/snapshottest"
)

func TestARunWhoseProcessWentAwayIsLost(t *testing.T) {
	script := newScript(t)
	cfg, problems := config.Load("test.yaml", []byte("version: 1\n"+script.policy("keep: {runs: 3}")))
	if problems != nil {
		t.Fatal(problems)
	}
	memory, archive := snapshot.NewMemory(), archive.NewMemoryRuns(nil)
	before := snapshottest.NewProcess(memory)
	s := run(t, cfg, gateway.With(gateway.On(before), archive))
	over := of(s.trigger(202, 0), "id")
	script.Begun().Exit(0)
	s.ended(over)
	id := of(s.trigger(202, 1), "id")
	p := script.Begun()
	p.Print("::progress 40 nearly half")
	s.await("progress", func(v object) bool { return v["key"] == "job/scan" && v["percent"] == 40.0 })
	before.Kill()
	s.stop()
	p.Ended()

	s = run(t, cfg, gateway.With(gateway.On(memory), archive))
	if got := s.json(200, "GET", "/api/v1/runs/"+over, ""); got["status"] != "succeeded" {
		t.Errorf("a run that had ended = %v, want its record", got)
	}
	for deadline := time.Now().Add(patience); ; {
		status, _, body := s.do("GET", "/api/v1/runs/"+id, "")
		last := s.json(200, "GET", "/api/v1/jobs/scan", "")["last_run"]
		if status == 200 && last != nil {
			run, last := decode(t, []byte(body)), last.(object)
			if run["status"] == "lost" && last["status"] == "lost" {
				if run["percent"] != 40.0 || of(run, "error") == "" || run["expires_at"] == nil || last["id"] != id {
					t.Errorf("the lost run = %v, the job's last %v, want where it was and why it is over", run, last)
				}
				break
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("the run = %d %s, the job's last %v, want it lost", status, body, last)
		}
	}
	next := of(s.trigger(202, 1), "id")
	script.Begun().Exit(0)
	if run := s.ended(next); run["status"] != "succeeded" {
		t.Errorf("the run after it ended as %v", run)
	}
}

func TestATimeTableStartsRuns(t *testing.T) {
	cfg, problems := config.Load("test.yaml", []byte(`
version: 1
jobs:
  scan: {exec: [echo, "{n}"], args: {n: {type: int, default: 7}}, at: "@yearly"}
  other: {exec: ['true']}
`))
	if problems != nil {
		t.Fatal(problems)
	}
	next := cfg.Jobs[0].At.Next
	// Once it has been asked, which a gateway takes its time to do.
	first := sync.OnceValue(func() time.Time { return time.Now().Add(50 * time.Millisecond) })
	cfg.Jobs[0].At.Next = func(after time.Time) time.Time {
		if first := first(); after.Before(first) {
			return first
		}
		return next(after)
	}
	s := run(t, cfg, gateway.Options{})
	got := s.await("the scheduled run", func(v object) bool { return v["key"] == "job/scan" && v["status"] == "succeeded" })
	if got["trigger"] != "schedule" || got["output"] != "7\n" {
		t.Errorf("the run = %v, want one that its schedule has started, with the defaults", got)
	}
	at, err := time.Parse(time.RFC3339, of(s.json(200, "GET", "/api/v1/jobs/scan", ""), "next_at"))
	if now := time.Now(); err != nil || at.Local().Year() != now.Year()+1 {
		t.Errorf("next_at = %v, %v, want the beginning of the next year", at, err)
	}
	if got := s.json(200, "GET", "/api/v1/jobs/other", "")["next_at"]; got != nil {
		t.Errorf("next_at of a job without a time table = %v, want null", got)
	}
}

// A slow store takes its time to store the end of a run.
type slowStore struct {
	snapshot.Store
	claimed chan string   // the topic of each run that is claimed
	ending  chan string   // that of each run that is about to be stored
	release chan struct{} // lets one end be stored
}

func (s slowStore) Claim(ctx context.Context, topic string, opts snapshot.ClaimOptions) (snapshot.Claim, snapshot.Entry, error) {
	claim, entry, err := s.Store.Claim(ctx, topic, opts)
	if claim != nil && strings.HasPrefix(topic, "run/") {
		claim = slowClaim{claim, topic, s}
		s.claimed <- topic
	}
	return claim, entry, err
}

type slowClaim struct {
	snapshot.Claim
	topic string
	store slowStore
}

func (c slowClaim) Finish(ctx context.Context, data []byte, retention time.Duration) error {
	c.store.ending <- c.topic
	<-c.store.release
	return c.Claim.Finish(ctx, data, retention)
}

// Who starts a run while the end of the one before is still being stored gets a new run,
// which takes over the topic of the job when that end is there.
func TestARunFollowsOneWhoseEndIsBeingStored(t *testing.T) {
	cfg, problems := config.Load("test.yaml", []byte("version: 1\njobs: {scan: {exec: ['true']}}\n"))
	if problems != nil {
		t.Fatal(problems)
	}
	store := slowStore{snapshot.NewMemory(), make(chan string, 2), make(chan string, 2), make(chan struct{}, 2)}
	s := run(t, cfg, gateway.On(store))
	first := of(s.json(202, "POST", runs, "{}"), "id")
	<-store.claimed
	<-store.ending
	answered := make(chan object)
	go func() { answered <- s.json(202, "POST", runs, "{}") }()
	<-store.claimed
	store.release <- struct{}{}
	second := of(<-answered, "id")
	store.release <- struct{}{}
	for _, id := range []string{first, second} {
		if got := s.ended(id); got["status"] != "succeeded" {
			t.Errorf("run %s ended as %v, want success", id, got)
		}
	}
	if first == second {
		t.Errorf("a start after the end joined run %s", first)
	}
}
