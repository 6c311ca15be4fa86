package replica

import (
	"context"
	"errors"
	"fmt"
)

// Asking brings questions from one replica to another one, and answers back.
type Asking interface {
	// Ask asks the replica of that ID. The error is [ErrNoReplica] if nobody of that ID listens, [ErrBusy], ctx's,
	// or why the question cannot be asked.
	Ask(ctx context.Context, id string, question []byte) ([]byte, error)
	// Answer has answer called for each question to the replica of that ID, on goroutines of their own, until stop is
	// called.
	Answer(id string, answer func(ctx context.Context, question []byte) []byte) (stop func(), err error)
}

// Why there is no answer.
var (
	// ErrNoReplica means that nobody was asked: no replica of that ID listens.
	ErrNoReplica = errors.New("there is no such replica, or it cannot be reached")
	// ErrBusy is an ErrNoReplica: the replica has too many questions, and has left this one alone.
	ErrBusy = fmt.Errorf("another replica has too many questions: %w", ErrNoReplica)
	// ErrNoAnswer means that a replica has not answered in time. It may have done what it was asked all the same, or do it
	// later.
	ErrNoAnswer = errors.New("another replica does not answer")
)

// Ask asks the replica of that ID. The error is [ErrNoReplica], [ErrBusy], or wraps [ErrNoAnswer].
func (r *Replica) Ask(ctx context.Context, id string, question []byte) ([]byte, error) {
	if r == nil || r.deps.Asking == nil || id == "" {
		return nil, ErrNoReplica
	}
	answer, err := r.deps.Asking.Ask(ctx, id, question)
	if err != nil && !errors.Is(err, ErrNoReplica) {
		err = fmt.Errorf("%w: %w", ErrNoAnswer, err)
	}
	return answer, err
}

// Answer has answer called for each question of another replica, on goroutines of their own, until stop is called. It is
// called once.
func (r *Replica) Answer(answer func(ctx context.Context, question []byte) []byte) (stop func(), err error) {
	if r == nil || r.deps.Asking == nil {
		return func() {}, nil
	}
	return r.deps.Asking.Answer(r.id, answer)
}
