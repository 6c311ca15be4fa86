package alert_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/sse/ssetest"
)

// A shelf keeps records, until it is closed as by the death of the process.
type shelf struct {
	mu     sync.Mutex // guards the fields below
	rows   map[string]string
	closed bool
	err    error
}

func (s *shelf) Each(_ context.Context, f func(source string, record []byte)) error {
	for source, record := range s.rows {
		f(source, []byte(record))
	}
	return s.err
}

func (s *shelf) Keep(source string, record []byte, _ bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
	case record == nil:
		delete(s.rows, source)
	default:
		s.rows[source] = string(record)
	}
}

func (s *shelf) Kept(context.Context) error { return nil }

// copied is what a shelf has now, for the next process.
func (s *shelf) copied() *shelf {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return &shelf{rows: maps.Clone(s.rows)}
}

// A life is one process after the other that watches the source tank and calls one webhook, in a bubble.
type life struct {
	t     *testing.T
	alert *config.Alert
	shelf *shelf

	scheduler *smartpoll.Scheduler
	service   *alert.Service
	monitor   *alert.Monitor
	end       func()

	client *http.Client
	mu     sync.Mutex // guards the fields below
	answer string     // "", "down" or "hangs"
	calls  []string
	told   string // the last call that was not refused
}

func newLife(t *testing.T, yaml string) *life {
	l := &life{t: t, shelf: &shelf{rows: map[string]string{}}}
	l.configure(yaml)
	server := ssetest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		l.mu.Lock()
		l.calls = append(l.calls, string(body))
		answer := l.answer
		if answer != "down" {
			l.told, _, _ = strings.Cut(string(body), " ")
		}
		l.mu.Unlock()
		switch answer {
		case "down":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "hangs":
			<-r.Context().Done()
		}
	}))
	l.client = server.Client
	t.Cleanup(func() { l.end() })
	l.start()
	return l
}

// configure has the next process have that alert.
func (l *life) configure(yaml string) {
	cfg := load(l.t, "notify: {hook: {http: {url: http://hook.example/hidden, body: \"{state} {value}\", headers: {Authorization: hidden}}}}\n"+
		"sources: {tank: {exec: [x], every: 1m, alert: "+yaml+"}}\n")
	l.alert = cfg.Sources[0].Alert
}

// start begins a process.
func (l *life) start() {
	l.t.Helper()
	var err error
	if l.scheduler, err = smartpoll.New(smartpoll.WithDynamic()); err != nil {
		l.t.Fatal(err)
	}
	l.service = alert.New(alert.Deps{
		Scheduler: l.scheduler, Client: l.client, Log: slog.New(slog.DiscardHandler), Clock: clock.New(), Changed: func(_, _, _ string) {},
	})
	if err := l.service.Restore(l.t.Context(), l.shelf); err != nil {
		l.t.Fatal(err)
	}
	l.monitor = l.service.Monitor(alert.Subject{Key: "source/tank", Name: "tank", Secrets: secret.New()}, l.alert, nil)
	if l.alert != nil {
		if err := l.scheduler.Add(alert.Key("source/tank"), func(context.Context) (smartpoll.TaskHook, error) {
			monitor := l.monitor
			return func(context.Context, *smartpoll.Internal) error { monitor.Elapse(alert.Reading{OK: true}); return nil }, nil
		}); err != nil {
			l.t.Fatal(err)
		}
	}
	l.monitor.Resume()
	l.service.Forget()
	l.end = running(l.t, l.scheduler)
}

// kill ends the process at once, and begins the next one after a while.
func (l *life) kill(away time.Duration) {
	l.shelf = l.shelf.copied()
	l.end()
	time.Sleep(away)
	l.start()
}

// stop ends the process in order, and begins the next one after a while.
func (l *life) stop(away time.Duration) {
	l.end()
	l.service.Flush(l.t.Context())
	l.shelf = l.shelf.copied()
	time.Sleep(away)
	l.start()
}

// gets is a poll that gets a value.
func (l *life) gets(value int) {
	l.t.Helper()
	data := fmt.Append(nil, value)
	if err := l.scheduler.Do(l.t.Context(), func(ctx context.Context, _ *smartpoll.Internal) error {
		l.monitor.Transition(alert.Reading{OK: true, Value: data}, l.monitor.Evaluate(ctx, float64(value)))
		return nil
	}); err != nil {
		l.t.Fatal(err)
	}
	synctest.Wait()
}

// answers has the webhook answer so.
func (l *life) answers(how string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answer = how
}

// state is that of the alert.
func (l *life) state() (is *wire.Alert) {
	l.t.Helper()
	if err := l.scheduler.Do(l.t.Context(), func(context.Context, *smartpoll.Internal) error {
		is = l.monitor.Alert()
		return nil
	}); err != nil {
		l.t.Fatal(err)
	}
	return is
}

// heard checks which calls came since it was asked last, and the state of the alert.
func (l *life) heard(state string, want ...string) {
	l.t.Helper()
	synctest.Wait()
	is := "clear"
	if a := l.state(); a != nil {
		is = a.State + " since " + a.Since.Format("04:05")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Equal(l.calls, want) || is != state {
		l.t.Errorf("the alert is %s, the calls are %q; want %s, %q", is, l.calls, state, want)
	}
	l.calls = nil
}

func inBubble(t *testing.T, name, yaml string, f func(l *life)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { f(newLife(t, yaml)) })
	})
}

func TestAlertsOutliveTheProcess(t *testing.T) {
	const high = "{if: . > 90, for: 1m, clear_for: 1m, notify: hook}"
	inBubble(t, "a firing one is not told again, and its end is", "{if: . > 90, notify: hook}", func(l *life) {
		l.gets(95)
		l.heard("firing since 00:00", "firing 95")
		for _, restart := range []func(time.Duration){l.kill, l.stop} {
			restart(time.Minute)
			l.heard("firing since 00:00")
			l.gets(96)
			l.heard("firing since 00:00")
		}
		l.kill(time.Minute)
		l.gets(50) // it was over meanwhile
		l.heard("clear", "resolved 50")
		l.kill(time.Minute)
		l.gets(50)
		l.heard("clear")
		if len(l.shelf.rows) != 0 {
			t.Errorf("%v is kept of an alert that is clear", l.shelf.rows)
		}
	})
	inBubble(t, "what was not delivered is", "{if: . > 90, notify: hook}", func(l *life) {
		l.answers("down")
		l.gets(95)
		l.heard("firing since 00:00", "firing 95")
		l.stop(time.Minute)
		l.heard("firing since 00:00", "firing 95", "firing 95") // at the stop and at the start
		l.kill(time.Minute)
		l.answers("")
		time.Sleep(2 * time.Second)
		l.heard("firing since 00:00", "firing 95", "firing 95")
		l.kill(time.Minute)
		l.gets(50)
		l.heard("clear", "resolved 50")
	})
	inBubble(t, "a call that may have arrived is followed by the end", "{if: . > 90, notify: hook}", func(l *life) {
		l.answers("hangs")
		l.gets(95)
		l.heard("firing since 00:00", "firing 95")
		l.kill(time.Second)
		l.answers("")
		l.heard("firing since 00:00", "firing 95")
		l.gets(50)
		time.Sleep(15 * time.Second)
		l.heard("clear", "firing 95", "resolved 50")
	})
	inBubble(t, "for goes on", high, func(l *life) {
		l.gets(95)
		time.Sleep(30 * time.Second)
		l.kill(20 * time.Second)
		l.heard("pending since 00:00")
		l.gets(95)
		time.Sleep(9 * time.Second)
		l.heard("pending since 00:00")
		time.Sleep(2 * time.Second)
		l.heard("firing since 00:00", "firing ")
	})
	inBubble(t, "a time that is over waits for a value", high, func(l *life) {
		l.gets(95)
		l.kill(10 * time.Minute)
		time.Sleep(time.Minute)
		l.heard("pending since 00:00")
		l.gets(96)
		l.heard("firing since 00:00", "firing 96")
		l.gets(50)
		time.Sleep(30 * time.Second)
		l.kill(20 * time.Second)
		l.heard("firing since 00:00")
		l.gets(50)
		l.heard("firing since 00:00")
		time.Sleep(11 * time.Second)
		l.heard("clear", "resolved ")
	})
	inBubble(t, "a value may say otherwise", high, func(l *life) {
		l.gets(95)
		l.kill(10 * time.Minute)
		l.gets(50)
		l.heard("clear")
	})
	inBubble(t, "another condition", high, func(l *life) {
		l.gets(95)
		l.configure("{if: . > 80, for: 1m, notify: hook}")
		l.kill(10 * time.Minute)
		l.heard("clear")
		l.gets(95)
		time.Sleep(time.Minute)
		l.heard("firing since 10:00", "firing ")
		l.configure("{if: . > 99, notify: hook}")
		l.kill(time.Second)
		l.heard("firing since 10:00")
		l.gets(95)
		l.heard("clear", "resolved 95")
	})
	inBubble(t, "what is not configured is forgotten", "{if: . > 90, notify: hook}", func(l *life) {
		l.gets(95)
		l.heard("firing since 00:00", "firing 95")
		configured := l.alert
		l.alert = nil
		l.kill(time.Second)
		l.alert = configured
		l.kill(time.Second)
		l.heard("clear")
	})
	inBubble(t, "no credential is kept", "{if: . > 90, notify: hook}", func(l *life) {
		l.answers("down")
		l.gets(95)
		if kept := l.shelf.rows["source/tank"]; !json.Valid([]byte(kept)) || contains(kept, "hidden") || !contains(kept, "hook") {
			t.Errorf("%s is kept, want the message and the name of the webhook, but not how it is called", kept)
		}
		l.shelf.err = errors.New("the disk is gone")
		if err := l.service.Restore(l.t.Context(), l.shelf); !errors.Is(err, l.shelf.err) {
			t.Errorf("Restore = %v, want %v", err, l.shelf.err)
		}
	})
}

// Whatever happens: in the end the webhook knows how it is.
func TestNoAlertIsLostByRestarts(t *testing.T) {
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			l := newLife(t, []string{"{if: . > 90, notify: hook}", "{if: . > 90, for: 20s, clear_for: 20s, notify: hook}"}[seed%2])
			var diary []string
			for range 30 {
				switch did := random.IntN(7); did {
				case 0:
					l.kill(time.Duration(random.IntN(60)) * time.Second)
					diary = append(diary, "kill")
				case 1:
					l.stop(time.Duration(random.IntN(60)) * time.Second)
					diary = append(diary, "stop")
				case 2:
					how := []string{"", "down", "hangs"}[random.IntN(3)]
					l.answers(how)
					diary = append(diary, "answers "+how)
				case 3:
					time.Sleep(time.Duration(random.IntN(30)) * time.Second)
					diary = append(diary, "wait")
				default:
					value := 50 + 45*random.IntN(2)
					l.gets(value)
					diary = append(diary, fmt.Sprint(value))
				}
			}
			l.answers("")
			last := 50 + 45*random.IntN(2)
			for range 20 { // longer than any backoff
				l.gets(last)
				time.Sleep(time.Minute)
			}
			fires := l.state() != nil
			l.mu.Lock()
			defer l.mu.Unlock()
			if fires != (last > 90) || fires != (l.told == "firing") || !fires && len(l.shelf.rows) != 0 {
				t.Errorf("seed %d: the value is %d, the alert fires: %v, the webhook was told %q, kept is %v\nafter %s",
					seed, last, fires, l.told, l.shelf.rows, strings.Join(diary, ", "))
			}
		})
	}
}
