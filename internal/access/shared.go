package access

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"time"
)

// Seal has the sign-ins of people that are at their provider be sealed with a key. Processes that share one complete each
// other's. It must be called before anything else.
func (g *Guard) Seal(key [32]byte) {
	block, _ := aes.NewCipher(key[:]) // cannot fail: the key has the right length
	g.aead, _ = cipher.NewGCM(block)  // cannot fail: the block size is right
}

// HeardSession tells of a session that another process has kept, or of its use; or that it has ended, if data is nil.
// Times are readings of the monotonic clock of this process.
func (g *Guard) HeardSession(id [sha256.Size]byte, begun, used time.Time, data []byte) {
	s := &g.sessions
	s.mu.Lock()
	defer s.mu.Unlock()
	s.initLocked()
	known := s.all[id]
	switch {
	case data == nil:
		s.endLocked(id)
	case known != nil:
		if used.After(known.kept) {
			known.kept = used
		}
		if used.After(known.used) {
			known.used = used
		}
	case len(s.all) < maxSessions:
		found := &session{begun: begun, used: used, kept: used}
		if found.decode(data) == nil && !found.over(time.Now()) {
			s.addLocked(id, found)
		}
	}
}
