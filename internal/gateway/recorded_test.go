package gateway_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/replica"
	"github.com/tidewire/tidewire/snapshot"
)

// record is for when replica.Format has another value: what the first version of a format has stored is kept for ever.
var record = flag.Bool("record", false, "record what replicas share now as the testdata of this format")

// An entryLine is an entry of a recorded store.
type entryLine struct {
	Topic string         `json:"topic"`
	Run   string         `json:"run"`
	State snapshot.State `json:"state"`
	Data  []byte         `json:"data,omitempty"`
	Text  string         `json:"text,omitempty"` // instead, if it is text
}

// recordedYAML is the configuration of the replica whose store is recorded. It must not change: a format has no other one.
var recordedYAML = fmt.Sprintf(`access: {anonymous: viewer, tokens: {ops: {sha256: "%x", role: admin}}}
`, sha256.Sum256([]byte("a long secret token"))) + sharedAlerts + `  k: {http: {upstream: u1, path: /k/job, method: POST}, on_busy: queue, limit: 3/h}
  long: {http: {upstream: u1, path: /long/job, method: POST}}
  cron: {http: {upstream: u0, path: /cron/job, method: POST}, at: {cron: '* * * * *', zone: UTC}}
`

func recordedPath(format int) string {
	return filepath.Join("testdata", fmt.Sprintf("format%d.jsonl", format))
}

// asOps makes a request with a token.
func (m *member) asOps(method, path, body string, more ...string) (int, object) {
	m.of.t.Helper()
	header := http.Header{"Authorization": {"Bearer a long secret token"}}
	for i := 0; i < len(more); i += 2 {
		header.Set(more[i], more[i+1])
	}
	w := m.doWith(method, path, body, header)
	return w.Code, decode(m.of.t, w.Body.Bytes())
}

// TestRecord records the store of a replica that has done something of everything, a minute and a half after the time at
// which a bubble begins. The replica is then as good as dead.
func TestRecord(t *testing.T) {
	if !*record {
		t.Skip("without -record")
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		m := f.join(recordedYAML)
		time.Sleep(5 * time.Second)
		ids := map[string]string{}
		for _, job := range []string{"k", "long"} {
			code, run := m.asOps("POST", "/api/v1/jobs/"+job+"/runs", "{}", "Idempotency-Key", `"key"`)
			if code != 202 {
				t.Fatalf("a start = %d %v", code, run)
			}
			ids[job] = of(run, "id")
			f.jobTakes = time.Hour
		}
		f.set("9")
		time.Sleep(5 * time.Second)
		for path, body := range map[string]string{
			"/api/v1/alerts/acknowledge": `{"of":"source/b","reason":"known"}`,
			"/api/v1/silences":           `{"of":"source/a","for":"2h","reason":"works"}`,
		} {
			if code, answer := m.asOps("POST", path, body); code >= 300 {
				t.Fatalf("%s = %d %v", path, code, answer)
			}
		}
		cookie := cookieOf(m.doWith("POST", "/auth/token", opsToken, nil).Result().Cookies())
		f.jobTakes = time.Second
		time.Sleep(80 * time.Second)
		if got := m.doWith("GET", "/api/v1/sources", "", cookie).Code; got != 200 { // it is used
			t.Fatalf("with a session = %d", got)
		}
		time.Sleep(time.Second)
		f.keep(recordedPath(replica.Format), ids, cookie)
		m.leave()
	})
}

// keep writes what the store has to a file, and before it what a test must know.
func (f *fleet) keep(path string, ids map[string]string, cookie http.Header) {
	f.t.Helper()
	all := map[string]entryLine{}
	ctx, done := context.WithCancel(f.t.Context())
	_ = f.store.Follow(ctx, func(e snapshot.Entry) {
		one := entryLine{Topic: e.Topic, Run: e.Run, State: e.State}
		if one.Text = string(e.Data); !json.Valid(e.Data) {
			one.Text, one.Data = "", e.Data
		}
		all[e.Topic] = one
	}, done)
	var b strings.Builder
	encode := json.NewEncoder(&b)
	encode.SetEscapeHTML(false)
	_ = encode.Encode(object{"at": time.Now(), "ids": ids, "cookie": cookie.Get("Cookie")})
	for _, topic := range slices.Sorted(maps.Keys(all)) {
		_ = encode.Encode(all[topic])
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// A kept is what a recording says besides the entries.
type kept struct {
	At     time.Time         `json:"at"`
	IDs    map[string]string `json:"ids"`
	Cookie string            `json:"cookie"`
}

// restore puts a recorded store into that of the fleet, at the time at which it was recorded: its replica has just died.
func (f *fleet) restore(path string) (about kept) {
	f.t.Helper()
	file, err := os.Open(path)
	if err != nil {
		f.t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for first := true; lines.Scan(); first = false {
		if first {
			if err := json.Unmarshal(lines.Bytes(), &about); err != nil {
				f.t.Fatal(err)
			}
			time.Sleep(time.Until(about.At))
			continue
		}
		var e entryLine
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			f.t.Fatal(err)
		}
		if e.Data == nil {
			e.Data = []byte(e.Text)
		}
		claim, _, err := f.store.Claim(f.t.Context(), e.Topic, snapshot.ClaimOptions{Run: e.Run})
		switch {
		case err != nil:
		case e.State == snapshot.Final:
			err = claim.Finish(f.t.Context(), e.Data, time.Hour)
		default:
			claim.Put(e.Data)
			err = claim.Release(f.t.Context())
		}
		if err != nil {
			f.t.Fatal(err)
		}
	}
	return about
}

// What a replica of each format has left the next one goes on with: this must hold for every format that there ever was.
func TestRecordedFormats(t *testing.T) {
	for format := 1; format <= replica.Format; format++ {
		t.Run(fmt.Sprint(format), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t)
				f.set("9")
				about := f.restore(recordedPath(format))
				m := f.join(recordedYAML)
				if got := m.json("GET", "/api/v1/sources/b", ""); got["value"] != 9.0 {
					t.Errorf("before the first poll a source is %v", got)
				}
				time.Sleep(5 * time.Second)
				for job, want := range map[string]string{"k": "succeeded", "long": "lost"} {
					if run := m.json("GET", "/api/v1/runs/"+about.IDs[job], ""); run["status"] != want {
						t.Errorf("the run of %s is %v, want %s", job, run, want)
					}
					if _, run := m.asOps("POST", "/api/v1/jobs/"+job+"/runs", "{}", "Idempotency-Key", `"key"`); run["id"] != about.IDs[job] {
						t.Errorf("the key of %s leads to %v, want %s", job, run["id"], about.IDs[job])
					}
				}
				for i, want := range []int{202, 202, 429} { // after one within the hour
					if code, run := m.asOps("POST", "/api/v1/jobs/k/runs", "{}"); code != want {
						t.Errorf("start %d = %d %v, want %d", i+2, code, run, want)
					}
					time.Sleep(3 * time.Second)
				}
				if got := m.doWith("GET", "/api/v1/me", "", http.Header{"Cookie": {about.Cookie}}); decode(t, got.Body.Bytes())["role"] != "admin" {
					t.Errorf("the session is that of %s", got.Body)
				}
				if got := m.json("GET", "/api/v1/silences", "")["silences"].([]any); len(got) != 1 {
					t.Errorf("the silences are %v, want one", got)
				}
				acknowledged := 0
				for _, a := range m.json("GET", "/api/v1/alerts", "")["alerts"].([]any) {
					if a.(object)["acknowledged"] != nil {
						acknowledged++
					}
				}
				if got := f.told(); got["firing of a"]+got["firing of b"] != 0 || acknowledged != 1 {
					t.Errorf("%d alerts are acknowledged, want 1; told again: %v", acknowledged, got)
				}
				f.set("1")
				time.Sleep(5 * time.Second)
				if got := f.told(); got["resolved of b"] != 1 {
					t.Errorf("told %v, want that b is over", got)
				}
				f.mu.Lock()
				for _, at := range f.worked["/u0/cron/job"] {
					if at.Before(about.At.Truncate(time.Minute).Add(time.Minute)) {
						t.Errorf("a run that the replica before had started was started again at %v", at)
					}
				}
				f.mu.Unlock()
				f.questions1(m)
				m.leave()
			})
		})
	}
}

// questions1 asks a replica what one of format 1 asks, in its words, and reads what that one reads of the answers.
func (f *fleet) questions1(m *member) {
	f.t.Helper()
	ask := func(question string) object {
		f.t.Helper()
		data, err := f.Ask(f.t.Context(), m.ReplicaID(), []byte(question))
		if err != nil {
			f.t.Fatal(err)
		}
		return decode(f.t, data)
	}
	const caller = `"caller":{"Kind":"token","Issuer":"","Subject":"ops"}`
	answer := ask(`{"v":1,"op":"start","job":"long","args":{},"trigger":"api",` + caller + `,"key":"of another replica"}`)
	run, _ := answer["run"].(object)
	if answer["ok"] != true || run["job"] != "long" || run["id"] == "" {
		f.t.Fatalf("asked to start a run it answers %v", answer)
	}
	id := of(run, "id")
	refusal, _ := ask(`{"v":1,"op":"start","job":"k","args":{},"trigger":"api",` + caller + `}`)["refusal"].(object)
	if refusal["Code"] == nil {
		f.t.Errorf("a start that is refused is answered with %v", refusal)
	}
	for question, want := range map[string]string{
		`{"v":1,"op":"output","job":"long","run":"` + id + `","most":100}`:        "output",
		`{"v":1,"op":"queue","job":"k"}`:                                          "ok",
		`{"v":1,"op":"refresh","source":"b"}`:                                     "ok",
		`{"v":1,"op":"cancel","run":"` + id + `"}`:                                "ok",
		`{"v":1,"op":"refresh","source":"b","a_member":{"of":"a later version"}}`: "ok",
	} {
		if answer := ask(question); answer["ok"] != true || answer[want] == nil {
			f.t.Errorf("%s is answered with %v", question, answer)
		}
	}
	for _, question := range []string{
		`{"v":99,"op":"refresh","source":"b"}`, `{"v":1,"op":"of a later version"}`, `{"v":1,"op":"start","job":"long"}`, `{}`, `[]`, `"`, ``,
	} {
		if answer := ask(question); answer["ok"] != false {
			f.t.Errorf("%s is answered with %v, want that it cannot be", question, answer)
		}
	}
}
