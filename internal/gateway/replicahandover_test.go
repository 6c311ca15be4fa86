package gateway_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/snapshot"
)

// A hesitantStore takes its time for claims and for ends of some topics.
type hesitantStore struct {
	snapshot.Store

	mu    sync.Mutex // guards the fields below
	claim func(topic string) time.Duration
	end   func(topic string) time.Duration
}

func (s *hesitantStore) delay(of *func(string) time.Duration, topic string) {
	s.mu.Lock()
	f := *of
	s.mu.Unlock()
	if f != nil {
		time.Sleep(f(topic))
	}
}

func (s *hesitantStore) set(of *func(string) time.Duration, f func(string) time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*of = f
}

func (s *hesitantStore) Claim(
	ctx context.Context, topic string, opts snapshot.ClaimOptions,
) (snapshot.Claim, snapshot.Entry, error) {
	s.delay(&s.claim, topic)
	claim, entry, err := s.Store.Claim(ctx, topic, opts)
	if claim != nil {
		claim = hesitantClaim{claim, s, topic}
	}
	return claim, entry, err
}

type hesitantClaim struct {
	snapshot.Claim
	s     *hesitantStore
	topic string
}

func (c hesitantClaim) Finish(ctx context.Context, data []byte, retention time.Duration) error {
	c.s.delay(&c.s.end, c.topic)
	return c.Claim.Finish(ctx, data, retention)
}

// jobsOf is a configuration with n jobs, each in a unit of its own.
func jobsOf(n int, what string) string {
	var b strings.Builder
	b.WriteString("upstreams:\n")
	for i := range n {
		fmt.Fprintf(&b, "  u%d: {http: \"http://up/u%d\"}\n", i, i)
	}
	b.WriteString("jobs:\n")
	for i := range n {
		fmt.Fprintf(&b, "  j%d: {http: {upstream: u%d, path: /job, method: POST}, %s}\n", i, i, what)
	}
	return b.String()
}

// A replica does not give up a job before the ends of its runs are stored, however long that takes: otherwise the first run
// at the next replica would meet one that is still in progress.
func TestReplicasHandOverJobsThatHaveEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		store := &hesitantStore{Store: f.store}
		f.store = store
		yaml := jobsOf(16, "on_busy: queue")
		a := f.join(yaml)
		time.Sleep(time.Second)
		store.set(&store.end, func(topic string) time.Duration {
			if strings.HasPrefix(topic, "job/") {
				return 5 * time.Second
			}
			return 0
		})
		for i := range 16 {
			a.start(fmt.Sprint("j", i), "")
		}
		time.Sleep(3 * time.Second) // the runs have ended, but not in the store
		b := f.join(yaml)
		time.Sleep(500 * time.Millisecond)
		store.set(&store.end, nil)
		var second []string
		for i := range 16 {
			code, run := b.start(fmt.Sprint("j", i), "")
			if code != 202 {
				t.Fatalf("j%d: a start = %d %v", i, code, run)
			}
			second = append(second, of(run, "id"))
		}
		for i, id := range second {
			if run := b.ended(id); run["status"] != "succeeded" {
				t.Errorf("j%d: the second run is %v", i, run)
			}
		}
		time.Sleep(10 * time.Second)
		moved := 0
		for i := range 16 {
			_, run := b.start(fmt.Sprint("j", i), "")
			b.ended(of(run, "id"))
			if f.doer(fmt.Sprintf("/u%d/job", i)) == b {
				moved++
			}
		}
		if moved == 0 {
			t.Error("no job has moved to the second replica")
		}
		a.leave()
		b.leave()
	})
}

// A start whose replica loses its lease before the next holder can know of it comes to nothing there: the run does not work,
// and the Idempotency-Key leads to one run, that of the next holder.
func TestReplicasLoseAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		f.jobTakes = time.Hour
		yaml, shared := jobsOf(1, "on_busy: queue"), f.store
		stores := map[*member]*hesitantStore{}
		var all []*member
		for range 2 {
			store := &hesitantStore{Store: shared}
			f.store = store
			all = append(all, f.join(yaml))
			stores[all[len(all)-1]] = store
		}
		time.Sleep(3 * time.Second)
		_, run := all[0].start("j0", "")
		synctest.Wait()
		a, b := f.doer("/u0/job"), all[0]
		if b == a {
			b = all[1]
		}
		a.do("POST", "/api/v1/runs/"+of(run, "id")+"/cancel", "")
		a.ended(of(run, "id"))
		time.Sleep(time.Second)

		store := stores[a]
		store.set(&store.claim, func(string) time.Duration { return 20 * time.Second }) // until it has a lease again
		answered := make(chan object, 1)
		go func() {
			_, run := a.start("j0", "key")
			answered <- run
		}()
		time.Sleep(time.Second)
		a.process.Lose()
		time.Sleep(5 * time.Second)
		code, second := b.start("j0", "key")
		if code != 202 {
			t.Errorf("a start with the key = %d %v", code, second)
		}
		time.Sleep(time.Minute)
		store.set(&store.claim, nil)
		if got := <-answered; got["status"] != 503.0 && of(got, "id") != of(second, "id") {
			t.Errorf("the first start = %v, want 503 or run %s", got, of(second, "id"))
		}
		f.mu.Lock()
		if n := len(f.worked["/u0/job"]); n != 2 {
			t.Errorf("%d runs have begun to work, want the two of those who held the job", n)
		}
		f.mu.Unlock()
		for _, m := range all {
			if code, again := m.start("j0", "key"); of(again, "id") != of(second, "id") {
				t.Errorf("the key leads to %d %v, want %s", code, again, of(second, "id"))
			}
		}
		b.do("POST", "/api/v1/runs/"+of(second, "id")+"/cancel", "")
		b.ended(of(second, "id"))
		time.Sleep(5 * time.Second) // the job may move back
		for _, m := range all {
			if code, again := m.start("j0", "key"); of(again, "id") != of(second, "id") {
				t.Errorf("when the job has moved back, the key leads to %d %v, want %s", code, again, of(second, "id"))
			}
		}
		for _, m := range all {
			m.leave()
		}
	})
}

// An instant of a timetable that has joined a run, or was refused, has had its turn: the next holder does not make up for it.
func TestReplicasDealWithAnInstantOnce(t *testing.T) {
	for _, busy := range []string{"join", "reject"} {
		t.Run(busy, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t)
				f.jobTakes = 90 * time.Second
				yaml := jobsOf(4, "on_busy: "+busy+", at: {cron: '* * * * *', zone: UTC}")
				all := []*member{f.join(yaml), f.join(yaml)}
				time.Sleep(time.Until(time.Now().Truncate(time.Minute).Add(3 * time.Minute)))
				f.mu.Lock()
				clear(f.worked)
				f.mu.Unlock()
				time.Sleep(125 * time.Second) // runs of 90 s, one every two minutes: one has begun or was joined 5 s ago
				for _, m := range all {
					f.mu.Lock()
					joined := map[string]int{}
					for i := range 4 {
						name := fmt.Sprintf("/u%d/job", i)
						if at := f.worked[name]; f.by[name] == m && len(at) > 0 && time.Since(at[len(at)-1]) > 30*time.Second {
							joined[name] = len(at)
						}
					}
					f.mu.Unlock()
					if len(joined) == 0 {
						continue
					}
					m.kill()
					time.Sleep(10 * time.Second)
					f.mu.Lock()
					for name, n := range joined {
						if len(f.worked[name]) != n {
							t.Errorf("%s was started again for an instant that had its turn", name)
						}
					}
					f.mu.Unlock()
					break
				}
				for _, m := range all {
					if !m.dead {
						m.leave()
					}
				}
			})
		})
	}
}

// However fast replicas come and go, each job has one that starts its runs in the end.
func TestReplicasComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		f.jobTakes = 10 * time.Millisecond
		yaml := jobsOf(12, "on_busy: queue, queue: 100")
		all := []*member{f.join(yaml)}
		for n := range 40 {
			switch {
			case len(all) < 3 || n%3 == 0 && len(all) < 6:
				all = append(all, f.join(yaml))
			case n%3 == 1:
				all[0].process.Lose()
			default:
				all[0].leave()
				all = all[1:]
			}
			time.Sleep(time.Duration(n*n%17) * time.Millisecond)
			for i := range 12 {
				go all[n%len(all)].start(fmt.Sprint("j", i), "")
			}
		}
		time.Sleep(time.Minute)
		for i := range 12 {
			for _, m := range all {
				if code, run := m.start(fmt.Sprint("j", i), ""); code != 202 {
					t.Errorf("j%d: a start = %d %v", i, code, run)
				} else if run := m.ended(of(run, "id")); run["status"] != "succeeded" {
					t.Errorf("j%d: a run is %v", i, run)
				}
			}
		}
		for _, m := range all {
			m.leave()
		}
	})
}
