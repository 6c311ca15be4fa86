package gateway_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/gateway"
	"github.com/tidewire/tidewire/sse"
)

// happened are the events that a query has, newest first, each as "kind of what: text".
func (s *server) happened(query string, header ...string) (all []string) {
	s.t.Helper()
	for _, e := range s.json(http.StatusOK, "GET", "/api/v1/events"+query, "", header...)["events"].([]any) {
		e := e.(object)
		all = append(all, strings.TrimSpace(fmt.Sprintf("%v %s%s %s", e["kind"], str(e["source"]), str(e["job"]), str(e["who"])))+": "+e["text"].(string))
	}
	return all
}

func TestEventsOfAGateway(t *testing.T) {
	plant := newUpstream(t, `{"level": 40}`)
	s := startFile(t, fmt.Sprintf(`
upstreams: {plant: {http: %q}}
sources:
  tank:
    http: {upstream: plant, path: /}
    every: 1h
    pick: {level: .level}
    alert: {if: .level > 50, notify: hook}
notify: {hook: {http: %q}}
jobs: {scan: {exec: ['true', '{pin}'], args: {pin: {secret: true}}}}
`, plant.URL, plant.URL+"/hook?token=hush"), 0)
	s.source("tank", "ok")
	plant.say(`{"level": 60}`)
	s.json(202, "POST", "/api/v1/sources/tank/refresh", "")
	s.await("the alert", func(v object) bool { return v["alert"] != nil })
	until(t, "the receiver is told", func() bool { return len(s.happened("?kind=told&source=tank")) == 1 })
	plant.does(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	s.json(202, "POST", "/api/v1/sources/tank/refresh", "")
	s.source("tank", "stale")
	s.ended(of(s.json(202, "POST", runs, `{"args":{"pin":"hush"}}`), "id"))
	s.json(200, "POST", "/api/v1/config/reload", "")
	got := s.happened("")
	slices.Reverse(got)
	want := []string{
		"start: started", "alert tank: firing", "told tank: hook was told: tank is firing: 60", "state tank: stale: ", "run scan anonymous: started",
		"run scan tidewire: succeeded after ", "reload  anonymous: nothing changed",
	}
	if len(got) != len(want) {
		t.Fatalf("the events are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for i := range got {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("event %d is %s, want %s", i, got[i], want[i])
		}
	}
	if _, _, body := s.do("GET", "/api/v1/events", ""); contains(body, "hush") {
		t.Errorf("an event has a secret:\n%s", body)
	}
}

// Who did something, and who signed in, is for those who manage the gateway.
func TestEventsOfPeopleAreForAdmins(t *testing.T) {
	s := startConfig(t, guardedConfig(t, config.RoleViewer))
	s.json(200, "POST", "/auth/token", `{"token":"viewer-secret"}`)
	s.json(401, "POST", "/auth/token", `{"token":"wrong"}`)
	s.json(202, "POST", runs, `{}`, bearer("operator")...)
	want := []string{"run scan operator: started", "sign-in: refused", "sign-in  viewer: signed in", "start: started"}
	if got := s.happened("", bearer("admin")...); !slices.Equal(got, want) {
		t.Errorf("an admin gets %q, want %q", got, want)
	}
	for _, who := range []string{"viewer", "operator", "scanner"} {
		if got, want := s.happened("", bearer(who)...), []string{"run scan: started", "start: started"}; !slices.Equal(got, want) {
			t.Errorf("%s gets %q, want %q", who, got, want)
		}
		s.json(403, "GET", "/api/v1/events?kind=run,sign-in", "", bearer(who)...)
		s.json(403, "GET", "/api/v1/events?kind=sign-out", "", append(bearer(who), "Accept", "text/event-stream")...)
		var streamed []string
		s.events("/api/v1/events", "", func(ev sse.Event) bool {
			streamed = append(streamed, str(decode(t, ev.Data)["who"])+str(decode(t, ev.Data)["kind"]))
			return len(streamed) < 2
		}, append(bearer(who), "Accept", "text/event-stream")...)
		if want := []string{"start", "run"}; !slices.Equal(streamed, want) {
			t.Errorf("%s gets the stream %q, want %q", who, streamed, want)
		}
	}
	s.json(401, "GET", "/api/v1/events?kind=sign-in", "")
}

// A list waits for the next event.
func TestALongPollOfEvents(t *testing.T) {
	s := startConfig(t, guardedConfig(t, config.RoleNone))
	_, header, _ := s.do("GET", "/api/v1/events?kind=run", "", bearer("admin")...)
	next := make(chan []string)
	go func() {
		next <- s.happened("?kind=run", append(bearer("admin"), "Prefer", "wait=20", "If-None-Match", header.Get("ETag"))...)
	}()
	s.json(202, "POST", runs, `{}`, bearer("admin")...)
	if got := <-next; !slices.Equal(got, []string{"run scan admin: started"}) {
		t.Errorf("the long poll is answered with %q, want the start", got)
	}
}

// What happened before, and who was signed in, is known after a restart.
func TestEventsAndSessionsOutliveARestart(t *testing.T) {
	cfg := guardedConfig(t, config.RoleNone)
	cfg.Store, cfg.Sources = &config.Store{Dir: t.TempDir()}, nil
	s := startConfig(t, cfg)
	s.jar()
	s.json(200, "POST", "/auth/token", `{"token":"operator-secret"}`)
	var last string
	s.events("/api/v1/events", "", func(ev sse.Event) bool { last = ev.ID; return false }, "Accept", "text/event-stream")
	jar := s.client.Jar // cookies do not depend on the port
	s.stop()

	s = startConfig(t, cfg)
	s.client = &http.Client{Jar: jar}
	if got := of(s.json(200, "GET", "/api/v1/me", ""), "name"); got != "operator" {
		t.Errorf("after a restart the browser is signed in as %q, want operator", got)
	}
	want := []string{"start: started", "stop: stopped", "sign-in  operator: signed in", "start: started"}
	if got := s.happened("", bearer("admin")...); !slices.Equal(got, want) {
		t.Errorf("after a restart the events are %q, want %q", got, want)
	}
	var streamed []string
	s.events("/api/v1/events", last, func(ev sse.Event) bool {
		streamed = append(streamed, ev.Name+str(decode(t, ev.Data)["kind"]))
		return len(streamed) < 2
	}, "Accept", "text/event-stream")
	if want := []string{"stop", "start"}; !slices.Equal(streamed, want) {
		t.Errorf("a stream that goes on after a restart has %q, want %q", streamed, want)
	}
	s.do("POST", "/auth/logout", "")
	s.stop()
	s = startConfig(t, cfg)
	s.client = &http.Client{Jar: jar}
	if got := of(s.json(200, "GET", "/api/v1/me", ""), "name"); got == "operator" {
		t.Error("a session that has ended is there again after a restart")
	}
}

// An alert goes on in the next process: its webhook is told once that it fires, and that it is over although that happened
// while nobody looked.
func TestAlertsOutliveARestart(t *testing.T) {
	up, ops := newUpstream(t, `{"level": 95}`), newReceiver(t)
	cfg := load(t, fmt.Sprintf(`
store: {dir: %q}
upstreams: {plant: {http: %q}}
notify: {ops: {http: {url: %q, body: "{source} {state} at {value}"}}}
sources:
  tank: {http: {upstream: plant, path: /}, every: 1h, pick: {level: .level}, alert: {if: .level > 90, notify: ops}}
`, t.TempDir(), up.URL, ops.URL))
	delivered := make(chan error, 10)
	var s *server
	process := func() {
		s = run(t, cfg, gateway.Options{Observer: &gateway.Observer{Alerts: &alert.Observer{
			Told: func(_, _ string, err error) { delivered <- err },
		}}})
	}
	polls := func(level string) object { // what is done before a poll is committed when its value is seen
		up.say(`{"level": ` + level + `}`)
		s.json(202, "POST", "/api/v1/sources/tank/refresh", "")
		return s.await("the value "+level, func(v object) bool { return contains(fmt.Sprint(v["value"]), level) })
	}
	process()
	ops.hears(t, "tank firing at 95")
	if err := <-delivered; err != nil {
		t.Fatal(err)
	}
	since := polls("96")["alert"].(object)["since"]
	s.stop()

	process()
	if is := polls("97")["alert"].(object); is["state"] != "firing" || is["since"] != since {
		t.Errorf("after a restart the alert is %v, want it to fire since %v", is, since)
	}
	s.stop()
	ops.quiet(t)

	up.say(`{"level": 50}`)
	process()
	ops.hears(t, "tank resolved at 50")
	if err := <-delivered; err != nil {
		t.Fatal(err)
	}
	polls("51")
	s.stop()
	process()
	polls("52")
	s.stop()
	ops.quiet(t)
	want := []string{"stop", "start", "stop", "alert", "start", "stop", "start", "stop", "alert", "start"}
	s = startConfig(t, cfg)
	var kinds []string
	for _, e := range s.happened("?kind=start,stop,alert,state,run") {
		kind, _, _ := strings.Cut(e, " ")
		kinds = append(kinds, strings.TrimSuffix(kind, ":"))
	}
	if got := kinds[1:]; !slices.Equal(got, want) {
		t.Errorf("the events are %q, want %q", got, want)
	}
}
