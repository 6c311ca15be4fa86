package archive

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// Bounds of [Samples].
const (
	// MaxPolls is how many polls of a source are listed.
	MaxPolls = 50
	// MaxPollError bounds the error of a poll, in bytes; what is longer is cut.
	MaxPollError = 200
	// MaxFields is how many fields of a source are kept at a time: an upstream may invent names for ever.
	MaxFields = 32
)

// A Poll is how one poll of a source went.
type Poll struct {
	At        time.Time     // when the value was got, or when the poll failed, by the wall clock; kept to the millisecond
	Took      time.Duration // kept to the microsecond, up to an hour
	Status    int           // as the peer said: of HTTP, or an exit code, at most 65,535
	HasStatus bool          // false: there is no Status
	Size      int           // bytes of the answer; 0: it was empty, or was not read
	State     string        // of the source, after the poll; of few words
	Error     string        // why it failed, or why the value is stale; empty: neither
}

// A Sample is a poll with the value that it gave.
type Sample struct {
	Poll
	Value any // its numbers are kept, see [Number]; nil: it has none, so there is a gap
	// Followed says that another process has polled, so that its value and its error alone are known: it is not among the
	// polls that are listed. Only an archive in memory gets such samples.
	Followed bool
}

// A Bucket is the numbers of one field over some polls: those after the bucket before, up to its own time.
type Bucket struct {
	At             time.Time // of the newest poll in it
	Last, Min, Max float64   // NaN: polls failed, or gave no number
	Mean           float64   // NaN: there is none, or it is not known
	Count          int       // of the numbers; 0: there is none, or it is not known
}

// Numbers are what was kept of one field.
type Numbers struct {
	Fields  []string // all fields that have numbers, sorted, at most [MaxFields]; "" is the value itself
	Buckets []Bucket // in the order of their times
}

// Samples keeps what the polls of sources gave: of each source the newest [MaxPolls] polls, and its numbers for as long
// as [Samples.Keep] says.
//
// All numbers are kept: the value if that is one, or else each member of it that is one. How many numbers share a bucket
// depends on the implementation and on their age; none is lost, only merged. A gap, in which polls failed or there were
// none since nobody polled, is a bucket without numbers, as long as that is not shorter than the buckets at its sides.
//
// The clock may be set at any time. Of the two times that polls had then, an archive in memory forgets the older polls,
// one on disk keeps both.
type Samples interface {
	// Keep has the numbers of a source kept for a time from now on, which is at least a minute; 0: no longer at all.
	Keep(source string, span time.Duration)

	// Leave tells that a source is not polled any more, or that its values mean something else from now on. An archive in
	// memory forgets the source, one on disk does so when the numbers are too old.
	Leave(source string)

	// Add adds a poll of a source. It never blocks and cannot fail; what is added is on disk a moment later, if there is
	// one. It does not keep the value.
	Add(source string, s Sample)

	// Gap tells that a source has no number at a time, although no poll said so.
	Gap(source string, at time.Time)

	// Read returns the numbers of a field from one time to another, both included. The error is [ErrNotFound] for a
	// source whose numbers are not kept, or why the archive cannot be read. A field without numbers has none.
	Read(ctx context.Context, source, field string, since, until time.Time) (Numbers, error)

	// Polls returns the newest polls of a source, newest first. The error is why the archive cannot be read: a source
	// that is not known has none.
	Polls(ctx context.Context, source string) ([]Poll, error)
}

// Decode returns the value that data is as JSON, with null for each number that is too large for one, and whether it is any.
func Decode(data []byte) (value any, ok bool) {
	err := json.Unmarshal(data, &value)
	_, isLarge := errors.AsType[*json.UnmarshalTypeError](err)
	return value, err == nil || isLarge
}

// Number is v as [Samples] counts it: JSON numbers of any type as such, true as 1, false as 0, so that a chart shows when a
// pump ran. Other values are none.
func Number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, !math.IsNaN(v) && !math.IsInf(v, 0)
	case int: // as jq has it
		return float64(v), true
	case json.Number:
		x, err := v.Float64()
		return x, err == nil
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

// Few returns a value of which [Samples] keeps all numbers: the value itself, or if it is an object with more numbers than
// [MaxFields] one with the numbers of those of its fields that are first by name, and of the field first if it has one.
func Few(value any, first string) any {
	object, ok := value.(map[string]any)
	if !ok || len(object) <= MaxFields {
		return value
	}
	few := make(map[string]any, MaxFields)
	if _, ok := Number(object[first]); ok {
		few[first] = object[first]
	}
	for _, field := range slices.Sorted(maps.Keys(object)) {
		if len(few) == MaxFields {
			break
		}
		if _, ok := Number(object[field]); ok {
			few[field] = object[field]
		}
	}
	return few
}

// CutError returns the error of a poll as it is kept: at most [MaxPollError] bytes.
func CutError(text string) string {
	if len(text) <= MaxPollError {
		return text
	}
	const dots = "..."
	return strings.ToValidUTF8(text[:MaxPollError-len(dots)], "") + dots
}

// Merge merges buckets into at most that many, which must be 2 or more. A bucket without numbers shows only where it is
// not merged with one that has some. Until is the end of the time that was asked for.
func Merge(all []Bucket, points int, until time.Time) []Bucket {
	if len(all) <= points {
		return all
	}
	// Cells of fixed places, so that a point does not change with every poll.
	end := max(until.UnixMilli(), all[len(all)-1].At.UnixMilli())
	width := (end-all[0].At.UnixMilli())/int64(points-1) + 1
	merged := all[:1:1]
	for _, b := range all[1:] {
		last := &merged[len(merged)-1]
		if b.At.UnixMilli()/width == last.At.UnixMilli()/width {
			last.Add(b)
		} else {
			merged = append(merged, b)
		}
	}
	return merged
}

// Mean is the mean of numbers whose mean is old, and of others whose mean is newer and which have that share of all. It
// does not overflow, however far apart the two are.
func Mean(old, newer, share float64) float64 {
	if apart := newer - old; !math.IsInf(apart, 0) {
		return old + apart*share
	}
	half := (newer/2 - old/2) * share
	return old + half + half
}

// Add merges a newer bucket into b.
func (b *Bucket) Add(newer Bucket) {
	b.At = newer.At
	switch {
	case newer.Last != newer.Last: // a gap, which shows only where nothing else is
	case b.Last != b.Last:
		*b = newer
	default:
		b.Last, b.Min, b.Max = newer.Last, min(b.Min, newer.Min), max(b.Max, newer.Max)
		if b.Count += newer.Count; b.Count > 0 {
			b.Mean = Mean(b.Mean, newer.Mean, float64(newer.Count)/float64(b.Count))
		}
	}
}
