package config

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"go.yaml.in/yaml/v4"
)

// A pace is how a source is polled: what defaults and sources have in common.
type pace struct {
	every      time.Duration
	timeout    time.Duration
	jitter     float64
	backoff    Backoff
	stalePolls int // a value is stale after so many polls; 0: after staleAfter
	staleAfter time.Duration
}

// builtIn is what holds where the file says nothing.
var builtIn = pace{
	every:      30 * time.Second,
	timeout:    5 * time.Second,
	jitter:     0.1,
	backoff:    Backoff{Min: time.Second, Max: 5 * time.Minute},
	stalePolls: 3,
}

// stale is the age from which a value is stale: after n polls, each as late
// as jitter lets it be.
func (p pace) stale() time.Duration {
	if p.stalePolls == 0 {
		return p.staleAfter
	}
	return time.Duration(float64(p.stalePolls) * float64(p.every) * (1 + p.jitter))
}

// paceReads reads paceKeys into p.
func (r *reader) paceReads(p *pace) reads {
	set := func(to *time.Duration, v *yaml.Node, what string) {
		if d := r.duration(v, what); d > 0 {
			*to = d
		}
	}
	return reads{
		"every": func(v *yaml.Node) {
			if v.Kind == yaml.MappingNode && !r.spoiled[v] {
				r.problem(v, "every as a mapping is not supported by this version", "write one duration such as 30s")
				return
			}
			set(&p.every, v, "every")
		},
		"timeout": func(v *yaml.Node) { set(&p.timeout, v, "timeout") },
		"jitter":  func(v *yaml.Node) { p.jitter = r.percentage(v, "jitter") },
		"backoff": func(v *yaml.Node) {
			before := len(r.problems)
			r.mapping(v, "backoff", backoffKeys, reads{
				"min": func(v *yaml.Node) { set(&p.backoff.Min, v, "min") },
				"max": func(v *yaml.Node) { set(&p.backoff.Max, v, "max") },
			})
			if p.backoff.Min > p.backoff.Max && before == len(r.problems) {
				r.problem(v, "backoff begins with more than its max", "make min at most max, which are 1s and 5m unless set")
			}
		},
		"stale_after": func(v *yaml.Node) { r.staleAfter(v, p) },
	}
}

var pollsGrammar = regexp.MustCompile(`^([0-9]+) polls?$`)

// staleAfter reads a duration or a number of polls.
func (r *reader) staleAfter(n *yaml.Node, p *pace) {
	m := pollsGrammar.FindStringSubmatch(n.Value)
	if m == nil {
		if d := r.duration(n, "stale_after"); d > 0 {
			p.stalePolls, p.staleAfter = 0, d
		}
		return
	}
	polls, err := strconv.Atoi(m[1])
	if err != nil || polls < 2 || polls > 100 {
		r.problem(n, fmt.Sprintf("stale_after: %s is out of range", quote(n.Value)), "write 2 polls to 100 polls, or a duration such as 5m")
		return
	}
	p.stalePolls = polls
}
