package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/forward"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/internal/kind/nats"
	"github.com/tidewire/tidewire/internal/reconcile"
	"github.com/tidewire/tidewire/internal/secret"
)

// forwardWithin bounds the time for publishing the last states at a stop.
const forwardWithin = time.Second

var errNoLink = errors.New("there is no connection to NATS")

// Forwarders publish states, each to one receiver that the configuration may have.
type forwarders struct{ nats, http *forward.Forwarder }

func openForwarders(ctx context.Context, log *slog.Logger, changed func()) forwarders {
	return forwarders{forward.Open(ctx, log.With("to", forwardNATS), changed), forward.Open(ctx, log.With("to", forwardHTTP), changed)}
}

// The words for where states are published, as the configuration has them.
const (
	forwardNATS = "nats"
	forwardHTTP = "http"
)

func (f forwarders) written(topic string, data []byte) {
	f.nats.Written(topic, data)
	f.http.Written(topic, data)
}

// each yields the forwarders that have a receiver, how many states wait there, and why the newest attempt has failed.
func (f forwarders) each(yield func(to string, waiting int, err error)) {
	for _, one := range []struct {
		to string
		*forward.Forwarder
	}{{forwardNATS, f.nats}, {forwardHTTP, f.http}} {
		if waiting, err, ok := one.Status(); ok {
			yield(one.to, waiting, err)
		}
	}
}

// status says how the receivers are that there are.
func (f forwarders) status() (all []ForwardStatus) {
	f.each(func(to string, waiting int, err error) {
		all = append(all, ForwardStatus{To: to, Waiting: waiting, Failing: err != nil})
	})
	return all
}

// failing returns why states are not published now, nil if they are.
func (f forwarders) failing() (err error) {
	f.each(func(to string, _ int, failed error) {
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("forward.%s: %w", to, failed))
		}
	})
	return err
}

// close publishes the last states.
func (f forwarders) close(live context.Context) {
	ctx, done := context.WithTimeout(live, forwardWithin)
	defer done()
	var all sync.WaitGroup
	all.Go(func() { f.nats.Close(ctx) })
	all.Go(func() { f.http.Close(ctx) })
	all.Wait()
}

// A forwarding is the part of a configuration that says where states are published.
type forwarding struct {
	forwarders
	calls   calling
	current *config.Config // nil before the first one
}

// A forwardingChange leads from one forwarding to another.
type forwardingChange struct {
	*forwarding
	from, next *config.Config
}

// Prepare implements [part].
func (f *forwarding) Prepare(_ context.Context, cfg *config.Config) (reconcile.Change, error) {
	return forwardingChange{f, f.current, cfg}, nil
}

// Difference implements [reconcile.Change].
func (c forwardingChange) Difference() (d reconcile.Difference) {
	if c.from != nil && !config.Same(c.from.Forward, c.next.Forward) {
		d.Changed = append(d.Changed, "forward")
	}
	return d
}

// Apply implements [reconcile.Change].
func (c forwardingChange) Apply() {
	c.current = c.next
	var toNATS, toHTTP *forward.Receiver
	if to := c.next.Forward; to != nil && to.NATS != nil {
		toNATS = c.toNATS(*to.NATS)
	}
	if to := c.next.Forward; to != nil && to.HTTP != nil {
		toHTTP = c.toHTTP(*to.HTTP)
	}
	c.nats.To(toNATS)
	c.http.To(toHTTP)
}

// toNATS publishes each state to the subject of its topic, such as tidewire.source.tank.
func (f *forwarding) toNATS(to config.ForwardNATS) *forward.Receiver {
	return &forward.Receiver{Publish: func(ctx context.Context, states []forward.State) error {
		link, ok := f.calls.upstreams.Link(to.Upstream.Name).(*nats.Link) // another one after a reload
		if !ok {
			return errNoLink
		}
		for _, s := range states {
			if err := link.Publish(ctx, subjectOf(to.Subject, s.Topic), s.Data); err != nil {
				return err
			}
		}
		return nil
	}}
}

// subjectOf is the subject to which the states of a topic are published. Servers take a message for a subject with an empty word
// and give it to nobody, and names may have dots that leave one: "node-1.", "a..b".
func subjectOf(prefix, topic string) string {
	what, name, _ := strings.Cut(topic, "/")
	words := strings.Split(name, ".")
	for i, word := range words {
		words[i] = cmp.Or(word, "_")
	}
	return strings.Join(slices.Concat([]string{prefix, what}, words), ".")
}

// toHTTP posts states together, as {"snapshots":[...]}.
func (f *forwarding) toHTTP(to config.ForwardHTTP) *forward.Receiver {
	spec := to.Upstream.Spec.(*httpkind.Upstream)
	webhook := httpkind.Webhook{
		Method: http.MethodPost, Header: spec.Header, Secrets: secret.New(spec.Secrets().Said...),
	}
	webhook.URL, _ = spec.At(to.Path) // which was checked with the configuration
	admit := func(ctx context.Context) (func(), error) { return f.calls.admit(ctx, to.Upstream.Name) }
	publish := func(ctx context.Context, states []forward.State) error {
		webhook := webhook
		webhook.Client = f.calls.client(to.Upstream.Name)
		err := webhook.Send(ctx, "application/json", batchOf(states))
		if status, ok := errors.AsType[*httpkind.StatusError](err); ok && refusesStates(status.Code) {
			return &forward.RefusedError{Err: err}
		}
		return err
	}
	return &forward.Receiver{Most: to.Max, Every: to.Every, Admit: admit, Publish: publish}
}

// refusesStates reports whether a status is about what was posted, and not about who did, or where to.
func refusesStates(status int) bool {
	return status == http.StatusBadRequest || status == http.StatusRequestEntityTooLarge || status == http.StatusUnprocessableEntity
}

// batchOf returns the body of a request with states, which are JSON.
func batchOf(states []forward.State) []byte {
	const before, after = `{"snapshots":[`, "]}\n"
	size := len(before) + len(after)
	for _, s := range states {
		size += len(s.Data) + 1
	}
	body := append(make([]byte, 0, size), before...)
	for i, s := range states {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, s.Data...)
	}
	return append(body, after...)
}

// Finish implements [reconcile.Change].
func (c forwardingChange) Finish(context.Context) {}

// Withdraw implements [reconcile.Change].
func (c forwardingChange) Withdraw(context.Context) {}
