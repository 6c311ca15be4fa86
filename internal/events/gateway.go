package events

import (
	"time"

	"github.com/tidewire/tidewire/internal/archive"
)

// A startData is the data of a [Start].
type startData struct {
	// Orderly reports whether the gateway was stopped in order before; nil: it was never started before, as far as is
	// known.
	Orderly *bool `json:"orderly,omitempty"`
	// Seen is when the gateway was last known to be at work before: it was away since then, or since a later time.
	Seen *time.Time `json:"seen,omitempty"`
	// Away is how long that is ago, in seconds; nil: the clock was set back meanwhile.
	Away *float64 `json:"away,omitempty"`
}

// started records that the gateway starts, given the newest event, and the newest of [Start] or [Stop].
func (j *Journal) started(newest, before []archive.Event) {
	said, data := "started", startData{}
	if len(newest) > 0 && len(before) > 0 {
		orderly, seen := before[0].Kind == Stop, newest[0].At
		if j.deps.Before.After(seen) {
			seen = j.deps.Before.UTC()
		}
		data.Orderly, data.Seen = &orderly, &seen
		away := j.deps.Clock.Wall().Sub(seen).Round(time.Millisecond)
		if away >= 0 {
			data.Away = new(away.Seconds())
		}
		switch {
		case !orderly && away >= 0:
			said = "started; it was not stopped in order, and was away for at most " + away.Round(time.Second).String()
		case !orderly:
			said = "started; it was not stopped in order"
		}
	}
	j.add(archive.Event{Kind: Start, Text: said}, data)
}

// Stopping records how many changes were left out since they were told last, and that the gateway stops in order. What
// happens afterwards is recorded all the same.
func (j *Journal) Stopping() {
	j.report(true)
	j.add(archive.Event{Kind: Stop, Text: "stopped"}, struct{}{})
}

// Failed records that the gateway, whose start is recorded, could not start.
func (j *Journal) Failed() {
	j.add(archive.Event{Kind: Stop, Text: "could not start; the log says why"}, struct{}{})
}
