package sources_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/sources"
	"github.com/tidewire/tidewire/snapshot/snapshottest"
)

// push sends a value, and fails unless that has come to what is wanted: "" is that it counts, "later" that it will.
func (p *polling) push(name, value, want string) {
	p.t.Helper()
	counts, err := p.Push(p.t.Context(), name, kind.Message{Data: []byte(value)})
	got := "later"
	switch {
	case err != nil:
		got = err.Error()
	case counts:
		got = ""
	}
	if got != want && (want == "" || !strings.HasPrefix(got, want)) {
		p.t.Errorf("%s sent to %s is %q, want %q", value, name, got, want)
	}
}

func TestValuesThatAreSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := toldPolling(t, `
sources:
  door: {push: {limit: 3/s}, pick: .v}
  sum: {from: [door], combine: .door.value * 2}
  disk: {exec: [df]}
  both: {from: [sum, disk], needs: any}
`)
		p.wantState("before the first value", "door", "pending", "<nil>", "")
		p.push("door", `{"v": 5}`, "")
		if now := p.now("door"); now["state"] != "ok" || now["value"] != 5.0 { // at once
			t.Errorf("door is %v, want 5", now)
		}
		p.push("door", `{"v"`, "JSON that ends too early")
		p.wantState("broken", "door", "stale", "5", `JSON that ends too early, starts with "{\"v\""`)
		p.push("door", `[]`, "pick: ")
		time.Sleep(time.Second)
		p.push("door", `{"v": 6}`, "")
		p.wantState("fine again", "door", "ok", "6", "")
		time.Sleep(time.Second) // the followers of the store may be late
		if sum := p.now("sum"); sum["value"] != 12.0 {
			t.Errorf("sum is %v, want 12", sum)
		}
		for range 3 {
			p.push("door", `{"v": 7}`, "")
		}
		p.push("door", `{"v": 8}`, "it takes at most 3/s: the next one in ")
		p.push("disk", `1`, sources.ErrNotPushed.Error())
		p.push("none", `1`, sources.ErrNoSource.Error())
		for _, name := range []string{"door", "sum", "disk", "both"} {
			told, _ := p.now(name)["told"].(bool)
			if _, err := p.Refresh(t.Context(), name); told != errors.Is(err, kind.ErrNotAsked) || told != (name == "door" || name == "sum") {
				t.Errorf("told of %s is %v, and a refresh is %v", name, told, err)
			}
		}
	})
}

// Of what comes within at_most the last one counts.
func TestAtMostOfValuesThatAreSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := toldPolling(t, "sources: {door: {push: {}, at_most: 10s}}\n")
		p.push("door", "1", "")
		p.push("door", "2", "later")
		p.push("door", "3", "later")
		p.wantState("within at_most", "door", "ok", "1", "")
		time.Sleep(9 * time.Second)
		p.wantState("after that", "door", "ok", "3", "")
		time.Sleep(10 * time.Second)
		p.push("door", "4", "")
		p.wantState("after that", "door", "ok", "4", "")
	})
}

// A source to which nothing is sent is one that fails, and its alert fires.
func TestADeadMansSwitch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := toldPolling(t, "sources: {beat: {push: {}, stale_after: 5m, alert: {notify: ops}}, calm: {push: {}, alert: {notify: ops}}}\nnotify: {ops: {http: \"http://127.0.0.1:1\"}}\n")
		time.Sleep(5*time.Minute - time.Second)
		p.wantState("for less than 5 minutes", "beat", "pending", "<nil>", "")
		time.Sleep(2 * time.Second)
		p.wantState("for 5 minutes", "beat", "failing", "<nil>", "nothing has come for 5 min")
		if alert, _ := p.now("beat")["alert"].(object); alert["state"] != "firing" {
			t.Errorf("the alert is %v, want firing", alert)
		}
		p.wantState("without stale_after", "calm", "pending", "<nil>", "")
		p.push("beat", "1", "")
		p.wantState("a value", "beat", "ok", "1", "")
		if alert := p.now("beat")["alert"]; alert != nil {
			t.Errorf("the alert is %v, want none", alert)
		}
		time.Sleep(4 * time.Minute)
		p.push("beat", "1", "")
		time.Sleep(4 * time.Minute)
		p.wantState("for 4 minutes", "beat", "ok", "1", "")
		time.Sleep(2 * time.Minute)
		p.wantState("for 6 minutes", "beat", "stale", "1", "nothing has come for 5 min")
		if alert, _ := p.now("beat")["alert"].(object); alert["state"] != "firing" {
			t.Errorf("the alert is %v, want firing", alert)
		}
	})
}

// While there was no process, nothing could come: the time begins anew.
func TestADeadMansSwitchAfterARestart(t *testing.T) {
	for _, away := range []time.Duration{2 * time.Minute, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			const yaml = "sources: {beat: {push: {}, stale_after: 5m, alert: {notify: ops}}}\nnotify: {ops: {http: \"http://127.0.0.1:1\"}}\n"
			store := sources.NewStore()
			dying := snapshottest.NewProcess(store)
			before := newPollingOn(t, dying, yaml)
			before.push("beat", "1", "")
			time.Sleep(time.Second)
			dying.Kill()
			before.stop()
			before.Stop(context.Background())
			time.Sleep(away)
			p := newPollingOn(t, store, yaml)
			t.Cleanup(func() { p.Stop(context.Background()) })
			time.Sleep(4 * time.Minute)
			if now := p.now("beat"); now["alert"] != nil || now["value"] != 1.0 {
				t.Errorf("4 minutes after %v beat is %v, want its value and no alert", away, now)
			}
			time.Sleep(2 * time.Minute)
			if alert, _ := p.now("beat")["alert"].(object); alert["state"] != "firing" {
				t.Errorf("6 minutes after %v beat is %v, want its alert to fire", away, p.now("beat"))
			}
			p.push("beat", "2", "")
			if now := p.now("beat"); now["state"] != "ok" || now["alert"] != nil {
				t.Errorf("after a value beat is %v, want it ok", now)
			}
		})
	}
}

// The machine slept: nothing could come.
func TestADeadMansSwitchAfterASleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := toldPolling(t, "sources: {beat: {push: {}, stale_after: 5m, alert: {notify: ops}}}\nnotify: {ops: {http: \"http://127.0.0.1:1\"}}\n")
		p.push("beat", "1", "")
		p.Step(time.Hour)
		time.Sleep(4 * time.Minute)
		p.wantState("4 minutes after an hour of sleep", "beat", "ok", "1", "")
		time.Sleep(2 * time.Minute)
		p.wantState("6 minutes after it", "beat", "stale", "1", "nothing has come for 5 min")
	})
}

// A value that is sent while the source is exchanged counts.
func TestValuesThatAreSentDuringReloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := toldPolling(t, "sources: {door: {push: {limit: 1000/s}, title: 0}}\n")
		stop := make(chan struct{})
		go func() {
			defer close(stop)
			for i := range 100 {
				p.change("sources: {door: {push: {limit: 1000/s}, title: " + strings.Repeat("x", i+1) + "}}\n")
				time.Sleep(time.Millisecond)
			}
		}()
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if counts, err := p.Push(t.Context(), "door", kind.Message{Data: []byte("1")}); err != nil || !counts {
				t.Errorf("value %d during a reload: %t, %v, want it to count", i, counts, err)
			}
			time.Sleep(500 * time.Microsecond)
		}
	})
}
