package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// A cage is where canaries are kept: texts that are secret, each in one place of a
// configuration, and all that comes out.
type cage struct {
	t        *testing.T
	canaries map[string]string // text by place
	heard    chan struct{}     // has a token when something was received

	mu  sync.Mutex // guards the fields below
	in  string     // what upstreams, webhooks and jobs were sent
	out map[string]string
}

// canary is a text that nobody may see but whom it is for.
func (c *cage) canary(place string) string {
	c.canaries[place] = "canary-" + strings.ReplaceAll(place, " ", "-") + "-c0ffee"
	return c.canaries[place]
}

// The hard ones: of 4, 7, 8 and 40 characters, which encoders spell in ways of their own.
var hardCanaries = map[string]string{
	"four":  `a+<é`,
	"seven": `p/5"%=w`,
	"eight": `k=%2B"<é`,
	"forty": `Zm9v+YmFy/cXV4==%"<é0123456789abcdefghij`,
}

// hard is a hard canary, quoted for YAML.
func (c *cage) hard(name string) string {
	c.canaries[name] = hardCanaries[name]
	return "'" + c.canaries[name] + "'"
}

// spellings are what encoders make of a text.
func spellings(s string) []string {
	quoted, _ := json.Marshal(s)
	ascii := strings.Trim(strconv.QuoteToASCII(s), `"`)
	return []string{s, string(quoted[1 : len(quoted)-1]), ascii, strings.ReplaceAll(ascii, "/", `\/`),
		url.PathEscape(s), url.QueryEscape(s), strings.ToLower(url.QueryEscape(s)), html.EscapeString(s)}
}

// keep remembers what came out.
func (c *cage) keep(where, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out[where] += text
}

// receive remembers what was received outside.
func (c *cage) receive(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in += text
	select {
	case c.heard <- struct{}{}:
	default:
	}
}

// received reports whether a text was received outside.
func (c *cage) received(text string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Contains(c.in, text)
}

// examine looks for canaries in what came out.
func (c *cage) examine() {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, where := range slices.Sorted(maps.Keys(c.out)) {
		text := c.out[where]
		for place, canary := range c.canaries {
			for _, form := range spellings(canary) {
				if i := strings.Index(text, form); i >= 0 {
					c.t.Errorf("%s shows the canary of %s: …%q…", where, place, text[max(0, i-100):min(len(text), i+len(form)+40)])
					break
				}
			}
		}
	}
}

// ServeHTTP is an upstream that repeats what it was sent, wherever an answer can say
// something: in its headers, and with /fails, /html and /away also in its body and status.
func (c *cage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	sent := fmt.Sprintf("%s %s %v %s", r.Method, r.URL, r.Header, body)
	c.receive(sent)
	for name, values := range r.Header {
		w.Header().Set("X-Echo-"+name, values[0])
	}
	w.Header().Set("WWW-Authenticate", r.Header.Get("Authorization"))
	switch {
	case r.Header.Get("Proxy-Authorization") != "": // it is asked as a proxy
		http.Error(w, sent, http.StatusBadGateway)
	case strings.HasPrefix(r.URL.Path, "/token"):
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token": %q, "expires_in": 3600}`, c.canaries["token"])
	case strings.HasPrefix(r.URL.Path, "/challenge"):
		w.Header().Set("WWW-Authenticate", `Digest realm="plant", nonce="n", qop="auth"`)
		http.Error(w, sent, http.StatusUnauthorized)
	case strings.HasPrefix(r.URL.Path, "/echo"):
		_ = json.NewEncoder(w).Encode(map[string]any{"header": r.Header, "url": r.URL.String(), "body": string(body)})
	case strings.HasPrefix(r.URL.Path, "/good"):
		fmt.Fprint(w, `{"level": 73.9}`)
	case strings.HasPrefix(r.URL.Path, "/html"):
		fmt.Fprint(w, sent)
	case strings.HasPrefix(r.URL.Path, "/away"):
		w.Header().Set("Location", "http://elsewhere.example.com/?"+r.URL.RawQuery)
		w.WriteHeader(http.StatusFound)
	case strings.HasPrefix(r.URL.Path, "/stray"): // after the end of its answer
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			fmt.Fprintf(conn, "HTTP/1.1 204 No Content\r\n\r\n%s", sent)
			conn.Close()
		}
	case strings.HasPrefix(r.URL.Path, "/retry"):
		w.Header().Set("Retry-After", r.Header.Get("Authorization"))
		http.Error(w, sent, http.StatusTooManyRequests)
	default:
		http.Error(w, sent, http.StatusInternalServerError)
	}
}

// write writes the configuration in which every place for a credential has a canary. Those
// in clear text are to be hidden where the file is quoted, too.
func (c *cage) write(dir, upstream, nobody string) (name, text string) {
	c.t.Helper()
	c.canary("token")
	for _, place := range []string{"bearer", "oidc"} {
		if err := os.WriteFile(filepath.Join(dir, place), []byte(c.canary(place)+"\n"), 0o600); err != nil {
			c.t.Fatal(err)
		}
	}
	c.t.Setenv("CANARY_HEADER", c.canary("header"))
	c.t.Setenv("CANARY_WEBHOOK", c.canary("webhook-address"))
	c.t.Setenv("CANARY_ENV", c.canary("job-env"))
	c.t.Setenv("CANARY_ARGV", c.canary("argv"))
	made := c.canary("computed")
	made = `"` + made[:9] + `" + "` + made[9:] + `"` // an expression, so that the file does not have it
	script := filepath.Join(dir, "pin.sh")
	if err := os.WriteFile(script, []byte(`#!/bin/sh
echo "$1 $TOKEN $LITERAL" >"$OUT"
echo "got $1"
echo "::progress 50 $1"
echo "::result {\"pin\":\"$1\"}"
echo "no $1" >&2
exit 3
`), 0o700); err != nil {
		c.t.Fatal(err)
	}
	hash := func(token string) string {
		sum := fmt.Sprintf("%x", sha256.Sum256([]byte(token)))
		c.canaries["hash of "+token] = sum
		return sum
	}
	text = `version: 1
upstreams:
  plant:
    http: ` + upstream + `
    bearer: ${file:bearer}
    headers:
      X-Key: ${env:CANARY_HEADER}
      X-Literal: ` + c.canary("header-literal") + `
      X-Four: ` + c.hard("four") + `
      X-Seven: ` + c.hard("seven") + `
  nobody:
    http: http://` + nobody + `
    bearer: ${file:bearer}
  basic: {http: ` + upstream + `, auth: {basic: {user: ann, password: ` + c.canary("basic") + `}}}
  digest: {http: ` + upstream + `, auth: {digest: {user: ann, password: ` + c.canary("digest") + `}}}
  tokens:
    http: ` + upstream + `
    auth: {oauth2: {token_url: ` + upstream + `/token, client_id: me, client_secret: ` + c.canary("client-secret") + `, params: {api_key: ` + c.canary("token-param") + `}, style: body}}
  untold: {http: ` + upstream + `, auth: {oauth2: {token_url: ` + upstream + `/fails, client_id: me, client_secret: ` + c.canary("other-secret") + `}}}
  keyed: {http: ` + upstream + `, auth: {api_key: {query: appid, key: ` + c.canary("api-key") + `}}}
  proxied: {http: http://plant.example, proxy: "http://ann:` + c.canary("proxy") + `@` + strings.TrimPrefix(upstream, "http://") + `"}
  alike:
    for: [{name: row, token: ` + c.canary("row") + `, key: "${env:CANARY_HEADER}"}]
    http: ` + upstream + `
    bearer: "{each.token}"
    headers: {X-Row: "{each.key}"}
defaults: {every: 1h, backoff: {min: 1h, max: 1h}}
sources:
  good:
    http: {upstream: plant, path: /good}
    show: {value: level, history: 1h}
    alert: {if: .level > 10, notify: [hook, mute, way, phone, push, form, post, horn]}
  query:
    http:
      upstream: plant
      path: /good
      query:
        key: ` + c.canary("query") + `
        appid: ` + c.hard("eight") + `
      headers:
        X-More: ` + c.canary("source-header") + `
  fails: {http: {upstream: plant, path: /fails}}
  made:
    http:
      upstream: plant
      path: /fails
      query: {session: '${jq: ` + made + `}'}
      headers: {X-Made: 'for ${jq: ` + made + `}'}
      json: {token: ` + c.canary("source-json") + `, made: '${jq: ` + made + `}'}
  strayed: {http: {upstream: plant, path: /good, query: {key: "${env:CANARY_HEADER}"}, pages: '"http://` + nobody + `/x"'}}
  retry: {http: {upstream: plant, path: /retry}}
  html: {http: {upstream: plant, path: /html}}
  stray: {http: {upstream: plant, path: /stray}}
  html8: {http: {upstream: plant, path: /html, query: {appid: ` + c.hard("eight") + `}}}
  away: {http: {upstream: plant, path: /away, query: {key: "${env:CANARY_HEADER}"}}}
  nobody: {http: {upstream: nobody, path: /x, query: {key: "${env:CANARY_HEADER}"}}}
  basic: {http: {upstream: basic, path: /fails}}
  digest: {http: {upstream: digest, path: /challenge}}
  tokens: {http: {upstream: tokens, path: /fails}}
  tokens2: {http: {upstream: tokens, path: /echo}}
  tokens3: {http: {upstream: tokens, path: /away}}
  untold: {http: {upstream: untold, path: /x}}
  keyed: {http: {upstream: keyed, path: /fails}}
  keyed2: {http: {upstream: keyed, path: /echo}}
  keyed3: {http: {upstream: keyed, path: /away}}
  proxied: {http: {upstream: proxied, path: /x}}
  alike: {for: [row], http: {upstream: "alike/{each}", path: /fails}}
  argv: {exec: ["false", "--token=${env:CANARY_ARGV}"]}
  missing: {exec: [./missing, "--token=${env:CANARY_ARGV}"]}
  site: {from: [good, fails]}
notify:
  hook:
    http:
      url: ` + upstream + `/good/${env:CANARY_WEBHOOK}?token=` + c.canary("webhook-query") + `
      headers: {X-Hook: ` + c.canary("webhook-header") + `}
      body: "{title} key=` + c.canary("webhook-body") + `"
  mute:
    http: ` + upstream + `/fails/${env:CANARY_WEBHOOK}
  way: {http: {upstream: tokens, path: /fails, body: "{title}"}}
  phone: ntfy://` + c.canary("service-token") + `@` + strings.TrimPrefix(upstream, "http://") + `/` + c.canary("service-topic") + `?tls=none
  push: gotify://` + strings.TrimPrefix(upstream, "http://") + `/good/` + c.canary("service-path") + `?tls=none
  form: {http: {url: ` + upstream + `/fails/x, json: '{text: .summary, token: "` + c.canary("webhook-json") + `"}'}}
  post: {mail: {host: 127.0.0.1, port: ` + port(nobody) + `, tls: none, user: me, password: ` + c.canary("mail-password") + `, from: a@example.com, to: b@example.com}}
  horn: {exec: ["false", "--token=${env:CANARY_ARGV}", "{summary}"]}
jobs:
  pin:
    exec: [` + script + `, "{pin}"]
    then: {run: after, on_failure: {run: after}}
    args:
      pin: {secret: true}
    env:
      TOKEN: ${env:CANARY_ENV}
      LITERAL: ` + c.canary("job-env-literal") + `
      OUT: ` + filepath.Join(dir, "out") + `
  ask:
    http:
      upstream: plant
      path: /fails
      query: {key: ` + c.canary("job-query") + `, appid: ` + c.hard("eight") + `, pin: "{pin}"}
      headers: {X-Job: ` + c.canary("job-header") + `}
      body: '{"pin": "{pin}", "key": "` + c.canary("job-body") + `"}'
    args:
      pin: {secret: true}
  follow: {http: {upstream: tokens, path: /fails}}
  after: {exec: [sh, -c, 'echo "$PIN"; exit 1'], env: {PIN: "{pin}"}, args: {pin: {secret: true}}, on_busy: queue, queue: 1000}
hooks:
  gate: {job: pin, verify: {hmac_sha256: ` + c.canary("hook-secret") + `}, args: {pin: .pin}}
  lab: {job: pin, verify: {token: ` + c.canary("hook-token") + `, header: X-Gitlab-Token}, when: '$headers["x-gitlab-token"] != null', args: {pin: .pin}}
access:
  tokens:
    admin:
      sha256: ` + hash(c.canary("admin-token")) + `
      role: admin
    viewer: {sha256: ` + hash(c.canary("viewer-token")) + `, role: viewer}
  oidc:
    issuer: ` + upstream + `
    client_id: tidewire
    client_secret: ${file:oidc}
    groups: {ops: operator}
audit: audit.jsonl
forward: {http: {upstream: plant, path: /fails/forward}}
`
	name = filepath.Join(dir, "tidewire.yaml")
	c.rewrite(name, text)
	return name, text
}

func port(address string) string {
	_, port, _ := strings.Cut(address, ":")
	return port
}

func (c *cage) rewrite(name, text string) {
	c.t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// run runs a command line to its end.
func (c *cage) run(args ...string) {
	c.t.Helper()
	_, stdout, stderr := tidewire(c.t, args...)
	if stdout+stderr == "" {
		c.t.Errorf("%q prints nothing", args)
	}
	c.keep(strings.Join(args, " "), stdout+stderr)
}

// ask makes a request as somebody and keeps the answer, head and all.
func (c *cage) ask(token, method, address, body string) (status int, answer []byte) {
	c.t.Helper()
	r, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, */*")
	client := &http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	if answer, err = io.ReadAll(response.Body); err != nil {
		c.t.Fatal(err)
	}
	c.keep(method+" "+address, fmt.Sprint(response.Status, response.Header, string(answer)))
	return response.StatusCode, answer
}

// deliver sends to the hooks what is genuine and what is not.
func (c *cage) deliver(gateway, pin string) {
	c.t.Helper()
	body, _ := json.Marshal(map[string]string{"pin": pin})
	mac := hmac.New(sha256.New, []byte(c.canaries["hook-secret"]))
	mac.Write(body)
	for _, d := range []struct {
		hook, header, value string
		status              int
	}{
		{"gate", "X-Hub-Signature-256", fmt.Sprintf("sha256=%x", mac.Sum(nil)), 202},
		{"gate", "X-Hub-Signature-256", c.canaries["hook-secret"], 403},
		{"lab", "X-Gitlab-Token", c.canaries["hook-token"], 204}, // expressions do not see it
		{"lab", "X-Gitlab-Token", c.canaries["hook-token"] + "x", 403},
	} {
		r, err := http.NewRequest("POST", gateway+"/hooks/"+d.hook, bytes.NewReader(body))
		if err != nil {
			c.t.Fatal(err)
		}
		r.Header.Set(d.header, d.value)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			c.t.Fatal(err)
		}
		answer, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != d.status {
			c.t.Errorf("hook %s = %d %s, want %d", d.hook, response.StatusCode, answer, d.status)
		}
		c.keep("hook "+d.hook, fmt.Sprint(response.Status, response.Header, string(answer)))
	}
}

// A credential is seen by whom it is for, and by nobody else: whatever is asked, said,
// logged or recorded, whether things go well or fail, and also where an upstream repeats it.
func TestNoCanaryEscapes(t *testing.T) {
	c := &cage{t: t, canaries: map[string]string{}, heard: make(chan struct{}, 1), out: map[string]string{}}
	upstream := httptest.NewServer(c)
	t.Cleanup(upstream.Close)
	gone := httptest.NewServer(nil)
	gone.Close()
	dir := t.TempDir()
	name, text := c.write(dir, upstream.URL, strings.TrimPrefix(gone.URL, "http://"))

	// What reads the file.
	for _, args := range [][]string{{"check", name}, {"check", "--format", "json", name}, {"schema"}} {
		c.run(args...)
	}
	if code, _, stderr := tidewire(t, "check", name); code != 0 {
		t.Fatalf("check = %d\n%s", code, stderr)
	}
	for _, entry := range []string{"good", "query", "made", "strayed", "away", "nobody", "argv", "site", "pin", "ask", "basic", "digest", "tokens", "keyed", "proxied", "alike/row", "follow"} {
		c.run("explain", name, entry)
	}
	for _, source := range []string{"good", "query", "made", "strayed", "fails", "retry", "html", "away", "nobody", "argv", "missing", "site",
		"basic", "digest", "tokens", "tokens2", "tokens3", "untold", "keyed", "keyed2", "keyed3", "proxied", "alike/row"} {
		c.run("poll", name, source)
	}
	for _, source := range []string{"good", "query", "made", "strayed", "away", "nobody", "argv", "missing", "digest", "tokens", "tokens2", "tokens3", "untold", "keyed3"} { // whose bodies repeat nothing
		c.run("poll", name, source, "--trace")
	}

	c.run("check", "--notify", name)
	for _, to := range []string{"hook", "mute", "way", "phone", "push", "form", "post", "horn"} {
		c.run("notify", "test", name, to)
	}

	// The gateway.
	p := service(t, nil, "--log-level", "debug", "--watch", "0", name)
	admin, viewer := c.canaries["admin-token"], c.canaries["viewer-token"]
	c.await(p.url+"/api/v1/stream", admin, func(seen string) bool {
		return strings.Count(seen, `"state":"failing"`) >= 16 && strings.Contains(seen, `"alert":{"state":"firing"`)
	})
	for !c.received(c.canaries["webhook-body"]) || !c.received("/fails/"+c.canaries["webhook-address"]) {
		select {
		case <-c.heard:
		case <-time.After(patience):
			t.Fatal("the webhooks were not called")
		}
	}
	for !c.received("/fails/forward") || !c.received(`{"snapshots":[`) {
		select {
		case <-c.heard:
		case <-time.After(patience):
			t.Fatal("no states were forwarded")
		}
	}
	c.run("poll", name, "html8", "--trace")
	pin := c.canary("argument") + " &/%<x>é"
	c.canaries["argument"] = pin // which is written otherwise in an address, and in JSON
	status, answer := c.ask(admin, "POST", p.url+"/api/v1/jobs/follow/runs", `{}`)
	var follow struct{ ID string }
	if err := json.Unmarshal(answer, &follow); err != nil || status != 202 {
		t.Fatalf("a start = %d, %s", status, answer)
	}
	c.await(p.url+"/api/v1/runs/"+follow.ID+"/events", admin, nil)
	c.ask(admin, "GET", p.url+"/api/v1/runs/"+follow.ID+"/output", "")
	for _, job := range []string{"pin", "ask"} {
		c.ask(admin, "POST", p.url+"/api/v1/jobs/"+job+"/runs", `{"args":{"pin":"-`+pin+`"}}`) // is refused
		status, answer := c.ask(admin, "POST", p.url+"/api/v1/jobs/"+job+"/runs", `{"args":{"pin":"`+pin+`"}}`)
		var run struct{ ID string }
		if err := json.Unmarshal(answer, &run); err != nil || status != 202 {
			t.Fatalf("a start = %d, %s", status, answer)
		}
		c.await(p.url+"/api/v1/runs/"+run.ID+"/events", admin, nil)
		for _, what := range []string{"", "/output", "/events"} {
			_, answer = c.ask(admin, "GET", p.url+"/api/v1/runs/"+run.ID+what, "")
			var ended struct{ Then []struct{ ID string } }
			if what == "" && json.Unmarshal(answer, &ended) == nil && len(ended.Then) != map[string]int{"pin": 1}[job] {
				t.Errorf("after the run of %s come %v", job, ended.Then)
			}
			for _, next := range ended.Then { // which gets the argument, too
				c.await(p.url+"/api/v1/runs/"+next.ID+"/events", admin, nil)
				c.ask(admin, "GET", p.url+"/api/v1/runs/"+next.ID+"/output", "")
			}
		}
		c.ask(viewer, "POST", p.url+"/api/v1/jobs/"+job+"/runs", `{"args":{"pin":"`+pin+`"}}`) // is denied
	}
	printed, err := os.ReadFile(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	c.receive(string(printed))
	for name, text := range hardCanaries {
		c.canaries[name] = text
		body, _ := json.Marshal(map[string]any{"args": map[string]string{"pin": text}})
		status, answer := c.ask(admin, "POST", p.url+"/api/v1/jobs/pin/runs", string(body))
		var run struct{ ID string }
		if err := json.Unmarshal(answer, &run); err != nil || status != 202 {
			t.Fatalf("a start with the canary %s = %d, %s", name, status, answer)
		}
		c.await(p.url+"/api/v1/runs/"+run.ID+"/events", admin, nil)
		c.ask(admin, "GET", p.url+"/api/v1/runs/"+run.ID+"/output", "")
	}
	c.await(p.url+"/api/v1/stream", admin, func(seen string) bool { return strings.Contains(seen, "job/pin") && strings.Contains(seen, "job/ask") })

	// Every GET of the API, by somebody and by nobody.
	var description struct {
		Paths map[string]map[string]any
	}
	_, answer = c.ask("", "GET", p.url+"/openapi.json", "")
	if err := json.Unmarshal(answer, &description); err != nil {
		t.Fatal(err)
	}
	for path := range description.Paths {
		for _, token := range []string{admin, "", c.canary("wrong-token")} {
			for method, pairs := range map[string][]string{"GET": {"good", "pin"}, "POST": {"fails", "none"}} {
				target := strings.NewReplacer("{name}", pairs[0], "{job}", pairs[1], "{id}", "none", "{hook}", "gate").Replace(path)
				c.ask(token, method, p.url+target, `{"token":"`+c.canaries["wrong-token"]+`", "args":{"pin":5}}`)
			}
		}
	}
	c.deliver(p.url, pin)
	c.ask("", "POST", p.url+"/auth/token", `{"token":"`+admin+`"}`)
	c.ask("", "POST", p.url+"/auth/token", `{"token":["`+admin+`"]}`)
	c.ask("", "GET", p.url+"/auth/callback?code="+c.canary("code")+"&state="+c.canary("state"), "")
	for _, command := range [][]string{{"watch", "--once", p.url}, {"run", "--url", p.url, "pin", "pin=" + pin}, {"run", "--url", p.url, "pin", "pin=-" + pin}} {
		t.Setenv(envToken, admin)
		_, stdout, stderr := tidewire(t, command...)
		if strings.Contains(stderr, "unknown flag") {
			t.Errorf("%q: %s", command, stderr)
		}
		c.keep("tidewire "+command[0], stdout+stderr)
	}

	// Files that are not valid, each in another way: as check says, and as a reload does.
	for i, broken := range breaks(text) {
		c.rewrite(name, broken)
		_, stdout, stderr := tidewire(t, "check", name)
		c.keep(fmt.Sprintf("check of the broken file %d", i), stdout+stderr)
		if i%50 == 0 {
			c.ask(admin, "POST", p.url+"/api/v1/config/reload", "")
		}
	}
	c.rewrite(name, text+"tls: {}\n")
	c.ask(admin, "POST", p.url+"/api/v1/config/reload", "")
	c.await(p.url+"/api/v1/stream", admin, func(seen string) bool { return strings.Contains(seen, `"key":"config"`) })
	c.rewrite(name, strings.Replace(text, "level > 10", "level > 100", 1))
	c.ask(admin, "POST", p.url+"/api/v1/config/reload", "")

	p.signal(syscall.SIGTERM)
	p.Wait()
	c.keep("the log", p.log.String())
	if !strings.Contains(p.log.String(), "/api/v1/config/reload") {
		t.Error("the log has no requests: is its level debug?")
	}
	recorded, err := os.ReadFile(filepath.Join(dir, "audit.jsonl"))
	if err != nil || !bytes.Contains(recorded, []byte(`"trigger"`)) {
		t.Errorf("the audit log is %q, %v, want what was done", recorded, err)
	}
	c.keep("the audit log", string(recorded))

	c.examine()
	for _, place := range []string{"client-secret", "token-param", "token", "api-key", "bearer", "header", "header-literal", "query", "source-header", "source-json", "computed", "webhook-address", "webhook-query", "webhook-header", "webhook-body", "webhook-json", "service-token", "service-topic", "service-path", "four", "seven", "job-env", "job-env-literal", "job-query", "job-header", "job-body", "argument"} {
		if !c.received(c.canaries[place]) {
			t.Errorf("the canary of %s never got where it belongs", place)
		}
	}
}

// await keeps what a stream sends, until it is enough; nil: to its end.
func (c *cage) await(address, token string, enough func(seen string) bool) {
	c.t.Helper()
	r, err := http.NewRequest("GET", address, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := (&http.Client{Timeout: patience}).Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	var seen strings.Builder
	defer func() { c.keep("the stream "+address, seen.String()) }()
	for event, err := range sse.Read(response.Body, nil) {
		if err != nil {
			c.t.Fatalf("%s: %v after\n%s", address, err, &seen)
		}
		fmt.Fprintf(&seen, "%s %s %s\n", event.ID, event.Name, event.Data)
		if enough != nil && enough(seen.String()) {
			return
		}
	}
}

// breaks are variants of a file that are wrong in places, as typing makes them.
func breaks(text string) (broken []string) {
	lines := strings.Split(text, "\n")
	key := regexp.MustCompile(`^( *)([a-zA-Z_-]+):`)
	for i, line := range lines {
		for _, change := range []string{
			line + "]",
			" " + line,
			key.ReplaceAllString(line, "$1$2"),   // no colon
			key.ReplaceAllString(line, "$1$2 :"), // which is fine
			key.ReplaceAllString(line, "${1}x$2:"),
			key.ReplaceAllString(line, "$1$2: ["),
			key.ReplaceAllString(line, "$1$2: &a"),
			key.ReplaceAllString(line, `$1$2: "`),
		} {
			if change == line || strings.TrimSpace(line) == "" {
				continue
			}
			variant := slices.Clone(lines)
			variant[i] = change
			broken = append(broken, strings.Join(variant, "\n"))
		}
	}
	return broken
}
