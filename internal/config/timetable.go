package config

import (
	"cmp"
	"fmt"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/tidewire/tidewire/internal/cron"
)

// timetable reads when a job starts by itself: an expression, or a mapping that also names a
// zone.
func (r *reader) timetable(n *yaml.Node, where string) *At {
	zone := time.Local
	what, expression := "at", n
	if n.Kind == yaml.MappingNode {
		what, expression = "cron", nil
		r.mapping(n, "at of "+where, atKeys, reads{
			"cron": func(v *yaml.Node) { expression = v },
			"zone": func(v *yaml.Node) { zone = r.zone(v) },
		})
		r.need(n, "at of "+where, "cron", `"0 3 * * *"`)
	}
	if expression == nil {
		return nil
	}
	const example = `write minute, hour, day of the month, month and day of the week such as "0 3 * * *", each day at three, or @daily, or @every 90m`
	s, ok := r.text(expression, what, example)
	if !ok {
		return nil
	}
	table, err := cron.Parse(s, cmp.Or(zone, time.UTC))
	if err != nil {
		want := example
		if _, err := cron.Parse("@"+s, time.UTC); err == nil && !r.expanded(expression) {
			want = "write " + quote("@"+s)
		}
		r.problem(expression, fmt.Sprintf("%s: %v", what, err), want)
		return nil
	}
	return &At{Cron: s, Zone: zone, Next: table.Next}
}

// zone reads the name of a time zone.
func (r *reader) zone(n *yaml.Node) *time.Location {
	s := r.line(n, "zone")
	if s == "" {
		return nil
	}
	zone, err := time.LoadLocation(s)
	if err != nil {
		r.problem(n, fmt.Sprintf("zone: there is no time zone %s", quote(s)), "write a name such as Europe/Berlin or UTC")
		return nil
	}
	return zone
}
