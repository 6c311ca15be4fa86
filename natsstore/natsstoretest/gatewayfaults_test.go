package natsstoretest_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"time"
)

// disturb has a fault every 20 s, for some time, and returns when the last one is over. Each kind comes once before any comes
// again, those that last long first. One gateway at least is always well.
func (f *chaosFleet) disturb(ctx context.Context, during time.Duration) {
	dice := rand.New(rand.NewPCG(*seed, 0))
	var faults sync.WaitGroup
	defer faults.Wait()
	var kinds []string
	for end := time.Now().Add(during); time.Until(end) > between/2; {
		if len(kinds) == 0 {
			kinds = []string{faultStop, faultCut, faultStep, faultKill, faultTerm, faultServer}
			dice.Shuffle(3, func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
			dice.Shuffle(3, func(i, j int) { kinds[3+i], kinds[3+j] = kinds[3+j], kinds[3+i] })
		}
		for i, kind := range kinds { // the first that is possible now
			if f.begin(ctx, kind, dice, &faults) {
				kinds = slices.Delete(kinds, i, i+1)
				break
			}
		}
		if !wait(ctx, min(between, time.Until(end))) {
			return
		}
	}
}

// begin has a fault of a kind begin, unless it cannot now.
func (f *chaosFleet) begin(ctx context.Context, kind string, dice *rand.Rand, faults *sync.WaitGroup) bool {
	if kind == faultServer {
		faults.Go(func() { f.killLeader(ctx) })
		return true
	}
	place := f.choose(dice, kind)
	if place < 0 {
		return false
	}
	pause, sign := time.Duration(2000+dice.IntN(6000))*time.Millisecond, 1-2*dice.IntN(2)
	faults.Go(func() { f.disturbOne(ctx, kind, place, pause, sign) })
	return true
}

// choose returns a gateway that a fault may be on, and has it be on, -1 if there is none.
func (f *chaosFleet) choose(dice *rand.Rand, kind string) int {
	var well []int
	for place := range f.places {
		if f.healthy(place) != "" {
			well = append(well, place)
		}
	}
	if len(well) < 2 && kind != faultStep {
		return -1
	}
	for _, place := range dice.Perm(3) {
		if slices.Contains(well, place) {
			p := f.places[place]
			p.mu.Lock()
			p.isWell = false
			p.mu.Unlock()
			return place
		}
	}
	return -1
}

// disturbOne has one fault on a gateway, until that is ready again.
func (f *chaosFleet) disturbOne(ctx context.Context, kind string, place int, pause time.Duration, sign int) {
	p, by := f.places[place], placeName(place)
	is := record{What: isDisturb, By: by, Fault: kind}
	if kind == faultStep {
		is.For = time.Duration(sign) * time.Minute
	}
	f.log.add(is)
	f.t.Logf("%v: %s of gateway %d", time.Since(f.log.began).Round(time.Second), kind, place)
	begins := false
	switch kind {
	case faultKill, faultTerm:
		sig := syscall.SIGKILL
		if kind == faultTerm {
			sig = syscall.SIGTERM
		}
		f.signal(place, sig)
		f.awaitExit(place)
		f.balancer.set(place, "")
		wait(ctx, pause)
		f.run(place)
		begins = true
	case faultStop:
		f.signal(place, syscall.SIGSTOP)
		wait(ctx, lasting)
		f.log.add(record{What: isGoesOn, By: by})
		f.signal(place, syscall.SIGCONT)
	case faultCut:
		for _, l := range p.lines {
			l.cutLine()
		}
		wait(ctx, lasting)
		for _, l := range p.lines {
			l.heal()
		}
	case faultStep:
		set, back := syscall.SIGUSR1, syscall.SIGUSR2
		if sign < 0 {
			set, back = back, set
		}
		f.signal(place, set)
		wait(ctx, lasting)
		is.For = -is.For
		f.log.add(is)
		f.signal(place, back)
	}
	if kind == faultStop || kind == faultCut {
		wait(ctx, 2*time.Second) // until it has noticed
	}
	if !f.awaitReady(ctx, place, begins) {
		return
	}
	if kind != faultStep {
		f.log.add(record{What: isHealed, By: by, Fault: kind})
	}
	wait(ctx, 2*time.Second)
	p.mu.Lock()
	p.isWell = true
	p.mu.Unlock()
	f.compare(ctx)
}

// killLeader kills the server that leads the stream, and starts it again after 5 s.
func (f *chaosFleet) killLeader(ctx context.Context) {
	n := f.leader()
	if n < 0 {
		f.t.Log("the stream has no leader that could be killed")
		return
	}
	s := f.servers.servers[n]
	by := "n" + string(rune('0'+n))
	f.log.add(record{What: isDisturb, By: by, Fault: faultServer})
	f.t.Logf("%v: kill of server %d", time.Since(f.log.began).Round(time.Second), n)
	s.kill()
	wait(ctx, 5*time.Second)
	if err := s.start(); err != nil {
		f.t.Error(err)
	}
	f.log.add(record{What: isHealed, By: by, Fault: faultServer})
}
