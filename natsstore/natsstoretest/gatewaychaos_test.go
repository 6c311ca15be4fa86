package natsstoretest_test

import (
	"bufio"
	"context"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	between   = 20 * time.Second // from one fault to the next one
	lasting   = 40 * time.Second // stops, cuts and wrong clocks
	pairs     = 45               // of clients that start and follow runs
	watchers  = 100              // of one source each
	overviews = 10               // of everything
)

// TestGatewayChaos has three gateways on three servers, behind a balancer, with 60 jobs and 200 streams. Two thirds of the time
// there is a fault every 20 s, in the last third there is none. What happens is in a log, which is checked then.
func TestGatewayChaos(t *testing.T) {
	if *chaos < time.Minute {
		t.Skip("-chaos is shorter than some faults")
	}
	program, err := steppedProgram()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.ArtifactDir()
	out, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	buffered := bufio.NewWriterSize(out, 1<<16)
	log := newRecorder(buffered)
	f := newChaosFleet(t, log, dir, program)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()

	f.load(ctx, &all)
	wait(ctx, 10*time.Second)
	f.disturb(ctx, *chaos*2/3)
	log.add(record{What: isCalm})
	t.Logf("%v: no more faults", time.Since(log.began).Round(time.Second))
	for end := time.Now().Add(*chaos / 3); time.Now().Before(end); {
		wait(ctx, 10*time.Second)
		f.compare(ctx)
	}
	log.add(record{What: isOver})
	cancel()
	all.Wait()
	for place := range f.places {
		f.signal(place, syscall.SIGTERM)
	}
	for place := range f.places {
		f.awaitExit(place)
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	if err := buffered.Flush(); err != nil || log.err != nil {
		t.Fatal(err, log.err)
	}
	f.report(filepath.Join(dir, "log"))
}

// newChaosFleet starts servers and gateways, and returns when all are ready.
func newChaosFleet(t *testing.T, log *recorder, dir, program string) *chaosFleet {
	f := &chaosFleet{
		t: t, log: log, dir: dir, program: program, prefix: prefix(), servers: own(t, 3, ""), backend: newBackend(t, log),
		balancer: newBalancer(t, 3), withArg: map[string]bool{},
		client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, direct: &http.Client{},
	}
	f.ends = &ends{f: f}
	log.add(record{What: isBegun, Wall: new(time.Now().UTC()), For: 15 * time.Second})
	f.file = filepath.Join(dir, "tidewire.yaml")
	if err := os.WriteFile(f.file, []byte(f.configuration(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		p := &chaosPlace{}
		for _, s := range f.servers.servers {
			p.lines = append(p.lines, newProxy(t, s.addr()))
		}
		f.places = append(f.places, p)
	}
	for place, p := range f.places {
		f.run(place)
		t.Cleanup(func() {
			if p.cmd != nil {
				_ = p.cmd.Process.Kill()
				<-p.exited
			}
		})
	}
	for place, p := range f.places {
		if !f.awaitReady(t.Context(), place, true) {
			t.FailNow()
		}
		p.isWell = true
	}
	return f
}

// load has the clients work until ctx ends.
func (f *chaosFleet) load(ctx context.Context, all *sync.WaitGroup) {
	f.backend.mu.Lock()
	f.backend.due = f.instantsOf()
	f.backend.mu.Unlock()
	var startable []string
	for name := range f.withArg {
		if name[0] != 't' {
			startable = append(startable, name)
		}
	}
	slices.Sort(startable)
	for n := range pairs {
		p := &pair{f: f, n: n, jobs: startable, dice: rand.New(rand.NewPCG(*seed, uint64(n+1)))}
		all.Go(func() { p.work(ctx) })
	}
	names := f.sources()
	for n := range watchers {
		name := names[n%len(names)]
		r := f.reader(2*pairs+n, "/api/v1/stream?sources="+name, record{Name: name})
		all.Go(func() { r.watch(ctx) })
	}
	for n := range overviews {
		r := f.reader(2*pairs+watchers+n, "/api/v1/stream?sources=*&jobs=*&min=5s", record{For: 5 * time.Second})
		all.Go(func() { r.watch(ctx) })
	}
	all.Go(func() { f.backend.turns(ctx, names[24:]) })
	all.Go(func() { f.ends.work(ctx) })
	all.Go(func() { f.measure(ctx) })
}
