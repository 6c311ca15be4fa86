package gateway_test

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
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
			g := gateway.NewGateway(b, b.Context(), load(b, tt.yaml), gateway.Options{
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
			cancel()
			<-over
			g.StopJobs()
		})
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
