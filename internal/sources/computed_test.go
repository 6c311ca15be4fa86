package sources_test

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// What is computed is as fresh as the inputs that it needs.
func TestFreshnessIsHandedOn(t *testing.T) {
	const config = `
sources:
  a: {exec: [a], every: 10s, backoff: {min: 10s, max: 10s}}
  b: {exec: [b], every: 10s, backoff: {min: 10s, max: 10s}}
  all: {from: [a, b], combine: '[.[].value]'}
  any: {from: [a, b], needs: any, combine: '[.[].value]'}
  none: {from: [a, b], needs: none, combine: '[.[].state]'}
  chain: {from: [all], combine: '.all.value[0]'}
`
	synctest.Test(t, func(t *testing.T) {
		p := newPolling(t, config)
		down := func(names ...string) {
			p.say(func(name string) (any, error) {
				if slices.Contains(names, name) {
					return nil, errors.New(name + " is down")
				}
				return 1.0, nil
			})
		}
		is := func(when, name, state, err string, age time.Duration) {
			t.Helper()
			synctest.Wait()
			now := p.now(name)
			text, _ := now["error"].(string)
			got := time.Since(at(t, now["updated_at"])).Truncate(10 * time.Second)
			if now["state"] != state || text != err || got != age {
				t.Errorf("%s: %s is %v, %v old, error %q, want %s, %v, %q", when, name, now["state"], got, text, state, age, err)
			}
		}
		time.Sleep(time.Minute)
		for _, name := range []string{"all", "any", "none", "chain"} {
			is("all is well", name, "ok", "", 0)
		}

		down("b")
		time.Sleep(time.Minute)
		is("b is down", "all", "stale", "input b: b is down", time.Minute)
		is("b is down", "chain", "stale", "input all: input b: b is down", time.Minute)
		is("b is down", "any", "ok", "", 0)
		is("b is down", "none", "ok", "", 0)

		down("a", "b")
		time.Sleep(time.Minute)
		is("both are down", "all", "stale", "input a: a is down; input b: b is down", 2*time.Minute)
		is("both are down", "any", "stale", "input a: a is down; input b: b is down", time.Minute)
		is("both are down", "none", "ok", "", 0)

		down()
		time.Sleep(20 * time.Second)
		for _, name := range []string{"all", "any", "none", "chain"} {
			is("all is well again", name, "ok", "", 0)
		}
	})
}

// Before an input that is needed has a value there is nothing to compute; whether that is a failure depends on whether
// it may still come.
func TestWhatIsComputedBeforeItsInputsHaveValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolling(t, `
sources:
  good: {exec: [good], every: 10s}
  bad: {exec: [bad], every: 10s, pick: 'error("broken")'}
  late: {exec: [late], every: {normal: 10s, unwatched: never}}
  bad-all: {from: [good, bad, late], combine: '[.[].value + 1]'}
  late-all: {from: [good, late], combine: '[.[].value + 1]'}
  any: {from: [bad, good], needs: any, combine: .good.value}
  bad-any: {from: [bad, late], needs: any}
  none: {from: [bad, late], needs: none, combine: '[.[].state]'}
`)
		time.Sleep(time.Minute)
		for name, want := range map[string]string{
			"bad-all": "failing input bad: pick: jq: error(\"broken\"): broken", "late-all": "pending ", "any": "ok ", "bad-any": "pending ", "none": "ok ",
		} {
			now := p.now(name)
			text, _ := now["error"].(string)
			if name == "bad-all" {
				text, _, _ = strings.Cut(text, ";")
			}
			if got := now["state"].(string) + " " + text; got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		p.watch("late")
		time.Sleep(20 * time.Second)
		if now := p.now("late-all"); now["state"] != "ok" {
			t.Errorf("late-all is %v, want it ok once its last input has a value", now)
		}
	})
}

// The age of what is computed is that of its inputs, which a successful poll renews whether the value is another one or not.
func TestTheAgeOfWhatIsComputed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolling(t, `
sources:
  tank: {exec: [tank], every: 10s, timeout: 1h, stale_after: 1h}
  level: {from: [tank], stale_after: 25s}
  top: {from: [level], stale_after: 45s}
`)
		p.say(func(string) (any, error) { return 1.0, nil })
		for range 30 {
			time.Sleep(10 * time.Second)
			for _, name := range []string{"level", "top"} {
				if now := p.now(name); now["state"] != "ok" || time.Since(at(t, now["updated_at"])) > 11*time.Second {
					t.Fatalf("%s is %v, want it as fresh as tank", name, now)
				}
			}
		}
		hung := make(chan struct{})
		defer close(hung)
		p.say(func(string) (any, error) { <-hung; return 1.0, nil })
		time.Sleep(40 * time.Second)
		const want = "input tank: no successful poll for 25 s"
		if now := p.now("level"); now["state"] != "stale" || now["error"] != want {
			t.Errorf("level is %v, want it stale: %s", now, want)
		}
		if now := p.now("tank"); now["state"] != "ok" {
			t.Errorf("tank is %v, want it ok: its stale_after is longer", now)
		}
		if now := p.now("top"); now["state"] != "stale" || now["error"] != "input level: "+want {
			t.Errorf("top is %v, want it stale because of level", now)
		}
	})
}

// What is computed is not published for a poll that says nothing new of it.
func TestAComputedSourceIsPublishedOnceAPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolling(t, "sources:\n  tank: {exec: [tank], every: 10s}\n  site: {from: [tank], combine: .tank.state}\n")
		ctx := t.Context()
		var seen atomic.Int32
		go func() {
			for range p.Topic("site").Watch(ctx) {
				seen.Add(1)
			}
		}()
		time.Sleep(time.Second) // until it has seen the first value
		seen.Store(0)
		p.say(func(string) (any, error) { return nil, errors.New("broken") })
		time.Sleep(30 * time.Minute) // many polls that fail in the same way
		synctest.Wait()
		if n := seen.Load(); n != 1 {
			t.Errorf("site was published %d times for one outage, want once", n)
		}
	})
}

// A change of an input that is told when a source is removed already does not keep the source in memory, whether hooks run
// or not.
func TestALateChangeDoesNotKeepARemovedSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tank = "sources:\n  tank: {exec: [tank], every: 1h}\n"
		p := newPolling(t, tank+"  site: {from: [tank], combine: .tank.state}\n")
		time.Sleep(time.Minute)
		late := p.LateChange("site")
		p.change(tank)
		synctest.Wait()
		go p.Stall(t.Context(), time.Second)
		synctest.Wait()
		late()
		if n := p.Changed(); n != 0 {
			t.Errorf("%d sources are to be looked at, want none", n)
		}
		time.Sleep(time.Second)
	})
}

// What cannot be computed yet is no poll, and none that has failed.
func TestAComputationThatWaitsForItsInputsIsNoPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolling(t, `
sources:
  a: {exec: [a], every: {normal: 10s, unwatched: never}}
  b: {exec: [b], every: {normal: 10s, unwatched: never}}
  both: {from: [a, b]}
  some: {from: [a, b], needs: none}
`)
		computed := func() (kinds []string) {
			time.Sleep(time.Second)
			for _, poll := range p.Observed() {
				kinds = append(kinds, poll.Source)
				if poll.Err != nil {
					t.Errorf("the observer hears of %+v, want no failure", poll)
				}
			}
			slices.Sort(kinds)
			return kinds
		}
		if got := computed(); got != nil {
			t.Errorf("before anything was polled the observer has heard of polls of %v", got)
		}
		p.watch("a")
		if got, want := computed(), []string{"a", "some"}; !slices.Equal(got, want) {
			t.Errorf("after the first poll of a the observer has heard of %v, want %v", got, want)
		}
		if now := p.now("both"); now["state"] != "pending" || now["error"] != nil {
			t.Errorf("both is %v, want it pending", now)
		}
		p.watch("b")
		if got, want := computed(), []string{"b", "both", "some"}; !slices.Equal(got, want) {
			t.Errorf("after the first poll of b the observer has heard of %v, want %v", got, want)
		}
	})
}

// A client that has lost the gateway can tell by itself when a value is too old.
func TestASourceSaysWhenItsValueWillBeTooOld(t *testing.T) {
	const config = `
sources:
  a: {exec: [a], every: 10s, stale_after: 40s, backoff: {min: 10s, max: 10s}}
  b: {exec: [b], every: 10s, stale_after: 40s, backoff: {min: 10s, max: 10s}}
  old: {from: [a, b], combine: .a.value, stale_after: 5m}
  never: {from: [a], combine: .a.value}
`
	synctest.Test(t, func(t *testing.T) {
		p := newPolling(t, config)
		time.Sleep(30 * time.Second)
		p.say(func(name string) (any, error) {
			if name == "b" {
				return nil, errors.New("b is down")
			}
			return 1.0, nil
		})
		time.Sleep(30 * time.Second)
		synctest.Wait()
		for name, after := range map[string]time.Duration{"a": 40 * time.Second, "b": 40 * time.Second, "old": 5 * time.Minute} {
			now := p.now(name)
			if got, want := at(t, now["stale_at"]), at(t, now["updated_at"]).Add(after); !got.Equal(want) {
				t.Errorf("stale_at of %s, which is %v, = %v, want %v", name, now["state"], got, want)
			}
		}
		if got, isThere := p.now("never")["stale_at"]; got != nil || !isThere {
			t.Errorf("stale_at without stale_after = %v, want null", got)
		}
	})
}
