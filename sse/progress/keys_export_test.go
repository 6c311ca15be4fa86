package progress

import "net/http"

// Keys returns how many idempotency keys a Handler remembers.
func Keys(h http.Handler) int {
	k := &h.(*handler).keys
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.known)
}

// MaxKeys bounds that.
const MaxKeys = maxKeys
