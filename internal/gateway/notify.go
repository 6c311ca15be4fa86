package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/config"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/smartpoll"
)

const (
	// webhookTimeout bounds one call.
	webhookTimeout = 10 * time.Second
	// webhookPatience is for how long a message that failed is tried again. With the
	// pauses of webhookBackoff these are about ten calls.
	webhookPatience = 15 * time.Minute
	// lastCalls bounds the calls for what is left at a stop.
	lastCalls = 2 * time.Second
	// maxMessageValue bounds the value that a message carries, in bytes of JSON: a larger
	// one is left out.
	maxMessageValue = 16 << 10
)

// webhookBackoff is between calls that fail.
var webhookBackoff = smartpoll.Backoff{Min: time.Second, Max: 5 * time.Minute, Jitter: 0.1}

// webhooks tells people of alerts. Each webhook with something to tell has a task in the
// gateway's scheduler, which tells one message after the other, so a webhook that hangs
// holds up no other one, and there are no more calls in progress than webhooks.
//
// What counts is the newest state of each source: a message that is still to be told when
// the source's next one comes is replaced by it. So an outbox has at most one message a
// source, and one in progress. Messages of one source arrive in their order, and at least
// once: a call that broke off may have arrived. That an alert is over is told to whom was
// told, or may have been, that it fires.
//
// Only hooks of the scheduler use it, and flush when the scheduler is at rest.
type webhooks struct {
	log      *slog.Logger
	client   *http.Client
	observer Observer
	boxes    map[string]*outbox // what is to be told, by the webhook's name
	fires    map[alarm]bool     // what was told of, and not yet that it is over
}

// An alarm is a webhook and the source of which it is told.
type alarm struct{ webhook, source string }

// webhookKey is the key of the task that calls a webhook.
type webhookKey string

// An outbox is what one webhook is still to be told.
type outbox struct {
	now   *message   // is told next, or just now: no hook changes it while the task runs
	later []*message // in this order
}

// A message is what one webhook is told of one httpkind.
type message struct {
	to     *config.Notify
	source string
	state  string // messageFiring or messageResolved
	sends  *config.Request
	failed time.Time // when a call failed first
}

func newWebhooks(log *slog.Logger, client *http.Client, observer Observer) *webhooks {
	return &webhooks{log: log, client: client, observer: observer, boxes: make(map[string]*outbox), fires: make(map[alarm]bool)}
}

// tell has a webhook hear of an alert.
func (w *webhooks) tell(internal *smartpoll.Internal, to *config.Notify, m alertMessage) {
	sends, err := m.request(to)
	if err != nil { // a value that would lead to another address
		w.log.Error("webhook not called", "webhook", to.Name, "source", m.Source, "err", err)
		w.observer.NotifyLost(to.Name)
		return
	}
	next := &message{to: to, source: m.Source, state: m.State, sends: sends}
	key := webhookKey(to.Name)
	box := w.boxes[to.Name]
	if box == nil && !w.concerns(next) {
		return
	}
	if box == nil {
		box = &outbox{now: next}
		if err := internal.Add(key, w.task(box), smartpoll.Retry(webhookBackoff)); err != nil {
			w.log.Error("webhook not called", "webhook", to.Name, "source", m.Source, "err", err)
			return
		}
		w.boxes[to.Name] = box
		internal.Schedule(key, 0)
		return
	}
	i := slices.IndexFunc(box.later, func(old *message) bool { return old.source == next.source })
	running := internal.Running(key)
	switch {
	case box.now.source == next.source && !running:
		box.now = next
	case i >= 0:
		box.later[i] = next
	default:
		box.later = append(box.later, next)
	}
	if running {
		return // whom it concerns shows when the call is over
	}
	if w.drop(box); box.now == nil {
		w.close(internal, key)
	}
}

// drop takes out of box what need not be told, and moves up. Without anything left, now is nil.
func (w *webhooks) drop(box *outbox) {
	all := slices.DeleteFunc(append([]*message{box.now}, box.later...), func(m *message) bool { return m == nil || !w.concerns(m) })
	box.now, box.later = nil, nil
	if len(all) > 0 {
		box.now, box.later = all[0], all[1:]
	}
}

// close ends the task of a box with nothing to tell.
func (w *webhooks) close(internal *smartpoll.Internal, key webhookKey) {
	delete(w.boxes, string(key))
	internal.Remove(key)
}

// task returns the task that tells what is in box.
func (w *webhooks) task(box *outbox) smartpoll.Task {
	call := func(ctx context.Context) (struct{}, error) { return struct{}{}, w.call(ctx, box.now) }
	return smartpoll.Poll(call, func(_ context.Context, internal *smartpoll.Internal, _ struct{}, err error) error {
		told := box.now
		key := webhookKey(told.to.Name)
		w.note(told, err)
		again := err != nil && w.retry(box, time.Until(internal.Next(key)), err)
		if again {
			// Behind the others: it may be this message that the webhook fails for.
			box.later = append(box.later, told)
		}
		box.now = nil
		if w.drop(box); box.now == nil {
			w.close(internal, key)
			return nil
		}
		if err == nil {
			internal.Schedule(key, 0)
		}
		return nil
	})
}

// concerns reports whether a webhook need be told a message.
func (w *webhooks) concerns(m *message) bool {
	return m.state != messageResolved || w.fires[alarm{m.to.Name, m.source}]
}

// note takes note that a message was told, or may have been: a call whose answer did not
// come may have arrived.
func (w *webhooks) note(m *message, err error) {
	var dial *net.OpError
	switch about := (alarm{m.to.Name, m.source}); {
	case errors.As(err, new(*httpkind.StatusError)), errors.As(err, &dial) && dial.Op == "dial":
	case m.state == messageFiring:
		w.fires[about] = true
	case err == nil:
		delete(w.fires, about)
	}
}

// call tells a message once.
func (w *webhooks) call(ctx context.Context, m *message) error {
	ctx, cancel := context.WithTimeoutCause(ctx, webhookTimeout, clock.TimedOut{After: webhookTimeout})
	defer cancel()
	r := m.sends
	hook := httpkind.Webhook{Client: w.client, Method: r.Method, URL: r.URL, Header: r.Header, Secrets: secretsOfWebhook(m.to)}
	err := hook.Send(ctx, r.Header.Get("Content-Type"), r.Body)
	w.observer.Notified(m.to.Name, err)
	return err
}

// retry decides whether the message that could not be told is to be told again, in the
// time that the backoff or the webhook's Retry-After wants.
func (w *webhooks) retry(box *outbox, in time.Duration, err error) bool {
	m, now := box.now, time.Now()
	log := w.log.With("webhook", m.to.Name, "host", m.to.URL.Host, "source", m.source, "err", err)
	first := m.failed.IsZero()
	if first {
		m.failed = now
	}
	switch {
	case slices.ContainsFunc(box.later, func(newer *message) bool { return newer.source == m.source }):
		return false
	case refused(err) || now.Sub(m.failed)+in > webhookPatience:
		log.Error("webhook given up")
		w.observer.NotifyLost(m.to.Name)
		return false
	case first:
		log.Warn("webhook failed, will be tried again")
	}
	return true
}

// refused reports whether a webhook's answer will be the same next time.
func refused(err error) bool {
	var status *httpkind.StatusError
	if !errors.As(err, &status) {
		return false
	}
	switch status.Code {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return status.Code < 500
}

// flush tries all that is still to be told once more, for lastCalls at most.
func (w *webhooks) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeoutCause(ctx, lastCalls, errStopping)
	defer cancel()
	var all sync.WaitGroup
	for _, box := range w.boxes {
		all.Go(func() {
			told := map[string]bool{} // sources
			for _, m := range append([]*message{box.now}, box.later...) {
				if !w.concerns(m) && !told[m.source] {
					continue
				}
				told[m.source] = true
				if err := w.call(ctx, m); err != nil {
					w.log.Error("webhook given up", "webhook", m.to.Name, "host", m.to.URL.Host, "source", m.source, "err", err)
					w.observer.NotifyLost(m.to.Name)
				}
			}
		})
	}
	all.Wait()
}

// The states of a message.
const (
	messageFiring   = "firing"
	messageResolved = "resolved"
)

// An alertMessage is what people are told of an alert. As JSON it is the body of a webhook
// that has none of its own.
type alertMessage struct {
	Source string          `json:"source"`
	Title  string          `json:"title"`
	State  string          `json:"state"` // messageFiring or messageResolved
	Value  json.RawMessage `json:"value"` // what is picked; null if there is none, or more than maxMessageValue
	Error  *string         `json:"error"`
	Since  *time.Time      `json:"since"` // when the condition began to hold

	headline json.RawMessage // the part of Value that the page shows big
}

// request is what a webhook is sent of the message.
func (m alertMessage) request(to *config.Notify) (*config.Request, error) {
	r, err := to.Request(m.field)
	if err == nil && to.Body == "" {
		r.Body, _ = json.Marshal(m) // everything in it encodes
		r.Header.Set("Content-Type", cmp.Or(r.Header.Get("Content-Type"), "application/json"))
	}
	return r, err
}

// field is what stands for a placeholder in a webhook.
func (m alertMessage) field(name string) any {
	switch name {
	case "source":
		return m.Source
	case "title":
		return m.Title
	case "state":
		return m.State
	case "value":
		var text *string
		if json.Unmarshal(m.headline, &text) == nil && text != nil {
			return *text // in a header or a plain text it has no quotes
		}
		return m.headline
	case "error":
		if m.Error != nil {
			return *m.Error
		}
	case "since":
		if m.Since != nil {
			return m.Since.Format(time.RFC3339Nano)
		}
	}
	return nil
}
