package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/gateway"
	"github.com/tidewire/tidewire/sse/ssetest"
)

// A hub is a receiver of states, and the upstream that the sources ask. It is used in a bubble.
type hub struct {
	t    *testing.T
	took time.Duration // answers to states

	mu     sync.Mutex // guards the fields below
	level  int        // that sources are told
	status int        // that states are answered with
	after  string     // Retry-After
	posts  []post
	newest map[string]float64 // levels by key
	most   int                // states that it takes at once; 0: any number
}

// A post is a request with states.
type post struct {
	at   time.Time
	keys []string
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.answer(w, r)
	if r.Method != http.MethodGet {
		select {
		case <-time.After(h.took):
		case <-r.Context().Done():
		}
	}
}

func (h *hub) answer(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.Method == http.MethodGet {
		fmt.Fprintf(w, `{"level": %d}`, h.level)
		return
	}
	body, _ := io.ReadAll(r.Body)
	var batch struct{ Snapshots []object }
	if err := json.Unmarshal(body, &batch); err != nil || r.Header.Get("Authorization") != "Bearer s3cret-token" ||
		r.URL.Path != "/base/in" || r.Header.Get("Content-Type") != "application/json" {
		h.t.Errorf("posted %s to %s with %v: %v", body, r.URL, r.Header, err)
	}
	status := h.status
	if h.most > 0 && len(batch.Snapshots) > h.most {
		status = http.StatusRequestEntityTooLarge
	}
	if !r.Close && strings.HasPrefix(r.Host, "device.") {
		h.t.Error("the connection of a device stays open")
	}
	p := post{at: time.Now()}
	for _, s := range batch.Snapshots {
		p.keys = append(p.keys, fmt.Sprint(s["key"]))
		if v, ok := s["value"].(map[string]any); ok && status == 200 {
			h.newest[fmt.Sprint(s["key"])] = v["level"].(float64)
		}
	}
	h.posts = append(h.posts, p)
	if h.after != "" {
		w.Header().Set("Retry-After", h.after)
	}
	w.WriteHeader(status)
}

// since returns what was posted since the last call.
func (h *hub) since() (posts []post) {
	h.mu.Lock()
	defer h.mu.Unlock()
	posts, h.posts = h.posts, nil
	return posts
}

func (h *hub) set(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

const forwardingYAML = `
upstreams:
  plant: {http: http://plant.example}
  hub: {http: http://hub.example/base, bearer: s3cret-token}
defaults: {every: 10s, jitter: 0}
forward: {http: {upstream: hub, path: /in, every: 2s, max: 3}}
sources:
  a: {http: {upstream: plant}}
  b: {http: {upstream: plant}}
  c: {http: {upstream: plant}}
  d: {http: {upstream: plant}}
  e: {http: {upstream: plant}}
jobs: {scan: {http: {upstream: plant, method: GET}}}
`

// The newest states are posted together, in requests of a bounded size that are apart; a receiver that refuses them gets what is
// newest then, when it wants to be asked again.
func TestStatesArePosted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hub{t: t, level: 1, status: 200, newest: map[string]float64{}}
		server := ssetest.NewServer(t, h)
		var log lockedBuffer
		b := newBubble(t, load(t, forwardingYAML), &log, server.Client.Transport)
		b.do("POST", "/api/v1/jobs/scan/runs", "{}")
		time.Sleep(time.Minute)
		posts := h.since()
		for i, p := range posts {
			if len(p.keys) == 0 || len(p.keys) > 3 {
				t.Errorf("%d states are posted at once, want 1 to 3", len(p.keys))
			}
			if i > 0 && p.at.Sub(posts[i-1].at) < 2*time.Second {
				t.Errorf("posted %v after the last ones, want 2s", p.at.Sub(posts[i-1].at))
			}
		}
		known := 0
		h.set(func() { known = len(h.newest) })
		if len(posts) < 10 || len(posts) > 31 || known != 5 || !strings.Contains(fmt.Sprint(posts), "job/scan") {
			t.Errorf("%d posts in a minute: %v", len(posts), posts)
		}
		h.set(func() { h.status, h.after, h.level = 503, "30", 2 })
		time.Sleep(5 * time.Minute)
		if n := len(h.since()); n < 9 || n > 11 {
			t.Errorf("a receiver that asks for 30 s was asked %d times in 5 minutes", n)
		}
		h.set(func() { h.status, h.after, h.level = 200, "", 3 })
		time.Sleep(time.Minute)
		h.mu.Lock()
		defer h.mu.Unlock()
		for key, level := range h.newest {
			if level != 3 {
				t.Errorf("the receiver has %v of %s, want the newest one, 3", level, key)
			}
		}
		if text := log.String(); strings.Count(text, "are not forwarded") != 1 || strings.Count(text, "forwarded again") != 1 ||
			!strings.Contains(text, "to=http") || !strings.Contains(text, "503") || strings.Contains(text, "s3cret") {
			t.Errorf("the log is\n%s", text)
		}
	})
}

// Whoever watches the gateway is told that states are not forwarded, and why, and when that is over.
func TestWhyStatesAreNotForwarded(t *testing.T) {
	var fails atomic.Bool
	fails.Store(true)
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fails.Load() {
			http.Error(w, "full, s3cret-token", http.StatusServiceUnavailable)
		}
	}))
	defer hub.Close()
	s := start(t, "upstreams: {hub: {http: "+hub.URL+", bearer: s3cret-token}}\nforward: {http: {upstream: hub, every: 100ms}}\nsources: {n: {exec: [echo, '1'], every: 1h}}\n")
	stream := s.stream()
	v, _ := stream.await("why", func(v object) bool { return v["key"] == "config" && v["forward_error"] != nil })
	if why := str(v["forward_error"]); !strings.HasPrefix(why, "forward.http: POST "+hub.URL+": 503 ") || strings.Contains(why, "s3cret") {
		t.Errorf("the error is %q, want the answer without the secret", why)
	}
	fails.Store(false)
	stream.await("that it is over", func(v object) bool { return v["key"] == "config" && v["forward_error"] == nil })
}

// A receiver that takes its time is sent one request at a time, and polls do not wait for it.
func TestStatesArePostedOneRequestAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hub{t: t, level: 1, status: 200, took: 7 * time.Second, newest: map[string]float64{}}
		server := ssetest.NewServer(t, h)
		b := newBubble(t, load(t, strings.ReplaceAll(forwardingYAML, "max: 3", "max: 100")), new(lockedBuffer), server.Client.Transport)
		time.Sleep(time.Minute)
		posts := h.since()
		for i, p := range posts {
			if i > 0 && p.at.Sub(posts[i-1].at) < 7*time.Second {
				t.Errorf("posted %v after the last ones, which took 7s", p.at.Sub(posts[i-1].at))
			}
		}
		if len(posts) < 7 {
			t.Errorf("%d posts in a minute, want one every 7 s", len(posts))
		}
		if s := b.json("GET", "/api/v1/sources/a", ""); s["state"] != "ok" {
			t.Errorf("a source is %v while a receiver takes its time", s["state"])
		}
	})
}

// States go the way of their upstream: with its credential, over its socket, by a connection that serves no other request.
func TestStatesGoTheWayOfTheUpstream(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	posted := make(chan string, 100)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		body, _ := io.ReadAll(r.Body)
		posted <- fmt.Sprint(r.Method, " ", r.URL.Path, " ", user, ":", password, " ", r.Close, " ", string(body[:min(14, len(body))]))
	})}
	go server.Serve(ln)
	defer server.Close()
	run(t, load(t, `
upstreams: {hub: {http: http://hub.example, unix: `+socket+`, keep_alive: false, auth: {basic: {user: me, password: s3cret-word}}}}
forward: {http: {upstream: hub, path: /in}}
sources: {a: {exec: [echo, "1"]}}
`), gateway.Options{})
	select {
	case got := <-posted:
		if want := `POST /in me:s3cret-word true {"snapshots":[`; got != want {
			t.Errorf("the receiver got %s, want %s", got, want)
		}
	case <-time.After(patience):
		t.Error("no states were posted")
	}
}

// A limit of the upstream holds for states, too.
func TestStatesKeepTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hub{t: t, level: 1, status: 200, newest: map[string]float64{}}
		server := ssetest.NewServer(t, h)
		var log lockedBuffer
		newBubble(t, load(t, strings.Replace(forwardingYAML, "bearer: s3cret-token", "bearer: s3cret-token, limit: 2/m", 1)), &log, server.Client.Transport)
		time.Sleep(10 * time.Minute)
		if n := len(h.since()); n < 19 || n > 21 {
			t.Errorf("%d requests in 10 minutes, want 2 a minute", n)
		}
		if strings.Contains(log.String(), "not forwarded") {
			t.Errorf("to wait for the limit is no failure:\n%s", log.String())
		}
	})
}

// A receiver that takes less at once gets less, and a device gets a connection for each request.
func TestStatesAreFewerForASmallReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hub{t: t, level: 1, status: 200, most: 2, newest: map[string]float64{}}
		server := ssetest.NewServer(t, h)
		config := strings.NewReplacer("bearer: s3cret-token", "bearer: s3cret-token, keep_alive: false", "max: 3", "max: 100", "hub.example", "device.example")
		newBubble(t, load(t, config.Replace(forwardingYAML)), new(lockedBuffer), server.Client.Transport)
		time.Sleep(time.Minute)
		h.mu.Lock()
		defer h.mu.Unlock()
		if len(h.newest) != 5 {
			t.Errorf("the receiver has %v, want all 5", h.newest)
		}
	})
}

// Whatever a source is called, its subject has no empty word: nobody would get what is published there.
func TestSubjects(t *testing.T) {
	for topic, want := range map[string]string{
		"source/tank": "site.north.source.tank", "job/scan.all": "site.north.job.scan.all", "source/boiler/1": "site.north.source.boiler/1",
		"source/boiler/node-1.": "site.north.source.boiler/node-1._", "source/a..b": "site.north.source.a._.b",
	} {
		if got := gateway.SubjectOf("site.north", topic); got != want {
			t.Errorf("the subject of %s is %s, want %s", topic, got, want)
		}
	}
}
