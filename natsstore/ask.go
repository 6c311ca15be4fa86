package natsstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
)

// Why [Store.Ask] fails although the question was not answered for sure.
var (
	// ErrNoResponder means that no process was asked: none answers questions to that name, or there is no connection.
	ErrNoResponder = errors.New("natsstore: no process answers questions to that name")
	// ErrBusy means that the process that answers questions to that name has too many of them, and has refused this one.
	ErrBusy = errors.New("natsstore: the process that answers questions to that name has too many of them")
)

// notSentError is an [ErrNoResponder] that says why the question was not sent.
type notSentError struct{ error }

func (e notSentError) Unwrap() error { return e.error }

func (e notSentError) Is(target error) bool { return target == ErrNoResponder }

// Ask asks the process that answers questions to a name, by [Store.Answer] of a store with the same prefix, and returns its
// answer. It fails with [ErrNoResponder] if there is none, or no connection, with [ErrBusy] if it refuses the question, or when ctx
// ends. The question is not stored. After any error but those two it may have been answered all the same. Questions and answers
// may be as large as [Store.MaxData] says. A name consists of up to 64 letters, digits, "_" and "-".
func (s *Store) Ask(ctx context.Context, name string, question []byte) ([]byte, error) {
	subject, err := s.askSubject(name)
	switch {
	case err != nil:
		return nil, fmt.Errorf("natsstore: ask: %w", err)
	case len(question) > s.opts.MaxData:
		return nil, fmt.Errorf("natsstore: ask: the question has %d bytes, want at most %d", len(question), s.opts.MaxData)
	}
	answer, err := s.conn.RequestWithContext(ctx, subject, question)
	switch {
	case err == nil:
	case errors.Is(err, nats.ErrNoResponders):
		return nil, ErrNoResponder
	case isClosed(s.ending):
		return nil, errClosed
	case ctx.Err() != nil:
		return nil, fmt.Errorf("natsstore: ask: %w", s.because(ctx))
	case errors.Is(err, nats.ErrReconnectBufExceeded): // which is how the client says that there is no connection
		return nil, notSentError{s.cause(err)}
	default:
		return nil, fmt.Errorf("natsstore: ask: %w", err)
	}
	switch failed := answer.Header.Get(headerFailed); failed {
	case "":
		return answer.Data, nil
	case busy:
		return nil, ErrBusy
	default:
		return nil, fmt.Errorf("natsstore: ask: %s", failed)
	}
}

// Answer has answer called for each question to a name, on goroutines of their own, up to 256 at once. Up to 1,024 further
// questions, of 16 MiB together, wait for that, for 2 s each; beyond these bounds [Store.Ask] fails with [ErrBusy]. It ends when stop is called,
// which waits for the answers in progress, or with [Store.Close], which does too. The context of answer ends with the store;
// answer must return then, and must not call stop.
func (s *Store) Answer(name string, answer func(ctx context.Context, question []byte) []byte) (stop func(), err error) {
	subject, err := s.askSubject(name)
	if err != nil {
		return nil, fmt.Errorf("natsstore: answer: %w", err)
	}
	if isClosed(s.ending) {
		return nil, errClosed
	}
	a := newAnswering(func(question []byte) *nats.Msg {
		return answerOf(answer(s.ctx, question), s.opts.MaxData)
	}, s.beginWork, func() { s.work(-1) }, s.ending)
	sub, err := s.conn.Subscribe(subject, func(msg *nats.Msg) {
		a.take(msg.Data, func(reply *nats.Msg) {
			_ = msg.RespondMsg(reply) // if it is lost, the process that asked gives up
		})
	})
	if err != nil {
		return nil, fmt.Errorf("natsstore: answer: %w", err)
	}
	return sync.OnceFunc(func() {
		_ = sub.Unsubscribe() // fails if the connection is closed
		a.stop()
	}), nil
}

// askSubject returns the subject of questions to a name.
func (s *Store) askSubject(name string) (string, error) {
	if !isWord(name) {
		return "", fmt.Errorf("the name %.100q: want up to 64 letters, digits, _ and -", name)
	}
	return s.opts.Prefix + ".ask." + name, nil
}

// isWord reports whether s can be a part of a subject, and the name of a stream.
func isWord(s string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
	return s != "" && len(s) <= 64 && strings.Trim(s, allowed) == ""
}
