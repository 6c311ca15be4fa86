package e2e_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/access/issuertest"
	"github.com/tidewire/tidewire/internal/kind/all"
	"github.com/tidewire/tidewire/internal/scripttest"
)

// whole is a configuration with sources in every state and jobs of every kind. Nothing in
// it happens by itself after the first polls, so that what does not change can be asked for.
func whole(t *testing.T, plant, dying *upstream, issuer *issuertest.Issuer, s *scripttest.Script, stay string) string {
	return fmt.Sprintf(`
defaults: {every: 1h, jitter: 0, backoff: {min: 1h, max: 1h}}
upstreams:
  plant: {http: %[1]q}
  dying: {http: %[2]q}
  nobody: {http: "http://127.0.0.1:1"}
  slow: {http: %[1]q, limit: 1/d}
notify:
  ops: {http: %[1]q}
sources:
  tank:
    title: Tank T-101
    http: {upstream: plant, path: /tank}
    pick: {level: .level, pump: .pump}
    show: {value: level, unit: "%%", min: 0, max: 100, decimals: 1, history: 1h}
    alert: {if: .level > 10, notify: ops}
  well: {http: {upstream: dying, path: /}, alert: {notify: ops}}
  lost: {http: {upstream: nobody, path: /}}
  limited: {http: {upstream: slow, path: /}}
  site: {from: [tank, well], needs: none, combine: "[.[].state]"}
  hello: {exec: [echo, hello], alert: {if: ". > 5 and (.x | length) > 2", for: 1m, notify: ops}}
  count: {exec: [echo, "5"], parse: json, show: {history: 1h}}
  quiet: {exec: [echo, hello], every: {normal: 1h, unwatched: never}}
  deaf: {told: nothing}
  door: {push: {}, pick: .open}
  gate: {push: {limit: 3/d}, at_most: 1h}
hooks:
  deploy: {job: named, verify: {token: hook-secret}, when: '.who != "nobody"', args: {who: .who}}
  alone: {job: alone, verify: {token: hook-secret}}
  rare: {job: rare, verify: {token: hook-secret}}
  chat: {job: named, verify: {slack: chat-secret}, args: {who: .who}}
jobs:
  scan:
    title: Scan
    exec: %[3]s
    args:
      subnet: {type: cidr, title: Subnet, default: 10.0.4.0/24}
      n: {type: int, default: 3, min: 1, max: 5}
      mode: {type: enum, values: [slow, fast], default: slow}
      note: {default: ""}
      sure: {type: bool, default: false}
      ratio: {type: number, default: 0.5}
      host: {type: host, default: plc.example.com}
      page: {type: url, default: "https://example.com/x"}
      must: {default: ""}
    progress: '(?P<percent>\d+)%% (?P<message>.*)'
    confirm: Really?
    group: scans
  line: {exec: %[5]s, args: {x: {default: a}}, on_busy: queue, queue: 1}
  alone: {exec: %[4]s, on_busy: reject}
  newest: {exec: [echo, done], on_busy: replace, keep: {runs: 1}}
  rare: {exec: [echo, done], limit: 1/d, then: {refresh: tank}}
  yearly: {exec: ["false"], at: {cron: "@yearly", zone: UTC}}
  ask: {http: {upstream: plant, path: /jobs/ask}, args: {x: {type: int, default: 1}}}
  named: {exec: [echo, "{who}"], args: {who: {pattern: "[a-z]+"}}}
  hushed: {exec: [echo, "{pin}"], args: {pin: {default: "", secret: true}}}
  mine: {exec: ["true"], roles: admin}
  left: {exec: [cp, %[12]q, "{run_dir}"], results: [tank], keep: {runs: 1}}
  stays: {exec: [sh, -c, 'trap "" TERM; echo "::progress 10 stays"; while [ ! -e %[6]s ]; do sleep 0.1; done']}
access:
  tokens:
    admin: {sha256: "%[7]x", role: admin}
    operator: {sha256: "%[8]x", role: operator}
    viewer: {sha256: "%[9]x", role: viewer}
  oidc: {issuer: %[10]s, client_id: %[11]s, groups: {ops: operator}}
  proxy: {trust: [127.0.0.1], groups: {ops: viewer}, role: none}
`, plant.url, dying.url,
		s.Argv("{subnet}", "{n}", "{mode}", "{note}", "{sure}", "{ratio}", "{host}", "{page}", "{must}"), s.Argv(), s.Argv("{x}"), stay,
		sha256.Sum256([]byte("admin-secret")), sha256.Sum256([]byte("operator-secret")), sha256.Sum256([]byte("viewer-secret")),
		issuer.URL, issuertest.ClientID, filepath.Join(filepath.Dir(stay), "tank"))
}

// What is described and not seen here, and why.
var unseen = map[string]string{
	"triggerRun 410":   "the run of the Idempotency-Key has to expire within the request",
	"takeDelivery 410": "as for triggerRun",
	"takeDelivery 400": "the body has to end too early",

	"stream 503":    "streams are turned away while they drain, when the listener is closed: only a connection that is there can ask",
	"runEvents 503": "as for stream",

	"listEvents 503":      "the disk has to fail; TestEventsThatCannotBeRead has it so",
	"getHistory 503":      "as for listEvents",
	"getPolls 503":        "as for listEvents",
	"getBadge 503":        "as for listEvents",
	"getAvailability 503": "as for listEvents",
	"listRuns 503":        "as for listEvents",
	"listJobRuns 503":     "as for listEvents",
	"runOutput 503":       "as for listEvents",
	"runFile 503":         "as for listEvents",

	"listSources 503":  "a replica has to be cut off from its store; TestReplicasDoNotGoBack has it so",
	"getSource 503":    "as for listSources",
	"listJobs 503":     "as for listSources",
	"getJob 503":       "as for listSources",
	"getRun 503":       "as for listSources",
	"getTrends 503":    "as for listSources",
	"listAlerts 503":   "as for listSources",
	"listSilences 503": "as for listSources",
	"listReplicas 503": "as for listSources",

	"makeSilence 409": "there have to be 1000 silences",

	"refreshSource 504":    "another replica has to be silent; TestReplicasThatDoNotAnswer has it so",
	"triggerRun 504":       "as for refreshSource",
	"cancelRun 503":        "as for refreshSource",
	"cancelRun 504":        "as for refreshSource",
	"getQueue 503":         "as for refreshSource",
	"getQueue 504":         "as for refreshSource",
	"getPolls 504":         "as for refreshSource",
	"runOutput 504":        "as for refreshSource",
	"runFile 504":          "as for refreshSource",
	"pushValue 504":        "as for refreshSource",
	"takeDelivery 504":     "as for refreshSource",
	"acknowledgeAlert 503": "as for refreshSource",
	"acknowledgeAlert 504": "as for refreshSource",

	"completeSignIn 503": "the provider has to be slow or away within one sign-in; TestASlowProviderHoldsFew has it so",
}

// drawn returns the page at url as admin gets it. Pages are no part of the API.
func drawn(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer admin-secret")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("GET %s = %d, %v", url, resp.StatusCode, err)
	}
	return string(page)
}

// Every operation of the API, with every answer that is described for it, is as described.
func TestTheAPIIsAsDescribed(t *testing.T) {
	plant, dying := newUpstream(t, `{"level": 41.25, "pump": true}`), newUpstream(t, `[1, {"a": null}]`)
	issuer := issuertest.New(t)
	issuer.Behave(issuertest.Behaviour{Metadata: map[string]any{"end_session_endpoint": issuer.URL + "/logout"}})
	work := scripttest.New(t)
	stay := filepath.Join(t.TempDir(), "go")
	if err := os.WriteFile(filepath.Join(filepath.Dir(stay), "tank"), []byte("41.25"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(all.Extend(toldKind))
	yaml := whole(t, plant, dying, issuer, work, stay)
	s := serve(t, yaml)
	c := newContract(t, s.url)
	c.header.Set("Authorization", "Bearer admin-secret")

	// Sources, in each of their states.
	states := map[string]string{}
	await := func(what string) {
		t.Helper()
		c.stream("/api/v1/stream", func(v map[string]any) bool {
			if state, ok := v["state"].(string); ok {
				states[v["name"].(string)] = state
			}
			return v["key"] != nil && strings.Contains(fmt.Sprint(states), what)
		})
	}
	for _, what := range []string{"count:ok", "hello:ok", "limited:ok", "lost:failing", "site:ok", "tank:ok", "well:ok"} {
		await(what)
	}
	dying.kill()
	c.do(202, "POST", "/api/v1/sources/well/refresh", "")
	await("well:stale")
	c.do(202, "POST", "/api/v1/sources/site/refresh", "")
	await("tank:ok")
	for _, name := range []string{"tank", "well", "lost", "limited", "site", "hello", "count", "quiet"} {
		c.do(200, "GET", "/api/v1/sources/"+name, "")
	}
	c.do(429, "POST", "/api/v1/sources/limited/refresh", "")
	c.do(409, "POST", "/api/v1/sources/deaf/refresh", "")
	c.do(200, "GET", "/api/v1/sources/tank/history?field=level&since=1h&points=10", "")
	c.do(200, "GET", "/api/v1/sources/tank/history?since=2026-11-21T18:40:00Z", "")
	c.do(200, "GET", "/api/v1/sources/count/history?field=", "")
	c.do(400, "GET", "/api/v1/sources/tank/history?points=1", "")
	c.do(404, "GET", "/api/v1/sources/hello/history", "") // remembers nothing

	for query, status := range map[string]int{"": 200, "?show=state": 200, "?show=value": 200, "?show=availability&window=7d&label=Up": 200, "?show=x": 400} {
		c.do(status, "GET", "/badge/tank.svg"+query, "")
	}
	c.do(404, "GET", "/badge/none.svg", "")

	// Jobs and runs, with each way to end.
	idle := c.object(200, "GET", "/api/v1/jobs/scan", "")
	if idle["last_run"] != nil {
		t.Errorf("a job that has not run has the run %v", idle["last_run"])
	}
	const scan = "/api/v1/jobs/scan/runs"
	run := c.object(202, "POST", scan, `{"args":{"must":"x","note":"hush"}}`, "Prefer", "respond-async", "Idempotency-Key", "one")
	process := work.Begun()
	path := "/api/v1/runs/" + run["id"].(string)
	c.stream(path+"/events", func(v map[string]any) bool { process.Print("37% found"); return v["percent"] == 37. })
	c.do(202, "POST", scan, `{"args":{"must":"x","note":"hush"}}`, "Prefer", "wait=0")
	c.do(202, "POST", scan, `{"args":{"must":"x","note":"hush"}}`, "Idempotency-Key", "one")
	c.do(422, "POST", scan, `{"args":{"must":"y"}}`, "Idempotency-Key", "one")
	c.do(409, "POST", scan, `{"args":{"must":"y"}}`)
	c.do(200, "GET", path, "")
	c.do(200, "GET", path+"/output?from=3", "", "Prefer", "wait=20")
	process.Print(`::result {"found": [1, 2]}`)
	process.Exit(0)
	c.stream(path+"/events", nil)
	c.do(204, "GET", path+"/events", "", "Last-Event-ID", run["id"].(string)+"-end")
	c.do(200, "GET", path+"/events", "", "Accept", "application/json")
	c.do(200, "GET", path+"/output", "")
	c.do(200, "POST", path+"/cancel", "")
	c.do(400, "GET", path+"/output?from=-1", "")

	for _, body := range []string{`{`, `{"arg":{}}`, `{"args":{}} more`} {
		c.do(400, "POST", scan, body)
	}
	c.do(422, "POST", scan, `{"args":{"n":9,"mode":"none","subnet":"x","none":1,"note":"-secret"}}`)
	c.do(422, "POST", scan, `{"args":5}`)
	c.do(413, "POST", scan, `{"args":{"note":"`+strings.Repeat("x", 70_000)+`"}}`)
	c.do(415, "POST", scan, `{}`, "Content-Type", "text/plain")
	c.do(200, "POST", "/api/v1/jobs/named/runs", `{"args":{"who":"ann"}}`, "Prefer", "wait=60")
	c.do(303, "POST", "/api/v1/jobs/named/runs", "who=bob", "Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html")
	c.do(200, "POST", "/api/v1/jobs/yearly/runs", `{}`, "Prefer", "wait=60") // fails
	c.do(200, "POST", "/api/v1/jobs/ask/runs", `{}`, "Prefer", "wait=60")
	c.do(200, "POST", "/api/v1/jobs/rare/runs", `{}`, "Prefer", "wait=60")
	c.do(429, "POST", "/api/v1/jobs/rare/runs", `{}`)

	c.do(202, "POST", "/api/v1/jobs/line/runs", `{"args":{"x":"a"}}`)
	process = work.Begun()
	queued := c.object(202, "POST", "/api/v1/jobs/line/runs", `{"args":{"x":"b"}}`)
	if queued["status"] != "queued" || queued["position"] != 1. {
		t.Errorf("the second run is %v, want it queued", queued)
	}
	c.do(429, "POST", "/api/v1/jobs/line/runs", `{"args":{"x":"c"}}`)
	c.stream("/api/v1/stream?jobs=*&min=10ms", func(v map[string]any) bool { return v["key"] == "job/line" && len(v["queue"].([]any)) == 1 })
	c.do(200, "GET", "/api/v1/stream", "", "Accept", "application/json")
	c.do(200, "GET", "/api/v1/jobs", "")
	c.do(200, "GET", "/api/v1/jobs/line/queue", "")
	c.do(202, "POST", "/api/v1/runs/"+queued["id"].(string)+"/cancel", "")
	process.Exit(0)
	alone := c.object(202, "POST", "/api/v1/jobs/alone/runs", `{}`)
	process = work.Begun()
	c.do(409, "POST", "/api/v1/jobs/alone/runs", `{}`)
	c.do(202, "POST", "/api/v1/runs/"+alone["id"].(string)+"/cancel", "")
	process.Ended()
	c.stream("/api/v1/runs/"+alone["id"].(string)+"/events", nil)

	old := c.object(200, "POST", "/api/v1/jobs/newest/runs", `{}`, "Prefer", "wait=60")["id"].(string)
	c.do(200, "POST", "/api/v1/jobs/newest/runs", `{}`, "Prefer", "wait=60")
	for _, suffix := range []string{"", "/events", "/output"} {
		c.do(410, "GET", "/api/v1/runs/"+old+suffix, "")
	}
	c.do(410, "POST", "/api/v1/runs/"+old+"/cancel", "")

	// Files that a run has left.
	left := func() string {
		return "/api/v1/runs/" + c.object(200, "POST", "/api/v1/jobs/left/runs", `{}`, "Prefer", "wait=60")["id"].(string)
	}
	gone := left()
	kept := left()
	c.do(410, "GET", gone+"/files/tank", "")
	c.do(200, "GET", kept+"/files/tank", "")
	c.do(206, "GET", kept+"/files/tank", "", "Range", "bytes=0-1")
	c.do(416, "GET", kept+"/files/tank", "", "Range", "bytes=1000000-")

	// Values that are sent.
	const door = "/api/v1/sources/door"
	c.do(204, "POST", door, `{"open": true}`, "Idempotency-Key", "three")
	c.do(400, "POST", door, "")
	c.do(409, "POST", "/api/v1/sources/tank", "1")
	c.do(413, "POST", door, `"`+strings.Repeat("x", 300_000)+`"`)
	c.do(415, "POST", door, "", "Content-Type", "multipart/form-data; boundary=x")
	c.do(422, "POST", door, `{`)
	c.do(204, "POST", door, `{"open": false}`)
	for _, want := range []int{204, 202, 202, 429} {
		c.do(want, "POST", "/api/v1/sources/gate", "1")
	}

	// What other services send.
	hook := func(want int, name, body string, more ...string) {
		t.Helper()
		c.do(want, "POST", "/hooks/"+name, body, append([]string{"Authorization", "Bearer hook-secret"}, more...)...)
	}
	hook(202, "deploy", `{"who": "ann"}`)
	for _, said := range []string{`{"who": "ann"}`, `{"type": "url_verification", "challenge": "x"}`} {
		at, mac := strconv.FormatInt(time.Now().Unix(), 10), hmac.New(sha256.New, []byte("chat-secret"))
		io.WriteString(mac, "v0:"+at+":"+said)
		c.do(200, "POST", "/hooks/chat", said, "X-Slack-Request-Timestamp", at, "X-Slack-Signature", fmt.Sprintf("v0=%x", mac.Sum(nil)))
	}
	hook(204, "deploy", `{"who": "nobody"}`)
	hook(413, "deploy", `{"who": "`+strings.Repeat("x", 2<<20)+`"}`)
	hook(422, "deploy", `{"who": "9"}`)
	hook(429, "rare", `{}`)
	alone = c.object(202, "POST", "/api/v1/jobs/alone/runs", `{}`)
	process = work.Begun()
	hook(409, "alone", `{}`)
	process.Exit(0)
	c.stream("/api/v1/runs/"+alone["id"].(string)+"/events", nil)

	// Alerts, and what people do about them.
	const silences, acknowledge = "/api/v1/silences", "/api/v1/alerts/acknowledge"
	silence := c.object(201, "POST", silences, `{"of":"source/tank","for":"1h","reason":"noise"}`, "Idempotency-Key", "two")
	c.do(201, "POST", silences, `{"of":"source/tank","for":"1h","reason":"noise"}`, "Idempotency-Key", "two")
	c.do(422, "POST", silences, `{"of":"source/tank","for":"2h"}`, "Idempotency-Key", "two")
	ended := c.object(201, "POST", silences, `{"of":"upstream/plant","until":"`+time.Now().Add(time.Hour).Format(time.RFC3339)+`"}`)
	c.do(204, "DELETE", silences+"/"+ended["id"].(string), "")
	c.do(200, "GET", silences, "")
	c.do(200, "POST", acknowledge, `{"of":"source/tank","reason":"on my way"}`)
	c.do(409, "POST", acknowledge, `{"of":"source/count"}`)
	c.do(200, "GET", "/api/v1/alerts", "")
	c.do(200, "GET", "/api/v1/sources/tank", "")
	for _, path := range []string{silences, acknowledge} {
		c.do(400, "POST", path, `{"off":"all"}`)
		c.do(413, "POST", path, `{"of":"`+strings.Repeat("x", 70_000)+`"}`)
		c.do(415, "POST", path, "of=all", "Content-Type", "application/x-www-form-urlencoded")
		c.do(422, "POST", path, `{}`)
	}

	// What holds everywhere: names that there are not, state that has not changed.
	paths := map[string]string{"name": "tank", "job": "named", "id": strings.TrimPrefix(kept, "/api/v1/runs/"), "silence": silence["id"].(string), "file": "tank.svg", "hook": "deploy"}
	c.each(404, map[string]string{"name": "none", "job": "none", "id": "none", "silence": "none", "file": "none.svg", "hook": "none"}, func(method, path string) {
		if strings.HasPrefix(path, "/auth/") {
			return // about the provider, which there is
		}
		if strings.HasSuffix(path, "/stream") {
			path += "?sources=none"
		}
		body := ""
		switch {
		case path == silences:
			body = `{"of":"none","for":"1h"}`
		case path == acknowledge:
			body = `{"of":"none"}`
		case method == http.MethodPost:
			body = "{}"
		}
		c.do(404, method, path, body)
	})
	c.do(400, "GET", "/api/v1/stream?min=soon", "")
	c.do(400, "GET", "/api/v1/runs?limit=0", "")
	c.do(400, "GET", "/api/v1/jobs/named/runs?limit=0", "")
	c.do(200, "GET", "/api/v1/sources/tank/availability", "")
	c.do(206, "GET", "/api/v1/runs/"+run["id"].(string)+"/output", "", "Range", "bytes=0-0")
	c.do(416, "GET", "/api/v1/runs/"+run["id"].(string)+"/output", "", "Range", "bytes=1000000-")
	c.do(400, "GET", "/api/v1/events?limit=0", "")
	c.do(200, "GET", "/api/v1/events?limit=1000", "")
	c.stream("/api/v1/events?kind=run&limit=1", func(v map[string]any) bool { return v["kind"] == "run" }, "Accept", "text/event-stream")
	c.each(304, paths, func(method, path string) {
		if strings.HasSuffix(path, "/stream") {
			path += "?sources=count" // others are polled again at any time, since they fail
		}
		head, _ := c.do(200, method, path, "", "Accept", "application/json")
		// A source that a request above watched may cease to be watched, which changes it: its tag is another one then.
		for status := 200; status != 304 && !t.Failed(); {
			tag := head.Get("ETag")
			status, head, _ = c.try(method, path, "", "Accept", "application/json", "If-None-Match", tag, "Prefer", "wait=0")
			if status != 304 && head.Get("ETag") == tag {
				t.Errorf("%s %s = %d although its tag, %s, is that of the request", method, path, status, tag)
			}
		}
		if got := head.Get("Preference-Applied"); (got == "wait=0") != (strings.HasPrefix(path, "/api/") && !strings.HasSuffix(path, "/files/tank")) { // a file never changes
			t.Errorf("%s %s applies the preference %q", method, path, got)
		}
	})

	// The gateway itself.
	for _, path := range []string{"/metrics", "/metrics/values", "/livez", "/readyz", "/openapi.json", "/schema.json", "/tidewire.js", "/api/v1/me"} {
		c.do(200, "GET", path, "")
	}
	c.do(200, "GET", "/metrics", "", "Accept", "application/openmetrics-text; version=1.0.0")
	c.do(200, "GET", "/metrics/values", "", "Accept", "application/openmetrics-text; version=1.0.0")
	for _, name := range regexp.MustCompile(`static/[^"]+`).FindAllString(drawn(t, s.url), -1) {
		c.do(200, "GET", "/"+name, "")
	}
	s.write(yaml + "tls: {}\n")
	c.do(422, "POST", "/api/v1/config/reload", "")
	c.stream("/api/v1/stream", func(v map[string]any) bool { return v["key"] == "config" && v["error"] != nil })
	s.write("listen: 127.0.0.1:1\n" + strings.Replace(yaml, "Tank T-101", "Tank T-102", 1))
	c.do(200, "POST", "/api/v1/config/reload", "")
	for _, method := range []string{"PUT", "DELETE", "PATCH"} {
		request := c.request(t.Context(), method, "/api/v1/sources", "{}", nil)
		response, err := c.client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if got := response.Header.Get("Allow"); response.StatusCode != 405 || got != "GET, HEAD" {
			t.Errorf("%s /api/v1/sources = %d, Allow %q, want 405; GET, HEAD", method, response.StatusCode, got)
		}
	}

	// Access.
	c.as("viewer-secret", func() {
		c.do(403, "POST", "/api/v1/jobs/named/runs", "{}")
		c.do(403, "POST", "/api/v1/config/reload", "")
		c.do(403, "GET", "/api/v1/events?kind=sign-in", "")
	})
	c.as("operator-secret", func() { c.do(403, "POST", "/api/v1/jobs/mine/runs", "{}") })
	c.each(403, paths, func(method, path string) {
		if method != http.MethodGet {
			c.do(403, method, path, "{}", "Sec-Fetch-Site", "cross-site")
		}
	})
	c.anonymously(func() {
		c.do(200, "GET", "/api/v1/me", "")
		c.each(401, paths, func(method, path string) {
			body := `{"token":"wrong"}`
			c.do(401, method, path, body)
		})
		c.each(421, paths, func(method, path string) { c.do(421, method, path, "", "Host", "evil.example.com") })
		c.do(200, "GET", "/auth/login", "")
		c.do(400, "POST", "/auth/token", `{"token":5}`)
		c.do(413, "POST", "/auth/token", `{"token":"`+strings.Repeat("x", 70_000)+`"}`)
		c.do(415, "POST", "/auth/token", "token", "Content-Type", "text/plain")
		c.do(303, "POST", "/auth/token", "token=viewer-secret", "Content-Type", "application/x-www-form-urlencoded")
		c.do(200, "POST", "/auth/token", `{"token":"operator-secret"}`)
		if me := c.object(200, "GET", "/api/v1/me", ""); me["name"] != "operator" || me["session"] != true {
			t.Errorf("me = %v, want operator, in a session", me)
		}
		c.do(204, "POST", "/auth/logout", "")
	})
	signIn := func(want int) {
		c.anonymously(func() {
			head, _ := c.do(303, "GET", "/auth/oidc", "")
			c.do(want, "GET", issuer.Permit(head.Get("Location")).RequestURI(), "")
			if want == 303 {
				c.do(200, "POST", "/auth/logout", "")
			}
		})
	}
	c.anonymously(func() { c.do(400, "GET", "/auth/oidc?return=//evil.example", "") })
	signIn(303)
	issuer.Behave(issuertest.Behaviour{Claims: map[string]any{"groups": "cooks"}})
	signIn(403)
	c.anonymously(func() {
		c.do(400, "GET", "/auth/callback?code=x&state=y", "")
		// Guesses from one address; the others are not held up by them.
		for i := 0; ; i++ {
			status, _, text := c.try("POST", "/auth/token", fmt.Sprintf(`{"token":"guess-%d"}`, i), "X-Forwarded-For", "192.0.2.7")
			if status == 429 {
				break
			}
			if status != 401 || i > 100 {
				t.Fatalf("guess %d = %d, want 401, and 429 soon:\n%s", i, status, text)
			}
		}
		c.each(429, paths, func(method, path string) {
			if strings.HasPrefix(path, "/hooks/") {
				return // guesses of tokens do not count there, starts do
			}
			c.do(429, method, path, `{"token":"guess"}`, "Authorization", "Bearer guess", "X-Forwarded-For", "192.0.2.7")
		})
	})

	// Without a file, and without a provider.
	plain := serve(t, "listen: 127.0.0.1:0\njobs: {mine: {exec: ['true']}}\n")
	plain.stop()
	plain.bare = true
	plain.start()
	base := c.url
	c.url = strings.TrimSuffix(plain.url, "/")
	c.do(409, "POST", "/api/v1/config/reload", "")
	c.do(404, "GET", "/auth/oidc", "")
	c.do(404, "GET", "/auth/callback", "")
	lonely := serve(t, "listen: 127.0.0.1:0\naccess: {oidc: {issuer: 'http://127.0.0.1:1', client_id: tidewire, groups: {ops: viewer}}}\njobs: {mine: {exec: ['true']}}\n")
	c.url = strings.TrimSuffix(lonely.url, "/")
	c.do(503, "GET", "/auth/oidc", "")
	c.url = base

	// Stopping, for which it waits as long as a run does not end.
	c.do(202, "POST", "/api/v1/jobs/stays/runs", "{}")
	c.stream("/api/v1/stream?jobs=stays", func(v map[string]any) bool { return v["percent"] == 10. })
	s.end()
	for c.status("POST", "/api/v1/jobs/newest/runs", "{}") != 503 {
	}
	c.do(503, "POST", "/api/v1/sources/tank/refresh", "")
	c.do(503, "POST", "/api/v1/config/reload", "")
	c.do(503, "POST", door, "1")
	hook(503, "deploy", `{"who": "ann"}`)
	c.do(503, "GET", "/readyz", "")
	if err := os.WriteFile(stay, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.stop()
	c.complete(unseen)
}

// status is that of an answer, whichever it is.
func (c *contract) status(method, path, body string) int {
	c.t.Helper()
	status, _, _ := c.try(method, path, body)
	return status
}
