package progress

// Topics returns how many topics t has a record of.
func Topics(t *Tracker) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.records)
}
