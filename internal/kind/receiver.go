package kind

import (
	"fmt"
	"time"

	"github.com/tidewire/tidewire/internal/clock"
)

// A Pushed source gets its values with requests to Tidewire: its fetchers are each a [Receiver].
type Pushed interface {
	Source
	IsPushed()
}

// A Receiver is a [Subscriber] whose messages come with requests to Tidewire.
type Receiver interface {
	Subscriber

	// Receive takes a message. It does not block. Done gets nil as soon as the value of this message or of a newer one is
	// published, and otherwise why there is no such value; nothing if the source ends before. The error is a [*TooOftenError].
	Receive(Message) (done <-chan error, err error)
}

// A Message is what a request sends to a source.
type Message struct {
	Data  []byte // is not changed any more
	Media string // as Content-Type has it; may be empty
}

// A TooOftenError is why a message is not taken that comes too soon after others.
type TooOftenError struct {
	Limit string        // how many are taken, such as 50/s
	Wait  time.Duration // until the next one is taken
}

func (e *TooOftenError) Error() string {
	return fmt.Sprintf("it takes at most %s: the next one in %s", e.Limit, clock.Words(e.Wait.Round(time.Millisecond)))
}
