package wire

import (
	"encoding/json"
	"time"

	"github.com/tidewire/tidewire/internal/clock"
)

// The states of a source. They are untyped, so that they compare with what a program has decoded into any.
const (
	SourcePending = "pending" // not polled yet
	SourceOK      = "ok"
	SourceStale   = "stale"   // a good value, but the last poll failed or the value is too old
	SourceFailing = "failing" // polled without ever getting a good value
	SourceRemoved = "removed" // not configured any more: the last snapshot on a stream
)

// Why the next poll of a source is not due when its pause ends.
const (
	WaitingBackoff   = "backoff"    // the last poll failed
	WaitingRateLimit = "rate limit" // of the upstream: its own, or the configured one
)

// PaceUnwatched is why the pause of a source is another one: nobody watches it. Otherwise its value is the reason.
const PaceUnwatched = "unwatched"

// A Source is the snapshot of a source.
type Source struct {
	Key       string          `json:"key"`
	Name      string          `json:"name"`
	Title     string          `json:"title"`
	Section   string          `json:"section,omitempty"`  // where it stands, such as Plant/Line 1; empty: in no section
	Kind      string          `json:"kind,omitempty"`     // such as http: where its values come from; empty: it is removed
	Upstream  string          `json:"upstream,omitempty"` // that it asks; empty: none of the configuration
	Told      bool            `json:"told,omitempty"`     // its peer tells its values and cannot be asked for one: a refresh is refused
	Inputs    []string        `json:"inputs,omitempty"`   // the names of the sources that it is computed from; nil: it is not
	State     string          `json:"state"`              // one of SourcePending ... SourceRemoved
	Since     *time.Time      `json:"since"`              // when it came into the state; null: it is removed
	Value     json.RawMessage `json:"value"`              // null: there never was one
	Show      Show            `json:"show"`
	UpdatedAt *time.Time      `json:"updated_at"`              // when the value was got; null: never
	StaleAt   *time.Time      `json:"stale_at"`                // when the value is too old unless a poll renews it; null: never
	NextAt    *time.Time      `json:"next_at"`                 // when the next poll is due; null: none is
	Waiting   string          `json:"waiting"`                 // why NextAt is not where the source's pause ends; empty: it is
	Every     Span            `json:"every,omitempty"`         // the pause between two polls now; 0: it is not polled
	Pace      string          `json:"pace,omitempty"`          // why that is not the usual pause: PaceUnwatched, or the condition of its value that holds; empty: it is
	Error     *string         `json:"error"`                   // why the last poll failed or the value is stale; null: neither
	Missing   *time.Time      `json:"missing_since,omitempty"` // of a row: since when it is not among those of its source; nil: it is
	Cause     string          `json:"cause,omitempty"`         // Error without what was asked, such as "connection refused"; empty: there is no error
	Alert     *Alert          `json:"alert"`                   // null: there is none, or it is clear
	Replica   string          `json:"replica,omitempty"`       // the name of the one that polls it; empty: no others share the store
}

// Show is how a page presents a value, as the configuration says.
type Show struct {
	Value    string   `json:"value,omitempty"`    // the picked field that is the headline
	Unit     string   `json:"unit,omitempty"`     // for example "°C"
	Min      *float64 `json:"min,omitempty"`      // lower end of the scale
	Max      *float64 `json:"max,omitempty"`      // upper end of the scale
	Decimals *int     `json:"decimals,omitempty"` // digits behind the point, 0 to 10
	History  Span     `json:"history,omitempty"`  // how long numbers are remembered; 0: not at all
}

// A Span is a duration that is JSON as people write it: "24h".
type Span time.Duration

// MarshalText gives the span as "24h", "1h30m" or "45s".
func (s Span) MarshalText() ([]byte, error) { return []byte(clock.Short(time.Duration(s))), nil }

// UnmarshalText reads what [time.ParseDuration] reads.
func (s *Span) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	*s = Span(d)
	return err
}

// Sources is the answer with every source.
type Sources struct {
	Sources []Source `json:"sources"`
}

// History is the numbers of one field of a source, in columns. A point stands for all polls after the point before it,
// up to its own time.
type History struct {
	Name   string   `json:"name"` // of the source
	Field  string   `json:"field"`
	Fields []string `json:"fields"`          // all that have numbers, by name; "" is the value itself
	T      []int64  `json:"t"`               // ms since 1970, ascending
	V      Numbers  `json:"v"`               // the newest number of each point
	Min    Numbers  `json:"min"`             // the least one
	Max    Numbers  `json:"max"`             // the largest one
	Mean   Numbers  `json:"mean,omitempty"`  // their mean; nil: it is not known
	Count  []int    `json:"count,omitempty"` // how many there are; nil: it is not known
}
