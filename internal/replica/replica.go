// Package replica knows the processes that share a store, and says which of them should do what.
//
// Each process holds the claim of an entry of its own, replica/ID, for as long as it lives: those that are Live are the
// replicas. A unit of work, such as all sources of an upstream, should be done by the replica whose hash with the name of
// the unit is the highest: when a replica comes or goes, only its own units move. [Replica.Mine] says that.
//
// It is advice. Who does the work is who holds the claim of its topic in the store. Whoever holds a claim that should be
// another's gives it up, and whoever should hold a vacant one takes it: replicas that see different others for a moment
// move work needlessly, and never do it twice.
//
// Replicas with different configurations, as during a rolling change, each reckon with those of their own configuration
// alone. So nobody gives up what its successor may not know, and as nobody takes anything by force, they do not fight.
//
// [Records] are small texts that all of them read, and [Runs] an archive whose outputs they do: what they share besides the
// states that people see.
//
// A nil *Replica is a process that shares its store with nobody: everything is its own.
package replica

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/lifecycle"
	"github.com/tidewire/tidewire/snapshot"
)

const (
	// prefix begins the names of the topics of replicas.
	prefix = "replica/"
	// twinAfter is how long two replicas may have the same name: the one before a restart may not be known to be gone.
	twinAfter = 30 * time.Second
	// leaveWithin bounds the time for telling the others that this replica leaves.
	leaveWithin = 5 * time.Second
)

// A Member is one of the replicas.
type Member struct {
	Format  int       `json:"v"` // the newest one that it reads, see [Format]
	ID      string    `json:"id"`
	Name    string    `json:"name"`    // for people
	Version string    `json:"version"` // of the program
	Config  string    `json:"config"`  // identifies its configuration
	Since   time.Time `json:"since"`   // when it started, by its wall clock

	// Zone is its local time zone, if its configuration has something that follows that: what people call it, a space, and what
	// identifies it. Replicas with the same files and other zones have different configurations.
	Zone string `json:"zone,omitempty"`
}

// Agrees reports whether two replicas have the same configuration, so that they can take work from each other.
func (m *Member) Agrees(with *Member) bool { return m.Config == with.Config && !m.HasOtherZone(with) }

// HasOtherZone reports whether the local time zones of two replicas are different ones, and that matters to both.
func (m *Member) HasOtherZone(than *Member) bool {
	id := func(zone string) string { return zone[strings.LastIndexByte(zone, ' ')+1:] }
	return m.Zone != "" && than.Zone != "" && id(m.Zone) != id(than.Zone)
}

// Deps is what a [Replica] uses. Every field but Asking must be set.
type Deps struct {
	Store   snapshot.Store
	Asking  Asking // nil: no replica can be asked
	Log     *slog.Logger
	Name    string // for people
	Version string // of the program
	Format  int    // the newest that it reads; 0 stands for [Format]
}

// A Replica is this process among those that share its store. Its methods may be called from any goroutine, those of a nil
// one included.
type Replica struct {
	deps          Deps
	id            string
	follow, stays *lifecycle.Service
	wake          chan struct{} // of 1: there is something to do for stay
	joined        chan struct{} // closed when it has been one of the replicas

	mu      sync.Mutex // guards the fields below; after the locks of the store, which calls heard within them
	self    Member
	claim   snapshot.Claim            // of its own entry; nil: it is none of the replicas now
	lost    time.Time                 // when the store has taken that away last; zero: never
	entered bool                      // with that claim, and it knows what the others knew before they knew of it
	shown   string                    // the newest run of its own entry whose data the store has told
	told    chan struct{}             // closed and replaced when shown changes
	members map[string]Member         // the others, by ID
	dead    map[string]snapshot.Entry // which nobody has buried yet
	fallen  map[string]string         // by ID: the run of an entry whose process has died, until that is gone
	twin    string                    // the ID of another one with this name; empty: there is none
	missed  map[string]bool           // by ID: others that have died, or were out of reach
	news    []News
	changed []func()
	leaving bool
	formats formats
	unread  unread // entries of replicas, by ID
}

// Open returns the replica that this process is, once it knows the others. It joins them with [Replica.Join], and leaves
// them with [Replica.Leave]; what it has started also ends with ctx.
func Open(ctx context.Context, deps Deps) (*Replica, error) {
	r := &Replica{
		deps: deps, id: snapshot.NewRun(), wake: make(chan struct{}, 1), joined: make(chan struct{}), told: make(chan struct{}),
		members: map[string]Member{}, missed: map[string]bool{}, dead: map[string]snapshot.Entry{}, fallen: map[string]string{},
	}
	reads := cmp.Or(deps.Format, Format)
	r.formats = formats{reads: reads, marks: map[int]bool{}, heard: 1}
	r.self = Member{Format: reads, ID: r.id, Name: deps.Name, Version: deps.Version, Since: time.Now().UTC().Truncate(time.Second)}
	var err error
	r.follow, err = lifecycle.StartReady(ctx, func(ctx context.Context, started func()) error {
		return deps.Store.Follow(ctx, r.heard, started)
	})
	if err != nil {
		return nil, fmt.Errorf("follow the other replicas: %w", err)
	}
	r.News() // those that were there before
	r.mu.Lock()
	r.formats.synced = r.formats.heard
	r.mu.Unlock()
	return r, nil
}

// Join makes this process one of the replicas, with a configuration and the zone that [Member] has, and returns when it is, or with ctx's error. It stays
// that until [Replica.Leave], but for the time in which the store has taken its claims away. It is called once.
func (r *Replica) Join(ctx context.Context, config, zone string) error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	r.self.Config, r.self.Zone = config, zone
	r.mu.Unlock()
	r.stays = lifecycle.Loop(ctx, r.stay)
	select {
	case <-r.joined:
		return nil
	case <-ctx.Done():
		return errors.Join(context.Cause(ctx), r.stays.Stop())
	}
}

// Configure says that another configuration is at work.
func (r *Replica) Configure(config, zone string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	same := r.self.Config == config && r.self.Zone == zone
	r.self.Config, r.self.Zone = config, zone
	r.mu.Unlock()
	if !same {
		r.put()
		r.tell()
	}
}

// put stores the entry of this process, if that is held.
func (r *Replica) put() {
	r.mu.Lock()
	self, claim := r.self, r.claim
	r.mu.Unlock()
	if claim != nil {
		data, _ := json.Marshal(self) // texts and a time encode
		claim.Put(data)
	}
}

// Leave tells the others to reckon without this process, which should then give up what it holds: from here on nothing is
// its own.
func (r *Replica) Leave(ctx context.Context) {
	if r == nil {
		return
	}
	r.mu.Lock()
	r.leaving = true
	r.mu.Unlock()
	if r.stays != nil {
		_ = r.stays.Stop()
	}
	r.mu.Lock()
	claim := r.claim // which is not exchanged any more
	r.mu.Unlock()
	ctx, done := context.WithTimeout(ctx, leaveWithin)
	defer done()
	if claim != nil {
		if err := claim.Finish(ctx, nil, 0); err != nil {
			r.deps.Log.Warn("the other replicas were not told that this one leaves", "err", err)
		}
	}
	r.tell()
}

// Close ends what Open has started, and waits for it.
func (r *Replica) Close() {
	if r == nil {
		return
	}
	if r.stays != nil {
		_ = r.stays.Stop()
	}
	_ = r.follow.Stop()
}

// OnChange has f called when units may be another replica's, or this one's, than before. f is called within the locks of
// the store: it must neither block nor call that. It is called for the first time by the next change.
func (r *Replica) OnChange(f func()) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changed = append(r.changed, f)
}

// tell tells of a change.
func (r *Replica) tell() {
	r.mu.Lock()
	all := slices.Clone(r.changed)
	r.mu.Unlock()
	for _, f := range all {
		f()
	}
}

// ID identifies this process among the replicas.
func (r *Replica) ID() string {
	if r == nil {
		return ""
	}
	return r.id
}

// Members returns all replicas, this one included if it is one now, by name and ID.
func (r *Replica) Members() []Member {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []Member
	for _, m := range r.members {
		all = append(all, m)
	}
	if r.isMemberLocked() {
		all = append(all, r.self)
	}
	slices.SortFunc(all, func(a, b Member) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return all
}

// Living returns the IDs of all replicas, as [Replica.Members] does.
func (r *Replica) Living() []string {
	var ids []string
	for _, m := range r.Members() {
		ids = append(ids, m.ID)
	}
	return ids
}

// checkMember returns why an entry is none of a replica.
func checkMember(id string, data []byte) error {
	var m Member
	if err := json.Unmarshal(data, &m); err != nil {
		return err
	}
	if m.ID != id || m.Format < 0 {
		return errors.New("a replica of another ID, or of no format")
	}
	return nil
}

// heard takes note of a change in the store, which calls it within its locks.
func (r *Replica) heard(e snapshot.Entry) {
	id, ok := strings.CutPrefix(e.Topic, prefix)
	switch {
	case !ok:
		return
	case id == r.id:
		r.heardSelf(e)
		return
	case strings.HasPrefix(e.Topic, formatPrefix):
		r.heardFormat(e)
		return
	}
	r.mu.Lock()
	before, was := r.members[id]
	var now Member
	switch e.State {
	case snapshot.Orphan:
		r.fallen[id] = e.Run
	case snapshot.Gone:
		delete(r.fallen, id)
	}
	// Whoever buries an entry adopts it before.
	is := e.State == snapshot.Live && e.Run != r.fallen[id] && len(e.Data) > 0 && r.unread.check(id, &e, checkMember)
	if is {
		_ = json.Unmarshal(e.Data, &now) // it was checked
		r.members[id] = now
	} else {
		delete(r.members, id)
	}
	r.noteLocked(before, now, was, is, e.State)
	if e.State == snapshot.Orphan {
		r.dead[id] = e
	} else {
		delete(r.dead, id)
	}
	twin := r.twin
	r.twin = r.twinLocked()
	isAnyToDo := len(r.dead) > 0 || len(r.unread.untold) > 0 || r.oldestLocked() != r.formats.synced || twin != r.twin
	r.mu.Unlock()
	if isAnyToDo {
		r.wakeUp()
	}
	if was != is || before.Config != now.Config || before.Zone != now.Zone {
		r.tell()
	}
}
