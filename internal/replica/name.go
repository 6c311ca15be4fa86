package replica

// Name is what people call this process, and what a configuration names it by.
func (r *Replica) Name() string {
	if r == nil {
		return ""
	}
	return r.deps.Name
}

// twinLocked returns the ID of another replica with the name of this one, of several always the same; empty if there is none.
func (r *Replica) twinLocked() (twin string) {
	for id, m := range r.members {
		if m.Name == r.self.Name && m.Name != "" && (twin == "" || id < twin) {
			twin = id
		}
	}
	return twin
}
