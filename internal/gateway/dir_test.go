package gateway_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/gateway"
	"github.com/tidewire/tidewire/snapshot"
)

// until calls ok until it returns true.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %v still not: %s", patience, what)
		}
	}
}

// withDir is a configuration whose state is in the directory of that name.
func withDir(dir string) string {
	return "store: {dir: '" + dir + "'}\n"
}

// A store that cannot be used keeps the gateway from starting, with a sentence.
func TestAStoreThatCannotBeOpened(t *testing.T) {
	dir := t.TempDir()
	const job = "jobs: {date: {exec: [date]}}\n"
	first := start(t, withDir(dir)+job)
	first.json(200, "GET", "/readyz", "")
	refused := func(want string) {
		t.Helper()
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		err = gateway.Run(t.Context(), load(t, withDir(dir)+job), ln, nil)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("Run = %v, want %q", err, want)
		}
	}
	refused("is in use by process")
	first.stop()
	if err := os.WriteFile(filepath.Join(dir, "tidewire.db"), []byte("these are notes"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused("is not a database of Tidewire")
}

// While the store cannot be written everything else goes on. Whoever watches the gateway is told, and told when it is over.
func TestAStoreThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	s := start(t, withDir(dir)+"jobs: {date: {exec: [date]}}\nsources: {n: {exec: [date, '+%s%N'], every: 50ms}}\n")
	failing := func() bool { return s.json(200, "GET", "/readyz", "")["status"] == "degraded" }
	stream := s.stream()
	file := filepath.Join(dir, "tidewire.db")
	if err := os.Rename(file, file+".aside"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "it is degraded", failing)
	shown, _ := stream.await("the store", func(v object) bool {
		text, ok := v["store_error"].(string)
		return ok && strings.Contains(text, "was replaced")
	})
	if shown["key"] != "config" {
		t.Errorf("the store's error is in %v", shown)
	}
	stream.await("a poll", func(v object) bool { return v["key"] == "source/n" && v["state"] == "ok" })
	run := s.json(202, "POST", "/api/v1/jobs/date/runs", "{}")
	if run = s.ended(run["id"].(string)); run["status"] != "succeeded" {
		t.Errorf("the run is %v", run)
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "something else" {
		t.Errorf("the file that took the name is now %q, %v", data, err)
	}
	if err := os.Rename(file+".aside", file); err != nil {
		t.Fatal(err)
	}
	until(t, "it is not degraded", func() bool { return !failing() })
	stream.await("the store again", func(v object) bool { text, ok := v["store_error"]; return ok && text == nil })
	s.stop()
	log := s.log.String()
	for _, want := range []string{"the store cannot be written", "the store is written again"} {
		if n := strings.Count(log, want); n != 1 {
			t.Errorf("the log says %d times %q, want once", n, want)
		}
	}
}

// A countedStore counts how often it was asked to have written everything.
type countedStore struct {
	snapshot.Store
	syncs atomic.Int64
}

func (s *countedStore) Sync(ctx context.Context) error {
	s.syncs.Add(1)
	return s.Store.Sync(ctx)
}

// A start is answered once the state of its run, from which a later process tells that it is lost, is stored.
func TestAStartThatWasAnsweredIsStored(t *testing.T) {
	store := &countedStore{Store: snapshot.NewMemory()}
	s := run(t, load(t, "jobs: {date: {exec: [date]}}\n"), gateway.On(store))
	before := store.syncs.Load()
	s.json(202, "POST", "/api/v1/jobs/date/runs", "{}")
	if store.syncs.Load() == before {
		t.Error("the start was answered before its run was stored")
	}
}

// An Idempotency-Key leads to its run after a restart, too, unless the job has secret arguments.
func TestIdempotencyKeysOutliveTheProcess(t *testing.T) {
	text := withDir(t.TempDir()) + `
jobs:
  scan: {exec: [echo, "{n}"], on_busy: queue, args: {n: {type: int, default: 1}}}
  open: {exec: [cat], stdin: "{pin}", args: {pin: {type: string, secret: true, default: ""}}}
`
	trigger := func(s *server, want int, job, body string) object {
		t.Helper()
		return s.json(want, "POST", "/api/v1/jobs/"+job+"/runs", body, "Idempotency-Key", "k")
	}
	s := start(t, text)
	first, secret := trigger(s, 202, "scan", "{}"), trigger(s, 202, "open", "{}")
	s.ended(of(first, "id"))
	s.ended(of(secret, "id"))
	s.stop()
	s = start(t, text)
	if again := trigger(s, 202, "scan", "{}"); again["id"] != first["id"] || again["status"] != "succeeded" {
		t.Errorf("after a restart the key leads to %v, want %v", again, first["id"])
	}
	if bad := trigger(s, 422, "scan", `{"args":{"n":2}}`); bad["run"] != first["id"] {
		t.Errorf("with other arguments it is %v, want that it was used for %v", bad, first["id"])
	}
	if again := trigger(s, 202, "open", "{}"); again["id"] == secret["id"] {
		t.Errorf("the key of a job with secret arguments leads to its run after a restart, want a new one")
	}
}
