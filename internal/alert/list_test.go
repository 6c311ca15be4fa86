package alert_test

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/smartpoll"
)

// The list of a thousand alerts that fire, and what of that other methods wait for.
func BenchmarkAlerts(b *testing.B) {
	scheduler, err := smartpoll.New(smartpoll.WithDynamic())
	if err != nil {
		b.Fatal(err)
	}
	service := alert.New(alert.Deps{
		Scheduler: scheduler, Log: slog.New(slog.DiscardHandler), Clock: clock.New(), Changed: func(_, _, _ string) {},
	})
	cfg := load(b, "notify: {ops: 'http://127.0.0.1:1', home: 'http://127.0.0.1:2'}\n"+
		"sources: {tank: {exec: [x], alert: {if: . > 90, notify: [ops, home]}}}")
	service.SetReceivers(cfg.Notify)
	for i := range 1000 {
		name := fmt.Sprint(i)
		m := service.Monitor(alert.Subject{Key: "source/" + name, Name: name, Secrets: secret.New()}, cfg.Sources[0].Alert, nil)
		m.Transition(alert.Reading{OK: true, Polled: true}, m.Evaluate(b.Context(), 95.0))
	}
	b.Run("all", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			service.Alerts()
		}
	})
	b.Run("under the mutex", func(b *testing.B) {
		for b.Loop() {
			service.List()
		}
	})
}
