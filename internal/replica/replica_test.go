package replica_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/replica"
	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/snapshot/snapshottest"
)

func open(t *testing.T, store snapshot.Store, name, config string) *replica.Replica {
	t.Helper()
	r, err := replica.Open(t.Context(), replica.Deps{Store: store, Log: slog.New(slog.DiscardHandler), Name: name})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Join(t.Context(), config, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// owned returns how many of 3000 units are each one's own.
func owned(all ...*replica.Replica) (n []int, twice int) {
	n = make([]int, len(all))
	for u := range 3000 {
		owners := 0
		for i, r := range all {
			if r.Mine(fmt.Sprint("upstream/", u)) {
				n[i]++
				owners++
			}
		}
		if owners != 1 {
			twice++
		}
	}
	return n, twice
}

// Each unit is one replica's own, about as many each one's; those of who leaves or dies are the others', and nothing else
// moves.
func TestUnits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := snapshottest.Distant(snapshot.NewMemory(), 5*time.Millisecond)
		process := snapshottest.NewProcess(store)
		a, b, c := open(t, store, "a", "1"), open(t, store, "b", "1"), open(t, process, "c", "1")
		time.Sleep(time.Second)
		n, wrong := owned(a, b, c)
		if wrong != 0 || min(n[0], n[1], n[2]) < 800 {
			t.Errorf("replicas own %v of 3000 units, and %d are not one's alone", n, wrong)
		}
		before := a.Owner("upstream/7") == a.ID()
		process.Kill()
		time.Sleep(time.Second)
		if n, wrong = owned(a, b); wrong != 0 || len(a.Members()) != 2 {
			t.Errorf("after a death %v are owned, %d by not one alone, by %v", n, wrong, a.Members())
		}
		if before && a.Owner("upstream/7") != a.ID() {
			t.Error("a unit has moved whose owner is still there")
		}
		a.Leave(context.Background())
		time.Sleep(time.Second)
		if n, _ = owned(a, b); n[0] != 0 || n[1] != 3000 {
			t.Errorf("after one has left %v are owned, want all by the other", n)
		}
	})
}

// A replica that is cut off while it buries another one is none any more as soon as its claims are lost.
func TestCutOffWhileBurying(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := snapshottest.Distant(snapshot.NewMemory(), 5*time.Millisecond)
		far, dying := snapshottest.NewProcess(store), snapshottest.NewProcess(store)
		slow := &slowClaims{Store: far, callsOff: true}
		a, b := open(t, store, "a", "1"), open(t, slow, "b", "1")
		open(t, dying, "c", "1")
		time.Sleep(time.Second)
		slow.takes.Store(int64(time.Second))
		dying.Kill()
		time.Sleep(500 * time.Millisecond)
		far.Cut()
		time.Sleep(15 * time.Second)
		if !b.IsMember() {
			t.Error("a replica is none while it has its claims")
		}
		far.Lose()
		synctest.Wait()
		if b.IsMember() {
			t.Error("a replica that has lost its claims takes itself for one")
		}
		time.Sleep(time.Minute)
		far.Heal()
		time.Sleep(2 * time.Second)
		if len(a.Members()) != 2 || len(b.Members()) != 2 || !b.IsMember() {
			t.Errorf("after that there are %v, or %v", a.Members(), b.Members())
		}
	})
}

// A unit that is on one replica is that one's own while it lives with the same configuration, and one other's otherwise.
func TestUnitsOnOneReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := snapshot.NewMemory()
		a, b := open(t, store, "a", "1"), open(t, store, "b", "1")
		owner := func(when, want, why string) {
			t.Helper()
			time.Sleep(time.Second)
			for u := range 20 {
				unit := replica.UnitOn("c.example", fmt.Sprint("source/", u))
				if got := a.Owner(unit); a.NameOf(got) != want && (want != "" || got == "") || b.Owner(unit) != got {
					t.Errorf("%s: %s is %q's and %q's, want %q's", when, unit, a.NameOf(got), a.NameOf(b.Owner(unit)), want)
				}
			}
			if err := b.Away("c.example"); fmt.Sprint(err) != why {
				t.Errorf("%s: %v, want %s", when, err, why)
			}
		}
		owner("at first", "", "replica c.example is away")
		c := open(t, store, "c.example", "1")
		owner("with it", "c.example", "<nil>")
		if err := c.Away("c.example"); err != nil || c.Away("d") == nil {
			t.Errorf("it says of itself: %v", err)
		}
		c.Configure("2", "")
		owner("with another configuration", "", "replica c.example has another configuration")
		c.Configure("1", "")
		owner("with the same one", "c.example", "<nil>")
		c.Leave(context.Background())
		owner("after it has left", "", "replica c.example is away")
	})
}

// Replicas with another configuration do not count: they may not know a unit.
func TestConfigurations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := snapshot.NewMemory()
		a, b := open(t, store, "a", "1"), open(t, store, "b", "2")
		if n, _ := owned(a, b); n[0] != 3000 || n[1] != 3000 {
			t.Errorf("with two configurations %v are owned, want all by both", n)
		}
		changed := make(chan struct{}, 10)
		b.OnChange(func() { changed <- struct{}{} })
		a.Configure("2", "")
		<-changed
		if n, wrong := owned(a, b); wrong != 0 {
			t.Errorf("with one configuration %v are owned, %d by not one alone", n, wrong)
		}
	})
}

// Two replicas of one name are told, unless that passes as it does after a restart.
func TestNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := snapshottest.Distant(snapshot.NewMemory(), 5*time.Millisecond)
		var said atomic.Int32
		log := slog.New(slog.DiscardHandler) // of the one that is killed, which does not know that
		open := func(store snapshot.Store, name string) *replica.Replica {
			r, err := replica.Open(t.Context(), replica.Deps{Store: store, Log: log, Name: name})
			if err == nil {
				err = r.Join(t.Context(), "1", "")
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(r.Close)
			return r
		}
		process := snapshottest.NewProcess(store)
		open(process, "a")
		log = slog.New(slog.NewTextHandler(counting{&said}, &slog.HandlerOptions{Level: slog.LevelError}))
		open(store, "b")
		open(store, "a")
		time.Sleep(20 * time.Second)
		process.Kill()
		time.Sleep(time.Hour)
		if n := said.Load(); n != 0 {
			t.Errorf("after a restart %d errors were told", n)
		}
		second := open(store, "a")
		time.Sleep(29 * time.Second)
		second.Leave(t.Context())
		time.Sleep(time.Hour)
		if n := said.Load(); n != 0 {
			t.Errorf("for 29 s %d errors were told", n)
		}
		open(store, "a")
		time.Sleep(time.Hour)
		if n := said.Load(); n != 2 {
			t.Errorf("%d errors were told, want one by each", n)
		}
	})
}

// A counting counts lines.
type counting struct{ n *atomic.Int32 }

func (c counting) Write(p []byte) (int, error) {
	c.n.Add(1)
	return len(p), nil
}

// A nil Replica is alone.
func TestAlone(t *testing.T) {
	var r *replica.Replica
	if err := r.Join(t.Context(), "", ""); err != nil || !r.Mine("x") || r.Members() != nil || r.ID() != "" {
		t.Error("a process alone does not own everything")
	}
	if _, err := r.Ask(t.Context(), "x", nil); err == nil {
		t.Error("somebody answers")
	}
	r.Configure("", "")
	r.OnChange(nil)
	r.Leave(t.Context())
	r.Close()
}

// joins makes one more replica that reads formats up to that. It takes no part if it is not joined.
func joins(t *testing.T, store snapshot.Store, reads int) (r *replica.Replica, joined bool) {
	t.Helper()
	r, err := replica.Open(t.Context(), replica.Deps{Store: store, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Format: reads})
	if err != nil {
		t.Fatal(err)
	}
	ended := joinLater(t, r)
	select {
	case <-ended:
		return r, r.Refused() == nil
	case <-time.After(30 * time.Second):
		return r, false
	}
}

// joinLater has a replica join on a goroutine of its own, and closes ended when it has.
func joinLater(t *testing.T, r *replica.Replica) (ended <-chan struct{}) {
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = r.Join(t.Context(), "1", "")
	}()
	t.Cleanup(func() {
		<-over
		r.Close()
	})
	return over
}

// Replicas write the oldest format that all of them read. Once that is a newer one, who does not read it takes no part,
// as long as the store stands.
func TestFormats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := snapshot.NewMemory()
		store := snapshottest.Distant(memory, 5*time.Millisecond)
		process := snapshottest.NewProcess(store)
		a, _ := joins(t, store, 1)
		b, _ := joins(t, process, 1)
		write := func(when string, want int, all ...*replica.Replica) {
			t.Helper()
			time.Sleep(time.Second)
			for _, r := range all {
				if got := r.Format(); got != want {
					t.Errorf("%s: a replica writes format %d, want %d", when, got, want)
				}
			}
		}
		write("two of format 1", 1, a, b)
		a.Leave(t.Context())
		c, _ := joins(t, store, 2)
		write("one was updated", 1, b, c)
		if n, wrong := owned(b, c); n[0] == 0 || n[1] == 0 || wrong != 0 {
			t.Errorf("replicas of two formats own %v", n)
		}
		process.Kill()
		write("the last one of format 1 has died", 2, c)
		d, joined := joins(t, store, 1)
		if joined || d.Refused() == nil || len(d.Members()) != 1 {
			t.Errorf("a replica that does not read format 2 has joined: %v of %v", d.Refused(), d.Members())
		}
		if n, _ := owned(d, c); n[0] != 0 || n[1] != 3000 {
			t.Errorf("it owns %d, and the other one %d of 3000", n[0], n[1])
		}
		e, joined := joins(t, store, 3)
		write("one of format 3 has come", 2, c, e)
		c.Leave(t.Context())
		write("only it is left", 3, e)
		e.Leave(t.Context())
		if _, joined2 := joins(t, store, 2); joined2 || !joined {
			t.Error("a replica has joined those whose format it does not read, when none is there")
		}
		if f, joined := joins(t, store, 3); !joined || f.Format() != 3 || f.Refused() != nil {
			t.Error("a replica that reads the format of the store has not joined")
		}
	})
}

// A replica that joins just when the others begin to write a newer format is known to them, or knows of it: at no time is
// one at work that does not read what another one writes.
func TestFormatsRace(t *testing.T) {
	for delay := range 160 {
		synctest.Test(t, func(t *testing.T) {
			memory := snapshot.NewMemory()
			far, near := snapshottest.Distant(memory, 50*time.Millisecond), snapshottest.Distant(memory, 2*time.Millisecond)
			if delay%2 == 0 {
				far, near = near, far
			}
			old, _ := joins(t, near, 1)
			c, _ := joins(t, far, 2)
			time.Sleep(time.Second)
			go func() {
				time.Sleep(20 * time.Millisecond)
				old.Leave(t.Context())
			}()
			time.Sleep(time.Duration(delay) * time.Millisecond)
			late, err := replica.Open(t.Context(), replica.Deps{Store: near, Log: slog.New(slog.DiscardHandler), Format: 1})
			if err != nil {
				t.Fatal(err)
			}
			joinLater(t, late)
			isAtWork := func() bool {
				return slices.ContainsFunc(late.Members(), func(m replica.Member) bool { return m.ID == late.ID() })
			}
			for range 200 {
				if c.Format() == 2 && isAtWork() {
					t.Fatalf("after %d ms: format 2 is written while a replica of format 1 is at work", delay)
				}
				time.Sleep(time.Millisecond)
			}
			if isAtWork() != (c.Format() == 1) {
				t.Errorf("after %d ms: the replica of format 1 is at work: %v, the other writes format %d", delay, isAtWork(), c.Format())
			}
			c.Leave(t.Context())
		})
	}
}

// A slowClaims store takes its time for claims, which cannot be called off unless it says so.
type slowClaims struct {
	snapshot.Store
	takes    atomic.Int64
	callsOff bool
}

func (s *slowClaims) Claim(
	ctx context.Context, topic string, opts snapshot.ClaimOptions,
) (snapshot.Claim, snapshot.Entry, error) {
	time.Sleep(time.Duration(s.takes.Load()))
	if !s.callsOff {
		ctx = context.WithoutCancel(ctx)
	}
	return s.Store.Claim(ctx, topic, opts)
}

// A replica that leaves while it comes back has left.
func TestLeaveWhileComingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := snapshottest.Distant(snapshot.NewMemory(), 5*time.Millisecond)
		process := snapshottest.NewProcess(store)
		slow := &slowClaims{Store: process}
		a, b := open(t, slow, "a", "1"), open(t, store, "b", "1")
		slow.takes.Store(int64(time.Second))
		process.Lose()
		time.Sleep(500 * time.Millisecond)
		a.Leave(t.Context())
		time.Sleep(time.Second)
		if got := b.Members(); len(got) != 1 {
			t.Errorf("after one has left, the members are %v", got)
		}
	})
}
