package replica

import (
	"log/slog"

	"github.com/tidewire/tidewire/snapshot"
)

// unread knows entries of the store that are not what their topic promises: whoever may write to the store has made them.
type unread struct {
	known  map[string]bool // by the end of the topic
	untold []unreadEntry   // what the log is to say
}

type unreadEntry struct {
	key string
	err error
}

// maxUntold bounds what the log is to say: whoever writes such entries may write many.
const maxUntold = 100

// check reports whether an entry is what its topic promises, of which is says why it is not. If it is not, it loses its data.
func (u *unread) check(key string, e *snapshot.Entry, is func(key string, data []byte) error) bool {
	var err error
	if is != nil && len(e.Data) > 0 && e.State != snapshot.Gone {
		err = is(key, e.Data)
	}
	if err == nil {
		delete(u.known, key)
		return true
	}
	e.Data = nil
	if u.known[key] {
		return false
	}
	if u.known == nil {
		u.known = map[string]bool{}
	}
	u.known[key] = true
	if len(u.untold) < maxUntold {
		u.untold = append(u.untold, unreadEntry{key, err})
	}
	return false
}

// take returns what the log is to say.
func (u *unread) take() []unreadEntry {
	untold := u.untold
	u.untold = nil
	return untold
}

// sayUnread has the log say what cannot be read: once, until it can.
func sayUnread(log *slog.Logger, prefix string, all []unreadEntry) {
	for _, one := range all {
		log.Error("an entry of the store cannot be read, and counts as not there", "topic", prefix+one.key, "err", one.err)
	}
}
