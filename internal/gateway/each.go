package gateway

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/lifecycle"
	"github.com/tidewire/tidewire/internal/replica"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/snapshot"
)

// A source that is on each replica is a source NAME@REPLICA for each of them, see [config.Config.ForReplicas]: for those that
// live with the same configuration, and those of which the store has such a source. So all replicas have the same ones, and
// one ends when it ends in the store: whoever stands in for a replica ends its sources when that was away for eachStays.

const (
	// eachStays is how long the sources of a replica that is away stay: after a restart they are as before.
	eachStays = 2 * time.Minute
	// eachAgain is the pause after the store has failed.
	eachAgain = time.Second
)

// An each knows which replicas have sources of their own. A nil *each is a process alone.
type each struct {
	replica *replica.Replica
	follow  *lifecycle.Service
	changed chan struct{} // of 1: gets a value when of may return something else

	mu     sync.Mutex           // guards the fields below; after the locks of the store, which calls heard within them
	stored map[string]bool      // the topics of such sources that the store has
	away   map[string]time.Time // by name: since when there is no replica
}

// openEach returns what knows of which replicas there are sources, once the store has told which ones it has.
func openEach(ctx context.Context, r *replica.Replica, store snapshot.Store) (*each, error) {
	e := &each{replica: r, changed: make(chan struct{}, 1), stored: map[string]bool{}, away: map[string]time.Time{}}
	var err error
	e.follow, err = lifecycle.StartReady(ctx, func(ctx context.Context, started func()) error {
		return store.Follow(ctx, e.heard, started)
	})
	if err != nil {
		return nil, fmt.Errorf("follow the sources of each replica: %w", err)
	}
	r.OnChange(e.wakeUp)
	return e, nil
}

func (e *each) wakeUp() {
	select {
	case e.changed <- struct{}{}:
	default:
	}
}

// heard takes note of a source of a replica. It is called within the store's locks.
func (e *each) heard(entry snapshot.Entry) {
	if !strings.HasPrefix(entry.Topic, wire.SourceKey("")) || !strings.Contains(entry.Topic, "@") {
		return
	}
	is := entry.State == snapshot.Live || entry.State == snapshot.Orphan
	e.mu.Lock()
	was := e.stored[entry.Topic]
	if is {
		e.stored[entry.Topic] = true
	} else {
		delete(e.stored, entry.Topic)
	}
	e.mu.Unlock()
	if is != was {
		e.wakeUp()
	}
}

// expand returns a configuration with the sources of each replica. Its files are identified by id.
func (e *each) expand(cfg *config.Config, id string) *config.Config {
	if e == nil {
		return cfg
	}
	return cfg.ForReplicas(func(source string) []string { return e.of(source, id) })
}

// of returns the names of the replicas that have a source of their own, under a configuration.
func (e *each) of(source, id string) []string {
	own := e.replica.Name()
	live, names := map[string]bool{own: true}, map[string]bool{own: true}
	for _, m := range e.replica.Members() {
		live[m.Name] = true
		if m.Config == id && m.Name != "" {
			names[m.Name] = true
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	maps.DeleteFunc(e.away, func(name string, _ time.Time) bool { return live[name] })
	for topic := range e.stored {
		name, ok := strings.CutPrefix(topic, wire.SourceKey(source)+"@")
		if ok && (live[name] || !e.isOverLocked(topic, name)) {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// isOverLocked reports whether this process should end the source of a replica that is away.
func (e *each) isOverLocked(topic, name string) bool {
	since, known := e.away[name]
	if !known {
		e.away[name] = time.Now()
		time.AfterFunc(eachStays, e.wakeUp)
		return false
	}
	return time.Since(since) >= eachStays && e.replica.Mine(replica.UnitOn(name, topic))
}

func (e *each) close() {
	if e != nil {
		_ = e.follow.Stop()
	}
}

// spread brings the sources of each replica to the replicas that there are.
func (l *loader) spread(ctx context.Context) {
	select {
	case l.busy <- struct{}{}:
		defer func() { <-l.busy }()
	case <-ctx.Done():
		return
	}
	self, _ := l.each.replica.Self()
	next := l.each.expand(l.current, self.Config)
	same := func(a, b *config.Source) bool { return a.Name == b.Name }
	if slices.EqualFunc(next.Sources, l.atWork.Sources, same) {
		return
	}
	diff, err := l.put(ctx, next)
	if err != nil {
		if ctx.Err() == nil {
			l.log.Warn("the sources of other replicas were not added or removed", "again", eachAgain, "err", err)
			time.AfterFunc(eachAgain, l.each.wakeUp)
		}
		return
	}
	l.log.Info("replicas have come or gone, and their sources with them", "added", diff.Added, "removed", diff.Removed)
	l.state.Version++
	l.publish()
}
