package jobs_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/jobs"
)

// A caller who makes up keys forgets their own, not those of others; all together are bounded, too.
func TestKeysOfOneCallerDisplaceTheirOwn(t *testing.T) {
	keys, now := jobs.NewKeys(), time.Now()
	keys.Remember("ann", "k", now)
	for i := range 2 * jobs.MaxKeys {
		keys.Remember("bob", strconv.Itoa(i), now.Add(time.Duration(i)))
	}
	if !keys.Has("ann", "k") || !keys.Has("bob", strconv.Itoa(2*jobs.MaxKeys-1)) || keys.Has("bob", "0") {
		t.Error("want ann's key and bob's newest, but not bob's oldest")
	}
	if got, callers := keys.Count(); got > jobs.MaxOwnKeys+1 || callers != 2 {
		t.Errorf("%d keys of %d callers, want at most %d of 2", got, callers, jobs.MaxOwnKeys+1)
	}
	for i := range 2 * jobs.MaxKeys {
		keys.Remember(strconv.Itoa(i), "k", now.Add(time.Duration(i)))
	}
	if got, callers := keys.Count(); got > jobs.MaxKeys || callers > got {
		t.Errorf("%d keys of %d callers, want at most %d", got, callers, jobs.MaxKeys)
	}
}

// However many runs expire, a bounded number of ids is remembered: the newest.
func TestIdsOfExpiredRunsAreBounded(t *testing.T) {
	expired := jobs.NewForgotten()
	const all = 3 * jobs.MaxExpired
	for i := range all {
		expired.Expire(fmt.Sprint(i))
	}
	if got := expired.Count(); got > jobs.MaxExpired {
		t.Errorf("%d ids are remembered, want at most %d", got, jobs.MaxExpired)
	}
	for i, want := range map[int]bool{all - 1: true, all - jobs.MaxExpired: true, all - jobs.MaxExpired - 1: false, 0: false} {
		if got := expired.Has(fmt.Sprint(i)); got != want {
			t.Errorf("run %d of %d has expired, as far as is known: %t, want %t", i, all, got, want)
		}
	}
}
