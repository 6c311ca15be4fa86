package gateway_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/gateway"
	"github.com/tidewire/tidewire/internal/sources"
)

// A thousand has an answer of its own for each path, or all of them at /.
type thousand struct{ all string }

func (a thousand) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == "/" {
		return answerOf(r, a.all), nil
	}
	return answerOf(r, deviceRow(r.URL.Path[1:])), nil
}

func deviceRow(name string) string {
	return fmt.Sprintf(`{"id": %q, "label": "Device %[1]s", "temp": 21.5, "burner": {"on": true, "hours": 1200}, "more": [1, 2, 3]}`, name)
}

// BenchmarkSplit compares 1,000 sources that are polled with one that is split into 1,000: the time of a round in which each
// of them gets a value, and the memory of each when all have one; and with one that is computed from all of these rows.
// It also measures how long the commit of the split one holds up all other hooks.
func BenchmarkSplit(b *testing.B) {
	const n = 1000
	const keys = "pick: {temp: .temp, on: .burner.on}, show: {value: temp}, deadband: 0.1, alert: {if: .temp > 90}"
	var each, all strings.Builder
	for i := range n {
		fmt.Fprintf(&each, "  s%d: {http: {upstream: u, path: /s%[1]d}, every: 1h, %s}\n", i, keys)
		fmt.Fprintf(&all, ", %s", deviceRow(fmt.Sprint("s", i)))
	}
	const head = "upstreams: {u: {http: \"http://up\"}}\nsources:\n"
	split := head + "  s: {http: {upstream: u, path: /}, every: 1h, split: {each: '.[]', name: .id}, " + keys + "}\n"
	for _, tt := range []struct {
		name, yaml string
		ask        int // how many sources are refreshed
	}{
		{"polled", head + each.String(), n},
		{"split", split, 1},
		{"computed", split + "  computed: {from: [s/*], combine: '[.[].value.temp] | add'}\n", 1},
	} {
		b.Run(tt.name, func(b *testing.B) {
			var polls atomic.Int64
			before := heap()
			defer gateway.LogHooks()()
			commits := &hooks{of: "source/s"}
			g := gateway.NewGateway(b, b.Context(), load(b, tt.yaml), gateway.Options{
				Logger: slog.New(commits),
				Observer: &gateway.Observer{Sources: &sources.Observer{Polled: func(p sources.Poll) {
					if p.Source != "computed" {
						polls.Add(1)
					}
				}}},
			})
			g.Ask(thousand{"[" + all.String()[2:] + "]"})
			ctx, cancel := context.WithCancel(b.Context())
			over := g.Start(ctx)
			await := func(want int64) {
				for end := time.Now().Add(time.Minute); polls.Load() < want; time.Sleep(50 * time.Microsecond) {
					if time.Now().After(end) {
						b.Fatalf("there were %d polls, want %d", polls.Load(), want)
					}
				}
			}
			first := int64(n)
			if tt.ask == 1 {
				first++
			}
			await(first)
			memory := float64(heap()-before) / n
			names := []string{"s"}
			if tt.ask > 1 {
				names = names[:0]
				for i := range n {
					names = append(names, fmt.Sprint("s", i))
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				was := polls.Load()
				g.Refresh(b, names)
				await(was + first)
			}
			b.ReportMetric(memory, "B/source")
			if tt.ask == 1 {
				b.ReportMetric(float64(commits.median().Microseconds()), "us/commit")
			}
			cancel()
			<-over
			g.StopJobs()
		})
	}
}

// hooks are how long the hooks of a task took, as the log has them.
type hooks struct {
	of string

	mu   sync.Mutex
	took []time.Duration
}

func (*hooks) Enabled(_ context.Context, level slog.Level) bool { return level == slog.LevelWarn }
func (h *hooks) WithAttrs([]slog.Attr) slog.Handler             { return h }
func (h *hooks) WithGroup(string) slog.Handler                  { return h }

func (h *hooks) Handle(_ context.Context, r slog.Record) error {
	var took time.Duration
	isOf := false
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "task":
			isOf = a.Value.Any() == any(h.of)
		case "took":
			took = a.Value.Duration()
		}
		return true
	})
	if isOf {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.took = append(h.took, took)
	}
	return nil
}

func (h *hooks) median() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.took) == 0 {
		return 0
	}
	slices.Sort(h.took)
	return h.took[len(h.took)/2]
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// pods has rows whose names are other ones in each answer.
type pods struct {
	mu    sync.Mutex
	n, of int
}

func (p *pods) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	var all strings.Builder
	for i := range p.of {
		fmt.Fprintf(&all, `, {"id": "pod-%d-%d", "cpu": %d, "ready": true}`, p.n, i, i)
	}
	return answerOf(r, "["+all.String()[2:]+"]"), nil
}

// BenchmarkNewNames polls a source that is split into 50 rows, all of which have new names each time. What is in use in the end, and
// on disk, must not depend on -benchtime beyond the bounds of events.
func BenchmarkNewNames(b *testing.B) {
	const each = 50
	for _, where := range []string{"memory", "dir"} {
		b.Run(where, func(b *testing.B) {
			yaml := `
upstreams: {u: {http: "http://up"}}
notify: {hook: {http: "http://up/hook"}}
sources:
  pods: {http: {upstream: u}, every: 1h, split: {each: '.[]', name: .id, forget: 1ms}, pick: {cpu: .cpu, ready: .ready}, show: {value: cpu, history: 1m}, alert: {if: .cpu > 45, notify: hook}}
`
			dir := b.TempDir()
			if where == "dir" {
				yaml = withDir(dir) + yaml
			}
			var polls, removed atomic.Int64
			g := gateway.NewGateway(b, b.Context(), load(b, yaml), gateway.Options{
				Logger: slog.New(slog.DiscardHandler),
				Observer: &gateway.Observer{Sources: &sources.Observer{
					Polled: func(p sources.Poll) {
						if p.Err == nil && p.Source != "pods" {
							polls.Add(1)
						}
					},
					Removed: func(string) { removed.Add(1) },
				}},
			})
			g.Ask(&pods{of: each})
			ctx, cancel := context.WithCancel(b.Context())
			over := g.Start(ctx)
			await := func(want int64) {
				for end := time.Now().Add(time.Minute); polls.Load() < want; time.Sleep(50 * time.Microsecond) {
					if time.Now().After(end) {
						b.Fatalf("there were %d polls, want %d", polls.Load(), want)
					}
				}
			}
			await(each)
			before := heap()
			n := int64(1)
			for b.Loop() {
				n++
				g.Refresh(b, []string{"pods"})
				await(n * each)
			}
			b.ReportMetric(float64(int64(heap())-int64(before))/1e6, "MB")
			b.ReportMetric(float64(removed.Load()), "names")
			cancel()
			<-over
			g.End()
			if info, err := os.Stat(filepath.Join(dir, "tidewire.db")); err == nil {
				b.ReportMetric(float64(info.Size())/1e6, "disk-MB")
			}
		})
	}
}
