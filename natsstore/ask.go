package natsstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
)

// ErrNobody is returned by [Store.Ask] if no process answers questions to that name.
var ErrNobody = errors.New("natsstore: nobody answers questions to that name")

// Ask asks the process that answers questions to a name, by [Store.Answer] of a store with the same prefix, and returns its
// answer. The question is not stored, and may get lost: it fails with [ErrNobody], or when ctx ends, and then it may have
// been answered all the same. Questions and answers have at most as many bytes as data: [Store.MaxData].
func (s *Store) Ask(ctx context.Context, name string, question []byte) ([]byte, error) {
	if len(question) > s.opts.MaxData {
		return nil, fmt.Errorf("natsstore: a question of %d bytes, want at most %d", len(question), s.opts.MaxData)
	}
	answer, err := s.conn.RequestWithContext(ctx, s.askSubject(name), question)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return nil, ErrNobody
	case err != nil && ctx.Err() != nil:
		return nil, fmt.Errorf("natsstore: ask: %w", s.because(ctx))
	case err != nil:
		return nil, fmt.Errorf("natsstore: ask: %w", err)
	}
	if failed := answer.Header.Get(headerFailed); failed != "" {
		return nil, fmt.Errorf("natsstore: ask: %s", failed)
	}
	return answer.Data, nil
}

// headerFailed is that of an answer that has no data because it is too long.
const headerFailed = "Tidewire-Failed"

// Answer has answer called for each question to a name, on a goroutine of its own, until stop is called. Its context ends
// with the store. A name consists of letters and digits.
func (s *Store) Answer(name string, answer func(ctx context.Context, question []byte) []byte) (stop func(), err error) {
	sub, err := s.conn.Subscribe(s.askSubject(name), func(msg *nats.Msg) {
		go func() {
			reply := &nats.Msg{Data: answer(s.ctx, msg.Data)}
			if len(reply.Data) > s.opts.MaxData {
				failed := fmt.Sprintf("the answer has %d bytes, want at most %d", len(reply.Data), s.opts.MaxData)
				reply = &nats.Msg{Header: nats.Header{headerFailed: {failed}}}
			}
			_ = msg.RespondMsg(reply) // if it is lost, whoever asked gives up
		}()
	})
	if err != nil {
		return nil, fmt.Errorf("natsstore: answer: %w", err)
	}
	return func() { _ = sub.Unsubscribe() }, nil
}

func (s *Store) askSubject(name string) string { return s.opts.Prefix + ".ask." + name }
