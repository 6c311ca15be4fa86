package gateway_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/api"
	"github.com/tidewire/tidewire/internal/gateway"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/sse/ssetest"
)

// A plant is a gateway in a bubble, with the upstream that it polls and the webhooks that it
// calls. It keeps a diary of how the alert of its source tank changed and which calls came.
type plant struct {
	t       *testing.T
	gateway *bubble
	log     lockedBuffer
	begun   time.Time
	steps   map[int]time.Duration // how far the wall clock is set ahead, by second

	mu    sync.Mutex // guards the fields below
	level string     // that the upstream answers; "down": it fails; "hung": it does not
	diary []string
}

// alerting is a configuration with one source that is polled every 10 s, after a failure
// too, and has that alert.
func alerting(alert string) string {
	return `
upstreams: {plant: {http: http://plant.example}}
notify:
  ops: {http: {url: http://ops.example/x, body: "{source} {state} at {value} since {since} {error}"}}
  lead: {http: {url: http://lead.example/x, body: "{state}"}}
sources:
  tank:
    http: {upstream: plant, path: /tank}
    every: 10s
    jitter: 0
    timeout: 1h
    backoff: {min: 10s, max: 10s}
    stale_after: 25s
    pick: {level: .level}
    alert: ` + alert + "\n"
}

// newPlant starts a plant whose upstream answers that level at first.
func newPlant(t *testing.T, yaml, level string) *plant {
	t.Helper()
	cfg := load(t, yaml)
	// Begun at a time of the tank, so that its polls are 10 s apart from the first one on.
	time.Sleep(time.Until(smartpoll.Every(10 * time.Second).Spread("tank").Next(time.Now())))
	p := &plant{t: t, begun: time.Now().Truncate(time.Millisecond), level: level} // as exact as snapshots are
	server := ssetest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		level := p.level
		p.mu.Unlock()
		switch body, _ := io.ReadAll(r.Body); {
		case r.Host != "plant.example":
			p.write("%s: %s", strings.TrimSuffix(r.Host, ".example"), strings.TrimSpace(string(body)))
		case level == "down":
			w.WriteHeader(http.StatusInternalServerError)
		case level == "hung":
			<-r.Context().Done()
		default:
			fmt.Fprintf(w, `{"level": %s}`, level)
		}
	}))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of the gateway:\n%s", &p.log)
		}
	})
	p.gateway = newBubble(t, cfg, &p.log, server.Client.Transport)
	return p
}

// write puts a line with the time into the diary.
func (p *plant) write(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	line := fmt.Sprintf(format, args...)
	p.diary = append(p.diary, fmt.Sprintf("%v %s", time.Since(p.begun).Truncate(time.Millisecond), p.relative(line)))
}

// relative replaces the times of a line by those since the plant began.
func (p *plant) relative(line string) string {
	words := strings.Split(line, " ")
	for i, word := range words {
		if at, err := time.Parse(time.RFC3339, word); err == nil {
			words[i] = p.since(at).String()
		}
	}
	return strings.Join(words, " ")
}

// since is how long after the plant began a time is. Clocks are set by whole hours.
func (p *plant) since(at time.Time) time.Duration {
	d := at.Sub(p.begun)
	return d - d.Round(time.Hour)
}

// tank is the source as the API answers it.
func (p *plant) tank() (snap struct {
	State string
	Alert *struct {
		State string
		Since time.Time
		Error string
	}
}) {
	p.t.Helper()
	w := p.gateway.do("GET", "/api/v1/sources/tank", "")
	if err := json.Unmarshal(w.Body.Bytes(), &snap); err != nil || !strings.Contains(w.Body.String(), `"alert":`) {
		p.t.Fatalf("GET tank = %d %s", w.Code, w.Body)
	}
	return snap
}

// runs has the upstream answer levels from the given seconds on, and returns the diary of
// so many seconds.
func (p *plant) runs(seconds int, levels map[int]string) []string {
	p.t.Helper()
	alert := "clear"
	for now := range seconds {
		if level, ok := levels[now]; ok {
			p.mu.Lock()
			p.level = level
			p.mu.Unlock()
		}
		if d, ok := p.steps[now]; ok {
			p.gateway.step(d)
		}
		synctest.Wait()
		is := "clear"
		if a := p.tank().Alert; a != nil {
			is = fmt.Sprintf("%s since %v %s", a.State, p.since(a.Since), a.Error)
		}
		if is != alert {
			alert = is
			p.write("alert %s", strings.TrimSpace(is))
		}
		time.Sleep(time.Second)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	slices.SortStableFunc(p.diary, func(a, b string) int { // at one time: alerts first, calls by name
		x, _, _ := strings.Cut(a, " ")
		y, _, _ := strings.Cut(b, " ")
		if x == y {
			return strings.Compare(a, b)
		}
		return 0
	})
	return p.diary
}

func TestAlerts(t *testing.T) {
	if gateway.Lag > 0 {
		t.Skip("alerts of sources follow no store")
	}
	const high = "{if: .level > 90, for: 1m, notify: ops}"
	for _, tt := range []struct {
		name, alert string
		levels      map[int]string // by second; polls are at 0, 10, 20 and so on
		want        []string
	}{
		{"it fires when the condition has held for long enough, and is resolved when it does no more", high,
			map[int]string{35: "95", 115: "50"},
			[]string{
				"40s alert pending since 40s",
				"1m40s alert firing since 40s", "1m40s ops: tank firing at 95 since 40s",
				"2m0s alert clear", "2m0s ops: tank resolved at 50 since 40s",
			}},
		{"a condition that holds for less is nothing", high,
			map[int]string{35: "95", 85: "50"},
			[]string{"40s alert pending since 40s", "1m30s alert clear"}},
		{"the time begins anew with the condition", high,
			map[int]string{35: "95", 85: "50", 95: "95"},
			[]string{
				"40s alert pending since 40s", "1m30s alert clear", "1m40s alert pending since 1m40s",
				"2m40s alert firing since 1m40s", "2m40s ops: tank firing at 95 since 1m40s",
			}},
		{"a time that ends between polls ends then", "{if: .level > 90, for: 15s, notify: ops}",
			map[int]string{35: "95"},
			[]string{"40s alert pending since 40s", "55s alert firing since 40s", "55s ops: tank firing at 95 since 40s"}},
		{"without a time it fires at once", "{if: .level > 90, notify: [ops, lead]}",
			map[int]string{35: "95", 45: "50", 55: "91"},
			[]string{
				"40s alert firing since 40s", "40s lead: firing", "40s ops: tank firing at 95 since 40s",
				"50s alert clear", "50s lead: resolved", "50s ops: tank resolved at 50 since 40s",
				"1m0s alert firing since 1m0s", "1m0s lead: firing", "1m0s ops: tank firing at 91 since 1m0s",
			}},
		{"a failure clears nothing", "{if: .level > 90, notify: ops}",
			map[int]string{35: "95", 45: "down", 75: "95", 85: "down", 95: "50"},
			[]string{"40s alert firing since 40s", "40s ops: tank firing at 95 since 40s", "1m40s alert clear", "1m40s ops: tank resolved at 50 since 40s"}},
		{"a failure sets nothing off: the next value decides", high,
			map[int]string{35: "95", 75: "down", 125: "95"},
			[]string{"40s alert pending since 40s", "2m10s alert firing since 40s", "2m10s ops: tank firing at 95 since 40s"}},
		{"a value that jumps between failures", high,
			map[int]string{35: "95", 45: "down", 115: "50", 125: "down", 135: "95"},
			[]string{
				"40s alert pending since 40s", "2m0s alert clear", "2m20s alert pending since 2m20s",
				"3m20s alert firing since 2m20s", "3m20s ops: tank firing at 95 since 2m20s",
			}},
		{"nobody need be told", "{if: .level > 90}",
			map[int]string{35: "95"},
			[]string{"40s alert firing since 40s"}},
		{"a condition that is neither true nor false", "{if: 'if .level > 100 then .level else .level > 90 end', for: 15s, notify: ops}",
			map[int]string{15: "101", 35: "95", 55: "101", 75: "95", 85: "102", 95: "50"},
			[]string{
				"20s alert unknown since 20s alert: if .level > 100 then .level else .level > 90 end gives 101, want true or false",
				"40s alert pending since 40s",
				"55s alert firing since 40s", "55s ops: tank firing at 95 since 40s",
				"1m0s alert firing since 40s alert: if .level > 100 then .level else .level > 90 end gives 101, want true or false",
				"1m20s alert firing since 40s",
				"1m30s alert firing since 40s alert: if .level > 100 then .level else .level > 90 end gives 102, want true or false",
				"1m40s alert clear", "1m40s ops: tank resolved at 50 since 40s",
			}},
		{"a condition that fails while it is pending does not fire", "{if: 'if .level > 100 then error(\"no\") else .level > 90 end', for: 15s, notify: ops}",
			map[int]string{35: "95", 45: "101", 65: "95"},
			[]string{
				"40s alert pending since 40s", `50s alert pending since 40s alert: jq: if .level > 100 then error("no") else .level > 90 end: no`,
				"1m10s alert firing since 40s", "1m10s ops: tank firing at 95 since 40s",
			}},
		{"without a condition it is that the source is stale", "{for: 30s, notify: ops}",
			map[int]string{35: "down", 55: "50", 75: "down", 115: "50"},
			[]string{
				"40s alert pending since 40s", "1m0s alert clear",
				"1m20s alert pending since 1m20s",
				"1m50s alert firing since 1m20s", "1m50s ops: tank firing at 50 since 1m20s GET http://plant.example/tank: 500 Internal Server Error",
				"2m0s alert clear", "2m0s ops: tank resolved at 50 since 1m20s",
			}},
		{"or failing", "{notify: ops, grace: 0}",
			map[int]string{0: "down", 15: "50"},
			[]string{
				"0s alert firing since 0s", "0s ops: tank firing at  since 0s GET http://plant.example/tank: 500 Internal Server Error",
				"20s alert clear", "20s ops: tank resolved at 50 since 0s",
			}},
		{"a value that swings around its threshold is one alert", "{if: .level > 90, clear: .level < 85, notify: ops}",
			map[int]string{35: "95", 45: "89", 55: "91", 65: "86", 75: "84"},
			[]string{
				"40s alert firing since 40s", "40s ops: tank firing at 95 since 40s",
				"1m20s alert clear", "1m20s ops: tank resolved at 84 since 40s",
			}},
		{"what does not fire needs no end", "{if: .level > 90, for: 30s, clear: .level < 85, notify: ops}",
			map[int]string{35: "95", 55: "89", 65: "95"},
			[]string{
				"40s alert pending since 40s", "1m0s alert clear", "1m10s alert pending since 1m10s",
				"1m40s alert firing since 1m10s", "1m40s ops: tank firing at 95 since 1m10s",
			}},
		{"the end holds for long enough, and is counted anew", "{if: .level > 90, clear_for: 25s, notify: ops}",
			map[int]string{35: "95", 45: "50", 65: "95", 75: "50"},
			[]string{
				"40s alert firing since 40s", "40s ops: tank firing at 95 since 40s",
				"1m45s alert clear", "1m45s ops: tank resolved at 50 since 40s",
			}},
		{"a failure ends nothing: the next value decides", "{if: .level > 90, clear: .level < 85, clear_for: 25s, notify: ops}",
			map[int]string{35: "95", 45: "50", 55: "down", 95: "50"},
			[]string{
				"40s alert firing since 40s", "40s ops: tank firing at 95 since 40s",
				"1m40s alert clear", "1m40s ops: tank resolved at 50 since 40s",
			}},
		{"an end that is neither true nor false", "{if: .level > 90, clear: .level, notify: ops}",
			map[int]string{35: "95", 45: "50"},
			[]string{
				"40s alert firing since 40s", "40s ops: tank firing at 95 since 40s",
				"50s alert firing since 40s alert: clear: .level gives 50, want true or false",
			}},
		{"without a condition it ends when the source has been ok for long enough", "{clear_for: 25s, notify: ops}",
			map[int]string{35: "down", 55: "50", 75: "down", 95: "50"},
			[]string{
				"40s alert firing since 40s", "40s ops: tank firing at 50 since 40s GET http://plant.example/tank: 500 Internal Server Error",
				"2m5s alert clear", "2m5s ops: tank resolved at 50 since 40s",
			}},
		{"it fires when the condition has held on so many polls in a row", "{if: .level > 90, after: 3, notify: ops}",
			map[int]string{35: "95", 55: "50", 65: "95", 95: "50"},
			[]string{
				"40s alert pending since 40s", "1m0s alert clear", "1m10s alert pending since 1m10s",
				"1m30s alert firing since 1m10s", "1m30s ops: tank firing at 95 since 1m10s",
				"1m40s alert clear", "1m40s ops: tank resolved at 50 since 1m10s",
			}},
		{"and for long enough", "{if: .level > 90, for: 25s, after: 2, notify: ops}",
			map[int]string{35: "95"},
			[]string{"40s alert pending since 40s", "1m5s alert firing since 40s", "1m5s ops: tank firing at 95 since 40s"}},
		{"a failed poll is none on which a condition holds, nor one on which it does not", "{if: .level > 90, after: 3, notify: ops}",
			map[int]string{35: "95", 45: "down", 55: "95"},
			[]string{"40s alert pending since 40s", "1m10s alert firing since 40s", "1m10s ops: tank firing at 95 since 40s"}},
		{"without a condition failed polls are counted, and that the value is too old is none", "{after: 4, notify: ops}",
			map[int]string{35: "down", 75: "50"},
			[]string{
				"40s alert pending since 40s",
				"1m10s alert firing since 40s", "1m10s ops: tank firing at 50 since 40s GET http://plant.example/tank: 500 Internal Server Error",
				"1m20s alert clear", "1m20s ops: tank resolved at 50 since 40s",
			}},
		{"a source that has had no value yet is given a minute", "{notify: ops}",
			map[int]string{0: "down", 45: "50"},
			[]string{"0s alert pending since 0s", "50s alert clear"}},
		{"or as long as it says", "{grace: 25s, notify: ops}",
			map[int]string{0: "down", 45: "50"},
			[]string{
				"0s alert pending since 0s",
				"25s alert firing since 0s", "25s ops: tank firing at  since 0s GET http://plant.example/tank: 500 Internal Server Error",
				"50s alert clear", "50s ops: tank resolved at 50 since 0s",
			}},
		{"or that no poll has succeeded for long", "{for: 10s, notify: ops}",
			map[int]string{35: "hung"},
			[]string{
				"55s alert pending since 55s",
				"1m5s alert firing since 55s", "1m5s ops: tank firing at 50 since 55s no successful poll for 25 s",
			}},
	} {
		for name, steps := range map[string]map[int]time.Duration{
			"":                          nil,
			", clock set back":          {5: -time.Hour, 62: -24 * time.Hour, 105: -time.Hour},
			", clock set ahead":         {5: time.Hour, 202: time.Hour},
			", clock set ahead to 2200": {5: 200 * 365 * 24 * time.Hour, 8: -200 * 365 * 24 * time.Hour},
		} {
			if contains(name, "ahead") && tt.levels[0] == "down" {
				continue // one more poll, after a gap that may have been, changes when a failure is tried again
			}
			t.Run(tt.name+name, func(t *testing.T) { testAlerts(t, steps, tt.alert, tt.levels, tt.want) })
		}
	}
}

func testAlerts(t *testing.T, steps map[int]time.Duration, alert string, levels map[int]string, want []string) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, alerting(alert), cmp.Or(levels[0], "50"))
		p.steps = steps
		if got := p.runs(220, levels); !slices.Equal(got, want) {
			t.Errorf("it went\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
		}
		for line := range strings.Lines(p.log.String()) {
			if contains(line, "alert") != (contains(line, "alert firing") || contains(line, "alert resolved") || contains(line, "alert condition failed")) {
				t.Errorf("the log has %s", line)
			}
		}
	})
}

// A receiver is a server that webhooks call.
type receiver struct {
	*httptest.Server
	calls chan call
}

// A message carries a value of at most 16 KiB; a larger one is left out, and the message is told.
func TestALargeValueIsLeftOutOfItsMessage(t *testing.T) {
	up := newUpstream(t, "")
	up.does(func(w http.ResponseWriter, r *http.Request) {
		const most = 16 << 10 // with the quotes
		if n := most - 2; r.URL.Path == "/large" {
			fmt.Fprintf(w, "%q", strings.Repeat("x", n+1))
		} else {
			fmt.Fprintf(w, "%q", strings.Repeat("x", n))
		}
	})
	small, large := newReceiver(t), newReceiver(t)
	start(t, fmt.Sprintf(`
upstreams: {plant: {http: %q}}
notify:
  small: {http: {url: %q, headers: {Content-Type: application/json}, body: '{"v": {value}}'}}
  large: {http: {url: %q, headers: {Content-Type: application/json}, body: '{"v": {value}}'}}
sources:
  small: {http: {upstream: plant, path: /small}, every: 1h, alert: {if: true, notify: small}}
  large: {http: {upstream: plant, path: /large}, every: 1h, alert: {if: true, notify: large}}
`, up.URL, small.URL, large.URL))
	small.hears(t, `{"v": "`+strings.Repeat("x", 16<<10-2)+`"}`)
	large.hears(t, `{"v": null}`)
}

// A message has the public address of the page, which people follow.
func TestAMessageLinksToThePage(t *testing.T) {
	up, ops := newUpstream(t, "1"), newReceiver(t)
	start(t, fmt.Sprintf(`
public_url: https://tide.example/below
upstreams: {plant: {http: %q}}
notify: {ops: {http: {url: %q, json: '[.link, .summary]'}}}
sources: {tank: {http: {upstream: plant}, every: 1h, alert: {if: true, grace: 0, notify: ops}}}
`, up.URL, ops.URL))
	ops.hears(t, `["https://tide.example/below","tank is firing: 1"]`)
}

// A call is one that a receiver got.
type call struct {
	body string
	at   time.Time
}

// newReceiver makes a server that answers the calls with one status after the other, and
// 200 after the last; a negative one is no answer at all.
func newReceiver(t *testing.T, statuses ...int) *receiver {
	r := &receiver{calls: make(chan call, 100)}
	var mu sync.Mutex
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		at := time.Now()
		body, _ := io.ReadAll(req.Body)
		mu.Lock()
		status := http.StatusOK
		if len(statuses) > 0 {
			status, statuses = statuses[0], statuses[1:]
		}
		mu.Unlock()
		r.calls <- call{string(body), at}
		if status < 0 {
			<-req.Context().Done()
			return
		}
		w.Header().Set("Retry-After", "2")
		http.Error(w, req.URL.String()+fmt.Sprint(req.Header), status)
	}))
	t.Cleanup(r.Close)
	return r
}

// hears waits for the next call, which must have that body, and returns when it came.
func (r *receiver) hears(t *testing.T, want string) (at time.Time) {
	t.Helper()
	select {
	case got := <-r.calls:
		if got.body != want {
			t.Errorf("the webhook is sent %s, want %s", got.body, want)
		}
		at = got.at
	case <-time.After(patience):
		t.Fatalf("the webhook is not called, want %s", want)
	}
	return at
}

func (r *receiver) quiet(t *testing.T) {
	t.Helper()
	select {
	case got := <-r.calls:
		t.Errorf("the webhook is sent %s, want nothing more", got.body)
	default:
	}
}

// allTold waits until the gateway knows that its receivers have been told everything: a call that a stop breaks off is made
// again.
func (s *server) allTold() {
	s.t.Helper()
	tag := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		_, h, body := s.do("GET", "/api/v1/alerts", "", "If-None-Match", tag, "Prefer", "wait=5")
		var all wire.Alerts
		if json.Unmarshal([]byte(body), &all) == nil && !slices.ContainsFunc(all.Receivers, func(r wire.Receiver) bool { return r.Waiting > 0 }) {
			return
		}
		tag = h.Get("ETag")
	}
	s.t.Fatal("something still waits to be told")
}

func TestWebhooksOverTheNetwork(t *testing.T) {
	t.Parallel()
	up := newUpstream(t, `{"level": 95}`)
	fine, broken, busy, deaf := newReceiver(t), newReceiver(t, 500), newReceiver(t, 429), newReceiver(t, -1, -1)
	s := start(t, fmt.Sprintf(`
upstreams: {plant: {http: %q}}
notify:
  fine: {http: {url: %q, body: "{source} {state}"}}
  broken: {http: {url: %q, body: "{source} {state}"}}
  busy: {http: {url: %q, body: "{source} {state}"}}
  deaf: {http: {url: %q, body: "{source} {state}"}}
sources:
  tank:
    http: {upstream: plant, path: /tank}
    every: 20ms
    stale_after: 1h
    alert: {if: .level > 90, notify: [fine, broken, busy, deaf]}
`, up.URL, fine.URL, broken.URL, busy.URL, deaf.URL))
	for _, r := range []*receiver{deaf, fine, broken} {
		r.hears(t, "tank firing")
	}
	told := busy.hears(t, "tank firing")
	broken.hears(t, "tank firing")
	if took := busy.hears(t, "tank firing").Sub(told); took < 2*time.Second {
		t.Errorf("called again after %v, want the 2 s of Retry-After", took)
	}
	up.say(`{"level": 50}`)
	for _, r := range []*receiver{fine, broken, busy} {
		r.hears(t, "tank resolved")
	}
	stopped := time.Now()
	s.stop()
	if took := time.Since(stopped); took > 8*time.Second {
		t.Errorf("a webhook that hangs holds up the stop for %v", took)
	}
	deaf.hears(t, "tank firing") // the call that the stop broke off, once more
	if !contains(s.log.String(), `msg="alert not told: given up" receiver=deaf`) {
		t.Error("the log does not say what was not told")
	}
}

func TestAlertsOutliveReloads(t *testing.T) {
	up, ops := newUpstream(t, `{"level": 95}`), newReceiver(t)
	with := func(tank, more string) string {
		return fmt.Sprintf(`
upstreams: {plant: {http: %q}}
notify: {ops: {http: {url: %q, body: "{title} {state} {value}"}}}
sources:
  tank: {http: {upstream: plant, path: /tank}, every: 10ms, stale_after: 1h, pick: {level: .level}, %s}
%s`, up.URL, ops.URL, tank, more)
	}
	s := startFile(t, with(`alert: {if: .level > 90, notify: ops}`, ""), 0)
	ops.hears(t, "tank firing 95")
	since := s.source("tank", "ok")["alert"].(object)["since"]

	same := func(what string) {
		t.Helper()
		before := s.source("tank", "ok")["updated_at"]
		got := s.await("another poll", func(v object) bool { return v["key"] == "source/tank" && v["updated_at"] != before })
		if alert, _ := got["alert"].(object); alert["state"] != "firing" || alert["since"] != since {
			t.Errorf("%s: alert = %v, want it firing since %v", what, alert, since)
		}
		ops.quiet(t)
	}
	s.reload(with(`alert: {if: .level > 90, notify: ops}`, `  other: {exec: [echo, "1"]}`))
	same("another source was added")
	s.reload(with(`title: T-101, alert: {if: .level > 80, for: 1h, notify: ops}`, ""))
	same("the source has changed")
	s.reload(with(`title: T-101, alert: {if: .level > 99, notify: ops}`, ""))
	ops.hears(t, "T-101 resolved 95")

	s.reload(with(`alert: {if: .level > 90, notify: ops}`, ""))
	ops.hears(t, "tank firing 95")
	s.reload(with(`title: T-101`, ""))
	s.await("no alert", func(v object) bool { return v["title"] == "T-101" && v["alert"] == nil })
	ops.hears(t, "tank resolved 95") // who knows that it fires is told that it is over
	s.allTold()
	s.stop()
	ops.quiet(t)
}

// What is a credential, of an upstream or of a webhook, is in nothing that the gateway says.
func TestCredentialsAreSaidNowhere(t *testing.T) {
	t.Parallel()
	const canary = "c4n4ry-s3cr3t"
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(canary), 0o600); err != nil {
		t.Fatal(err)
	}
	up, ops, gone := newUpstream(t, ""), newReceiver(t, 404, 500), newUpstream(t, "")
	gone.does(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }) // the connection breaks
	up.does(func(w http.ResponseWriter, r *http.Request) {                              // a server may repeat what it is sent
		w.Header().Set("Content-Type", r.Header.Get("Authorization"))
		switch r.URL.Path {
		case "/text":
			fmt.Fprint(w, r.Header, r.URL)
		case "/status":
			w.Header().Set("Location", "/"+canary)
			w.WriteHeader(http.StatusFound)
		default:
			w.WriteHeader(http.StatusTeapot)
			fmt.Fprint(w, r.Header, r.URL)
		}
	})
	s := start(t, strings.ReplaceAll(fmt.Sprintf(`
upstreams:
  plant: {http: %q, bearer: "SECRET", headers: {X-Key: "key-SECRET"}}
  gone: {http: %q, bearer: "SECRET"}
notify:
  ops: {http: {url: "%s/SECRET?token=SECRET", headers: {Authorization: "Bearer SECRET"}}}
  gone: {http: {url: "%s/SECRET", headers: {X-Key: "SECRET"}}}
defaults: {every: 10ms, backoff: {min: 10ms, max: 10ms}}
sources:
  text: {http: {upstream: plant, path: /text, query: {key: "SECRET"}}, alert: {grace: 0, notify: [ops, gone]}}
  status: {http: {upstream: plant, path: /status}, alert: {grace: 0, notify: [ops, gone]}}
  teapot: {http: {upstream: plant, path: /, query: {key: "SECRET"}}, alert: {grace: 0, notify: ops}, show: {history: 1h}}
  gone: {http: {upstream: gone, path: /, query: {key: "SECRET"}}, alert: {grace: 0, notify: ops}}
jobs:
  say: {exec: [echo, hello]}
`, up.URL, gone.URL, ops.URL, gone.URL), "SECRET", "${file:"+secret+"}"))
	for _, name := range []string{"text", "status", "teapot", "gone"} {
		if got := s.source(name, "failing"); contains(fmt.Sprint(got), canary) {
			t.Errorf("the stream says %v", got)
		}
	}
	for range 3 { // two of them fail
		select {
		case got := <-ops.calls:
			if contains(got.body, canary) {
				t.Errorf("the webhook is sent %s", got.body)
			}
		case <-time.After(patience):
			t.Fatal("the webhook is not called")
		}
	}
	id := s.json(202, "POST", "/api/v1/jobs/say/runs", `{"args": {}}`)["id"].(string)
	s.await("the end of the run", func(v object) bool { return v["status"] == "succeeded" })
	for pattern := range api.Routes() {
		path := strings.NewReplacer("{name}", "teapot", "{job}", "say", "{id}", id).Replace(pattern)
		method, path, _ := strings.Cut(path, " ")
		status, header, body := s.do(method, path, "", "Accept", asJSON, "Cookie", canary, "Authorization", "Bearer "+canary)
		if contains(body, canary) || contains(fmt.Sprint(header), canary) {
			t.Errorf("%s = %d %v\n%s", pattern, status, header, body)
		}
	}
	s.stop()
	log := s.log.String()
	if contains(log, canary) {
		t.Errorf("the log says it:\n%s", log)
	}
	for _, want := range []string{"poll failed", "alert not told, will be tried again", "alert not told: given up", "alert firing"} {
		if !contains(log, want) {
			t.Errorf("the log does not say %q, want everything to go wrong that can", want)
		}
	}
}

// An alert on what is computed fires when an input is down.
func TestAlertsOnWhatIsComputedFromAStaleInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, alerting("{if: .level > 1000}")+"  level: {from: [tank], combine: .tank.value.level, alert: {notify: ops}}\n", "50")
		got := p.runs(100, map[int]string{35: "down", 75: "50"})
		down, up := 40*time.Second+gateway.Lag, 80*time.Second+gateway.Lag // when level is computed
		want := []string{
			fmt.Sprintf("%v ops: level firing at 50 since %[1]v input tank: 500 Internal Server Error", down),
			fmt.Sprintf("%v ops: level resolved at 50 since %v", up, down),
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("it went\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}
