package api

import (
	"math"
	"net/http"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/wire"
)

// maxOutages is how many outages are listed.
const maxOutages = 100

// maxDays is how many days are listed.
const maxDays = 30

// windows are the times over which the availability of a source is calculated.
var windows = []struct {
	name string
	span time.Duration
}{
	{"24h", 24 * time.Hour}, {"7d", 7 * 24 * time.Hour}, {"30d", 30 * 24 * time.Hour}, {"365d", 365 * 24 * time.Hour},
}

// getPolls answers with the newest polls of a source.
func (a *API) getPolls(w http.ResponseWriter, r *http.Request) {
	topic := a.findSource(w, r)
	if topic == nil {
		return
	}
	name := r.PathValue("name")
	a.serveState(w, r, func() (state, bool) {
		polls, err := a.deps.Samples.Polls(r.Context(), name)
		if err != nil {
			a.failPast(w, r, err)
			return state{}, false
		}
		all := wire.Polls{Name: name, Polls: []wire.Poll{}}
		for _, p := range polls {
			all.Polls = append(all.Polls, pollOf(p))
		}
		return stateOf(all), true
	}, topic)
}

func pollOf(p archive.Poll) wire.Poll {
	poll := wire.Poll{At: utc(p.At), Took: p.Took.Seconds(), State: p.State}
	if p.HasStatus {
		poll.Status = &p.Status
	}
	if p.Size > 0 {
		poll.Size = &p.Size
	}
	if p.Error != "" {
		poll.Error = &p.Error
	}
	return poll
}

// getAvailability answers with how long a source was in each state, and its outages.
func (a *API) getAvailability(w http.ResponseWriter, r *http.Request) {
	if a.findSource(w, r) == nil {
		return
	}
	name, now := r.PathValue("name"), time.Now()
	past, err := a.deps.Spans.Past(r.Context(), name, now.Add(-windows[len(windows)-1].span), now)
	if err != nil {
		a.failPast(w, r, err)
		return
	}
	answer(w, http.StatusOK, availabilityOf(name, past, now))
}

func availabilityOf(name string, past archive.Past, now time.Time) wire.Availability {
	all := wire.Availability{Name: name, Windows: []wire.Window{}, Outages: []wire.Outage{}}
	if !past.Since.IsZero() {
		all.CompleteSince = new(utc(past.Since))
	}
	for _, window := range windows {
		shares := archive.Shares(past.Spans, now.Add(-window.span), now)
		all.Windows = append(all.Windows, wire.Window{Window: window.name, Shares: sharesOf(window.span, shares)})
	}
	year, month, day := now.Date()
	for i := maxDays - 1; i >= 0; i-- {
		from, to := time.Date(year, month, day-i, 0, 0, 0, 0, now.Location()), time.Date(year, month, day-i+1, 0, 0, 0, 0, now.Location())
		if to.After(now) {
			to = now
		}
		shares := sharesOf(to.Sub(from), archive.Shares(past.Spans, from, to))
		all.Days = append(all.Days, wire.Day{From: utc(from), Shares: shares})
	}
	for _, s := range past.Spans {
		if s.State != wire.SourceStale && s.State != wire.SourceFailing {
			continue
		}
		if all.More = len(all.Outages) == maxOutages; all.More {
			break
		}
		o := wire.Outage{From: utc(s.From), State: s.State}
		if !s.Lasts {
			o.To = new(utc(s.To))
		}
		if s.Error != "" {
			o.Error = &s.Error
		}
		all.Outages = append(all.Outages, o)
	}
	return all
}

// sharesOf returns how a source was over a time, in which it was in each state for so long.
func sharesOf(span time.Duration, shares map[string]time.Duration) wire.Shares {
	share := func(d time.Duration) float64 { return float64(d) / float64(max(span, 1)) }
	var known time.Duration
	for _, d := range shares {
		known += d
	}
	ok, outage := shares[wire.SourceOK], shares[wire.SourceStale]+shares[wire.SourceFailing]
	w := wire.Shares{
		OK: share(ok), Stale: share(shares[wire.SourceStale]), Failing: share(shares[wire.SourceFailing]),
		Pending: share(shares[wire.SourcePending]), Unknown: share(max(span-known, 0)),
	}
	if known > 0 {
		const digits = 1000 // per percent
		percent := math.Round(100*digits*float64(ok)/float64(known)) / digits
		if outage > 0 {
			percent = min(percent, 100-1.0/digits) // 100 would say that there was none
		}
		w.Availability = &percent
	}
	return w
}
