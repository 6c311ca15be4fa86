package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/terminal"
	"github.com/tidewire/tidewire/internal/text"
	"github.com/tidewire/tidewire/internal/web/view"
	"github.com/tidewire/tidewire/internal/wire"
)

// A sourceRow is a source in the table.
type sourceRow struct {
	wire.Source

	raw json.RawMessage // the whole source, as sent by the gateway
}

// UnmarshalJSON implements [json.Unmarshaler].
func (s *sourceRow) UnmarshalJSON(data []byte) error {
	if err := json.Unmarshal(data, &s.Source); err != nil {
		return err
	}
	s.raw = slices.Clone(data)
	return nil
}

// bad reports whether the source is stale or failing.
func (s *sourceRow) bad() bool { return s.State == wire.SourceStale || s.State == wire.SourceFailing }

// firing reports whether the source's alert is firing.
func (s *sourceRow) firing() bool { return s.Alert != nil && s.Alert.State == wire.AlertFiring }

// failure returns the source's error in one line, empty if it has none.
func (s *sourceRow) failure() string {
	if s.Error == nil {
		return ""
	}
	return text.Line(*s.Error)
}

// condition returns the source's state, and whether its alert is firing.
func (s *sourceRow) condition() string {
	words := text.Line(s.State)
	if s.firing() {
		words += ", alert"
	}
	return words
}

// colour returns the colour of the condition.
func (s *sourceRow) colour() terminal.Colour {
	if s.firing() {
		return terminal.Red
	}
	return looks[s.State].colour
}

// reading returns the source's value and unit in one line.
func (s *sourceRow) reading() string {
	value := s.Value
	if s.Show.Value != "" {
		var fields map[string]json.RawMessage
		if json.Unmarshal(value, &fields) == nil {
			value = fields[s.Show.Value]
		}
	}
	v, err := exactly(value)
	if err != nil || v == nil {
		return "–"
	}
	shown := scalar(v, s.Show.Decimals)
	if s.Show.Unit != "" {
		shown += " " + text.Line(s.Show.Unit)
	}
	return shown
}

// exactly decodes JSON with its numbers as they are written.
func exactly(data []byte) (v any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	err = decoder.Decode(&v)
	return v, err
}

// plainly makes digits without groups of those of the page, so that they can be searched and copied.
var plainly = strings.NewReplacer(",", "", "−", "-")

// scalar formats a JSON value in one line: numbers as the page has them, with the configured decimals.
func scalar(v any, decimals *int) string {
	switch v := v.(type) {
	case nil:
		return "–"
	case json.Number:
		return plainly.Replace(view.Number(v, decimals, true))
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case string:
		return text.Line(v)
	case []any:
		if len(v) == 0 {
			return "none"
		}
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = scalar(v[i], nil)
		}
		return strings.Join(parts, ", ")
	case map[string]any:
		if len(v) == 0 {
			return "none"
		}
		var parts []string
		for name, field := range v {
			parts = append(parts, text.Line(name)+" "+scalar(field, nil))
		}
		slices.Sort(parts)
		return strings.Join(parts, ", ")
	}
	return ""
}

// A sourceTable holds the watched sources, in the gateway's order.
type sourceTable struct {
	rows    []sourceRow
	skew    time.Duration // how far this machine's clock is ahead of the gateway's
	retryAt time.Time     // when the broken connection is retried; zero: connected
}

// reset replaces the rows. If only is not empty, it selects the sources to show.
func (t *sourceTable) reset(rows []sourceRow, only []string) error {
	if len(only) == 0 {
		t.rows = rows
		return nil
	}
	var names, missing []string
	for _, s := range rows {
		names = append(names, text.Line(s.Name))
	}
	for _, name := range only {
		if !slices.Contains(names, name) {
			missing = append(missing, name)
		}
	}
	if missing != nil {
		return fmt.Errorf(
			"there is no source %s; there are: %s", strings.Join(missing, ", "), strings.Join(names, ", "),
		)
	}
	t.rows = slices.DeleteFunc(rows, func(s sourceRow) bool { return !slices.Contains(only, s.Name) })
	return nil
}

// put takes the new state of a source. It ignores sources that are not in the table.
func (t *sourceTable) put(s sourceRow) {
	if i := slices.IndexFunc(t.rows, func(r sourceRow) bool { return r.Name == s.Name }); i >= 0 {
		t.rows[i] = s
	}
}

// looks maps states to their marks.
var looks = map[string]struct {
	glyph  string
	colour terminal.Colour
}{
	wire.SourceOK:      {"●", terminal.Green},
	wire.SourceStale:   {"▲", terminal.Yellow},
	wire.SourceFailing: {"✖", terminal.Red},
	wire.SourcePending: {"○", terminal.Faint},
}

// counts returns the number of sources in each state.
func (t *sourceTable) counts() string {
	n := make(map[string]int)
	for _, s := range t.rows {
		n[s.State]++
	}
	var parts []string
	for _, state := range []string{wire.SourceOK, wire.SourceStale, wire.SourceFailing, wire.SourcePending} {
		if n[state] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[state], state))
		}
	}
	return strings.Join(parts, ", ")
}

// bad reports whether a source in the table is stale or failing.
func (t *sourceTable) bad() bool {
	return slices.ContainsFunc(t.rows, func(s sourceRow) bool { return s.bad() })
}

// lines returns the table, with a headline, in the given number of columns; 0 means any number.
func (t *sourceTable) lines(screen *terminal.Screen, columns int, now time.Time) []string {
	now = now.Add(-t.skew)
	cells := [][]string{{"SOURCE", "STATE", "VALUE", "AGE", "NEXT", "ERROR"}}
	for _, s := range t.rows {
		age, next := "–", "–"
		if s.UpdatedAt != nil {
			age = since(now.Sub(*s.UpdatedAt))
		}
		if s.NextAt != nil {
			next = "now"
			if left := s.NextAt.Sub(now); left >= time.Second/2 {
				next = since(left + time.Second/2)
			}
			if s.Waiting != "" {
				next += ", " + text.Line(s.Waiting)
			}
		}
		state := looks[s.State].glyph + " " + s.condition()
		cells = append(cells, []string{text.Line(s.Name), state, s.reading(), age, next, s.failure()})
	}
	return grid{
		cells: cells, limits: []int{32, 16, 32, 8, 20, math.MaxInt}, painted: 1,
		colour: func(row int) terminal.Colour { return t.rows[row].colour() },
	}.lines(screen, columns)
}

// since formats a duration in one unit.
func since(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d d", d/(24*time.Hour))
}
