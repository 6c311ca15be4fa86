package progress_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/progress"
	"github.com/tidewire/tidewire/sse/ssetest"
)

// openFixture makes a Tracker on store that ends with the test.
func openFixture(t *testing.T, store snapshot.Store, opts progress.Options) *fixture {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f := &fixture{end: cancel, log: &logBuffer{}}
	opts.Logger = slog.New(slog.NewTextHandler(f.log, nil))
	tracker, err := progress.Open(ctx, store, &opts)
	if err != nil {
		t.Fatal(err)
	}
	f.Tracker = tracker
	f.serve(t)
	return f
}

// The topics that the store makes known have the options that the program wants, whoever writes them.
func TestOptionsOfTopics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := snapshot.NewMemory()
		claim, _, _ := store.Claim(t.Context(), "a", snapshot.ClaimOptions{})
		watched := make(chan string, 1)
		f := openFixture(t, store, progress.Options{Topic: func(name string) sse.TopicOptions {
			return sse.TopicOptions{OnWatched: func(is bool) {
				if is {
					watched <- name
				}
			}}
		}})
		mustStart(t, f.Tracker, "b")
		claim.Finish(t.Context(), nil, 0)
		store.Claim(t.Context(), "a", snapshot.ClaimOptions{}) // which comes back
		for _, topic := range []string{"a", "b"} {
			f.open(t, topic, "")
			if got := <-watched; got != topic {
				t.Errorf("%s is watched, want %s", got, topic)
			}
		}
	})
}

// What the store holds can be served when Open returns, whoever wrote it.
func TestOpenShowsTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := snapshot.NewMemory()
		live, _, _ := store.Claim(t.Context(), "source/tank", snapshot.ClaimOptions{})
		live.Put([]byte(`{"level":1}`))
		live.Put([]byte(`{"level":2}`))
		done, _, _ := store.Claim(t.Context(), "done", snapshot.ClaimOptions{})
		done.Finish(t.Context(), []byte(`"end"`), time.Hour)
		store.Claim(t.Context(), "empty", snapshot.ClaimOptions{})

		f := openFixture(t, store, progress.Options{})
		topic, ok := f.Hub().Lookup("source/tank")
		if !ok {
			t.Fatal("the hub does not know source/tank")
		}
		ev, _ := topic.Latest()
		if ev.ID != live.Run()+"-2" || string(ev.Data) != `{"level":2}` {
			t.Errorf("Latest() = %q %s, want the newest of the store", ev.ID, ev.Data)
		}
		if _, e, _ := store.Claim(t.Context(), "source/tank", snapshot.ClaimOptions{}); &ev.Data[0] != &e.Data[0] {
			t.Error("the topic has a copy of the data that the store has, want one for both")
		}
		if ev := nextData(t, f.open(t, "done", "")); ev.ID != done.Run()+"-end" || string(ev.Data) != `"end"` {
			t.Errorf("stream of a retained topic got %q %s", ev.ID, ev.Data)
		}
		if got := f.status(t, "empty", ""); got != http.StatusOK {
			t.Errorf("status of a topic without a value is %d, want 200", got)
		}
		s := f.open(t, "source/tank", "")
		nextData(t, s)
		live.Put([]byte(`{"level":3}`))
		if ev := nextData(t, s); string(ev.Data) != `{"level":3}` {
			t.Errorf("stream got %s, want what was put into the store", ev.Data)
		}

		job, isNew := f.Start("source/tank") // claimed by somebody else
		if isNew || job.ID() != live.Run() {
			t.Errorf("Start of a topic claimed elsewhere = %q, %v, want run %q, false", job.ID(), isNew, live.Run())
		}
		if again, _ := f.Start("source/tank"); again != job {
			t.Error("a second Start gave another Job for the same run")
		}
		job.Publish("mine")
		job.Finish("mine")
		if f.Cancel("source/tank") {
			t.Error("Cancel of a run of somebody else = true")
		}
		if ev, _ := topic.Latest(); string(ev.Data) != `{"level":3}` {
			t.Errorf("a joined job changed the topic to %s", ev.Data)
		}
		ctx := job.Context()
		live.Finish(t.Context(), []byte(`"over"`), time.Hour)
		if ctx.Err() == nil {
			t.Error("the context of a joined job goes on after the run's end")
		}
	})
}

// Two Trackers on one store are one: exactly one runs the job, both show it.
func TestTwoTrackersOneStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := snapshot.NewMemory()
		a, b := openFixture(t, store, progress.Options{}), openFixture(t, store, progress.Options{})
		job := mustStart(t, a.Tracker, "x")
		joined, isNew := b.Start("x")
		if isNew || joined.ID() != job.ID() {
			t.Errorf("Start on the other Tracker = %q, %v, want run %q, false", joined.ID(), isNew, job.ID())
		}
		s := b.open(t, "x", "")
		job.Publish(1)
		next(t, s, job, "1", "1")
		a.end() // its worker may still say how it ended
		synctest.Wait()
		job.Finish("stopped")
		next(t, s, job, "end", `"stopped"`)
		ended(t, s)
		for _, f := range []*fixture{b, openFixture(t, store, progress.Options{})} { // one that knew the run, and one that did not
			if joined, isNew := f.StartOrJoin("x"); isNew || joined.ID() != job.ID() || joined.Context().Err() == nil {
				t.Errorf("StartOrJoin of a retained run = %q, %v, want run %q, false, over", joined.ID(), isNew, job.ID())
			}
		}
	})
}

// A run that leaves the store while it was live ends as lost for those who watch it, and for its worker.
func TestLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &scriptedStore{Memory: snapshot.NewMemory()}
		f := openFixture(t, store, progress.Options{})
		job := mustStart(t, f.Tracker, "a")
		job.Publish(1)
		ctx := job.Context()
		s := f.open(t, "a", "")
		next(t, s, job, "1", "1")
		store.tell(snapshot.Entry{Topic: "a", Run: "another", State: snapshot.Gone}) // not the current run: nothing happens
		if err := ctx.Err(); err != nil {
			t.Errorf("the end of another run ended the job: %v", err)
		}
		store.tell(snapshot.Entry{Topic: "a", Run: job.ID(), N: 1, State: snapshot.Gone})
		ev := nextData(t, s)
		if ev.ID != job.ID()+"-end" || !strings.HasPrefix(string(ev.Data), `{"status":"lost","error":"`) {
			t.Errorf("stream of a lost run got %q %s, want a terminal with status lost", ev.ID, ev.Data)
		}
		ended(t, s)
		if got := context.Cause(ctx); got != progress.ErrLost {
			t.Errorf("cause of a lost run = %v, want ErrLost", got)
		}
		if got := f.status(t, "a", ""); got != http.StatusNotFound {
			t.Errorf("status of a lost topic is %d, want 404", got)
		}
		if got := f.status(t, "a", job.ID()+"-end"); got != http.StatusNoContent {
			t.Errorf("status for a client that returns with the terminal's id is %d, want 204", got)
		}

		// The claim says so itself, before the store's followers hear of it.
		job = mustStart(t, f.Tracker, "b")
		ctx = job.Context()
		close(store.lost)
		synctest.Wait()
		if got := context.Cause(ctx); got != progress.ErrLost {
			t.Errorf("cause after a lost claim = %v, want ErrLost", got)
		}

		// A newer run of another process: ours is over.
		job = mustStart(t, f.Tracker, "c")
		ctx = job.Context()
		store.tell(snapshot.Entry{Topic: "c", Run: "newer", N: 7, State: snapshot.Live, Data: []byte("7")})
		if got := context.Cause(ctx); got != progress.ErrLost {
			t.Errorf("cause after a newer run = %v, want ErrLost", got)
		}
		if ev := nextData(t, f.open(t, "c", "")); ev.ID != "newer-7" {
			t.Errorf("stream got %q, want the newer run's newest", ev.ID)
		}
	})
}

// A lost run may have an end in the payload of its snapshots; what cannot be made of one ends as any other.
func TestLostWithAPayload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &scriptedStore{Memory: snapshot.NewMemory()}
		f := openFixture(t, store, progress.Options{Lost: func(topic string, last progress.Snapshot) (any, time.Duration) {
			switch string(last.Data) {
			case `"panic"`:
				panic("password is 1234")
			case `"none"`, "":
				return nil, 0
			}
			return fmt.Sprintf("%s of %s lost after %s", last.Run, topic, last.Data), 0
		}})
		for _, what := range []string{"half", "none", "panic", ""} {
			topic := "a" + what
			job := mustStart(t, f.Tracker, topic)
			s := f.open(t, topic, "")
			if what != "" {
				job.Publish(what)
				nextData(t, s)
			}
			store.tell(snapshot.Entry{Topic: topic, Run: job.ID(), N: 1, State: snapshot.Gone})
			want := `{"status":"lost"`
			if what == "half" {
				want = `"` + job.ID() + ` of ahalf lost after \"half\""`
			}
			if ev := nextData(t, s); !strings.HasPrefix(string(ev.Data), want) || strings.Contains(string(ev.Data), "1234") {
				t.Errorf("after %q the run ends with %s, want %s", what, ev.Data, want)
			}
		}
	})
}

// Lost may block: the store does not wait for it, nor do other topics, nor a new run of the same topic. Shutdown does.
func TestLostMayBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &scriptedStore{Memory: snapshot.NewMemory()}
		f := openFixture(t, store, progress.Options{Lost: func(topic string, _ progress.Snapshot) (any, time.Duration) {
			time.Sleep(5 * time.Second)
			return topic + " is lost", 0
		}})
		gone := func(topic string) *ssetest.Stream {
			job := mustStart(t, f.Tracker, topic)
			job.Publish(topic)
			s := f.open(t, topic, "")
			nextData(t, s)
			store.tell(snapshot.Entry{Topic: topic, Run: job.ID(), N: 1, State: snapshot.Gone})
			if got := context.Cause(job.Context()); got != progress.ErrLost {
				t.Errorf("cause of a lost run = %v, want ErrLost", got)
			}
			return s
		}
		began := time.Now()
		a, b := gone("a"), gone("b")
		store.tell(snapshot.Entry{Topic: "b", Run: "newer", N: 7, State: snapshot.Live, Data: []byte("7")})
		other := mustStart(t, f.Tracker, "c")
		other.Publish(1)
		next(t, f.open(t, "c", ""), other, "1", "1")
		if ev := nextData(t, b); ev.ID != "newer-7" {
			t.Errorf("the stream of a topic that has another run got %q", ev.ID)
		}
		if d := time.Since(began); d > 0 {
			t.Errorf("all that took %v while Lost blocked", d)
		}
		if ev := nextData(t, a); string(ev.Data) != `"a is lost"` || time.Since(began) != 5*time.Second {
			t.Errorf("after %v the lost run ends with %s", time.Since(began), ev.Data)
		}
		other.Finish(nil)
		c := gone("d")
		if err := f.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if ev := nextData(t, c); string(ev.Data) != `"d is lost"` {
			t.Errorf("at a shutdown the lost run ends with %s", ev.Data)
		}
	})
}

// Shutdown also waits for the end of a run that gets lost while it waits for others.
func TestLostDuringShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &scriptedStore{Memory: snapshot.NewMemory()}
		f := openFixture(t, store, progress.Options{Lost: func(string, progress.Snapshot) (any, time.Duration) {
			time.Sleep(5 * time.Second)
			return "lost", 0
		}})
		last, gone := mustStart(t, f.Tracker, "last"), mustStart(t, f.Tracker, "gone")
		gone.Publish(1)
		s := f.open(t, "gone", "")
		nextData(t, s)
		go func() {
			<-last.Context().Done()
			store.tell(snapshot.Entry{Topic: "gone", Run: gone.ID(), N: 1, State: snapshot.Gone})
			last.Finish(nil)
		}()
		began := time.Now()
		if err := f.Shutdown(t.Context()); err != nil || time.Since(began) < 5*time.Second {
			t.Errorf("Shutdown returned %v after %v, want to wait for Lost", err, time.Since(began))
		}
		if ev := nextData(t, s); string(ev.Data) != `"lost"` {
			t.Errorf("the lost run ends with %s", ev.Data)
		}
	})
}

// scriptedStore lets a test take entries away, as a store with leases does.
type scriptedStore struct {
	*snapshot.Memory
	fn   func(snapshot.Entry)
	lost chan struct{}
}

func (s *scriptedStore) Follow(ctx context.Context, fn func(snapshot.Entry), synced func()) error {
	s.fn, s.lost = fn, make(chan struct{})
	return s.Memory.Follow(ctx, fn, synced)
}

func (s *scriptedStore) tell(e snapshot.Entry) { s.fn(e) }

func (s *scriptedStore) Claim(ctx context.Context, topic string, opts snapshot.ClaimOptions) (snapshot.Claim, snapshot.Entry, error) {
	c, e, err := s.Memory.Claim(ctx, topic, opts)
	if c != nil {
		c = scriptedClaim{c, s.lost}
	}
	return c, e, err
}

type scriptedClaim struct {
	snapshot.Claim
	lost chan struct{}
}

func (c scriptedClaim) Lost() <-chan struct{} { return c.lost }

// failingStore is one that cannot be reached.
type failingStore struct {
	*snapshot.Memory
	claim, finish, follow error
	failFollow            chan struct{} // Follow fails when it is closed
}

func (s *failingStore) Claim(ctx context.Context, topic string, opts snapshot.ClaimOptions) (snapshot.Claim, snapshot.Entry, error) {
	if s.claim != nil {
		return nil, snapshot.Entry{}, s.claim
	}
	c, e, err := s.Memory.Claim(ctx, topic, opts)
	return failingClaim{c, s.finish}, e, err
}

func (s *failingStore) Follow(ctx context.Context, fn func(snapshot.Entry), synced func()) error {
	if s.follow != nil && s.failFollow == nil {
		return s.follow
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if s.failFollow != nil {
		go func() { <-s.failFollow; cancel() }()
	}
	if err := s.Memory.Follow(ctx, fn, synced); s.follow == nil {
		return err
	}
	return s.follow
}

type failingClaim struct {
	snapshot.Claim
	finish error
}

func (c failingClaim) Finish(ctx context.Context, data []byte, retention time.Duration) error {
	if err := cmp.Or(ctx.Err(), c.finish); err != nil {
		return err
	}
	return c.Claim.Finish(ctx, data, retention)
}

var errStore = errors.New("store out of reach")

func TestStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := openFixture(t, &failingStore{Memory: snapshot.NewMemory(), claim: errStore}, progress.Options{})
		if job, isNew, err := f.StartContext(t.Context(), "a"); !errors.Is(err, errStore) || isNew || job != nil {
			t.Errorf("StartContext = %v, %v, %v, want the store's error", job, isNew, err)
		}
		for _, start := range []func(string) (*progress.Job, bool){f.Start, f.StartOrJoin} {
			job, isNew := start("a")
			if job == nil || isNew {
				t.Fatalf("Start = %v, %v, want a Job that is over, not new", job, isNew)
			}
			job.Publish(1)
			job.Finish(2)
			if got := context.Cause(job.Context()); !errors.Is(got, errStore) {
				t.Errorf("cause of the Job's context = %v, want the store's error", got)
			}
		}
		if log := f.log.String(); strings.Count(log, errStore.Error()) != 2 {
			t.Errorf("log is %q, want the store's error twice", log)
		}
		if got := f.status(t, "a", ""); got != http.StatusNotFound {
			t.Errorf("status is %d, want 404", got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		f := openFixture(t, &failingStore{Memory: snapshot.NewMemory(), finish: errStore}, progress.Options{})
		job := mustStart(t, f.Tracker, "a")
		job.Finish(1)
		if log := f.log.String(); !strings.Contains(log, "terminal not stored") || !strings.Contains(log, errStore.Error()) {
			t.Errorf("log is %q, want that the terminal was not stored, and why", log)
		}
		if job.Context().Err() == nil {
			t.Error("the job's context goes on after Finish")
		}
	})
	synctest.Test(t, func(t *testing.T) { // a worker that stops with the Tracker can still say how it ended
		f := openFixture(t, &failingStore{Memory: snapshot.NewMemory()}, progress.Options{})
		job := mustStart(t, f.Tracker, "a")
		f.end()
		<-job.Context().Done()
		job.Finish("stopped")
		if log := f.log.String(); log != "" {
			t.Errorf("Finish after the Tracker's end: %s", log)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		tracker, err := progress.Open(t.Context(), &failingStore{Memory: snapshot.NewMemory(), follow: errStore}, nil)
		if tracker != nil || !errors.Is(err, errStore) {
			t.Errorf("Open = %v, %v, want the store's error", tracker, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if tracker, err := progress.Open(ctx, snapshot.NewMemory(), nil); tracker != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("Open with an ended context = %v, %v, want context.Canceled", tracker, err)
		}
		if tracker := progress.New(ctx, 0, 0, nil); tracker == nil {
			t.Error("New with an ended context = nil, want a Tracker that is over")
		} else if job, isNew := tracker.Start("a"); isNew {
			t.Errorf("Start on a Tracker that is over = %v, new", job)
		}
	})
	synctest.Test(t, func(t *testing.T) { // later
		fail := make(chan struct{})
		f := openFixture(t, &failingStore{Memory: snapshot.NewMemory(), follow: errStore, failFollow: fail}, progress.Options{})
		job := mustStart(t, f.Tracker, "a")
		s := f.open(t, "a", "")
		close(fail)
		ended(t, s)
		synctest.Wait()
		if got := context.Cause(job.Context()); !errors.Is(got, errStore) {
			t.Errorf("cause = %v, want the store's error", got)
		}
		if got := f.status(t, "a", ""); got != http.StatusNotFound {
			t.Errorf("status after the store has failed is %d, want 404", got)
		}
		if log := f.log.String(); !strings.Contains(log, errStore.Error()) {
			t.Errorf("log is %q, want the store's error", log)
		}
	})
}

// A Tracker that shares a hub leaves it as it was when it ends.
func TestSharedHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := sse.NewHub(t.Context(), nil)
		other := hub.Topic("other", sse.TopicOptions{})
		other.Publish(sse.Event{Data: []byte("1")})
		f := openFixture(t, snapshot.NewMemory(), progress.Options{Hub: hub, Retention: time.Second})
		if f.Hub() != hub {
			t.Error("Hub() is not the one of the Options")
		}
		job := mustStart(t, f.Tracker, "mine")
		job.Publish(1)
		done := mustStart(t, f.Tracker, "done")
		done.Finish(1)
		if got := f.status(t, "other", ""); got != http.StatusNotFound {
			t.Errorf("status of a topic that is the hub's alone is %d, want 404", got)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if _, ok := hub.Lookup("done"); ok {
			t.Error("the hub still has a topic whose retention of one second is over")
		}
		s := f.open(t, "mine", "")
		next(t, s, job, "1", "1")
		f.end()
		ended(t, s)
		synctest.Wait()
		for topic := range hub.Topics() {
			if topic.Name() != "other" {
				t.Errorf("the hub still has topic %q after the Tracker's end", topic.Name())
			}
		}
		job.Publish(2)
		if _, ok := hub.Lookup("mine"); ok {
			t.Error("a late Publish brought the topic back")
		}
	})
}
