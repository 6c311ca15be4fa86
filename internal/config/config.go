// Package config turns a Tidewire configuration file into validated values.
//
// [Load] reads strict YAML: unknown keys, wrong types, bad durations, broken
// jq expressions, duplicate names and references to nothing are all reported
// at once, each with its line and column and with what would be right. A
// [Config] that Load returned without problems is complete: defaults are
// applied, references resolved and expressions compiled, so whoever runs it
// need not check again. What every key means is written in
// docs/configuration.md. A file may include others: they are one configuration.
//
// [Schema] is a JSON Schema of it for editors, [Explain] says where each value
// that holds for a source is written. Both are made of the tables of keys by
// which Load reads.
//
// # Problems
//
// A [Problem] is one line, in words that the writer of the file knows: keys
// and values of the file, never Go types. It does not quote what may be a
// credential (bearer, headers, an address with a password), nor what the
// environment or a file gave for a reference. Places are lines
// and characters as an editor counts them; inside of a jq or regular
// expression they are those of the offending token wherever the scalar's
// characters stand in the file as they are.
//
// # References
//
// "${env:NAME}", "${env:NAME:-default}" and "${file:PATH}" are expanded in the
// scalars of the parsed file, so that a value never becomes syntax. The values
// are secrets: whatever a Config prints of itself, as text or as JSON, is the
// names of its parts.
//
// # Arguments of jobs
//
// [Job.Bind] checks what somebody gives for the arguments of a job and
// [Job.Argv] puts it into the command line. These are the rules by which Load
// checks the defaults, too.
//
// # Concurrency
//
// A Config is not changed once Load has returned it; any number of goroutines
// may read it.
package config

import (
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/tidewire/tidewire/internal/jq"
)

// Config is a whole configuration, valid and with its defaults applied.
// Lists are in the order of the file.
type Config struct {
	Listen    string // host:port to serve on; 127.0.0.1:8480 unless set
	Upstreams []*Upstream
	Sources   []*Source
	Jobs      []*Job
}

// An Upstream is one service that sources poll: one credential, one limit.
type Upstream struct {
	Name   string
	URL    *url.URL    // http or https; paths of sources are joined to its path
	Header http.Header // sent with each request (bearer and header keys); never nil
	Limit  float64     // requests a second; 0 means no limit
	Burst  int         // requests that may come at once under Limit; at least 1
}

// A Source is one thing to poll. Exactly one of HTTP, Exec and From is set.
type Source struct {
	Name  string
	Title string // for people; Name unless set

	HTTP *HTTP
	Exec []string // argv
	From []string // names of other sources, recomputed when any of them changes

	Combine *jq.Program // with From: the inputs by name -> value; nil: the inputs as they are

	Parse      Parse         // how the raw result becomes a value
	Pick       []Field       // what to take of it; empty: all of it
	Every      time.Duration // pause between polls; 0 with From
	Jitter     float64       // 0 <= Jitter < 1: the fraction of Every that a poll may be late, to spread load
	Timeout    time.Duration // bound of one poll
	Backoff    Backoff       // pauses after failures
	StaleAfter time.Duration // age from which a value without a successful poll is stale; 0 with From unless set
	Show       Show
}

// HTTP is a request to an upstream. Its address and header may hold secrets.
type HTTP struct {
	Upstream *Upstream
	URL      *url.URL // complete: upstream, path and query
	Header   http.Header
}

// Parse says how the raw bytes of a poll become a value.
type Parse string

// The values of [Parse].
const (
	ParseJSON  Parse = "json"  // one JSON value (default of http)
	ParseText  Parse = "text"  // a string without surrounding white space (default of exec)
	ParseLines Parse = "lines" // a list of strings, each without surrounding white space
)

// A Field is one picked value. A pick that is a single expression has one
// Field without a name, whose result is the value itself.
type Field struct {
	Name string
	Expr *jq.Program
}

// Backoff bounds the pauses after failed polls: Min after the first, twice as
// much after each further one, at most Max.
type Backoff struct{ Min, Max time.Duration }

// Show says how a page presents a value. It is sent to the page as it is.
type Show struct {
	Value    string   `json:"value,omitempty"`    // the picked field that is the headline
	Unit     string   `json:"unit,omitempty"`     // for example "°C"
	Min      *float64 `json:"min,omitempty"`      // lower end of the scale
	Max      *float64 `json:"max,omitempty"`      // upper end of the scale
	Decimals *int     `json:"decimals,omitempty"` // digits behind the point, 0 to 10
}

// A Job is a command that people start.
type Job struct {
	Name     string
	Title    string
	Exec     []string // argv in which each {arg} stands for one argument, inside exactly one element
	Args     []Arg
	Progress *regexp.Regexp // groups "percent" and "message", either may be missing; nil: only "::progress" lines count
	Timeout  time.Duration  // bound of one run
	OnBusy   string         // "join"
}

// ArgType is the type of a job's argument.
type ArgType string

// The values of [ArgType].
const (
	ArgString ArgType = "string"
	ArgInt    ArgType = "int"
	ArgNumber ArgType = "number"
	ArgBool   ArgType = "bool"
	ArgEnum   ArgType = "enum"
	ArgHost   ArgType = "host"
	ArgCIDR   ArgType = "cidr"
)

// An Arg is an argument of a job.
type Arg struct {
	Name    string         `json:"-"`
	Type    ArgType        `json:"type"`
	Title   string         `json:"title,omitempty"`
	Default any            `json:"default,omitempty"` // string, float64, int64 or bool as of Type; nil: the argument is required
	Min     *float64       `json:"min,omitempty"`     // of int and number
	Max     *float64       `json:"max,omitempty"`
	Values  []string       `json:"values,omitempty"` // of enum
	Pattern *regexp.Regexp `json:"-"`                // of string, matched against the whole value
}
