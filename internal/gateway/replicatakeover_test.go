package gateway_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const takenOver = `upstreams: {up: {http: "http://up"}, work: {http: "http://up"}}
sources:
  rows: {http: {upstream: up, path: /rows}, every: 2s, split: {each: '.[]', name: .id, forget: 20s}, pick: .n}
  p0: {push: {}}
  p1: {push: {}}
  p2: {push: {}}
jobs:
  deploy: {http: {upstream: work, path: "/{n}/job"}, args: {n: {type: int}}, on_busy: queue, queue: 1000, keep: {runs: 1000}}
hooks:
  deploy: {job: deploy, verify: {hmac_sha256: 0123456789abcdef}, args: {n: .n}}
`

// A takeover is the load on a fleet whose members come, leave, die and lose what they have.
type takeover struct {
	*fleet

	mu       sync.Mutex // guards the fields below
	members  []*member  // that requests are sent to
	accepted map[string]float64
	led      map[int]map[string]bool // by delivery: the runs that it has led to
}

// any returns one of the members, nil if there is none.
func (l *takeover) any(dice *rand.Rand) *member {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.members) == 0 {
		return nil
	}
	return l.members[dice.IntN(len(l.members))]
}

// push sends numbers that grow to a source until the test of the load is over.
func (l *takeover) push(source string, dice *rand.Rand, over <-chan struct{}) {
	for n := 1.0; !isOver(over, 700*time.Millisecond); n++ {
		if w := l.any(dice).do("POST", "/api/v1/sources/"+source, fmt.Sprint(n)); w.Code == 204 {
			l.mu.Lock()
			l.accepted[source] = n
			l.mu.Unlock()
		}
	}
}

// deliver sends deliveries to the hook, each until it is accepted, and most of them again, to any member.
func (l *takeover) deliver(first int, dice *rand.Rand, over <-chan struct{}) {
	for n := first; !isOver(over, 1500*time.Millisecond); n += 2 {
		body := fmt.Sprintf(`{"n":%d}`, n)
		header := http.Header{"X-Hub-Signature-256": {signed(body)[1]}}
		for left := 1 + dice.IntN(3); left > 0; {
			w := l.any(dice).doWith("POST", "/hooks/deploy", body, header)
			switch {
			case w.Code == 202:
				left--
				l.mu.Lock()
				if l.led[n] == nil {
					l.led[n] = map[string]bool{}
				}
				l.led[n][of(decode(l.t, w.Body.Bytes()), "run")] = true
				l.mu.Unlock()
			case w.Code < 500:
				l.t.Errorf("delivery %d: %d %s", n, w.Code, w.Body)
				return
			default:
				time.Sleep(200 * time.Millisecond)
			}
		}
	}
}

// watch reads the sources to which values are sent at all members: what one has shown does not go back.
func (l *takeover) watch(over <-chan struct{}) {
	seen := map[*member]map[string]float64{}
	for !isOver(over, 500*time.Millisecond) {
		l.mu.Lock()
		members := slices.Clone(l.members)
		l.mu.Unlock()
		for _, m := range members {
			if seen[m] == nil {
				seen[m] = map[string]float64{}
			}
			for _, source := range []string{"p0", "p1", "p2"} {
				w := m.do("GET", "/api/v1/sources/"+source, "")
				if !l.isIn(m) { // it has stopped meanwhile
					break
				}
				value, _ := decode(l.t, w.Body.Bytes())["value"].(float64)
				if value < seen[m][source] {
					l.t.Errorf("%s went back from %v to %v at %s", source, seen[m][source], value, m.ReplicaID())
				}
				seen[m][source] = value
			}
		}
	}
}

func (l *takeover) isIn(m *member) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Contains(l.members, m)
}

func isOver(over <-chan struct{}, after time.Duration) bool {
	select {
	case <-over:
		return true
	case <-time.After(after):
		return false
	}
}

// out takes a member out of those that requests are sent to.
func (l *takeover) out(m *member) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.members = slices.DeleteFunc(l.members, func(other *member) bool { return other == m })
}

func (l *takeover) in(m *member) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.members = append(l.members, m)
}

// holds fails the test if a member shows less than what was accepted before.
func (l *takeover) holds(when string, before map[string]float64) {
	l.t.Helper()
	l.mu.Lock()
	members := slices.Clone(l.members)
	l.mu.Unlock()
	for _, m := range members {
		for source, want := range before {
			if got := m.json("GET", "/api/v1/sources/"+source, ""); got["value"] == nil || got["value"].(float64) < want {
				l.t.Errorf("%s: %s is %v at %s, want at least %v, which was accepted", when, source, got["value"], m.ReplicaID(), want)
			}
		}
	}
}

// Values and deliveries are sent to any replica while those that have the sources and the job are killed, stop, and lose what
// they have: no accepted value is lost or goes back, a delivery starts one run, which works once, and all have the same rows.
func TestReplicasTakeOverUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &takeover{fleet: newFleet(t), accepted: map[string]float64{}, led: map[int]map[string]bool{}}
		l.jobTakes, l.value = 700*time.Millisecond, `[{"id": "a", "n": 1}]`
		for range 3 {
			l.in(l.join(takenOver))
		}
		time.Sleep(5 * time.Second)
		over := make(chan struct{})
		var load sync.WaitGroup
		for i := range 3 {
			load.Go(func() { l.push(fmt.Sprint("p", i), rand.New(rand.NewPCG(1, uint64(i))), over) })
		}
		for i := range 2 {
			load.Go(func() { l.deliver(i, rand.New(rand.NewPCG(2, uint64(i))), over) })
		}
		load.Go(func() { l.watch(over) })
		load.Go(func() {
			for n := 2; !isOver(over, 3*time.Second); n++ {
				l.fleet.mu.Lock()
				l.value = fmt.Sprintf(`[{"id": "a", "n": %d}, {"id": "x%d", "n": 1}, {"id": "x%d", "n": 2}]`, n, n%5, (n+1)%5)
				l.fleet.mu.Unlock()
			}
		})
		for round := range 4 {
			time.Sleep(4*time.Second + time.Duration(round)*37*time.Millisecond)
			victim := l.doer("/rows")
			if round < 3 {
				l.fleet.mu.Lock()
				worked := slices.Collect(maps.Keys(l.worked))
				l.fleet.mu.Unlock()
				for _, name := range worked {
					if m := l.doer(name); m != nil && slices.Contains(l.members, m) {
						victim = m
					}
				}
			}
			l.mu.Lock()
			before := maps.Clone(l.accepted)
			l.mu.Unlock()
			l.out(victim)
			what := []string{"killed", "stopped", "cut off", "lost"}[round]
			switch what {
			case "killed":
				victim.kill()
				time.Sleep(25 * time.Second)
			case "stopped":
				victim.leave()
				time.Sleep(5 * time.Second)
			case "cut off":
				victim.process.Cut()
				time.Sleep(15 * time.Second)
				victim.process.Lose()
				time.Sleep(5 * time.Second)
				victim.process.Heal()
			case "lost":
				victim.process.Lose()
				time.Sleep(5 * time.Second)
			}
			l.holds("after one was "+what, before)
			if what == "killed" || what == "stopped" {
				victim = l.join(takenOver)
				time.Sleep(3 * time.Second)
			}
			l.in(victim)
			l.holds("with another one", before)
		}
		close(over)
		load.Wait()
		time.Sleep(time.Minute)
		l.holds("in the end", l.accepted)
		l.check()
		for _, m := range l.members {
			m.leave()
		}
	})
}

// check checks how the deliveries have ended, and that all members show the same.
func (l *takeover) check() {
	first := l.members[0]
	for n, runs := range l.led {
		if len(runs) != 1 {
			l.t.Errorf("delivery %d has led to the runs %v, want one", n, runs)
		}
		for id := range runs {
			run := first.json("GET", "/api/v1/runs/"+id, "")
			for run["then"] != nil {
				run = first.json("GET", "/api/v1/runs/"+of(run["then"].([]any)[0].(object), "id"), "")
			}
			worked := len(l.worked[fmt.Sprintf("/%d/job", n)])
			isLost := run["status"] == "lost" || run["status"] == "cancelled" // with its process, at work
			if worked != 1 || run["status"] != "succeeded" && (!isLost || run["started_at"] == nil) {
				l.t.Errorf("delivery %d has worked %d times, and its last run is %v", n, worked, run)
			}
		}
	}
	rows := func(m *member) (names []string) {
		for _, v := range m.json("GET", "/api/v1/sources", "")["sources"].([]any) {
			if one := v.(object); strings.HasPrefix(of(one, "name"), "rows") {
				names = append(names, fmt.Sprint(one["name"], " ", one["state"], " ", one["value"], " ", one["replica"]))
			}
		}
		return names
	}
	want := rows(first)
	if len(want) != 4 { // the source, and the rows that it has now: the others have left
		l.t.Errorf("there are the rows %q, want three", want)
	}
	for _, m := range l.members[1:] {
		if got := rows(m); !slices.Equal(got, want) {
			l.t.Errorf("%s has the rows %q, and another one %q", m.ReplicaID(), got, want)
		}
	}
	l.t.Logf("%d deliveries, values %v", len(l.led), l.accepted)
}
