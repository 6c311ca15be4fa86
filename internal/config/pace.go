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
	unwatched  time.Duration // 0: as every
	when       []When
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

// idle is the pause while nobody looks, which is not shorter than the usual one.
func (p pace) idle() time.Duration {
	if p.unwatched == Never {
		return Never
	}
	return max(p.every, p.unwatched)
}

// stale is the age from which a value is stale: after n polls, each as late as
// jitter lets it be, with the longest of the pauses. Never is none of them: who
// comes to look then sees how old the value is.
func (p pace) stale() time.Duration {
	if p.stalePolls == 0 {
		return p.staleAfter
	}
	longest := max(p.every, p.idle())
	for _, w := range p.when {
		longest = max(longest, w.Every)
	}
	return time.Duration(float64(p.stalePolls) * float64(longest) * (1 + p.jitter))
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
			switch {
			case v.Kind == yaml.MappingNode:
				r.every(v, p)
			case v.Value == "never":
				r.problem(v, "every: never would poll nothing", "write every: {unwatched: never} to poll while somebody looks, or remove the source")
			default:
				set(&p.every, v, "every")
			}
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

// every reads the pauses of a source that has several. Those that it does not name
// stay as they are.
func (r *reader) every(n *yaml.Node, p *pace) {
	var normal, unwatched *yaml.Node
	r.mapping(n, "every", everyKeys, reads{
		"normal": func(v *yaml.Node) {
			if d := r.duration(v, "normal"); d > 0 {
				normal, p.every = v, d
			}
		},
		"unwatched": func(v *yaml.Node) {
			if v.Value == "never" {
				p.unwatched = Never
			} else if d := r.duration(v, "unwatched", "never"); d > 0 {
				unwatched, p.unwatched = v, d
			}
		},
		"when": func(v *yaml.Node) {
			p.when = nil
			for _, e := range r.list(v, "when", "write a list such as [{if: .pump, every: 1s}]") {
				p.when = append(p.when, r.when(e))
			}
		},
	})
	if normal != nil && unwatched != nil && p.unwatched < p.every {
		r.problem(unwatched, "unwatched is shorter than normal", "make it at least as long, or write never")
	}
}

// when reads a pause that holds while a condition does.
func (r *reader) when(n *yaml.Node) When {
	var w When
	r.mapping(n, "when", whenKeys, reads{
		"if":    func(v *yaml.Node) { w.If = r.jq(v, "if") },
		"every": func(v *yaml.Node) { w.Every = r.duration(v, "every") },
	})
	r.need(n, "when", "if", ".pump")
	r.need(n, "when", "every", "1s")
	return w
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
