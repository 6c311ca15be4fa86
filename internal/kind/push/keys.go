package push

import (
	"fmt"
	"time"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/kind"
)

// Kind is the kind of sources that are sent their values.
var Kind = kind.Kind{Name: "push", Section: section, Subscribes: true}

var (
	defaultLimit = Limit{50, time.Second, "50/s"}
	// mostLimit bounds a limit, whose messages may come at once.
	mostLimit = 1000
)

func section(r kind.Reading) kind.Section {
	s := &Source{Limit: defaultLimit}
	where := "push of " + r.Where
	keys := grammar.Keys{
		grammar.Func("limit",
			"how many values are taken per second, minute, hour or day, at most 1000; more are refused with 429",
			grammar.RateText, func(v *grammar.Node) { s.Limit = readLimit(v) }).Also("rate rate_limit").Default(defaultLimit.Text),
	}
	return kind.Section{
		Keys: grammar.Keys{
			grammar.Section("push",
				"values are sent by `POST /api/v1/sources/NAME`: the newest one counts. `push: {}` is enough",
				where, keys).Also("heartbeat receive ingest post").OneOf().Alone(func(v *grammar.Node) {
				if v.IsScalar() {
					v.Problem(where+" is "+v.Describe(), "write push: {}")
					return
				}
				v.Read(where, keys)
			}),
		},
		Source: func(*grammar.Node) kind.Source {
			if s.Limit.Count == 0 {
				return nil
			}
			return s
		},
	}
}

// readLimit returns a limit without a count after a problem.
func readLimit(n *grammar.Node) Limit {
	count, per := n.Rate("limit")
	if count > mostLimit {
		n.Problem(fmt.Sprintf("limit: %s is too much", grammar.Quote(n.Value())), fmt.Sprintf("write at most %d", mostLimit))
		return Limit{}
	}
	return Limit{count, per, n.Value()}
}
