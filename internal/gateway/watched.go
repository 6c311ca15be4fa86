package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"sync"

	"github.com/tidewire/tidewire/internal/replica"
)

// A watched tells replicas which sources are watched at the others, as the pace of a source depends on that: each keeps
// a list of its own, under its ID.
type watched struct {
	g       *gateway
	records *replica.Records

	mu   sync.Mutex // guards the fields below, and the order in which here is kept; before the lock of records
	all  map[string][]string
	here []byte // what is watched at this replica, as JSON
}

// shareWatched begins to tell the others.
func (g *gateway) shareWatched(ctx context.Context) (err error) {
	w := &watched{g: g, all: map[string][]string{}}
	if w.records, err = replica.OpenRecords(ctx, replica.RecordsOptions{
		Store: g.store, Prefix: "watched/", Log: g.log, Told: w.told, Mine: g.replica.Mine,
		Check: checkWatched,
	}); err != nil {
		return err
	}
	g.watched = w
	return nil
}

// checkWatched returns why a record is no list of what is watched.
func checkWatched(_ string, data []byte) error { return json.Unmarshal(data, new([]string)) }

// begin begins to hear of the others.
func (w *watched) begin(ctx context.Context) {
	if w != nil {
		w.records.Tell(ctx)
	}
}

func (w *watched) close() {
	if w != nil {
		w.records.Close()
	}
}

// set tells the others what is watched here. It does not block.
func (w *watched) set(names []string) {
	names = slices.Clone(names)
	slices.Sort(names)
	data, _ := json.Marshal(names) // texts encode
	w.mu.Lock()
	defer w.mu.Unlock()
	if bytes.Equal(data, w.here) || w.here == nil && len(names) == 0 {
		return
	}
	w.here = data
	w.records.Keep(w.g.replica.ID(), data, false)
}

// told is told of a list.
func (w *watched) told(id string, data []byte) {
	if id == w.g.replica.ID() {
		return
	}
	var names []string
	_ = json.Unmarshal(data, &names) // it was checked; without data there are none
	w.mu.Lock()
	if names == nil {
		delete(w.all, id)
	} else {
		w.all[id] = names
	}
	w.mu.Unlock()
	w.sum()
}

// sum tells the sources what is watched at the replicas that there are, and forgets the lists of others.
func (w *watched) sum() {
	isMember := map[string]bool{}
	for _, m := range w.g.replica.Members() {
		isMember[m.ID] = true
	}
	sum := map[string]bool{}
	var gone []string
	w.mu.Lock()
	for id, names := range w.all {
		if !isMember[id] {
			gone = append(gone, id)
			continue
		}
		for _, name := range names {
			sum[name] = true
		}
	}
	w.mu.Unlock()
	for _, id := range gone {
		if w.g.replica.Mine(id) {
			w.records.Keep(id, nil, false)
		}
	}
	w.g.sources.WatchedElsewhere(sum)
}

// moved is called, within the locks of the store, when there are other replicas.
func (w *watched) moved() {
	w.mu.Lock()
	if w.here != nil && !bytes.Equal(w.records.Left(w.g.replica.ID()), w.here) { // it was lost with the lease
		w.records.Keep(w.g.replica.ID(), w.here, false)
	}
	w.mu.Unlock()
	w.records.Moved()
	w.sum()
}
