// Package nats gets values from subjects of NATS: a source is told the newest message of its subject. Messages are those of
// core NATS, which come at most once: what is published while the connection is down is not heard. So a source is stale
// from then on, until the next message; one with a subject to ask has its value as soon as there is a connection.
//
// All sources of an upstream share a connection, which publishes too ([Link.Publish]). It is given up when the servers have
// been silent for 15 s.
package nats

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	client "github.com/nats-io/nats.go"

	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/value"
)

const (
	askWithin = 5 * time.Second  // bounds the time for an answer, and for the servers to have taken a subscription
	askAgain  = 30 * time.Second // bounds the pauses between questions that nobody answers
)

// An Upstream is some servers of NATS.
type Upstream struct {
	Name string
	Server
	Given []string // what references gave in the address: secrets
}

// Open implements [kind.Upstream].
func (u *Upstream) Open(env kind.UpstreamEnv) (io.Closer, error) { return newLink(u, env) }

// Secrets implements [kind.Upstream].
func (u *Upstream) Secrets() kind.Secrets {
	return u.secrets().And(kind.Secrets{Said: u.Given, Values: u.Given})
}

// String returns the kind and the name of u, of which the rest may be secret.
func (u *Upstream) String() string { return fmt.Sprintf("upstream %q", u.Name) }

// MarshalText returns what String does.
func (u *Upstream) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// A Source is a subject of NATS.
type Source struct {
	Upstream *Upstream
	Subject  string
	Ask      string // the subject that answers with the value; empty: none
}

// Open implements [kind.Source].
func (s *Source) Open(env kind.Env) (kind.Fetcher, error) {
	link, ok := env.Link.(*Link)
	if !ok {
		return nil, errors.New("there is no connection to NATS")
	}
	t := told{source: s, link: link, parse: env.Parse, secrets: env.Secrets}
	if s.Ask == "" {
		return &toldOnly{told: t}, nil
	}
	return &t, nil
}

// SameValue implements [kind.Source].
func (s *Source) SameValue(kind.Source) bool { return true }

// DefaultParse implements [kind.Parsed].
func (s *Source) DefaultParse() string { return "json" }

// Describe implements [kind.Source].
func (s *Source) Describe() string {
	return "listens to " + s.Subject + " of upstream " + s.Upstream.Name
}

// Secrets implements [kind.Source].
func (s *Source) Secrets() kind.Secrets { return kind.Secrets{} }

// told is a source that can be asked.
type told struct {
	source  *Source
	link    *Link
	parse   value.Format
	secrets *secret.Redactor
}

// toldOnly is a source that cannot.
type toldOnly struct {
	kind.Told
	told told
}

// Subscribe implements [kind.Subscriber].
func (t *toldOnly) Subscribe(ctx context.Context, emit kind.Emit) error {
	return t.told.Subscribe(ctx, emit)
}

// Subscribe implements [kind.Subscriber].
func (t *told) Subscribe(ctx context.Context, emit kind.Emit) error {
	begin := time.Now()
	fail := func(err error) error {
		return kind.Fail(ctx, begin, "subscribe "+t.source.Subject, reason(err), err, t.secrets)
	}
	conn, err := t.link.get(ctx)
	if err != nil {
		return fail(err)
	}
	sub, err := conn.SubscribeSync(t.source.Subject)
	if err != nil {
		return fail(err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails if the connection has ended, or the server has refused it
	first, err := taken(ctx, conn, sub)
	if err != nil {
		return fail(err)
	}
	emit.Connected()
	q := question{told: t, conn: conn, emit: emit}
	if first != nil {
		q.overtaken(first.Data)
	} else if t.source.Ask != "" {
		asking, enough := context.WithCancel(ctx)
		var all sync.WaitGroup
		all.Go(func() { q.ask(asking) })
		defer func() { enough(); all.Wait() }()
	}
	for {
		m, err := sub.NextMsgWithContext(ctx)
		switch {
		case errors.Is(err, client.ErrSlowConsumer): // some were dropped; newer ones follow
		case err != nil:
			if errors.Is(err, client.ErrConnectionClosed) {
				err = t.link.down(conn)
			}
			return fail(err)
		default:
			q.overtaken(m.Data)
		}
	}
}

// A question is how a source gets the value that it has when it begins to listen.
type question struct {
	*told
	conn *client.Conn
	emit kind.Emit

	mu   sync.Mutex // guards the field below, and is held while something is emitted, so that messages come last
	over bool       // there was an answer, or a message, which is newer than any answer
}

// overtaken emits a message.
func (q *question) overtaken(data []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.over = true
	q.emit(q.payload(data))
}

// ask asks until there is an answer or a message: who answers may come after the source. Meanwhile the source says that
// nobody does, since it would be pending without a reason.
func (q *question) ask(ctx context.Context) {
	for pause := time.Second; ; pause = min(2*pause, askAgain) {
		begin := time.Now()
		data, err := q.told.ask(ctx, q.conn)
		if q.answered(ctx, data, err, begin) {
			return
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// answered emits an answer, or why there is none, and reports whether the question is over.
func (q *question) answered(ctx context.Context, data []byte, err error, begin time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.over || ctx.Err() != nil:
		return true
	case err == nil:
		q.over = true
		q.emit(q.payload(data))
		return true
	}
	err = kind.Fail(ctx, begin, "ask "+q.source.Ask, reason(err), err, q.secrets)
	q.emit(func(context.Context) (kind.Result, error) { return kind.Result{}, err })
	return false
}

// taken returns when the server has taken a subscription, with a message that there may be by then, or why it has not.
func taken(ctx context.Context, conn *client.Conn, sub *client.Subscription) (*client.Msg, error) {
	flush, done := context.WithTimeout(ctx, askWithin)
	defer done()
	if err := conn.FlushWithContext(flush); err != nil {
		return nil, err
	}
	look, done := context.WithTimeout(ctx, time.Millisecond) // a server says before it answers that a subject is not permitted
	defer done()
	m, err := sub.NextMsgWithContext(look)
	if err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	return m, err
}

func (t *told) payload(data []byte) kind.FetchFunc {
	if len(data) > value.MaxBody {
		return func(context.Context) (kind.Result, error) { return kind.Result{Size: len(data)}, value.ErrTooLarge }
	}
	return kind.Payload(data, t.parse)
}

// Fetch implements [kind.Fetcher]: it asks.
func (t *told) Fetch(ctx context.Context) (kind.Result, error) {
	begin := time.Now()
	conn, err := t.link.get(ctx)
	var data []byte
	if err == nil {
		data, err = t.ask(ctx, conn)
	}
	if err != nil {
		return kind.Result{}, kind.Fail(ctx, begin, "ask "+t.source.Ask, reason(err), err, t.secrets)
	}
	return t.payload(data)(ctx)
}

func (t *told) ask(ctx context.Context, conn *client.Conn) ([]byte, error) {
	ctx, done := context.WithTimeout(ctx, askWithin)
	defer done()
	trace := kind.TraceOf(ctx)
	trace.Section("request")
	trace.Line("%s", t.source.Ask)
	m, err := conn.RequestWithContext(ctx, t.source.Ask, nil)
	if err != nil {
		return nil, err
	}
	return m.Data, nil
}

// reason describes an error in a few words.
func reason(err error) string {
	if errors.Is(err, client.ErrNoResponders) {
		return "nobody answers there"
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer within " + clock.Words(askWithin)
	}
	return strings.TrimPrefix(err.Error(), "nats: ")
}
