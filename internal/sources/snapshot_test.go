package sources_test

import (
	"errors"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/sources"
	"github.com/tidewire/tidewire/snapshot/snapshottest"
)

// A snapshot says since when a source is in its state, also after a poll that changes nothing, and after a restart.
func TestASourceKnowsSinceWhenItIsInItsState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const yaml = `sources: {a: {exec: [a], every: 10s, stale_after: 1h, backoff: {min: 10s, max: 10s}}}`
		store := sources.NewStore()
		dying := snapshottest.NewProcess(store)
		p := newPollingOn(t, dying, yaml)
		begun := at(t, p.now("a")["since"])
		if now := p.Wall(); begun.After(now) || now.Sub(begun) > time.Second {
			t.Errorf("since = %v at %v, want the first poll", begun, now)
		}
		time.Sleep(time.Minute)
		if got := at(t, p.now("a")["since"]); !got.Equal(begun) {
			t.Errorf("since = %v after another poll, want %v", got, begun)
		}
		p.say(func(string) (any, error) { return nil, errors.New("no route") })
		time.Sleep(time.Minute)
		failed := at(t, p.now("a")["since"])
		if ago := p.Wall().Sub(failed); p.now("a")["state"] != "stale" || ago < 50*time.Second || ago > time.Minute {
			t.Errorf("%v since %v ago, want stale for 50 s to a minute", p.now("a")["state"], ago)
		}
		dying.Kill()
		p.stop()
		time.Sleep(time.Minute)
		again := startPollingOn(t, store, yaml)
		again.say(func(string) (any, error) { return nil, errors.New("no route") })
		again.run()
		time.Sleep(time.Minute)
		if got := again.now("a"); got["state"] != "stale" || !at(t, got["since"]).Equal(failed) {
			t.Errorf("%v since %v after a restart, want stale since %v", got["state"], got["since"], failed)
		}
	})
}

// The cause of a failure is its text without what was asked.
func TestACauseIsNotTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolling(t, `sources:
  a: {exec: [a], every: 10s}
  b: {from: [a]}`)
		if got := p.now("a"); got["cause"] != nil || got["kind"] != "exec" || got["inputs"] != nil {
			t.Errorf("cause, kind, inputs = %v, %v, %v, want nil, exec, nil", got["cause"], got["kind"], got["inputs"])
		}
		p.say(func(string) (any, error) {
			return nil, kind.Fail(t.Context(), time.Now(), "GET http://x/a", "connection refused", errors.New("refused"), nil)
		})
		time.Sleep(time.Minute)
		if got := p.now("a"); got["error"] != "GET http://x/a: connection refused" || got["cause"] != "connection refused" {
			t.Errorf("error, cause = %q, %q", got["error"], got["cause"])
		}
		got := p.now("b")
		if got["error"] != "input a: connection refused" || got["cause"] != got["error"] || got["kind"] != "from" || !reflect.DeepEqual(got["inputs"], []any{"a"}) {
			t.Errorf("error, cause, kind, inputs of what is computed = %q, %q, %v, %v", got["error"], got["cause"], got["kind"], got["inputs"])
		}
	})
}

// A snapshot has the pause that is in effect, and why it is not the usual one.
func TestASourceSaysHowOftenItIsPolled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolling(t, `sources:
  a:
    exec: [a]
    every: {normal: 10s, unwatched: 1m, when: [{if: ". > 100", every: 1s}]}
  b: {exec: [b], every: {normal: 10s, unwatched: never}}`)
		want := func(name string, every, pace any) {
			t.Helper()
			if got := p.now(name); got["every"] != every || got["pace"] != pace {
				t.Errorf("%s is polled every %v because of %v, want %v because of %v", name, got["every"], got["pace"], every, pace)
			}
		}
		want("a", "1m", "unwatched")
		want("b", nil, "unwatched")
		leave := p.watch("a")
		time.Sleep(time.Minute)
		want("a", "10s", nil)
		p.say(func(string) (any, error) { return 101.0, nil })
		time.Sleep(time.Minute)
		want("a", "1s", ". > 100")
		leave()
		time.Sleep(time.Minute)
		want("a", "1m", "unwatched")
	})
}
