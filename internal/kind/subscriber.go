package kind

import (
	"context"
	"errors"

	"github.com/tidewire/tidewire/internal/value"
)

// A Subscriber is a [Fetcher] that is told values instead of asking for them. The fetchers of a kind either all are
// subscribers, which [Kind.Subscribes] says, or none is. Its Fetch, which may run while Subscribe does, is called
// when people want the value refreshed; [Told] has one for what cannot be asked.
type Subscriber interface {
	Fetcher

	// Subscribe hands messages to emit until ctx ends or the link is down, and returns why; it returns soon after ctx
	// has ended. The runtime calls it on a goroutine that belongs to the source, one call at a time, and again after
	// a pause that grows to some seconds. A panic in it counts as a link that is down.
	//
	// The source has no value until the first message. It is stale, with the reason, as soon as Subscribe returns,
	// and until the next message. Whatever goroutines Subscribe starts have ended when it returns; those of a
	// connection that sources share belong to what the upstream has opened, and end when that is closed.
	Subscribe(ctx context.Context, emit Emit) error
}

// ErrNotAsked is the error of the Fetch of a [Subscriber] that can only wait to be told.
var ErrNotAsked = errors.New("it tells its values itself and cannot be asked")

// Told is embedded in a [Subscriber] that can only wait to be told.
type Told struct{}

// Fetch implements [Fetcher]: it returns [ErrNotAsked].
func (Told) Fetch(context.Context) (Result, error) { return Result{}, ErrNotAsked }

func (Told) told() {}

// CanAsk reports whether f gets a value when it is asked: whether it is not [Told].
func CanAsk(f Fetcher) bool {
	_, told := f.(interface{ told() })
	return !told
}

// An Emit takes the newest message of a source. It never blocks: a message that has not been used yet is replaced. It
// may be called from any goroutine while Subscribe runs; calls after that have no effect. The function makes the
// value of the message when it is used, on another goroutine, within the bounds of package value; [Payload] is one.
type Emit func(FetchFunc)

// Connected says that the link is up, though there may be no message for a while.
func (e Emit) Connected() { e(nil) }

// Payload is a message of bytes that are parsed as package value says. They must not be changed any more.
func Payload(data []byte, parse string) FetchFunc {
	return func(ctx context.Context) (Result, error) {
		TraceOf(ctx).Output(data, 0)
		v, err := value.Parse(ctx, parse, data)
		return Result{Value: v}, err
	}
}
