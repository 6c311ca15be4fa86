package natsstoretest_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/natsstore"
	"github.com/tidewire/tidewire/snapshot"
)

var (
	chaos = flag.Duration("chaos", 10*time.Second, "how long TestChaos disturbs the servers and lines")
	seed  = flag.Uint64("seed", 1, "of the faults of TestChaos")
)

// work claims topics, puts, and gives them up in one way or another, until ctx ends.
func (h *history) work(ctx context.Context, r *rand.Rand, stores []*natsstore.Store) {
	for ctx.Err() == nil {
		process, topic := r.IntN(len(stores)), fmt.Sprint("topic", r.IntN(12))
		within, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		c, e, err := stores[process].Claim(within, topic, snapshot.ClaimOptions{KeepFinal: r.IntN(4) == 0})
		adopted := false
		if err == nil && c == nil && e.State == snapshot.Orphan {
			adopted = true
			c, e, _ = stores[process].Claim(within, topic, snapshot.ClaimOptions{Adopt: e.Run})
		}
		cancel()
		if c == nil {
			time.Sleep(time.Duration(r.IntN(50)) * time.Millisecond)
			continue
		}
		mine := h.claimed(process, c, e, adopted)
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
	default:
		select { // the claim still writes it
		case <-c.Lost():
		case <-time.After(15 * time.Second):
		}
	}
}

// disturb has one fault after the other until ctx ends, and then none.
func (h *history) disturb(ctx context.Context, t *testing.T, r *rand.Rand, c *cluster, lines [][]*proxy) {
	for ctx.Err() == nil {
		s, process := c.servers[r.IntN(3)], r.IntN(len(lines))
		long := time.Duration(500+r.IntN(5000)) * time.Millisecond
		what := max(0, r.IntN(7)-3) // most often the first
		is := event{what: fault, process: -1, text: []string{"a process is cut off", "death of " + s.name, "stop of " + s.name, "pause of " + s.name}[what]}
		if what == 0 {
			is.process = process
			long *= 2
		}
		h.add(is)
		switch what {
		case 0:
			for _, l := range lines[process] {
				l.cutLine()
			}
		case 1:
			s.kill()
		case 2:
			s.stop()
		case 3:
			_ = s.cmd.Process.Signal(syscall.SIGSTOP)
		}
		time.Sleep(long)
		switch what {
		case 0:
			for _, l := range lines[process] {
				l.heal()
			}
		case 1, 2:
			if err := s.start(); err != nil {
				t.Error(err)
			}
		case 3:
			_ = s.cmd.Process.Signal(syscall.SIGCONT)
		}
		is.what = healed
		h.add(is)
		t.Logf("%s for %v", is.text, long)
		time.Sleep(time.Duration(1000+r.IntN(3000)) * time.Millisecond)
	}
}

// Four processes claim, put, adopt, release and end runs while servers die, stop and pause and lines are cut. The checker
// reads what happened.
func TestChaos(t *testing.T) {
	t.Parallel()
	const lease = 4 * time.Second
	c := own(t, 3, "")
	h := newHistory()
	var stores []*natsstore.Store
	var lines [][]*proxy
	for i := range 4 {
		line, other := newProxy(t, c.servers[i%3].addr()), newProxy(t, c.servers[(i+1)%3].addr())
		s := open(t, natsstore.Options{
			URL: line.url() + "," + other.url(), Replicas: 3, Lease: lease, Pace: 10 * time.Millisecond, Logger: h.logger(i),
		})
		ready(t, s)
		follow(t, s, h.told(i))
		stores, lines = append(stores, s), append(lines, []*proxy{line, other})
	}
	ctx, cancel := context.WithTimeout(t.Context(), *chaos)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() { h.work(ctx, rand.New(rand.NewPCG(*seed, uint64(i+1))), stores) })
	}
	h.disturb(ctx, t, rand.New(rand.NewPCG(*seed, 0)), c, lines)
	wg.Wait()
	for _, s := range stores {
		ready(t, s)
		status(t, s, works)
	}
	time.Sleep(2 * time.Second) // what was in flight, and retentions of a second
	for _, s := range stores {
		ready(t, s)
	}
	for i, s := range append(stores, open(t, natsstore.Options{URL: c.url(), Replicas: 3})) {
		if i == len(stores) {
			i = -1
		}
		for _, e := range watch(t, s).newest {
			h.add(event{what: final, process: i, entry: e})
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, wrong := range check(h.events, lease) {
		t.Error(wrong)
	}
	if t.Failed() {
		h.write(t)
	}
	t.Logf("with -seed %d: %v", *seed, h.count)
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
