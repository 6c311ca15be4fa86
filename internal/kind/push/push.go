// Package push gets values that others send to Tidewire with requests of HTTP, see package api. The newest one counts.
//
// There is no connection that could be up or down: whether those who send values still do only the time since the last one tells,
// by stale_after.
package push

import (
	"context"
	"mime"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/value"
)

// A Source is sent its values.
type Source struct {
	Limit Limit
}

// A Limit is how many messages are taken: Count in a time of the length Per, and at most Count at once.
type Limit struct {
	Count int
	Per   time.Duration
	Text  string // as written
}

// Open implements [kind.Source].
func (s *Source) Open(env kind.Env) (kind.Fetcher, error) {
	return &receiver{
		parse: env.Parse, limit: s.Limit.Text,
		limiter: rate.NewLimiter(rate.Limit(float64(s.Limit.Count)/s.Limit.Per.Seconds()), s.Limit.Count),
	}, nil
}

// SameValue implements [kind.Source].
func (s *Source) SameValue(kind.Source) bool { return true }

// Describe implements [kind.Source].
func (s *Source) Describe() string { return "is sent its values" }

// Secrets implements [kind.Source].
func (s *Source) Secrets() kind.Secrets { return kind.Secrets{} }

// DefaultParse implements [kind.Parsed].
func (s *Source) DefaultParse() string { return "json" }

// IsPushed implements [kind.Pushed].
func (s *Source) IsPushed() {}

// maxWaiting bounds those who wait for what becomes of their messages. Those that have waited for longest are not told.
const maxWaiting = 1000

// A receiver holds the newest message until the runtime takes it.
type receiver struct {
	kind.Told
	parse   value.Format
	limit   string
	limiter *rate.Limiter

	mu sync.Mutex // guards the fields below; before the lock of the subscription, which emit takes

	emit    kind.Emit     // nil: it is not subscribed
	newest  *kind.Message // nil: there is none, or it was taken
	waiting []chan<- error
}

// Receive implements [kind.Receiver].
func (r *receiver) Receive(m kind.Message) (<-chan error, error) {
	now := time.Now()
	if place := r.limiter.ReserveN(now, 1); place.DelayFrom(now) > 0 {
		defer place.CancelAt(now)
		return nil, &kind.TooOftenError{Limit: r.limit, Wait: place.DelayFrom(now)}
	}
	done := make(chan error, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == maxWaiting {
		r.waiting = append(r.waiting[:0], r.waiting[1:]...)
	}
	r.newest, r.waiting = &m, append(r.waiting, done)
	if r.emit != nil {
		r.emit(r.take)
	}
	return done, nil
}

// Subscribe implements [kind.Subscriber].
func (r *receiver) Subscribe(ctx context.Context, emit kind.Emit) error {
	r.mu.Lock()
	if r.newest != nil {
		emit(r.take)
	}
	r.emit = emit
	r.mu.Unlock()
	<-ctx.Done()
	r.mu.Lock()
	r.emit = nil
	r.mu.Unlock()
	return context.Cause(ctx)
}

// take returns the value of the newest message, once. What was emitted for the messages before finds nothing then.
func (r *receiver) take(ctx context.Context) (kind.Result, error) {
	r.mu.Lock()
	newest, waiting := r.newest, r.waiting
	r.newest, r.waiting = nil, nil
	r.mu.Unlock()
	if newest == nil {
		return kind.Result{}, kind.ErrNothingYet
	}
	got, err := valueOf(ctx, newest, r.parse)
	got.Done = func(err error) {
		for _, done := range waiting {
			done <- err
		}
	}
	return got, err
}

// valueOf is the value of a message. The fields of a form are an object, unless the source wants its text.
func valueOf(ctx context.Context, m *kind.Message, parse value.Format) (kind.Result, error) {
	if parse.Name != "json" || !value.IsForm(m.Media, m.Data) {
		_, params, _ := mime.ParseMediaType(m.Media)
		return kind.Payload(m.Data, parse.In(params["charset"]))(ctx)
	}
	kind.TraceOf(ctx).Output(m.Data, 0)
	fields, err := value.ParseForm(m.Data)
	return kind.Result{Value: fields, Size: len(m.Data)}, err
}
