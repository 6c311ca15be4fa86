package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/gateway"
)

// A source goes on where it was, also after a failure and, with a directory, in the next process.
func TestACursorGoesOn(t *testing.T) {
	u := newUpstream(t, "")
	var mu sync.Mutex
	var asked []string
	u.does(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		after := r.URL.Query().Get("after")
		asked = append(asked, after)
		switch {
		case len(asked) == 3:
			http.Error(w, "busy", http.StatusServiceUnavailable)
		case len(after) < 4:
			fmt.Fprintf(w, `{"next": "%sx"}`, after)
		default:
			fmt.Fprintf(w, `{"next": %q}`, after)
		}
	})
	cfg := load(t, fmt.Sprintf(`
store: {dir: %q}
upstreams: {shop: {http: %q}}
sources:
  orders:
    http: {upstream: shop, json: {query: orders}, query: {after: "${jq: .cursor}"}}
    every: 20ms
    backoff: {min: 10ms, max: 20ms}
    pick: {cursor: .next, status: $status, type: '$headers["content-type"]'}
`, filepath.Join(t.TempDir(), "data"), u.URL))
	s := startConfig(t, cfg)
	got := s.await("the last order", func(v object) bool { return contains(fmt.Sprint(v["value"]), "cursor:xxxx ") })
	if want := (object{"cursor": "xxxx", "status": 200.0, "type": "text/plain; charset=utf-8"}); !reflect.DeepEqual(got["value"], want) {
		t.Errorf("value = %v, want %v", got["value"], want)
	}
	mu.Lock()
	if want := []string{"", "x", "xx", "xx", "xxx"}; !reflect.DeepEqual(asked[:5], want) {
		t.Errorf("the upstream was asked for what is after %q, want %q", asked, want)
	}
	mu.Unlock()
	s.stop()
	mu.Lock()
	asked = nil
	mu.Unlock()
	s = startConfig(t, cfg)
	s.await("a request", func(object) bool { mu.Lock(); defer mu.Unlock(); return len(asked) > 0 })
	mu.Lock()
	defer mu.Unlock()
	if asked[0] != "xxxx" {
		t.Errorf("after a restart the upstream is asked for what is after %q, want xxxx", asked[0])
	}
}

// paged is an upstream whose answers have three pages. It notes when each was asked for.
type paged struct {
	begin time.Time
	asked chan<- string
}

func (p paged) RoundTrip(r *http.Request) (*http.Response, error) {
	p.asked <- fmt.Sprintf("%s %v", r.URL.Path, time.Since(p.begin))
	next := `null`
	if n := strings.Count(r.URL.Path, "x"); n < 2 {
		next = `"` + r.URL.Path + `x"`
	}
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(`{"next": ` + next + `}`)), Request: r}, nil
}

// Each page is a request for the limit and the gap of the upstream.
func TestPagesKeepTheLimitsOfTheirUpstream(t *testing.T) {
	for limits, want := range map[string][]string{
		"limit: 12/m": {"/p 0s", "/px 5s", "/pxx 10s"},
		"gap: 2s":     {"/p 0s", "/px 2s", "/pxx 4s"},
	} {
		synctest.Test(t, func(t *testing.T) {
			cfg := load(t, `
defaults: {every: 1h, timeout: 1m, jitter: 0}
upstreams: {shop: {http: 'http://shop.example', `+limits+`}}
sources: {p: {http: {upstream: shop, path: /p, pages: .next}, pick: length}}
`)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			g := gateway.NewGateway(t, ctx, cfg, gateway.Options{})
			asked := make(chan string, 100)
			g.Ask(paged{time.Now(), asked})
			go g.Run(ctx)
			time.Sleep(time.Minute)
			synctest.Wait()
			var got []string
			for len(asked) > 0 {
				got = append(got, <-asked)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("with %s the upstream was asked for %q, want %q", limits, got, want)
			}
			if v := decode(t, []byte(g.Newest("source/p"))); v["state"] != "ok" || v["value"] != 3.0 {
				t.Errorf("with %s the source is %v, want 3", limits, v)
			}
		})
	}
}

func TestTheRequestOfAJobIsComputed(t *testing.T) {
	u := newUpstream(t, "")
	var got string
	u.does(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = fmt.Sprintf("%s %s %q %s", r.Method, r.RequestURI, r.Header["X-Index"], body)
		fmt.Fprint(w, `{"took": 3}`)
	})
	s := start(t, reindex(u, `path: '/i/{index}/${jq: .shards * 2}', query: {none: '${jq: null}', since: '${jq: 0 | todate}'}, headers: {X-Index: '${jq: .index | ascii_upcase}!'},
      json: {index: "{index}", shards: "{shards}", all: "${jq: [range(.shards)]}", text: "{shards} of {index}"}`))
	run := s.ended(s.json(202, "POST", runs, `{"args":{"index":"a\"b"}}`)["id"].(string))
	want := `POST /base/i/a%22b/4?since=1970-01-01T00%3A00%3A00Z ["A\"B!"] {"index":"a\"b","shards":2,"all":[0,1],"text":"2 of a\"b"}`
	if got != want || run["status"] != "succeeded" {
		t.Errorf("the upstream got\n%s, want\n%s\nthe run ended as %v", got, want, run)
	}
	s = start(t, reindex(u, `path: '/i/${jq: .index | tonumber}', json: {n: "{shards}"}`))
	run = s.ended(s.json(202, "POST", runs, `{"args":{"index":"x"}}`)["id"].(string))
	if run["status"] != "failed" || !strings.HasPrefix(run["error"].(string), "jq: .index | tonumber: ") {
		t.Errorf("the run ended as %v, want failed by its expression", run)
	}
}
