package jobs_test

import (
	"fmt"
	"testing"

	"github.com/tidewire/tidewire/internal/jobs"
)

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
	const oldest = all - jobs.MaxExpired // that is remembered
	for i, want := range map[int]bool{all - 1: true, oldest: true, oldest - 1: false, 0: false} {
		if got := expired.Has(fmt.Sprint(i)); got != want {
			t.Errorf("run %d of %d has expired, as far as is known: %t, want %t", i, all, got, want)
		}
	}
}
