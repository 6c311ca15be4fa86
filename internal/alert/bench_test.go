package alert_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/smartpoll"
)

// A poll that changes nothing about an alert.
func BenchmarkTransition(b *testing.B) {
	for _, bench := range []struct {
		name  string
		value float64
	}{{"clear", 50}, {"firing", 95}} {
		b.Run(bench.name, func(b *testing.B) {
			scheduler, err := smartpoll.New(smartpoll.WithDynamic())
			if err != nil {
				b.Fatal(err)
			}
			service := alert.New(alert.Deps{
				Scheduler: scheduler, Log: slog.New(slog.DiscardHandler), Clock: clock.New(), Changed: func(_, _, _ string) {},
			})
			cfg := load(b, "sources: {tank: {exec: [x], alert: {if: . > 90}}}")
			m := service.Monitor(alert.Subject{Key: "source/tank", Name: "tank", Secrets: secret.New()}, cfg.Sources[0].Alert, nil)
			e := m.Evaluate(b.Context(), bench.value)
			b.ReportAllocs()
			for b.Loop() {
				m.Transition(alert.Reading{OK: true, Polled: true}, e)
			}
		})
	}
}

// What waits for a receiver that is down is bounded, however often alerts fire.
func TestWhatWaitsIsBounded(t *testing.T) {
	tell(t, "two hundred alerts that come and go", func(s *story) {
		const sources = 200
		value := json.RawMessage(`"` + strings.Repeat("x", 2<<10) + `"`)
		s.fails(true)
		for i := range sources {
			s.source(fmt.Sprint(i), "", s.high("ops"))
		}
		held := func() uint64 {
			for i := range sources {
				for _, v := range []float64{95, 50} {
					m := s.monitors[fmt.Sprint(i)]
					m.Transition(alert.Reading{OK: true, Polled: true, Value: append(json.RawMessage{}, value...)}, m.Evaluate(s.t.Context(), v))
				}
			}
			synctest.Wait()
			time.Sleep(time.Second)
			runtime.GC()
			var is runtime.MemStats
			runtime.ReadMemStats(&is)
			return is.HeapAlloc
		}
		held()
		first := held()
		for range 6 {
			held()
		}
		if last := held(); last > first+first/2 || s.service.Longest() > 3 {
			t.Errorf("%d bytes are held at first, %d at last; %d messages of one alert wait", first, last, s.service.Longest())
		} else {
			t.Logf("%d KB are held at first, %d at last", first>>10, last>>10)
		}
	})
}
