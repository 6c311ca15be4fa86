package jobs_test

import (
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/jobs"
)

// A lane is told by the values of its arguments, however long they are.
func TestALaneInWords(t *testing.T) {
	args := map[string]any{"host": "gate", "mode": "hard", "n": int64(7), "none": "", "long": strings.Repeat("x", 1000)}
	for by, want := range map[string]string{"": "", "host": "gate", "host mode": "gate, hard", "n none gone": "7"} {
		if got := jobs.LaneText(&config.Job{ParallelBy: strings.Fields(by)}, args); got != want {
			t.Errorf("the lane by %q is %q, want %q", by, got, want)
		}
	}
	if got := jobs.LaneText(&config.Job{ParallelBy: []string{"long"}}, args); len(got) > 100 {
		t.Errorf("the lane has %d bytes", len(got))
	}
}
