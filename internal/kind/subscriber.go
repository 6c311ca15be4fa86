package kind

import (
	"context"
	"errors"

	"github.com/tidewire/tidewire/internal/value"
)

// A Subscriber is a [Fetcher] that is told values instead of asking for them. The fetchers of a kind either all are
// subscribers, which [Kind.Subscribes] says, or none is. The runtime calls Fetch, also while Subscribe runs, when
// somebody refreshes the source; one whose peer cannot be asked for a value embeds [Told].
//
// # A shared connection
//
// Sources that share a connection get it as the Link of their [Env]. Each of them calls Subscribe by itself and pauses
// by itself, so the link joins their attempts to connect, and paces them. When the connection ends, every Subscribe
// that depends on it returns why. The limits of the upstream apply to polls alone.
//
// The runtime knows of the connection only what Subscribe tells. A peer that vanishes without closing it (a cable is
// pulled, the peer hangs) leaves a connection on which nothing arrives for hours, so the kind has to notice that: it
// asks for a sign of life, and gives a connection up that has been silent for too long.
type Subscriber interface {
	Fetcher

	// Subscribe hands messages to emit until ctx ends or the link is down, and returns why; it returns soon after ctx
	// has ended. The runtime calls it on a goroutine that belongs to the source, one call at a time, and again after
	// a pause, which grows from a fraction of a second to 5 s while the link does not come up. A panic in it counts as
	// a link that is down.
	//
	// The source is pending until the first message. From the moment Subscribe returns until the next message it is
	// stale, with the reason, or failing if it never had a value. The goroutines that Subscribe starts have ended when
	// it returns; those of a connection that sources share belong to what the upstream has opened, and end when that
	// is closed.
	Subscribe(ctx context.Context, emit Emit) error
}

// ErrNotAsked is the error of a refresh of a source that cannot be asked for its value.
var ErrNotAsked = errors.New("it tells its values itself and cannot be asked")

// Told is embedded in a [Subscriber] whose peer cannot be asked for a value.
type Told struct{}

// Fetch implements [Fetcher]: it returns [ErrNotAsked].
func (Told) Fetch(context.Context) (Result, error) { return Result{}, ErrNotAsked }

func (Told) told() {}

// CanAsk reports whether the Fetch of f gets a value: whether f does not embed [Told].
func CanAsk(f Fetcher) bool {
	_, told := f.(interface{ told() })
	return !told
}

// An Emit takes the newest message of a source. It never blocks: it replaces a message that has not been used yet. It
// may be called from any goroutine while Subscribe runs; calls after that have no effect. The runtime calls the
// function, on another goroutine, when it uses the message; the function returns the value of the message, within the
// bounds of package value. [Payload] returns such a function.
type Emit func(FetchFunc)

// Connected tells the runtime that the link is up, though there may be no message for a while: a source that is
// failing becomes pending. Without it, the first message tells so.
func (e Emit) Connected() { e(nil) }

// Payload returns a message of bytes, which are parsed as package value says: parse is that of the [Env]. The bytes
// must not be changed any more.
func Payload(data []byte, parse value.Format) FetchFunc {
	return func(ctx context.Context) (Result, error) {
		TraceOf(ctx).Output(data, 0)
		v, err := value.Parse(ctx, parse, data)
		return Result{Value: v, Size: len(data)}, err
	}
}
