package natsstoretest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/natsstore"
	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/sse/progress"
)

func tracker(t testing.TB, s snapshot.Store, opts *progress.Options) *progress.Tracker {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	tr, err := progress.Open(ctx, s, opts)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// view has a viewer of topic on a tracker, and returns what it sees until the terminal.
func view(t testing.TB, tr *progress.Tracker, topic string) <-chan []progress.Snapshot {
	seen := make(chan []progress.Snapshot, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
		defer cancel()
		var all []progress.Snapshot
		for s, err := range tr.Watch(ctx, topic) {
			if err != nil {
				t.Errorf("the viewer of %s ends with %v after %d snapshots", topic, err, len(all))
				break
			}
			all = append(all, s)
		}
		seen <- all
	}()
	return seen
}

// stream has a client of Server-Sent Events on a topic of a tracker, and returns the ids that it gets until the end.
func stream(t testing.TB, tr *progress.Tracker, topic string) <-chan []string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := tr.Serve(w, r, topic); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
	t.Cleanup(server.Close)
	answer, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	ids := make(chan []string, 1)
	go func() {
		var all []string
		for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
			if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
				all = append(all, id)
			}
		}
		ids <- all
	}()
	return ids
}

// A run is started on any of three replicas, by one of many callers, seen on all of them, and cancelled from any.
func TestTrackers(t *testing.T) {
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprint("R", n), func(t *testing.T) {
			c, name := use(t, n), prefix()
			var trackers []*progress.Tracker
			for i := range 3 {
				s := open(t, natsstore.Options{URL: c.servers[i%n].url(), Prefix: name, Replicas: n})
				trackers = append(trackers, tracker(t, s, nil))
			}
			for round := range 10 {
				topic := fmt.Sprint("job", round)
				var wg sync.WaitGroup
				var owner atomic.Int32
				var worker atomic.Pointer[progress.Job]
				runs := make([]string, 99)
				owner.Store(-1)
				for i := range runs {
					wg.Go(func() {
						job, isNew, err := trackers[i%3].StartContext(t.Context(), topic)
						if err != nil {
							t.Errorf("start: %v", err)
							return
						}
						runs[i] = job.ID()
						if isNew && !owner.CompareAndSwap(-1, int32(i%3)) {
							t.Errorf("%s has two winners", topic)
						}
						if isNew {
							worker.Store(job)
						}
					})
				}
				wg.Wait()
				job := worker.Load()
				if job == nil {
					t.Fatalf("%s has no winner", topic)
				}
				for _, run := range runs {
					if run != job.ID() {
						t.Errorf("a caller joined run %s, want %s", run, job.ID())
					}
				}
				var viewers []<-chan []progress.Snapshot
				for _, tr := range trackers {
					viewers = append(viewers, view(t, tr, topic))
				}
				for i := range 20 {
					job.Publish(i)
				}
				working := job.Context()
				if err := trackers[(int(owner.Load())+round)%3].CancelContext(t.Context(), topic); err != nil {
					t.Error(err)
				}
				<-working.Done()
				if cause := context.Cause(working); !errors.Is(cause, progress.ErrCancelled) {
					t.Errorf("the work ended because of %v, want ErrCancelled", cause)
				}
				job.Finish("end")
				for i, v := range viewers {
					all := <-v
					if len(all) == 0 || string(all[len(all)-1].Data) != `"end"` || !all[len(all)-1].Final {
						t.Errorf("the viewer on replica %d saw %v, want the terminal last", i, all)
					}
				}
			}
		})
	}
}

// A process that is killed leaves two runs: one is ended as lost, once, and one is taken up, which viewers see as the
// same run going on.
func TestOwnerIsKilled(t *testing.T) {
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprint("R", n), func(t *testing.T) {
			c, name := use(t, n), prefix()
			lost := func(topic string, last progress.Snapshot) (any, time.Duration) {
				if topic == "adopted" {
					return nil, 0
				}
				return map[string]string{"status": "lost"}, time.Minute
			}
			var trackers []*progress.Tracker
			var seen []*watcher
			for range 3 {
				s := open(t, natsstore.Options{URL: c.url(), Prefix: name, Replicas: n, Lease: 2 * time.Second})
				seen = append(seen, watch(t, s))
				trackers = append(trackers, tracker(t, s, &progress.Options{Lost: lost}))
			}
			worker := play(t, "worker", c, name)
			var ended, adopted []<-chan []progress.Snapshot
			for i, tr := range trackers {
				seen[i].wait("adopted", snapshot.Live, `{"step":1}`)
				seen[i].wait("ended", snapshot.Live, `{"step":1}`)
				ended, adopted = append(ended, view(t, tr, "ended")), append(adopted, view(t, tr, "adopted"))
			}
			run := seen[0].last("adopted").Run
			streamed := stream(t, trackers[2], "adopted")
			time.Sleep(50 * time.Millisecond) // for the viewers to begin
			killed := time.Now()
			_ = worker.Process.Kill()
			_ = worker.Wait()
			for i := range trackers {
				seen[i].wait("adopted", snapshot.Orphan, `{"step":1}`)
			}
			t.Logf("its runs are orphans everywhere after %v, with a lease of 2 s", time.Since(killed).Round(time.Millisecond))
			for i, v := range ended {
				all := <-v
				lost := 0
				for _, s := range all {
					if strings.Contains(string(s.Data), "lost") {
						lost++
					}
				}
				if lost != 1 {
					t.Errorf("the viewer on replica %d saw %v, want it lost once, at the end", i, all)
				}
			}
			var wg sync.WaitGroup
			var winners atomic.Int32
			for _, tr := range trackers {
				wg.Go(func() {
					job, isNew, err := tr.StartAs(t.Context(), "adopted", progress.StartOptions{Run: run, KeepFinal: true})
					if err != nil || job.ID() != run {
						t.Errorf("StartAs to take up the run = %v, %v", job, err)
						return
					}
					if isNew {
						winners.Add(1)
						job.Publish(map[string]int{"step": 2})
						seen[2].wait("adopted", snapshot.Live, `{"step":2}`)
						job.Finish(map[string]int{"step": 3})
					}
				})
			}
			wg.Wait()
			if winners.Load() != 1 {
				t.Errorf("%d replicas took up the run, want one", winners.Load())
			}
			if got, want := <-streamed, []string{run + "-1", run + "-2", run + "-end"}; !slices.Equal(got, want) {
				t.Errorf("the stream has the ids %q, want %q: one run that goes on", got, want)
			}
			for i, v := range adopted {
				all := <-v
				if len(all) == 0 {
					t.Errorf("the viewer on replica %d saw nothing", i)
					continue
				}
				for _, s := range all {
					if s.Run != run {
						t.Errorf("the viewer on replica %d saw %v, want run %s alone", i, all, run)
					}
				}
				if last := all[len(all)-1]; string(last.Data) != `{"step":3}` {
					t.Errorf("the last snapshot on replica %d is %s, want step 3", i, last.Data)
				}
			}
		})
	}
}

// All runs of a process that is killed while it starts more of them are orphans, whatever the servers were doing.
func TestSwarmIsKilled(t *testing.T) {
	c, name := use(t, 3), prefix()
	s := open(t, natsstore.Options{URL: c.url(), Prefix: name, Replicas: 3, Lease: 2 * time.Second})
	w := watch(t, s)
	swarm := play(t, "swarm", c, name)
	_ = swarm.Process.Kill()
	_ = swarm.Wait()
	killed := time.Now()
	for open := -1; open != 0; time.Sleep(5 * time.Millisecond) {
		open = 0
		w.mu.Lock()
		all := len(w.newest)
		for _, e := range w.newest {
			if e.State != snapshot.Orphan {
				open++
			}
		}
		w.mu.Unlock()
		if time.Since(killed) > 20*time.Second {
			t.Fatalf("%d of %d runs are no orphans after 20 s", open, all)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	t.Logf("%d runs are orphans after %v", len(w.newest), time.Since(killed).Round(time.Millisecond))
}
