package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/wire"
)

// catchUp is how long ago a run may have been due that nobody has started, for the next holder of its unit to do so.
const catchUp = time.Minute

// most bounds how many instants are looked through for the newest one.
const most = 1000

// dueAt returns the newest instant of a timetable after since and not after now, zero if there is none. An interval has no
// instants: it counts from the run before.
func dueAt(at *config.At, since, now time.Time) (due time.Time) {
	if strings.HasPrefix(at.Cron, "@every") {
		return due
	}
	t := timeTable{at}
	for range most {
		if since = t.Next(since); since.IsZero() || since.After(now) {
			return due
		}
		due = since
	}
	return due
}

// runOf is the id of the run of a job that an instant of its timetable starts, whichever process does that.
func runOf(job string, due time.Time) string {
	sum := sha256.Sum256([]byte(job + "\x00" + strconv.FormatInt(due.UnixMilli(), 10)))
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:])[:26]
}

// startDue starts a run by the timetable, unless that was done for this instant, which is zero for an interval.
func (j *Job) startDue(ctx context.Context, due time.Time) {
	opts := StartOptions{Trigger: wire.TriggerSchedule, Audit: j.s.deps.Audit}
	if j.s.units != nil && !due.IsZero() {
		opts.Due, opts.ID = due, runOf(j.Name, due)
		if _, err := j.s.Lookup(ctx, opts.ID); err == nil || j.s.queue.find(opts.ID) != nil {
			return
		}
	}
	args, wrong := j.Bind(nil)
	if wrong != nil { // a default that was right when the configuration was read, such as the path of a file
		j.notStarted(ctx, wrong[0])
		return
	}
	opts.Args = args
	if _, _, err := j.s.Start(ctx, j, opts); err != nil {
		j.notStarted(ctx, err)
	}
}

// makeUp starts the run that was due last, if that is not long ago and nobody has started it.
func (j *Job) makeUp(ctx context.Context) {
	if j.At == nil {
		return
	}
	now := j.s.deps.Clock.Wall()
	since := now.Add(-catchUp)
	j.s.units.mu.Lock()
	if own := j.s.units.heldLocked(UnitOf(j.Job)); own != nil && own.state.Due[j.Name].After(since) {
		since = own.state.Due[j.Name]
	}
	j.s.units.mu.Unlock()
	if due := dueAt(j.At, since, now); !due.IsZero() {
		j.startDue(ctx, due)
	}
}
