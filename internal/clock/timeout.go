package clock

import (
	"context"
	"time"
)

// TimedOut is why something was ended that took longer than it may, for use as the cause of a context. It is a
// [context.DeadlineExceeded], and its text tells people how long that is.
type TimedOut struct{ After time.Duration }

// Error implements error.
func (e TimedOut) Error() string { return "timed out after " + Words(e.After) }

// Is makes it known as [context.DeadlineExceeded].
func (TimedOut) Is(target error) bool { return target == context.DeadlineExceeded }
