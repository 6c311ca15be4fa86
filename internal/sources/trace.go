package sources

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/text"
	"github.com/tidewire/tidewire/internal/wire"
)

// tracedLine is how many characters of a value a trace shows on one line.
const tracedLine = 100

// PollOnce polls a source once, without its limit, and returns its value as JSON; inputs are polled
// first. If trace is not nil, each step is written to it for people, with *** for the values of
// headers and queries. A failed poll is the returned error. The scheduler must not run.
func (svc *Service) PollOnce(ctx context.Context, name string, trace io.Writer) (json.RawMessage, error) {
	s := svc.find(name)
	if split := svc.find(name[:max(0, strings.LastIndexByte(name, '/'))]); s == nil && split != nil && split.Split != nil {
		got, err := svc.pollRow(ctx, split, name, trace)
		return got.data, err
	}
	if s == nil {
		return nil, fmt.Errorf("there is no source %q", name)
	}
	got, err := svc.pollOnce(ctx, s, trace)
	return got.data, err
}

// pollRow is PollOnce of the source of a row of split.
func (svc *Service) pollRow(ctx context.Context, split *poller, name string, trace io.Writer) (reading, error) {
	got, err := svc.pollOnce(ctx, split, trace)
	if err != nil {
		return reading{}, err
	}
	if trace != nil {
		fmt.Fprint(trace, "\n\n")
	}
	var names []string
	for _, r := range got.rows {
		one := split.Row(r.Row)
		if one.Name == name {
			child := svc.newPoller(one)
			child.fetcher = r.message()
			return svc.pollOnce(ctx, child, trace)
		}
		names = append(names, one.Name)
	}
	return reading{}, fmt.Errorf("there is no source %s: %s", grammar.Quote(name), grammar.Suggest(name, "rows", names))
}

func (svc *Service) pollOnce(ctx context.Context, s *poller, trace io.Writer) (reading, error) {
	for _, name := range s.from {
		input := svc.find(name)
		if input.published.State != wire.SourcePending {
			continue // it is an input of two, and polled already
		}
		to := trace
		if input.SplitFrom != "" {
			to = nil // there may be many
		}
		got, err := svc.pollInput(ctx, input, to)
		if err == nil && len(got.rows) > 0 {
			if err := svc.addRows(ctx, input, got.rows); err != nil {
				return reading{}, err
			}
		}
		if now := svc.find(s.Name); now != s {
			return svc.pollOnce(ctx, now, trace) // which has rows as inputs
		}
	}
	if s.subscription != nil && s.SplitFrom == "" {
		s.subscription.End() // it is not subscribed for ever
		s.fetcher = kind.FetchFunc(s.hear)
	}
	if trace == nil {
		return s.poll(ctx)
	}
	t := &tracer{s: s, to: kind.NewTrace(trace, s.secrets)}
	fetcher := s.fetcher
	s.fetcher = t.watch(fetcher)
	defer func() { s.fetcher = fetcher }()
	t.begin(trace)
	got, err := s.poll(kind.WithTrace(ctx, t.to))
	t.end(ctx, got, err)
	return got, err
}

// pollInput is pollOnce of an input of another source.
func (svc *Service) pollInput(ctx context.Context, input *poller, trace io.Writer) (reading, error) {
	snap := wire.Source{State: wire.SourceOK, UpdatedAt: svc.deps.Clock.People(svc.deps.Clock.Now())}
	got, err := svc.pollOnce(ctx, input, trace)
	if trace != nil {
		fmt.Fprint(trace, "\n\n")
	}
	switch {
	case err != nil:
		text := err.Error()
		snap = wire.Source{State: wire.SourceFailing, Error: &text, Cause: kind.Cause(err)}
	case got.stale != "":
		snap.State, snap.Error, snap.Cause = wire.SourceStale, &got.stale, got.stale
	}
	snap.Value = got.data
	svc.find(input.Name).put(snap)
	return got, err
}

// addRows adds the sources of the rows that split has, which get the values of these.
func (svc *Service) addRows(ctx context.Context, split *poller, rows []row) error {
	var cfg config.Config
	children := map[string][]*config.Source{} // by split source
	for _, s := range svc.all() {
		if s.SplitFrom == "" {
			cfg.Sources = append(cfg.Sources, s.Source)
		} else {
			children[s.SplitFrom] = append(children[s.SplitFrom], s.Source)
		}
	}
	for _, r := range rows {
		children[split.Name] = append(children[split.Name], split.Row(r.Row))
	}
	c, err := svc.Prepare(ctx, cfg.WithRows(func(s *config.Source) []*config.Source { return children[s.Name] }))
	if err != nil {
		return err
	}
	c.Apply()
	c.Finish(ctx)
	for _, r := range rows {
		svc.find(split.Name + "/" + r.Name).fetcher = r.message()
	}
	return nil
}

// A tracer writes what one poll does, around what its fetch writes itself.
type tracer struct {
	s       *poller
	to      *kind.Trace
	raw     kind.Result // what is picked from
	fetched bool
}

// watch returns f, of which t notes what it gets.
func (t *tracer) watch(f kind.Fetcher) kind.Fetcher {
	return kind.FetchFunc(func(ctx context.Context) (kind.Result, error) {
		got, err := f.Fetch(ctx)
		t.raw, t.fetched = got, err == nil
		return got, err
	})
}

// begin says what is going to happen.
func (t *tracer) begin(w io.Writer) {
	pace := ""
	if t.s.Polled() {
		pace = fmt.Sprintf(", every %v, within %v", t.s.Every, t.s.Timeout)
	}
	fmt.Fprintf(w, "source %s %s%s\n", t.s.Name, t.s.Spec.Describe(), pace)
}

// end says what became of the value.
func (t *tracer) end(ctx context.Context, got reading, err error) {
	if t.fetched && t.s.Parse.Name != "" && t.s.Parse.Name != "json" {
		t.to.Section("parsed as %s", t.s.Parse.Name)
		data, _ := json.Marshal(t.raw.Value) // what is parsed encodes
		t.to.Block(string(data))
	}
	if t.fetched {
		t.picked(ctx)
		t.split(got.rows)
	}
	if err != nil {
		t.to.Section("failed after %s", t.to.Took())
		t.to.Line("%v", err)
		return
	}
	if got.valuePause > 0 {
		t.to.Section("next poll in %v, since a condition of every.when holds", got.valuePause)
	}
	if got.stale != "" {
		t.to.Section("stale")
		t.to.Line("%s", got.stale)
	}
	t.to.Section("value of %s", t.s.Name)
	t.to.Block(indented(got.data))
}

// picked says what each expression gives.
func (t *tracer) picked(ctx context.Context) {
	if len(t.s.Pick) == 0 {
		return
	}
	t.to.Section("picked")
	for _, f := range t.s.Pick {
		result, err := f.Expr.RunWith(ctx, t.raw.Value, t.raw.Variables)
		is := ""
		if err != nil {
			is = err.Error()
		} else {
			data, _ := json.Marshal(result) // what jq gives encodes
			is = string(data)
		}
		is = text.Cut(t.s.secrets.Text(text.Words(is)), tracedLine)
		t.to.Block(fmt.Sprintf("%s = %s\n  by %s", cmp.Or(f.Name, "value"), is, f.Expr))
	}
}

// split says which sources the rows of one that is split are.
func (t *tracer) split(rows []row) {
	const most = 20
	if t.s.Split == nil || len(rows) == 0 {
		return
	}
	t.to.Section("split into %d", len(rows))
	for i, r := range rows {
		if i == most {
			t.to.Line("and %d more", len(rows)-most)
			return
		}
		one := t.s.Row(r.Row)
		t.to.Line("%s: %s", one.Name, one.Title)
	}
}

// indented is JSON for people.
func indented(data []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, data, "", "  ") != nil {
		return string(data)
	}
	return b.String()
}
