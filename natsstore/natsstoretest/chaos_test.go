package natsstoretest_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tidewire/tidewire/natsstore"
	"github.com/tidewire/tidewire/snapshot"
)

var (
	chaos = flag.Duration("chaos", 0, "how long TestChaos disturbs the servers and lines; 0 skips it")
	seed  = flag.Uint64("seed", 1, "of the faults of TestChaos")
)

// lease is that of the processes of a chaos.
const lease = 4 * time.Second

// fleet is the processes of a chaos that live.
type fleet struct {
	t       *testing.T
	h       *history
	servers []*server

	mu    sync.Mutex // guards the fields below
	alive []member
	next  int // number of the next process
}

type member struct {
	*natsstore.Store
	number int
	lines  []*proxy
}

// begin has another process begin, with a line to each of two servers.
func (f *fleet) begin() {
	f.t.Helper()
	m := member{number: f.next}
	f.next++
	for i := range 2 {
		m.lines = append(m.lines, newProxy(f.t, f.servers[(m.number+i)%3].addr()))
	}
	m.Store = open(f.t, natsstore.Options{
		URL: m.lines[0].url() + "," + m.lines[1].url(), Replicas: 3, Lease: lease, Pace: 10 * time.Millisecond, Logger: f.h.logger(m.number),
	})
	follow(f.t, m, f.h.told(m.number))
	f.h.add(event{what: opened, process: m.number})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.alive = append(f.alive, m)
}

// pick returns one of the processes.
func (f *fleet) pick(r *rand.Rand) member {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.alive[r.IntN(len(f.alive))]
}

// dies forgets a process, which has been cut off, and has another one begin.
func (f *fleet) dies(m member) {
	f.mu.Lock()
	f.alive = slices.DeleteFunc(f.alive, func(o member) bool { return o.number == m.number })
	f.mu.Unlock()
	f.begin()
}

// work claims topics, puts, and gives them up in one way or another, until ctx ends.
func (h *history) work(ctx context.Context, r *rand.Rand, f *fleet) {
	for ctx.Err() == nil {
		m, topic := f.pick(r), fmt.Sprint("topic", r.IntN(12))
		within, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		c, e, err := m.Claim(within, topic, snapshot.ClaimOptions{KeepFinal: r.IntN(4) == 0})
		adopted := false
		if err == nil && c == nil && e.State == snapshot.Orphan {
			adopted = true
			c, e, _ = m.Claim(within, topic, snapshot.ClaimOptions{Adopt: e.Run})
		}
		cancel()
		if c == nil {
			time.Sleep(time.Duration(r.IntN(50)) * time.Millisecond)
			continue
		}
		mine := h.claimed(m.number, c, e, adopted)
		puts := r.IntN(30)
		if r.IntN(4) == 0 {
			puts += 300 // some 6 s
		}
		for range puts {
			if isLost(c) {
				break
			}
			mine.what, mine.put = put, mine.put+1
			h.add(mine)
			c.Put(dataOf(mine.claim, mine.put))
			time.Sleep(time.Duration(r.IntN(40)) * time.Millisecond)
		}
		h.giveUp(c, mine, r)
	}
}

// giveUp ends or releases a claim.
func (h *history) giveUp(c snapshot.Claim, mine event, r *rand.Rand) {
	if isLost(c) {
		h.lost(mine)
		return
	}
	mine.put++
	h.ending(mine)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	retention := []time.Duration{0, time.Second, time.Hour}[r.IntN(3)]
	var err error
	mine.what = ended
	if r.IntN(4) == 0 {
		mine.entry.State = snapshot.Orphan
		err = c.Release(ctx)
	} else {
		mine.entry.State = snapshot.Final
		err = c.Finish(ctx, dataOf(mine.claim, mine.put), retention)
	}
	switch {
	case err == nil:
		h.add(mine)
	case errors.Is(err, snapshot.ErrLost):
		mine.what = refused
		h.add(mine)
	default:
		select { // the claim still writes it
		case <-c.Lost():
			mine.what = refused
			h.add(mine)
		case <-time.After(15 * time.Second):
		}
	}
}

// patience is how long a server may take to answer a ping: nothing is due in time while the machine is busier.
const patience = 500 * time.Millisecond

// watch notes when the machine is busy with something else, until ctx ends: a server that is not disturbed takes long to
// answer, or this program to hear that.
func (h *history) watch(ctx context.Context, s *server) error {
	conn, err := nats.Connect(s.url(), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(patience))
	if err != nil {
		return err
	}
	defer conn.Close()
	for ctx.Err() == nil {
		began := time.Now()
		time.Sleep(patience / 5)
		_, err := conn.RTT()
		if long := time.Since(began); long > patience && (err == nil || errors.Is(err, nats.ErrTimeout)) {
			h.add(event{what: busy, process: -1, text: s.name, long: long})
		}
	}
	return nil
}

// disturb has one fault after the other until ctx ends, and then none.
func (h *history) disturb(ctx context.Context, r *rand.Rand, f *fleet) {
	for ctx.Err() == nil {
		s, m := f.servers[r.IntN(3)], f.pick(r)
		long := time.Duration(500+r.IntN(5000)) * time.Millisecond
		what := max(0, r.IntN(8)-3) // most often the first
		is := event{what: fault, process: -1, text: []string{
			"a process is cut off", "death of a process", "death of " + s.name, "stop of " + s.name, "pause of " + s.name,
		}[what]}
		if what < 2 {
			is.process = m.number
			long *= 2
		}
		h.add(is)
		switch what {
		case 0, 1:
			for _, l := range m.lines {
				l.cutLine()
			}
		case 2:
			s.kill()
		case 3:
			s.stop()
		case 4:
			_ = s.cmd.Process.Signal(syscall.SIGSTOP)
		}
		if what == 1 {
			f.dies(m)
		}
		time.Sleep(long)
		switch what {
		case 0:
			for _, l := range m.lines {
				l.heal()
			}
		case 2, 3:
			if err := s.start(); err != nil {
				f.t.Error(err)
			}
		case 4:
			_ = s.cmd.Process.Signal(syscall.SIGCONT)
		}
		if what != 1 {
			is.what = healed
			h.add(is)
		}
		f.t.Logf("%s for %v", is.text, long)
		time.Sleep(time.Duration(1000+r.IntN(3000)) * time.Millisecond)
	}
}

// Four processes claim, put, adopt, release and end runs while they are cut off, or die and are replaced, and while
// servers die, stop and pause. The checker reads what happened.
func TestChaos(t *testing.T) {
	if *chaos == 0 {
		t.Skip("ci/chaos.sh runs it")
	}
	c := own(t, 3, "")
	h := newHistory()
	watched, unwatch := context.WithCancel(t.Context())
	defer unwatch()
	var watchers sync.WaitGroup
	for _, s := range c.servers {
		watchers.Go(func() {
			if err := h.watch(watched, s); err != nil {
				t.Error(err)
			}
		})
	}
	f := &fleet{t: t, h: h, servers: c.servers}
	for range 4 {
		f.begin()
	}
	ctx, cancel := context.WithTimeout(t.Context(), *chaos)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() { h.work(ctx, rand.New(rand.NewPCG(*seed, uint64(i+1))), f) })
	}
	h.disturb(ctx, rand.New(rand.NewPCG(*seed, 0)), f)
	wg.Wait()
	for _, m := range f.alive {
		ready(t, m.Store)
		status(t, m.Store, works)
	}
	time.Sleep(2 * time.Second) // what was in flight, and retentions of a second
	for _, m := range f.alive {
		ready(t, m.Store)
	}
	for _, m := range append(f.alive, member{open(t, natsstore.Options{URL: c.url(), Replicas: 3}), -1, nil}) {
		for _, e := range watch(t, m).newest {
			h.add(event{what: final, process: m.number, entry: e})
		}
	}
	unwatch()
	watchers.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	wrong := check(h.events, lease)
	for _, w := range wrong[:min(20, len(wrong))] {
		t.Error(w)
	}
	if t.Failed() {
		h.write(t)
	}
	quiet := arrange(h.events).quiet(0, time.Since(h.began))
	t.Logf("with -seed %d: %v; servers and machine were undisturbed for %v", *seed, h.count, quiet.Round(time.Second))
}

// write leaves what happened in a file, one event a line.
func (h *history) write(t *testing.T) {
	var b strings.Builder
	for _, e := range h.events {
		fmt.Fprintf(&b, "%.3f %s process %d claim %d put %d %s run %s N %d %v %s\n",
			e.at.Seconds(), e.what, e.process, e.claim, e.put, e.entry.Topic, e.entry.Run, e.entry.N, e.entry.State, e.text)
	}
	file := filepath.Join(t.ArtifactDir(), "history")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Error(err)
	}
	t.Logf("what happened is in %s", file)
}
