package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/snapshot"
)

// leaves has an entry be in the store, as another process has left it.
func (f *fleet) leaves(topic, data string, state snapshot.State) {
	f.t.Helper()
	claim, _, err := f.store.Claim(f.t.Context(), topic, snapshot.ClaimOptions{})
	switch {
	case err != nil:
	case claim == nil:
		f.t.Fatalf("%s is held", topic)
	case state == snapshot.Final:
		err = claim.Finish(f.t.Context(), []byte(data), time.Hour)
	default:
		claim.Put([]byte(data))
		if state == snapshot.Orphan {
			err = claim.Release(f.t.Context())
		}
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// removes ends an entry that nobody holds.
func (f *fleet) removes(topic string) {
	f.t.Helper()
	entry, ok := f.entries()[topic]
	if !ok {
		f.t.Fatalf("there is no %s", topic)
	}
	claim, _, err := f.store.Claim(f.t.Context(), topic, snapshot.ClaimOptions{Adopt: entry.Run})
	if err == nil && claim != nil {
		err = claim.Finish(f.t.Context(), nil, 0)
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// entries are those in the store now, by topic.
func (f *fleet) entries() map[string]snapshot.Entry {
	all := map[string]snapshot.Entry{}
	ctx, done := context.WithCancel(f.t.Context())
	_ = f.store.Follow(ctx, func(e snapshot.Entry) {
		if all[e.Topic] = e; e.State == snapshot.Gone {
			delete(all, e.Topic)
		}
	}, done)
	return all
}

// said counts the lines of the log with all of some texts.
func (f *fleet) said(texts ...string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
lines:
	for line := range strings.Lines(f.logs.String()) {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue lines
			}
		}
		n++
	}
	return n
}

// workedOn returns how often runs of a job have begun to work.
func (f *fleet) workedOn(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.worked[name])
}

// Whatever somebody else has written into the store, replicas work, and the log says once what cannot be read.
func TestReplicasLeaveGarbageAlone(t *testing.T) {
	hash := strings.Repeat("5a", 32)
	texts := []string{"no JSON", "null", "[]", "7", `"x"`, "{}", `{"alert":{}}`, `{"alert":{"state":"firing"}}`, `{"items":[null],"episode":"e"}`,
		`{"alert":{"state":"firing","since":"2000-01-01T00:00:00Z"},"items":[null],"episode":"e","outboxes":[{"receiver":"ops","notices":[{"id":"x","item":0}]}]}`,
		`{"id":"other"}`, `{"v":-1,"id":"R7"}`, "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x00", `{"begun":"x"}`, `{"outboxes":[{"receiver":"ops","notices":[{"item":-1}]}]}`}
	wrong := []string{ // with each of the texts
		"alert/silence/s", "access/session/" + hash, "access/session/zz", "access/x", "access/key", "output/r/0-99999999999", "output/r/5-3", "output/r",
	}
	odd := []string{"alert/source/a", "alert/source/of nothing", "alert/job/j", "access/used/" + hash, "replica/R7", "replica/format/x", "watched/R7", "watched/"}
	for _, state := range []snapshot.State{snapshot.Final, snapshot.Orphan, snapshot.Live} {
		for i, text := range texts {
			if state != snapshot.Orphan && i%4 != 0 {
				continue
			}
			t.Run(fmt.Sprintf("%v %.30q", state, text), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFleet(t)
					f.set("9")
					for _, topic := range append(odd, wrong...) {
						if state != snapshot.Live || topic != "access/key" { // for which a replica waits: somebody makes it
							f.leaves(topic, text, state)
						}
					}
					a, b := f.join(recordedYAML), f.join(recordedYAML)
					time.Sleep(20 * time.Second)
					for _, m := range []*member{a, b} {
						for _, path := range []string{"sources", "alerts", "silences", "replicas", "runs", "jobs", "events"} {
							if w := m.do("GET", "/api/v1/"+path, ""); w.Code != 200 {
								t.Errorf("%s = %d %s", path, w.Code, w.Body)
							}
						}
						if got := len(m.json("GET", "/api/v1/replicas", "")["replicas"].([]any)); got != 2 {
							t.Errorf("there are %d replicas, want 2", got)
						}
						cookie := cookieOf(m.doWith("POST", "/auth/token", opsToken, nil).Result().Cookies())
						if got := m.doWith("GET", "/api/v1/me", "", cookie).Code; got != 200 {
							t.Errorf("with a session = %d", got)
						}
					}
					if code, run := a.asOps("POST", "/api/v1/jobs/k/runs", "{}"); code != 202 {
						t.Errorf("a start = %d %v", code, run)
					}
					if got := f.told(); state != snapshot.Live && got["firing of b"] == 0 {
						t.Errorf("told %v, want that b fires", got)
					}
					f.set("1")
					time.Sleep(5 * time.Second)
					for _, topic := range wrong {
						got := f.said("cannot be read", "topic="+topic+" ") // by one replica, if that has replaced it
						if (state != snapshot.Live || topic != "access/key") && got != 1 && got != 2 {
							t.Errorf("%s is in the log %d times, want once of each replica", topic, got)
						}
					}
					a.leave()
					b.leave()
				})
			})
		}
	}
}

// A unit whose entry is none is not taken as one in which nothing was started: its jobs wait until somebody has looked at it.
func TestReplicasDoNotTakeWhatIsNoUnit(t *testing.T) {
	for _, text := range []string{
		"no JSON", "null", "{}", "[]", `{"v":1,"n":1}`, `{"v":1,"n":18446744073709551615,"holder":"X"}`,
		`{"v":1,"n":2,"holder":"X","keys":[{"caller":"{}","job":"j0","key":"k","args":"AAAA","run":"R"}]}`,
		`{"v":1,"n":2,"holder":"X","starts":{"j0":["yesterday"]}}`,
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFleet(t)
			f.leaves("unit/upstream/u0", text, snapshot.Orphan)
			a, b := f.join(sharedJobs), f.join(sharedJobs)
			time.Sleep(3 * time.Minute)
			if code, answer := a.start("j0", ""); code != 503 {
				t.Errorf("%s: a start = %d %v", text, code, answer)
			}
			if code, answer := a.start("j1", ""); code != 202 {
				t.Errorf("%s: a start of another job = %d %v", text, code, answer)
			}
			if got := f.said("topic=unit/upstream/u0", "level=ERROR"); got != 1 && got != 2 { // when another one came, that should have it
				t.Errorf("%s: it is in the log %d times, want once of each replica", text, got)
			}
			f.removes("unit/upstream/u0")
			time.Sleep(3 * time.Second)
			if code, answer := a.start("j0", ""); code != 202 {
				t.Errorf("%s: without the entry a start = %d %v", text, code, answer)
			}
			a.leave()
			b.leave()
		})
	}
}

// What is left of jobs that are not configured any more goes after a week, when all replicas agree that they are not.
func TestReplicasForgetUnits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		unit := func(name string, ago time.Duration) {
			at, _ := json.Marshal(time.Now().Add(-ago))
			f.leaves("unit/job/"+name, fmt.Sprintf(`{"v":1,"n":2,"holder":"X","at":%s}`, at), snapshot.Orphan)
		}
		unit("old", 8*24*time.Hour)
		unit("new", 6*24*time.Hour)
		unit("j9", 8*24*time.Hour)
		f.leaves("unit/job/unknown", `{"v":1,"n":2,"holder":"X"}`, snapshot.Orphan) // of a version that did not say
		has := func(when string, want ...string) {
			t.Helper()
			all := f.entries()
			for _, name := range []string{"old", "new", "j9", "unknown"} {
				_, got := all["unit/job/"+name]
				if should := strings.Contains(strings.Join(want, " "), name); got != should {
					t.Errorf("%s: unit %s is there: %v, want %v", when, name, got, should)
				}
			}
		}
		a, other := f.join(sharedJobs), f.join(sharedJobs+"  j9: {exec: [x], at: {cron: '@daily', zone: UTC}}\n")
		time.Sleep(3 * time.Minute)
		has("with another configuration", "old", "new", "j9", "unknown")
		other.leave()
		b := f.join(sharedJobs)
		time.Sleep(3 * time.Minute)
		has("with one configuration", "new", "j9", "unknown") // one has had j9 meanwhile
		a.leave()
		b.leave()
	})
}

const secretJobs = `upstreams: {u0: {http: "http://up/u0"}}
sources: {}
jobs:
  s: {http: {upstream: u0, path: /job, method: POST, query: {pin: "{pin}"}}, args: {pin: {secret: true}}, on_busy: queue}
`

// The Idempotency-Key of a job with secret arguments outlives its replica too, without anything of these arguments in the store.
func TestReplicasRememberKeysOfSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		f.jobTakes = time.Second
		a, b := f.join(secretJobs), f.join(secretJobs)
		time.Sleep(3 * time.Second)
		start := func(m *member, pin string) (int, object) {
			w := m.doWith("POST", "/api/v1/jobs/s/runs", `{"args":{"pin":"`+pin+`"}}`, http.Header{"Idempotency-Key": {`"k"`}})
			return w.Code, decode(t, w.Body.Bytes())
		}
		code, run := start(a, "1234")
		if code != 202 {
			t.Fatalf("a start = %d %v", code, run)
		}
		id := of(run, "id")
		if code, answer := start(b, "4321"); code != 422 {
			t.Errorf("with other arguments, before the death = %d %v, want 422", code, answer)
		}
		a.ended(id)
		if entry := string(f.entries()["unit/upstream/u0"].Data); !strings.Contains(entry, id) || strings.Contains(entry, `"args":"`) {
			t.Errorf("the entry is %s, want the key without the arguments", entry)
		}
		f.mu.Lock()
		dying := f.by["/u0/job"]
		f.mu.Unlock()
		dying.kill()
		if dying == a {
			a = b
		}
		time.Sleep(3 * time.Second)
		for _, pin := range []string{"1234", "4321"} {
			if code, again := start(a, pin); of(again, "id") != id {
				t.Errorf("after the death the key leads to %d %v, want %s", code, again, id)
			}
		}
		if n := f.workedOn("/u0/job"); n != 1 {
			t.Errorf("%d runs have worked, want 1", n)
		}
		a.leave()
	})
}

// A start at a replica that does not answer says so after 10 s, and that it may be repeated with its key; whatever became of
// the first one, the key leads to one run.
func TestReplicasRepeatAStart(t *testing.T) {
	for _, dies := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := newFleet(t)
			f.jobTakes = time.Second
			asks, has := f.join(askedThings), f.join(askedThings)
			time.Sleep(5 * time.Second)
			asks, has = f.other("/u0/a", asks, has)
			f.silence(has.ReplicaID(), true)
			begin := time.Now()
			code, answer := asks.start("j", "k")
			if took := time.Since(begin); code != 504 || took > 10*time.Second+time.Millisecond || !strings.Contains(fmt.Sprint(answer), "it may have started one; with an Idempotency-Key") {
				t.Errorf("after %v a start = %d %v", took, code, answer)
			}
			if dies {
				has.kill()
			} else {
				f.silence(has.ReplicaID(), false)
			}
			time.Sleep(5 * time.Second)
			ids := map[string]bool{}
			for range 3 {
				code, run := asks.start("j", "k")
				if code != 202 {
					t.Errorf("with the same key = %d %v", code, run)
				}
				ids[of(run, "id")] = true
				time.Sleep(3 * time.Second)
			}
			if n := f.workedOn("/u0/job"); len(ids) != 1 || n != 1 {
				t.Errorf("the key leads to %v, and %d have worked, want one", ids, n)
			}
			asks.leave()
			if !dies {
				has.leave()
			}
		})
	}
}
