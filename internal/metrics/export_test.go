package metrics

// Sources returns how many sources have counters.
func (m *Metrics) Sources() (n int) {
	for range m.sources.all.Range {
		n++
	}
	return n
}
