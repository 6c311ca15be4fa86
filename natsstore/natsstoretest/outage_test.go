package natsstoretest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tidewire/tidewire/natsstore"
	"github.com/tidewire/tidewire/snapshot"
)

// watcher records what a follower is told.
type watcher struct {
	t testing.TB

	mu     sync.Mutex // guards the fields below
	newest map[string]snapshot.Entry
	all    []snapshot.Entry
}

func watch(t testing.TB, s snapshot.Store) *watcher {
	t.Helper()
	w := &watcher{t: t, newest: make(map[string]snapshot.Entry)}
	follow(t, s, w.tell)
	return w
}

// follow has fn called until the test ends, and returns once all entries of before have been told.
func follow(t testing.TB, s snapshot.Store, fn func(snapshot.Entry)) {
	t.Helper()
	synced := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = s.Follow(ctx, fn, func() { close(synced) })
	}()
	t.Cleanup(func() { cancel(); <-over })
	select {
	case <-synced:
	case <-time.After(30 * time.Second):
		t.Fatal("Follow is not synced after 30 s")
	}
}

func (w *watcher) tell(e snapshot.Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := w.newest[e.Topic]
	if last.Run == e.Run && (e.N < last.N || last.State == snapshot.Gone || last.State == snapshot.Final && e.State != snapshot.Gone) {
		w.t.Errorf("follower was told %.100v after %.100v", e, last)
	}
	w.newest[e.Topic] = e
	w.all = append(w.all, e)
}

func (w *watcher) last(topic string) snapshot.Entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.newest[topic]
}

// wait waits until the newest entry of topic is in a state with data.
func (w *watcher) wait(topic string, state snapshot.State, data string) snapshot.Entry {
	w.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		e := w.last(topic)
		if e.State == state && string(e.Data) == data {
			return e
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%s is %v after 30 s, want it %v with data %q", topic, e, state, data)
		}
	}
}

func claim(t testing.TB, s snapshot.Store, topic string, opts snapshot.ClaimOptions) snapshot.Claim {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, e, err := s.Claim(ctx, topic, opts)
	if c == nil || err != nil {
		t.Fatalf("Claim(%q, %+v) = %v, %v, want a claim", topic, opts, e, err)
	}
	return c
}

func finish(t testing.TB, c snapshot.Claim, data string, retention time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := c.Finish(ctx, []byte(data), retention); err != nil {
		t.Fatal(err)
	}
}

// status waits until a store's status is as it should.
func status(t testing.TB, s *natsstore.Store, is func(natsstore.Status) bool) natsstore.Status {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		got := s.Status()
		if is(got) {
			return got
		}
		if time.Now().After(deadline) {
			t.Fatalf("the status is %+v after 30 s", got)
		}
	}
}

func works(s natsstore.Status) bool { return s.Err == nil && s.Synced && s.Owner != "" }

// mentions returns a condition for an error of the status that has a text.
func mentions(text string) func(natsstore.Status) bool {
	return func(s natsstore.Status) bool { return s.Err != nil && strings.Contains(s.Err.Error(), text) }
}

func isLost(c snapshot.Claim) bool {
	select {
	case <-c.Lost():
		return true
	default:
		return false
	}
}

// Servers that are not there yet are waited for.
func TestServerComesLater(t *testing.T) {
	c := own(t, 1, "")
	c.servers[0].stop()
	s := open(t, natsstore.Options{URL: c.url()})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := s.Sync(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no connection to nats://127.0.0.1") {
		t.Errorf("Sync = %v, want it to end with its context, and say that there is no connection", err)
	}
	if _, _, err := s.Claim(ctx, "a", snapshot.ClaimOptions{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Claim = %v, want it to end with its context", err)
	}
	if got := s.Status(); got.Synced || got.Owner != "" || got.Server != "" {
		t.Errorf("Status = %+v, want nothing yet", got)
	}
	if err := c.servers[0].start(); err != nil {
		t.Fatal(err)
	}
	w := watch(t, s)
	finish(t, claim(t, s, "a", snapshot.ClaimOptions{}), "end", time.Hour)
	w.wait("a", snapshot.Final, "end")
	status(t, s, works)
}

// A server that restarts within the lease costs nothing: what is put meanwhile arrives, and no claim is lost.
func TestRestart(t *testing.T) {
	c := own(t, 1, "")
	one, other := open(t, natsstore.Options{URL: c.url()}), open(t, natsstore.Options{URL: c.url()})
	w := watch(t, other)
	a := claim(t, one, "a", snapshot.ClaimOptions{})
	for round := range 3 {
		a.Put([]byte("before"))
		if round == 1 {
			c.servers[0].kill()
		} else {
			c.servers[0].stop()
		}
		a.Put([]byte("while it is down"))
		last := fmt.Sprint("newest ", round)
		a.Put([]byte(last))
		status(t, one, mentions("no connection"))
		if err := c.servers[0].start(); err != nil {
			t.Fatal(err)
		}
		w.wait("a", snapshot.Live, last)
		status(t, one, works)
	}
	if isLost(a) {
		t.Error("the claim is lost")
	}
	finish(t, a, "end", time.Hour)
	w.wait("a", snapshot.Final, "end")
}

// An outage that is longer than the lease costs the claims, but not the runs.
func TestLongOutage(t *testing.T) {
	c := own(t, 1, "")
	s := open(t, natsstore.Options{URL: c.url(), Lease: 2 * time.Second})
	w := watch(t, s)
	a := claim(t, s, "a", snapshot.ClaimOptions{})
	a.Put([]byte("1"))
	w.wait("a", snapshot.Live, "1")
	was := s.Status().Owner
	c.servers[0].stop()
	began := time.Now()
	a.Put([]byte("2"))
	ended, begun := make(chan error), make(chan snapshot.Claim, 1)
	go func() { ended <- a.Finish(context.Background(), []byte("end"), time.Hour) }()
	go func() {
		c, _, err := s.Claim(context.Background(), "b", snapshot.ClaimOptions{}) // under the next lease
		if err != nil {
			t.Error(err)
		}
		begun <- c
	}()
	<-a.Lost()
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("the claim is lost after %v, want it when the lease of 2 s is over", took)
	}
	if err := <-ended; !errors.Is(err, snapshot.ErrLost) {
		t.Errorf("Finish = %v, want ErrLost", err)
	}
	if err := c.servers[0].start(); err != nil {
		t.Fatal(err)
	}
	e := w.wait("a", snapshot.Orphan, "1")
	if now := status(t, s, works).Owner; now == was {
		t.Error("the owner is the same after its lease was lost")
	}
	next := claim(t, s, "a", snapshot.ClaimOptions{Adopt: e.Run})
	finish(t, next, "end", time.Hour)
	w.wait("a", snapshot.Final, "end")
	finish(t, <-begun, "end", time.Hour)
	w.wait("b", snapshot.Final, "end")
}

// A server that comes back empty is noticed, as a stream is that somebody deletes.
func TestServerComesBackEmpty(t *testing.T) {
	c := own(t, 1, "")
	one, other := open(t, natsstore.Options{URL: c.url()}), open(t, natsstore.Options{URL: c.url()})
	w, otherSees := watch(t, one), watch(t, other)
	status(t, one, works)
	live := claim(t, one, "live", snapshot.ClaimOptions{})
	live.Put([]byte("1"))
	finish(t, claim(t, other, "kept", snapshot.ClaimOptions{}), "end", time.Hour)
	w.wait("live", snapshot.Live, "1")
	w.wait("kept", snapshot.Final, "end")
	c.servers[0].kill()
	if err := errors.Join(os.RemoveAll(filepath.Join(c.dir, "n1")), c.servers[0].start()); err != nil {
		t.Fatal(err)
	}
	w.wait("live", snapshot.Gone, "")
	w.wait("kept", snapshot.Gone, "")
	otherSees.wait("kept", snapshot.Gone, "")
	<-live.Lost()
	next := claim(t, other, "kept", snapshot.ClaimOptions{})
	finish(t, next, "again", time.Hour)
	w.wait("kept", snapshot.Final, "again")
}

// wipe deletes a stream.
func (c *cluster) wipe(t *testing.T, stream string) {
	t.Helper()
	nc, err := nats.Connect(c.url())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, _ := jetstream.New(nc)
	if err := js.DeleteStream(t.Context(), stream); err != nil {
		t.Fatal(err)
	}
}

// A server whose disk has lost the newest messages, as after a power failure, counts from there on. The claims are lost,
// but followers do not go back, and the runs go on where they were.
func TestLostMessages(t *testing.T) {
	c := own(t, 1, "")
	one, other := open(t, natsstore.Options{URL: c.url()}), open(t, natsstore.Options{URL: c.url()})
	w := watch(t, one)
	a := claim(t, one, "a", snapshot.ClaimOptions{})
	a.Put([]byte("1"))
	w.wait("a", snapshot.Live, "1")
	c.servers[0].stop()
	dir, copied := filepath.Join(c.dir, "n1"), filepath.Join(c.dir, "copy")
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := c.servers[0].start(); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*natsstore.Store{one, other} {
		ready(t, s)
		status(t, s, works)
	}
	a.Put([]byte("2"))
	w.wait("a", snapshot.Live, "2")
	b := claim(t, other, "b", snapshot.ClaimOptions{})
	b.Put([]byte("1"))
	w.wait("b", snapshot.Live, "1")
	c.servers[0].kill()
	if err := errors.Join(os.RemoveAll(dir), os.Rename(copied, dir), c.servers[0].start()); err != nil {
		t.Fatal(err)
	}
	w.wait("b", snapshot.Gone, "")
	w.wait("a", snapshot.Orphan, "2")
	<-a.Lost()
	<-b.Lost()
	next := claim(t, other, "a", snapshot.ClaimOptions{Adopt: a.Run()})
	next.Put([]byte("3"))
	w.wait("a", snapshot.Live, "3")
	finish(t, claim(t, one, "b", snapshot.ClaimOptions{}), "end", time.Hour)
	w.wait("b", snapshot.Final, "end")
	finish(t, next, "end", time.Hour)
	watch(t, open(t, natsstore.Options{URL: c.url()})).wait("a", snapshot.Final, "end")
}

// Close gives up what the process has, with the newest data.
func TestClose(t *testing.T) {
	c, name := use(t, 1), prefix()
	one := open(t, natsstore.Options{URL: c.url(), Prefix: name, Pace: time.Hour})
	other := open(t, natsstore.Options{URL: c.url(), Prefix: name})
	w := watch(t, other)
	a := claim(t, one, "a", snapshot.ClaimOptions{})
	a.Put([]byte("1"))
	w.wait("a", snapshot.Live, "1")
	followed := make(chan error)
	go func() { followed <- one.Follow(context.Background(), func(snapshot.Entry) {}, nil) }()
	a.Put([]byte("2")) // which the pace holds back
	if err := one.Close(t.Context()); err != nil {
		t.Error(err)
	}
	w.wait("a", snapshot.Orphan, "2")
	if err := <-followed; err == nil {
		t.Error("Follow of a closed store = nil, want an error")
	}
	if !isLost(a) {
		t.Error("the claim of a closed store is not lost")
	}
	for what, err := range map[string]error{
		"Sync": one.Sync(context.Background()), "Close": one.Close(context.Background()),
		"Forget": one.Forget(context.Background(), "a", a.Run()), "Finish": a.Finish(context.Background(), nil, 0),
	} {
		if err == nil {
			t.Errorf("%s of a closed store = nil, want an error", what)
		}
	}
	if _, _, err := one.Claim(context.Background(), "b", snapshot.ClaimOptions{}); err == nil {
		t.Error("Claim of a closed store = nil, want an error")
	}
}

// Claims whose callers give up just before the store is closed leave nothing.
func TestCloseAfterAbandonedClaims(t *testing.T) {
	c, name := use(t, 1), prefix()
	other := open(t, natsstore.Options{URL: c.url(), Prefix: name})
	w := watch(t, other)
	for round := range 20 {
		one := ready(t, open(t, natsstore.Options{URL: c.url(), Prefix: name}))
		status(t, one, works)
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i*20)*time.Microsecond)
				defer cancel()
				c, _, err := one.Claim(ctx, fmt.Sprint("topic", round, "/", i), snapshot.ClaimOptions{})
				if c != nil {
					err = c.Finish(context.Background(), nil, 0)
				} else if errors.Is(err, context.DeadlineExceeded) {
					err = nil
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if err := one.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	ready(t, other)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.newest {
		if e.State != snapshot.Gone {
			t.Errorf("a claim that nobody has left %v", e)
		}
	}
}

// A store that is closed leaves no goroutine, whether it has ever reached a server or not.
func TestCloseLeavesNothing(t *testing.T) {
	c, name := use(t, 1), prefix()
	before := runtime.NumGoroutine()
	for i := range 5 {
		url := c.url()
		if i%2 == 1 {
			url = "nats://127.0.0.1:1"
		}
		s := open(t, natsstore.Options{URL: url, Prefix: name})
		if i%2 == 0 {
			a := claim(t, s, "a", snapshot.ClaimOptions{})
			a.Put([]byte("1"))
			finish(t, a, "end", 0)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			all := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, all[:runtime.Stack(all, true)])
		}
	}
}
