package sse

// Held returns how much m keeps of what is watched: topics, here and in its hub,
// and pollers.
func (m *Manager) Held() (topics, inHub, pollers int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hub.mu.Lock()
	defer m.hub.mu.Unlock()
	return len(m.topics), len(m.hub.topics), len(m.pollers)
}
