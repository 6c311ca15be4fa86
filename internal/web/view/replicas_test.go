package view_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/web/view"
	"github.com/tidewire/tidewire/internal/wire"
)

func TestReplicas(t *testing.T) {
	one := func(name, state string, change func(*wire.Replica)) wire.Replica {
		r := wire.Replica{ID: name, Name: name, State: state, SameConfig: true, Since: night.Add(-time.Hour), Sources: 3, Jobs: 1}
		if change != nil {
			change(&r)
		}
		return r
	}
	var got []string
	for _, r := range (view.Look{Now: night}).Replicas([]wire.Replica{
		one("a", wire.ReplicaOK, nil), one("b", wire.ReplicaSilent, func(r *wire.Replica) { r.SilentSince = before(2 * time.Minute) }),
		one("c", wire.ReplicaAway, nil), one("d", wire.ReplicaOK, func(r *wire.Replica) { r.SameConfig = false }),
		one("e", wire.ReplicaOK, func(r *wire.Replica) { r.SameConfig, r.OtherZone = false, true }), one("f", wire.ReplicaOK, nil), one("f", wire.ReplicaOK, nil),
	}) {
		got = append(got, r.Name+" "+r.State+" "+r.Word+" "+r.Work+" since "+r.Clock+": "+r.Why)
	}
	want := []string{
		"a ok ok 3 sources, 1 job since 02:12: ", "b lost silent 3 sources, 1 job since 02:12: nothing has been heard of it for 2 min",
		"c failing away 3 sources, 1 job since 02:12: it does no work: it does not reach the store, or is stopping",
		"d stale differs 3 sources, 1 job since 02:12: another configuration than the one that answers",
		"e stale differs 3 sources, 1 job since 02:12: another local time zone, and the configuration has timetables without zone",
		"f stale twice 3 sources, 1 job since 02:12: two replicas have this name: give each its own by store.nats.name",
	}
	want = append(want, want[5])
	if !slices.Equal(got, want) {
		t.Errorf("replicas are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
