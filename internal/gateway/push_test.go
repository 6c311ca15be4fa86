package gateway_test

import (
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/config"
)

const pushedSources = `
sources:
  door: {push: {limit: 1000/s}, pick: .open}
  lamp: {push: {}, parse: text}
  disk: {exec: [echo, '1']}
`

func TestAValueIsSentToASource(t *testing.T) {
	s := start(t, pushedSources)
	const door = "/api/v1/sources/door"
	for _, tt := range []struct {
		path, body, media string
		status            int
		says              string
	}{
		{door, `{"open": true}`, "application/json", 204, ""},
		{door, `{"open": true}`, "text/plain", 204, ""},
		{door, `open=yes`, "application/x-www-form-urlencoded", 204, ""},
		{"/api/v1/sources/lamp", `on and on`, "text/plain", 204, ""},
		{door, `{"open"`, "application/json", 422, "JSON that ends too early"},
		{door, `[1]`, "application/json", 422, "pick: "},
		{door, ``, "application/json", 400, "there is no body"},
		{door, strings.Repeat(" ", 256<<10) + "1", "application/json", 413, "larger than 262144 bytes"},
		{door, `x`, "multipart/form-data; boundary=x", 415, "several parts"},
		{"/api/v1/sources/disk", `1`, "application/json", 409, "nothing can be sent to"},
		{"/api/v1/sources/none", `1`, "application/json", 404, "there is no source"},
	} {
		status, head, body := s.do("POST", tt.path, tt.body, "Content-Type", tt.media)
		if status != tt.status || !contains(body, tt.says) || status >= 400 && head.Get("Content-Type") != "application/problem+json" {
			t.Errorf("POST %s %.40q of %s = %d %s, want %d and %q", tt.path, tt.body, tt.media, status, body, tt.status, tt.says)
		}
	}
	// What is sent can be read at once.
	for i := range 20 {
		s.do("POST", door, fmt.Sprintf(`{"open": %d}`, i))
		if got := s.json(200, "GET", door, ""); got["value"] != float64(i) || got["kind"] != "push" || got["state"] != "ok" {
			t.Fatalf("after %d the source is %v", i, got)
		}
	}
	if status, _, body := s.do("POST", door, "1", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"); status != 403 {
		t.Errorf("a page of another site gets %d %s, want 403", status, body)
	}
	if status, _, body := s.do("GET", "/sources/door", ""); status != 200 || !contains(body, "/api/v1/sources/door") || contains(body, "sources/door/refresh") {
		t.Errorf("the page does not say how a value is sent, or offers to poll:\n%s", body)
	}
	if status, _, body := s.do("POST", door+"/refresh", ""); status != 409 {
		t.Errorf("a refresh is %d %s, want 409", status, body)
	}
}

// A value with an Idempotency-Key is taken once: a repetition that is late does not replace a newer value.
func TestAValueThatIsSentAgain(t *testing.T) {
	s := start(t, pushedSources)
	const door = "/api/v1/sources/door"
	send := func(key, body string, want int) {
		t.Helper()
		if status, _, text := s.do("POST", door, body, "Idempotency-Key", key); status != want {
			t.Errorf("%s with the key %s = %d %s, want %d", body, key, status, text, want)
		}
	}
	send("a", `{"open": 1}`, 204)
	send("b", `{"open": 2}`, 204)
	send("a", `{"open": 1}`, 204)
	if got := s.json(200, "GET", door, ""); got["value"] != 2.0 {
		t.Errorf("the value is %v, want the newer one, 2", got["value"])
	}
	send("a", `{"open": 3}`, 422)
	send("\"open", `{"open": 3}`, 400)
	send("c", `[]`, 422)
	send("c", `[]`, 422) // it is not remembered
}

func TestMoreValuesThanTheLimit(t *testing.T) {
	s := start(t, "sources: {door: {push: {limit: 2/h}}}\n")
	for _, want := range []int{204, 204, 429} {
		status, head, body := s.do("POST", "/api/v1/sources/door", "1")
		if status != want || (head.Get("Retry-After") != "") != (want == 429) {
			t.Errorf("POST = %d %v %s, want %d", status, head, body, want)
		}
	}
}

// Who may send is up to push of a token, or else to the role.
func TestWhoMaySendAValue(t *testing.T) {
	cfg := load(t, pushedSources)
	cfg.Access = &config.Access{Anonymous: config.RoleViewer}
	for name, token := range map[string]config.Token{
		"viewer": {Role: config.RoleViewer}, "operator": {Role: config.RoleOperator}, "scanner": {Role: config.RoleOperator, Jobs: []string{"scan"}},
		"sensor": {Push: []string{"door"}}, "other": {Push: []string{"lamp"}}, "both": {Role: config.RoleOperator, Push: []string{"lamp"}},
	} {
		token.Name, token.SHA256 = name, sha256.Sum256([]byte(name+"-secret"))
		cfg.Access.Tokens = append(cfg.Access.Tokens, &token)
	}
	s := startConfig(t, cfg)
	for caller, want := range map[string]int{"": 401, "viewer": 403, "operator": 204, "scanner": 403, "sensor": 204, "other": 403, "both": 403, "wrong": 401} {
		if status, _, body := s.do("POST", "/api/v1/sources/door", `{"open": 1}`, bearer(caller)...); status != want {
			t.Errorf("%q gets %d %s, want %d", caller, status, body, want)
		}
	}
	for _, path := range []string{"/api/v1/sources", "/api/v1/sources/door", "/api/v1/jobs", "/api/v1/stream", "/metrics", "/api/v1/events"} {
		if status, _, body := s.do("GET", path, "", bearer("sensor")...); status != 403 {
			t.Errorf("a token without a role gets %d at %s: %.200s, want 403", status, path, body)
		}
	}
	if status, _, body := s.do("POST", "/auth/token", `{"token":"sensor-secret"}`); status != 401 {
		t.Errorf("a token without a role signs in with %d %s, want 401", status, body)
	}
}

// A value of a source that is split is one of its rows: an answer of 204 says that these have it, and the directory too.
func TestAValueOfManyRows(t *testing.T) {
	dir := t.TempDir()
	s := start(t, withDir(dir)+`
sources:
  door: {push: {limit: 1000/s}, split: {each: '.[]', name: .id}, pick: .v}
`)
	for n := range 10 {
		rows := 30 * (1 + n%2) // every other time half of them are new, or missing
		var all []string
		for i := range rows {
			all = append(all, fmt.Sprintf(`{"id": %d, "v": %d}`, i, n))
		}
		until(t, "a value counts", func() bool { // 202: the machine needs more than a second
			status, _, body := s.do("POST", "/api/v1/sources/door", "["+strings.Join(all, ", ")+"]")
			if status != 202 && status != 204 {
				t.Fatalf("a value is answered with %d %s", status, body)
			}
			return status == 204
		})
		stored := storedValues(t, dir)
		for i := range rows {
			name := fmt.Sprint("door/", i)
			if now := s.json(200, "GET", "/api/v1/sources/"+url.PathEscape(name), ""); now["value"] != float64(n) {
				t.Fatalf("after value %d %s is %v", n, name, now["value"])
			}
			if got := stored[name]; got != float64(n) {
				t.Fatalf("after value %d the directory has %v of %s", n, got, name)
			}
		}
	}
	s.stop()
}

// storedValues are the values of all sources that a directory has, by their names.
func storedValues(t *testing.T, dir string) map[string]any {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "tidewire.db")+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), "SELECT data FROM snapshot")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	values := map[string]any{}
	for rows.Next() {
		var data []byte
		if err := rows.Scan(&data); err != nil {
			t.Fatal(err)
		}
		var one object
		if json.Unmarshal(data, &one) == nil {
			values[fmt.Sprint(one["name"])] = one["value"]
		}
	}
	return values
}

// Values come from everywhere while people look.
func TestManyValuesAtOnce(t *testing.T) {
	s := start(t, pushedSources)
	var sending sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for i := range 10 {
		sending.Go(func() {
			for j := range 20 {
				status, _, _ := s.do("POST", "/api/v1/sources/door", fmt.Sprintf(`{"open": %d}`, 100*i+j))
				mu.Lock()
				statuses[status]++
				mu.Unlock()
			}
		})
	}
	sending.Wait()
	if statuses[204] != 200 {
		t.Errorf("the answers are %v, want 200 times 204", statuses)
	}
	if status, _, _ := s.do("POST", "/api/v1/sources/door", `{"open": -1}`); status != 204 {
		t.Errorf("the last one gets %d", status)
	}
	if got := s.json(200, "GET", "/api/v1/sources/door", ""); got["value"] != -1.0 {
		t.Errorf("the value is %v, want the last one", got["value"])
	}
}

// A value may be sent to any replica. The one that has the source takes it, once.
func TestReplicasPassValuesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		yaml := "sources:\n"
		for i := range 8 {
			yaml += fmt.Sprintf("  s%d: {push: {limit: 3/h}, stale_after: 1h}\n", i)
		}
		yaml += "  polled: {exec: [echo]}\n"
		a, b := f.join(yaml), f.join(yaml)
		defer b.leave()
		time.Sleep(5 * time.Second)
		send := func(m *member, path, body, key string, want int) {
			t.Helper()
			h := http.Header{}
			if key != "" {
				h.Set("Idempotency-Key", key)
			}
			if w := m.doWith("POST", path, body, h); w.Code != want {
				t.Errorf("POST %s %s = %d %s, want %d", path, body, w.Code, w.Body, want)
			}
		}
		owners := map[any]bool{}
		for i := range 8 {
			path := fmt.Sprintf("/api/v1/sources/s%d", i)
			send(a, path, "1", "k", 204)
			send(b, path, "2", "", 204)
			send(a, path, "1", "k", 204) // known at the one that has the source, wherever it is sent
			send(b, path, "1", "k", 204)
			send(b, path, "3", "k", 422)
			time.Sleep(100 * time.Millisecond)
			for _, m := range []*member{a, b} {
				got := m.json("GET", path, "")
				if owners[got["replica"]] = true; got["value"] != 2.0 {
					t.Errorf("s%d is %v, want 2", i, got)
				}
			}
			send(a, path, "x", "", 422)
			send(b, path, "4", "", 429) // a limit of all replicas
		}
		if len(owners) != 2 {
			t.Errorf("the sources are at %v, want both replicas", owners)
		}
		send(b, "/api/v1/sources/polled", "1", "", 409)
		a.kill()
		time.Sleep(30 * time.Second)
		for i := range 8 {
			path := fmt.Sprintf("/api/v1/sources/s%d", i)
			w := b.do("POST", path, "5")
			if w.Code != 204 && w.Code != 429 {
				t.Errorf("after a death POST %s = %d %s", path, w.Code, w.Body)
			}
		}
	})
}
