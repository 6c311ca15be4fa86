package progress_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/sse/progress"
	"github.com/tidewire/tidewire/sse/ssetest"
)

// Retention and heartbeat of zero or less mean 30 seconds, and the Tracker lives as long as its context.
func TestBehaviour01New(t *testing.T) {
	for _, d := range []time.Duration{0, -time.Second} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			f := &fixture{Tracker: progress.New(ctx, d, d, nil)}
			f.serve(t)
			mustStart(t, f.Tracker, "done").Finish("end")
			mustStart(t, f.Tracker, "idle")

			time.Sleep(30*time.Second - time.Nanosecond)
			if got := f.status(t, "done", ""); got != http.StatusOK {
				t.Errorf("status just before 30 s is %d, want 200", got)
			}
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			if got := f.status(t, "done", ""); got != http.StatusNotFound {
				t.Errorf("status after 30 s is %d, want 404", got)
			}

			s := f.open(t, "idle", "")
			began := time.Now()
			readUntil(t, s, "\n:\n") // part of the head
			readUntil(t, s, ":\n")
			if took := time.Since(began); took < 30*time.Second || took > 31*time.Second {
				t.Errorf("first heartbeat after %v, want 30 s to 31 s", took)
			}
			cancel()
			synctest.Wait()
			if got := f.status(t, "idle", ""); got != http.StatusNotFound {
				t.Errorf("status after the end of the context is %d, want 404", got)
			}
		})
	}
}

func TestBehaviour02Start(t *testing.T) {
	f := newFixture(t)
	first := mustStart(t, f.Tracker, "a")
	if job, isNew := f.Start("a"); job != first || isNew {
		t.Errorf("Start of a running topic = %p, %v, want the same Job %p, false", job, isNew, first)
	}
	first.Finish("end")
	second, isNew := f.Start("a")
	if second == first || !isNew {
		t.Errorf("Start of a retained topic = %p, %v, want a fresh Job, true", second, isNew)
	}
	if second.ID() == first.ID() {
		t.Errorf("both runs have the id %q", first.ID())
	}
	if job, isNew := f.Start("a"); job != second || isNew {
		t.Errorf("Start after that = %p, %v, want the fresh Job %p, false", job, isNew, second)
	}
	second.Publish("fresh")
	next(t, f.open(t, "a", ""), second, "1", `"fresh"`)
}

func TestBehaviour03StartOrJoin(t *testing.T) {
	f := newFixture(t)
	first, isNew := f.StartOrJoin("a")
	if !isNew {
		t.Error("StartOrJoin of an unknown topic joined something")
	}
	for range 2 {
		if job, isNew := f.StartOrJoin("a"); job != first || isNew {
			t.Errorf("StartOrJoin = %p, %v, want the same Job %p, false", job, isNew, first)
		}
		first.Finish("end") // the second time it is retained
	}
	s := f.open(t, "a", "")
	next(t, s, first, "end", `"end"`)
}

func TestBehaviour04OneOfManyIsNew(t *testing.T) {
	for name, start := range map[string]func(*progress.Tracker, string) (*progress.Job, bool){
		"Start": (*progress.Tracker).Start, "StartOrJoin": (*progress.Tracker).StartOrJoin,
	} {
		f := newFixture(t)
		for round := range 20 {
			topic := fmt.Sprint("a", round)
			var wg sync.WaitGroup
			var mu sync.Mutex
			news, jobs := 0, map[*progress.Job]int{}
			for range 32 {
				wg.Go(func() {
					job, isNew := start(f.Tracker, topic)
					mu.Lock()
					defer mu.Unlock()
					jobs[job]++
					if isNew {
						news++
					}
				})
			}
			wg.Wait()
			if news != 1 || len(jobs) != 1 {
				t.Errorf("32 calls of %s: %d new, %d different Jobs, want 1 and 1", name, news, len(jobs))
			}
		}
	}
}

// Publish replaces the newest value and never waits for a reader.
func TestBehaviour05Publish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		job := mustStart(t, f.Tracker, "a")
		f.open(t, "a", "") // never read: over net.Pipe its writes block at once
		synctest.Wait()
		began := time.Now()
		for n := range 1000 {
			job.Publish(n)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("1000 calls of Publish took %v with a stuck reader, want no waiting", took)
		}
		s := f.open(t, "a", "")
		next(t, s, job, "1000", "999")
		s.Close()

		job.Publish(nil)
		next(t, f.open(t, "a", ""), job, "1001", "null")
		job.Finish("end")
		job.Publish("late")
		s = f.open(t, "a", "")
		next(t, s, job, "end", `"end"`)
		ended(t, s)
	})
}

func TestBehaviour06FirstFinishCounts(t *testing.T) {
	f := newFixture(t)
	job := mustStart(t, f.Tracker, "a") // without any Publish
	func() {
		defer job.Finish("safety net")
		job.Finish(map[string]any{"status": "succeeded"})
	}()
	s := f.open(t, "a", "")
	next(t, s, job, "end", `{"status":"succeeded"}`)
	ended(t, s)

	job = mustStart(t, f.Tracker, "b")
	job.Finish(meanwhile(func() { job.Finish("first") })) // overtaken while it encodes
	s = f.open(t, "b", "")
	next(t, s, job, "end", `"first"`)

	job = mustStart(t, f.Tracker, "c")
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() { job.Finish(i) })
	}
	wg.Wait()
	first := nextData(t, f.open(t, "c", ""))
	job.Finish("late")
	if again := nextData(t, f.open(t, "c", "")); string(again.Data) != string(first.Data) {
		t.Errorf("terminal changed from %s to %s", first.Data, again.Data)
	}
	if log := f.log.String(); log != "" {
		t.Errorf("later calls of Finish are no-ops, but the log says %s", log)
	}
}

// meanwhile is a payload that does something while it is encoded.
type meanwhile func()

func (m meanwhile) MarshalJSON() ([]byte, error) {
	m()
	return []byte(`"second"`), nil
}

func TestBehaviour07UnknownTopic(t *testing.T) {
	f := newFixture(t)
	mustStart(t, f.Tracker, "b")
	w := httptest.NewRecorder()
	err := f.Serve(w, httptest.NewRequest("GET", "/", nil), "a")
	if !errors.Is(err, progress.ErrNoTopic) {
		t.Errorf("Serve of an unknown topic = %v, want ErrNoTopic", err)
	}
	if got, want := err.Error(), "progress: no active or recent job for topic"; got != want {
		t.Errorf("error text %q, want %q", got, want)
	}
	if w.Flushed || w.Body.Len() > 0 || len(w.Header()) > 0 {
		t.Errorf("Serve of an unknown topic wrote headers %v, body %q, want nothing", w.Header(), w.Body)
	}
}

func TestBehaviour08Running(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		job := mustStart(t, f.Tracker, "a")
		job.Publish(1)
		s := f.open(t, "a", "")
		next(t, s, job, "1", "1")
		job.Publish(2)
		next(t, s, job, "2", "2")
		job.Finish(3)
		next(t, s, job, "end", "3")
		ended(t, s)
		if err := <-f.served; err != nil {
			t.Errorf("Serve() = %v after the terminal, want nil", err)
		}

		job = mustStart(t, f.Tracker, "b") // nothing published: the head comes at once all the same
		began := time.Now()
		s = f.open(t, "b", "")
		readUntil(t, s, "\n:\n")
		if took := time.Since(began); took != 0 || s.Response.StatusCode != http.StatusOK {
			t.Errorf("head of a stream without a value: status %d after %v, want 200 at once", s.Response.StatusCode, took)
		}
		job.Publish("x")
		next(t, s, job, "1", `"x"`)
	})
}

// Publish at once followed by Finish reaches an attached stream as two events; a late stream gets the terminal alone.
func TestBehaviour09PairRule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		job := mustStart(t, f.Tracker, "a")
		job.Publish(1)
		var attached []*ssetest.Stream
		for range 3 {
			s := f.open(t, "a", "")
			next(t, s, job, "1", "1")
			attached = append(attached, s)
		}
		job.Publish(2)
		job.Publish(3)
		job.Finish(4)
		late := f.open(t, "a", "")
		next(t, late, job, "end", "4")
		ended(t, late)
		for _, s := range attached {
			ev := nextData(t, s)
			if string(ev.Data) == "2" { // allowed: it was fast enough
				ev = nextData(t, s)
			}
			if string(ev.Data) != "3" {
				t.Errorf("before the terminal comes %s, want the last snapshot, 3", ev.Data)
			}
			next(t, s, job, "end", "4")
			ended(t, s)
		}
	})
}

// A late stream never sees an older snapshot than the newest at the time it attached.
func TestBehaviour10NeverOlder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		job := mustStart(t, f.Tracker, "a")
		var mu sync.Mutex
		published := 0
		job.Publish(0)
		var wg sync.WaitGroup
		wg.Go(func() {
			for n := 1; n <= 2000; n++ {
				job.Publish(n)
				mu.Lock()
				published = n
				mu.Unlock()
				if n%20 == 0 {
					time.Sleep(time.Millisecond)
				}
			}
		})
		for range 4 {
			wg.Go(func() {
				for range 25 {
					mu.Lock()
					atLeast := published
					mu.Unlock()
					s := f.open(t, "a", "")
					got := atLeast
					for range 3 {
						n, err := strconv.Atoi(string(nextData(t, s).Data))
						if err != nil || n < got {
							t.Errorf("stream got %d (%v) after %d", n, err, got)
						}
						if got = n; n == 2000 {
							break
						}
					}
					s.Close()
				}
			})
		}
		wg.Wait()
	})
}

func TestBehaviour11Retained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		job := mustStart(t, f.Tracker, "a")
		job.Publish(1)
		job.Finish(2)
		time.Sleep(retention / 2)
		for range 3 {
			began := time.Now()
			s := f.open(t, "a", "")
			next(t, s, job, "end", "2")
			ended(t, s)
			if err := <-f.served; err != nil || time.Since(began) != 0 {
				t.Errorf("Serve of a retained topic = %v after %v, want nil at once", err, time.Since(began))
			}
		}
	})
}

// Heartbeats are comments, on an idle stream, once an interval, and not while there is traffic.
func TestBehaviour12Heartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		job := mustStart(t, f.Tracker, "a")
		job.Publish(1)
		s := f.open(t, "a", "")
		readUntil(t, s, "data: 1\n\n")
		began := time.Now()
		for i := 1; i <= 3; i++ {
			if got := readUntil(t, s, "\n"); got != ":\n" {
				t.Errorf("an idle stream got %q, want a comment", got)
			}
			took, interval := time.Since(began), time.Duration(i)*heartbeat
			if took < interval || took > interval+time.Duration(i)*time.Second {
				t.Errorf("heartbeat %d came after %v, want about %v", i, took, interval)
			}
		}
		for i := range 10 {
			job.Publish(i)
			if got := readUntil(t, s, "\n\n"); !strings.HasSuffix(got, fmt.Sprintf("data: %d\n\n", i)) {
				t.Errorf("a busy stream got %q, want its events alone", got)
			}
			time.Sleep(heartbeat / 2)
		}
	})
}

func TestBehaviour13EndsWithNil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		job := mustStart(t, f.Tracker, "a")
		job.Publish(1)
		gone := f.open(t, "a", "")
		next(t, gone, job, "1", "1")
		gone.Close()
		if err := <-f.served; err != nil {
			t.Errorf("Serve() = %v after the request ended, want nil", err)
		}
		s := f.open(t, "a", "")
		next(t, s, job, "1", "1")
		f.end()
		if err := <-f.served; err != nil {
			t.Errorf("Serve() = %v after the Tracker ended, want nil", err)
		}
		ended(t, s) // without a terminal
	})
}

func TestBehaviour14EntriesLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		done, running := mustStart(t, f.Tracker, "done"), mustStart(t, f.Tracker, "running")
		time.Sleep(time.Hour) // retention counts from Finish
		done.Finish("end")
		time.Sleep(retention - time.Nanosecond)
		if got := f.status(t, "done", ""); got != http.StatusOK {
			t.Errorf("status before the end of the retention is %d, want 200", got)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if got := f.status(t, "done", ""); got != http.StatusNotFound {
			t.Errorf("status after the retention is %d, want 404", got)
		}
		if got := f.status(t, "running", ""); got != http.StatusOK {
			t.Errorf("status of the running topic is %d, want 200", got)
		}
		if got := progress.Topics(f.Tracker); got != 1 {
			t.Errorf("the Tracker holds %d topics, want the running one", got)
		}

		mustStart(t, f.Tracker, "done").Finish("end")
		f.end()
		synctest.Wait()
		for _, topic := range []string{"done", "running"} {
			if got := f.status(t, topic, ""); got != http.StatusNotFound {
				t.Errorf("status of %s after the end of the Tracker is %d, want 404", topic, got)
			}
		}
		if got := progress.Topics(f.Tracker); got != 0 {
			t.Errorf("the Tracker holds %d topics after its end, want none", got)
		}
		running.Publish("late") // handles stay safe
		running.Finish("late")
		running.Finish("later")
		if running.Context().Err() == nil {
			t.Error("the context of a Job has not ended with the Tracker")
		}
		if job, isNew := f.Start("running"); isNew || job == nil {
			t.Errorf("Start after the end = %v, %v, want a Job that is over, not new", job, isNew)
		} else {
			job.Publish(1)
			job.Finish(2)
		}
		if got := f.status(t, "running", ""); got != http.StatusNotFound {
			t.Errorf("status after a late Start is %d, want 404", got)
		}
	})
}

func TestBehaviour15ExpirySparesReplacement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		mustStart(t, f.Tracker, "a").Finish("old")
		time.Sleep(retention / 2)
		running := mustStart(t, f.Tracker, "a")
		running.Publish(1)
		mustStart(t, f.Tracker, "b").Finish("old")
		time.Sleep(retention / 2) // the first run's would be over
		retained := mustStart(t, f.Tracker, "b")
		retained.Finish(2)
		next(t, f.open(t, "a", ""), running, "1", "1")
		time.Sleep(retention - time.Second) // as that of b's first run
		next(t, f.open(t, "a", ""), running, "1", "1")
		next(t, f.open(t, "b", ""), retained, "end", "2")
		if job, isNew := f.Start("a"); job != running || isNew {
			t.Errorf("Start = %p, %v, want the running Job %p, false", job, isNew, running)
		}
	})
}

// Finding the job and attaching to it is one step: whatever happens to the topic just before a stream attaches, it
// gets the run that the topic has then, or ErrNoTopic; it never hangs on a run that has left.
func TestBehaviour16FindAndAttach(t *testing.T) {
	for _, test := range []struct {
		name   string
		before func(t *testing.T, f *fixture, old *progress.Job) // the stream has found the topic, but is not attached yet
		want   string                                            // data of the events; "" is ErrNoTopic
	}{
		{"nothing", func(*testing.T, *fixture, *progress.Job) {}, "old late"},
		{"finished", func(_ *testing.T, _ *fixture, old *progress.Job) { old.Finish("end") }, "end"},
		{"replaced", func(t *testing.T, f *fixture, old *progress.Job) {
			old.Finish("end")
			mustStart(t, f.Tracker, "a").Publish("new")
		}, "new late"},
		{"gone", func(_ *testing.T, _ *fixture, old *progress.Job) {
			old.Finish("end")
			time.Sleep(retention + 1)
		}, ""},
		{"gone but for a slow reader", func(t *testing.T, f *fixture, old *progress.Job) {
			go func() {
				for range f.Watch(t.Context(), "a") {
					<-t.Context().Done()
				}
			}()
			synctest.Wait() // it has the first value
			old.Finish("end")
			time.Sleep(retention + 1)
		}, ""},
		{"gone and replaced", func(t *testing.T, f *fixture, old *progress.Job) {
			old.Finish("end")
			time.Sleep(retention + 1)
			mustStart(t, f.Tracker, "a").Publish("new")
		}, "new late"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				old := mustStart(t, f.Tracker, "a")
				old.Publish("old")
				var once sync.Once
				w, got := &ssetest.Writer{}, &recorder{}
				w.OnWrite = got.Write
				w.OnSetWriteDeadline = func(time.Time) error { // the hub proves the writer before it attaches
					once.Do(func() { test.before(t, f, old) })
					return nil
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				time.AfterFunc(10*time.Minute, func() {
					if job, isNew := f.Start("a"); !isNew {
						job.Finish("late")
					}
				})
				err := f.Serve(w, httptest.NewRequest("GET", "/", nil).WithContext(ctx), "a")
				if test.want == "" {
					if !errors.Is(err, progress.ErrNoTopic) {
						t.Errorf("Serve() = %v, want ErrNoTopic", err)
					}
				} else if err != nil {
					t.Errorf("Serve() = %v", err)
				}
				if data := got.data(t); data != test.want {
					t.Errorf("the stream got %q, want %q", data, test.want)
				}
				if ctx.Err() != nil {
					t.Error("the stream hung until its request ended")
				}
			})
		})
	}
}

func TestBehaviour17ErrorsBeforeTheFirstByte(t *testing.T) {
	f := newFixture(t)
	job := mustStart(t, f.Tracker, "a")
	job.Publish(1)
	bare := &bareWriter{header: http.Header{}}
	err := f.Serve(bare, httptest.NewRequest("GET", "/", nil), "a")
	if err == nil || !strings.Contains(err.Error(), "SetWriteDeadline") || !strings.Contains(err.Error(), "bareWriter") {
		t.Errorf("Serve on a writer without deadlines = %v, want an error that names SetWriteDeadline and the type", err)
	}
	if bare.wrote {
		t.Error("Serve wrote to a writer that it refused")
	}
	if log := f.log.String(); !strings.Contains(log, "SetWriteDeadline") {
		t.Errorf("log is %q, want the missing capability in it", log)
	}

	broken := &ssetest.Writer{OnWrite: func([]byte) (int, error) { return 0, errors.New("connection reset") }}
	if err := f.Serve(broken, httptest.NewRequest("GET", "/", nil), "a"); err != nil {
		t.Errorf("Serve on a connection that breaks = %v, want nil", err)
	}
}

// bareWriter can flush, but has no deadlines.
type bareWriter struct {
	header http.Header
	wrote  bool
}

func (w *bareWriter) Header() http.Header         { return w.header }
func (w *bareWriter) WriteHeader(int)             { w.wrote = true }
func (w *bareWriter) Write(p []byte) (int, error) { w.wrote = true; return len(p), nil }
func (w *bareWriter) Flush()                      { w.wrote = true }

func TestBehaviour18Wire(t *testing.T) {
	f := newFixture(t)
	job := mustStart(t, f.Tracker, "a")
	job.Publish(struct {
		Message string `json:"message"`
		Items   []int  `json:"items"`
	}{"two\nlines", []int{1, 2}})
	s := f.open(t, "a", "")
	want := "id: " + job.ID() + "-1\ndata: {\"message\":\"two\\nlines\",\"items\":[1,2]}\n\n"
	if got := readUntil(t, s, "]}\n\n"); !strings.HasSuffix(got, want) {
		t.Errorf("wire is %q, want it to end in %q", got, want)
	}
	job.Publish(math.Inf(1))
	if log := f.log.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "topic=a") || !strings.Contains(log, job.ID()) {
		t.Errorf("log of a payload that cannot be encoded is %q, want one line with topic and run", log)
	}
	next(t, f.open(t, "a", ""), job, "1", `{"message":"two\nlines","items":[1,2]}`) // nothing is lost
	job.Publish(2)
	if got, want := readUntil(t, s, "\n\n"), "id: "+job.ID()+"-2\ndata: 2\n\n"; got != want { // the stream goes on
		t.Errorf("wire is %q, want %q", got, want)
	}
	job.Finish(make(chan int)) // as a terminal it still ends the stream
	ev := nextData(t, f.open(t, "a", ""))
	failed := strings.HasPrefix(string(ev.Data), `{"status":"failed","error":"`) && strings.Contains(string(ev.Data), "chan int")
	if ev.ID != job.ID()+"-end" || !failed {
		t.Errorf("terminal that cannot be encoded is %q %s, want one that says so", ev.ID, ev.Data)
	}
	next(t, s, job, "end", string(ev.Data))
	ended(t, s)
}

func TestBehaviour19Headers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		mustStart(t, f.Tracker, "a")
		began := time.Now()
		s := f.open(t, "a", "")
		if took := time.Since(began); took != 0 {
			t.Errorf("the head came after %v, want it at once", took)
		}
		for key, want := range map[string]string{
			"Content-Type": "text/event-stream", "Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no",
		} {
			if got := s.Response.Header.Get(key); got != want {
				t.Errorf("%s is %q, want %q", key, got, want)
			}
		}
	})
}

// Publish and Finish take none of the Tracker's locks: a start that waits for its store holds up neither them nor the
// streams, nor a start of another topic.
func TestBehaviour20LockOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &stuckStore{Memory: snapshot.NewMemory(), topic: "stuck", release: make(chan struct{})}
		tracker, err := progress.Open(t.Context(), store, nil)
		if err != nil {
			t.Fatal(err)
		}
		f := &fixture{Tracker: tracker}
		f.serve(t)
		job := mustStart(t, tracker, "a")
		var wg sync.WaitGroup
		wg.Go(func() { tracker.Start("stuck") })
		synctest.Wait() // Start is inside Claim

		s := f.open(t, "a", "")
		job.Publish(1)
		next(t, s, job, "1", "1")
		if !tracker.Cancel("a") {
			t.Error("Cancel of the running job = false")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		mustStart(t, tracker, "b").Finish(nil)
		if _, _, err := tracker.StartContext(ctx, "stuck"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("StartContext behind a stuck one = %v, want DeadlineExceeded", err)
		}
		job.Finish(2)
		next(t, s, job, "end", "2")
		ended(t, s)
		close(store.release)
		wg.Wait()
	})
}

// stuckStore is a store whose Claim of one topic waits.
type stuckStore struct {
	*snapshot.Memory
	topic   string
	release chan struct{}
}

func (s *stuckStore) Claim(ctx context.Context, topic string, opts snapshot.ClaimOptions) (snapshot.Claim, snapshot.Entry, error) {
	if topic == s.topic {
		<-s.release
	}
	return s.Memory.Claim(ctx, topic, opts)
}

// readUntil reads the raw bytes of a stream up to end and returns them.
func readUntil(t *testing.T, s *ssetest.Stream, end string) string {
	t.Helper()
	defer time.AfterFunc(4*heartbeat, s.Close).Stop()
	var b []byte
	for p := make([]byte, 1); !strings.HasSuffix(string(b), end); {
		n, err := s.Response.Body.Read(p)
		b = append(b, p[:n]...)
		if err != nil && err != io.EOF || err == io.EOF && !strings.HasSuffix(string(b), end) {
			t.Fatalf("stream ended with %v after %q, want %q", err, b, end)
		}
	}
	return string(b)
}
