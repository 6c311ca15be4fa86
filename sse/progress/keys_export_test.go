package progress

import "net/http"

// Keys returns how many idempotency keys a Handler remembers.
func Keys(h http.Handler) int { return h.(*handler).keys.Len() }

// MaxKeys bounds that.
const MaxKeys = 10_000
