package sse

// Size returns how many topics and streams the hub holds.
func (h *Hub) Size() (topics, streams int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.topics), len(h.streams)
}
