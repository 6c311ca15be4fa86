package replica

// Self is this process, and whether it is one of the replicas now.
func (r *Replica) Self() (self Member, isMember bool) {
	if r == nil {
		return Member{}, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.self, r.isMemberLocked()
}

// NameOf is what people call the replica of an ID, empty if there is none.
func (r *Replica) NameOf(id string) string {
	if r == nil {
		return ""
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if id == r.id {
		return r.self.Name
	}
	return r.members[id].Name
}

// TopicOf names the topic that the replica of an ID writes.
func TopicOf(id string) string { return prefix + id }
