package gateway_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/gateway"
	"github.com/tidewire/tidewire/snapshot"
)

// A failingStore fails as the test says, and takes topics away.
type failingStore struct {
	snapshot.Store

	mu   sync.Mutex // guards the fields below
	down string     // calls of that name, and topics that begin so, fail: "claim run/"
	lost map[string]chan struct{}
}

func newFailingStore() *failingStore {
	return &failingStore{Store: snapshot.NewMemory(), lost: map[string]chan struct{}{}}
}

var errDown = errors.New("the store is out of reach")

// fail has calls fail from now on, "" none.
func (f *failingStore) fail(down string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
}

func (f *failingStore) failing(call, topic string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.down != "" && strings.HasPrefix(call+" "+topic, f.down)
}

// take has whoever holds a topic lose it.
func (f *failingStore) take(topic string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.lost[topic])
}

func (f *failingStore) Claim(ctx context.Context, topic string, opts snapshot.ClaimOptions) (snapshot.Claim, snapshot.Entry, error) {
	if f.failing("claim", topic) {
		return nil, snapshot.Entry{}, errDown
	}
	claim, entry, err := f.Store.Claim(ctx, topic, opts)
	if claim == nil {
		return nil, entry, err
	}
	lost := make(chan struct{})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lost[topic] = lost
	return failingClaim{claim, topic, f, lost}, entry, err
}

func (f *failingStore) Follow(ctx context.Context, fn func(snapshot.Entry), synced func()) error {
	if f.failing("follow", "") {
		return errDown
	}
	return f.Store.Follow(ctx, fn, synced)
}

type failingClaim struct {
	snapshot.Claim
	topic string
	of    *failingStore
	lost  chan struct{}
}

func (c failingClaim) Lost() <-chan struct{} { return c.lost }

func (c failingClaim) Finish(ctx context.Context, data []byte, retention time.Duration) error {
	if c.of.failing("finish", c.topic) {
		return errDown
	}
	return c.Claim.Finish(ctx, data, retention)
}

// A run whose topic is taken away may have been begun again by somebody else: its command is ended, and it
// counts as lost, which is neither a failure of the command nor anybody's wish.
func TestARunWhoseTopicIsTakenAwayIsLost(t *testing.T) {
	for _, topic := range []string{"run/", "job/scan"} {
		script, store := newScript(t), newFailingStore()
		cfg := load(t, script.scan())
		cfg.Audit = t.TempDir() + "/audit.jsonl"
		s := run(t, cfg, gateway.On(store))
		id := of(s.json(202, "POST", runs, `{"args":{"subnet":"10.1.2.0/24"}}`), "id")
		p := script.Begun()
		if topic == "run/" {
			topic += id
		}
		store.take(topic)
		p.Ended()
		if got := s.ended(id); got["status"] != "lost" || !contains(of(got, "error"), "the store took the run away") {
			t.Errorf("the run that lost %s ended as %v, want lost, and why", topic, got)
		}
		if last := auditLines(t, cfg.Audit)[1]; last["action"] != "run-ended" || last["status"] != "lost" {
			t.Errorf("the audit log has %v of the run that lost %s, want that it is lost", last, topic)
		}
		next := of(s.json(202, "POST", runs, `{"args":{"subnet":"10.1.2.0/24"}}`), "id")
		script.Begun().Exit(0)
		if got := s.ended(next); got["status"] != "succeeded" {
			t.Errorf("the run after that ended as %v, want success", got)
		}
		s.stop()
	}
}

// What a store cannot do is said, and stands in the way of nothing once it can.
func TestAStoreThatFails(t *testing.T) {
	store := newFailingStore()
	s := run(t, load(t, "jobs: {scan: {exec: ['true'], keep: {runs: 1}}}\n"), gateway.On(store))
	next := func() {
		t.Helper()
		store.fail("")
		if got := s.ended(of(s.json(202, "POST", runs, "{}"), "id")); got["status"] != "succeeded" {
			t.Errorf("the run after the store was back ended as %v, want success", got)
		}
	}
	says := func(text string) {
		t.Helper()
		// Both topics of a run have its end, or have failed to, before that is logged.
		for late := time.Now().Add(patience); !contains(s.log.String(), text); time.Sleep(time.Millisecond) {
			if time.Now().After(late) {
				t.Fatalf("the log does not say %q", text)
			}
		}
	}
	store.fail("claim run/")
	if status, _, body := s.do("POST", runs, "{}"); status != 503 || contains(body, errDown.Error()) {
		t.Errorf("a start that the store cannot hold = %d %s, want 503, and the cause in the log alone", status, body)
	}
	says("a run was not started: the store cannot hold it")
	next()

	store.fail("claim job/")
	if got := s.ended(of(s.json(202, "POST", runs, "{}"), "id")); got["status"] != "failed" || !contains(of(got, "error"), errDown.Error()) {
		t.Errorf("a run whose job the store cannot hold ended as %v, want failed, and why", got)
	}
	next()

	store.fail("finish run/")
	id := of(s.json(202, "POST", runs, "{}"), "id")
	s.await("the end in the topic of the job", func(v object) bool { return v["id"] == id && v["status"] == "succeeded" })
	says("the end of a run was not stored")
	next()
}

func TestAStoreThatCannotBeFollowedEndsTheStart(t *testing.T) {
	store := newFailingStore()
	store.fail("follow")
	if _, err := gateway.TryNew(t.Context(), load(t, "sources: {a: {exec: [echo]}}\n"), gateway.On(store)); !errors.Is(err, errDown) {
		t.Errorf("the start = %v, want %v", err, errDown)
	}
}
