package replica

import (
	"slices"

	"github.com/tidewire/tidewire/snapshot"
)

// What became of a replica.
const (
	Joined = "joined"
	Left   = "left" // in order
	Died   = "died" // or it is out of reach
	Away   = "away" // of this process: it was out of reach of the store for too long
	Back   = "back" // after Died, or Away
)

// News is what became of a replica.
type News struct {
	Member
	Became string // one of Joined ... Back
}

// maxNews bounds what waits for [Replica.News], and the replicas that may come back.
const maxNews = 1000

// News returns what has become of replicas since the last call, in order. The first call returns what happened since this
// process knows the others.
func (r *Replica) News() []News {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	news := r.news
	r.news = nil
	return news
}

// noteLocked notes what has become of another replica, which was one, or is one.
func (r *Replica) noteLocked(before, now Member, was, is bool, state snapshot.State) {
	switch {
	case is && !was && r.missed[now.ID]:
		delete(r.missed, now.ID)
		r.addNewsLocked(now, Back)
	case is && !was:
		r.addNewsLocked(now, Joined)
	case was && !is && state == snapshot.Orphan:
		if len(r.missed) >= maxNews {
			clear(r.missed)
		}
		r.missed[before.ID] = true
		r.addNewsLocked(before, Died)
	case was && !is:
		r.addNewsLocked(before, Left)
	}
}

func (r *Replica) addNewsLocked(m Member, became string) {
	if len(r.news) == maxNews {
		r.news = slices.Delete(r.news, 0, 1)
	}
	r.news = append(r.news, News{m, became})
}

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
