package alert

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/smartpoll"
)

// Webhooks are webhooks whose scheduler does nothing else.
type Webhooks struct{ *Service }

// NewWebhooks makes webhooks on the terms of the gateway.
func NewWebhooks(log *slog.Logger, client *http.Client) *Webhooks {
	scheduler, err := smartpoll.New(smartpoll.WithDynamic(), smartpoll.WithDrain(smartpoll.Drain{Wait: 10 * time.Second}))
	if err != nil {
		panic(err)
	}
	return &Webhooks{New(Deps{Scheduler: scheduler, Client: client, Log: log, Clock: clock.New()})}
}

// Run calls webhooks until ctx ends.
func (w *Webhooks) Run(ctx context.Context) error { return w.deps.Scheduler.Run(ctx) }

// Deliver has a webhook hear of an alert.
func (w *Webhooks) Deliver(ctx context.Context, to *config.Notify, m Message) error {
	return w.deps.Scheduler.Do(ctx, func(context.Context, *smartpoll.Internal) error {
		w.deliver(to, m)
		return nil
	})
}

// Idle reports whether nothing is left to be told, nor a task for it.
func (w *Webhooks) Idle() bool {
	for range w.deps.Scheduler.Tasks() {
		return false
	}
	return len(w.boxes) == 0
}

// QuietUntil and NextQuiet are for tests of quiet times alone.
var (
	QuietUntil = quietUntil
	NextQuiet  = nextQuiet
)
