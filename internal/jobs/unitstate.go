package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/replica"
	"github.com/tidewire/tidewire/internal/wire"
)

// A unitState is the entry of a unit, as JSON.
type unitState struct {
	Format int                    `json:"v"`                // see package replica
	N      uint64                 `json:"n"`                // counts the changes
	Holder string                 `json:"holder"`           // the ID of the replica
	Starts map[string][]time.Time `json:"starts,omitempty"` // by job: those that count for its limit
	Due    map[string]time.Time   `json:"due,omitempty"`    // by job: what was due until then need not be made up for
	Living map[string][]string    `json:"living,omitempty"` // by job that starts with the replicas: those that live
	Keys   []unitKey              `json:"keys,omitempty"`   // the oldest first
	At     time.Time              `json:"at,omitzero"`      // when it was changed last
}

// A unitKey is an Idempotency-Key and the run that it led to.
type unitKey struct {
	Caller string `json:"caller"`
	Job    string `json:"job"`
	Key    string `json:"key"`
	Args   []byte `json:"args"` // a hash; none of a job with secret arguments
	Run    string `json:"run"`
	Made   bool   `json:"made,omitempty"` // it leads to that run for good, see [Service.noteMade]
}

// is reports whether two keys are the same, whatever they led to.
func (k unitKey) is(other unitKey) bool {
	return k.Caller == other.Caller && k.Job == other.Job && k.Key == other.Key
}

// UnitOf returns the unit of a job: that of its group, of its upstream, whose limits are then kept by one process, or its
// own; on one replica, if the job is by its configuration.
func UnitOf(j *config.Job) string {
	unit := wire.JobKey(j.Name)
	switch {
	case j.Group != "":
		unit = "group/" + j.Group
	case j.HTTP != nil && j.HTTP.Upstream != nil:
		unit = "upstream/" + j.HTTP.Upstream.Name
	}
	if j.On != "" { // all jobs of a group are on the same one
		unit = replica.UnitOn(j.On, unit)
	}
	return unit
}

// readUnit reads the entry of a unit. Without data there is none yet: whoever claimed the unit first has died over it.
func readUnit(data []byte, reads func(format int) error) (state unitState, err error) {
	if len(data) == 0 {
		return state, nil
	}
	var head struct {
		Format int `json:"v"`
	}
	if err = json.Unmarshal(data, &head); err == nil {
		if err := reads(head.Format); err != nil {
			return state, err
		}
		err = json.Unmarshal(data, &state)
	}
	noHash := func(k unitKey) bool { return len(k.Args) != 0 && len(k.Args) != sha256.Size }
	if err == nil && (state.Holder == "" || state.N == 0 || state.N > math.MaxInt64 || slices.ContainsFunc(state.Keys, noHash)) {
		err = errors.New("it lacks what each has")
	}
	if err != nil {
		return unitState{}, fmt.Errorf("the entry is none of a unit, so it is not known what was started: %w", err)
	}
	return state, nil
}

// refuse says once that this process cannot read a unit. Taken as if there were nothing, starts that were made would not
// count for limits, and Idempotency-Keys would start runs again.
func (u *units) refuse(name string, err error) {
	u.mu.Lock()
	known := u.refused[name]
	u.refused[name] = err.Error()
	u.mu.Unlock()
	if known != err.Error() {
		u.s.deps.Log.Error("the runs of jobs are not started here", "unit", name, "topic", unitPrefix+name, "err", err)
	}
}

// put changes the state of a unit and stores it.
func (u *units) put(own *unit, f func(*unitState)) {
	own.writing.Lock()
	defer own.writing.Unlock()
	format := u.replicas.Format()
	u.mu.Lock()
	f(&own.state)
	own.state.N++
	own.state.At = u.s.deps.Clock.Wall().UTC()
	own.state.Format = format
	data := own.state.encode(u.s.deps.Store.MaxData())
	u.mu.Unlock()
	own.claim.Put(data) // the store calls hear
}

// encode returns the state as JSON of at most that many bytes. If it has more, it forgets what is oldest: keys first, and then
// starts of the job that has the most of them.
func (state *unitState) encode(most int) []byte {
	for {
		data, _ := json.Marshal(state) // texts, times and numbers encode
		if len(data) <= most {
			return data
		}
		if n := len(state.Keys); n > 0 {
			state.Keys = state.Keys[n/8+1:]
			continue
		}
		job := ""
		for name, starts := range state.Starts {
			if n := len(starts); job == "" || n > len(state.Starts[job]) {
				job = name
			}
		}
		if len(state.Starts[job]) == 0 {
			return data // names of jobs do not have that many bytes
		}
		state.Starts[job] = state.Starts[job][len(state.Starts[job])/8+1:]
	}
}

// keepStart has the next holder know of a run that begins.
func (u *units) keepStart(r *Run) {
	limit := r.job.Limit
	if u == nil || limit.Starts == 0 {
		return
	}
	u.put(r.unit, func(state *unitState) {
		if state.Starts == nil {
			state.Starts = map[string][]time.Time{}
		}
		now := u.s.deps.Clock.Wall()
		r.counted = now
		starts := slices.DeleteFunc(state.Starts[r.job.Name], func(at time.Time) bool { return now.Sub(at) >= limit.Per })
		state.Starts[r.job.Name] = append(starts, now)
	})
}

// dropStart has the next holder not count a run for the limit that has left the queue without being admitted.
func (u *units) dropStart(r *Run) {
	if u == nil || r.counted.IsZero() || u.s.queue.wasAdmitted(r) {
		return
	}
	u.put(r.unit, func(state *unitState) {
		starts := state.Starts[r.job.Name]
		if i := slices.Index(starts, r.counted); i >= 0 {
			state.Starts[r.job.Name] = slices.Delete(starts, i, i+1)
		}
	})
}

// keepDue has the next holder know that an instant of a timetable, zero for an interval, has been dealt with: it has started
// a run, which is stored, joined one, or was refused. Without that, the next holder would make up for it.
func (u *units) keepDue(j *config.Job, due time.Time) {
	own, ok := u.of(j)
	if own == nil || !ok || due.IsZero() {
		return
	}
	u.put(own, func(state *unitState) { state.due(j.Name, due) })
}

// due notes that what a job was to start until then is done.
func (state *unitState) due(job string, until time.Time) {
	if state.Due == nil {
		state.Due = map[string]time.Time{}
	}
	state.Due[job] = later(state.Due[job], until)
}

// keep adds a key, and forgets the oldest if there are too many.
func (state *unitState) keep(key unitKey) {
	state.Keys = slices.DeleteFunc(state.Keys, key.is)
	state.Keys = append(state.Keys, key)
	state.Keys = state.Keys[max(0, len(state.Keys)-maxUnitKeys):]
}

// stored waits until the store has the state of a unit as it is now. If the unit is lost before that, or was lost at some
// time since, the error is errLost: the next holder may not know what was put.
func (u *units) stored(ctx context.Context, own *unit) error {
	if u == nil {
		return nil
	}
	u.mu.Lock()
	n := own.state.N
	u.mu.Unlock()
	for {
		u.mu.Lock()
		isStored, heard := own.stored >= n, own.heard
		u.mu.Unlock()
		switch {
		case own.isLost():
			return errLost
		case isStored:
			return nil
		}
		select {
		case <-heard:
		case <-own.claim.Lost():
			return errLost
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// restoreUnit takes up what the holder before has left.
func (s *Service) restoreUnit(state *unitState) {
	now, wall := s.deps.Clock.Now(), s.deps.Clock.Wall()
	s.queue.mu.Lock()
	for job, starts := range state.Starts {
		s.queue.starts[job] = nil
		for _, at := range starts {
			s.queue.starts[job] = append(s.queue.starts[job], now.Add(-max(0, wall.Sub(at))))
		}
	}
	s.queue.mu.Unlock()
	for _, k := range state.Keys {
		s.restoreUnitKey(k)
	}
}
