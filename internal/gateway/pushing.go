package gateway

import (
	"context"
	"errors"
	"slices"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/idempotency"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/replica"
	"github.com/tidewire/tidewire/internal/sources"
)

// A value that is sent to a source is taken by the replica that polls it, which alone knows the Idempotency-Keys of that source
// and how much it was sent.

// A pushed says what became of a value at another replica.
type pushed struct {
	Counts   bool                `json:"counts,omitempty"`
	Refused  string              `json:"refused,omitempty"` // one of refusedPush
	Why      string              `json:"why,omitempty"`     // of unusable
	TooOften *kind.TooOftenError `json:"too_often,omitempty"`
}

// refusedPush has the errors that need no more than a word.
var refusedPush = map[string]error{
	"no source": sources.ErrNoSource, "not pushed": sources.ErrNotPushed, "reused": idempotency.ErrReused,
}

// unusable is the word for a [sources.UnusableError].
const unusable = "unusable"

// err is why the value was not taken, nil if it was.
func (p *pushed) err() error {
	switch {
	case p.TooOften != nil:
		return p.TooOften
	case p.Refused == unusable:
		return &sources.UnusableError{Why: p.Why}
	}
	return refusedPush[p.Refused]
}

// Push sends a value to a source at the replica that polls it.
func (s sharedSources) Push(
	ctx context.Context, name string, m kind.Message, caller access.Identity, key string,
) (counts bool, err error) {
	here := func() error {
		counts, err = s.g.push(ctx, name, m, caller, key)
		return err
	}
	a, err := s.atPoller(ctx, name, question{Op: toPush, Source: name, Data: m.Data, Media: m.Media, Caller: &caller, Key: key}, here)
	switch {
	case err != nil || a == nil:
		return counts, err
	case a.Push == nil:
		return false, replica.ErrNoReplica
	}
	return a.Push.Counts, a.Push.err()
}

// push sends a value to a source that this process polls, once for each key.
func (g *gateway) push(ctx context.Context, name string, m kind.Message, caller access.Identity, key string) (counts bool, err error) {
	send := func() (bool, error) { return g.sources.Push(ctx, name, m) }
	if key == "" {
		return send()
	}
	content := slices.Concat([]byte(m.Media), []byte{0}, m.Data)
	counts, _, err = g.pushes.Do(ctx, idempotency.Key[access.Identity]{Caller: caller, Scope: name, Key: key}, idempotency.Of(content), send)
	return counts, err
}

// answerPush takes a value that a client has sent to another replica.
func (g *gateway) answerPush(ctx context.Context, q question) (a answer) {
	if q.Caller == nil {
		return a
	}
	counts, err := g.push(ctx, q.Source, kind.Message{Data: q.Data, Media: q.Media}, *q.Caller, q.Key)
	p := &pushed{Counts: counts}
	for word, is := range refusedPush {
		if errors.Is(err, is) {
			p.Refused = word
		}
	}
	if bad, ok := errors.AsType[*sources.UnusableError](err); ok {
		p.Refused, p.Why = unusable, bad.Why
	}
	p.TooOften, _ = errors.AsType[*kind.TooOftenError](err)
	if a.OK = err == nil || p.Refused != "" || p.TooOften != nil; a.OK {
		a.Push = p
	}
	return a
}
