package view

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/wire"
)

// A Share is how much of the known time a source was ok.
type Share struct{ Over, OK, Rest string }

// A DayBar is a day in the strip of the availability: heights of 32, with what was bad at the bottom.
type DayBar struct {
	X          int
	OK, Bad, Y float64
	Text       string
}

// An OutageRow is a time in which the source was not ok.
type OutageRow struct {
	From  time.Time
	At    string
	For   string
	State string
	Error string
}

var (
	windowWords  = map[string]string{"24h": "24 h", "7d": "7 days", "30d": "30 days", "365d": "365 days"}
	spanOfWindow = map[string]time.Duration{"24h": day, "7d": 7 * day, "30d": 30 * day, "365d": 365 * day}
)

const day = 24 * time.Hour

func (p *SourcePage) availability(l Look, a wire.Availability) {
	for _, w := range a.Windows {
		s := Share{Over: windowWords[w.Window], OK: "–", Rest: restOf(w.Shares, spanOfWindow[w.Window])}
		if w.Availability != nil {
			s.OK = percent(*w.Availability)
		}
		p.Shares = append(p.Shares, s)
	}
	for i, d := range a.Days {
		day := d.From.In(l.zone()).Format("2 Jan")
		if i == 0 {
			p.FirstDay = day
		}
		b := DayBar{X: i * 10, OK: d.OK * 32, Bad: (d.Stale + d.Failing) * 32, Text: day + ": not known"}
		if b.Bad > 0 {
			b.Bad = max(b.Bad, 6) // or nobody sees it
		}
		b.Y = 32 - b.Bad
		if d.Availability != nil {
			b.Text = day + ": " + percent(*d.Availability) + " ok"
		}
		p.Days = append(p.Days, b)
	}
	for _, o := range a.Outages[:min(len(a.Outages), mostOutages)] {
		row := OutageRow{From: o.From, At: l.Clock(o.From), State: o.State, For: "lasts for " + l.Since(o.From)}
		if o.To != nil {
			row.For = Lasted(o.To.Sub(o.From))
		}
		if o.Error != nil {
			row.Error = Shown(*o.Error, 200)
		}
		p.Outages = append(p.Outages, row)
	}
	if more := len(a.Outages) - mostOutages; more > 0 {
		p.MoreOutages = fmt.Sprint(more, " earlier ones")
		if a.More {
			p.MoreOutages = "More than " + p.MoreOutages
		}
	}
}

// percent has two digits, and is 100 only if nothing is missing.
func percent(x float64) string {
	if x == 100 {
		return "100 %"
	}
	return fmt.Sprintf("%.2f %%", min(x, 99.99))
}

// restOf says what a source was otherwise, for how long, and how much of the time is known if that is little.
func restOf(s wire.Shares, span time.Duration) string {
	var rest []string
	length := func(share float64) string { return Lasted(time.Duration(share * float64(span))) }
	for _, part := range []struct {
		of   float64
		word string
	}{{s.Stale, "stale"}, {s.Failing, "failing"}} {
		if part.of > 0 {
			rest = append(rest, length(part.of)+" "+part.word)
		}
	}
	switch known := 1 - s.Unknown; {
	case s.Availability == nil:
		rest = append(rest, "not known")
	case known < 0.5:
		rest = append(rest, "of "+length(known)+" that are known")
	case s.Unknown > 0:
		rest = append(rest, length(s.Unknown)+" not known")
	}
	return strings.Join(rest, ", ")
}

// A PollRow is one poll.
type PollRow struct {
	At                time.Time
	Time, Took, Size  string
	State, Word, Code string
	Error             string
	Width             int // of its bar, of 60
}

func (p *SourcePage) polls(l Look, polls []wire.Poll) {
	polls = polls[:min(len(polls), mostPolls)]
	longest := 0.0
	for _, poll := range polls {
		longest = max(longest, poll.Took)
	}
	for _, poll := range polls {
		row := PollRow{At: poll.At, Time: l.Seconds(poll.At), Took: Took(poll.Took), Size: "–", State: "ok", Word: "ok"}
		if poll.Took < 0.001 {
			row.Took = "< 1 ms"
		}
		if longest > 0 {
			row.Width = max(1, int(poll.Took/longest*60))
		}
		if poll.Size != nil {
			row.Size = sizeOf(*poll.Size)
		}
		if poll.Status != nil {
			row.Code = fmt.Sprint(*poll.Status)
		}
		if poll.Error != nil {
			row.State, row.Word, row.Error = poll.State, "failed", Shown(*poll.Error, 200)
			if row.Code != "" && strings.HasPrefix(row.Error, row.Code) {
				row.Code = "" // once is enough
			}
		}
		p.Polls = append(p.Polls, row)
	}
}

// sizeOf is a number of bytes as people read it.
func sizeOf(n int) string {
	switch {
	case n < 10_000:
		return Number(json.Number(fmt.Sprint(n)), nil, true) + " B"
	case n < 1_000_000:
		return fmt.Sprint(n/1000, " kB")
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}
