package snapshot_test

import (
	"context"
	"testing"
	"time"

	"github.com/tidewire/tidewire/snapshot"
)

// A topic is claimed, or what is left in it is adopted, unless somebody writes it, or its end is to be kept.
func TestClaimOrAdopt(t *testing.T) {
	ctx, m := context.Background(), snapshot.NewMemory()
	take := func(opts snapshot.ClaimOptions, wantClaim bool, wantState snapshot.State, wantData string) snapshot.Claim {
		t.Helper()
		claim, entry, err := snapshot.ClaimOrAdopt(ctx, m, "a", opts)
		if err != nil || (claim != nil) != wantClaim || entry.State != wantState || string(entry.Data) != wantData {
			t.Fatalf("ClaimOrAdopt = %v, %v %q, %v, want a claim: %v, and %v %q", claim, entry.State, entry.Data, err, wantClaim, wantState, wantData)
		}
		return claim
	}
	first := take(snapshot.ClaimOptions{}, true, snapshot.Live, "")
	first.Put([]byte("1"))
	take(snapshot.ClaimOptions{}, false, snapshot.Live, "1")
	if err := first.Release(ctx); err != nil {
		t.Fatal(err)
	}
	second := take(snapshot.ClaimOptions{KeepFinal: true}, true, snapshot.Live, "1")
	if second.Run() != first.Run() {
		t.Errorf("the run that is adopted is %s, want %s", second.Run(), first.Run())
	}
	if err := second.Finish(ctx, []byte("2"), time.Minute); err != nil {
		t.Fatal(err)
	}
	take(snapshot.ClaimOptions{KeepFinal: true}, false, snapshot.Final, "2")
	if third := take(snapshot.ClaimOptions{}, true, snapshot.Live, ""); third.Run() == first.Run() {
		t.Errorf("run %s begins again after its end", first.Run())
	}
}
