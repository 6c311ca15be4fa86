package access

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Sessions keep sessions beyond the process, by the SHA-256 hash of their id. Times are readings of the monotonic clock,
// like those of [time.Now]: what a store returns after a restart counts from the readings of its new process. The time
// between two processes counts as the wall clock shows it, and never as less than nothing.
type Sessions interface {
	// Each calls f for each session that is kept.
	Each(ctx context.Context, f func(id [sha256.Size]byte, begun, used time.Time, data []byte)) error
	// Keep keeps a session. It does not block, and may lose what it was told just before the process is killed.
	Keep(id [sha256.Size]byte, begun, used time.Time, data []byte)
	// Use notes when a session was used, if it is kept. It does not block.
	Use(id [sha256.Size]byte, used time.Time)
	// End forgets sessions. It returns when that survives the process, or after a second if the disk does not answer.
	End(ids ...[sha256.Size]byte)
}

// SharedSessions are Sessions that several processes keep at the same time.
type SharedSessions interface {
	Sessions
	// Stored returns when other processes find what was kept before, or after a second.
	Stored(ctx context.Context)
	// Find returns a session that is kept, perhaps by another process a moment ago.
	Find(ctx context.Context, id [sha256.Size]byte) (begun, used time.Time, data []byte, ok bool)
}

// keepUseAfter is how much later than the store knows a session must have been used for the store to be told. A restart
// ends a session so much too early at most.
const keepUseAfter = time.Minute

// keptSession is what is kept of a session besides its times. Rights are not: they come from the configuration. Nor is the
// ID token, which says much about a person and may be as good as a credential elsewhere: a provider can end its session
// without it.
type keptSession struct {
	Token    []byte      `json:"token,omitempty"` // its hash
	Provider *providerID `json:"provider,omitempty"`
	Name     string      `json:"name,omitempty"`
	Subject  string      `json:"subject,omitempty"`
	Groups   []string    `json:"groups,omitempty"`
}

// KeepSessions has sessions be kept in a store, and goes on with those that it has. It must be called before anything
// else. The error is that of the store.
func (g *Guard) KeepSessions(ctx context.Context, in Sessions) error {
	return g.sessions.restore(ctx, in)
}

// restore adds the sessions in a store, and keeps all from then on in it.
func (s *sessions) restore(ctx context.Context, in Sessions) error {
	type row struct {
		id [sha256.Size]byte
		*session
	}
	var rows []row
	var over [][sha256.Size]byte
	now := time.Now()
	err := in.Each(ctx, func(id [sha256.Size]byte, begun, used time.Time, data []byte) {
		found := &session{begun: begun, used: used, kept: used}
		if found.decode(data) != nil || found.over(now) {
			over = append(over, id)
			return
		}
		rows = append(rows, row{id, found})
	})
	if err != nil {
		return fmt.Errorf("access: read the sessions: %w", err)
	}
	slices.SortFunc(rows, func(a, b row) int { return a.begun.Compare(b.begun) })
	s.mu.Lock()
	s.kept = in
	s.initLocked()
	for _, r := range rows {
		s.addLocked(r.id, r.session)
	}
	s.mu.Unlock()
	s.keepNoMore(over...)
	return nil
}

// keepLocked has a new session be kept.
func (s *sessions) keepLocked(id [sha256.Size]byte, begun *session) {
	if s.kept != nil {
		s.kept.Keep(id, begun.begun, begun.used, begun.encode())
	}
}

// stored waits until other processes know a session that has just begun: the next request may come to one of them.
func (s *sessions) stored(ctx context.Context) {
	if kept, ok := s.kept.(SharedSessions); ok {
		kept.Stored(ctx)
	}
}

// seek looks for a session that this process does not know, where others keep theirs. It reports whether there is one.
func (s *sessions) seek(ctx context.Context, id [sha256.Size]byte) bool {
	kept, ok := s.kept.(SharedSessions)
	if !ok {
		return false
	}
	s.mu.Lock()
	known := s.all[id] != nil
	s.mu.Unlock()
	if known {
		return false
	}
	begun, used, data, ok := kept.Find(ctx, id)
	return ok && s.hear(id, begun, used, data)
}

// keepUseLocked has the use of a session be kept, unless the store knows of one that is almost as late.
func (s *sessions) keepUseLocked(id [sha256.Size]byte, used *session) {
	if s.kept != nil && used.used.Sub(used.kept) >= keepUseAfter {
		used.kept = used.used
		s.kept.Use(id, used.used)
	}
}

// keepNoMore has sessions that have ended not be kept.
func (s *sessions) keepNoMore(ids ...[sha256.Size]byte) {
	if s.kept != nil && len(ids) > 0 {
		s.kept.End(ids...)
	}
}

// encode returns what is kept of s.
func (s *session) encode() []byte {
	kept := keptSession{Name: s.person.name, Subject: s.person.subject, Groups: s.person.groups}
	if s.provider == (providerID{}) {
		kept.Token = s.token[:]
	} else {
		kept.Provider = &s.provider
	}
	data, _ := json.Marshal(kept) // texts encode
	return data
}

// decode sets s to what was kept of it.
func (s *session) decode(data []byte) error {
	var kept keptSession
	if err := json.Unmarshal(data, &kept); err != nil {
		return err
	}
	switch {
	case kept.Provider != nil:
		s.provider = *kept.Provider
		s.person = person{name: kept.Name, issuer: kept.Provider.Issuer, subject: kept.Subject, groups: kept.Groups}
	case len(kept.Token) == sha256.Size:
		s.token = [sha256.Size]byte(kept.Token)
	default:
		return fmt.Errorf("access: a session of nobody")
	}
	return nil
}
