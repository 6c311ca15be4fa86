// Package snapshottest holds the tests that every [snapshot.Store] must pass.
//
//	func TestStore(t *testing.T) {
//		snapshottest.Run(t, func(t *testing.T) snapshot.Store { return openMyStore(t) })
//	}
//
// Each test gets a store of its own, as empty as the day it was made. The suite asks for what package snapshot
// promises and for nothing more: a store may skip intermediate states, and may take its time to tell followers,
// except where the contract forbids it. Retentions are one second, so stores that count in seconds can pass.
//
// [Distant] is a store that takes that time, for the tests of code that uses one.
package snapshottest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/snapshot"
)

// Run runs the suite on the stores that open returns. What open needs to clean up it registers with t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) snapshot.Store) {
	for _, c := range suite {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

// RunInBubble is Run with each test, open included, in a [synctest] bubble of its own: for stores that live wholly in
// the process, whose retentions then pass at once and whose leaked goroutines fail the test.
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
	{"FirstFinishCounts", firstFinishCounts},
	{"OldRunChangesNothing", oldRunChangesNothing},
	{"DataStays", dataStays},
	{"ClaimEndsWithContext", claimEndsWithContext},
	{"FollowEndsWithContext", followEndsWithContext},
}

// retention is how long the suite has Final entries kept where they are to expire; keep is for those that are not.
const (
	retention = time.Second
	keep      = time.Hour
)
