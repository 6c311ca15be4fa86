package alert

import (
	"context"
	"slices"
	"time"
)

// leaveWithin is how long Leave waits for the answers of receivers that are being told of the alert. Nobody polls the source
// meanwhile.
const leaveWithin = time.Second

// A SharedStore is a [Store] of several processes. Each of them has the alerts of its own sources and jobs, and all have the
// silences. Its Each calls f for the silences alone.
type SharedStore interface {
	Store
	// Left returns the newest record of a key, whichever process has kept it; nil: there is none.
	Left(key string) []byte
	// Leave gives a record up to another process, as it was kept last.
	Leave(ctx context.Context, key string)
}

// shared returns the store if it is one of several processes.
func (k *keeper) shared() SharedStore {
	if k == nil {
		return nil
	}
	shared, _ := k.store.(SharedStore)
	return shared
}

// Leave gives the alert up to another process, which has its source from now on: nobody is told that it is over, and what
// is kept of it stays. What is still to be told is told by that process. If a receiver is being told in that moment, Leave waits
// for its answer, for a second at most; if that comes later, the receiver is told again, by the same message.
func (m *Monitor) Leave(ctx context.Context) {
	if m == nil {
		return
	}
	m.service.leave(ctx, m.entry, m)
	m.service.mu.Lock()
	defer m.service.mu.Unlock()
	m.entry, m.state = nil, state{}
}

// Lost is Leave of a source that was taken away: another process may have it already. It does not block.
func (m *Monitor) Lost() {
	if m == nil {
		return
	}
	m.service.mu.Lock()
	defer m.service.mu.Unlock()
	if m.entry != nil && m.entry.owner == m {
		m.service.leaveLocked(m.entry)
	}
	m.entry, m.state = nil, state{}
}

// Leave gives the alert up to another process, which starts the runs of its job from now on, as [Monitor.Leave] does.
func (m *JobMonitor) Leave(ctx context.Context) {
	if m == nil {
		return
	}
	m.service.leave(ctx, m.entry, m)
	m.service.mu.Lock()
	defer m.service.mu.Unlock()
	m.entry = nil
}

// leave forgets an alert without telling anybody, unless owner does not define it any more.
func (s *Service) leave(ctx context.Context, e *entry, owner any) {
	s.awaitCalls(ctx, e)
	s.mu.Lock()
	if e == nil || e.owner != owner {
		s.mu.Unlock()
		return
	}
	s.leaveLocked(e)
	shared := s.keeper.shared()
	s.mu.Unlock()
	if shared != nil {
		shared.Leave(ctx, e.subject.Key)
	}
}

// awaitCalls waits until the calls have ended that tell of an alert now, for leaveWithin at most.
func (s *Service) awaitCalls(ctx context.Context, e *entry) {
	var calls []*call
	s.mu.Lock()
	for _, r := range s.receivers {
		if c := r.calling; c != nil && slices.ContainsFunc(c.batch.sent, func(box *outbox) bool { return box.entry == e }) {
			calls = append(calls, c)
		}
	}
	s.mu.Unlock()
	ctx, done := context.WithTimeout(ctx, leaveWithin)
	defer done()
	for _, c := range calls {
		select {
		case <-c.over:
		case <-ctx.Done():
		}
	}
}

func (s *Service) leaveLocked(e *entry) {
	s.joinLocked(e, "")
	e.owner, e.changed, e.notify = nil, nil, nil
	for to, box := range e.outboxes {
		box.queue = nil
		if r := s.receivers[to]; r != nil {
			for _, b := range r.batches {
				b.members = slices.DeleteFunc(b.members, func(other *outbox) bool { return other == box })
				b.sent = slices.DeleteFunc(b.sent, func(other *outbox) bool { return other == box }) // it is told again
			}
			r.batches = slices.DeleteFunc(r.batches, func(b *batch) bool { return len(b.members) == 0 && (r.calling == nil || r.calling.batch != b) })
			delete(r.outboxes, box)
		}
	}
	clear(e.outboxes)
	delete(s.entries, e.subject.Key)
	if s.keeper != nil {
		delete(s.keeper.kept, e.subject.Key)
	}
	s.deps.ListChanged()
}

// ForgetLeft is [Service.Forget] of alerts that another process which shares the store has left, given their keys: no process
// has their sources and jobs any more.
func (s *Service) ForgetLeft(keys []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	shared := s.keeper.shared()
	if shared == nil {
		return
	}
	for _, key := range keys {
		if s.entries[key] == nil {
			s.keeper.kept[key] = string(shared.Left(key))
			s.forgetLocked(key)
		}
	}
}

// Heard tells that a process, maybe this one, has kept a record, or removed it if data is nil.
func (s *Service) Heard(key string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, ok := silenceID(key)
	if !ok {
		s.heardAlertLocked(key, data)
		return
	}
	before := s.silences[id]
	one, err := parseSilence(key, data)
	switch {
	case data == nil && before == nil:
		return
	case data == nil:
		delete(s.silences, id)
	case err != nil || before != nil && *before == *one:
		return
	default:
		s.silences[id] = one
	}
	s.applySilencesLocked()
	s.deps.ListChanged()
}
