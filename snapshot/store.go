package snapshot

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrOver is returned by [Claim.Finish] and [Claim.Release] for a run that was finished before.
	ErrOver = errors.New("snapshot: the run is over")

	// ErrLost is returned by [Claim.Finish] and [Claim.Release] if the claim is no longer the one that writes the run: it
	// was lost or released, and somebody else may have adopted the run, ended it, or begun another one.
	ErrLost = errors.New("snapshot: the claim is lost")

	// ErrLive is returned by [Store.Forget] for a run that has not ended.
	ErrLive = errors.New("snapshot: the run has not ended")
)

// Store holds one entry per topic. Its methods may be called from any goroutine.
type Store interface {
	// Claim takes topic for a new run. Of any number of callers, in any number of processes that share the store,
	// exactly one gets a Claim, together with the Live entry that it made. The others get a nil Claim and the entry that
	// stands: a Live one to join, an Orphan that can be adopted, or, with opts.KeepFinal, a retained Final one. When Claim
	// returns, the followers of this Store value have been told of that entry or a newer one.
	//
	// With opts.Adopt, Claim begins no run. It takes over the run of that id if it is an Orphan, and of any number of
	// callers exactly one gets the Claim. The others get a nil Claim and the entry of topic, the zero Entry if it has none.
	//
	// An error means that nothing was claimed: ctx ended, or the store cannot be reached.
	Claim(ctx context.Context, topic string, opts ClaimOptions) (Claim, Entry, error)

	// Follow calls fn with each current entry, then synced once (it may be nil), then fn with the changes until ctx
	// ends. It then returns ctx's error, and another error only if it cannot continue. Intermediate states may be
	// skipped, but never the last one. Calls never overlap, and none happens after Follow has returned. fn and synced
	// run where the store's locks may be held: they must neither block nor call the store or one of its claims.
	Follow(ctx context.Context, fn func(Entry), synced func()) error

	// Forget gives up the retained Final entry of topic before its retention is over, if run wrote it. It does nothing
	// if topic has no entry, or that of another run, and returns [ErrLive] if run has not ended. When it returns nil,
	// the followers of this Store value have been told of the run's Final entry, as after Finish, and then that it is
	// Gone or replaced.
	//
	// Any other error means that ctx ended or that the store cannot be reached. The entry may then be gone or not.
	Forget(ctx context.Context, topic, run string) error

	// Sync returns nil once the followers of this Store value have been told of all that anybody had written when it was
	// called: whoever does not find what another process has just written calls it and looks again. It fails if ctx ends
	// before, or if the store cannot be reached. A store whose entries outlive the process has written them then, what was put
	// included.
	Sync(ctx context.Context) error

	// MaxData returns how many bytes of data an entry can have. What is longer must not be put, and does not replace
	// anything: see [Claim.Put] and [Claim.Finish]. It does not change.
	MaxData() int
}

// Claim is the right to write a topic, held by one run. Its methods may be called from any goroutine.
type Claim interface {
	// Run returns the id of the run: 1 to 40 ASCII letters and digits, unique.
	Run() string

	// Put replaces the topic's data. It never blocks: if puts come faster than the store can take them, the newest
	// wins. After the end of the run, or once the claim is lost, it does nothing, and neither does it with more than
	// [Store.MaxData] bytes. data must not be modified afterwards.
	Put(data []byte)

	// Finish ends the run with its last data, which is kept for retention and then forgotten; with zero or less it is
	// forgotten at once, after followers had a chance to see it. The first Finish counts; later ones return [ErrOver], and
	// [ErrLost] if the claim was lost or released before. It fails with more than [Store.MaxData] bytes. It may block until
	// ctx ends if the store cannot be reached. data must not be modified afterwards.
	Finish(ctx context.Context, data []byte, retention time.Duration) error

	// Release gives up the claim without an end: the entry stands as an Orphan, with what was put last, until somebody
	// adopts it. It returns ErrOver after Finish, and ErrLost if the claim was lost or released before. It may block
	// until ctx ends if the store cannot be reached; the entry will become an Orphan in any case.
	Release(ctx context.Context) error

	// Lost returns a channel that is closed when the claim is lost without Finish and Release, or nil if that cannot
	// happen.
	Lost() <-chan struct{}
}

// ClaimOptions are the options of [Store.Claim].
type ClaimOptions struct {
	// KeepFinal joins a retained Final entry instead of replacing it with a new run.
	KeepFinal bool

	// Run is the id for the new run: 1 to 40 ASCII letters and digits, never used before; Claim panics if it has
	// another form. Empty means a random one.
	Run string

	// Adopt is the id of an Orphan's run to take over: N goes on from where it is, the data stands until the first Put,
	// and the claim that wrote the run before can no longer change anything. KeepFinal and Run must not be set. Empty
	// means to begin a new run.
	Adopt string
}
