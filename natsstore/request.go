package natsstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	firstAttempt = 500 * time.Millisecond // bounds a request; doubled each time, up to
	lastAttempt  = 2 * time.Second

	slowest = 250 * time.Millisecond // between attempts

	// oneWrite is about how long the servers take for a write, after which whoever was too late for a topic finds the
	// winner's.
	oneWrite = 500 * time.Microsecond

	// maxWriting bounds the writes of topics that wait for an answer at a time. Servers hold 10,000 messages of a stream
	// back and refuse more.
	maxWriting = 1000
)

var (
	// errFenced means that a topic has another revision than the one that was to be replaced.
	errFenced = errors.New("the entry has been replaced")

	// errBusy means that somebody else is writing the topic at this moment.
	errBusy = errors.New("the entry is being replaced")

	errUnlinked   = errors.New("there is no connection to a server yet")
	errUnanswered = errors.New("the stream does not answer: it has no leader, or the connection is bad")
)

// Codes of errors of JetStream.
const (
	codeNoMessage      = 10037
	codeNoStream       = 10059
	codeWrongSequence  = 10071
	codeSameIDInUse    = 10158
	codeWriteInProcess = 10164
)

// apiError is an error of JetStream in an answer.
type apiError struct {
	Code        int    `json:"err_code"`
	Description string `json:"description"`
}

func (e *apiError) Error() string { return fmt.Sprintf("%s (%d)", e.Description, e.Code) }

// A write is one message for the stream, which replaces the one of the same subject if that has revision rev: none if
// rev is 0.
type write struct {
	subject string
	rev     uint64
	ttl     string // in seconds; empty for ever
	header  nats.Header
	data    []byte
	urgent  bool // it does not wait for others
	once    bool // what was not stored for certain is not tried again: there may be something newer by now
}

// notStored is the error of a write that is not stored for certain, and of which that need not be so for ever.
type notStored struct{ error }

// write stores w and returns its revision. As long as the outcome is open it tries again, and only ctx ends that: then
// w may be stored later. Before that, giveUp ends it too; w is not stored then. If impatient, somebody else's write
// in process is errBusy. Attempts have one id, so the stream stores w at most once.
func (s *Store) write(ctx, giveUp context.Context, w write, impatient bool) (rev uint64, err error) {
	h := nats.Header{
		headerExpected:  {strconv.FormatUint(w.rev, 10)},
		headerMessageID: {s.id + strconv.FormatUint(s.writes.Add(1), 36)},
	}
	for k, v := range w.header {
		h[k] = v
	}
	if w.ttl != "" {
		h[headerTTL] = []string{w.ttl}
	}
	msg := &nats.Msg{Subject: s.subject(w.subject), Header: h, Data: w.data}
	open := false // an attempt may be stored, or will be
	timeout := firstAttempt
	for wait := newBackoff(); ; {
		if err := ctx.Err(); err != nil {
			return 0, s.because(ctx)
		} else if !open && giveUp.Err() != nil {
			return 0, s.because(giveUp)
		}
		rev, unanswered, err := s.attempt(ctx, msg, timeout, w.urgent)
		var api *apiError
		busy := false
		switch {
		case err == nil:
			s.note(&s.writing, nil)
			return rev, nil
		case errors.As(err, &api) && api.Code == codeWrongSequence:
			if open {
				// An attempt may be stored whose id the stream has forgotten.
				if rev, ok := s.isStored(ctx, w); ok {
					return rev, nil
				}
			}
			return 0, errFenced
		case errors.As(err, &api) && (api.Code == codeWriteInProcess || api.Code == codeSameIDInUse):
			busy = true
		case errors.Is(err, nats.ErrReconnectBufExceeded): // there is no connection, which is said elsewhere
		case ctx.Err() == nil && (open || !unanswered): // one attempt without an answer is not worth a word
			s.note(&s.writing, err)
		}
		switch {
		case unanswered:
			open = true
			timeout = min(2*timeout, lastAttempt)
			wait.sleep(ctx)
		case busy && impatient && !open:
			return 0, errBusy
		case errors.Is(err, nats.ErrReconnectBufExceeded):
			s.waitForLink(ctx, giveUp)
		case w.once && !open && !busy:
			pause(ctx, slowest)
		default:
			wait.sleep(ctx)
		}
		if w.once && !open && !busy && ctx.Err() == nil {
			return 0, notStored{err}
		}
	}
}

// waitForLink waits for a connection, or a moment if there is one, which has just come or is just going.
func (s *Store) waitForLink(ctx, giveUp context.Context) {
	s.mu.Lock()
	linked, wait := s.linked, time.Second
	if s.linking == nil {
		wait = slowest
	}
	s.mu.Unlock()
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-linked:
	case <-t.C:
	case <-ctx.Done():
	case <-giveUp.Done():
	}
}

// attempt sends a message once. open means that it may be stored although there is an error.
func (s *Store) attempt(
	ctx context.Context, msg *nats.Msg, timeout time.Duration, urgent bool,
) (rev uint64, open bool, err error) {
	if !urgent {
		select {
		case s.slots <- struct{}{}:
			defer func() { <-s.slots }()
		case <-ctx.Done():
			return 0, false, ctx.Err()
		}
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer, err := s.conn.RequestMsgWithContext(ctx, msg)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		s.wake() // which makes the stream
		return 0, false, errors.New("nobody takes it: the stream has no leader, as most of its servers are away, or there is no stream")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, nats.ErrTimeout):
		return 0, true, errUnanswered
	case errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrMaxPayload):
		return 0, false, err // it was not sent
	case err != nil:
		return 0, true, err
	}
	var ack struct {
		Sequence uint64    `json:"seq"`
		Error    *apiError `json:"error"`
	}
	if err := json.Unmarshal(answer.Data, &ack); err != nil {
		return 0, true, fmt.Errorf("read the answer: %w", err)
	}
	if ack.Error != nil {
		return 0, false, ack.Error
	}
	return ack.Sequence, false, nil
}

// isStored reports whether a write that was refused is the one that stands.
func (s *Store) isStored(ctx context.Context, w write) (rev uint64, ok bool) {
	rev, h, data, err := s.read(ctx, map[string]any{"last_by_subj": s.subject(w.subject)})
	if err != nil || rev <= w.rev || string(data) != string(w.data) {
		return 0, false
	}
	for k, v := range w.header {
		if h.Get(k) != v[0] {
			return 0, false
		}
	}
	return rev, true
}

// read asks the leader of the stream for a message, until it answers or ctx ends. rev is 0 if there is no such message.
func (s *Store) read(ctx context.Context, what map[string]any) (rev uint64, h nats.Header, data []byte, err error) {
	_, rev, h, data, err = s.readMessage(ctx, what)
	return rev, h, data, err
}

func (s *Store) readMessage(
	ctx context.Context, what map[string]any,
) (subject string, rev uint64, h nats.Header, data []byte, err error) {
	request, err := json.Marshal(what)
	if err != nil {
		panic(err) // a map of plain values
	}
	timeout := firstAttempt
	for wait := newBackoff(); ; wait.sleep(ctx) {
		if ctx.Err() != nil {
			return "", 0, nil, nil, s.because(ctx)
		}
		attempt, cancel := context.WithTimeout(ctx, timeout)
		answer, err := s.conn.RequestWithContext(attempt, "$JS.API.STREAM.MSG.GET."+s.opts.Prefix, request)
		cancel()
		timeout = min(2*timeout, lastAttempt)
		if err != nil {
			continue
		}
		var got struct {
			Message struct {
				Subject  string `json:"subject"`
				Sequence uint64 `json:"seq"`
				Headers  []byte `json:"hdrs"`
				Data     []byte `json:"data"`
			} `json:"message"`
			Error *apiError `json:"error"`
		}
		if json.Unmarshal(answer.Data, &got) != nil {
			continue
		}
		switch {
		case got.Error == nil:
			h, err := nats.DecodeHeadersMsg(got.Message.Headers)
			if err != nil && len(got.Message.Headers) > 0 {
				return "", 0, nil, nil, fmt.Errorf("read the headers of message %d: %w", got.Message.Sequence, err)
			}
			return got.Message.Subject, got.Message.Sequence, h, got.Message.Data, nil
		case got.Error.Code == codeNoMessage:
			return "", 0, nil, nil, nil
		case got.Error.Code == codeNoStream:
			s.wake()
		}
	}
}

// page asks any server of the stream for the messages of up to 1,000 topics from a sequence on, and calls each for them
// in order. last is the sequence of the last one, 0 if that server has none.
func (s *Store) page(ctx context.Context, from uint64, each func(*nats.Msg)) (last uint64, err error) {
	inbox := s.conn.NewInbox()
	sub, err := s.conn.SubscribeSync(inbox)
	if err != nil {
		return 0, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	request := fmt.Appendf(nil, `{"seq":%d,"next_by_subj":%q,"batch":1000,"max_bytes":%d}`, from, s.subject(">"), 8<<20)
	if err := s.conn.PublishRequest("$JS.API.DIRECT.GET."+s.opts.Prefix, inbox, request); err != nil {
		return 0, err
	}
	for {
		attempt, cancel := context.WithTimeout(ctx, lastAttempt)
		msg, err := sub.NextMsgWithContext(attempt)
		cancel()
		if err != nil {
			return 0, errUnanswered
		}
		switch status := msg.Header.Get("Status"); status {
		case "":
			each(msg)
			if last, err = strconv.ParseUint(msg.Header.Get(headerSequence), 10, 64); err != nil {
				return 0, fmt.Errorf("list the stream: %w", err)
			}
		case "204", "404":
			return last, nil
		default:
			return 0, fmt.Errorf("list the stream: %s %s", status, msg.Header.Get("Description"))
		}
	}
}

// subject returns the subject of a message of the stream.
func (s *Store) subject(end string) string { return s.opts.Prefix + ".store." + end }

// backoff paces attempts.
type backoff struct{ next time.Duration }

func newBackoff() *backoff { return &backoff{next: 4 * time.Millisecond} }

// sleep waits, each time longer, up to about slowest, or until ctx ends.
func (b *backoff) sleep(ctx context.Context) {
	pause(ctx, b.next/2+rand.N(b.next))
	b.next = min(2*b.next, slowest)
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
