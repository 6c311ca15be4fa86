package replica_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/replica"
	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/snapshot/snapshottest"
)

// heard is what one process was told of records.
type heard struct {
	mu  sync.Mutex
	all map[string]string
}

func (h *heard) told(key string, data []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all[key] = string(data)
}

func (h *heard) of(key string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.all[key]
}

func openRecords(t *testing.T, store snapshot.Store) (*replica.Records, *heard) {
	t.Helper()
	h := &heard{all: map[string]string{}}
	r, err := replica.OpenRecords(t.Context(), replica.RecordsOptions{
		Store: store, Prefix: "x/", Log: slog.New(slog.DiscardHandler), Told: h.told,
		Retain: func(key string, _ []byte) time.Duration {
			if key[0] == '_' {
				return time.Hour
			}
			return 0
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Tell(t.Context())
	t.Cleanup(r.Close)
	return r, h
}

// A record that is held is one process's, until that leaves it or dies; the next one finds what was kept last.
func TestHeldRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := snapshottest.Distant(snapshot.NewMemory(), 5*time.Millisecond)
		process := snapshottest.NewProcess(store)
		a, _ := openRecords(t, process)
		b, told := openRecords(t, store)
		a.Keep("k", []byte("1"), true)
		a.Keep("k", []byte("2"), true)
		if err := a.Kept(t.Context()); err != nil {
			t.Errorf("kept: %v", err)
		}
		time.Sleep(time.Second)
		if got := told.of("k"); got != "2" || string(b.Left("k")) != "2" {
			t.Errorf("another process was told %q and reads %q, want 2", got, b.Left("k"))
		}
		b.Keep("k", []byte("stolen"), true)
		time.Sleep(time.Second)
		if got := string(a.Left("k")); got != "2" {
			t.Errorf("a record that is held elsewhere was replaced by %q", got)
		}
		a.Keep("k", []byte("3"), true)
		a.Leave(context.Background(), "k")
		if got := string(b.Left("k")); got != "3" {
			time.Sleep(time.Second)
		}
		b.Keep("k", []byte(string(b.Left("k"))+"+"), true)
		time.Sleep(time.Second)
		if got := string(a.Left("k")); got != "3+" {
			t.Errorf("after it was left it is %q, want 3+", got)
		}
		a.Keep("dies", []byte("x"), true)
		time.Sleep(time.Second)
		process.Kill()
		time.Sleep(time.Second)
		if got := string(b.Left("dies")); got != "x" {
			t.Errorf("of a process that died %q is left", got)
		}
		b.Keep("dies", nil, true)
		b.Keep("k", nil, true)
		time.Sleep(time.Second)
		if b.Left("dies") != nil || b.Left("k") != nil || told.of("k") != "" {
			t.Errorf("records that were removed are %q and %q", b.Left("dies"), b.Left("k"))
		}
	})
}

// A record that nobody holds survives its process, is removed by any, and ends with its time.
func TestStandingRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := snapshottest.Distant(snapshot.NewMemory(), 5*time.Millisecond)
		process := snapshottest.NewProcess(store)
		a, _ := openRecords(t, process)
		b, told := openRecords(t, store)
		a.Keep("_1", []byte("one"), true)
		a.Keep("_2", []byte("two"), true)
		time.Sleep(time.Second)
		process.Kill()
		time.Sleep(time.Second)
		n := 0
		_ = b.Each(t.Context(), func(string, []byte) { n++ })
		if told.of("_1") != "one" || n != 2 {
			t.Errorf("of a process that died %v is left, %d records", told.all, n)
		}
		b.Keep("_1", nil, true)
		time.Sleep(time.Second)
		if told.of("_1") != "" {
			t.Errorf("a record that was removed is %q", told.of("_1"))
		}
		time.Sleep(time.Hour)
		if told.of("_2") != "" || b.Left("_2") != nil {
			t.Errorf("a record whose time is over is %q", b.Left("_2"))
		}
		b.Keep("_3", []byte("3"), true)
		b.Keep("_3", nil, true) // before it was heard of
		time.Sleep(time.Second)
		if b.Left("_3") != nil {
			t.Errorf("a record that was removed at once is %q", b.Left("_3"))
		}
	})
}

// A smallStore takes no more than 64 KiB.
type smallStore struct{ snapshot.Store }

func (smallStore) MaxData() int { return 64 << 10 }

// What is too large for the store is not stored, and holds up nothing else.
func TestARecordThatIsTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := smallStore{snapshottest.Distant(snapshot.NewMemory(), 5*time.Millisecond)}
		a, _ := openRecords(t, store)
		_, told := openRecords(t, store)
		a.Keep("k", []byte("1"), true)
		a.Keep("k", make([]byte, 64<<10+1), true)
		a.Keep("_other", make([]byte, 64<<10+1), true)
		a.Keep("l", []byte("2"), true)
		began := time.Now()
		if err := a.Kept(t.Context()); err != nil || time.Since(began) > 500*time.Millisecond {
			t.Errorf("kept: %v after %v", err, time.Since(began))
		}
		time.Sleep(time.Second)
		if k, other, l := told.of("k"), told.of("_other"), told.of("l"); len(k) > 1 || other != "" || l != "2" {
			t.Errorf("another process was told %d and %d bytes and %q", len(k), len(other), l)
		}
	})
}

// openMending returns records of a process that mends what others have left.
func openMending(t *testing.T, store snapshot.Store, mine bool) *heard {
	t.Helper()
	h := &heard{all: map[string]string{}}
	r, err := replica.OpenRecords(t.Context(), replica.RecordsOptions{
		Store: store, Prefix: "x/", Log: slog.New(slog.DiscardHandler), Told: h.told, Mine: func(string) bool { return mine },
		Retain: func(key string, _ []byte) time.Duration {
			if key[0] == '_' {
				return time.Hour
			}
			return 0
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Tell(t.Context())
	t.Cleanup(r.Close)
	return h
}

// What a process leaves that dies between claiming a record and writing it is mended by one other process: what was there before is
// there again, and what was not is gone.
func TestRecordsOfWhoDiedOverThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := snapshottest.Distant(snapshot.NewMemory(), 5*time.Millisecond)
		process := snapshottest.NewProcess(store)
		var all []*heard
		for i := range 3 {
			all = append(all, openMending(t, store, i == 1))
		}
		writer, _ := openRecords(t, store)
		writer.Keep("_before", []byte("stands"), true)
		time.Sleep(time.Second)
		for _, key := range []string{"_before", "_new", "held"} {
			if claim, _, err := process.Claim(t.Context(), "x/"+key, snapshot.ClaimOptions{}); claim == nil || err != nil {
				t.Fatalf("claim of %s: %v", key, err)
			}
		}
		process.Kill()
		time.Sleep(time.Second)
		left := map[string]snapshot.Entry{}
		ctx, done := context.WithCancel(t.Context())
		_ = store.Follow(ctx, func(e snapshot.Entry) { left[e.Topic] = e }, done)
		if e := left["x/_before"]; len(left) != 1 || e.State != snapshot.Final || string(e.Data) != "stands" {
			t.Errorf("the store has %v, want what stood before", left)
		}
		for i, h := range all {
			if h.of("_before") != "stands" {
				t.Errorf("process %d was told %q meanwhile", i, h.of("_before"))
			}
		}
	})
}

// A record that cannot be written holds up no other.
func TestARecordThatCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := snapshot.NewMemory()
		r, told := openRecords(t, failing{store, "x/_bad"})
		r.Keep("_bad", []byte("1"), true)
		r.Keep("_good", []byte("2"), true)
		time.Sleep(2 * time.Second)
		if told.of("_good") != "2" {
			t.Error("a record waits for one that the store does not take")
		}
	})
}

// failing is a store that does not take the claims of one topic.
type failing struct {
	snapshot.Store
	topic string
}

func (f failing) Claim(ctx context.Context, topic string, opts snapshot.ClaimOptions) (snapshot.Claim, snapshot.Entry, error) {
	if topic == f.topic {
		return nil, snapshot.Entry{}, errors.New("it does not take that")
	}
	return f.Store.Claim(ctx, topic, opts)
}

// A refusingStore refuses claims for as long as it is told to.
type refusingStore struct {
	snapshot.Store
	refuses atomic.Bool
}

func (s *refusingStore) Claim(
	ctx context.Context, topic string, opts snapshot.ClaimOptions,
) (snapshot.Claim, snapshot.Entry, error) {
	if s.refuses.Load() {
		return nil, snapshot.Entry{}, errors.New("refused")
	}
	return s.Store.Claim(ctx, topic, opts)
}

// What could not be written before a record was left is not written afterwards: it would take the record from the next process.
func TestALeftRecordIsNotTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := snapshottest.Distant(snapshot.NewMemory(), 5*time.Millisecond)
		refusing := &refusingStore{Store: store}
		a, _ := openRecords(t, refusing)
		b, told := openRecords(t, store)
		a.Keep("k", []byte("1"), true)
		time.Sleep(time.Second)
		refusing.refuses.Store(true)
		a.Keep("another", []byte("1"), true)
		a.Keep("k", []byte("2"), true)
		a.Leave(t.Context(), "k")
		refusing.refuses.Store(false)
		time.Sleep(5 * time.Second)
		b.Keep("k", []byte("3"), true)
		time.Sleep(5 * time.Second)
		if got := told.of("k"); got != "3" {
			t.Errorf("the next process has stored %q, want 3", got)
		}
	})
}
