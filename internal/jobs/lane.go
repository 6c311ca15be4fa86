package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/text"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse/progress"
)

// Of a job with parallel_by, the runs that have equal values of those arguments are in one lane. Those of different lanes run side by
// side; within a lane all is as in a job without.

// maxLanes bounds the lanes of a job that have runs.
const maxLanes = 100

// laneOf is the lane of a run of a job with parallel_by: the values of those arguments. It is empty for any other job.
func laneOf(j *config.Job, args map[string]any) string {
	if len(j.ParallelBy) == 0 {
		return ""
	}
	values := make([]any, len(j.ParallelBy))
	for i, name := range j.ParallelBy {
		values[i] = args[name]
	}
	lane, _ := json.Marshal(values) // texts, numbers and truths encode
	return string(lane)
}

// LaneText is the lane of a run for people: "gate", or "gate, hard" if there are several arguments. It is empty for a job without
// parallel_by.
func LaneText(j *config.Job, args map[string]any) string {
	var values []string
	for _, name := range j.ParallelBy {
		if value := args[name]; value != nil && value != "" {
			values = append(values, text.Cut(fmt.Sprint(value), maxLaneText))
		}
	}
	return strings.Join(values, ", ")
}

// maxLaneText bounds what is told of the value of an argument.
const maxLaneText = 80

// A passed counts the runs that come before others in the queue.
type passed struct {
	ofJob, ofGroup map[string]int
	ofLane         map[[2]string]int // by job and lane
	inGroup        map[[2]string]int // by job and group
}

func newPassed() *passed {
	return &passed{map[string]int{}, map[string]int{}, map[[2]string]int{}, map[[2]string]int{}}
}

func (p *passed) add(r *Run) {
	name, group := r.job.Name, r.job.Group
	p.ofJob[name]++
	p.ofLane[[2]string{name, r.lane}]++
	if group != "" {
		p.ofGroup[group]++
		p.inGroup[[2]string{name, group}]++
	}
}

// conflicts returns how many of the runs before r have to end before it begins: those of its job, or of its lane, and those
// of other jobs of its group.
func (p *passed) conflicts(r *Run) int {
	name, group := r.job.Name, r.job.Group
	ahead := p.ofJob[name]
	if r.lane != "" { // a run without a lane was begun before a reload
		ahead = p.ofLane[[2]string{name, r.lane}] + p.ofLane[[2]string{name, ""}]
	}
	if group != "" {
		ahead += p.ofGroup[group] - p.inGroup[[2]string{name, group}]
	}
	return ahead
}

// ends are the statuses of runs that have ended, but for those that were cancelled, which say nothing of their lanes.
var ends = []string{
	string(progress.StatusSucceeded), wire.StatusWarned, string(progress.StatusFailed), string(progress.StatusTimedOut), string(progress.StatusLost),
}

// lanesLook is how many ends are looked at for those of other lanes.
const lanesLook = 500

// failsBeside reports that a run of a job with parallel_by has succeeded, and the newest one of another lane has not: the alert
// of the job is about that, too. An end counts when the store has it: its alert is told before the archive has it. The caller holds
// Service.ending.
func (s *Service) failsBeside(run wire.Run) bool {
	j := s.Job(run.Job)
	if j == nil || len(j.ParallelBy) == 0 || run.Status != progress.StatusSucceeded || j.alert.Alert() == nil {
		return false // nothing fires that could stay
	}
	ctx, done := context.WithTimeout(context.Background(), archiveWithin)
	defer done()
	list, _, err := s.Runs(ctx, archive.RunFilter{Job: run.Job, Statuses: ends, Limit: lanesLook})
	if err != nil {
		return false
	}
	looked := map[string]bool{laneOf(j.Job, run.Args): true}
	for _, r := range list {
		lane := laneOf(j.Job, recordOf(r.ID, r.Data).Args)
		if failed := r.Status != string(progress.StatusSucceeded) && r.Status != wire.StatusWarned; failed && !looked[lane] {
			return true
		}
		looked[lane] = true
	}
	return false
}
