package snapshottest

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/snapshot"
)

// follower records the entries from Follow, and fails the test when their order breaks the contract.
type follower struct {
	t    *testing.T
	busy atomic.Bool // a call is in progress

	mu      sync.Mutex // guards the fields below
	seen    []snapshot.Entry
	copies  [][]byte                  // the data of seen when it arrived
	newest  map[string]snapshot.Entry // by topic, Gone ones included
	over    map[string]bool           // runs that ended: a Final, a Gone or a newer run was seen
	check   func(snapshot.Entry)      // called with each entry, if it is not nil
	isSync  bool
	stopped bool // Follow has returned
}

// patience bounds every wait for something that must happen.
const patience = 30 * time.Second

// follow starts a follower of s, which ends with the test or the returned function, and returns once it is synced.
func follow(t *testing.T, s snapshot.Store) (*follower, func()) {
	t.Helper()
	f := &follower{t: t, newest: make(map[string]snapshot.Entry), over: make(map[string]bool)}
	ctx, cancel := context.WithCancel(context.Background())
	synced, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		err := s.Follow(ctx, f.tell, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.isSync {
				t.Error("Follow called synced twice")
			}
			f.isSync = true
			close(synced)
		})
		if ctx.Err() == nil {
			t.Errorf("Follow() = %v before its context ended", err)
		}
		f.mu.Lock()
		f.stopped = true
		f.mu.Unlock()
	}()
	stop := sync.OnceFunc(func() {
		cancel()
		<-done
		f.checkData()
	})
	t.Cleanup(stop)
	select {
	case <-synced:
	case <-time.After(patience):
		t.Fatalf("Follow did not call synced within %v", patience)
	}
	return f, stop
}

func (f *follower) tell(e snapshot.Entry) {
	if !f.busy.CompareAndSwap(false, true) {
		f.t.Error("Follow called fn twice at once")
	}
	defer f.busy.Store(false)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopped {
		f.t.Errorf("Follow called fn(%v) after it had returned", e)
	}
	last, known := f.newest[e.Topic]
	switch id := e.Topic + "/" + e.Run; {
	case known && last.Run == e.Run && e.N < last.N:
		f.t.Errorf("Follow went back from %v to %v", last, e)
	case f.over[id] && e.State != snapshot.Gone:
		f.t.Errorf("Follow showed %v, whose run was over", e)
	case e.State == snapshot.Gone && known && last.Run != e.Run:
		f.t.Errorf("Follow showed %v, which is not the current run's: %v", e, last)
	case e.State == snapshot.Gone && e.Data != nil:
		f.t.Errorf("Follow showed %v, want no data in a Gone entry", e)
	}
	if e.State == snapshot.Final || e.State == snapshot.Gone {
		f.over[e.Topic+"/"+e.Run] = true
	}
	if known && last.Run != e.Run {
		f.over[e.Topic+"/"+last.Run] = true
	}
	if f.check != nil {
		f.check(e)
	}
	f.newest[e.Topic] = e
	f.seen = append(f.seen, e)
	f.copies = append(f.copies, bytes.Clone(e.Data))
}

// checkData fails the test if delivered data has changed since.
func (f *follower) checkData() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, e := range f.seen {
		if !bytes.Equal(e.Data, f.copies[i]) {
			f.t.Errorf("data of %s %s/%d is %q, but was told as %q", e.Topic, e.Run, e.N, e.Data, f.copies[i])
		}
	}
}

// last returns the newest entry of topic, the zero Entry if none was seen.
func (f *follower) last(topic string) snapshot.Entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.newest[topic]
}

// all returns what was seen so far.
func (f *follower) all() []snapshot.Entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.seen)
}

// current returns the entries that a new follower gets before synced, by topic.
func current(t *testing.T, s snapshot.Store) map[string]snapshot.Entry {
	t.Helper()
	f, stop := follow(t, s)
	defer stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.newest)
}

// waitFor waits until the follower's newest entry of topic is in state with data.
func (f *follower) waitFor(topic string, state snapshot.State, data string) snapshot.Entry {
	f.t.Helper()
	e, ok := f.wait(topic, func(e snapshot.Entry) bool { return e.State == state && string(e.Data) == data })
	if !ok {
		f.t.Fatalf("newest entry of %.40q is %v after %v, want it %v with data %.40q", topic, e, patience, state, data)
	}
	return e
}

// waitForState waits until the follower's newest entry of topic is in one of some states, of which 0 is that of none.
func (f *follower) waitForState(topic string, states ...snapshot.State) snapshot.Entry {
	f.t.Helper()
	e, ok := f.wait(topic, func(e snapshot.Entry) bool { return slices.Contains(states, e.State) })
	if !ok {
		f.t.Fatalf("newest entry of %.40q is %v after %v, want it %v", topic, e, patience, states)
	}
	return e
}

// wait waits until the newest entry of topic is as it should, and returns it.
func (f *follower) wait(topic string, is func(snapshot.Entry) bool) (snapshot.Entry, bool) {
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		e := f.last(topic)
		if is(e) || time.Now().After(deadline) {
			return e, is(e)
		}
	}
}
