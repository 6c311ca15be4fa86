package archive

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// Bounds of [MemoryRuns].
const (
	defaultMaxOutput    = 32 << 20
	defaultMaxForgotten = 10_000
)

// MemoryRuns is [Runs] in memory. How many runs it keeps is up to those who add them. Its methods fail only as the
// interface says, whatever their context. It owns no goroutine.
//
// Make one with [NewMemoryRuns].
type MemoryRuns struct {
	maxOutput    int64
	maxForgotten int
	asAdded      bool

	mu sync.Mutex // guards the fields below

	runs      map[string]Run
	byCreated []RunKey         // of all runs, oldest first
	byEnd     map[string][]end // by job, oldest first
	added     uint64           // runs
	forgotten map[string]struct{}
	order     []string // the ids in forgotten, oldest first
	outputs   map[string]*output
	printers  []string // the runs in outputs, in the order of their first line
	printed   int64    // bytes in all outputs
}

// An end is the place of a run among the ends of its job: those of the same millisecond are in the order in which the runs
// began and were added. With the option AsAdded there are no times in it.
type end struct {
	at, created time.Time
	n           uint64 // grows with each run
	id          string
}

// An output is what a run has printed.
type output struct {
	chunks [][]byte
	first  int64 // the offset of the first chunk
	size   int64
	ended  bool
}

// MemoryOptions are the options of [NewMemoryRuns].
type MemoryOptions struct {
	// MaxOutput bounds the output of all runs together, in bytes. The oldest output goes first, that of runs which have
	// ended before that of others. Zero or less means 32 MiB.
	MaxOutput int64

	// MaxForgotten is how many ids of runs that were forgotten are remembered. Zero or less means 10,000.
	MaxForgotten int

	// AsAdded says that the runs come from several hosts, whose clocks differ: those of a job are in the order in which they
	// are added, whenever they are said to have ended.
	AsAdded bool
}

// NewMemoryRuns returns a MemoryRuns without runs. opts may be nil.
func NewMemoryRuns(opts *MemoryOptions) *MemoryRuns {
	m := &MemoryRuns{
		maxOutput: defaultMaxOutput, maxForgotten: defaultMaxForgotten,
		runs:      map[string]Run{},
		byEnd:     map[string][]end{},
		forgotten: map[string]struct{}{},
		outputs:   map[string]*output{},
	}
	if opts != nil && opts.MaxOutput > 0 {
		m.maxOutput = opts.MaxOutput
	}
	if opts != nil && opts.MaxForgotten > 0 {
		m.maxForgotten = opts.MaxForgotten
	}
	m.asAdded = opts != nil && opts.AsAdded
	return m
}

// Add implements [Runs]. All that is too much is forgotten at once.
func (m *MemoryRuns) Add(_ context.Context, run Run, keep int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, known := m.runs[run.ID]
	_, over := m.forgotten[run.ID]
	if known || over {
		return nil
	}
	m.runs[run.ID] = run
	at, _ := slices.BinarySearchFunc(m.byCreated, run.Key(), RunKey.Compare)
	m.byCreated = slices.Insert(m.byCreated, at, run.Key())
	ends := m.byEnd[run.Job]
	m.added++
	is := end{n: m.added, id: run.ID}
	if !m.asAdded {
		is.at, is.created = run.Finished, run.Created
	}
	at, _ = slices.BinarySearchFunc(ends, is, end.compare)
	m.byEnd[run.Job] = slices.Insert(ends, at, is)
	for _, name := range OutputsOf(run.ID) {
		if o := m.outputs[name]; o != nil {
			o.ended = true
		}
	}
	for now := time.Now(); len(m.byEnd[run.Job]) > max(keep, 1); {
		past, future := byNow(m.byEnd[run.Job], now)
		oldest := future
		if len(future) == 0 {
			oldest = past
		}
		m.forgetLocked(m.runs[oldest[0].id])
	}
	m.sweepLocked()
	return nil
}

// byNow divides ends into those that have been and those that are in the future.
func byNow(ends []end, now time.Time) (past, future []end) {
	at, _ := slices.BinarySearchFunc(ends, now, func(e end, now time.Time) int {
		if e.at.Sub(now) > Ahead {
			return 1
		}
		return -1
	})
	return ends[:at], ends[at:]
}

func (e end) compare(f end) int {
	return cmp.Or(e.at.Compare(f.at), e.created.Compare(f.created), cmp.Compare(e.n, f.n))
}

// forgetLocked forgets a run.
func (m *MemoryRuns) forgetLocked(run Run) {
	delete(m.runs, run.ID)
	if at, ok := slices.BinarySearchFunc(m.byCreated, run.Key(), RunKey.Compare); ok {
		m.byCreated = slices.Delete(m.byCreated, at, at+1)
	}
	ends := m.byEnd[run.Job]
	at := 0
	if !m.asAdded {
		at, _ = slices.BinarySearchFunc(ends, end{at: run.Finished, created: run.Created}, end.compare)
	}
	if same := slices.IndexFunc(ends[at:], func(e end) bool { return e.id == run.ID }); same >= 0 {
		ends = slices.Delete(ends, at+same, at+same+1)
	}
	m.byEnd[run.Job] = ends
	if len(ends) == 0 {
		delete(m.byEnd, run.Job)
	}
	m.dropOutputsLocked(run.ID)
	m.forgotten[run.ID] = struct{}{}
	if m.order = append(m.order, run.ID); len(m.order) > m.maxForgotten {
		delete(m.forgotten, m.order[0])
		m.order = m.order[1:]
	}
}

// Get implements [Runs].
func (m *MemoryRuns) Get(_ context.Context, id string) (Run, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	run, ok := m.runs[id]
	_, over := m.forgotten[id]
	switch {
	case over, ok && hasExpired(run, time.Now()):
		return Run{}, ErrForgotten
	case !ok:
		return Run{}, ErrNotFound
	}
	return run, nil
}

func hasExpired(run Run, now time.Time) bool { return !run.Expires.After(now) }

// List implements [Runs].
func (m *MemoryRuns) List(_ context.Context, filter RunFilter) ([]Run, error) {
	if filter.Limit <= 0 {
		filter.Limit = RunLimit
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now, at := time.Now(), len(m.byCreated)
	if filter.After != nil {
		at, _ = slices.BinarySearchFunc(m.byCreated, *filter.After, RunKey.Compare)
	}
	var found []Run
	for at--; at >= 0 && len(found) < filter.Limit; at-- {
		run := m.runs[m.byCreated[at].ID]
		if run.Created.Before(filter.Since) {
			break
		}
		if filter.Passes(run) && !hasExpired(run, now) {
			found = append(found, run)
		}
	}
	return found, nil
}

// Passes reports whether the filter lets a run pass, wherever a list begins and ends.
func (f RunFilter) Passes(run Run) bool {
	return (f.Job == "" || f.Job == run.Job) && (f.Statuses == nil || slices.Contains(f.Statuses, run.Status)) &&
		!run.Created.Before(f.Since) && (f.Before.IsZero() || run.Created.Before(f.Before)) &&
		(f.After == nil || run.Key().Compare(*f.After) < 0)
}

// Last implements [Runs].
func (m *MemoryRuns) Last(_ context.Context, job string) (Run, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	past, future := byNow(m.byEnd[job], now)
	for _, ends := range [][]end{past, future} {
		for _, e := range slices.Backward(ends) {
			if run := m.runs[e.id]; !hasExpired(run, now) {
				return run, nil
			}
		}
	}
	return Run{}, ErrNotFound
}

// Print implements [Runs].
func (m *MemoryRuns) Print(run string, at int64, text []byte, keep int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.outputs[run]
	if o == nil {
		o = &output{first: at, size: at}
		m.outputs[run] = o
		m.printers = append(m.printers, run)
	}
	m.printed += int64(len(text))
	o.size += int64(len(text))
	for len(text) > 0 {
		if n := len(o.chunks); n == 0 || len(o.chunks[n-1]) == ChunkSize {
			o.chunks = append(o.chunks, nil)
		}
		last := &o.chunks[len(o.chunks)-1]
		n := min(len(text), ChunkSize-len(*last))
		*last = append(*last, text[:n]...)
		text = text[n:]
	}
	for len(o.chunks) > 0 && o.size-o.first-int64(len(o.chunks[0])) >= keep {
		m.cutLocked(o)
	}
	m.makeRoomLocked()
}

// cutLocked drops the front of an output.
func (m *MemoryRuns) cutLocked(o *output) {
	n := int64(len(o.chunks[0]))
	m.printed -= n
	o.first += n
	o.chunks = slices.Delete(o.chunks, 0, 1)
}

// makeRoomLocked drops what is too much of all outputs.
func (m *MemoryRuns) makeRoomLocked() {
	for _, endedOnly := range []bool{true, false} {
		for _, id := range m.printers {
			for o := m.outputs[id]; m.printed > m.maxOutput && len(o.chunks) > 0 && (o.ended || !endedOnly); {
				m.cutLocked(o)
			}
			if m.printed <= m.maxOutput {
				return
			}
		}
	}
}

// dropOutputsLocked forgets what a run has printed.
func (m *MemoryRuns) dropOutputsLocked(run string) {
	for _, name := range OutputsOf(run) {
		m.dropOutputLocked(name)
	}
}

// dropOutputLocked forgets an output.
func (m *MemoryRuns) dropOutputLocked(id string) {
	o := m.outputs[id]
	if o == nil {
		return
	}
	for len(o.chunks) > 0 {
		m.cutLocked(o)
	}
	delete(m.outputs, id)
	m.printers = slices.DeleteFunc(m.printers, func(other string) bool { return other == id })
}

// Discard implements [Runs].
func (m *MemoryRuns) Discard(run string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dropOutputsLocked(run)
}

// Output implements [Runs].
func (m *MemoryRuns) Output(_ context.Context, run string, from int64, most int) (Output, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.outputs[run]
	id, _ := RunOf(run)
	if r, ok := m.runs[id]; o == nil || ok && hasExpired(r, time.Now()) {
		return Output{}, nil
	}
	part := Output{Begin: min(max(from, o.first), o.size), Size: o.size}
	skip := part.Begin - o.first
	for _, chunk := range o.chunks {
		if n := int64(len(chunk)); skip >= n {
			skip -= n
			continue
		}
		chunk = chunk[skip:]
		skip = 0
		part.Text = append(part.Text, chunk[:min(len(chunk), most-len(part.Text))]...)
		if len(part.Text) >= most {
			break
		}
	}
	return part, nil
}

// Sweep implements [Runs].
func (m *MemoryRuns) Sweep(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweepLocked()
	return nil
}

// sweepLocked forgets what has expired. Runs of a job expire in the order of their ends, unless its configuration has
// changed; those that do not are found here later.
func (m *MemoryRuns) sweepLocked() {
	now := time.Now()
	for _, ends := range m.byEnd {
		for len(ends) > 0 && hasExpired(m.runs[ends[0].id], now) {
			run := m.runs[ends[0].id]
			m.forgetLocked(run)
			ends = m.byEnd[run.Job]
		}
	}
}
