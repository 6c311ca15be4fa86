package sources

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/snapshot"
)

// pushWithin is how long Push waits until a value counts, and then until it is stored: one that at_most holds back takes longer.
const pushWithin = time.Second

// Errors of [Service.Push].
var (
	// ErrNoSource is why a value is not taken for a source that is not configured.
	ErrNoSource = errors.New("there is no such source")
	// ErrNotPushed is why a value is not taken for a source that gets its values otherwise.
	ErrNotPushed = errors.New("values are sent to a source with push, and not to a row of one")
)

// An UnusableError is why what was sent to a source gives no value. The source has the same error.
type UnusableError struct{ Why string }

func (e *UnusableError) Error() string { return e.Why }

// Push sends a message to a source. It returns when the value of the message, or of a newer one, is published and stored, and
// those of its rows if the source is split: counts is true then. It is false if the value is to count later, as at_most of the
// source says, or when the store has it, which takes longer than usual.
//
// The error is [ErrNoSource], [ErrNotPushed], [ErrElsewhere], a [*kind.TooOftenError], an [*UnusableError], the cause of ctx, or
// that the scheduler has ended.
func (svc *Service) Push(ctx context.Context, name string, m kind.Message) (counts bool, err error) {
	for {
		var s *poller
		var done <-chan error
		var refused error
		err := svc.deps.Scheduler.Do(ctx, func(context.Context, *smartpoll.Internal) error { // no change comes between
			s = svc.find(name)
			done, refused = s.receive(m)
			return nil
		})
		if err = cmp.Or(err, refused); err != nil {
			return false, err
		}
		wait := time.NewTimer(pushWithin)
		select {
		case err := <-done:
			wait.Stop()
			if err != nil {
				return false, &UnusableError{err.Error()}
			}
			if err = svc.stored(ctx, s); errors.Is(err, snapshot.ErrLost) {
				continue // whoever has the source now has not got it
			}
			return err == nil, nil
		case <-wait.C:
			if svc.find(name) == s && s.owned.Load() {
				return false, nil
			} // another definition has come, or another owner, which has not got it
		case <-ctx.Done():
			wait.Stop()
			return false, context.Cause(ctx)
		}
	}
}

// stored waits until the store has what was published of s and of its rows, for a moment: who has sent it does not send it again.
func (svc *Service) stored(ctx context.Context, s *poller) error {
	ctx, done := context.WithTimeout(ctx, pushWithin)
	defer done()
	keys, err := s.settledKeys(ctx)
	if err == nil {
		err = svc.deps.Store.Stored(ctx, keys...)
	}
	if errors.Is(err, snapshot.ErrLost) && s.owned.Load() && svc.find(s.Name) == s {
		return errRowLeft
	}
	return err
}

// errRowLeft is why nobody waits for a row to be stored.
var errRowLeft = errors.New("a row has left meanwhile")

// settledKeys waits until the rows of s, if it is split, have taken what they were told, and returns the keys of s and of these.
func (s *poller) settledKeys(ctx context.Context) (keys []string, err error) {
	keys = []string{s.key}
	for s.Split != nil {
		var settling <-chan struct{}
		err := s.svc.deps.Scheduler.Do(ctx, func(context.Context, *smartpoll.Internal) error {
			if settling = s.settling(); settling == nil {
				for _, child := range s.children {
					keys = append(keys, child.key)
				}
			}
			return nil
		})
		if err != nil || settling == nil {
			return keys, err
		}
		select {
		case <-settling:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return keys, nil
}

// receive is the hook of Push. s may be nil.
func (s *poller) receive(m kind.Message) (done <-chan error, err error) {
	if s == nil {
		return nil, ErrNoSource
	}
	switch to, ok := s.opened.(kind.Receiver); {
	case !ok:
		return nil, ErrNotPushed
	case s.claim == nil:
		return nil, ErrElsewhere
	default:
		return to.Receive(m)
	}
}
