package snapshot

import (
	"crypto/rand"
	"fmt"
)

// State is the stage in the life of an entry. The zero value is not a valid one.
type State uint8

const (
	Live   State = iota + 1 // the run continues
	Orphan                  // the run has not ended, but nobody writes it: see [Claim.Release] and ClaimOptions.Adopt
	Final                   // the run has ended; its last data is kept for a while
	Gone                    // forgotten; only followers see this, once, without data
)

// String returns the state's name in lower case.
func (s State) String() string {
	switch s {
	case Live:
		return "live"
	case Orphan:
		return "orphan"
	case Final:
		return "final"
	case Gone:
		return "gone"
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// Entry is the newest state of a topic.
type Entry struct {
	Topic string
	Run   string // id of the run that wrote it: letters and digits
	N     uint64 // number inside the run: 0 is the claim itself, each Put and the Finish add at least one
	State State
	Data  []byte // must not be modified; nil before the first Put and in a Gone entry
}

// NewRun returns a random id of 26 letters and digits, as a Store makes it for a run.
func NewRun() string { return rand.Text() }

// CheckRun returns an error unless run can be the id of a run: 1 to 40 ASCII letters and digits. Ids of events are made
// of the run, "-" and a number, so with a "-" in a run two runs could look like one.
func CheckRun(run string) error {
	for _, c := range []byte(run) {
		if !('0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z') {
			return fmt.Errorf("snapshot: run %q has the character %q: want 1 to 40 ASCII letters and digits", run, c)
		}
	}
	if len(run) < 1 || len(run) > 40 {
		return fmt.Errorf("snapshot: run %q has %d bytes: want 1 to 40 ASCII letters and digits", run, len(run))
	}
	return nil
}
