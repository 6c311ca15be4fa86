package config

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/tidewire/tidewire/internal/grammar"
)

// A pace is how a source is polled: the keys that defaults and sources have in common.
type pace struct {
	every      time.Duration
	unwatched  time.Duration // 0: as every
	when       []When
	timeout    time.Duration
	jitter     float64
	backoff    Backoff
	stalePolls int // a value is stale after this many polls; 0: after staleAfter
	staleAfter time.Duration
}

// builtIn has the built-in defaults.
var builtIn = pace{
	every:      30 * time.Second,
	timeout:    5 * time.Second,
	jitter:     0.1,
	backoff:    Backoff{Min: time.Second, Max: 5 * time.Minute},
	stalePolls: 3,
}

// idle returns the pause while a source is unwatched, which is not shorter than the normal one.
func (p pace) idle() time.Duration {
	if p.unwatched == Never {
		return Never
	}
	return max(p.every, p.unwatched)
}

// stale returns the age at which a value is stale: after n polls with the longest of the pauses, each delayed by the
// full jitter. Never does not count as a pause: a reader that comes later sees how old the value is.
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

// paceKeys returns the keys of defaults. Sources have them too, except for kinds that are not polled.
func paceKeys(p *pace, unpolled ...string) grammar.Keys {
	return grammar.Keys{
		grammar.Section("every",
			"the pause between polls. A duration alone is `every.normal`",
			"every", everyKeys(p)).
			Short("normal").Also("interval period poll schedule").Default("30s").Without(unpolled...).
			Alone(func(v *grammar.Node) { readEvery(v, p) }).
			Then(func(v *grammar.Node) { checkEvery(v, p) }),
		grammar.Duration("timeout", "the time limit of one poll", &p.timeout).Default("5s").Without(unpolled...),
		grammar.Percentage("jitter",
			"the maximum random delay of a poll, as a share of the pause, so that polls spread",
			&p.jitter).Default("10%").Without(unpolled...),
		grammar.Section("backoff",
			"the pauses after failed polls",
			"backoff", backoffKeys(&p.backoff)).
			Also("retry retries").Without(unpolled...).Then(func(v *grammar.Node) { checkBackoff(v, p.backoff) }),
		grammar.Func("stale_after",
			"the age at which a value is stale unless a poll has renewed it. `N polls`, from 2 to 100, is N "+
				"times the longest pause of `every` with its full jitter: 99 s by default",
			staleShape, func(v *grammar.Node) { readStaleAfter(v, p) }).Also("max_age ttl").Default("3 polls"),
	}
}

func everyKeys(p *pace) grammar.Keys {
	return grammar.Keys{
		grammar.Duration("normal",
			"the pause while the source is watched, unless one of `when` holds",
			&p.every).Default("30s"),
		grammar.Func("unwatched",
			"the pause while nobody watches the source: at least `normal`, or `never`",
			unwatchedShape, func(v *grammar.Node) { readUnwatched(v, p) }),
		grammar.Func("when",
			"other pauses, depending on the newest value; the first whose condition holds is used",
			whenShape, func(v *grammar.Node) { p.when = readWhen(v) }),
	}
}

func backoffKeys(b *Backoff) grammar.Keys {
	return grammar.Keys{
		grammar.Duration("min",
			"the pause after the first failure; it doubles with each further one",
			&b.Min).Default("1s"),
		grammar.Duration("max", "the longest pause; at least `min`", &b.Max).Default("5m"),
	}
}

func whenKeys(w *When) grammar.Keys {
	return grammar.Keys{
		grammar.JQ("if",
			"the condition, evaluated on the picked value: true or false",
			&w.If).Also("when condition expr").Need(".pump"),
		grammar.Duration("every", "the pause", &w.Every).Also("interval then").Need("1s"),
	}
}

var (
	unwatchedShape = grammar.Like(grammar.ADuration+", or never", grammar.AboveZero, "^never$")
	staleShape     = grammar.Like(grammar.ADuration+", or 2 polls to 100 polls",
		grammar.AboveZero, "^0*([2-9]|[1-9][0-9]|100) polls?$")
	whenShape = grammar.Shape{"type": "array", "minItems": 1, "items": grammar.Object(whenKeys(&When{}))}
)

// readEvery reads a pause written alone, without others.
func readEvery(n *grammar.Node, p *pace) {
	if n.Value() == never {
		n.Problem("every: never would poll nothing",
			"write every: {unwatched: never} to poll while somebody looks, or remove the source")
		return
	}
	p.every = n.Duration("every")
}

// never is the word for [Never].
const never = "never"

func readUnwatched(n *grammar.Node, p *pace) {
	if n.Value() == never {
		p.unwatched = Never
		return
	}
	p.unwatched = n.Duration("unwatched", never)
}

// checkEvery checks the pauses of a source with several of them.
func checkEvery(n *grammar.Node, p *pace) {
	normal, unwatched := n.Get("normal"), n.Get("unwatched")
	if normal != nil && unwatched != nil && p.unwatched > 0 && p.unwatched < p.every {
		unwatched.Problem("unwatched is shorter than normal", "make it at least as long, or write never")
	}
}

func readWhen(n *grammar.Node) (all []When) {
	for _, e := range n.List("when", "write a list such as [{if: .pump, every: 1s}]") {
		var w When
		e.Read("when", whenKeys(&w))
		all = append(all, w)
	}
	return all
}

func checkBackoff(n *grammar.Node, b Backoff) {
	if b.Min > b.Max && n.IsGood() {
		n.Problem("backoff begins with more than its max", "make min at most max, which are 1s and 5m unless set")
	}
}

var pollsGrammar = regexp.MustCompile(`^([0-9]+) polls?$`)

// readStaleAfter reads a duration or a number of polls.
func readStaleAfter(n *grammar.Node, p *pace) {
	m := pollsGrammar.FindStringSubmatch(n.Value())
	if m == nil {
		if d := n.Duration("stale_after"); d > 0 {
			p.stalePolls, p.staleAfter = 0, d
		}
		return
	}
	polls, err := strconv.Atoi(m[1])
	if err != nil || polls < 2 || polls > 100 {
		n.Problem(fmt.Sprintf("stale_after: %s is out of range", grammar.Quote(n.Value())),
			"write 2 polls to 100 polls, or a duration such as 5m")
		return
	}
	p.stalePolls = polls
}
