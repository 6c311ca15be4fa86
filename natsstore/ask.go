package natsstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
)

// ErrNoResponder is returned by [Store.Ask] if no process answers questions to that name.
var ErrNoResponder = errors.New("natsstore: no process answers questions to that name")

// maxAnswers is how many questions to a name a process answers at once.
const maxAnswers = 256

// Ask asks the process that answers questions to a name, by [Store.Answer] of a store with the same prefix, and returns its
// answer. It fails with [ErrNoResponder] if there is none, if there is no connection, or when ctx ends. The question is not
// stored. After any error but ErrNoResponder it may have been answered all the same. Questions and answers may be as large as
// [Store.MaxData] says. A name consists of up to 64 letters, digits, "_" and "-".
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
		return nil, s.cause(err)
	default:
		return nil, fmt.Errorf("natsstore: ask: %w", err)
	}
	if failed := answer.Header.Get(headerFailed); failed != "" {
		return nil, fmt.Errorf("natsstore: ask: %s", failed)
	}
	return answer.Data, nil
}

// headerFailed is the header of an answer without data: why there is none.
const headerFailed = "Tidewire-Failed"

// Answer has answer called for each question to a name, on goroutines of their own, up to 256 at once: further questions
// wait. It ends when stop is called, which waits for the answers in progress, or with [Store.Close], which does too. The
// context of answer ends with the store; answer must return then, and must not call stop.
func (s *Store) Answer(name string, answer func(ctx context.Context, question []byte) []byte) (stop func(), err error) {
	subject, err := s.askSubject(name)
	if err != nil {
		return nil, fmt.Errorf("natsstore: answer: %w", err)
	}
	if isClosed(s.ending) {
		return nil, errClosed
	}
	r := &responder{s: s, answer: answer, slots: make(chan struct{}, maxAnswers), stopped: make(chan struct{})}
	sub, err := s.conn.Subscribe(subject, r.take)
	if err != nil {
		return nil, fmt.Errorf("natsstore: answer: %w", err)
	}
	return sync.OnceFunc(func() {
		_ = sub.Unsubscribe() // fails if the connection is closed
		r.stop()
	}), nil
}

// responder answers the questions to a name.
type responder struct {
	s       *Store
	answer  func(ctx context.Context, question []byte) []byte
	slots   chan struct{} // holds an element for each question that is being answered
	stopped chan struct{} // closed when no more are taken
}

// take begins to answer a question, or drops it if it comes too late. The client calls it for one after the other.
func (r *responder) take(msg *nats.Msg) {
	select {
	case r.slots <- struct{}{}:
	case <-r.stopped:
		return
	case <-r.s.ending:
		return
	}
	if isClosed(r.stopped) || !r.s.beginWork() {
		<-r.slots
		return
	}
	go func() {
		defer r.s.work(-1)
		defer func() { <-r.slots }()
		r.give(msg)
	}()
}

// give answers a question.
func (r *responder) give(msg *nats.Msg) {
	reply := &nats.Msg{Data: r.answer(r.s.ctx, msg.Data)}
	if most := r.s.opts.MaxData; len(reply.Data) > most {
		failed := fmt.Sprintf("the answer has %d bytes, want at most %d", len(reply.Data), most)
		reply = &nats.Msg{Header: nats.Header{headerFailed: {failed}}}
	}
	_ = msg.RespondMsg(reply) // if it is lost, the process that asked gives up
}

// stop takes no more questions, and waits for the answers in progress: when it has all slots, there are none.
func (r *responder) stop() {
	close(r.stopped)
	for range maxAnswers {
		r.slots <- struct{}{}
	}
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
