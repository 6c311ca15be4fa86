package api

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/wire"
)

const (
	trendCells = 48
	trendCell  = 30 * time.Minute
	// trendsEvery is how old an answer may be, and trendsShare is how much of the time goes at most into calculating it: of
	// 2,000 sources on disk it takes seconds.
	trendsEvery = 30 * time.Second
	trendsShare = 100
)

// Trends calculate how all sources were over 24 hours. What is over is read once.
type trends struct {
	deps Deps
	lock chan struct{} // of 1; whoever has it may use the fields below

	sources map[string]*trendOf
	newest  state
	cfg     *config.Config // that newest is of
	again   time.Time      // when newest is too old
}

// A trendOf is one source over the half hours that end at until.
type trendOf struct {
	definition *config.Source // another one means that numbers may be others
	until      time.Time      // zero: nothing was read yet
	numbers    [trendCells]float64
	day        [trendCells]byte
	known      bool // some number was read
}

func newTrends(deps Deps) trends {
	return trends{deps: deps, lock: make(chan struct{}, 1), sources: map[string]*trendOf{}}
}

// getTrends answers with how all sources were over 24 hours.
func (a *API) getTrends(w http.ResponseWriter, r *http.Request) {
	newest, err := a.trends.get(r.Context())
	if err != nil {
		a.failPast(w, r, err)
		return
	}
	a.serveState(w, r, func() (state, bool) { return newest, true })
}

// get returns the trends of all sources. The error is why the archive cannot be read, or ctx's.
func (t *trends) get(ctx context.Context) (state, error) {
	select {
	case t.lock <- struct{}{}:
		defer func() { <-t.lock }()
	case <-ctx.Done():
		return state{}, context.Cause(ctx)
	}
	begun, cfg := time.Now(), t.deps.Config()
	if begun.Before(t.again) && t.cfg == cfg {
		return t.newest, nil
	}
	until := begun.Truncate(trendCell).Add(trendCell)
	all := wire.Trends{Until: utc(until), Trends: []wire.Trend{}}
	sources := make(map[string]*trendOf, len(cfg.Sources))
	for _, definition := range cfg.Sources {
		of := t.sources[definition.Name]
		if of == nil || !config.Same(of.definition, definition) || of.until.After(until) {
			of = &trendOf{definition: definition}
			t.sources[definition.Name] = of // what is read counts also if a later source fails
		}
		if err := t.read(ctx, of, until, begun); err != nil {
			return state{}, err
		}
		sources[definition.Name] = of
		all.Trends = append(all.Trends, of.wire())
	}
	t.sources, t.newest, t.cfg = sources, stateOf(all), cfg
	t.again = time.Now().Add(max(trendsEvery, trendsShare*time.Since(begun)))
	return t.newest, nil
}

// read brings a source to half hours that end at until. What was over when it was read last is not read again.
func (t *trends) read(ctx context.Context, of *trendOf, until, now time.Time) error {
	from := until.Add(-trendCells * trendCell)
	if begin := of.until.Add(-trendCell); begin.After(from) {
		moved := int(until.Sub(of.until) / trendCell)
		copy(of.numbers[:], of.numbers[moved:])
		copy(of.day[:], of.day[moved:])
		from = begin
	}
	first := trendCells - int(until.Sub(from)/trendCell)
	for i := first; i < trendCells; i++ {
		of.numbers[i], of.day[i] = math.NaN(), wire.TrendUnknown
	}
	of.until = time.Time{} // should that fail
	cell := func(at time.Time) int { return first + int(at.Sub(from)/trendCell) }
	name, field := of.definition.Name, of.definition.Show.Value
	if of.definition.Show.History > 0 {
		got, err := t.deps.Samples.Read(ctx, name, field, from, now)
		if err != nil && !errors.Is(err, archive.ErrNotFound) {
			return err
		}
		for _, b := range got.Buckets {
			if i := cell(b.At); b.Last == b.Last && i < trendCells {
				of.numbers[i], of.known = b.Last, true
			}
		}
	}
	past, err := t.deps.Spans.Past(ctx, name, from, now)
	if err != nil {
		return err
	}
	for _, s := range past.Spans {
		letter := letterOf(s.State)
		if s.From.Before(from) {
			s.From = from
		}
		for i := cell(s.From); i < trendCells && !from.Add(time.Duration(i-first)*trendCell).After(s.To); i++ {
			if isWorse(letter, of.day[i]) {
				of.day[i] = letter
			}
		}
	}
	of.until = until
	return nil
}

func letterOf(state string) byte {
	switch state {
	case wire.SourceOK:
		return wire.TrendOK
	case wire.SourceStale:
		return wire.TrendStale
	case wire.SourceFailing:
		return wire.TrendFailing
	}
	return wire.TrendUnknown
}

// isWorse reports whether a half hour is rather a than b.
func isWorse(a, b byte) bool {
	const ranks = string(wire.TrendUnknown) + string(wire.TrendOK) + string(wire.TrendStale) + string(wire.TrendFailing)
	return strings.IndexByte(ranks, a) > strings.IndexByte(ranks, b)
}

// wire returns the trend as the API answers it.
func (of *trendOf) wire() wire.Trend {
	trend := wire.Trend{Name: of.definition.Name, Day: string(of.day[:])}
	if of.known {
		for _, x := range of.numbers {
			trend.Trend = append(trend.Trend, digits(x))
		}
	}
	return trend
}

// digits rounds a number to those that a small chart can show, which is a third of the bytes of the whole answer.
func digits(x float64) float64 {
	if x != x {
		return x
	}
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 6, 64), 64)
	return rounded
}
