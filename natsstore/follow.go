package natsstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// wake has the mirror compared with the stream soon.
func (s *Store) wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

// hear is called for each message that the server publishes again.
func (s *Store) hear(end string, msg *nats.Msg) {
	rev, err := strconv.ParseUint(msg.Header.Get(headerSequence), 10, 64)
	if err != nil {
		return // not from the stream
	}
	if s.receive(rev, end, msg.Header, msg.Data, true) {
		s.wake()
	}
}

// receive passes a message of the stream to the mirror. end is its subject without what all have. gap says that messages
// before it are missing.
func (s *Store) receive(rev uint64, end string, h nats.Header, data []byte, live bool) (gap bool) {
	kind, key, _ := strings.Cut(end, ".")
	switch kind {
	case "lease":
		s.mirror.applyLease(rev, key, parseLease(h, data))
		if live {
			return s.mirror.seen(rev)
		}
		return false
	case "topic":
		_, e, _ := s.mirror.get(key)
		if len(data) < 4<<10 {
			data = bytes.Clone(data) // or else it would keep the headers, which are of that size
		}
		r, err := parseRecord(key, e.Topic, h, data)
		if err != nil {
			if s.mirror.isNewsOf(key, rev) { // it is in each list of everything again
				s.opts.Logger.Error("natsstore: a message of the stream cannot be read, and is left alone",
					"subject", s.subject(end), "sequence", rev, "err", err)
			}
			r.alien = true
		}
		if live {
			return s.mirror.live(rev, key, r)
		}
		s.mirror.listed(rev, key, r)
		return false
	}
	return live && s.mirror.seen(rev)
}

// parseLease returns the body of a lease; nil if it has expired.
func parseLease(h nats.Header, data []byte) *leaseRecord {
	l := new(leaseRecord)
	if h.Get(headerMarker) != "" || json.Unmarshal(data, l) != nil {
		return nil
	}
	return l
}

// keepUp compares the mirror with the stream when it is woken, and each second: for what the server has not published
// again, for another stream of that name, and to make one.
func (s *Store) keepUp() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var complete time.Time
	for number := uint64(1); ; number++ {
		select {
		case <-s.ctx.Done():
			return
		case <-s.woken:
		case <-tick.C:
		}
		s.resubscribe()
		s.mu.Lock()
		s.begun = number
		s.mu.Unlock()
		began := time.Now()
		err := s.catchUp(time.Since(complete) > markerTTL/2)
		if s.ctx.Err() != nil {
			return
		}
		if !errors.Is(err, errUnlinked) { // which is a fault of the connection
			s.note(&s.checking, err)
		}
		if err != nil {
			pause(s.ctx, 100*time.Millisecond)
			continue
		}
		complete = began
		s.mu.Lock()
		s.completed = number
		close(s.listed)
		s.listed = make(chan struct{})
		s.mu.Unlock()
	}
}

// catchUp has the mirror know all that the stream has now. whole says that it may have missed that something expired.
func (s *Store) catchUp(whole bool) error {
	before := s.mirror.extent()
	info, err := s.ensure(s.ctx)
	if err != nil {
		return err
	}
	if s.mirror.isOther(info.Created) {
		if err = s.listen(); err == nil {
			err = s.conn.FlushTimeout(lastAttempt)
		}
		if err == nil {
			info, err = s.ensure(s.ctx)
		}
		if err != nil {
			return err
		}
	}
	target := info.State.LastSeq
	patience := 15 * time.Second
	if info.Config.Replicas == 1 {
		patience = 0
	}
	from, all := s.mirror.begin(before, info.Created, target, info.State.Msgs, whole, patience)
	first, err := s.mirror.list(server{s}, from, target, all)
	if first {
		close(s.ready)
	}
	return err
}

// server is the source of the mirror.
type server struct{ *Store }

func (s server) page(from uint64) (last uint64, err error) {
	return s.Store.page(s.ctx, from, func(msg *nats.Msg) {
		rev, err := strconv.ParseUint(msg.Header.Get(headerSequence), 10, 64)
		if end, ok := strings.CutPrefix(msg.Header.Get(headerSubject), s.subject("")); ok && err == nil {
			s.receive(rev, end, msg.Header, msg.Data, false)
		}
	})
}

func (s server) next(from uint64) (uint64, error) {
	ctx, cancel := s.within(lastAttempt)
	defer cancel()
	subject, rev, h, data, err := s.readMessage(ctx, map[string]any{"seq": from, "next_by_subj": s.subject(">")})
	if err != nil || rev == 0 {
		return 0, err
	}
	s.receive(rev, strings.TrimPrefix(subject, s.subject("")), h, data, false)
	return rev, nil
}

// ask has some requests under way at a time: of a stream that was made again, all that was in the former one is asked for.
func (s server) ask(keys []string) error {
	ctx, cancel := s.within(time.Minute)
	defer cancel()
	var failed atomic.Pointer[error]
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(32, len(keys)) {
		wg.Go(func() {
			for failed.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(keys) {
					return
				}
				end := "topic." + keys[i]
				rev, h, data, err := s.read(ctx, map[string]any{"last_by_subj": s.subject(end)})
				if err != nil {
					failed.Store(&err)
				} else if rev > 0 {
					s.receive(rev, end, h, data, false)
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}
