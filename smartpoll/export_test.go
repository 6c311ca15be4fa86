package smartpoll

import "time"

// NormalBackoff returns b with its defaults filled in.
func NormalBackoff(b Backoff) (Backoff, error) { return b.normal() }

// BackoffDelay returns the delay of b after n failures, for a random number.
func BackoffDelay(b Backoff, n int, random float64) time.Duration {
	b, err := b.normal()
	if err != nil {
		panic(err)
	}
	return b.delay(n, random)
}
