// Package config turns a Tidewire configuration file into validated values.
//
// [Load] reads strict YAML: unknown keys, wrong types, bad durations, broken
// jq expressions, duplicate names and references to nothing are all reported
// at once, each with its line and column and with what would be right. A
// [Config] that Load returned without problems is complete: defaults are
// applied, references resolved and expressions compiled, so whoever runs it
// need not check again.
package config

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

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

// Load reads a configuration file; file is its name for messages. It returns
// either a complete [Config] or every problem in the file, never both. A file
// that is not YAML at all has the one problem at which reading it ended.
func Load(file string, data []byte) (*Config, Problems) {
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // a byte order mark
	r := &reader{file: file, lines: splitLines(string(data)), spoiled: map[*yaml.Node]bool{}}
	root := r.parse(data)
	if root == nil {
		return nil, r.problems
	}
	c := r.config(root)
	if len(r.problems) > 0 {
		r.problems.sort()
		return nil, r.problems
	}
	return c, nil
}

// config reads a whole file. Its parts are read in the order in which they
// refer to each other, wherever they stand.
func (r *reader) config(root *yaml.Node) *Config {
	var version, listen, defaults, upstreams, sources, jobs *yaml.Node
	r.mapping(root, "the file",
		key{name: "version", read: func(v *yaml.Node) { version = v }},
		key{name: "listen", read: func(v *yaml.Node) { listen = v }},
		key{name: "defaults", read: func(v *yaml.Node) { defaults = v }},
		key{name: "upstreams", read: func(v *yaml.Node) { upstreams = v }},
		key{name: "sources", read: func(v *yaml.Node) { sources = v }},
		key{name: "jobs", read: func(v *yaml.Node) { jobs = v }},
		key{name: "access", later: "remove it, and listen on loopback alone if there are jobs"},
		key{name: "notify", later: "remove it"},
		key{name: "include", later: "write everything into one file"},
		key{name: "store", later: "remove it: the newest values are kept in memory"},
	)
	c := &Config{Listen: defaultListen}
	if version != nil {
		if v, ok := r.text(version, "version", "write 1"); ok && v != "1" {
			r.problem(version, fmt.Sprintf("version: %s is not a version of this format", quote(v)), "write 1")
		}
	} else if r.complete(root) {
		r.problem(root, "there is no version", "write version: 1 at the top")
	}
	pace := builtIn
	if defaults != nil {
		r.mapping(defaults, "defaults", r.paceKeys(&pace)...)
	}
	byName := map[string]*Upstream{} // nil for one that has problems of its own
	for _, e := range r.names(upstreams, "upstreams") {
		u := r.upstream(e)
		byName[e.name] = u
		c.Upstreams = append(c.Upstreams, u)
	}
	from := map[*Source]*yaml.Node{}
	for _, e := range r.names(sources, "sources") {
		s, n := r.source(e, pace, byName)
		c.Sources = append(c.Sources, s)
		from[s] = n
	}
	r.references(c.Sources, from)
	for _, e := range r.names(jobs, "jobs") {
		c.Jobs = append(c.Jobs, r.job(e))
	}
	if listen != nil {
		if addr, ok := r.text(listen, "listen", "write an address such as "+defaultListen); ok {
			if what, want := checkListen(addr, len(c.Jobs) > 0); what != "" {
				r.problem(listen, what, want)
			}
			c.Listen = addr
		}
	}
	return c
}

var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// splitLines returns the lines of text as YAML counts them. An empty text has
// one line, a line break at the end begins none.
func splitLines(text string) []string {
	text = lineEnds.Replace(text)
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
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

// HTTP is a request to an upstream.
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
	Name     string         `json:"-"`
	Type     ArgType        `json:"type"`
	Title    string         `json:"title,omitempty"`
	Default  any            `json:"default,omitempty"` // string, float64, int64 or bool as of Type; nil: the argument is required
	Min      *float64       `json:"min,omitempty"`     // of int and number
	Max      *float64       `json:"max,omitempty"`
	Values   []string       `json:"values,omitempty"` // of enum
	Pattern  *regexp.Regexp `json:"-"`                // of string, matched against the whole value
	MaxBytes int            `json:"-"`                // of string: 1024
}
