package gateway_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/gateway"
	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/snapshot/snapshottest"
)

// A job that prints much and is started again and again is held once, not once a run.
func TestEndedRunsLeaveNoMemory(t *testing.T) {
	s := start(t, "jobs: {scan: {exec: [sh, -c, 'yes 0123456789012345678 | head -c 400000'], keep: {runs: 1, output: 10kB}}}\n")
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	one := func() { s.ended(of(s.json(202, "POST", runs, "{}"), "id")) }
	one()
	before := heap()
	for range 8 {
		one()
	}
	if after := heap(); after > before+3<<19 {
		t.Errorf("8 runs that print 400 kB each hold %d KB more than one, want no more than one", (after-before)>>10)
	}
}

// What nests so deeply that decoders refuse it is no result: it would make its run unreadable.
func TestAResultThatNobodyCanReadIsNone(t *testing.T) {
	deep := strings.Repeat("[", 9999) + strings.Repeat("]", 9999)
	u := newUpstream(t, deep)
	s := start(t, fmt.Sprintf(`
upstreams: {u: {http: %q}}
jobs:
  scan: {exec: [sh, %q]}
  ask: {http: {upstream: u, path: /}}
`, u.URL, shell(t, "echo '::result "+deep+"'; echo '::result 7'; echo '::result "+deep+"'")))
	for job, want := range map[string]any{"scan": 7.0, "ask": nil} {
		id := of(s.json(202, "POST", "/api/v1/jobs/"+job+"/runs", "{}"), "id")
		if run := s.ended(id); run["status"] != "succeeded" || run["result"] != want {
			t.Errorf("run of %s = %.200v, want success with the result %v", job, run, want)
		}
		if got := s.json(200, "GET", "/api/v1/jobs/"+job, "")["last_run"].(object)["id"]; got != id {
			t.Errorf("the last run of %s = %v, want %s", job, got, id)
		}
	}
	u.does(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{\"a\":\"\xff\"}") })
	id := of(s.json(202, "POST", "/api/v1/jobs/ask/runs", "{}"), "id")
	s.ended(id)
	if _, _, body := s.do("GET", "/api/v1/runs/"+id, ""); strings.Contains(body, "\xff") || !strings.Contains(body, "\"result\":{\"a\":\"\uFFFD\"}") {
		t.Errorf("a result that is no UTF-8 is answered as %q, want U+FFFD in its place", body)
	}
}

// A secret is hidden also where a program has coloured a part of it, as grep does.
func TestAColouredSecretIsHidden(t *testing.T) {
	s := start(t, fmt.Sprintf("jobs: {scan: {exec: [sh, %q, '{password}'], args: {password: {secret: true}}}}\n",
		shell(t, `printf 'found \033[31mcana\033[0mry42\n'; printf '::result "\033[1mcana\033[0mry42"\n'`)))
	id := of(s.json(202, "POST", runs, `{"args":{"password":"canary42"}}`), "id")
	s.ended(id)
	_, _, run := s.do("GET", "/api/v1/runs/"+id, "")
	text, _, _ := s.output(id, 0)
	_, _, lines := s.do("GET", "/api/v1/runs/"+id+"/output", "", "Accept", "application/x-ndjson")
	if strings.Contains(lines, "styles") { // which would say where its parts begin
		t.Errorf("the lines with a secret have styles: %s", lines)
	}
	if all := run + text + lines; strings.Contains(all, "canary42") || !strings.Contains(text, "found ***") || !strings.Contains(run, `"result":"***"`) {
		t.Errorf("the run shows %s\nand its output %q, want *** for the secret", run, text)
	}
}

// A request whose body is short, or empty for its arguments, hides nothing of the answer.
func TestAShortBodySpoilsNoText(t *testing.T) {
	u := newUpstream(t, `{"ok": true, "found": "none"}`)
	s := start(t, fmt.Sprintf(`
upstreams: {u: {http: %q}}
jobs: {scan: {http: {upstream: u, path: /, body: "{note}"}, args: {note: {default: ""}}}}
`, u.URL))
	for _, note := range []string{"", "true"} {
		id := of(s.json(202, "POST", runs, fmt.Sprintf(`{"args":{"note":%q}}`, note)), "id")
		if got := fmt.Sprint(s.ended(id)["result"]); got != "map[found:none ok:true]" {
			t.Errorf("the result with the body %q = %s, want what the upstream said", note, got)
		}
	}
}

// What starts every so often says when that is, not when it would be if it had just been started.
func TestNextAtOfEvery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, load(t, "jobs: {scan: {exec: ['true'], at: '@every 1h'}}\n"), io.Discard, nil)
		next := func() any {
			synctest.Wait()
			return b.json("GET", "/api/v1/jobs/scan", "")["next_at"]
		}
		first := next()
		time.Sleep(10 * time.Minute)
		if later := next(); first == nil || later != first {
			t.Errorf("next_at = %v, and %v ten minutes later, want the same time", first, later)
		}
	})
}

// Two gateways on one store: a source is polled by the one that has it, shown by both, and polled by the other when the
// one that had it is gone, from where that was.
func TestASourceOfAnotherProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const plant = "upstreams: {plant: {http: 'http://plant'}}\nsources:\n"
		const tank, well = "  tank: {http: {upstream: plant, path: /tank}, every: 1m}\n", "  well: {http: {upstream: plant, path: /well}, every: 1m}\n"
		store := snapshot.NewMemory()
		open := func(store snapshot.Store, answer *atomic.Value, yaml string) (g gateway.Gateway, json func(string) object, stop func()) {
			ctx, cancel := context.WithCancel(t.Context())
			g = gateway.NewGateway(t, ctx, load(t, yaml), gateway.On(store))
			g.Ask(roundTrip(func(r *http.Request) (*http.Response, error) {
				text := answer.Load().(string)
				if text == "" {
					return nil, errors.New("no answer")
				}
				return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}},
					Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
			}))
			over := g.Start(ctx)
			stop = sync.OnceFunc(func() { cancel(); <-over })
			t.Cleanup(stop)
			return g, func(path string) object {
				w := httptest.NewRecorder()
				g.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "http://localhost"+path, nil))
				return decode(t, w.Body.Bytes())
			}, stop
		}
		var ofOne, ofOther atomic.Value
		ofOne.Store(`1`)
		ofOther.Store(`2`)
		dying := snapshottest.NewProcess(store)
		_, one, stop := open(dying, &ofOne, plant+tank)
		time.Sleep(2 * time.Minute)
		other, get, _ := open(store, &ofOther, plant+well)
		other.Reload(t, load(t, plant+well+tank))
		time.Sleep(10 * time.Minute)
		for name, json := range map[string]func(string) object{"its own": one, "another": get} {
			if tank := json("/api/v1/sources/tank"); tank["value"] != 1.0 || tank["state"] != "ok" {
				t.Errorf("in %s gateway the source is %v, want what its own one has polled", name, tank)
			}
		}
		if well := get("/api/v1/sources/well"); well["value"] != 2.0 {
			t.Errorf("a source of the other gateway is %v", well)
		}
		ofOther.Store("")
		dying.Kill()
		stop()
		time.Sleep(time.Second)
		if tank := get("/api/v1/sources/tank"); tank["value"] != 1.0 || tank["state"] != "stale" {
			t.Errorf("after the death of its gateway, and a poll that failed, the source is %v, want its last value, stale", tank)
		}
		ofOther.Store(`3`)
		time.Sleep(5 * time.Minute)
		if tank := get("/api/v1/sources/tank"); tank["value"] != 3.0 || tank["state"] != "ok" {
			t.Errorf("the source is %v, want a value that the other gateway has polled", tank)
		}
	})
}

// A roundTrip is a transport.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A pipe is a listener without a network, so that its time can be that of a test.
type pipe struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p pipe) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p pipe) Close() error {
	select {
	case <-p.done:
	default:
		close(p.done)
	}
	return nil
}

func (p pipe) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8480} }

func (p pipe) dial(t *testing.T, request string) net.Conn {
	client, server := net.Pipe()
	t.Cleanup(func() { client.Close() })
	p.conns <- server
	go io.WriteString(client, request)
	return client
}

// A client that sends its request slowly, or does not read the answer, costs a connection for two minutes at most, while
// those that wait for something to happen, and read, may do so for ever.
func TestSlowClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := pipe{make(chan net.Conn), make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan error)
		go func() { over <- gateway.Run(ctx, load(t, "jobs: {scan: {exec: ['true']}}\n"), ln, nil) }()
		defer func() { cancel(); <-over }()
		const get, host = "GET /api/v1/jobs HTTP/1.1\r\n", "Host: localhost\r\n"

		tag := func() string {
			conn := ln.dial(t, get+host+"\r\n")
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			return resp.Header.Get("ETag")
		}()
		stream := bufio.NewReader(ln.dial(t, "GET /api/v1/stream HTTP/1.1\r\n"+host+"Accept: text/event-stream\r\n\r\n"))
		lives := make(chan time.Duration)
		go func() {
			begun := time.Now()
			_, _ = io.Copy(io.Discard, stream)
			lives <- time.Since(begun)
		}()
		for name, request := range map[string]string{
			"half a head":             get + host + "X-Half: ",
			"half a body":             "POST " + runs + " HTTP/1.1\r\n" + host + "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
			"half a body nobody asks": get + host + "Content-Length: 100\r\n\r\n{",
			"half a chunk":            "POST " + runs + " HTTP/1.1\r\n" + host + "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n{",
		} {
			begun := time.Now()
			conn := ln.dial(t, request)
			_ = conn.SetReadDeadline(begun.Add(time.Hour))
			_, err := io.Copy(io.Discard, conn)
			if took := time.Since(begun); err != nil || took > 2*time.Minute+5*time.Second {
				t.Errorf("%s: the connection lives for %v (%v), want 2 minutes at most", name, took, err)
			}
		}
		deaf := ln.dial(t, "GET /openapi.json HTTP/1.1\r\n"+host+"\r\n")
		time.Sleep(3 * time.Minute)
		resp, err := http.ReadResponse(bufio.NewReader(deaf), nil)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
		}
		if err == nil {
			t.Error("an answer that nobody reads is kept for 3 minutes, want the connection closed after 2")
		}

		begun := time.Now()
		conn := ln.dial(t, get+host+"Prefer: wait=60\r\nIf-None-Match: "+tag+"\r\n\r\n")
		if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || resp.StatusCode != 304 || time.Since(begun) != time.Minute {
			t.Errorf("a long poll = %v, %v after %v, want 304 after a minute", resp, err, time.Since(begun))
		}
		time.Sleep(10 * time.Minute)
		select {
		case d := <-lives:
			t.Errorf("a stream that is read has ended after %v, want it to live on", d)
		default:
		}
		cancel()
		<-lives
	})
}
