package view

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/wire"
)

// A Range is a time over which a chart can be.
type Range struct {
	Name, Text string
	Span       time.Duration
}

// Ranges are all of them, the shortest first.
var Ranges = []Range{
	{"1h", "1 h", time.Hour}, {"24h", "24 h", day}, {"7d", "7 d", 7 * day}, {"31d", "31 d", 31 * day},
}

// RangesOf are those that a chart can be over if numbers are kept for a time: up to the first that has them all. The second
// result is which one is meant by a name.
func RangesOf(kept time.Duration, name string) ([]Range, Range) {
	var list []Range
	for _, r := range Ranges {
		list = append(list, r)
		if r.Span >= kept {
			break
		}
	}
	if kept < time.Hour {
		list[0].Text, list[0].Span = Lasted(kept), kept
	}
	meant := list[min(1, len(list)-1)]
	for _, r := range list {
		if r.Name == name {
			meant = r
		}
	}
	return list, meant
}

// A ChartFacts is what a chart is made of.
type ChartFacts struct {
	Source  wire.Source
	Range   string        // the name of a range, see [RangesOf]; one that is not known means a day
	Kept    time.Duration // for how long numbers are kept; 0: they are not
	Field   string        // that is drawn
	Numbers wire.History  // of Field, few of them
	Problem string        // why there are none; empty: there may be
	Until   time.Time
	Firing  [][2]time.Time // when the alert fired, oldest first
	If      string         // the condition of the alert
	Table   bool           // the numbers are shown as a table
}

// A Chart is what a module draws, and what the page says without it.
type Chart struct {
	Name, Title, Unit, Field string
	Decimals                 string // empty: the configuration does not say
	From, Until              time.Time
	Limits, Firing           string // JSON, see static/chart.js
	Summary                  string
	None                     string // instead of a chart
	Ranges, Fields           []Choice
	Table                    []ChartRow // newest first; nil: a chart is shown
	IsTable                  bool
	Other                    string // the query that leads to the table, or back to the chart
}

// A Choice is one of several links.
type Choice struct {
	Text, Query string
	Current     bool
}

// A ChartRow is a line of the table.
type ChartRow struct {
	At                     time.Time
	Time, Value, Low, High string
}

// Chart lays out the chart of a source.
func (l Look) Chart(f ChartFacts) Chart {
	s := f.Source
	ranges, over := RangesOf(f.Kept, f.Range)
	c := Chart{
		Name: s.Name, Title: "Value", Unit: Shown(s.Show.Unit, 24), Field: f.Field, From: f.Until.Add(-over.Span), Until: f.Until, IsTable: f.Table,
		Other: query(over.Name, f.Field, s.Show.Value, !f.Table),
	}
	if f.Field != "" {
		c.Title = Sentence(Shown(strings.ReplaceAll(f.Field, "_", " "), 40))
	}
	isHeadline := f.Field == s.Show.Value
	if !isHeadline {
		c.Unit = ""
	}
	if isHeadline && s.Show.Decimals != nil {
		c.Decimals = strconv.Itoa(*s.Show.Decimals)
	}
	switch {
	case f.Kept == 0:
		return c // the page says why
	case f.Problem != "":
		c.None = f.Problem
	case len(f.Numbers.Fields) == 0 && s.UpdatedAt == nil:
		c.None = "There is no value yet, so there is nothing to draw. The chart begins with the first answer."
	case len(f.Numbers.Fields) == 0:
		c.None = "The values of this source have no numbers to draw."
	}
	for _, r := range ranges {
		c.Ranges = append(c.Ranges, Choice{r.Text, query(r.Name, f.Field, s.Show.Value, f.Table), r == over})
	}
	if len(f.Numbers.Fields) > 1 {
		for _, field := range f.Numbers.Fields {
			c.Fields = append(c.Fields, Choice{Shown(strings.ReplaceAll(field, "_", " "), 40), query(over.Name, field, s.Show.Value, f.Table), field == f.Field})
		}
	}
	if c.None != "" {
		return c
	}
	c.Limits, c.Firing = limits(f, c.Unit), firing(f.Firing)
	c.Summary = l.summary(f, c, over)
	if f.Table {
		c.Table = l.rows(f)
	}
	return c
}

// query is the address of a view of the chart, below the page.
func query(over, field, headline string, table bool) string {
	q := "?over=" + over
	if field != headline {
		q += "&field=" + strings.NewReplacer("%", "%25", "&", "%26", "+", "%2B", "#", "%23", " ", "+").Replace(field)
	}
	if table {
		q += "&view=table"
	}
	return q
}

// A limit is a line across the chart.
type limit struct {
	At   float64 `json:"at"`
	Text string  `json:"text"`
	Bad  bool    `json:"bad"`
}

// comparison is a condition that compares one field with a number.
var comparison = regexp.MustCompile(`^\s*\.(?:([A-Za-z_]\w*)|\["([^"\\]+)"\])?\s*([<>])=?\s*(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*$`)

// limits are the threshold of the alert, if it compares the field with a number, and the ends of the scale.
func limits(f ChartFacts, unit string) string {
	list := []limit{}
	say := func(words, number string) string {
		return strings.TrimSpace(words + " " + Number(json.Number(number), nil, true) + " " + unit)
	}
	if m := comparison.FindStringSubmatch(f.If); m != nil && m[1]+m[2] == f.Field {
		if at, err := strconv.ParseFloat(m[4], 64); err == nil {
			list = append(list, limit{at, say(map[string]string{">": "alert above", "<": "alert below"}[m[3]], m[4]), true})
		}
	}
	if f.Field == f.Source.Show.Value {
		for _, end := range []struct {
			at   *float64
			word string
		}{{f.Source.Show.Min, "lowest"}, {f.Source.Show.Max, "highest"}} {
			if end.at != nil {
				list = append(list, limit{*end.at, say(end.word, strconv.FormatFloat(*end.at, 'f', -1, 64)), false})
			}
		}
	}
	data, _ := json.Marshal(list) // numbers and texts
	return string(data)
}

func firing(spans [][2]time.Time) string {
	list := [][2]int64{}
	for _, s := range spans {
		list = append(list, [2]int64{s[0].UnixMilli(), s[1].UnixMilli()})
	}
	data, _ := json.Marshal(list)
	return string(data)
}

// summary says in words what the chart shows.
func (l Look) summary(f ChartFacts, c Chart, r Range) string {
	over := strings.Replace(r.Text, " d", " days", 1)
	low, high, last := math.Inf(1), math.Inf(-1), math.NaN()
	gaps, gone := 0, time.Duration(0)
	var began, ended time.Time // of the newest gap
	before := int64(0)         // the time of the newest number
	h := f.Numbers
	for i, v := range h.V {
		if v != v {
			continue
		}
		low, high, last = min(low, h.Min[i]), max(high, h.Max[i]), v
		if i > 0 && h.V[i-1] != h.V[i-1] && before > 0 {
			began, ended = time.UnixMilli(before), time.UnixMilli(h.T[i])
			gaps, gone = gaps+1, gone+ended.Sub(began)
		}
		before = h.T[i]
	}
	if last != last {
		return c.Title + " over " + over + ": no numbers."
	}
	say := func(x float64) string { return strings.TrimSpace(l.digits(x, f) + " " + c.Unit) }
	text := fmt.Sprintf("%s over %s: between %s and %s, last %s.", c.Title, over, say(low), say(high), say(last))
	if low == high {
		text = fmt.Sprintf("%s over %s: %s throughout.", c.Title, over, say(low))
	}
	if n := len(f.Firing); n > 0 {
		var sum time.Duration
		for _, s := range f.Firing {
			sum += s[1].Sub(s[0])
		}
		text += " The alert fired " + times(n) + ", for " + Lasted(sum)
		if n > 1 {
			text += " in all"
		}
		text += "."
	}
	switch {
	case gaps == 1 && gone < 2*time.Minute:
		text += " No data for " + Lasted(gone) + " at " + l.Clock(began) + "."
	case gaps == 1:
		text += " No data from " + l.Clock(began) + " to " + l.Clock(ended) + "."
	case gaps > 1:
		text += " No data " + times(gaps) + ", for " + Lasted(gone) + " in all."
	}
	return text
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return Plural(n, "time", "times")
}

// digits is a number of the chart.
func (l Look) digits(x float64, f ChartFacts) string {
	decimals := f.Source.Show.Decimals
	if f.Field != f.Source.Show.Value {
		decimals = nil
	}
	return Number(json.Number(strconv.FormatFloat(x, 'g', -1, 64)), decimals, true)
}

// rows are the numbers, newest first.
func (l Look) rows(f ChartFacts) []ChartRow {
	rows := []ChartRow{}
	h := f.Numbers
	for i := len(h.T) - 1; i >= 0; i-- {
		at := time.UnixMilli(h.T[i])
		row := ChartRow{At: at, Time: l.Clock(at), Value: "–", Low: "–", High: "–"}
		if h.V[i] == h.V[i] {
			row.Value, row.Low, row.High = l.digits(h.V[i], f), l.digits(h.Min[i], f), l.digits(h.Max[i], f)
		}
		rows = append(rows, row)
	}
	return rows
}
