package natsstore

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tidewire/tidewire/snapshot"
)

// errClosed is the error of calls after [Store.Close].
var errClosed = errors.New("natsstore: the store is closed")

// Store is a [snapshot.Store] in a stream of NATS JetStream, which it shares with all stores of the same prefix. Make
// one with [Open], one for a process, and end it with [Store.Close].
type Store struct {
	// Lock order: mirror.mu, then claim.mu, then mu.

	opts   Options
	ctx    context.Context // ends with Close, which is the only one to call cancel
	cancel context.CancelCauseFunc
	conn   *nats.Conn
	jets   jetstream.JetStream
	mirror *mirror
	id     string        // begins the ids of messages
	writes atomic.Uint64 // ends them
	slots  chan struct{} // of maxWriting
	woken  chan struct{} // of 1: the mirror is to be compared with the stream
	ready  chan struct{} // closed when the mirror has been complete once
	ending chan struct{} // closed when Close begins
	loops  sync.WaitGroup

	advised string // what was logged last about the stream; used by keepUp alone

	mu sync.Mutex // guards the fields below

	writing, checking, linking error     // why writes, lists and the connection fail; nil if they do not
	denied                     error     // what the server has refused last for want of a permission
	deniedAt                   time.Time // when that was
	deaf                       bool      // a subscription was refused on this connection
	told                       string    // the fault that was logged last; empty if the last line says that it is over
	toldAt                     time.Time
	server                     string        // the name of the one that the store is connected to
	linked                     chan struct{} // closed and replaced when there is a connection
	begun, completed           uint64        // the newest list of the stream that has begun, and that has succeeded: they are numbered
	listed                     chan struct{} // closed and replaced when completed changes
	flights                    map[string]*flight
	leased                     chan struct{} // closed and replaced when the lease changes
	working                    int           // goroutines of claims, flights and answers
	idle                       chan struct{} // closed when nothing is working, after Close was called
	sub                        *nats.Subscription
}

// Open returns a store, and begins to connect. It waits for one attempt to reach the servers, at most, not for the
// success: until they can be reached, calls wait for that or fail when their context ends, and followers are told
// nothing. [Store.Sync] waits for it, and [Store.Status] says what is wrong.
//
// It fails if the options cannot be used, or if a server answers that is too old for it.
func Open(options Options) (*Store, error) {
	opts, err := options.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("natsstore: %w", err)
	}
	s := &Store{
		opts: opts, mirror: newMirror(opts.Logger), id: snapshot.NewRun()[:12] + "-",
		slots: make(chan struct{}, maxWriting), woken: make(chan struct{}, 1), ready: make(chan struct{}),
		ending: make(chan struct{}), idle: make(chan struct{}), linked: make(chan struct{}), leased: make(chan struct{}),
		listed: make(chan struct{}), flights: make(map[string]*flight), linking: errUnlinked,
	}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	if err := s.connect(); err != nil {
		s.cancel(err)
		var parse *url.Error
		switch { // the whole has the password, and the cause what looks like a port: a part of a password with a "/", "?" or "#"
		case !errors.As(err, &parse):
		case strings.Contains(opts.URL, "@"):
			err = errors.New("the address cannot be read: special characters of a user, a password or a token are to be written as %XX")
		default:
			err = parse.Err
		}
		return nil, fmt.Errorf("natsstore: connect to %s: %w", opts.redacted(), err)
	}
	s.loops.Go(s.keepUp)
	s.loops.Go(s.keepLease)
	s.loops.Go(s.keepWatch)
	return s, nil
}

// connect makes the connection, which lasts until it is closed whatever happens.
func (s *Store) connect() error {
	options := []nats.Option{
		nats.Name("tidewire " + s.opts.Prefix + " " + s.opts.Name),
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort(),
		nats.ReconnectWait(250 * time.Millisecond), nats.ReconnectJitter(250*time.Millisecond, 750*time.Millisecond),
		nats.Timeout(2 * time.Second),
		// A connection that is dead without a word is given up within 6 s, well before the lease.
		nats.PingInterval(2 * time.Second), nats.MaxPingsOutstanding(2),
		// So is one that takes no more, which a full buffer would hide from the pings: a write has the client's lock.
		nats.FlusherTimeout(4 * time.Second),
		// What cannot be sent fails at once: sent after the next connect, it could be older than what was sent since.
		nats.ReconnectBufSize(-1),
		nats.NoCallbacksAfterClientClose(),
		nats.ConnectHandler(s.connected), nats.ReconnectHandler(s.connected),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err == nil {
				err = errors.New("the server has closed it")
			}
			s.note(&s.linking, err)
		}),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { s.note(&s.linking, err) }),
		nats.ClosedHandler(func(conn *nats.Conn) {
			if s.ctx.Err() == nil {
				s.note(&s.linking, fmt.Errorf("it is closed for good: %w", conn.LastError()))
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { s.troubled(err) }),
	}
	if s.opts.Credentials != "" {
		options = append(options, nats.UserCredentials(s.opts.Credentials))
	}
	if s.opts.TLS != nil {
		options = append(options, nats.Secure(s.opts.TLS))
	}
	conn, err := nats.Connect(s.opts.URL, options...)
	if err != nil {
		return err
	}
	s.conn = conn
	if s.jets, err = jetstream.New(conn); err == nil && conn.IsConnected() {
		err = s.checkServer()
	}
	if err == nil {
		err = s.listen()
	}
	if err != nil {
		conn.Close()
	}
	return err
}

// connected is called for each connection.
func (s *Store) connected(conn *nats.Conn) {
	name := conn.ConnectedServerName()
	s.mu.Lock()
	s.server = name
	s.mu.Unlock()
	s.note(&s.linking, nil)
	s.mu.Lock()
	close(s.linked)
	s.linked = make(chan struct{})
	s.mu.Unlock()
	s.wake()
}

// troubled is called for an error that the connection outlives, such as that messages were dropped because they came too
// fast.
func (s *Store) troubled(err error) {
	switch {
	case errors.Is(err, nats.ErrPermissionViolation):
		s.noteDenied(err)
		return
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked),
		errors.Is(err, nats.ErrAccountAuthExpired):
		s.noteUnlinked(err) // each attempt to connect is told of too
		return
	}
	s.opts.Logger.Warn("natsstore: connection", "err", err)
	s.wake()
}

// listen subscribes to what the server publishes again. What comes from an earlier subscription is not seen any more.
func (s *Store) listen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sub != nil {
		_ = s.sub.Unsubscribe()
		s.sub = nil
	}
	live := s.opts.Prefix + ".live."
	sub, err := s.conn.Subscribe(live+">", func(msg *nats.Msg) { s.hear(strings.TrimPrefix(msg.Subject, live), msg) })
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	s.sub = sub
	return sub.SetPendingLimits(-1, 128<<20)
}

// Close gives up what this process holds, with the newest data: its runs that have not ended are orphans when it
// returns. If ctx ends before that, or the servers cannot be reached, they become orphans when the lease is over. Calls
// that wait fail, and so do all later ones.
func (s *Store) Close(ctx context.Context) error {
	s.mu.Lock()
	again := isClosed(s.ending)
	if !again {
		close(s.ending)
	}
	s.mu.Unlock()
	if again {
		return errClosed
	}
	s.work(0)
	var err error
	select {
	case <-s.idle:
	case <-ctx.Done():
		err = fmt.Errorf("natsstore: close: %w", s.because(ctx))
	}
	s.cancel(errClosed)
	s.loops.Wait()
	if resign := s.resign(ctx); err == nil && resign != nil {
		err = fmt.Errorf("natsstore: close: give up the lease: %w", resign)
	}
	<-s.idle // what is at work still ends with the lease
	s.conn.Close()
	return err
}

// beginWork counts one more goroutine, as work does, unless the store is being closed.
func (s *Store) beginWork() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if isClosed(s.ending) {
		return false
	}
	s.working++
	return true
}

// work counts goroutines of claims, flights and answers.
func (s *Store) work(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.working += n
	if isClosed(s.ending) && s.working == 0 && !isClosed(s.idle) {
		close(s.idle)
	}
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Follow implements [snapshot.Store]. The entries of before are told once all of them are known.
func (s *Store) Follow(ctx context.Context, fn func(snapshot.Entry), synced func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-s.ready:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.ctx.Done():
		return errClosed
	}
	s.mirror.attach(&fn, synced)
	defer s.mirror.detach(&fn)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.ctx.Done():
		return errClosed
	}
}

// Sync implements [snapshot.Store]. It asks the leader of the stream how far that is; calls at the same time share a
// question.
func (s *Store) Sync(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("natsstore: sync: %w", err)
	}
	s.mu.Lock()
	need := s.begun + 1 // the list that is made now may have begun before this call
	s.mu.Unlock()
	s.wake()
	for {
		s.mu.Lock()
		done, listed := s.completed >= need, s.listed
		s.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-listed:
		case <-ctx.Done():
			return fmt.Errorf("natsstore: sync: %w", s.because(ctx))
		case <-s.ctx.Done():
			return errClosed
		}
	}
}

// MaxData implements [snapshot.Store].
func (s *Store) MaxData() int { return s.opts.MaxData }

// Forget implements [snapshot.Store].
func (s *Store) Forget(ctx context.Context, topic, run string) error {
	err := ctx.Err()
	if err == nil {
		err = checkTopic(topic)
	}
	if err == nil {
		err = s.forget(ctx, topic, run)
	}
	if err != nil {
		return fmt.Errorf("natsstore: forget %.100q: %w", topic, err)
	}
	return nil
}

func (s *Store) forget(ctx context.Context, topic, run string) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	key := keyOf(topic)
	for {
		rev, r, err := s.readRecord(ctx, key, topic)
		if err != nil {
			return err
		}
		switch {
		case !r.holds() || r.Run != run:
			if _, e, _ := s.mirror.get(key); e.Run == run && e.State != snapshot.Gone {
				return s.Sync(ctx) // it has just expired
			}
			return nil
		case r.State != snapshot.Final:
			return fmt.Errorf("%w: run %s", snapshot.ErrLive, run)
		}
		r.State = snapshot.Gone
		if rev, err = s.write(ctx, ctx, s.message(key, rev, &r), false); err == nil {
			s.mirror.apply(rev, key, r)
			return nil
		} else if !errors.Is(err, errFenced) {
			return err
		}
	}
}

// bound returns a context that ends with ctx and with the store.
func (s *Store) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.ctx, func() { cancel(errClosed) })
	return ctx, func() { stop(); cancel(nil) }
}

// readRecord asks the leader for what a topic has, and tells it to the followers. It returns what they know then, which
// is that or something newer.
func (s *Store) readRecord(ctx context.Context, key, topic string) (rev uint64, r record, err error) {
	rev, h, data, err := s.read(ctx, map[string]any{"last_by_subj": s.subject("topic." + key)})
	if err != nil || rev == 0 {
		return 0, record{}, err
	}
	if r, err = parseRecord(key, topic, h, data); err != nil {
		return 0, record{}, fmt.Errorf("message %d: %w", rev, err)
	}
	if r.alien {
		return 0, record{}, errors.New("the entry was written by a newer version of this program")
	}
	s.mirror.apply(rev, key, r)
	if known, e, ok := s.mirror.get(key); ok && known >= rev && e.State != snapshot.Gone {
		if known > rev {
			r.owner = "" // which is not known of the newer one
		}
		rev, r.Entry = known, e
	}
	return rev, r, nil
}

// message returns the write of a record with the lifetime that its state gives it; that of a Final one is to be set.
func (s *Store) message(key string, rev uint64, r *record) write {
	w := write{subject: "topic." + key, rev: rev, header: nats.Header{headerEntry: {r.header()}}, data: r.Data}
	if strings.HasPrefix(key, hashed) {
		w.header[headerTopic] = []string{encodeTopic(r.Topic)}
	}
	if r.State == snapshot.Gone {
		w.ttl = ttlOf(markerTTL)
	}
	return w
}

// checkTopic returns why a topic cannot have an entry.
func checkTopic(topic string) error {
	if len(topic) > maxTopic {
		return fmt.Errorf("the topic has %d bytes, want at most %d", len(topic), maxTopic)
	}
	return nil
}
