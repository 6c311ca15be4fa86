package flood_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/flood"
)

var begin = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// pass has n lines come and returns how many may be written.
func pass(m *flood.Meter, now time.Time, kind, caller string, n int) (passed int) {
	for range n {
		if m.Pass(now, kind, caller, caller) {
			passed++
		}
	}
	return passed
}

func TestACallerHasSoManyLines(t *testing.T) {
	var m flood.Meter
	if got := pass(&m, begin, "denied", "ann", 1213); got != flood.PerCaller {
		t.Errorf("%d of 1213 lines are written, want %d", got, flood.PerCaller)
	}
	if got := pass(&m, begin, "denied", "bob", 3) + pass(&m, begin, "sign-in", "ann", 4); got != 7 {
		t.Errorf("%d lines of another caller and kind are written, want all 7", got)
	}
	if due := m.Due(begin.Add(flood.Window - 1)); due != nil {
		t.Errorf("within the minute %v is due, want nothing", due)
	}
	now := begin.Add(flood.Window)
	if got := pass(&m, now, "denied", "ann", 1); got != 0 {
		t.Error("a line is written before what was left out is told")
	}
	due := m.Due(now)
	if want := (flood.Excess{Kind: "denied", About: "ann", More: 1204, Since: begin}); len(due) != 1 || due[0] != want {
		t.Errorf("%v is due, want %v alone", due, want)
	}
	if got, again := pass(&m, now, "denied", "ann", 1), m.Due(now); got != 1 || again != nil {
		t.Errorf("in the next minute %d of 1 lines is written, and %v is due, want 1 and nothing", got, again)
	}
}

// Many callers together have a bound, too, however many there are.
func TestAKindHasSoManyLines(t *testing.T) {
	var m flood.Meter
	const callers = 5000
	passed := 0
	for i := range callers {
		passed += pass(&m, begin, "refused", fmt.Sprint(i), 1)
	}
	if passed != flood.PerKind {
		t.Errorf("%d of %d lines are written, want %d", passed, callers, flood.PerKind)
	}
	due := m.Rest()
	if want := (flood.Excess{Kind: "refused", More: callers - flood.PerKind, Since: begin}); len(due) != 1 || due[0] != want {
		t.Errorf("%v is due, want %v alone", due, want)
	}
}

// Every line is written or counted, once, whoever asks meanwhile.
func TestNoLineIsLost(t *testing.T) {
	var m flood.Meter
	var all sync.WaitGroup
	var mu sync.Mutex
	seen := 0
	for i := range 8 {
		all.Go(func() {
			passed := pass(&m, begin, "denied", fmt.Sprint(i%3), 500)
			mu.Lock()
			defer mu.Unlock()
			seen += passed
			for _, e := range m.Due(begin.Add(2 * flood.Window)) {
				seen += e.More
			}
		})
	}
	all.Wait()
	for _, e := range m.Rest() {
		seen += e.More
	}
	if seen != 8*500 {
		t.Errorf("%d lines are written or counted, want %d", seen, 8*500)
	}
}

func TestHandler(t *testing.T) {
	var out bytes.Buffer
	h := flood.NewHandler(slog.NewTextHandler(&out, nil))
	log := slog.New(h).With("part", "x")
	for i := range 30 {
		log.Warn("sign-in failed", "err", i, "address", "192.0.2.1")
	}
	log.Warn("sign-in failed", "address", "192.0.2.2")
	log.Debug("sign-in failed", "address", "192.0.2.2")
	if got := strings.Count(out.String(), "sign-in failed"); got != flood.PerCaller+1 {
		t.Errorf("%d lines, want %d:\n%s", got, flood.PerCaller+1, &out)
	}
	h.Report(time.Now())
	out.Reset()
	h.ReportAll(time.Now())
	if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `msg="lines left out" of="sign-in failed" more=20 within=0s address=192.0.2.1`) {
		t.Errorf("then\n%s\nwant how many lines were left out, and of which address", got)
	}
}
