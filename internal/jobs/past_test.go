package jobs_test

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// Runs that end at the same moment displace each other: as many stay as the job keeps.
func TestRunsThatEndTogetherKeepAsManyAsTheJobAllows(t *testing.T) {
	for _, keep := range []int{1, 3} {
		b := open(t, fmt.Sprintf(`jobs: {j: {exec: [x, "{n}"], args: {n: {type: int}}, on_busy: queue, queue: 100, keep: {runs: %d}}}`, keep),
			untilDone)
		var ids []string
		for round := range 10 {
			var cancels sync.WaitGroup
			var runs []string
			for i := range 40 {
				run, err := b.start("j", n(100*round+i))
				if err != nil {
					t.Fatal(err)
				}
				runs = append(runs, run.Snapshot().ID)
			}
			for _, id := range runs {
				cancels.Go(func() { b.Cancel(id) })
			}
			cancels.Wait()
			ids = append(ids, runs...)
		}
		kept := func() (kept int) {
			for _, id := range ids {
				if _, err := b.Lookup(t.Context(), id); err == nil {
					kept++
				}
			}
			return kept
		}
		for deadline := time.Now().Add(10 * time.Second); kept() != keep && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
		if got := kept(); got != keep {
			t.Errorf("%d of %d ended runs can be looked up, want %d", got, len(ids), keep)
		}
		b.Stop()
		if got := b.Open(); got != 0 {
			t.Errorf("%d runs are remembered as not in the archive, want none", got)
		}
	}
}
