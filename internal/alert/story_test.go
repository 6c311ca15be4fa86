package alert_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	"github.com/tidewire/tidewire/internal/notify"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/sse/progress"
)

// A story is a Service with sources and a job in a bubble, and what receivers hear.
type story struct {
	t         *testing.T
	begun     time.Time
	scheduler *smartpoll.Scheduler
	service   *alert.Service
	shelf     *shelf
	monitors  map[string]*alert.Monitor
	job       *alert.JobMonitor
	end       func()

	mu       sync.Mutex // guards the fields below
	heard    []string
	messages []notify.Message
	told     []alert.Told
	down     bool // no receiver can be reached
}

func tell(t *testing.T, name string, f func(s *story)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &story{t: t, begun: time.Now(), shelf: &shelf{rows: map[string]string{}}}
			s.start()
			s.run()
			t.Cleanup(func() { s.end() })
			f(s)
		})
	})
}

// start begins a process, whose scheduler does not run yet.
func (s *story) start() {
	s.monitors, s.job = map[string]*alert.Monitor{}, nil
	var err error
	if s.scheduler, err = smartpoll.New(smartpoll.WithDynamic()); err != nil {
		s.t.Fatal(err)
	}
	s.service = alert.New(alert.Deps{
		Scheduler: s.scheduler, Log: slog.New(slog.DiscardHandler), Clock: clock.New(), Changed: func(_, _, _ string) {},
		Told: func(told alert.Told) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.told = append(s.told, told)
		},
	})
	if err := s.service.Restore(s.t.Context(), s.shelf); err != nil {
		s.t.Fatal(err)
	}
}

// run lets the scheduler run, now that all sources and jobs have begun that a process begins with.
func (s *story) run() {
	s.service.Forget()
	s.end = running(s.t, s.scheduler)
}

// restart kills the process, and begins the next one after a while, without sources: see run.
func (s *story) restart(away time.Duration) {
	s.shelf = s.shelf.copied()
	s.end()
	time.Sleep(away)
	s.start()
}

// to is a receiver of that name.
func (s *story) to(name string) *config.Notify {
	return &config.Notify{Name: name, GroupWait: 5 * time.Second, Receiver: &listener{s, name}}
}

// A listener is a receiver of a story.
type listener struct {
	story *story
	name  string
}

func (l *listener) Kind() string                        { return "story" }
func (l *listener) Show(notify.Message) (string, error) { return "", nil }

func (l *listener) Send(_ context.Context, _ *http.Client, m notify.Message) error {
	l.story.mu.Lock()
	defer l.story.mu.Unlock()
	if l.story.down {
		return &notify.Error{Err: errors.New("down")}
	}
	var names []string
	for _, i := range m.Alerts {
		name := i.Source + i.Job
		if i.Reason != "" {
			name += " " + i.Reason
		}
		if i.Earlier > 0 {
			name += fmt.Sprintf(" and %d before", i.Earlier)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	line := fmt.Sprintf("%v %s %s", time.Since(l.story.begun).Truncate(time.Second), l.name, m.State)
	if m.Again != "" {
		line += " (" + m.Again + ")"
	}
	l.story.heard = append(l.story.heard, line+": "+strings.Join(names, ", "))
	l.story.messages = append(l.story.messages, m)
	return nil
}

// source adds a source, or changes its alert.
func (s *story) source(name, upstream string, a *config.Alert) {
	s.t.Helper()
	key := wire.SourceKey(name)
	m := s.service.Monitor(alert.Subject{Key: key, Name: name, Title: name, Upstream: upstream, Secrets: secret.New()}, a, nil)
	before, changed := s.monitors[name]
	s.monitors[name] = m
	if changed {
		m.TakeOver(before)
		return
	}
	if err := s.scheduler.Add(alert.Key(key), func(context.Context) (smartpoll.TaskHook, error) {
		return func(context.Context, *smartpoll.Internal) error {
			s.monitors[name].Elapse(alert.Reading{OK: true})
			return nil
		}, nil
	}); err != nil {
		s.t.Fatal(err)
	}
	m.Resume()
}

// high is an alert of values above 90.
func (s *story) high(to ...string) *config.Alert {
	a := &config.Alert{If: program(s.t, ". > 90")}
	for _, name := range to {
		a.Notify = append(a.Notify, s.to(name))
	}
	return a
}

// gets is a poll of a source.
func (s *story) gets(name string, value float64) {
	m := s.monitors[name]
	m.Transition(alert.Reading{OK: true, Polled: true}, m.Evaluate(s.t.Context(), value))
	synctest.Wait()
}

// fails has all calls of receivers fail, or not.
func (s *story) fails(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// sent is what was sent so far, and forgets what receivers heard.
func (s *story) sent() []notify.Message {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = nil
	return s.messages
}

// after lets time pass since the beginning.
func (s *story) after(d time.Duration) {
	time.Sleep(d - time.Since(s.begun))
	synctest.Wait()
}

// hears checks what receivers heard since it was asked last.
func (s *story) hears(want ...string) {
	s.t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.Sort(want)
	slices.Sort(s.heard)
	if !slices.Equal(s.heard, want) {
		s.t.Errorf("after %v they heard\n\t%s\nwant\n\t%s", time.Since(s.begun), strings.Join(s.heard, "\n\t"), strings.Join(want, "\n\t"))
	}
	s.heard = nil
}

// silence silences for a time.
func (s *story) silence(of string, d time.Duration) wire.Silence {
	one, err := s.service.Silence(wire.Silence{Of: of, Until: time.Now().Add(d), By: "anna"})
	if err != nil {
		s.t.Fatal(err)
	}
	synctest.Wait()
	return one
}

func TestAFiringAlertIsRepeated(t *testing.T) {
	tell(t, "with a limit, for each time it fires", func(s *story) {
		a := s.high("ops")
		a.Repeat = config.Repeat{Every: time.Hour, Limit: 2}
		s.source("tank", "", a)
		s.gets("tank", 95)
		s.after(10 * time.Hour)
		s.hears("0s ops firing: tank", "1h0m0s ops firing (repeat): tank", "2h0m0s ops firing (repeat): tank")
		s.gets("tank", 50)
		s.gets("tank", 95)
		s.after(11*time.Hour + time.Minute)
		s.hears("10h0m0s ops resolved: tank", "10h0m0s ops firing: tank", "11h0m0s ops firing (repeat): tank")
	})
	tell(t, "until it is acknowledged, which holds for this time", func(s *story) {
		a := s.high("ops")
		a.Repeat = config.Repeat{Every: time.Hour}
		s.source("tank", "", a)
		if _, err := s.service.Acknowledge("source/tank", "anna", ""); !errors.Is(err, alert.ErrNotFiring) {
			t.Errorf("Acknowledge = %v of what does not fire, want %v", err, alert.ErrNotFiring)
		}
		s.gets("tank", 95)
		s.after(90 * time.Minute)
		if _, err := s.service.Acknowledge("source/tank", "anna", "on my way"); err != nil {
			t.Fatal(err)
		}
		if is := s.monitors["tank"].Alert().Acknowledged; is == nil || is.By != "anna" || is.Reason != "on my way" {
			t.Errorf("it is acknowledged as %+v", is)
		}
		s.after(5 * time.Hour)
		s.hears("0s ops firing: tank", "1h0m0s ops firing (repeat): tank")
		s.gets("tank", 50)
		s.gets("tank", 95)
		s.after(6*time.Hour + time.Minute)
		s.hears("5h0m0s ops resolved: tank", "5h0m0s ops firing: tank", "6h0m0s ops firing (repeat): tank")
	})
}

func TestASilence(t *testing.T) {
	tell(t, "that ends while it still fires", func(s *story) {
		s.source("tank", "", s.high("ops"))
		s.source("pump", "", s.high("ops"))
		s.gets("tank", 95)
		s.hears("0s ops firing: tank")
		s.silence(wire.SilenceAll, time.Hour)
		if is := s.monitors["tank"].Alert().Silenced; is == nil || is.By != "anna" {
			t.Errorf("it is silenced as %+v", is)
		}
		s.gets("pump", 95)
		s.after(time.Hour)
		s.hears("1h0m0s ops firing (unsilenced): tank", "1h0m0s ops firing: pump")
		if is := s.monitors["tank"].Alert().Silenced; is != nil || len(s.service.Silences()) != 0 {
			t.Errorf("it is silenced as %+v, silences are %v", is, s.service.Silences())
		}
	})
	tell(t, "that ends while somebody takes care of it", func(s *story) {
		s.source("tank", "", s.high("ops"))
		s.source("pump", "", s.high("ops"))
		s.gets("tank", 95)
		s.hears("0s ops firing: tank")
		s.silence(wire.SilenceAll, time.Hour)
		s.gets("pump", 95)
		for _, key := range []string{"source/tank", "source/pump"} {
			if _, err := s.service.Acknowledge(key, "anna", "on my way"); err != nil {
				t.Fatal(err)
			}
		}
		s.after(time.Hour)
		s.hears("1h0m0s ops firing: pump") // of which ops did not know
		s.gets("tank", 50)
		s.hears("1h0m0s ops resolved: tank")
	})
	tell(t, "in which it ends", func(s *story) {
		s.source("tank", "", s.high("ops"))
		s.source("pump", "", s.high("ops"))
		s.gets("tank", 95)
		s.hears("0s ops firing: tank")
		s.silence("source/tank", time.Hour)
		s.silence("source/pump", time.Hour)
		s.gets("pump", 95)
		s.gets("pump", 50)
		s.gets("tank", 50)
		s.gets("tank", 95)
		s.gets("tank", 50)
		s.after(59 * time.Minute)
		s.hears()
		s.after(time.Hour)
		s.hears("1h0m0s ops resolved: tank") // nobody was told of the pump
	})
	tell(t, "that is ended, or followed by another one", func(s *story) {
		s.source("tank", "plant", s.high("ops"))
		s.gets("tank", 95)
		s.hears("0s ops firing: tank")
		first := s.silence("upstream/plant", time.Hour)
		s.silence("source/tank", 2*time.Hour)
		if err := s.service.EndSilence(first.ID, "bert"); err != nil {
			t.Fatal(err)
		}
		if err := s.service.EndSilence(first.ID, "bert"); !errors.Is(err, alert.ErrNoSilence) {
			t.Errorf("EndSilence = %v of one that is over, want %v", err, alert.ErrNoSilence)
		}
		s.after(time.Hour)
		s.hears()
		s.after(2 * time.Hour)
		s.hears("2h0m0s ops firing (unsilenced): tank")
	})
	tell(t, "of another one", func(s *story) {
		s.source("tank", "plant", s.high("ops"))
		s.silence("source/pump", time.Hour)
		s.silence("upstream/other", time.Hour)
		s.gets("tank", 95)
		s.hears("0s ops firing: tank")
	})
	tell(t, "that is over when the next process begins", func(s *story) {
		s.source("tank", "", s.high("ops"))
		s.gets("tank", 95)
		s.silence("source/tank", time.Minute)
		s.hears("0s ops firing: tank")
		s.restart(time.Hour)
		s.source("tank", "", s.high("ops"))
		s.run()
		s.hears("1h0m0s ops firing (unsilenced): tank")
		if len(s.service.Silences()) != 0 || len(s.shelf.rows) != 1 {
			t.Errorf("silences are %v, kept is %v", s.service.Silences(), s.shelf.rows)
		}
	})
	tell(t, "that goes on in the next process", func(s *story) {
		s.silence(wire.SilenceAll, 2*time.Hour)
		s.restart(time.Hour)
		s.source("tank", "", s.high("ops"))
		s.run()
		s.gets("tank", 95)
		s.hears()
		s.after(2 * time.Hour)
		s.hears("2h0m0s ops firing: tank")
	})
}

func TestTheAlertsOfOneUpstreamAreToldTogether(t *testing.T) {
	tell(t, "until none has joined them for a while", func(s *story) {
		critical := s.high("ops")
		critical.Severity = config.SeverityCritical
		s.source("a", "plant", s.high("ops"))
		s.source("b", "plant", critical)
		s.source("c", "plant", s.high("ops", "lead"))
		s.source("other", "grid", s.high("ops"))
		s.source("alone", "", s.high("ops"))
		s.gets("a", 95)
		s.gets("other", 95)
		s.gets("alone", 95)
		s.hears("0s ops firing: alone", "0s ops firing: other") // none can join them
		s.after(4 * time.Second)
		s.gets("b", 95)
		s.after(8 * time.Second)
		s.gets("c", 95)
		s.after(20 * time.Second)
		s.hears("13s lead firing: c", "13s ops firing: a, b, c")
		sent := s.sent()
		m := sent[slices.IndexFunc(sent, func(m notify.Message) bool { return m.Count == 3 })]
		if m.Group != "upstream/plant" || m.Severity != "critical" || m.Firing != 3 {
			t.Errorf("the message is %+v", m)
		}
		s.gets("a", 50)
		s.gets("b", 50)
		s.after(30 * time.Second)
		s.hears("25s ops resolved: a, b")
		sent = s.sent()
		if m := sent[len(sent)-1]; m.Firing != 1 || m.Count != 2 {
			t.Errorf("the message is %+v, want one of the group to fire still", m)
		}
	})
	tell(t, "and for a minute at most", func(s *story) {
		for i := range 30 {
			s.source(fmt.Sprintf("s%02d", i), "plant", s.high("ops"))
		}
		for i := range 30 {
			s.after(time.Duration(i) * 4 * time.Second)
			s.gets(fmt.Sprintf("s%02d", i), 95)
		}
		s.after(10 * time.Minute)
		if sent := s.sent(); len(sent) != 2 || sent[0].Count < 15 || sent[0].Count+sent[1].Count != 30 || len(sent[0].Alerts) > notify.MaxItems {
			t.Errorf("%d messages were sent: %+v", len(sent), sent)
		}
	})
	tell(t, "a thousand of them, in two messages", func(s *story) {
		for i := range 1000 {
			s.source(fmt.Sprint(i), "plant", s.high("ops"))
		}
		for _, value := range []float64{95, 50} {
			for i := range 1000 {
				s.gets(fmt.Sprint(i), value)
				time.Sleep(10 * time.Millisecond)
			}
			time.Sleep(time.Minute)
		}
		if sent := s.sent(); len(sent) != 2 || sent[0].Count != 1000 || sent[1].Count != 1000 || sent[1].Firing != 0 {
			t.Errorf("%d messages were sent", len(sent))
		}
	})
	tell(t, "as the same message in the next process", func(s *story) {
		s.source("a", "plant", s.high("ops"))
		s.source("b", "plant", s.high("ops"))
		s.fails(true)
		s.gets("a", 95)
		s.gets("b", 95)
		s.after(6 * time.Second)
		s.restart(time.Minute)
		s.fails(false)
		for _, name := range []string{"a", "b", "c"} {
			s.source(name, "plant", s.high("ops"))
		}
		s.run()
		s.gets("c", 95)
		s.after(2 * time.Minute)
		s.hears("1m6s ops firing: a, b", "1m11s ops firing: c")
	})
}

func TestWhatCannotBeToldIsCounted(t *testing.T) {
	tell(t, "before it is told that it fires", func(s *story) {
		s.source("tank", "plant", s.high("ops"))
		s.source("pump", "plant", s.high("ops"))
		for range 3 {
			s.gets("tank", 95)
			s.gets("tank", 50)
		}
		s.after(time.Minute)
		s.hears("5s ops firing: tank and 2 before", "5s ops resolved: tank")
	})
	tell(t, "and after that", func(s *story) {
		s.source("tank", "plant", s.high("ops"))
		s.source("pump", "plant", s.high("ops"))
		s.gets("tank", 95)
		s.after(6 * time.Second)
		for range 3 {
			s.gets("tank", 50)
			s.gets("tank", 95)
		}
		s.gets("tank", 50)
		s.after(time.Minute)
		s.hears("5s ops firing: tank", "11s ops resolved: tank and 3 before")
	})
}

func TestPollsAreCountedAndNewSourcesHaveTime(t *testing.T) {
	tell(t, "so many polls in a row", func(s *story) {
		a := s.high("ops")
		a.After = 3
		s.source("tank", "", a)
		for _, value := range []float64{95, 95, 50, 95, 95} {
			s.gets("tank", value)
		}
		s.after(time.Hour)
		s.hears()
		s.gets("tank", 95)
		s.hears("1h0m0s ops firing: tank")
	})
	tell(t, "a value that never came", func(s *story) {
		a := s.high("ops")
		a.If, a.Grace = nil, time.Minute
		s.source("tank", "", a)
		fails := alert.Reading{Failed: true, Never: true, Polled: true}
		s.monitors["tank"].Transition(fails, alert.Evaluation{})
		if is := s.monitors["tank"].Alert(); is == nil || is.State != wire.AlertPending {
			t.Errorf("the alert is %+v, want it pending", is)
		}
		s.after(59 * time.Second)
		s.hears()
		s.after(2 * time.Minute) // the story lets it be read as fine, so that it is clear
		s.hears()
		s.monitors["tank"].Transition(fails, alert.Evaluation{})
		s.hears("2m0s ops firing: tank")
	})
}

func TestTheAlertOfAJob(t *testing.T) {
	run := func(id string, status progress.Status) wire.Run {
		return wire.Run{ID: id, Status: status, FinishedAt: new(time.Now().UTC())}
	}
	begin := func(s *story, on ...config.Reason) {
		s.job = s.service.Job(alert.Subject{Key: "job/sync", Name: "sync", Title: "sync"}, &config.JobAlert{
			On: on, SlowAfter: time.Minute, Notify: []*config.Notify{s.to("ops")},
		})
		s.job.Resume()
	}
	tell(t, "fires when a run fails, and is over when one succeeds", func(s *story) {
		begin(s, config.ReasonFailed, config.ReasonTimedOut)
		for _, r := range []wire.Run{
			run("1", progress.StatusSucceeded), run("2", progress.StatusLost), run("3", progress.StatusCancelled),
		} {
			s.job.Ended(r)
		}
		s.hears()
		s.job.Ended(run("4", progress.StatusFailed))
		s.hears("0s ops firing: sync failed")
		s.job.Ended(run("5", progress.StatusFailed))
		s.job.Ended(run("6", progress.StatusCancelled))
		s.hears()
		s.job.Ended(run("7", progress.StatusTimedOut))
		s.hears("0s ops firing (changed): sync timed_out")
		s.job.Ended(run("8", progress.StatusSucceeded))
		s.hears("0s ops resolved: sync timed_out")
	})
	tell(t, "is told again for another reason", func(s *story) {
		begin(s, config.ReasonFailed, config.ReasonSlow, config.ReasonMissed)
		s.job.Slow(run("1", progress.StatusRunning))
		s.hears("0s ops firing: sync slow")
		s.job.Missed(time.Now(), "busy")
		s.hears("0s ops firing (changed): sync missed")
		s.job.Ended(run("1", progress.StatusFailed))
		s.hears("0s ops firing (changed): sync failed")
		if is := s.job.Alert(); is == nil || is.Reason != wire.ReasonFailed || is.Run != "1" {
			t.Errorf("the alert is %+v", is)
		}
	})
	tell(t, "goes on in the next process, which is told of the same end", func(s *story) {
		begin(s, config.ReasonFailed)
		end := run("1", progress.StatusFailed)
		s.job.Ended(end)
		s.hears("0s ops firing: sync failed")
		s.restart(time.Minute)
		begin(s, config.ReasonFailed)
		s.run()
		if id, at := s.job.Seen(); id != "1" || !at.Equal(*end.FinishedAt) {
			t.Errorf("seen are %s, %v", id, at)
		}
		s.job.Ended(end)
		s.hears()
		s.job.Ended(run("2", progress.StatusSucceeded))
		s.hears("1m0s ops resolved: sync failed")
		s.restart(time.Minute)
		begin(s, config.ReasonFailed)
		if id, _ := s.job.Seen(); id != "2" {
			t.Errorf("seen is %s, want the end that it knew although all is clear", id)
		}
	})
	tell(t, "does not know of a reason any more", func(s *story) {
		begin(s, config.ReasonFailed)
		s.job.Ended(run("1", progress.StatusFailed))
		before := s.job
		s.job = s.service.Job(alert.Subject{Key: "job/sync", Name: "sync", Title: "sync"}, &config.JobAlert{
			On: []config.Reason{config.ReasonLost}, Notify: []*config.Notify{s.to("ops")},
		})
		s.job.TakeOver(before)
		s.hears("0s ops firing: sync failed", "0s ops resolved: sync failed")
	})
}

func TestReceiversOfAnotherConfiguration(t *testing.T) {
	tell(t, "one that is added is told, one that is taken away is told the end", func(s *story) {
		s.source("tank", "", s.high("ops"))
		s.gets("tank", 95)
		s.hears("0s ops firing: tank")
		s.source("tank", "", s.high("lead"))
		s.hears("0s lead firing: tank")
		s.gets("tank", 50)
		s.hears("0s lead resolved: tank", "0s ops resolved: tank")
		s.gets("tank", 95)
		s.hears("0s lead firing: tank")
	})
	tell(t, "an alert that is removed is over", func(s *story) {
		s.source("tank", "", s.high("ops"))
		s.gets("tank", 95)
		s.source("tank", "", nil)
		s.hears("0s ops firing: tank", "0s ops resolved: tank")
	})
	tell(t, "an alert that is removed while nothing runs", func(s *story) {
		s.source("tank", "", s.high("ops"))
		s.gets("tank", 95)
		s.restart(time.Minute)
		s.service.SetReceivers([]*config.Notify{s.to("ops")})
		s.run()
		s.hears("0s ops firing: tank", "1m0s ops resolved: tank")
		if len(s.shelf.rows) != 0 {
			t.Errorf("%v is kept", s.shelf.rows)
		}
	})
	tell(t, "what was told of an upstream is resolved in its group", func(s *story) {
		groups := func(want ...string) {
			t.Helper()
			var got []string
			for _, m := range s.sent() {
				got = append(got, fmt.Sprintf("%s %s firing %d", m.Group, m.State, m.Firing))
			}
			if !slices.Equal(got, want) {
				t.Errorf("the messages are %q, want %q", got, want)
			}
		}
		for _, name := range []string{"a", "b", "c"} {
			s.source(name, "plant", s.high("ops"))
		}
		s.gets("a", 95)
		s.gets("b", 95)
		s.after(time.Minute)
		s.source("a", "mill", s.high("ops"))
		s.source("b", "mill", s.high("ops"))
		s.gets("a", 50)
		s.after(2 * time.Minute)
		s.restart(time.Minute)
		s.source("a", "mill", s.high("ops"))
		s.source("b", "", s.high("ops"))
		s.source("c", "plant", s.high("ops"))
		s.run()
		s.gets("a", 95)
		s.gets("b", 50)
		s.after(4 * time.Minute)
		groups("upstream/plant firing firing 2", "upstream/plant resolved firing 1", "upstream/mill firing firing 1",
			"upstream/plant resolved firing 0")
	})
	tell(t, "one that is mended is told at once", func(s *story) {
		s.source("tank", "", s.high("ops"))
		s.fails(true)
		s.gets("tank", 95)
		s.after(3 * time.Hour)
		s.fails(false)
		s.source("tank", "", s.high("ops"))
		s.hears()
		mended := s.to("ops")
		mended.GroupWait = time.Second
		s.service.SetReceivers([]*config.Notify{mended})
		s.hears("3h0m0s ops firing: tank")
	})
	tell(t, "one that is not configured any more is told nothing", func(s *story) {
		s.source("tank", "", s.high("ops", "lead"))
		s.gets("tank", 95)
		s.hears("0s ops firing: tank", "0s lead firing: tank")
		s.service.SetReceivers([]*config.Notify{s.to("ops")})
		s.source("tank", "", s.high("ops"))
		s.gets("tank", 50)
		s.hears("0s ops resolved: tank")
		if all := s.service.Alerts(); len(all.Receivers) != 1 || len(all.Alerts) != 0 {
			t.Errorf("the list has %+v", all)
		}
	})
}

func TestWhatTheListSaysOfReceivers(t *testing.T) {
	tell(t, "one that is down", func(s *story) {
		s.source("tank", "", s.high("ops"))
		s.fails(true)
		s.gets("tank", 95)
		all := s.service.Alerts()
		if r := all.Receivers[0]; r.Name != "ops" || r.Waiting != 1 || r.FailingSince == nil || r.Error == nil || *r.Error != "down" || r.ToldAt != nil {
			t.Errorf("the receiver is %+v", r)
		}
		if told := all.Alerts[0].Told; len(told) != 1 || told[0].State != wire.ToldWaiting || told[0].Error == nil {
			t.Errorf("told is %+v", told)
		}
		s.after(25 * time.Hour)
		if told := s.service.Alerts().Alerts[0].Told; len(told) != 1 || told[0].State != wire.ToldGivenUp || told[0].At == nil {
			t.Errorf("told is %+v", told)
		}
		s.fails(false)
		s.gets("tank", 50)
		s.hears("25h0m0s ops resolved: tank")
		if all := s.service.Alerts(); len(all.Alerts) != 0 || all.Receivers[0].FailingSince != nil || all.Receivers[0].ToldAt == nil {
			t.Errorf("the list has %+v", all)
		}
	})
}
