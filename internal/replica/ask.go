package replica

import (
	"context"
	"errors"
)

// Asking brings questions from one replica to another one, and answers back.
type Asking interface {
	// Ask asks the replica of that ID. The error is [ErrNoReplica] if nobody of that ID listens, ctx's, or why the
	// question cannot be asked.
	Ask(ctx context.Context, id string, question []byte) ([]byte, error)
	// Answer has answer called for each question to the replica of that ID, on goroutines of their own, until stop is
	// called.
	Answer(id string, answer func(ctx context.Context, question []byte) []byte) (stop func(), err error)
}

// ErrNoReplica is why a replica cannot be asked: there is none of that ID, or it does not answer.
var ErrNoReplica = errors.New("there is no such replica, or it does not answer")

// Ask asks the replica of that ID.
func (r *Replica) Ask(ctx context.Context, id string, question []byte) ([]byte, error) {
	if r == nil || r.deps.Asking == nil || id == "" {
		return nil, ErrNoReplica
	}
	return r.deps.Asking.Ask(ctx, id, question)
}

// Answer has answer called for each question of another replica, on goroutines of their own, until stop is called. It is
// called once.
func (r *Replica) Answer(answer func(ctx context.Context, question []byte) []byte) (stop func(), err error) {
	if r == nil || r.deps.Asking == nil {
		return func() {}, nil
	}
	return r.deps.Asking.Answer(r.id, answer)
}
