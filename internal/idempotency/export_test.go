package idempotency

// Callers returns how many callers have keys.
func Callers[C comparable, V any](k *Keys[C, V]) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.own)
}
