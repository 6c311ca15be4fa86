package alert

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
)

// Receivers are those of alerts that do what a test says, in a scheduler that does nothing else.
type Receivers struct{ *Service }

// NewReceivers makes receivers on the terms of the gateway.
func NewReceivers(log *slog.Logger, client *http.Client) *Receivers {
	scheduler, err := smartpoll.New(smartpoll.WithDynamic(), smartpoll.WithDrain(smartpoll.Drain{Wait: 10 * time.Second}))
	if err != nil {
		panic(err)
	}
	return &Receivers{New(Deps{
		Scheduler: scheduler, Client: client, Log: log, Clock: clock.New(), Changed: func(_, _, _ string) {},
	})}
}

// Run calls receivers until ctx ends.
func (r *Receivers) Run(ctx context.Context) error { return r.deps.Scheduler.Run(ctx) }

// Fires has the alert of a source fire, or be over. It is told to this receiver, too.
func (r *Receivers) Fires(to *config.Notify, source string, fires bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entryLocked(Subject{Key: wire.SourceKey(source), Name: source})
	all := []*config.Notify{to}
	for _, name := range e.notify {
		if name != to.Name {
			all = append(all, r.receivers[name].to)
		}
	}
	r.ownLocked(e, r, "", config.Repeat{}, all)
	switch {
	case !fires:
		r.setStatusLocked(e, nil)
	case !e.status.firing():
		r.setStatusLocked(e, &status{word: wire.AlertFiring, since: r.deps.Clock.People(r.deps.Clock.Now())})
	default:
		r.setStatusLocked(e, e.status)
	}
}

// Idle reports whether nothing is left to be told, nor a task for it.
func (r *Receivers) Idle() bool {
	for range r.deps.Scheduler.Tasks() {
		return false
	}
	for _, to := range r.receivers {
		if len(to.outboxes) > 0 || len(to.batches) > 0 {
			return false
		}
	}
	return true
}

// QuietUntil is until when it is quiet for a subject, and why.
func QuietUntil(all []*config.Quiet, of Subject, now time.Time) (until time.Time, reason string) {
	if is := silencedBy(inEffect(quietNow(all, now), now), of, now); is != nil {
		return is.Until, is.Reason
	}
	return time.Time{}, ""
}

// NextQuiet is for tests of quiet times alone.
var NextQuiet = nextQuiet

// List is what Alerts does while it holds the mutex.
func (s *Service) List() wire.Alerts { all, _ := s.list(); return all }

// Longest is how much waits at most for one receiver of one alert.
func (s *Service) Longest() (most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		for _, box := range e.outboxes {
			most = max(most, len(box.queue))
		}
	}
	return most
}
