package alert

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
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

// Body is what a webhook is sent of a message whose source shows a field big.
func Body(to *config.Notify, m Message, show config.Show) (body []byte, kind string) {
	sent := *to
	sent.URL = &url.URL{Scheme: "http", Host: "host.example"}
	r, err := Request(&sent, m, show)
	if err != nil {
		panic(err)
	}
	return r.Body, r.Header.Get("Content-Type")
}

// Request is what a webhook is asked to say m.
func Request(to *config.Notify, m Message, show config.Show) (*config.Request, error) {
	m.headline = headlineOf(show.Value, m.Value)
	return m.request(to)
}
