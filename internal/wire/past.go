package wire

import "time"

// Polls is the newest polls of a source, newest first.
type Polls struct {
	Name  string `json:"name"` // of the source
	Polls []Poll `json:"polls"`
}

// A Poll is how one poll of a source went.
type Poll struct {
	At     time.Time `json:"at"`     // when the value was got, or when the poll failed
	Took   float64   `json:"took"`   // seconds
	Status *int      `json:"status"` // as HTTP has it, or the exit code of a program; null: there is no such thing, or no answer
	Size   *int      `json:"size"`   // bytes of the answer; null: it was empty, or was not read
	State  string    `json:"state"`  // of the source, after the poll
	Error  *string   `json:"error"`  // why it failed, or why the value is stale; null: neither
}

// Availability is how available a source was.
type Availability struct {
	Name          string     `json:"name"`           // of the source
	CompleteSince *time.Time `json:"complete_since"` // what was before was dropped, as there was too much; null: nothing was
	Windows       []Window   `json:"windows"`        // until now: 24h, 7d, 30d and 365d
	Days          []Day      `json:"days"`           // the last 30, with today as the last one
	Outages       []Outage   `json:"outages"`        // newest first
	More          bool       `json:"more"`           // there are older outages, which are not listed
}

// A Window is how a source was over some time: the share of the time that it was in each state, from 0 to 1.
type Window struct {
	Window string `json:"window"` // 24h, 7d, 30d or 365d
	Shares
}

// Shares are the shares of a time that a source was in each state, from 0 to 1.
type Shares struct {
	Availability *float64 `json:"availability"` // percent of the known time that it was ok; below 100 after any outage; null: nothing is known
	OK           float64  `json:"ok"`
	Stale        float64  `json:"stale"`
	Failing      float64  `json:"failing"`
	Pending      float64  `json:"pending"`
	Unknown      float64  `json:"unknown"` // the gateway did not run, or the source was not configured
}

// An Outage is a time in which a source was stale or failing.
type Outage struct {
	From  time.Time  `json:"from"`
	To    *time.Time `json:"to"` // null: it lasts
	State string     `json:"state"`
	Error *string    `json:"error"` // why it began
}

// A Day is how a source was on one day: the share of the day, as far as that is past, that it was in each state, from 0 to 1.
type Day struct {
	From time.Time `json:"from"` // when the day began where the gateway is
	Shares
}

// Trends is how all sources were over the last 24 hours, in few numbers.
type Trends struct {
	Until  time.Time `json:"until"`  // when the last half hour of each ends; it may not be over
	Trends []Trend   `json:"trends"` // in the order of the configuration
}

// A Trend is a source over 48 half hours.
type Trend struct {
	Name  string  `json:"name"`  // of the source
	Trend Numbers `json:"trend"` // the last headline of each half hour; empty: it has no number as its headline, or no history
	Day   string  `json:"day"`   // the worst state of each half hour, as a letter: TrendOK, TrendStale, TrendFailing or TrendUnknown
}

// What the letters of [Trend.Day] mean.
const (
	TrendOK      = 'o'
	TrendStale   = 's'
	TrendFailing = 'f'
	TrendUnknown = 'u' // nobody polled it, or it had no value yet
)
