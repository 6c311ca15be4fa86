package access

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"time"
)

// Seal has the sign-ins of people that are at their provider be sealed with a key from now on. Processes that share one
// complete each other's.
func (g *Guard) Seal(key [32]byte) {
	block, _ := aes.NewCipher(key[:]) // cannot fail: the key has the right length
	aead, _ := cipher.NewGCM(block)   // cannot fail: the block size is right
	g.aead.Store(&aead)
}

// HeardSession tells of a session that another process has kept; or that it has ended, if data is nil. Times are readings
// of the monotonic clock of this process.
func (g *Guard) HeardSession(id [sha256.Size]byte, begun, used time.Time, data []byte) {
	g.sessions.hear(id, begun, used, data)
}

// HeardUse tells when another process has seen a session used.
func (g *Guard) HeardUse(id [sha256.Size]byte, used time.Time) {
	s := &g.sessions
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.all[id]; known != nil {
		known.hearUse(used)
	}
}

// hear adds a session of another process, or ends it if data is nil. It reports whether there is one now.
func (s *sessions) hear(id [sha256.Size]byte, begun, used time.Time, data []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.initLocked()
	known := s.all[id]
	switch {
	case data == nil:
		s.endLocked(id)
		return false
	case known != nil:
		known.hearUse(used)
		return true
	}
	found := &session{begun: begun, used: used, kept: used}
	if len(s.all) >= maxSessions || found.decode(data) != nil || found.over(time.Now()) {
		return false
	}
	s.addLocked(id, found)
	return true
}

// hearUse notes that another process has seen the session used.
func (s *session) hearUse(used time.Time) {
	if used.After(s.kept) {
		s.kept = used
	}
	if used.After(s.used) {
		s.used = used
	}
}
