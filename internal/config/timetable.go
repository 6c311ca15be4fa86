package config

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/cron"
	"github.com/tidewire/tidewire/internal/grammar"
)

// AtStart is the [At].Cron of a job that starts once, when the gateway does.
const AtStart = "@start"

// OnStart reports whether a is not a timetable of times, but the start of the gateway. A nil At is neither.
func (a *At) OnStart() bool { return a != nil && a.Cron == AtStart }

// At is a timetable, as cron's five fields or one of its @words.
type At struct {
	Cron string         // as written
	Zone *time.Location // local unless set
	Next func(time.Time) time.Time

	// CatchUp is how late a run of a job may start that was due while no process could start it. It is a minute unless set.
	// 0 means that no run starts late, as with @every.
	CatchUp time.Duration
}

// A timetableDraft is an At while it is being read: an expression, or a mapping that also names a zone.
type timetableDraft struct {
	what       string // the name of the expression in messages
	anchored   bool   // it must be one of times, rather than of a pause
	expression *grammar.Node
	zone       *time.Location
	catchUp    time.Duration
	late       *grammar.Node // where catchUp is written; nil: nowhere
}

// defaultCatchUp is catch_up unless set.
const defaultCatchUp = time.Minute

// startKeys are those of the timetable of a job.
func startKeys(a *timetableDraft) grammar.Keys {
	return append(atKeys(a), grammar.Func("catch_up",
		"how late a run may start that was due while no process could start it: once, after a restart or at another "+
			"replica; `0s`: it never starts late. Not with `@every`",
		grammar.OrZero(grammar.Like(grammar.ADuration+", or 0s for never", "^0s?$", grammar.AboveZero)),
		func(v *grammar.Node) { a.late, a.catchUp = v, readCatchUp(v) }).Also("misfire missed start_deadline late").Default("1m"))
}

func readCatchUp(n *grammar.Node) (d time.Duration) {
	if n.Value() != "0s" {
		zeroOr(&d, "catch_up")(n)
	}
	return d
}

func atKeys(a *timetableDraft) grammar.Keys {
	return grammar.Keys{
		grammar.Func("cron",
			"minute, hour, day of the month, month, day of the week; or `@hourly`, `@daily`, `@weekly`, "+
				"`@monthly`, `@yearly`, `@every 90m`",
			grammar.ALine, func(v *grammar.Node) { a.what, a.expression = "cron", v }).Need(`"0 3 * * *"`),
		grammar.Func("zone",
			"the time zone, such as `Europe/Berlin` or `UTC`",
			grammar.ALine, func(v *grammar.Node) { a.zone = readZone(v) }).Also("tz timezone time_zone"),
	}
}

const (
	someTimes  = `write minute, hour, day of the month, month and day of the week such as "0 3 * * *", each day at three, or @daily`
	aTimetable = someTimes + ", or @every 90m, or @start"
)

// table returns the timetable that was read, nil if it is invalid.
func (a *timetableDraft) table() *At {
	if a.expression == nil {
		return nil
	}
	want := aTimetable
	if a.anchored {
		want = someTimes
	}
	s, ok := a.expression.Text(a.what, want)
	if !ok {
		return nil
	}
	if s == AtStart && !a.anchored {
		return a.start()
	}
	table, err := cron.Parse(s, cmp.Or(a.zone, time.UTC))
	if err != nil {
		if _, err := cron.Parse("@"+s, time.UTC); err == nil && !a.expression.HasReferences() {
			want = "write " + grammar.Quote("@"+s)
		}
		a.expression.Problem(fmt.Sprintf("%s: %v", a.what, err), want)
		return nil
	}
	if a.anchored && strings.HasPrefix(s, "@every") {
		a.expression.Problem(a.what+": @every does not say when", want)
		return nil
	}
	at := &At{Cron: s, Zone: a.zone, Next: table.Next, CatchUp: a.catchUp}
	if strings.HasPrefix(s, "@every") {
		if a.late != nil && a.catchUp > 0 {
			a.late.Problem("catch_up: an interval counts from the previous run, so no start is late",
				`remove it, or write times such as "0 */2 * * *"`)
		}
		at.CatchUp = 0
	}
	return at
}

// start returns the timetable that has the start of Tidewire alone.
func (a *timetableDraft) start() *At {
	if a.late != nil && a.catchUp > 0 {
		a.late.Problem("catch_up: no run at the start of Tidewire is late", `remove it, or write times such as "0 */2 * * *"`)
	}
	if a.zone != nil && a.zone != time.Local {
		a.expression.Problem(a.what+": "+AtStart+" is no time, so it has no zone", `remove zone, or write times such as "0 3 * * *"`)
	}
	return &At{Cron: AtStart, Zone: a.zone, Next: func(time.Time) time.Time { return time.Time{} }}
}

// readZone reads the name of a time zone.
func readZone(n *grammar.Node) *time.Location {
	s := n.Line("zone")
	if s == "" {
		return nil
	}
	zone, err := time.LoadLocation(s)
	if err != nil {
		n.Problem(fmt.Sprintf("zone: there is no time zone %s", grammar.Quote(s)),
			"write a name such as Europe/Berlin or UTC")
		return nil
	}
	return zone
}
