package sources_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/internal/sources"
	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/snapshot"
)

// polling polls in a synctest bubble, whose upstreams are funcs.
type polling struct {
	sources.Polling
	t     *testing.T
	begun time.Time
	run   func() // begins to poll
	stop  func() // ends that

	mu    sync.Mutex // guards the fields below
	polls map[string][]time.Duration
	does  func(name string) (any, error)
}

// newPolling starts to poll by a configuration. A value is the number of its poll unless
// the test says otherwise.
func newPolling(t *testing.T, yaml string) *polling {
	t.Helper()
	return newPollingOn(t, sources.NewStore(), yaml)
}

// newPollingOn is newPolling on a store that others may use, too.
func newPollingOn(t *testing.T, store snapshot.Store, yaml string) *polling {
	t.Helper()
	p := startPollingOn(t, store, yaml)
	p.run()
	return p
}

// startPollingOn is newPollingOn for what polls only when run is called. It ends with the test, or when stop is called.
func startPollingOn(t *testing.T, store snapshot.Store, yaml string) *polling {
	t.Helper()
	p := &polling{t: t, begun: time.Now(), polls: map[string][]time.Duration{}}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	var err error
	p.Polling, err = sources.NewPollingOn(ctx, store, loadConfig(t, yaml), func(name string) (any, error) {
		p.mu.Lock()
		p.polls[name] = append(p.polls[name], time.Since(p.begun))
		n, does := len(p.polls[name]), p.does
		p.mu.Unlock()
		if does != nil {
			return does(name)
		}
		return float64(n), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	p.run = func() {
		over := make(chan error, 1)
		go func() { over <- p.Run(ctx) }()
		p.stop = sync.OnceFunc(func() {
			cancel()
			if err := <-over; !errors.Is(err, context.Canceled) {
				t.Errorf("Run = %v, want %v", err, context.Canceled)
			}
		})
		t.Cleanup(p.stop)
		synctest.Wait()
	}
	return p
}

// say has further polls do something else.
func (p *polling) say(does func(name string) (any, error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.does = does
}

// polled returns when a source has been polled.
func (p *polling) polled(name string) []time.Duration {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.polls[name])
}

// during returns how often a source is polled in the next d.
func (p *polling) during(name string, d time.Duration) int {
	before := len(p.polled(name))
	time.Sleep(d)
	return len(p.polled(name)) - before
}

// watch watches a source until the returned func is called.
func (p *polling) watch(name string) (leave func()) {
	ctx, cancel := context.WithCancel(p.t.Context())
	left := make(chan struct{})
	go func() {
		defer close(left)
		for range p.Topic(name).Watch(ctx) {
		}
	}()
	return func() { cancel(); <-left }
}

// now is a source's newest snapshot.
func (p *polling) now(name string) object {
	return decode(p.t, p.Newest(name))
}

func (p *polling) wantPolls(what, name string, d time.Duration, want int) {
	p.t.Helper()
	if got := p.during(name, d); got != want {
		p.t.Errorf("%s: %d polls in %v, want %d; polls at %v", what, got, d, want, p.polled(name))
	}
}

const twoPaces = `
sources:
  tank: {exec: [tank], every: {normal: 10s, unwatched: 1m}}
`

func TestWhoLooksSetsThePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolling(t, twoPaces)
		p.wantPolls("nobody looks", "tank", 10*time.Minute, 10)
		time.Sleep(30 * time.Second) // older than the normal pause
		before := len(p.polled("tank"))
		leave := p.watch("tank")
		synctest.Wait()
		if got := len(p.polled("tank")) - before; got != 1 {
			t.Errorf("the first watcher brought %d polls, want one at once", got)
		}
		p.wantPolls("watched", "tank", 10*time.Minute, 60)
		again := p.watch("tank")
		leave()
		p.wantPolls("one of two has left", "tank", 10*time.Minute, 60)
		again()
		time.Sleep(time.Minute)
		p.wantPolls("both have left", "tank", 10*time.Minute, 10)
	})
}

func TestAYoungValueIsNotPolledAgainForAWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolling(t, twoPaces)
		time.Sleep(2 * time.Second)
		p.watch("tank")
		synctest.Wait()
		if got := p.polled("tank"); len(got) != 1 {
			t.Errorf("polls at %v, want none but the first: it is younger than the pause", got)
		}
		if next := at(t, p.now("tank")["next_at"]); time.Until(next) > 10*time.Second {
			t.Errorf("the next poll is in %v, want at most 10s", time.Until(next))
		}
	})
}

// Pages that are loaded again and again, and clients between two long polls, are one watcher that stays.
func TestComingAndGoingDoesNotChangeThePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolling(t, strings.Replace(twoPaces, "1m", "never", 1))
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				leave := p.watch("tank")
				time.Sleep(time.Second)
				leave()
				select {
				case <-stop:
					return
				case <-time.After(4 * time.Second):
				}
			}
		})
		time.Sleep(time.Second)
		p.wantPolls("reloads", "tank", 10*time.Minute, 60)
		close(stop)
		wg.Wait()
		time.Sleep(6 * time.Second)
		p.wantPolls("nobody has come back", "tank", time.Hour, 0)
	})
}

func TestWhatIsPolledForItsWatchersOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolling(t, strings.Replace(twoPaces, "1m", "never", 1))
		p.wantPolls("nobody looks", "tank", time.Hour, 0)
		if now := p.now("tank"); now["state"] != "pending" || now["next_at"] != nil {
			t.Errorf("snapshot %v, want pending without a next poll", now)
		}
		leave := p.watch("tank")
		synctest.Wait()
		if now := p.now("tank"); now["state"] != "ok" {
			t.Errorf("snapshot %v, want a value for the watcher", now)
		}
		leave()
		p.during("tank", time.Hour)
		if now := p.now("tank"); now["state"] != "stale" || now["next_at"] != nil {
			t.Errorf("snapshot %v, want a stale value without a next poll", now)
		}
		p.say(func(string) (any, error) { return nil, errors.New("broken") })
		if wait, err := p.Refresh(t.Context(), "tank"); wait != 0 || err != nil {
			t.Errorf("Refresh = %v, %v, want 0", wait, err)
		}
		if n := len(p.polled("tank")); n != 2 {
			t.Errorf("%d polls, want one by the watcher and one by the refresh", n)
		}
		p.wantPolls("the refresh has failed", "tank", time.Hour, 0)
	})
}

// A source that comes back right after it was removed has the pace that its watchers want.
func TestASourceThatComesBackHasWatchers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const yaml = "version: 1\ndefaults: {jitter: 0}\n"
		p := newPolling(t, twoPaces)
		time.Sleep(time.Minute)
		for _, text := range []string{"", twoPaces, "", twoPaces + "  site: {from: [tank]}\n"} {
			cfg, problems := config.Load("test.yaml", []byte(yaml+text))
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			if err := p.Change(t.Context(), cfg); err != nil {
				t.Fatal(err)
			}
		}
		p.wantPolls("nobody looks", "tank", 10*time.Minute, 10)
		leave := p.watch("tank")
		p.wantPolls("watched", "tank", 10*time.Minute, 60)
		time.Sleep(sources.Lag)
		if now := p.now("site"); !reflect.DeepEqual(now["value"].(object)["tank"].(object)["value"], p.now("tank")["value"]) {
			t.Errorf("site is %v, want it computed from the newest value of tank", now)
		}
		leave()
		time.Sleep(10 * time.Second)
		p.watch("site")
		p.wantPolls("site is watched", "tank", 10*time.Minute, 60)
	})
}

func TestWatchersOfWhatIsComputedWatchItsInputs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolling(t, twoPaces+`
  other: {exec: [other], every: {normal: 10s, unwatched: never}}
  full: {from: [tank], combine: .tank.value > 50}
  site: {from: [full]}
`)
		time.Sleep(30 * time.Second)
		leave := p.watch("site")
		p.wantPolls("site is watched", "tank", 10*time.Minute, 60)
		if n := len(p.polled("other")); n != 0 {
			t.Errorf("what nobody uses was polled %d times", n)
		}
		leave()
		time.Sleep(10 * time.Second)
		p.wantPolls("site is not watched", "tank", 10*time.Minute, 10)
	})
}

// While a source still counts as watched after its last watcher has left, somebody may come to another one.
func TestAWatcherOfAnotherSourceKeepsNoPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolling(t, twoPaces+`
  other: {exec: [other], every: {normal: 10s, unwatched: never}}
`)
		leave := p.watch("tank")
		time.Sleep(30 * time.Second)
		leave()
		time.Sleep(2 * time.Second)
		defer p.watch("other")()
		time.Sleep(10 * time.Second)
		p.wantPolls("tank is not watched", "tank", 10*time.Minute, 10)
	})
}

func TestTheValueSetsThePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolling(t, `
sources:
  tank: {exec: [tank], pick: {pump: .pump, level: .level}, every: {normal: 1m, when: [{if: .pump, every: 1s}, {if: .level > 90, every: 10s}]}}
`)
		value := func(pump bool, level float64) {
			p.say(func(string) (any, error) { return object{"pump": pump, "level": level}, nil })
		}
		value(false, 1)
		time.Sleep(time.Minute)
		p.wantPolls("nothing holds", "tank", 10*time.Minute, 10)
		value(true, 95)
		time.Sleep(time.Minute)
		p.wantPolls("the first that holds", "tank", time.Minute, 60)
		value(false, 95)
		time.Sleep(time.Minute)
		p.wantPolls("the second", "tank", time.Minute, 6)
		value(false, 1)
		time.Sleep(time.Minute)
		p.wantPolls("nothing any more", "tank", 10*time.Minute, 10)
	})
}

func TestAWatcherDoesNotEndABackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolling(t, `
sources:
  tank: {exec: [tank], every: {normal: 10s, unwatched: 1m}, backoff: {min: 1m, max: 1m}}
`)
		p.say(func(string) (any, error) { return nil, errors.New("broken") })
		time.Sleep(time.Minute) // it has failed now
		p.during("tank", 10*time.Second)
		if now := p.now("tank"); now["waiting"] != "backoff" {
			t.Errorf("snapshot %v, want it to wait for the backoff", now)
		}
		for range 3 {
			leave := p.watch("tank")
			time.Sleep(time.Second)
			leave()
			time.Sleep(time.Second)
		}
		p.watch("tank")
		if n := p.during("tank", 10*time.Minute); n != 10 {
			t.Errorf("%d polls in 10 minutes of backoff, want 10; polls at %v", n, p.polled("tank"))
		}
		if wait, err := p.Refresh(t.Context(), "tank"); wait != 0 || err != nil {
			t.Errorf("Refresh = %v, %v, want 0: people may try again", wait, err)
		}
		p.say(func(string) (any, error) { return 1.0, nil })
		p.during("tank", time.Minute)
		if now := p.now("tank"); now["waiting"] != "" || now["state"] != "ok" {
			t.Errorf("snapshot %v, want it ok and waiting for nothing", now)
		}
	})
}

func TestTheUpstreamsWishHoldsForEveryone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolling(t, strings.Replace(twoPaces, "1m", "never", 1))
		p.say(func(string) (any, error) {
			return nil, &httpkind.StatusError{Code: 429, Status: "429 Too Many Requests", Method: "GET", URL: "http://x/", After: time.Hour}
		})
		leave := p.watch("tank")
		synctest.Wait()
		if now := p.now("tank"); now["waiting"] != "rate limit" || !at(t, now["next_at"]).Equal(time.Now().Add(time.Hour)) {
			t.Errorf("snapshot %v, want the next poll in an hour, by the limit", now)
		}
		leave()
		time.Sleep(20 * time.Minute)
		if now := p.now("tank"); now["next_at"] != nil {
			t.Errorf("snapshot %v, want no next poll without a watcher", now)
		}
		p.watch("tank")
		if wait, err := p.Refresh(t.Context(), "tank"); wait != 40*time.Minute || err != nil {
			t.Errorf("Refresh = %v, %v, want 40m", wait, err)
		}
		p.wantPolls("before the hour is over", "tank", 39*time.Minute, 0)
		p.wantPolls("after", "tank", 2*time.Minute, 1)
	})
}

func TestTheConfiguredLimitIsShownAndHoldsForRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolling(t, `
upstreams: {plant: {http: "http://plant.example", limit: 2/m, burst: 1}}
sources:
  tank: {http: {upstream: plant, path: /}, every: 10s}
  site: {from: [tank]}
`)
		now := p.now("tank")
		if next := time.Until(at(t, now["next_at"])); now["waiting"] != "rate limit" || next != 30*time.Second {
			t.Errorf("the next poll is in %v, waiting for %q, want 30s for the rate limit", next, now["waiting"])
		}
		for _, name := range []string{"tank", "site"} {
			if wait, err := p.Refresh(t.Context(), name); wait != 30*time.Second || err != nil {
				t.Errorf("Refresh(%s) = %v, %v, want 30s", name, wait, err)
			}
		}
		p.wantPolls("limited", "tank", 10*time.Minute, 20)
	})
}

func TestSourcesOfOnePaceArePolledSpreadOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		yaml := "sources:\n"
		for i := range 100 {
			yaml += fmt.Sprintf("  s%d: {exec: [s], every: 10s}\n", i)
		}
		p := newPolling(t, yaml)
		time.Sleep(100 * time.Second)
		var tenths [10]int
		for i := range 100 {
			name := fmt.Sprintf("s%d", i)
			polls := p.polled(name)
			if polls[0] != 0 {
				t.Errorf("%s was first polled after %v, want at once", name, polls[0])
			}
			last := polls[len(polls)-1]
			tenths[last/time.Second%10]++
			if got := last - polls[len(polls)-2]; got != 10*time.Second {
				t.Errorf("%s was polled after %v, want 10s", name, got)
			}
		}
		if got := slices.Max(tenths[:]); got > 25 {
			t.Errorf("polls in each second of the ten: %v, want about 10 each", tenths)
		}
	})
}

// Jitter delays each poll by another part of the pause, up to what is configured, and the rate remains what it is.
func TestJitterDelaysEachPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pause, polls = 10 * time.Second, 50
		p := newPolling(t, "sources:\n  steady: {exec: [s], every: 10s}\n  jittery: {exec: [s], every: 10s, jitter: 50%}\n")
		time.Sleep((polls + 1) * pause)
		for name, most := range map[string]time.Duration{"steady": 0, "jittery": pause / 2} {
			times := p.polled(name)[1:] // the first is at once
			if n := len(times); n < polls-1 || n > polls+1 {
				t.Errorf("%s was polled %d times, want %d", name, n, polls)
			}
			spread := (smartpoll.Every(pause).Spread(name).Next(p.begun).Sub(p.begun)) % pause
			delays := map[time.Duration]bool{}
			for _, at := range times {
				delay := (at - spread + pause) % pause
				if delay > most {
					t.Errorf("%s was polled after %v, %v later than its time, want at most %v", name, at, delay, most)
				}
				delays[delay.Truncate(most/10+1)] = true
			}
			if few := len(delays) < 5; few != (most == 0) {
				t.Errorf("the polls of %s were late by %v", name, delays)
			}
		}
	})
}

func TestApplyDeadband(t *testing.T) {
	all := []config.Deadband{{Least: 0.5}}
	level := []config.Deadband{{Field: "level", Least: 2}}
	tests := []struct {
		bands     []config.Deadband
		now       any
		published string
		want      string
	}{
		{nil, 1.1, "1", "1.1"},
		{all, 1.4, "1", "1"},
		{all, 1.5, "1", "1.5"},
		{all, 0.6, "1", "1"},
		{all, "1.1", `"1"`, `"1.1"`},
		{all, 1.1, `"1"`, "1.1"},
		{all, 1.1, "null", "1.1"},
		{all, 1.1, "", "1.1"},
		{all, true, "1", "true"},
		{all, json.Number("9007199254740993"), "9007199254740993", "9007199254740993"},
		{all, object{"a": 1.1, "b": 3.0, "c": "x", "d": 1.0}, `{"a":1,"b":2,"c":"y"}`, `{"a":1,"b":3,"c":"x","d":1}`},
		{level, object{"level": 41, "temp": 1.1}, `{"level":40,"temp":1}`, `{"level":40,"temp":1.1}`},
		{level, object{"temp": 1.1}, `{"level":40,"temp":1}`, `{"temp":1.1}`},
		{level, 1.1, "1", "1.1"},
	}
	for _, tt := range tests {
		got, err := json.Marshal(sources.ApplyDeadband(tt.bands, tt.now, tt.published))
		if err != nil || string(got) != tt.want {
			t.Errorf("%v after %s with %v = %s, %v, want %s", tt.now, tt.published, tt.bands, got, err, tt.want)
		}
	}
}

// A value that creeps is published when it has come far enough from what is published, not from the poll before.
func TestDeadband(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolling(t, "sources:\n  tank: {exec: [tank], every: 1s, deadband: 2.5}\n")
		seen := map[any]bool{}
		for range 10 {
			seen[p.now("tank")["value"]] = true
			p.during("tank", time.Second)
		}
		if want := map[any]bool{1.0: true, 4.0: true, 7.0: true, 10.0: true}; !reflect.DeepEqual(seen, want) {
			t.Errorf("published %v, want %v", seen, want)
		}
	})
}

// change puts another configuration to work.
func (p *polling) change(yaml string) {
	p.t.Helper()
	cfg, problems := config.Load("test.yaml", []byte("version: 1\ndefaults: {jitter: 0}\n"+yaml))
	if len(problems) > 0 {
		p.t.Fatalf("the configuration is not valid:\n%v", problems)
	}
	if err := p.Change(p.t.Context(), cfg); err != nil {
		p.t.Fatal(err)
	}
}

// A pending alert fires in time, also if the source was changed meanwhile and has not answered since. Another condition
// has not held yet.
func TestAReloadKeepsTheTimeOfAPendingAlert(t *testing.T) {
	for more, want := range map[string]string{"title: T, alert: {if: . > 90, for: 25s}": "firing", "alert: {if: . > 91, for: 25s}": "clear"} {
		synctest.Test(t, func(t *testing.T) {
			p := newPolling(t, "sources:\n  tank: {exec: [tank], every: {normal: 1h, unwatched: never}, timeout: 2h, stale_after: 5h, alert: {if: . > 90, for: 25s}}\n")
			hung := make(chan struct{})
			defer close(hung)
			p.say(func(string) (any, error) { return 95.0, nil })
			p.watch("tank")
			time.Sleep(5 * time.Second)
			p.say(func(string) (any, error) { <-hung; return 95.0, nil })
			p.change("sources:\n  tank: {exec: [tank], every: {normal: 1h, unwatched: never}, timeout: 2h, stale_after: 5h, " + more + "}\n")
			time.Sleep(25 * time.Second)
			got := "clear"
			if alert, ok := p.now("tank")["alert"].(object); ok {
				got = alert["state"].(string)
			}
			if got != want {
				t.Errorf("%s: the alert is %s 30 s after its condition began to hold, want %s", more, got, want)
			}
		})
	}
}

// What an upstream asked for holds for what is asked there next, whatever is changed in the source.
func TestAReloadRespectsRetryAfter(t *testing.T) {
	const before = "upstreams: {plant: {http: http://plant.example}}\nsources: {tank: {http: {upstream: plant, path: /}, every: 10s}}\n"
	for after, want := range map[string]int{
		strings.Replace(before, "every: 10s", "every: 20s, title: T", 1):                    0,
		strings.Replace(before, "path: /", "path: /x", 1):                                   0,
		strings.Replace(before, "http://plant.example", "http://other.example", 1):          1,
		strings.Replace(before, "http: {upstream: plant, path: /}", "exec: [tank, now]", 1): 1,
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newPolling(t, before)
			p.say(func(string) (any, error) {
				return nil, &httpkind.StatusError{Code: 429, Status: "429 Too Many Requests", Method: "GET", URL: "http://x/", After: time.Hour}
			})
			time.Sleep(time.Minute)
			due := p.now("tank")["next_at"]
			n := len(p.polled("tank"))
			p.change(after)
			time.Sleep(30 * time.Minute)
			if got := len(p.polled("tank")) - n; got != want {
				t.Errorf("%s: %d polls in the half hour after the change, want %d", after, got, want)
			}
			if want > 0 {
				return
			}
			if now := p.now("tank"); now["next_at"] != due || now["waiting"] != "rate limit" {
				t.Errorf("%s: the next poll is at %v for %q, want %v for the rate limit", after, now["next_at"], now["waiting"], due)
			}
			if p.during("tank", time.Hour); len(p.polled("tank")) == n {
				t.Errorf("%s: no poll after the hour was over", after)
			}
		})
	}
}

// After an outage of an upstream, whose sources wait for the end of their backoff at different times, the first that recovers
// brings the others back to their usual times. Others are not concerned, and a source that fails all the same waits longer.
func TestTheFirstSourceToRecoverBringsTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		yaml := `
upstreams: {plant: {http: http://plant.example}, other: {http: http://other.example}}
sources:
  elsewhere: {http: {upstream: other, path: /}, every: 30s}
  broken: {http: {upstream: plant, path: /}}
`
		for i := range 50 {
			yaml += fmt.Sprintf("  s%d: {http: {upstream: plant, path: /}, jitter: 10%%}\n", i)
		}
		p := newPolling(t, yaml)
		p.say(func(string) (any, error) { return nil, errors.New("broken") })
		time.Sleep(time.Hour)
		p.say(func(name string) (any, error) {
			if name == "broken" || name == "elsewhere" {
				return nil, errors.New("broken")
			}
			return 1.0, nil
		})
		recovered := func() (n int) {
			synctest.Wait()
			for i := range 50 {
				if p.now(fmt.Sprint("s", i))["state"] == "ok" {
					n++
				}
			}
			return n
		}
		for recovered() == 0 {
			time.Sleep(time.Second)
		}
		elsewhere := len(p.polled("elsewhere"))
		time.Sleep(34 * time.Second)
		if n := recovered(); n != 50 {
			t.Errorf("%d sources have recovered 34s after the first, want all 50", n)
		}
		if n := len(p.polled("elsewhere")) - elsewhere; n > 1 {
			t.Errorf("a source of another upstream was polled %d times, want its backoff to go on", n)
		}
		if now := p.now("s7"); now["waiting"] != "" {
			t.Errorf("snapshot %v, want it to wait for nothing", now)
		}
		if n := p.during("broken", time.Hour); n < 12 || n > 15 {
			t.Errorf("what is still broken was polled %d times in an hour, want it every 5 minutes", n)
		}
	})
}
