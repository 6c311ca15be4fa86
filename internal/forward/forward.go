// Package forward publishes the states that this process stores, of sources and jobs, for other programs. Of several replicas
// the one that polls a source, or starts the runs of a job, stores its states, so no other one publishes them.
//
// Only the newest unpublished state of each topic waits. So memory is bounded by the number of topics, and a receiver that
// cannot be reached delays nothing. Once it can be reached again it gets the newest states, not those in between.
package forward

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/internal/lifecycle"
	"github.com/tidewire/tidewire/internal/wire"
)

const (
	// within bounds one attempt to publish.
	within = 10 * time.Second
	// first and longest are the pauses after attempts that failed, of which each is twice the one before. A receiver may ask
	// for a longer one, up to asked.
	first, longest, asked = time.Second, 5 * time.Second, time.Minute
	// mostBytes is how many bytes of states are published at once. A larger state is published alone.
	mostBytes = 1 << 20
)

// A State is the newest state of a topic.
type State struct {
	Topic string // such as source/tank
	Data  []byte // JSON; not modified
}

// A Receiver gets states. It is not modified.
type Receiver struct {
	// Publish publishes states of different topics. It returns when ctx ends at the latest. There is one call at a time.
	// After an error it is called again with each of them, or a newer one of the same topic. If the error has a method
	// RetryAfter() time.Duration that is the least pause before that. After a [RefusedError] it is called with half as many,
	// and after each success with twice as many again.
	Publish func(ctx context.Context, states []State) error
	// Admit waits until Publish may be called, as long as ctx lasts; done is called after that. Nil: it always may.
	Admit func(ctx context.Context) (done func(), err error)
	// Most is how many states Publish gets at once; 0: one.
	Most int
	// Every is the time from the beginning of one call to that of the next; 0: none.
	Every time.Duration
}

// A RefusedError says that a receiver does not take some states: they may be too many, or one of them is not as it wants it.
type RefusedError struct{ Err error }

func (e *RefusedError) Error() string { return e.Err.Error() }
func (e *RefusedError) Unwrap() error { return e.Err }

// A Forwarder publishes states to one receiver. Its methods may be called from any goroutine.
type Forwarder struct {
	log  *slog.Logger
	told func()                   // see [Open]
	to   atomic.Pointer[Receiver] // nil: nobody gets them
	wake chan struct{}            // of 1
	loop *lifecycle.Service

	mu      sync.Mutex        // guards the fields below; after all other locks
	waiting map[string][]byte // by topic
	order   []string          // the topics that wait, the longest first
	err     error             // why the newest attempt has failed; nil: it has not
	most    int               // states at once, since more were refused; 0: as many as the receiver says
}

// Open returns a Forwarder that publishes nothing yet. It calls changed, which does not block, when its attempts begin to fail, when
// they fail for another reason, and when they do not fail any more.
func Open(ctx context.Context, log *slog.Logger, changed func()) *Forwarder {
	f := &Forwarder{log: log, told: changed, wake: make(chan struct{}, 1), waiting: map[string][]byte{}}
	f.loop = lifecycle.Loop(ctx, f.run)
	return f
}

// To has states published to r from now on; nil: they are not.
func (f *Forwarder) To(r *Receiver) {
	f.to.Store(r)
	if r != nil {
		return
	}
	f.mu.Lock()
	was := f.err
	clear(f.waiting)
	f.order, f.err, f.most = nil, nil, 0
	f.mu.Unlock()
	if was != nil {
		f.told()
	}
}

// Status returns how many topics have a state that waits, and why the newest attempt to publish has failed, nil if it has not. Ok
// is false if nobody gets states.
func (f *Forwarder) Status() (waiting int, err error, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.waiting), f.err, f.to.Load() != nil
}

// Written takes the newest state of a topic. It neither waits nor copies data, which must not be changed any more.
func (f *Forwarder) Written(topic string, data []byte) {
	if f.to.Load() == nil || !strings.HasPrefix(topic, wire.SourceKey("")) && !strings.HasPrefix(topic, wire.JobKey("")) {
		return
	}
	f.put(State{topic, data}, true)
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Close publishes what waits, for as long as ctx lasts, and ends what Open has started.
func (f *Forwarder) Close(ctx context.Context) {
	_ = f.loop.Stop()
	for {
		if _, some, err := f.publish(ctx); !some || err != nil {
			return
		}
	}
}

func (f *Forwarder) run(ctx context.Context) {
	for failures := 0; ; {
		select {
		case <-f.wake:
		case <-ctx.Done():
			return
		}
		for {
			wasLess := f.isLess()
			begun, some, err := f.publish(ctx)
			if ctx.Err() != nil {
				return
			}
			failures = f.note(failures, some, wasLess, err)
			pause := f.every() - time.Since(begun)
			if err != nil {
				pause = max(pause, backoff(failures, err))
			} else if !some {
				break
			}
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return
			}
		}
	}
}

// note takes note of what came of an attempt after so many failures in a row, and returns how many there are now.
func (f *Forwarder) note(failures int, some, wasLess bool, err error) int {
	f.mu.Lock()
	was := f.err
	if f.err = err; f.to.Load() == nil {
		f.err = nil
	}
	changed, isLess := textOf(f.err) != textOf(was), f.most > 0
	f.mu.Unlock()
	if changed {
		f.told()
	}
	switch {
	case err != nil && failures == 0 && !wasLess:
		f.log.Warn("states are not forwarded: the newest ones will be as soon as that is possible", "err", err)
	case err == nil && some && (failures > 0 || wasLess) && !isLess:
		f.log.Info("states are forwarded again")
	}
	if err != nil {
		return failures + 1
	}
	return 0
}

// textOf is the text of an error, empty for none.
func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// backoff is the pause after so many failures in a row, the last of which was err.
func backoff(failures int, err error) time.Duration {
	pause := min(first<<min(failures-1, 10), longest)
	var polite interface{ RetryAfter() time.Duration }
	if errors.As(err, &polite) {
		pause = max(pause, min(polite.RetryAfter(), asked))
	}
	return pause
}

func (f *Forwarder) every() time.Duration {
	if to := f.to.Load(); to != nil {
		return to.Every
	}
	return 0
}

// isLess reports whether fewer states are published at once than the receiver says.
func (f *Forwarder) isLess() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.most > 0
}

// publish publishes some of what waits, and reports whether there was any, and when that began.
func (f *Forwarder) publish(ctx context.Context) (begun time.Time, some bool, err error) {
	begun = time.Now()
	to := f.to.Load()
	if to == nil || !f.waits() {
		return begun, false, nil
	}
	if to.Admit != nil {
		done, err := to.Admit(ctx)
		if err != nil {
			return begun, true, err
		}
		defer done()
		if f.to.Load() != to { // it is another one meanwhile
			return begun, true, nil
		}
		begun = time.Now()
	}
	states := f.take(max(1, to.Most))
	if len(states) == 0 {
		return begun, false, nil
	}
	ctx, done := context.WithTimeout(ctx, within)
	defer done()
	err = to.Publish(ctx, states)
	f.learn(len(states), to.Most, err)
	if err != nil {
		for _, s := range states {
			f.put(s, false)
		}
	}
	return begun, true, err
}

func (f *Forwarder) waits() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.waiting) > 0
}

// learn takes note of what came of publishing so many states at once.
func (f *Forwarder) learn(states, most int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var refused *RefusedError
	switch {
	case errors.As(err, &refused):
		f.most = max(1, states/2)
	case err == nil && f.most > 0:
		if f.most *= 2; f.most >= most {
			f.most = 0
		}
	}
}

// take returns the states that have waited longest, which do not wait any more.
func (f *Forwarder) take(most int) (states []State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.most > 0 {
		most = min(most, f.most)
	}
	size := 0
	for len(states) < min(most, len(f.order)) {
		topic := f.order[len(states)]
		data := f.waiting[topic]
		if size += len(data); size > mostBytes && len(states) > 0 {
			break
		}
		states = append(states, State{topic, data})
	}
	for _, s := range states {
		delete(f.waiting, s.Topic)
	}
	if f.order = f.order[len(states):]; len(f.order) == 0 {
		f.order = nil
	}
	return states
}

// put has a state wait behind the others, or in the place of the one that waits if it is newer. None waits if nobody gets
// them: it could be old when somebody does again.
func (f *Forwarder) put(s State, newer bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.to.Load() == nil {
		return
	}
	if _, waits := f.waiting[s.Topic]; !waits {
		f.order = append(f.order, s.Topic)
	} else if !newer {
		return
	}
	f.waiting[s.Topic] = s.Data
}
