// Package snapshottest holds the tests that every [snapshot.Store] must pass.
//
//	func TestStore(t *testing.T) {
//		snapshottest.Run(t, func(t *testing.T) snapshot.Store { return openMyStore(t) })
//	}
//
// Each test gets a new, empty store. The suite requires what package snapshot promises and nothing more: a store may
// skip intermediate states, and may call followers late, except where the contract forbids it. Retentions are one
// second, so stores that count in seconds can pass.
//
// Stores whose entries outlive the process, or that several processes share, also run [RunShared].
//
// [Distant] is a store that calls its followers late, and [Process] one whose process can die, for tests of code that
// uses a store.
package snapshottest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/snapshot"
)

// Run runs the suite on the stores that open returns. open registers its cleanup with t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) snapshot.Store) {
	for _, c := range suite {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

// RunInBubble is like Run, with each test, open included, in its own [synctest] bubble. It is for stores that live
// wholly in the process: retentions pass at once, and leaked goroutines fail the test.
func RunInBubble(t *testing.T, open func(t *testing.T) snapshot.Store) {
	for _, c := range suite {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.test(t, open(t)) })
		})
	}
}

var suite = []struct {
	name string
	test func(*testing.T, snapshot.Store)
}{
	{"OneClaimOfMany", oneClaimOfMany},
	{"JoinLive", joinLive},
	{"FinalIsReplaced", finalIsReplaced},
	{"KeepFinal", keepFinal},
	{"ClaimIsSeenWhenItReturns", claimIsSeenWhenItReturns},
	{"RunIDs", runIDs},
	{"NewestWins", newestWins},
	{"LastIsNeverSkipped", lastIsNeverSkipped},
	{"FollowReplaysThenSyncs", followReplaysThenSyncs},
	{"FollowWhileWriting", followWhileWriting},
	{"RetentionEndsInGone", retentionEndsInGone},
	{"NoRetention", noRetention},
	{"RetentionWithoutEnd", retentionWithoutEnd},
	{"ExpirySparesReplacement", expirySparesReplacement},
	{"ForgetIsSeenWhenItReturns", forgetIsSeenWhenItReturns},
	{"ForgetSparesOthers", forgetSparesOthers},
	{"ForgetOfARunThatHasNotEnded", forgetOfARunThatHasNotEnded},
	{"ForgetWhileClaiming", forgetWhileClaiming},
	{"ForgetEndsWithContext", forgetEndsWithContext},
	{"AdoptedRunGoesOn", adoptedRunGoesOn},
	{"OrphanIsNotReplaced", orphanIsNotReplaced},
	{"OnlyAnOrphanIsAdopted", onlyAnOrphanIsAdopted},
	{"OneAdoptsOfMany", oneAdoptsOfMany},
	{"ReleasedClaimChangesNothing", releasedClaimChangesNothing},
	{"ReleaseWhileWriting", releaseWhileWriting},
	{"SyncSeesWhatWasWritten", syncSeesWhatWasWritten},
	{"DataHasABound", dataHasABound},
	{"FirstFinishCounts", firstFinishCounts},
	{"OldRunChangesNothing", oldRunChangesNothing},
	{"DataStays", dataStays},
	{"ClaimEndsWithContext", claimEndsWithContext},
	{"FollowEndsWithContext", followEndsWithContext},
}

// retention is the retention of Final entries that have to expire during a test; keep is for those that must not.
const (
	retention = time.Second
	keep      = time.Hour
)
