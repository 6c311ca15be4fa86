package sources_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/sources"
	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/snapshot/snapshottest"
)

// A source goes on where the process before was: its value, how old that is, and its error. It is polled at once.
func TestSourcesGoOnAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const yaml = `sources:
  a: {exec: [a], every: 1h, stale_after: 2h}
  old: {exec: [old], every: 1h, stale_after: 2h}
  broken: {exec: [broken], every: 1h}
  never: {exec: [never], every: 1h}
  gone: {exec: [gone], every: 1h, title: Gone}
  sum: {from: [a, old]}
`
		store := sources.NewStore()
		dying := snapshottest.NewProcess(store)
		before := newPollingOn(t, dying, yaml)
		before.say(func(name string) (any, error) {
			if name == "broken" || name == "never" {
				return nil, errors.New("no answer")
			}
			return 42.0, nil
		})
		time.Sleep(90 * time.Minute)
		was := map[string]object{}
		for _, name := range []string{"a", "old", "broken", "never", "sum"} {
			was[name] = before.now(name)
		}
		dying.Kill()
		before.stop()

		gone := make(chan string, 1) // what those who look at a removed source are told
		watch(t, store, "source/gone", func(e snapshot.Entry) {
			if e.State == snapshot.Final {
				gone <- string(e.Data)
			}
		})
		time.Sleep(15 * time.Minute)
		after := startPollingOn(t, store, strings.Replace(yaml, "  gone: {exec: [gone], every: 1h, title: Gone}\n", "", 1))
		after.say(func(name string) (any, error) { return nil, errors.New("not yet") })
		for name, was := range was {
			is := after.now(name)
			if fmt.Sprint(is["value"], is["updated_at"], is["state"], is["error"]) !=
				fmt.Sprint(was["value"], was["updated_at"], was["state"], was["error"]) {
				t.Errorf("%s goes on as %v, want as it was, %v", name, is, was)
			}
		}
		after.run()
		if got := <-gone; !strings.Contains(got, `"removed"`) || !strings.Contains(got, `"Gone"`) {
			t.Errorf("the end of a source that is not configured any more is %s", got)
		}
		if now := after.now("a"); now["state"] != "stale" || now["value"] != 42.0 || !contains(now["error"], "not yet") {
			t.Errorf("after a first poll that failed a is %v, want its value, stale", now)
		}
		after.say(nil)
		time.Sleep(time.Hour)
		if now := after.now("a"); now["state"] != "ok" {
			t.Errorf("after a poll a is %v, want ok", now)
		}
	})
}

// What is too old by now is stale at once.
func TestAValueCanBeStaleAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const yaml = "sources: {a: {exec: [a], every: 1h, stale_after: 2h}, b: {exec: [b], every: 1h, stale_after: 9h}}\n"
		store := sources.NewStore()
		dying := snapshottest.NewProcess(store)
		before := newPollingOn(t, dying, yaml)
		time.Sleep(30 * time.Minute)
		dying.Kill()
		before.stop()
		time.Sleep(4 * time.Hour)
		after := startPollingOn(t, store, yaml)
		if a := after.now("a"); a["state"] != "stale" || a["value"] == nil || !contains(a["error"], "no successful poll for 2 h") {
			t.Errorf("a is %v, want its old value, stale, and why", a)
		}
		release := make(chan struct{})
		defer close(release)
		after.say(func(string) (any, error) {
			<-release
			return nil, errors.New("late")
		})
		after.run()
		if b := after.now("b"); b["state"] != "ok" {
			t.Errorf("b is %v, want ok for 9 hours", b)
		}
		time.Sleep(5 * time.Hour)
		if b := after.now("b"); b["state"] != "stale" {
			t.Errorf("b is %v after 9 hours, want stale", b)
		}
	})
}

// A value that becomes too old while the first poll after a restart is in progress waits for that: the time in which there
// was no process says nothing about the source.
func TestTheFirstPollAfterARestartHasItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const yaml = "sources: {a: {exec: [a], every: 1h, timeout: 5s, stale_after: 2h, alert: {notify: ops}}}\nnotify: {ops: {http: \"http://127.0.0.1:1\"}}\n"
		store := sources.NewStore()
		dying := snapshottest.NewProcess(store)
		before := newPollingOn(t, dying, yaml)
		time.Sleep(90 * time.Minute)
		dying.Kill()
		before.stop()
		got, err := time.Parse(time.RFC3339, before.now("a")["updated_at"].(string))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Until(got.Add(2*time.Hour - time.Second)))
		after := startPollingOn(t, store, yaml)
		var fails atomic.Bool
		after.say(func(string) (any, error) {
			time.Sleep(3 * time.Second)
			if fails.Load() {
				return nil, errors.New("no answer")
			}
			return 43.0, nil
		})
		after.run()
		for range 4 {
			if a := after.now("a"); a["state"] != "ok" || a["alert"] != nil {
				t.Errorf("a is %v during its first poll and after it, want ok", a)
			}
			time.Sleep(time.Second)
		}
		fails.Store(true)
		time.Sleep(2*time.Hour + time.Minute)
		if a := after.now("a"); a["state"] != "stale" || a["alert"] == nil {
			t.Errorf("a is %v when polls fail, want stale, with an alert", a)
		}
	})
}

// A source that another process polls is shown and not polled; what is computed from it follows. When that process dies,
// this one goes on.
func TestASourceOfAnotherProcessIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := sources.NewStore()
		dying := snapshottest.NewProcess(store)
		one := newPollingOn(t, dying, "sources: {a: {exec: [a], every: 1m, stale_after: 10m}}\n")
		one.say(func(string) (any, error) { return "of one", nil })
		const yaml = "sources: {a: {exec: [a], every: 1m, stale_after: 10m}, b: {exec: [b], every: 1m}, copy: {from: [a], pick: {v: .a}}}\n"
		other := newPollingOn(t, store, yaml)
		time.Sleep(10 * time.Minute)
		if polls := other.polled("a"); len(polls) > 0 || len(other.polled("b")) == 0 {
			t.Errorf("the other process has polled a at %v and b at %v, want b alone", polls, other.polled("b"))
		}
		if a := other.now("a"); a["value"] != "of one" || a["state"] != "ok" {
			t.Errorf("in the other process a is %v, want the value of the first one", a)
		}
		if c := other.now("copy"); c["state"] != "ok" || !contains(c["value"], "of one") || c["updated_at"] != other.now("a")["updated_at"] {
			t.Errorf("what is computed from a is %v, want of its value, as old as that", c)
		}
		if _, err := other.Refresh(t.Context(), "a"); err == nil {
			t.Error("a refresh of what another process polls succeeds")
		}
		leave := other.watch("a")
		other.Step(time.Hour) // what follows the clock leaves it alone, too
		time.Sleep(5 * time.Second)
		leave()
		cfg := loadConfig(t, strings.Replace(yaml, "every: 1m", "every: 2m", 1))
		if err := other.Change(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if polls := other.polled("a"); len(polls) > 0 {
			t.Errorf("the other process has polled a at %v, want never", polls)
		}
		was := other.now("a")
		other.say(func(string) (any, error) { return "of the other", nil })
		dying.Kill()
		one.stop()
		time.Sleep(time.Second)
		if a := other.now("a"); a["value"] != "of the other" || len(other.polled("a")) == 0 {
			t.Errorf("after the death of its owner a is %v, and was %v; want it polled by the other", a, was)
		}
		time.Sleep(2 * time.Minute)
		if c := other.now("copy"); !contains(c["value"], "of the other") {
			t.Errorf("what is computed from a is %v", c)
		}
		if got := other.during("a", time.Hour); got != 30 {
			t.Errorf("a is polled %d times in an hour, want every 2 minutes", got)
		}
	})
}

// A source whose owner removes it is polled by those who still have it.
func TestASourceThatItsOwnerRemovesIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := sources.NewStore()
		one := newPollingOn(t, store, "sources: {a: {exec: [a], every: 1m}, b: {exec: [b], every: 1m}}\n")
		other := newPollingOn(t, store, "sources: {a: {exec: [a], every: 1m}, b: {exec: [b], every: 1m}}\n")
		if err := one.Change(t.Context(), loadConfig(t, "sources: {b: {exec: [b], every: 1m}}\n")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if got := other.during("a", time.Hour); got != 60 {
			t.Errorf("a is polled %d times in an hour, want 60", got)
		}
		if got := other.during("b", time.Hour); got != 0 {
			t.Errorf("b is polled %d times by the other process, want never", got)
		}
		// And what it follows it may remove without asking.
		if err := other.Change(t.Context(), loadConfig(t, "sources: {a: {exec: [a], every: 1m}}\n")); err != nil {
			t.Fatal(err)
		}
		if b := one.now("b"); b["state"] != "ok" {
			t.Errorf("b is %v for its owner, want ok", b)
		}
	})
}

// A claim that the store takes away ends the polls, until the topic can be adopted.
func TestASourceThatTheStoreTakesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &takingStore{Store: sources.NewStore(), lost: make(chan struct{})}
		p := newPollingOn(t, store, "sources: {a: {exec: [a], every: 1m}}\n")
		time.Sleep(10 * time.Minute)
		close(store.lost)
		time.Sleep(5 * time.Second)
		if got := p.during("a", time.Hour); got != 0 {
			t.Errorf("a is polled %d times after its claim was lost, want never", got)
		}
		if err := store.first.Release(t.Context()); err != nil { // the store has noticed, too
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if got := p.during("a", time.Hour); got != 60 {
			t.Errorf("a is polled %d times in an hour after it was adopted, want 60", got)
		}
	})
}

// What is due about the age of a source, and about its alert, when the store takes it away is left to its owner.
func TestWhatIsDueWhenTheStoreTakesASourceAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &takingStore{Store: sources.NewStore(), lost: make(chan struct{})}
		p := newPollingOn(t, store, "sources: {a: {exec: [a], every: 1m, alert: {for: 5m}}}\n")
		time.Sleep(10 * time.Minute)
		close(store.lost)
		time.Sleep(5 * time.Second)
		before := string(p.Newest("a"))
		p.Due("a")
		time.Sleep(time.Hour) // nobody polls it: by now it is too old
		p.Due("a")
		time.Sleep(time.Hour)
		if after := string(p.Newest("a")); after != before {
			t.Errorf("without a claim the source became %s, want %s", after, before)
		}
	})
}

// A takingStore loses its first claim.
type takingStore struct {
	snapshot.Store
	first snapshot.Claim
	lost  chan struct{}
}

func (s *takingStore) Claim(ctx context.Context, topic string, opts snapshot.ClaimOptions) (snapshot.Claim, snapshot.Entry, error) {
	claim, entry, err := s.Store.Claim(ctx, topic, opts)
	if claim != nil && s.first == nil {
		s.first = claim
		claim = takenClaim{claim, s.lost}
	}
	return claim, entry, err
}

type takenClaim struct {
	snapshot.Claim
	lost chan struct{}
}

func (c takenClaim) Lost() <-chan struct{} { return c.lost }

// A store that fails is asked again.
func TestAnOrphanOfAStoreThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := sources.NewStore()
		dying := snapshottest.NewProcess(inner)
		one := newPollingOn(t, dying, "sources: {a: {exec: [a], every: 1m}}\n")
		store := &refusingStore{Store: inner, until: time.Now().Add(24 * time.Hour)}
		other := newPollingOn(t, store, "sources: {a: {exec: [a], every: 1m}}\n")
		dying.Kill()
		one.stop()
		time.Sleep(23 * time.Hour)
		if polls := other.polled("a"); len(polls) > 0 {
			t.Fatalf("a is polled at %v without a claim", polls)
		}
		time.Sleep(2 * time.Hour)
		if got := other.during("a", time.Hour); got != 60 {
			t.Errorf("a is polled %d times in an hour, want 60", got)
		}
	})
}

// A refusingStore adopts nothing for a while.
type refusingStore struct {
	snapshot.Store
	until time.Time
}

func (s *refusingStore) Claim(ctx context.Context, topic string, opts snapshot.ClaimOptions) (snapshot.Claim, snapshot.Entry, error) {
	if opts.Adopt != "" && time.Now().Before(s.until) {
		return nil, snapshot.Entry{}, errors.New("out of reach")
	}
	return s.Store.Claim(ctx, topic, opts)
}

// A change that is withdrawn leaves what it adopted.
func TestAChangeThatIsWithdrawnLeavesWhatItAdopted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := sources.NewStore()
		dying := snapshottest.NewProcess(store)
		one := newPollingOn(t, dying, "sources: {a: {exec: [a], every: 1m}}\n")
		time.Sleep(time.Minute)
		dying.Kill()
		one.stop()
		refusing := &refusingStore{Store: store}
		_, err := sources.NewPollingOn(t.Context(), failingClaims{refusing}, loadConfig(t, "sources: {a: {exec: [a]}, b: {exec: [b]}}\n"), nil)
		if err == nil {
			t.Fatal("a store that cannot be reached is no error")
		}
		after := startPollingOn(t, store, "sources: {a: {exec: [a], every: 1m}}\n")
		if a := after.now("a"); a["state"] != "ok" || a["value"] == nil {
			t.Errorf("a goes on as %v, want its value", a)
		}
		after.run()
	})
}

// failingClaims cannot claim source b.
type failingClaims struct{ snapshot.Store }

func (s failingClaims) Claim(ctx context.Context, topic string, opts snapshot.ClaimOptions) (snapshot.Claim, snapshot.Entry, error) {
	if topic == "source/b" {
		return nil, snapshot.Entry{}, errors.New("out of reach")
	}
	return s.Store.Claim(ctx, topic, opts)
}

// A value that the store cannot take makes its source fail, with a sentence.
func TestAValueThatIsTooLargeForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPollingOn(t, smallStore{sources.NewStore()}, "sources: {a: {exec: [a], every: 1m}}\n")
		p.say(func(string) (any, error) { return strings.Repeat("x", 60<<10), nil })
		time.Sleep(2 * time.Minute)
		if a := p.now("a"); a["state"] != "stale" || !contains(a["error"], "the value has 61442 bytes as JSON, and the store takes at most 49152") {
			t.Errorf("a is %v, want that its value is too large", a)
		}
		p.say(nil)
		time.Sleep(10 * time.Minute)
		if a := p.now("a"); a["state"] != "ok" {
			t.Errorf("a is %v after a smaller value, want ok", a)
		}
	})
}

// A smallStore takes no more than 64 KiB.
type smallStore struct{ snapshot.Store }

func (smallStore) MaxData() int { return 64 << 10 }

func contains(v any, part string) bool { return strings.Contains(fmt.Sprint(v), part) }

func loadConfig(t *testing.T, yaml string) *config.Config {
	t.Helper()
	cfg, problems := config.Load("test.yaml", []byte("version: 1\ndefaults: {jitter: 0}\n"+yaml))
	if len(problems) > 0 {
		t.Fatalf("the configuration is not valid:\n%v", problems)
	}
	return cfg
}

// watch has fn called for the entries of a topic until the test ends.
func watch(t *testing.T, store snapshot.Store, topic string, fn func(snapshot.Entry)) {
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = store.Follow(ctx, func(e snapshot.Entry) {
			if e.Topic == topic {
				fn(e)
			}
		}, nil)
	}()
	t.Cleanup(func() { cancel(); <-over })
	synctest.Wait()
}
