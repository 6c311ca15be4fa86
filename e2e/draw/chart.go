package main

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/web/fixture"
)

// A chart is a line over time, drawn in 100 x 32 units of its own.
type chart struct {
	Line, Area, End string // paths; Line is empty without numbers
	Low, High       string // the ends of its range
	Grey            bool
	Summary         string
}

// spark draws a trend.
func spark(points []*float64, decimals *int, grey bool) chart {
	c := chart{Grey: grey}
	low, high, first, last := math.Inf(1), math.Inf(-1), math.NaN(), math.NaN()
	for _, p := range points {
		if p != nil {
			low, high, last = min(low, *p), max(high, *p), *p
			if first != first {
				first = *p
			}
		}
	}
	if len(points) < 2 || math.IsInf(low, 0) || high/1e300 > 1 {
		return c
	}
	span := high - low
	if span == 0 {
		span = 1
	}
	x := func(i int) float64 { return float64(i) * 100 / float64(len(points)-1) }
	y := func(v float64) float64 { return 29 - (v-low)/span*26 }
	var line, area strings.Builder
	began := -1
	for i, p := range points {
		if p == nil {
			continue
		}
		letter := "L"
		if i == 0 || points[i-1] == nil {
			letter, began = "M", i
			fmt.Fprintf(&area, "M%.1f 32", x(i))
		}
		fmt.Fprintf(&line, "%s%.1f %.1f", letter, x(i), y(*p))
		fmt.Fprintf(&area, "L%.1f %.1f", x(i), y(*p))
		if i == len(points)-1 || points[i+1] == nil {
			fmt.Fprintf(&area, "L%.1f 32L%.1f 32", x(i), x(began))
		}
	}
	c.Line, c.Area = line.String(), area.String()
	c.End = fmt.Sprintf("M100 %.1fh0", y(last))
	say := func(v float64) string {
		digits := 1
		if decimals != nil {
			digits = *decimals
		}
		return number(json.Number(fmt.Sprintf("%.*f", digits, v)), decimals, true)
	}
	c.Low, c.High = say(low), say(high)
	way := "steady"
	if d := (last - first) / span; d > .15 {
		way = "rising"
	} else if d < -.15 {
		way = "falling"
	}
	c.Summary = "24 h: " + c.Low + " to " + c.High + ", " + way
	return c
}

// A day is the states of 24 h, in 48 x 6 units: what was ok is a line, what was not hangs below it.
type day struct{ OK, Stale, Failing, Summary string }

func dayOf(letters string) day {
	var d day
	bad := 0
	for i := 0; i < len(letters); {
		k := i
		for k < len(letters) && letters[k] == letters[i] {
			k++
		}
		switch letters[i] {
		case 'o':
			d.OK += fmt.Sprintf("M%d 0h%dv2h-%dz", i, k-i, k-i)
		case 's':
			d.Stale += fmt.Sprintf("M%d 0h%dv6h-%dz", i, k-i, k-i)
		case 'f':
			d.Failing += fmt.Sprintf("M%d 0h%dv6h-%dz", i, k-i, k-i)
		}
		if letters[i] != 'o' {
			bad++
		}
		i = k
	}
	d.Summary = "24 h: ok throughout"
	if bad > 0 {
		d.Summary = "24 h: not ok " + map[bool]string{true: "once", false: plural(bad, "time", "times")}[bad == 1]
	}
	return d
}

// A bar is a run in a strip. What went well stands on the line, what did not hangs below it.
type bar struct {
	X, Y, Height int
	State, Title string
}

// strip draws the runs of a job, newest at the right; those that are not there leave their place empty.
func strip(j fixture.Job) []bar {
	longest := 1.0
	for _, o := range j.Strip {
		longest = max(longest, o.Took)
	}
	var bars []bar
	for i, o := range j.Strip {
		b := bar{X: (20 - len(j.Strip) + i) * 6, State: runWords[o.Status].State, Title: runWords[o.Status].Word + ", " + clock(o.StartedAt) + ", took " + took(o.Took)}
		b.Height = 3 + int(11*math.Sqrt(o.Took/longest))
		switch b.Y = 16 - b.Height; {
		case runWords[o.Status].needs:
			b.Y, b.Height = 18, 6
		case o.Status == "queued":
			b.Y, b.Height = 13, 3
		}
		bars = append(bars, b)
	}
	return bars
}

// A plot is the large chart of a source, 1000 x 240 units, with texts at percentages of it.
type plot struct {
	Line, Band string
	Grid       []mark
	Times      []mark
	Spans      []span
	Threshold  mark
	Summary    string
}

type mark struct {
	At   string // a percentage
	Text string
	Odd  bool // left out where there is little room
}

type span struct{ X, Width string }

// plotOf draws the past of the tank, between 50 and 100 %.
func plotOf(p fixture.Past) plot {
	const low, high, height = 50.0, 100.0, 240.0
	begin, end := fixture.Now.Add(-24*time.Hour), fixture.Now
	x := func(t time.Time) float64 { return t.Sub(begin).Seconds() / end.Sub(begin).Seconds() * 1000 }
	y := func(v float64) float64 { return height - (v-low)/(high-low)*height }
	percent := func(v, of float64) string { return fmt.Sprintf("%.2f%%", v/of*100) }
	var line, top strings.Builder
	var bottom []string
	open := false
	closeBand := func() {
		for i := len(bottom) - 1; i >= 0; i-- {
			top.WriteString(bottom[i])
		}
		bottom = bottom[:0]
	}
	h := p.History
	for i, ms := range h.T {
		if h.V[i] != h.V[i] {
			closeBand()
			open = false
			continue
		}
		at, letter := x(time.UnixMilli(ms)), "L"
		if !open {
			letter, open = "M", true
		}
		fmt.Fprintf(&line, "%s%.1f %.1f", letter, at, y(h.V[i]))
		fmt.Fprintf(&top, "%s%.1f %.1f", letter, at, y(h.Max[i]))
		bottom = append(bottom, fmt.Sprintf("L%.1f %.1f", at, y(h.Min[i])))
	}
	closeBand()
	c := plot{Line: line.String(), Band: top.String(), Threshold: mark{At: percent(y(90), height), Text: "alert above 90 %"},
		Summary: "Level over 24 h: between 61.9 % and 94.8 %, now 93.4 %. Above 90 % three times, for 1 h 41 min in all. No data from 14:19 to 15:32."}
	for _, v := range []float64{60, 70, 80, 90} {
		c.Grid = append(c.Grid, mark{At: percent(y(v), height), Text: fmt.Sprintf("%.0f", v)})
	}
	for t := begin.Truncate(4 * time.Hour).Add(4 * time.Hour); t.Before(end); t = t.Add(4 * time.Hour) {
		text := t.Format("15:04")
		if t.Hour() == 0 {
			text = t.Format("Mon 2 Jan")
		}
		c.Times = append(c.Times, mark{percent(x(t), 1000), text, t.Hour()%8 != 0})
	}
	for _, s := range p.Firing {
		c.Spans = append(c.Spans, span{percent(x(s[0]), 1000), percent(x(s[1])-x(s[0]), 1000)})
	}
	return c
}
