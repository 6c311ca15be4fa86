package gateway_test

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/gateway"
)

const hookSecret = "0123456789abcdef"

const someHooks = `
jobs:
  build: {exec: [echo, "{ref}", "{n}"], args: {ref: {pattern: 'refs/.*'}, n: {type: int, default: 1}}, on_busy: queue, queue: 1000}
  once: {exec: [sleep, "60"], on_busy: reject}
sources: {door: {push: {limit: 1000/s}, pick: .open}}
hooks:
  deploy:
    job: build
    verify: {hmac_sha256: 0123456789abcdef}
    when: $headers["x-github-event"] != "ping" and $headers["x-hub-signature-256"] == null
    args: {ref: .ref, n: .n}
  lab: {job: build, verify: {token: 0123456789abcdef, header: X-Gitlab-Token}, args: {ref: .ref}}
  pay: {job: build, verify: {stripe: 0123456789abcdef}, id: .id, args: {ref: .ref}}
  once: {job: once, verify: {token: 0123456789abcdef}}
  door: {source: door, verify: {token: 0123456789abcdef}}
  talk: {job: build, verify: {slack: 0123456789abcdef}, when: .text != "no", args: {ref: .text}}
  odd: {job: build, verify: {token: 0123456789abcdef}, when: .ref, args: {ref: .ref}}
  failing: {job: build, verify: {token: 0123456789abcdef}, args: {ref: '.ref | error("no: \(.)")'}}
`

// signed is the header of GitHub for a body.
func signed(body string, more ...string) []string {
	mac := hmac.New(sha256.New, []byte(hookSecret))
	mac.Write([]byte(body))
	return append([]string{"X-Hub-Signature-256", "sha256=" + hex.EncodeToString(mac.Sum(nil))}, more...)
}

// stripe is that of Stripe.
func stripe(body string, at time.Time) []string {
	mac := hmac.New(sha256.New, []byte(hookSecret))
	fmt.Fprintf(mac, "%d.%s", at.Unix(), body)
	return []string{"Stripe-Signature", fmt.Sprintf("t=%d,v1=%x", at.Unix(), mac.Sum(nil))}
}

// slack is that of Slack.
func slack(body string) []string {
	mac, now := hmac.New(sha256.New, []byte(hookSecret)), time.Now().Unix()
	fmt.Fprintf(mac, "v0:%d:%s", now, body)
	return []string{
		"X-Slack-Signature", fmt.Sprintf("v0=%x", mac.Sum(nil)), "X-Slack-Request-Timestamp", fmt.Sprint(now),
		"Content-Type", "application/x-www-form-urlencoded",
	}
}

// slackJSON is that of Slack for an event.
func slackJSON(body string) []string {
	return append(slack(body)[:4:4], "Content-Type", "application/json")
}

func TestHooks(t *testing.T) {
	cfg := load(t, someHooks)
	cfg.Audit = filepath.Join(t.TempDir(), "audit.jsonl")
	cfg.Access = &config.Access{Tokens: []*config.Token{{Name: "admin", SHA256: sha256.Sum256([]byte("admin-secret")), Role: config.RoleAdmin}}}
	cfg.PublicURL, _ = url.Parse("https://plant.example/tide/")
	s := startConfig(t, cfg)
	token := []string{"Authorization", "Bearer " + hookSecret}
	gitlab := []string{"X-Gitlab-Token", hookSecret}
	const main = `{"ref":"refs/heads/main","n":3}`
	const pinged, command = `{"ref":"refs/heads/ping"}`, "command=%2Fbuild&text=refs%2Fheads%2Fslack"
	var genuine string // where the run of the first one is
	const asked = `{"token":"t","challenge":"3eZbrw<&","type":"url_verification"}`
	const event = `{"type":"event_callback","challenge":"x"}`
	form := url.Values{"payload": {`{"ref":"refs/heads/form"}`}}.Encode()
	for _, tt := range []struct {
		what, path, body string
		header           []string
		status           int
		says             string
	}{
		{"genuine", "/hooks/deploy", main, signed(main), 202, `"repeated":false`},
		{"again", "/hooks/deploy", main, signed(main, "X-GitHub-Delivery", "another"), 202, `"repeated":true`},
		{"below the public address", "/tide/hooks/deploy", main, signed(main), 202, `"repeated":true`},
		{"from anywhere", "/hooks/deploy", main, signed(main, "Origin", "https://github.com", "Sec-Fetch-Site", "cross-site", "Host", "tide.internal", "Authorization", "Bearer nobody", "Cookie", "tidewire=x"), 202, `"repeated":true`},
		{"a form", "/hooks/deploy", form, signed(form, "Content-Type", "application/x-www-form-urlencoded"), 202, `"repeated":false`},
		{"when is false", "/hooks/deploy", pinged, signed(pinged, "X-GitHub-Event", "ping"), 204, ""},
		{"when was false", "/hooks/deploy", pinged, signed(pinged, "X-GitHub-Event", "push"), 204, ""},
		{"Slack", "/hooks/talk", command, slack(command), 200, ""},
		{"Slack, when is false", "/hooks/talk", "text=no", slack("text=no"), 200, ""},
		{"Slack, to check the address", "/hooks/talk", asked, slackJSON(asked), 200, `{"challenge":"3eZbrw\u003c\u0026"}`},
		{"Slack, to check the address, forged", "/hooks/talk", asked, slackJSON(asked + " "), 403, "it is not signed with the secret"},
		{"Slack, an event with a challenge", "/hooks/talk", event, slackJSON(event), 422, "this has no value"},
		{"not Slack", "/hooks/deploy", asked, signed(asked), 422, "this has no value"},
		{"unsigned", "/hooks/deploy", main, nil, 403, "it has no header X-Hub-Signature-256"},
		{"forged", "/hooks/deploy", main, signed(main + " "), 403, "it is not signed with the secret"},
		{"by a token", "/hooks/deploy", main, bearer("admin"), 403, "it has no header"},
		{"huge", "/hooks/deploy", strings.Repeat(" ", 1<<20) + main, signed(""), 413, "larger than 1048576 bytes"},
		{"no JSON", "/hooks/deploy", "{", signed("{"), 422, "JSON that ends too early"},
		{"wrong arguments", "/hooks/deploy", `{"ref":"main"}`, signed(`{"ref":"main"}`), 422, "#/args/ref"},
		{"missing ones", "/hooks/deploy", `{}`, signed(`{}`), 422, "this has no value"},
		{"no such hook", "/hooks/none", main, signed(main), 404, "there is no hook"},
		{"GET", "/hooks/deploy", "", nil, 405, "GET is not allowed here: use POST"},
		{"GET", "/hooks/none", "", nil, 405, "GET is not allowed here: use POST"},
		{"below a hook", "/hooks/deploy/x", main, signed(main), 401, ""},
		{"below a hook, for who may view", "/hooks/deploy/", main, bearer("admin"), 404, "there is nothing at /hooks/deploy/"},
		{"GitLab", "/hooks/lab", main, gitlab, 202, `"repeated":false`},
		{"GitLab, another", "/hooks/lab", main, gitlab, 202, `"repeated":false`},
		{"GitLab, with a key", "/hooks/lab", main, append(gitlab, "Idempotency-Key", "k"), 202, `"repeated":false`},
		{"GitLab, with a key again", "/hooks/lab", `{"ref":"refs/x"}`, append(gitlab, "Idempotency-Key", "k"), 202, `"repeated":true`},
		{"GitLab, wrong", "/hooks/lab", main, []string{"X-Gitlab-Token", hookSecret + "0"}, 403, "it does not have the token"},
		{"late", "/hooks/pay", main, stripe(main, time.Now().Add(-6*time.Minute)), 403, "it was signed 6m"},
		{"without an id", "/hooks/pay", main, stripe(main, time.Now()), 422, "id: .id gives nothing"},
		{"when is no truth", "/hooks/odd", main, token, 422, "when: .ref gives neither true nor false"},
		{"an expression fails", "/hooks/failing", main, token, 422, "args ref: "},
		{"a start", "/hooks/once", main, token, 202, `"job":"once"`},
		{"a start that is refused", "/hooks/once", main, token, 409, "in progress"},
		{"a source", "/hooks/door", `{"open":true}`, token, 204, ""},
		{"a source, not to be picked", "/hooks/door", `[1]`, token, 422, "pick: "},
		{"a source, too large", "/hooks/door", strings.Repeat(" ", 300<<10) + "1", token, 413, "larger than 262144 bytes"},
	} {
		status, head, body := s.do("POST", tt.path, tt.body, tt.header...)
		if tt.what == "GET" {
			status, head, body = s.do("GET", tt.path, "", "Accept", "text/html,*/*")
		}
		if allow := head.Get("Allow"); status == 405 && allow != "POST" {
			t.Errorf("%s: Allow is %q", tt.what, allow)
		}
		if status != tt.status || !contains(body, tt.says) {
			t.Errorf("%s: %d %s, want %d and %s", tt.what, status, body, tt.status, tt.says)
		}
		if status == 200 && tt.says == "" && body != "" {
			t.Errorf("%s: the answer is %s, want none", tt.what, body)
		}
		if tt.what == "genuine" {
			genuine = head.Get("Location")
		}
		if status == 202 && head.Get("Location") != "/tide/api/v1/runs/"+str(decode(t, []byte(body))["run"]) {
			t.Errorf("%s: it is at %q, want the path of the run in %s", tt.what, head.Get("Location"), body)
		}
	}
	if got := s.json(200, "GET", "/api/v1/sources/door", "", bearer("admin")...); got["error"] == nil || got["value"] != true {
		t.Errorf("the source is %v, want what was sent first, and why the next is no value", got)
	}
	list := s.json(200, "GET", "/api/v1/runs", "", bearer("admin")...)["runs"].([]any)
	starts := 0.0
	for _, run := range list { // one that waits is joined by a start with the same arguments
		starts += run.(object)["requests"].(float64)
	}
	if starts != 7 {
		t.Errorf("%v starts led to %d runs, want 7", starts, len(list))
	}
	first := s.json(200, "GET", strings.TrimPrefix(genuine, "/tide"), "", bearer("admin")...)
	if args := first["args"].(object); first["trigger"] != "hook" || first["by"] != "hook deploy" || args["n"] != 3.0 {
		t.Errorf("the first run is %v", first)
	}
	s.stop()
	triggers, refused := 0, 0
	for _, line := range auditLines(t, cfg.Audit) {
		switch line["action"] {
		case "trigger":
			triggers++
			if line["kind"] != "hook" || line["subject"] == "" || line["address"] != "127.0.0.1" {
				t.Errorf("the audit log has %v, want the hook that started it", line)
			}
		case "hook-refused":
			refused++
		}
	}
	if triggers != 7 || refused < 4 {
		t.Errorf("the audit log has %d starts and %d refusals, want 7 and more than 4", triggers, refused)
	}
	log := s.log.String()
	if contains(log, hookSecret) || !contains(log, "what was sent to a hook is refused") || !contains(log, "what was sent to a hook has started nothing") {
		t.Errorf("the log shows the secret, or not what is refused and what starts nothing:\n%s", log)
	}
}

// However often the same is sent at once, one run is started.
func TestHooksStartNothingTwice(t *testing.T) {
	s := start(t, someHooks)
	const distinct, each = 10, 100
	var sending sync.WaitGroup
	var mu sync.Mutex
	led, first := map[string]map[string]bool{}, 0
	statuses := map[int]int{}
	begun := time.Now()
	for i := range 20 {
		sending.Go(func() {
			for j := range distinct * each / 20 {
				at := time.Now().Add(-time.Duration(i) * time.Second) // each signed anew
				body := fmt.Sprintf(`{"id":"evt_%d","ref":"refs/heads/%d","retry":%d}`, j%distinct, j%distinct, i)
				status, _, text := s.do("POST", "/hooks/pay", body, stripe(body, at)...)
				mu.Lock()
				statuses[status]++
				if status == 202 {
					d := decode(t, []byte(text))
					if d["repeated"] == false {
						first++
					}
					key := fmt.Sprint(j % distinct)
					if led[key] == nil {
						led[key] = map[string]bool{}
					}
					led[key][str(d["run"])] = true
				}
				mu.Unlock()
			}
		})
	}
	sending.Wait()
	t.Logf("%d deliveries, of which %d are different ones, in %v", distinct*each, distinct, time.Since(begun))
	if statuses[202] != distinct*each || first != distinct || len(led) != distinct {
		t.Errorf("the answers are %v, %d of them the first, for %d deliveries, want all 202, %d first", statuses, first, len(led), distinct)
	}
	for key, all := range led {
		if len(all) != 1 {
			t.Errorf("delivery %s led to the runs %v, want one", key, all)
		}
	}
	if list := s.json(200, "GET", "/api/v1/runs", "")["runs"].([]any); len(list) != distinct {
		t.Errorf("there are %d runs, want %d", len(list), distinct)
	}
}

// What is sent again after a restart leads to the same run.
func TestHooksAfterARestart(t *testing.T) {
	once(t)
	cfg := load(t, someHooks)
	cfg.Store = &config.Store{Dir: t.TempDir()}
	const body = `{"ref":"refs/heads/main"}`
	s := startConfig(t, cfg)
	before := s.json(202, "POST", "/hooks/deploy", body, signed(body)...)
	s.await("the end of the run", func(v object) bool { return v["status"] == "succeeded" })
	s.stop()
	s = startConfig(t, cfg)
	if after := s.json(202, "POST", "/hooks/deploy", body, signed(body)...); after["run"] != before["run"] || after["repeated"] != true {
		t.Errorf("it leads to %v, want the run of before the restart, repeated, %v", after, before)
	}
}

// A delivery that waits when the process stops is dealt with by the next one, in the order in which they came, and one that is at
// work is not.
func TestDeliveriesThatWaitOutliveTheProcess(t *testing.T) {
	once(t)
	dir := t.TempDir()
	script := shell(t, `echo "$1" >>"$2/log"; [ -e "$2/go" ] || exec sleep 60`)
	cfg := load(t, fmt.Sprintf(`
jobs: {deploy: {exec: [sh, %q, "{ref}", %q], args: {ref: {}}, on_busy: queue, queue: 9}}
hooks: {deploy: {job: deploy, verify: {hmac_sha256: 0123456789abcdef}, args: {ref: .ref}}}
`, script, dir))
	cfg.Store = &config.Store{Dir: t.TempDir()}
	s := startConfig(t, cfg)
	var ids []string
	for _, ref := range []string{"a", "b", "c", "d"} {
		body := fmt.Sprintf(`{"ref":%q}`, ref)
		ids = append(ids, of(s.json(202, "POST", "/hooks/deploy", body, signed(body)...), "run"))
		time.Sleep(2 * time.Millisecond) // the record of a run has milliseconds
	}
	log := func() string {
		text, _ := os.ReadFile(filepath.Join(dir, "log"))
		return string(text)
	}
	until(t, "the first is at work", func() bool { return log() == "a\n" })
	s.stop()
	if err := os.WriteFile(filepath.Join(dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s = startConfig(t, cfg)
	for i, id := range ids {
		run := s.json(200, "GET", "/api/v1/runs/"+id, "")
		if i == 0 {
			if run["then"] != nil {
				t.Errorf("the run that was at work is followed: %v", run)
			}
			continue
		}
		next := of(run["then"].([]any)[0].(object), "id")
		until(t, "there is the run that takes its place", func() bool { code, _, _ := s.do("GET", "/api/v1/runs/"+next, ""); return code == 200 })
		if end := s.ended(next); end["status"] != "succeeded" || end["trigger"] != "hook" || end["by"] != "hook deploy" || of(end["after"].(object), "id") != id {
			t.Errorf("after %v comes %v, want a run of the hook", run, end)
		}
	}
	s.stop()
	s = startConfig(t, cfg)
	s.stop()
	if got := log(); got != "a\nb\nc\nd\n" {
		t.Errorf("the deliveries have worked as %q, want each once, in order", got)
	}
}

// What large and slow requests take is bounded, and keeps nobody out: those of one address give way, and are answered at once.
func TestSlowHooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, load(t, `
jobs: {build: {exec: [echo]}}
hooks: {deploy: {job: build, verify: {hmac_sha256: 0123456789abcdef}, when: .ref == null}}
trust_forwarded: 127.0.0.1
`), io.Discard, nil)
		dial := serve(t, b.handler)
		slow := func(from, length string) net.Conn {
			conn := dial()
			fmt.Fprintf(conn, "POST /hooks/deploy HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: %s\r\n%s\r\nX-Hub-Signature-256: sha256=%064d\r\n\r\n1\r\nx\r\n",
				from, length, 0)
			return conn
		}
		big := strings.Repeat(" ", 70_000) + `{"ref":"refs/heads/main"}`
		send := func(from, body string) int { // 204 if it is read
			req, _ := http.NewRequestWithContext(t.Context(), "POST", "http://localhost/hooks/deploy", strings.NewReader(body))
			for _, h := range [][]string{signed(body), {"X-Forwarded-For", from}} {
				req.Header.Set(h[0], h[1])
			}
			conn := dial()
			go req.Write(conn) // what is refused is not read to its end
			resp, err := http.ReadResponse(bufio.NewReader(conn), req)
			if err != nil {
				t.Fatal(err)
			}
			conn.Close()
			return resp.StatusCode
		}
		var strangers []net.Conn
		for i := range 16 {
			strangers = append(strangers, slow("2001:db8::"+fmt.Sprint(i), []string{"Content-Length: 100000", "Transfer-Encoding: chunked"}[i%2]))
		}
		synctest.Wait()
		answered := make(chan int, len(strangers))
		for _, conn := range strangers {
			go func() {
				if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
					answered <- resp.StatusCode
				}
			}()
		}
		if got := send("2001:db8::17", big); got != 503 {
			t.Errorf("the 17th large one of a network gets %d, want 503", got)
		}
		if got := send("2001:db8::18", `{"ref":"refs/heads/main"}`); got != 204 {
			t.Errorf("a small one beside 16 slow ones gets %d, want 204", got)
		}
		if synctest.Wait(); len(answered) > 0 {
			t.Errorf("a slow one is answered %d before another one needs its place", <-answered)
		}
		if got := send("192.0.2.1", big); got != 204 {
			t.Errorf("a large one beside 16 slow ones of another network gets %d, want 204", got)
		}
		if synctest.Wait(); len(answered) != 1 {
			t.Errorf("for one large request %d others give way, want 1", len(answered))
		} else if got := <-answered; got != 503 {
			t.Errorf("the request that gives way gets %d, want 503", got)
		}
		slow("2001:db8::20", "Content-Length: 100000")
		time.Sleep(time.Second) // those that take long give way to everybody
		for range 16 {
			if got := send("2001:db8::19", big); got != 204 {
				t.Errorf("a large one beside 16 that have taken long gets %d, want 204", got)
			}
		}
		// One that announces more than it may is refused before it is read.
		conn := dial()
		fmt.Fprintf(conn, "POST /hooks/deploy HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\nX-Hub-Signature-256: sha256=%064d\r\n\r\n", 0)
		if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || resp.StatusCode != 413 {
			t.Errorf("9 MB get %v, %v, want 413", resp, err)
		}
	})
}

// A small body may take 10 s, too.
func TestASmallHookIsBoundInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, load(t, "jobs: {build: {exec: [echo]}}\nhooks: {deploy: {job: build, verify: {hmac_sha256: 0123456789abcdef}}}"), io.Discard, nil)
		sender := serve(t, b.handler)()
		begun := time.Now()
		fmt.Fprintf(sender, "POST /hooks/deploy HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nX-Hub-Signature-256: sha256=%064d\r\n\r\n1", 0)
		resp, err := http.ReadResponse(bufio.NewReader(sender), nil)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		if took := time.Since(begun); resp.StatusCode != 400 || !contains(string(text), "the body did not come within 10 s") || took != 10*time.Second {
			t.Errorf("after %v the answer is %d %s, want 400 after 10 s", took, resp.StatusCode, text)
		}
	})
}

// serve serves what is sent in a bubble. Each call of dial opens a connection of 127.0.0.1, which the end of the test closes.
func serve(t *testing.T, handler http.Handler) (dial func() net.Conn) {
	l := pipes{make(chan net.Conn), make(chan struct{})}
	server := &http.Server{Handler: handler}
	go server.Serve(l)
	t.Cleanup(func() {
		server.Close()
		time.Sleep(time.Second) // so long the server may wait for the client to read why it closes a connection
	})
	return func() net.Conn {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { ours.Close() })
		l.conns <- local{theirs}
		return ours
	}
}

// pipes is a listener for connections within the process.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l pipes) Close() error {
	close(l.closed)
	return nil
}

func (l pipes) Addr() net.Addr { return local{}.RemoteAddr() }

// A local connection has an address, which a pipe has not.
type local struct{ net.Conn }

func (local) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// What is sent to two replicas starts one run, wherever the job is.
func TestReplicasShareHooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		yaml := sharedJobs + "hooks:\n"
		for i := range 3 {
			yaml += fmt.Sprintf("  h%d: {job: j%d, verify: {hmac_sha256: 0123456789abcdef}}\n", i, i)
		}
		a, b := f.join(yaml), f.join(yaml)
		defer b.leave()
		defer a.leave()
		time.Sleep(5 * time.Second)
		for i := range 3 {
			body := `{"n":1}`
			h := http.Header{"X-Hub-Signature-256": {signed(body)[1]}}
			var ids []any
			for _, m := range []*member{a, b, a} {
				w := m.doWith("POST", fmt.Sprintf("/hooks/h%d", i), body, h)
				if w.Code != 202 {
					t.Fatalf("h%d: %d %s", i, w.Code, w.Body)
				}
				ids = append(ids, decode(t, w.Body.Bytes())["run"])
			}
			if ids[0] != ids[1] || ids[1] != ids[2] {
				t.Errorf("h%d led to the runs %v, want one", i, ids)
			}
		}
	})
}

// Forged and repeated requests, as many as come.
func BenchmarkHooks(b *testing.B) {
	const body = `{"ref":"refs/heads/main"}`
	for what, header := range map[string][]string{"forged": signed(body + " "), "unsigned": {"X", "Y"}, "repeated": signed(body)} {
		b.Run(what, func(b *testing.B) {
			handler, stop := gateway.NewHandler(b, load(b, someHooks))
			defer stop()
			b.ReportAllocs()
			for b.Loop() {
				req := httptest.NewRequest("POST", "http://localhost/hooks/deploy", strings.NewReader(body))
				req.Header.Set(header[0], header[1])
				w := httptest.NewRecorder()
				if handler.ServeHTTP(w, req); (w.Code == 202) != (what == "repeated") {
					b.Fatalf("%d %s", w.Code, w.Body)
				}
			}
		})
	}
}
