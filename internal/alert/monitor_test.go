package alert_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/jq"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/smartpoll"
)

// watched is a monitor in a scheduler that runs.
type watched struct {
	t         *testing.T
	scheduler *smartpoll.Scheduler
	log       *lockedBuffer
	service   *alert.Service
	monitor   *alert.Monitor
}

// watch runs a scheduler with the monitor of an alert until the test ends.
func watch(t *testing.T, a *config.Alert, secrets ...string) *watched {
	t.Helper()
	scheduler, err := smartpoll.New(smartpoll.WithDynamic())
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{t: t, scheduler: scheduler, log: new(lockedBuffer)}
	w.service = alert.New(alert.Deps{
		Scheduler: scheduler, Client: http.DefaultClient, Log: slog.New(slog.NewTextHandler(w.log, nil)), Clock: clock.New(),
		Changed: func(_, _, _ string) {},
	})
	w.monitor = w.service.Monitor(alert.Subject{Key: "source/tank", Name: "tank", Secrets: secret.New(secrets...)}, a, nil)
	if err := scheduler.Add(alert.Key("source/tank"), func(context.Context) (smartpoll.TaskHook, error) {
		return func(context.Context, *smartpoll.Internal) error {
			w.monitor.Elapse(alert.Reading{OK: true})
			return nil
		}, nil
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(running(t, scheduler))
	return w
}

// gets is a poll that gets a value.
func (w *watched) gets(value any) {
	w.t.Helper()
	e := w.monitor.Evaluate(w.t.Context(), value)
	w.hook(func() { w.monitor.Transition(alert.Reading{OK: true}, e) })
}

func (w *watched) hook(f func()) {
	w.t.Helper()
	hook := func(context.Context, *smartpoll.Internal) error { f(); return nil }
	if err := w.scheduler.Do(w.t.Context(), hook); err != nil {
		w.t.Fatal(err)
	}
}

// is checks the state after a time.
func (w *watched) is(after time.Duration, want string) {
	w.t.Helper()
	time.Sleep(after)
	synctest.Wait()
	got := "clear"
	if a := w.monitor.Alert(); a != nil {
		if got = a.State; a.Error != nil {
			got += " " + *a.Error
		}
	}
	if got != want {
		w.t.Errorf("the alert is %q, want %q", got, want)
	}
}

func program(t *testing.T, text string) *jq.Program {
	t.Helper()
	p, err := jq.Compile(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAMonitorGoesThroughItsStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, &config.Alert{
			If: program(t, ". > 90"), For: time.Minute, Clear: program(t, ". < 80"), ClearFor: time.Minute,
		})
		w.is(0, "clear")
		w.gets(95.0)
		w.is(30*time.Second, "pending")
		w.gets(85.0)
		w.is(0, "clear")
		w.gets(95.0)
		w.is(time.Minute, "firing")
		w.gets(85.0) // neither holds
		w.is(time.Hour, "firing")
		w.gets(75.0)
		w.is(30*time.Second, "firing")
		w.gets(75.0) // goes on to count
		w.is(30*time.Second, "clear")
	})
}

// The message about a condition that cannot be evaluated shows no secret, whichever condition it is.
func TestErrorsOfConditionsShowNoSecret(t *testing.T) {
	says := `"says " + .[1]`
	for _, tt := range []struct{ condition, clear, prefix string }{
		{says, "true", "alert: "},
		{".[0] == 1", says, "alert: clear: "},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := watch(t, &config.Alert{If: program(t, tt.condition), Clear: program(t, tt.clear)}, "hunter22")
			w.gets([]any{1.0, "hunter22"})
			w.gets([]any{0.0, "hunter22"})
			a := w.monitor.Alert()
			if a == nil || a.Error == nil || !strings.HasPrefix(*a.Error, tt.prefix) {
				t.Fatalf("the alert is %v, want an error that begins with %q", a, tt.prefix)
			}
			if strings.Contains(*a.Error, "hunter22") || contains(w.log.String(), "hunter22") {
				t.Errorf("the secret is in %q or in the log:\n%s", *a.Error, w.log)
			}
		})
	}
}

func TestAMonitorWithoutConditionsIsAboutFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, &config.Alert{})
		w.hook(func() { w.monitor.Transition(alert.Reading{}, alert.Evaluation{}) }) // not polled yet
		w.is(0, "clear")
		w.hook(func() { w.monitor.Transition(alert.Reading{Failed: true}, alert.Evaluation{}) })
		w.is(0, "firing")
		w.hook(func() {
			w.monitor.Transition(alert.Reading{OK: true, Value: json.RawMessage("1")}, alert.Evaluation{})
		})
		w.is(0, "clear")
	})
}

func TestAMonitorTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		high := program(t, ". > 90")
		w := watch(t, &config.Alert{If: high, For: time.Minute})
		w.gets(95.0)
		for _, tt := range []struct {
			alert *config.Alert
			want  bool // it goes on
		}{
			{&config.Alert{If: high, For: time.Hour}, true},
			{&config.Alert{If: program(t, ". > 80"), For: time.Minute}, false},
		} {
			next := w.service.Monitor(alert.Subject{Key: "source/tank", Name: "tank"}, tt.alert, nil)
			next.TakeOver(w.monitor)
			if got := next.Alert() != nil; got != tt.want {
				t.Errorf("a pending alert goes on as %v: %v, want %v", tt.alert.If, got, tt.want)
			}
		}
		none := w.service.Monitor(alert.Subject{Key: "source/tank", Name: "tank"}, nil, nil)
		none.TakeOver(w.monitor)
		none.Transition(alert.Reading{Failed: true}, none.Evaluate(t.Context(), 1.0))
		if none.Alert() != nil {
			t.Errorf("no alert is %v, want it clear", none.Alert())
		}
	})
}
