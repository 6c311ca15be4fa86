package gateway

import (
	"context"
	"encoding/json"
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

// Some sources are derived from an entry of the configuration by what there is at run time:
//
//   - A source that is on each replica is a source NAME@REPLICA for each of them, see [config.Config.ForReplicas]: for those
//     that live with the same configuration, and those of which the store has such a source.
//   - A source that is split has a source NAME/ROW for each row that it finds, see [config.Config.WithRows]: for those that
//     its polls have found here, and those of which the store has such a source.
//
// So all replicas have the same ones, and so has a process that begins where another one ended. A source of a replica ends
// when it ends in the store: whoever stands in for a replica ends its sources when that was away for eachStays. That of a row
// is ended by whoever polls the split source.

const (
	// eachStays is how long the sources of a replica that is away stay: after a restart they are as before.
	eachStays = 2 * time.Minute
	// deriveAgain is the pause after the store has failed.
	deriveAgain = time.Second
)

// A derived knows which sources are derived.
type derived struct {
	replica *replica.Replica   // nil: there are no others
	follow  *lifecycle.Service // nil: what the store has is known, since only this process changes that
	changed chan struct{}      // of 1: gets a value when expand may return something else

	mu     sync.Mutex                       // guards the fields below; after the locks of the store, which calls heard within them
	stored map[string]bool                  // the topics of sources of replicas that the store has
	away   map[string]time.Time             // by name: since when there is no replica
	rows   map[string]map[string]config.Row // by split source and name
	ending map[string]bool                  // the topics of rows that were removed here, until the store tells their end; without follow empty
	made   map[string]madeRow               // by name: the sources of rows that expand has returned last
}

// A madeRow is the source of a row, which stays the same value as long as it says the same.
type madeRow struct {
	split  *config.Source
	row    config.Row
	source *config.Source
}

// openDerived returns what knows which sources are derived from cfg and its successors, once the store has told which ones it
// has.
func openDerived(ctx context.Context, r *replica.Replica, store snapshot.Store, cfg *config.Config) (*derived, error) {
	d := &derived{
		replica: r, changed: make(chan struct{}, 1), stored: map[string]bool{}, away: map[string]time.Time{},
		rows: map[string]map[string]config.Row{}, ending: map[string]bool{},
	}
	if r == nil && !slices.ContainsFunc(cfg.Sources, func(s *config.Source) bool { return s.Split != nil }) {
		return d, nil
	}
	follow, err := lifecycle.StartReady(ctx, func(ctx context.Context, started func()) error {
		return store.Follow(ctx, d.heard, started)
	})
	if err != nil {
		return nil, fmt.Errorf("follow the sources that are derived from others: %w", err)
	}
	if r == nil {
		_ = follow.Stop()
		return d, nil
	}
	d.follow = follow
	r.OnChange(d.wakeUp)
	return d, nil
}

func (d *derived) wakeUp() {
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

// heard takes note of a source that is derived. It is called within the store's locks.
func (d *derived) heard(entry snapshot.Entry) {
	name, ok := strings.CutPrefix(entry.Topic, wire.SourceKey(""))
	slash := strings.LastIndexByte(name, '/')
	if !ok || slash < 0 && !strings.Contains(name, "@") {
		return
	}
	is := entry.State == snapshot.Live || entry.State == snapshot.Orphan
	d.mu.Lock()
	defer d.mu.Unlock()
	if slash >= 0 {
		d.heardRowLocked(name[:slash], name[slash+1:], is, entry)
		return
	}
	was := d.stored[entry.Topic]
	if is {
		d.stored[entry.Topic] = true
	} else {
		delete(d.stored, entry.Topic)
	}
	if is != was {
		d.wakeUp()
	}
}

// heardRowLocked takes note of a source NAME/ROW that is in the store, or not any more. It is not said that NAME is split.
func (d *derived) heardRowLocked(split, name string, is bool, entry snapshot.Entry) {
	row, was := d.rows[split][name]
	isKnown := was && (row.Title != "" || entry.Data == nil)
	switch {
	case !is:
		delete(d.ending, entry.Topic)
		delete(d.rows[split], name)
	case isKnown, d.ending[entry.Topic], !was && len(d.rows[split]) >= config.MaxRows:
		return
	default:
		if d.rows[split] == nil {
			d.rows[split] = map[string]config.Row{}
		}
		var last wire.Source
		_ = json.Unmarshal(entry.Data, &last) // or it has put nothing yet
		d.rows[split][name] = config.Row{Name: name, Title: last.Title, Section: last.Section}
	}
	if is || was {
		d.wakeUp()
	}
}

// setRows has a split source have these rows, and no others. It does not block.
func (d *derived) setRows(split string, rows []config.Row) {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := make(map[string]config.Row, len(rows))
	for _, r := range rows {
		next[r.Name] = r
		delete(d.ending, wire.SourceKey(split+"/"+r.Name))
	}
	if d.follow != nil {
		for name := range d.rows[split] {
			if _, stays := next[name]; !stays {
				d.ending[wire.SourceKey(split+"/"+name)] = true
			}
		}
	}
	d.rows[split] = next
	d.wakeUp()
}

// expand returns a configuration, whose files are identified by id, with the sources that are derived from it.
func (d *derived) expand(cfg *config.Config, id string) *config.Config {
	if d.replica != nil {
		cfg = cfg.ForReplicas(func(source string) []string { return d.replicasOf(source, id) })
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	made := map[string]madeRow{}
	cfg = cfg.WithRows(func(split *config.Source) []*config.Source {
		names := slices.SortedFunc(maps.Keys(d.rows[split.Name]), compareNumbered)
		all := make([]*config.Source, len(names))
		for i, name := range names {
			row := d.rows[split.Name][name]
			one := d.made[split.Name+"/"+name]
			if one.split != split || one.row != row {
				one = madeRow{split, row, split.Row(row)}
			}
			all[i], made[one.source.Name] = one.source, one
		}
		return all
	})
	d.made = made
	return cfg
}

// atWork forgets the rows of what is not split by a configuration that is put to work.
func (d *derived) atWork(cfg *config.Config) {
	isSplit := map[string]bool{}
	for _, s := range cfg.Sources {
		if s.Split != nil {
			isSplit[s.Name] = true
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.rows, func(split string, _ map[string]config.Row) bool { return !isSplit[split] })
}

// replicasOf returns the names of the replicas that have a source of their own, under a configuration.
func (d *derived) replicasOf(source, id string) []string {
	own := d.replica.Name()
	live, names := map[string]bool{own: true}, map[string]bool{own: true}
	for _, m := range d.replica.Members() {
		live[m.Name] = true
		if m.Config == id && m.Name != "" {
			names[m.Name] = true
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.away, func(name string, _ time.Time) bool { return live[name] })
	for topic := range d.stored {
		name, ok := strings.CutPrefix(topic, wire.SourceKey(source)+"@")
		if ok && (live[name] || !d.isOverLocked(topic, name)) {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// isOverLocked reports whether this process should end the source of a replica that is away.
func (d *derived) isOverLocked(topic, name string) bool {
	since, known := d.away[name]
	if !known {
		d.away[name] = time.Now()
		time.AfterFunc(eachStays, d.wakeUp)
		return false
	}
	return time.Since(since) >= eachStays && d.replica.Mine(replica.UnitOn(name, topic))
}

func (d *derived) close() {
	if d.follow != nil {
		_ = d.follow.Stop()
	}
}

// derive brings the sources that are derived to what there is.
func (l *loader) derive(ctx context.Context) {
	select {
	case l.busy <- struct{}{}:
		defer func() { <-l.busy }()
	case <-ctx.Done():
		return
	}
	id := ""
	if r := l.derived.replica; r != nil {
		self, _ := r.Self()
		id = self.Config
	}
	next := l.derived.expand(l.current, id)
	same := func(a, b *config.Source) bool {
		return a.Name == b.Name && a.Title == b.Title && a.Section == b.Section
	}
	if slices.EqualFunc(next.Sources, l.atWork.Sources, same) {
		return
	}
	diff, err := l.put(ctx, next)
	if err != nil {
		if ctx.Err() == nil {
			l.log.Warn("sources of rows or of other replicas were not added or removed", "again", deriveAgain, "err", err)
			time.AfterFunc(deriveAgain, l.derived.wakeUp)
		}
		return
	}
	l.log.Info("rows or replicas have come or gone, and their sources with them",
		"added", someOf(diff.Added), "removed", someOf(diff.Removed), "changed", someOf(diff.Changed))
	l.state.Version++
	l.publish()
}

// someOf is a list in a line of the log, which has room for some.
func someOf(list []string) []string {
	const most = 10
	if len(list) > most {
		return append(list[:most:most], fmt.Sprintf("%d more", len(list)-most))
	}
	return list
}
