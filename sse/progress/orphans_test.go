package progress_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/snapshot/snapshottest"
	"github.com/tidewire/tidewire/sse/progress"
)

// shared are stores that processes can share: they are told at once, or late.
var shared = map[string]func() snapshot.Store{
	"Memory":  func() snapshot.Store { return snapshot.NewMemory() },
	"Distant": func() snapshot.Store { return snapshottest.Distant(snapshot.NewMemory(), 50*time.Millisecond) },
}

// onShared runs a test in a bubble for each of these.
func onShared(t *testing.T, test func(t *testing.T, store snapshot.Store)) {
	for name, open := range shared {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, open()) })
		})
	}
}

// A run whose process dies ends as lost, under its own id: for those who watch it in other processes, without a gap, and
// for those who come while its end is kept.
func TestOrphansEndAsLost(t *testing.T) {
	onShared(t, func(t *testing.T, store snapshot.Store) {
		dying := snapshottest.NewProcess(store)
		a := openFixture(t, dying, progress.Options{})
		b := openFixture(t, store, progress.Options{Retention: retention})
		job := mustStart(t, a.Tracker, "x")
		job.Publish(1)
		s := b.open(t, "x", "")
		next(t, s, job, "1", "1")
		job.Publish(2)
		next(t, s, job, "2", "2")
		died := time.Now()
		dying.Kill()
		ev := nextData(t, s)
		if ev.ID != job.ID()+"-end" || !strings.HasPrefix(string(ev.Data), `{"status":"lost","error":"`) {
			t.Errorf("the stream got %q %s, want the run's own terminal, with status lost", ev.ID, ev.Data)
		}
		ended(t, s)
		for what, f := range map[string]*fixture{"the same": b, "a new": openFixture(t, store, progress.Options{})} {
			s := f.open(t, "x", "")
			if late := nextData(t, s); late.ID != ev.ID || string(late.Data) != string(ev.Data) {
				t.Errorf("a late stream of %s process got %q %s, want %q %s", what, late.ID, late.Data, ev.ID, ev.Data)
			}
			ended(t, s)
		}
		if synctest.Wait(); !strings.Contains(b.log.String(), "run lost") {
			t.Errorf("the log is %q, want that a run was lost", b.log)
		}
		time.Sleep(retention - time.Since(died) + time.Second)
		if got := b.status(t, "x", ""); got != http.StatusNotFound {
			t.Errorf("after the retention the status is %d, want 404", got)
		}
	})
}

// A crash does not make the next start fail, whoever ends the run that it left: the trackers, or the starts themselves.
func TestStartMeetsAnOrphan(t *testing.T) {
	onShared(t, func(t *testing.T, store snapshot.Store) {
		topic := "x"
		for round := range 20 {
			dying := snapshottest.NewProcess(store)
			job := mustStart(t, openFixture(t, dying, progress.Options{}).Tracker, topic)
			job.Publish(1)
			var trackers []*fixture
			for range 3 {
				trackers = append(trackers, openFixture(t, store, progress.Options{}))
			}
			s := trackers[0].open(t, topic, "")
			next(t, s, job, "1", "1")
			var news, joins atomic.Int32
			begun := time.Now()
			if round%2 == 0 {
				dying.Kill()
			} else {
				go dying.Kill()
			}
			var wg sync.WaitGroup
			for i := range 12 {
				wg.Go(func() {
					next, isNew, err := trackers[i%3].StartContext(t.Context(), topic)
					switch {
					case err != nil:
						t.Errorf("Start after a crash = %v", err)
					case isNew:
						news.Add(1)
						next.Publish("next")
					case next.ID() != job.ID():
						joins.Add(1)
					}
				})
			}
			wg.Wait()
			if round%2 == 0 && (news.Load() != 1 || joins.Load() != 11) {
				t.Errorf("of 12 starts %d began a run and %d joined it, want 1 and 11", news.Load(), joins.Load())
			}
			if took := time.Since(begun); took > 100*time.Millisecond {
				t.Errorf("the starts took %v", took)
			}
			if ev := nextData(t, s); ev.ID != job.ID()+"-end" || !strings.Contains(string(ev.Data), `"lost"`) {
				t.Errorf("the stream of the run that was lost got %q %s, want its end", ev.ID, ev.Data)
			}
			ended(t, s)
			for _, f := range trackers {
				f.end()
			}
			synctest.Wait()
			topic = fmt.Sprint("x", round+1)
		}
	})
}

// Options.Lost makes the terminal, and says for how long it is kept.
func TestLostSaysForHowLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := snapshot.NewMemory()
		dying := snapshottest.NewProcess(store)
		a := openFixture(t, dying, progress.Options{})
		half, none := mustStart(t, a.Tracker, "half"), mustStart(t, a.Tracker, "none")
		half.Publish("half")
		dying.Kill()
		// The next process finds what it left.
		b := openFixture(t, store, progress.Options{Lost: func(topic string, last progress.Snapshot) (any, time.Duration) {
			return fmt.Sprintf("%s was at %q", topic, last.Data), time.Hour
		}})
		synctest.Wait()
		next(t, b.open(t, "half", ""), half, "end", `"half was at \"\\\"half\\\"\""`)
		next(t, b.open(t, "none", ""), none, "end", `"none was at \"\""`)
		time.Sleep(time.Hour - time.Second)
		if got := b.status(t, "half", ""); got != http.StatusOK {
			t.Errorf("within the hour the status is %d, want 200", got)
		}
		time.Sleep(2 * time.Second)
		if got := b.status(t, "half", ""); got != http.StatusNotFound {
			t.Errorf("after the hour the status is %d, want 404", got)
		}
	})
}

// An orphan that Lost leaves alone is joined, and goes on when somebody adopts it: those who watch it see no gap, and
// nothing twice.
func TestOrphansThatAreLeftAlone(t *testing.T) {
	onShared(t, func(t *testing.T, store snapshot.Store) {
		leave := progress.Options{Lost: func(string, progress.Snapshot) (any, time.Duration) { return nil, 0 }}
		dying := snapshottest.NewProcess(store)
		job := mustStart(t, openFixture(t, dying, progress.Options{}).Tracker, "x")
		job.Publish(1)
		b := openFixture(t, store, leave)
		s := b.open(t, "x", "")
		next(t, s, job, "1", "1")
		dying.Kill()
		time.Sleep(time.Second)
		joined, isNew := b.Start("x")
		if isNew || joined.ID() != job.ID() {
			t.Errorf("Start = run %q, %v, want to join %q", joined.ID(), isNew, job.ID())
		}
		mine, isNew, err := b.StartAs(t.Context(), "x", progress.StartOptions{Run: job.ID()})
		if err != nil || !isNew || mine.ID() != job.ID() {
			t.Fatalf("StartAs with the run's id = %v, %v, want to take it up", isNew, err)
		}
		if again, isNew := b.Start("x"); isNew || again != mine {
			t.Error("Start of a run that was taken up returned another Job, want the one that writes it")
		}
		mine.Publish(2)
		next(t, s, job, "2", "2")
		mine.Finish("end")
		next(t, s, job, "end", `"end"`)
		ended(t, s)
	})
}

// The worker of a run that the store has given up is told, and cannot write it any more.
func TestAWorkerIsToldThatItsRunIsAnOrphan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &releasingStore{Memory: snapshot.NewMemory()}
		f := openFixture(t, store, progress.Options{})
		job := mustStart(t, f.Tracker, "x")
		ctx := job.Context()
		s := f.open(t, "x", "")
		_ = store.claims[0].Release(t.Context()) // its lease is over
		synctest.Wait()
		if got := context.Cause(ctx); got != progress.ErrLost {
			t.Errorf("the cause is %v, want ErrLost", got)
		}
		job.Publish(1)
		job.Finish(2)
		if ev := nextData(t, s); ev.ID != job.ID()+"-end" || !strings.Contains(string(ev.Data), `"lost"`) {
			t.Errorf("the stream got %q %s, want the terminal lost", ev.ID, ev.Data)
		}
		if err := f.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown() = %v", err)
		}
	})
}

// Who ends a run that the store has given up is told that this end is not stored, also when the Tracker knows that already.
func TestTheEndOfAnOrphanIsNotStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &releasingStore{Memory: snapshot.NewMemory()}
		f := openFixture(t, store, progress.Options{})
		lost, stored := progress.NewPublisher(nil), progress.NewPublisher(nil)
		lost.Show(mustStart(t, f.Tracker, "x"))
		stored.Show(mustStart(t, f.Tracker, "y"))
		_ = store.claims[0].Release(t.Context()) // its lease is over
		synctest.Wait()
		if err := lost.End(func(*progress.Progress) {}); !errors.Is(err, progress.ErrLost) {
			t.Errorf("End of a run that is lost = %v, want ErrLost", err)
		}
		if err := stored.End(func(*progress.Progress) {}); err != nil {
			t.Errorf("End = %v", err)
		}
	})
}

// releasingStore gives a test its claims.
type releasingStore struct {
	*snapshot.Memory
	claims []snapshot.Claim
}

func (s *releasingStore) Claim(ctx context.Context, topic string, opts snapshot.ClaimOptions) (snapshot.Claim, snapshot.Entry, error) {
	c, e, err := s.Memory.Claim(ctx, topic, opts)
	s.claims = append(s.claims, c)
	return c, e, err
}

// flakyStore fails to store ends, or takes its time.
type flakyStore struct {
	*snapshot.Memory
	finishes atomic.Int32
	failing  int32 // the first so many calls of Finish fail
	claiming time.Duration
	ending   time.Duration
	claims   atomic.Int32
}

func (s *flakyStore) Claim(ctx context.Context, topic string, opts snapshot.ClaimOptions) (snapshot.Claim, snapshot.Entry, error) {
	s.claims.Add(1)
	select {
	case <-time.After(s.claiming):
	case <-ctx.Done():
		return nil, snapshot.Entry{}, ctx.Err()
	}
	c, e, err := s.Memory.Claim(ctx, topic, opts)
	if c != nil {
		c = flakyClaim{c, s}
	}
	return c, e, err
}

type flakyClaim struct {
	snapshot.Claim
	of *flakyStore
}

func (c flakyClaim) Finish(ctx context.Context, data []byte, retention time.Duration) error {
	time.Sleep(c.of.ending)
	if c.of.finishes.Add(1) <= c.of.failing {
		return errStore
	}
	return c.Claim.Finish(ctx, data, retention)
}

// orphaned leaves orphans with these topics in store.
func orphaned(t *testing.T, store snapshot.Store, topics ...string) {
	t.Helper()
	for _, topic := range topics {
		claim, _, err := store.Claim(t.Context(), topic, snapshot.ClaimOptions{})
		if err != nil || claim == nil {
			t.Fatalf("Claim(%q) = %v, %v", topic, claim, err)
		}
		_ = claim.Release(t.Context())
	}
}

// A store that cannot take the ends is asked again, ever more rarely, and gets each once.
func TestOrphansOfAStoreThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := snapshot.NewMemory()
		orphaned(t, memory, "a", "b", "c")
		store := &flakyStore{Memory: memory, failing: 20}
		f := openFixture(t, store, progress.Options{Retention: time.Hour})
		time.Sleep(3 * time.Second)
		if got := store.finishes.Load(); got != 5 { // at 0, 0.1, 0.3, 0.7 and 1.5 s
			t.Errorf("the store was asked %d times in 3 s, want 5", got)
		}
		time.Sleep(10 * time.Minute)
		if got := store.finishes.Load(); got != 23 {
			t.Errorf("the store was asked %d times, want 20 that failed and 3 that did not", got)
		}
		for _, topic := range []string{"a", "b", "c"} {
			if ev := nextData(t, f.open(t, topic, "")); !strings.Contains(string(ev.Data), `"lost"`) {
				t.Errorf("%s ended with %s, want lost", topic, ev.Data)
			}
		}
		if got := strings.Count(f.log.String(), "has no end yet"); got != 20 {
			t.Errorf("the log says %d times that an end was not stored, want 20", got)
		}
	})
}

// Shutdown waits for the end that is being stored, and leaves the others to other processes.
func TestShutdownEndsTheOrphanInProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := snapshot.NewMemory()
		orphaned(t, memory, "a", "b", "c")
		f := openFixture(t, &flakyStore{Memory: memory, ending: 2 * time.Second}, progress.Options{Retention: time.Hour})
		time.Sleep(time.Second)
		begun := time.Now()
		if err := f.Shutdown(t.Context()); err != nil || time.Since(begun) != time.Second {
			t.Errorf("Shutdown() = %v after %v, want to wait for one end, for a second", err, time.Since(begun))
		}
		synctest.Wait()
		states := map[snapshot.State]int{}
		ctx, cancel := context.WithCancel(t.Context())
		_ = memory.Follow(ctx, func(e snapshot.Entry) { states[e.State]++ }, cancel)
		if states[snapshot.Final] != 1 || states[snapshot.Orphan] != 2 {
			t.Errorf("the store has %v, want one end and two orphans", states)
		}
	})
}

// Any number of starts of a topic share one claim, or two if another process was faster, and no topic waits for another.
func TestStartsShareAClaim(t *testing.T) {
	const n = 50
	synctest.Test(t, func(t *testing.T) {
		store := &flakyStore{Memory: snapshot.NewMemory(), claiming: 100 * time.Millisecond}
		a, b := openFixture(t, store, progress.Options{}), openFixture(t, store, progress.Options{})
		begun := time.Now()
		var news atomic.Int32
		var wg sync.WaitGroup
		for i := range 2 * n {
			f := []*fixture{a, b}[i%2]
			for _, topic := range []string{"x", "y"} {
				wg.Go(func() {
					job, isNew, err := f.StartContext(t.Context(), topic)
					if err != nil || job.Context().Err() != nil {
						t.Errorf("Start(%q) = %v, %v", topic, job, err)
					}
					if isNew {
						news.Add(1)
					}
				})
			}
		}
		wg.Wait()
		if took, claims := time.Since(begun), store.claims.Load(); took > 200*time.Millisecond || claims > 6 || news.Load() != 2 {
			t.Errorf("the starts took %v and %d claims, and began %d runs; want 200 ms, 6 and one a topic", took, claims, news.Load())
		}
	})
	synctest.Test(t, func(t *testing.T) { // the first gives up, or panics
		store := &flakyStore{Memory: snapshot.NewMemory(), claiming: 100 * time.Millisecond}
		f := openFixture(t, store, progress.Options{})
		for topic, first := range map[string]func(){
			"ends": func() {
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()
				if _, _, err := f.StartContext(ctx, "ends"); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the first start = %v, want its deadline", err)
				}
			},
			"panics": func() {
				defer func() { recover() }()
				f.StartAs(t.Context(), "panics", progress.StartOptions{Run: "a-1"})
			},
		} {
			var wg sync.WaitGroup
			wg.Go(first)
			synctest.Wait()
			var news atomic.Int32
			for range n {
				wg.Go(func() {
					if _, isNew, err := f.StartContext(t.Context(), topic); err != nil {
						t.Errorf("Start(%q) = %v", topic, err)
					} else if isNew {
						news.Add(1)
					}
				})
			}
			wg.Wait()
			if news.Load() != 1 {
				t.Errorf("%s: %d runs began, want one", topic, news.Load())
			}
		}
	})
	synctest.Test(t, func(t *testing.T) { // a start does not take an old end for its own run
		store := &flakyStore{Memory: snapshot.NewMemory(), claiming: 100 * time.Millisecond}
		f := openFixture(t, store, progress.Options{})
		mustStart(t, f.Tracker, "x").Finish("old")
		var wg sync.WaitGroup
		wg.Go(func() {
			if job, isNew := f.StartOrJoin("x"); isNew || job.Context().Err() == nil {
				t.Errorf("StartOrJoin = %v, %v, want the run that is over", job, isNew)
			}
		})
		synctest.Wait()
		var news atomic.Int32
		for range n {
			wg.Go(func() {
				job, isNew := f.Start("x")
				if job.Context().Err() != nil {
					t.Error("Start joined a run that was over")
				}
				if isNew {
					news.Add(1)
				}
			})
		}
		wg.Wait()
		if news.Load() != 1 {
			t.Errorf("%d runs began, want one", news.Load())
		}
	})
}

// A run that another process has just begun is found, though the store tells of it later; what is not there is looked for
// once.
func TestWhatOthersHaveBegunIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := snapshot.NewMemory()
		distant := &countingStore{Store: snapshottest.Distant(store, time.Second)}
		f := openFixture(t, distant, progress.Options{})
		for i := range 100 {
			topic := fmt.Sprint("a", i)
			claim, _, _ := store.Claim(t.Context(), topic, snapshot.ClaimOptions{})
			claim.Put([]byte("1"))
			if i%2 == 0 {
				if got := f.status(t, topic, ""); got != http.StatusOK {
					t.Errorf("status of a run that has just begun is %d, want 200", got)
				}
				continue
			}
			for s, err := range f.Watch(t.Context(), topic) {
				if err != nil || s.Run != claim.Run() {
					t.Errorf("Watch of a run that has just begun = %v, %v", s, err)
				}
				break
			}
		}
		before := distant.syncs.Load()
		if got := f.status(t, "none", ""); got != http.StatusNotFound {
			t.Errorf("status of no run is %d, want 404", got)
		}
		if got := distant.syncs.Load() - before; got != 1 {
			t.Errorf("the store was asked %d times, want once", got)
		}
		f.status(t, "a0", "")
		if got := distant.syncs.Load() - before; got != 1 {
			t.Errorf("the store was asked for a topic that is known")
		}
		distant.stuck.Store(true)
		begun := time.Now()
		if got := f.status(t, "none", ""); got != http.StatusNotFound || time.Since(begun) != time.Second {
			t.Errorf("status of no run is %d after %v, want 404 after a second", got, time.Since(begun))
		}
	})
}

// countingStore counts calls of Sync, which may never be answered.
type countingStore struct {
	snapshot.Store
	syncs atomic.Int32
	stuck atomic.Bool
}

func (s *countingStore) Sync(ctx context.Context) error {
	s.syncs.Add(1)
	if s.stuck.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	return s.Store.Sync(ctx)
}

// Processes that start, end and die in any order: each run gets one end, and a start never fails.
func TestOrphansStress(t *testing.T) {
	store := snapshot.NewMemory()
	ends := map[string]int{} // by run; no lock: the store calls one at a time
	live := map[string]bool{}
	ctx, cancel := context.WithCancel(context.Background())
	followed := make(chan struct{})
	synced := make(chan struct{})
	go func() {
		defer close(followed)
		_ = store.Follow(ctx, func(e snapshot.Entry) {
			live[e.Run] = true
			if e.State == snapshot.Final {
				ends[e.Run]++
			}
		}, func() { close(synced) })
	}()
	<-synced
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 30 {
				tctx, end := context.WithCancel(context.Background())
				process := snapshottest.NewProcess(store)
				tracker, err := progress.Open(tctx, process, &progress.Options{Retention: time.Millisecond})
				if err != nil {
					t.Errorf("Open() = %v", err)
				}
				var work sync.WaitGroup
				for range 4 {
					work.Go(func() {
						for range 5 {
							job, isNew, err := tracker.StartContext(tctx, fmt.Sprint("a", rand.IntN(3)))
							if err != nil {
								t.Errorf("Start() = %v", err)
							} else if isNew {
								job.Publish(1)
								if rand.IntN(2) == 0 {
									job.Finish("end")
								}
							}
						}
					})
				}
				work.Wait()
				process.Kill()
				end()
			}
		})
	}
	wg.Wait()
	last, err := progress.Open(ctx, store, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if job, isNew := last.Start(fmt.Sprint("a", i)); !isNew {
			t.Errorf("the topic is occupied by run %s, want it free", job.ID())
		} else {
			job.Finish("last")
		}
	}
	cancel()
	<-followed
	for run := range live {
		if ends[run] != 1 {
			t.Errorf("run %s has %d ends, want one", run, ends[run])
		}
	}
}

// smallStore takes no more than 64 KiB.
type smallStore struct{ snapshot.Store }

func (smallStore) MaxData() int { return 64 << 10 }

// What the store cannot take is said in the log, and an end is replaced: no run is left without one.
func TestPayloadsThatAreTooLargeForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := smallStore{snapshot.NewMemory()}
		large := strings.Repeat("x", 64<<10)
		orphaned(t, store, "lost")
		f := openFixture(t, store, progress.Options{Lost: func(string, progress.Snapshot) (any, time.Duration) {
			return large, time.Hour
		}})
		job := mustStart(t, f.Tracker, "a")
		s := f.open(t, "a", "")
		job.Publish("small")
		next(t, s, job, "1", `"small"`)
		job.Publish(large)
		job.Finish(large)
		if ev := nextData(t, s); ev.ID != job.ID()+"-end" || !strings.HasPrefix(string(ev.Data), `{"status":"failed"`) ||
			!strings.Contains(string(ev.Data), "it has 65538 bytes as JSON, and the store takes at most 65536") {
			t.Errorf("the end is %s %.200s, want failed, and why", ev.ID, ev.Data)
		}
		synctest.Wait() // the orphan has its end
		if got := strings.Count(f.log.String(), "65538 bytes"); got < 3 {
			t.Errorf("the log has %d of what was too large, want the snapshot and both ends: %s", got, f.log)
		}
		if ev := nextData(t, f.open(t, "lost", "")); !strings.HasPrefix(string(ev.Data), `{"status":"lost"`) {
			t.Errorf("the end of a lost run is %.200s, want the default", ev.Data)
		}
	})
}
