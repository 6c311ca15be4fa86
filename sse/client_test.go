package sse_test

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/ssetest"
)

// script is a server that answers its n-th request with its n-th step, and any more with 204.
type script struct {
	steps []http.HandlerFunc
	began time.Time

	mu sync.Mutex // guards the field below

	got []seen
}

// seen is a request that a script got.
type seen struct {
	at                 time.Duration // after the script's start
	method, body, path string
	header             http.Header
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	n := len(s.got)
	s.got = append(s.got, seen{time.Since(s.began), r.Method, string(body), r.URL.Path, r.Header})
	s.mu.Unlock()
	if n >= len(s.steps) {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	s.steps[n](w, r)
}

// seen returns the requests so far.
func (s *script) seen() []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// client returns a client of s, which it starts.
func (s *script) client(t *testing.T) *sse.Client {
	s.began = time.Now()
	return &sse.Client{HTTP: ssetest.NewServer(t, s).Client}
}

// waits returns the times between the requests.
func (s *script) waits() []time.Duration {
	var waits []time.Duration
	for pair := s.seen(); len(pair) > 1; pair = pair[1:] {
		waits = append(waits, pair[1].at-pair[0].at)
	}
	return waits
}

// lastIDs returns the Last-Event-ID of each request, in quotes, - for none.
func (s *script) lastIDs() string {
	var ids []string
	for _, r := range s.seen() {
		if v, ok := r.header["Last-Event-Id"]; ok {
			ids = append(ids, fmt.Sprintf("%q", v[0]))
		} else {
			ids = append(ids, "-")
		}
	}
	return strings.Join(ids, " ")
}

// sends answers with a stream of these bytes, and closes it.
func sends(stream string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, stream)
	}
}

// sendsAndHangs answers with a stream of these bytes, on which nothing follows.
func sendsAndHangs(stream string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		sends(stream)(w, r)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
}

// breaks answers with a stream of these bytes, and breaks the connection.
func breaks(stream string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		sends(stream)(w, r)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

func answers(status int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
	}
}

func get(t *testing.T, path string) *http.Request {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://server"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// collect reads all events, as show shows them, and the error.
func collect(ctx context.Context, c *sse.Client, req *http.Request) (string, error) {
	var got []string
	for ev, err := range c.Events(ctx, req) {
		if err != nil {
			return strings.Join(got, " "), err
		}
		got = append(got, show(ev))
	}
	return strings.Join(got, " "), nil
}

// inRanges fails t unless each of got is in its range of want, which are pairs.
func inRanges(t *testing.T, what string, got []time.Duration, want ...time.Duration) {
	t.Helper()
	if len(got) != len(want)/2 {
		t.Fatalf("%s: %v, want %d of them", what, got, len(want)/2)
	}
	for i, d := range got {
		if d < want[2*i] || d > want[2*i+1] {
			t.Errorf("%s: number %d is %v, want %v to %v", what, i, d, want[2*i], want[2*i+1])
		}
	}
}

// A stream that breaks off is resumed with the id of the last event, without what was incomplete, until 204.
func TestClientResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []http.HandlerFunc{
			sends("data: zero\n\nid: 1\ndata: one\n\nid: 9\ndata: incomplete"),
			breaks("data: two\n\nid: 3\ndata: three\n\ndata: incompl"), // the first has the id of the connection before
			sends("retry: 4000\n\n"),     // no event: the id stays
			sends("id\ndata: reset\n\n"), // an empty id is none
			sends("id: 5\n\n"),           // an id without an event counts
		}}
		c := s.client(t)
		var reasons []string
		c.OnRetry = func(err error, _ time.Duration) { reasons = append(reasons, err.Error()) }
		got, err := collect(t.Context(), c, get(t, "/stream"))
		if want := "=zero 1=one 1=two 3=three =reset"; got != want || err != nil {
			t.Errorf("events: %s, %v, want %s, nil", got, err, want)
		}
		if got, want := s.lastIDs(), `- "1" "3" "3" - "5"`; got != want {
			t.Errorf("Last-Event-ID of each request: %s, want %s", got, want)
		}
		const closed, broken = "sse: the stream ended: EOF", "sse: the stream ended: unexpected EOF"
		if want := []string{closed, broken, closed, closed, closed}; !slices.Equal(reasons, want) {
			t.Errorf("reasons: %q, want %q", reasons, want)
		}
		h := s.seen()[0].header
		if h.Get("Accept") != "text/event-stream" || h.Get("Accept-Encoding") != "identity" || h.Get("Cache-Control") != "no-cache" {
			t.Errorf("header: %v, want Accept, Accept-Encoding and Cache-Control", h)
		}
	})
}

// The id that a caller has kept from an earlier life goes out with the first request; ids that no header can carry do not.
func TestClientIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []http.HandlerFunc{
			sends("data: a\n\n"),
			sends("id: \x01\ndata: b\n\n"),
			sends("id: grün\ndata: c\n\n"),
			sends("id: " + strings.Repeat("x", 5000) + "\ndata: d\n\n"),
		}}
		req := get(t, "/stream")
		req.Header.Set("Last-Event-ID", "kept-7")
		got, err := collect(t.Context(), s.client(t), req)
		if want := "kept-7=a \x01=b grün=c " + strings.Repeat("x", 5000) + "=d"; got != want || err != nil {
			t.Errorf("events: %.80q, %v, want %.80q, nil", got, err, want)
		}
		if got, want := s.lastIDs(), `"kept-7" "kept-7" - "grün" -`; got != want {
			t.Errorf("Last-Event-ID of each request: %s, want %s", got, want)
		}
		if got := req.Header.Get("Last-Event-ID"); got != "kept-7" {
			t.Errorf("the caller's request now has the id %q", got)
		}
	})
}

// What the server asks for with retry: counts for every wait after it, and stops the doubling while it is renewed.
func TestClientObeysRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []http.HandlerFunc{
			sends("data: 1\n\n"),
			sends("retry: 7000\n\n"), sends("retry: 7000\n\n"), sends("retry: 7000\n\n"), // as a full server sheds
			sends("data: 2\n\n"), // 7 s still
			sends("retry: 10000x\n\n"),
			sends("retry: 1\n\ndata: 3\n\n"),
			sends("retry: 99999999999999\n\ndata: 4\n\n"),
		}}
		_, err := collect(t.Context(), s.client(t), get(t, "/stream"))
		if err != nil {
			t.Errorf("error: %v", err)
		}
		const sec = time.Second
		inRanges(t, "waits", s.waits(), 3*sec, 4500*time.Millisecond,
			7*sec, 10500*time.Millisecond, 7*sec, 10500*time.Millisecond, 7*sec, 10500*time.Millisecond,
			7*sec, 10500*time.Millisecond,
			7*sec, 10500*time.Millisecond, // the first connection that brings nothing
			100*time.Millisecond, 150*time.Millisecond,
			time.Hour, 90*time.Minute)
	})
}

// While nothing answers, the waits double up to a limit. They differ from client to client.
func TestClientBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		enough := errors.New("enough")
		var waits []time.Duration
		dials := 0
		c := &sse.Client{
			HTTP: &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
				dials++
				return nil, errors.New("nobody there")
			}}},
			OnRetry: func(err error, wait time.Duration) {
				if want := `sse: Get "http://server/stream": nobody there`; err.Error() != want {
					t.Errorf("reason: %v, want %s", err, want)
				}
				if waits = append(waits, wait); len(waits) == 8 {
					cancel(enough)
				}
			},
		}
		start := time.Now()
		if got, err := collect(ctx, c, get(t, "/stream")); err != enough || got != "" {
			t.Errorf("events: %s, %v, want none and %v", got, err, enough)
		}
		const sec = time.Second
		inRanges(t, "waits", waits, 3*sec, 4500*time.Millisecond, 6*sec, 9*sec, 12*sec, 18*sec, 24*sec, 36*sec,
			30*sec, 45*sec, 30*sec, 45*sec, 30*sec, 45*sec, 30*sec, 45*sec)
		if waits[4] == waits[5] && waits[5] == waits[6] {
			t.Errorf("waits %v have no jitter", waits[4:])
		}
		total := time.Duration(0)
		for _, w := range waits[:7] {
			total += w
		}
		if took := time.Since(start); took != total || dials != 8 {
			t.Errorf("%d dials in %v, want 8 in %v: none after the end", dials, took, total)
		}
	})
}

// Settings replace the defaults, and a connection that brings an event ends the doubling.
func TestClientSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []http.HandlerFunc{sends(""), sends(""), sends(""), sends("data: 1\n\n"), sends(""), sends("")}}
		c := s.client(t)
		c.Retry, c.MaxRetry = time.Second, 2*time.Second
		if _, err := collect(t.Context(), c, get(t, "/stream")); err != nil {
			t.Errorf("error: %v", err)
		}
		const sec = time.Second
		inRanges(t, "waits", s.waits(), sec, 1500*time.Millisecond, 2*sec, 3*sec, 2*sec, 3*sec,
			sec, 1500*time.Millisecond, sec, 1500*time.Millisecond, 2*sec, 3*sec)
	})
}

// A status that another attempt may change is waited out, another one is final.
func TestClientStatuses(t *testing.T) {
	for _, status := range []int{408, 425, 429, 502, 503, 504, 520, 521, 522, 523, 524} {
		synctest.Test(t, func(t *testing.T) {
			date := time.Now().Add(50 * time.Second).UTC().Format(http.TimeFormat)
			s := &script{steps: []http.HandlerFunc{answers(status), answers(status, "Retry-After", "20"), answers(status, "Retry-After", date), sends("data: 1\n\n")}}
			got, err := collect(t.Context(), s.client(t), get(t, "/stream"))
			if got != "=1" || err != nil {
				t.Errorf("%d: events %s, %v, want one", status, got, err)
			}
			const sec = time.Second
			inRanges(t, fmt.Sprint(status, ": waits"), s.waits(), 3*sec, 4500*time.Millisecond, 20*sec, 30*sec, 15*sec, 41*sec, 3*sec, 4500*time.Millisecond)
		})
	}
	for _, status := range []int{205, 210, 299, 400, 401, 404, 410, 500, 501, 505, 519, 525} {
		synctest.Test(t, func(t *testing.T) {
			s := &script{steps: []http.HandlerFunc{answers(status, "X-Reason", "because")}}
			_, err := collect(t.Context(), s.client(t), get(t, "/stream"))
			var e *sse.StatusError
			if !errors.As(err, &e) || e.StatusCode != status || e.Header.Get("X-Reason") != "because" || e.Method != "GET" || e.URL != "http://server/stream" {
				t.Errorf("%d: %v, %+v, want a StatusError that says all", status, err, e)
			}
			if len(s.seen()) != 1 {
				t.Errorf("%d: %d requests, want 1", status, len(s.seen()))
			}
		})
	}
}

// A reader knows when it is live: from the head of a stream on, though no event comes yet.
func TestClientTellsOfConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []http.HandlerFunc{answers(503), sends("data: 1\n\n"), answers(502), sends("")}}
		c := s.client(t)
		var told []string
		c.OnConnect = func(resp *http.Response) { told = append(told, fmt.Sprint("connected ", resp.StatusCode)) }
		c.OnRetry = func(error, time.Duration) { told = append(told, "lost") }
		for ev, err := range c.Events(t.Context(), get(t, "/stream")) {
			if err != nil {
				t.Fatal(err)
			}
			told = append(told, "event "+string(ev.Data))
		}
		expect(t, "order", strings.Join(told, ", "), "lost, connected 200, event 1, lost, lost, connected 200, lost")
	})
}

func TestStatusErrorText(t *testing.T) {
	problem := func(body string) *sse.StatusError {
		return &sse.StatusError{Method: "POST", URL: "http://h/x", StatusCode: 404, Header: http.Header{"Content-Type": {"application/problem+json"}}, Body: []byte(body)}
	}
	for _, test := range []struct {
		err  *sse.StatusError
		want string
	}{
		{problem(`{"detail":"there is no job"}`), "POST http://h/x: 404 Not Found: there is no job"},
		{problem(`{"detail":"cut o`), "POST http://h/x: 404 Not Found"},
		{&sse.StatusError{Method: "GET", URL: "http://h/x", StatusCode: 200, Header: http.Header{"Content-Type": {"text/html"}}, Body: []byte(`{"detail":"x"}`)},
			`GET http://h/x: 200 OK with content type "text/html", want text/event-stream`},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("Error() = %q, want %q", got, test.want)
		}
	}
}

// A StatusError keeps the beginning of the body, however long that is and however slowly it comes.
func TestClientBoundsErrorBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		long := func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, strings.Repeat("x", 1<<20))
		}
		stuck := func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, "half")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}
		for _, test := range []struct {
			answer http.HandlerFunc
			want   int
		}{{long, 4096}, {stuck, 4}} {
			s := &script{steps: []http.HandlerFunc{test.answer}}
			_, err := collect(t.Context(), s.client(t), get(t, "/stream"))
			var e *sse.StatusError
			if !errors.As(err, &e) || len(e.Body) != test.want {
				t.Errorf("%v with %d bytes, want %d", err, len(e.Body), test.want)
			}
		}
	})
}

func TestClientContentType(t *testing.T) {
	for contentType, want := range map[string]bool{
		"text/event-stream":                      true,
		"text/event-stream;":                     true,
		"Text/Event-Stream; charset=iso-8859-15": true, // always UTF-8
		"text/event-stream; charset":             true,
		"text/event-stream-not":                  false,
		"application/json":                       false,
		"text/plain; x=text/event-stream":        false,
		"":                                       false,
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &script{steps: []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
				w.Header()["Content-Type"] = []string{contentType}
				io.WriteString(w, "data: 1\n\n")
			}}}
			got, err := collect(t.Context(), s.client(t), get(t, "/stream"))
			if errors.As(err, new(*sse.StatusError)) == want || (got == "=1") != want {
				t.Errorf("%q: %q, %v, want accepted: %v", contentType, got, err, want)
			}
		})
	}
}

// A connection on which nothing comes is given up, be it before the head, in the stream or half-open after events.
func TestClientSilence(t *testing.T) {
	hangs := func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	beats := func(w http.ResponseWriter, r *http.Request) {
		sends("data: 3\n\n")(w, r)
		for range 10 { // 100 s
			time.Sleep(10 * time.Second)
			io.WriteString(w, ":\n\n")
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
	}
	for _, test := range []struct {
		set, want time.Duration
	}{{0, 37500 * time.Millisecond}, {12 * time.Second, 12 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			s := &script{steps: []http.HandlerFunc{hangs, sendsAndHangs("data: 1\n\n"), sendsAndHangs(": half a comment"), beats}}
			c := s.client(t)
			c.Silence = test.set
			var ends []time.Duration
			c.OnRetry = func(err error, wait time.Duration) {
				if !errors.Is(err, sse.ErrSilent) || !strings.HasSuffix(err.Error(), sse.ErrSilent.Error()) {
					t.Errorf("reason: %v, want the silence", err)
				}
				all := s.seen()
				ends = append(ends, time.Since(s.began)-all[len(all)-1].at)
			}
			got, err := collect(t.Context(), c, get(t, "/stream"))
			if got != "=1 =3" || err != nil {
				t.Errorf("events: %s, %v, want 1 and 3", got, err)
			}
			want := test.want
			inRanges(t, "lives of the connections", ends, want, want, want, want, want, want, 100*time.Second+want, 100*time.Second+want)
		})
	}
}

func TestClientSilenceOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(24 * time.Hour)
			sends("data: 1\n\n")(w, r)
		}}}
		c := s.client(t)
		c.Silence = -1
		if got, err := collect(t.Context(), c, get(t, "/stream")); got != "=1" || err != nil || len(s.seen()) != 2 {
			t.Errorf("events: %s, %v in %d requests, want one event and two requests", got, err, len(s.seen()))
		}
	})
}

// The time that the loop body takes is not the server's silence.
func TestClientSlowLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
			sends("id: 1\ndata: a\n\n")(w, r)
			w.(http.Flusher).Flush()
			time.Sleep(5 * time.Minute)
			io.WriteString(w, "id: 2\ndata: b\n\n")
		}}}
		n := 0
		for _, err := range s.client(t).Events(t.Context(), get(t, "/stream")) {
			if err != nil {
				t.Errorf("error: %v", err)
			}
			n++
			time.Sleep(5*time.Minute - time.Second)
		}
		if n != 2 || len(s.seen()) != 2 {
			t.Errorf("%d events in %d requests, want 2 and 2", n, len(s.seen()))
		}
	})
}

// Any method, header and body goes out with every request, also after a redirect that keeps them.
func TestClientRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []http.HandlerFunc{
			sends("id: 1\ndata: 1\n\n"),
			answers(http.StatusTemporaryRedirect, "Location", "/moved"),
			sends("data: 2\n\n"),
		}}
		req, err := http.NewRequest(http.MethodPost, "http://server/ask", strings.NewReader(`{"q":1}`))
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = -1 // or net/http itself would notice that a body is used up
		req.Header.Set("Authorization", "Bearer x")
		req.Header.Set("Accept", "text/event-stream, application/json")
		c := s.client(t)
		for range 2 { // each loop begins anew
			s.got = nil
			if got, err := collect(t.Context(), c, req); got != "1=1 1=2" || err != nil {
				t.Errorf("events: %s, %v, want 1 and 2", got, err)
			}
			var paths []string
			for _, r := range s.seen() {
				paths = append(paths, r.path)
				if r.method != http.MethodPost || r.body != `{"q":1}` || r.header.Get("Authorization") != "Bearer x" || r.header.Get("Accept") != "text/event-stream, application/json" {
					t.Errorf("request: %+v, want the method, header and body given", r)
				}
			}
			if got, want := strings.Join(paths, " "), "/ask /ask /moved /ask"; got != want {
				t.Errorf("paths: %s, want %s", got, want)
			}
			if got, want := s.lastIDs(), `- "1" "1" "1"`; got != want {
				t.Errorf("ids: %s, want %s", got, want)
			}
		}
	})
}

// A redirect to another port of the same host gets neither the credentials nor the rest of what the user set.
func TestClientKeepsCredentialsAtTheirOrigin(t *testing.T) {
	for _, to := range []string{"http://server:8080/moved", "http://sub.server/moved", "https://server:8443/moved"} {
		synctest.Test(t, func(t *testing.T) {
			s := &script{steps: []http.HandlerFunc{
				answers(http.StatusTemporaryRedirect, "Location", to),
				sends("id: 1\ndata: 1\n\n"),
			}}
			req := get(t, "/stream")
			req.Header = http.Header{"Authorization": {"Bearer x"}, "Cookie": {"a=b"}, "X-Api-Key": {"k"}}
			c := s.client(t)
			c.HTTP = &http.Client{Transport: cleartext{c.HTTP.Transport}}
			if got, err := collect(t.Context(), c, req); got != "1=1" || err != nil {
				t.Errorf("events: %s, %v, want 1", got, err)
			}
			for i, r := range s.seen()[:2] {
				for _, name := range []string{"Authorization", "Cookie", "X-Api-Key"} {
					if got := r.header.Get(name) != ""; got != (i == 0) {
						t.Errorf("%s to %s: present is %v", name, []string{"the server", to}[i], got)
					}
				}
				if got := r.header.Get("Accept"); got != "text/event-stream" {
					t.Errorf("Accept is %q, want it everywhere", got)
				}
			}
		})
	}
}

// cleartext lets a server without a certificate answer for https.
type cleartext struct{ http.RoundTripper }

func (p cleartext) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme = "http"
	return p.RoundTripper.RoundTrip(r)
}

// Requests that can never succeed are not repeated.
func TestClientFutileRequests(t *testing.T) {
	once, err := http.NewRequest(http.MethodPost, "http://server/x", io.MultiReader(strings.NewReader("x")))
	if err != nil {
		t.Fatal(err)
	}
	failing := get(t, "/stream")
	failing.Body, failing.GetBody = io.NopCloser(strings.NewReader("x")), func() (io.ReadCloser, error) { return nil, errors.New("no more") }
	for _, test := range []struct {
		req  *http.Request
		want string
	}{
		{once, "sse: the request has a body that can be sent only once: set its GetBody"},
		{failing, "sse: get the request's body: no more"},
		{&http.Request{URL: &url.URL{Path: "/x"}}, `sse: the request's URL is /x: an absolute http or https URL is needed`},
		{&http.Request{URL: &url.URL{Scheme: "ftp", Host: "h"}}, `sse: the request's URL is ftp://h: an absolute http or https URL is needed`},
		{&http.Request{}, `sse: the request's URL is <nil>: an absolute http or https URL is needed`},
	} {
		synctest.Test(t, func(t *testing.T) {
			if _, err := collect(t.Context(), new(sse.Client), test.req); err == nil || err.Error() != test.want {
				t.Errorf("error: %v, want %s", err, test.want)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s := &script{}
		for range 20 {
			s.steps = append(s.steps, answers(http.StatusFound, "Location", "/again"))
		}
		_, err := collect(t.Context(), s.client(t), get(t, "/stream"))
		if err == nil || !strings.HasSuffix(err.Error(), "stopped after 10 redirects") || len(s.seen()) != 10 {
			t.Errorf("error after %d requests: %v, want 10 redirects", len(s.seen()), err)
		}
	})
}

func TestClientCertificate(t *testing.T) {
	srv := httptest.NewUnstartedServer(&script{})
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	req, err := http.NewRequest(http.MethodGet, srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := collect(ctx, new(sse.Client), req); !errors.As(err, new(*tls.CertificateVerificationError)) {
		t.Errorf("error: %v, want that of the certificate, at once", err)
	}
}

// A request without a header or a body is fine.
func TestClientBareRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []http.HandlerFunc{sends("data: 1\n\n")}}
		req := &http.Request{URL: &url.URL{Scheme: "http", Host: "server"}}
		if got, err := collect(t.Context(), s.client(t), req); got != "=1" || err != nil {
			t.Errorf("events: %s, %v, want one", got, err)
		}
	})
}

func TestClientTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []http.HandlerFunc{sends("data: short\n\ndata: " + strings.Repeat("x", 100) + "\n\n")}}
		c := s.client(t)
		c.MaxEvent = 50
		got, err := collect(t.Context(), c, get(t, "/stream"))
		if got != "=short" || !errors.Is(err, sse.ErrTooLong) || len(s.seen()) != 1 {
			t.Errorf("events: %s, %v in %d requests, want short and %v in one", got, err, len(s.seen()), sse.ErrTooLong)
		}
	})
}

// Lines of some size are nothing special.
func TestClientLongLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		long := strings.Repeat("x", 1<<20-len("data: "))
		s := &script{steps: []http.HandlerFunc{sends("data: " + long + "\n\n")}}
		if got, err := collect(t.Context(), s.client(t), get(t, "/stream")); got != "="+long || err != nil {
			t.Errorf("%d bytes, %v, want %d", len(got), err, len(long))
		}
	})
}

// Over HTTP/2 a stream is read, left and ended as over HTTP/1.1.
func TestClientHTTP2(t *testing.T) {
	f, _ := newNetFixture(t, engines[0], nil, unencryptedHTTP2)
	f.useHTTP2()
	a := f.topic("a")
	a.Open("r")
	publish(t, a, "1")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := &sse.Client{HTTP: f.srv.Client, StopAtTerminal: true}
	for range c.Events(ctx, get(t, "/one/a")) {
		break
	}
	if err := within(t, "end of the stream that was left", f.results); err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
	var got []string
	for ev, err := range c.Events(ctx, get(t, "/one/a")) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, show(ev)); len(got) == 1 {
			finish(t, a, "end")
		}
	}
	expect(t, "events", strings.Join(got, " "), "r-1=1 r-end=end")
}

// Leaving the loop ends the request, and nothing goes on behind it.
func TestClientLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := false
		s := &script{steps: []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
			sendsAndHangs("data: 1\n\ndata: 2\n\n")(w, r)
			ended = true
		}}}
		for range s.client(t).Events(t.Context(), get(t, "/stream")) {
			break
		}
		synctest.Wait()
		if !ended {
			t.Error("the request goes on")
		}
		time.Sleep(time.Hour)
		if len(s.seen()) != 1 {
			t.Errorf("%d requests, want 1", len(s.seen()))
		}
	})
}

// The end of the context ends the loop at once, in a stream as in a wait, with the cause.
func TestClientContext(t *testing.T) {
	for name, step := range map[string]http.HandlerFunc{"stream": sendsAndHangs("data: 1\n\n"), "wait": sends("data: 1\n\n")} {
		synctest.Test(t, func(t *testing.T) {
			cause := errors.New("the page is closed")
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, cause)
			defer cancel()
			s := &script{steps: []http.HandlerFunc{step}}
			got, err := collect(ctx, s.client(t), get(t, "/stream"))
			if took := time.Since(s.began); got != "=1" || err != cause || took != time.Second || len(s.seen()) != 1 {
				t.Errorf("%s: %s, %v after %v and %d requests, want an event, %v, 1 s, 1", name, got, err, took, len(s.seen()), cause)
			}
		})
	}
}

// At a run's end our own server needs one more request for its 204, which StopAtTerminal saves.
func TestClientAtTerminal(t *testing.T) {
	for stop, want := range map[bool]int32{true: 1, false: 2} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t, engines[0], nil)
			a := f.topic("a")
			a.Open("r")
			publish(t, a, "1")
			var requests atomic.Int32
			c := &sse.Client{HTTP: counted(f.srv.Client, &requests), StopAtTerminal: stop}
			go func() {
				time.Sleep(time.Minute)
				finish(t, a, "end")
			}()
			got, err := collect(t.Context(), c, get(t, "/one/a"))
			if got != "r-1=1 r-end=end" || err != nil || requests.Load() != want {
				t.Errorf("StopAtTerminal %v: %s, %v in %d requests, want 1 and the end in %d", stop, got, err, requests.Load(), want)
			}
		})
	}
}

// Only the server's close at a terminal is the end, not a stream that breaks off, nor one whose id just looks similar.
func TestClientNotAtTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []http.HandlerFunc{breaks("id: r-end\ndata: 1\n\n"), sends("id: the-front-end\ndata: 2\n\n"), sends("id: r-end\ndata: 3\n\nid: s-1\ndata: 4\n\n")}}
		c := s.client(t)
		c.StopAtTerminal = true
		got, err := collect(t.Context(), c, get(t, "/stream"))
		if want := "r-end=1 the-front-end=2 r-end=3 s-1=4"; got != want || err != nil || len(s.seen()) != 4 {
			t.Errorf("events: %s, %v in %d requests, want %s in 4", got, err, len(s.seen()), want)
		}
	})
}

func counted(c *http.Client, n *atomic.Int32) *http.Client {
	return &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		n.Add(1)
		return c.Transport.RoundTrip(r)
	})}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A server that goes away for minutes and comes back with other runs, or none, is seen through.
func TestClientServerRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Pointer[fixture]
		start := func() *fixture {
			f := newFixture(t, engines[0], nil)
			f.topic("a").Open("run" + string(rune('1'+time.Now().Minute()%9)))
			up.Store(f)
			return f
		}
		c := &sse.Client{HTTP: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			f := up.Load()
			if f == nil {
				return nil, errors.New("connection refused")
			}
			return f.srv.Client.Transport.RoundTrip(r)
		})}}
		f := start()
		publish(t, f.topic("a"), "before")
		var retries atomic.Int32
		c.OnRetry = func(error, time.Duration) { retries.Add(1) }

		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		got := make(chan string, 10)
		go func() {
			defer close(got)
			for ev, err := range c.Events(ctx, get(t, "/one/a")) {
				if err != nil {
					return
				}
				got <- string(ev.Data)
			}
		}()
		if ev := <-got; ev != "before" {
			t.Errorf("first event: %s", ev)
		}
		up.Store(nil)
		f.cancel() // its streams end without a word
		time.Sleep(5 * time.Minute)
		if n := retries.Load(); n < 8 || n > 15 {
			t.Errorf("%d attempts in 5 minutes, want 8 to 15", n)
		}
		f = start()
		publish(t, f.topic("a"), "after")
		began := time.Now()
		if ev := <-got; ev != "after" {
			t.Errorf("event after the restart: %s", ev)
		}
		if took := time.Since(began); took > 45*time.Second {
			t.Errorf("back after %v, want at most 45 s", took)
		}
		publish(t, f.topic("a"), "live")
		if ev := <-got; ev != "live" {
			t.Errorf("live event after the restart: %s", ev)
		}
		finish(t, f.topic("a"), "end")
		if ev := <-got; ev != "end" {
			t.Errorf("terminal: %s", ev)
		}
		if ev, more := <-got; more {
			t.Errorf("after the terminal: %s, want the end by 204", ev)
		}
	})
}

// A hub that drains says when to come back; one that turns everybody away does, too, and the client does not hurry.
func TestClientIsShed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, engines[0], &sse.HubOptions{DrainWindow: 5 * time.Second})
		publish(t, f.topic("a"), "1")
		var requests atomic.Int32
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		var waits []time.Duration
		c := &sse.Client{HTTP: counted(f.srv.Client, &requests), OnRetry: func(err error, wait time.Duration) {
			if !errors.Is(err, io.EOF) {
				t.Errorf("reason: %v, want %v", err, io.EOF)
			}
			waits = append(waits, wait)
		}}
		time.AfterFunc(time.Second, func() { _ = f.hub.Drain(ctx) })
		var names []string
		for ev, err := range c.Events(ctx, get(t, "/one/a")) {
			if err == nil {
				names = append(names, ev.Name)
			}
		}
		want := append([]string{""}, slices.Repeat([]string{"bye"}, len(waits))...)
		if names = names[:min(len(names), len(want))]; !slices.Equal(names, want) {
			t.Errorf("events: %q, want %q", names, want)
		}
		if waits[0] < 500*time.Millisecond || waits[0] > 15*time.Second {
			t.Errorf("wait after bye: %v, want what it says", waits[0])
		}
		for _, wait := range waits[1:] {
			if wait < 500*time.Millisecond || wait > 15*time.Second {
				t.Errorf("wait when turned away: %v, want what it says", wait)
			}
		}
		if n := requests.Load(); n < 20 || n > 120 {
			t.Errorf("%d requests in 5 minutes, want 20 to 120", n)
		}
	})
}

// Wherever the connections break, and however often, every event comes once and in order from a server that resumes by id.
func FuzzClientResumes(f *testing.F) {
	f.Add("one\ntwo", []byte{0, 5, 30, 12, 9, 70})
	f.Add("\r\n\x00grün\u2028", []byte{1, 1, 1})
	f.Add(strings.Repeat("long", 2000), []byte{200, 3, 255, 255, 17})
	f.Fuzz(func(t *testing.T, data string, cuts []byte) {
		data, cuts = data[:min(len(data), 10_000)], cuts[:min(len(cuts), 50)] // more is slow, and nothing else
		var events []sse.Event
		want := ""
		for i := range 5 {
			text := fmt.Sprint(i, data)
			events = append(events, sse.Event{ID: fmt.Sprint("r-", i+1), Data: []byte(text)})
			want += strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
		}
		synctest.Test(t, func(t *testing.T) {
			// On each connection the server goes on after the id, and the connection lasts for so many bytes as the cut says.
			serve := func(r *http.Request) (*http.Response, error) {
				n := 0
				fmt.Sscanf(r.Header.Get("Last-Event-ID"), "r-%d", &n)
				resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}}, Request: r, Body: http.NoBody}
				if n == len(events) {
					resp.StatusCode = http.StatusNoContent
					return resp, nil
				}
				var wire []byte
				for _, ev := range events[n:] {
					wire, _ = ev.AppendTo(wire)
				}
				if len(cuts) > 0 {
					wire, cuts = wire[:min(len(wire), int(cuts[0])*int(cuts[0]))], cuts[1:]
				}
				resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(string(wire)), iotest.ErrReader(errors.New("cut"))))
				return resp, nil
			}
			c := &sse.Client{HTTP: &http.Client{Transport: roundTripper(serve)}}
			got := ""
			for ev, err := range c.Events(t.Context(), get(t, "/stream")) {
				if err != nil {
					t.Fatal(err)
				}
				got += string(ev.Data)
			}
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	})
}

// A server may ask for longer than a clock can tell. The client waits an hour, on the attempts that fail after that too,
// and does not ask again at once.
func TestClientWaitsForWhoAsksTooMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []http.HandlerFunc{
			sends("retry: 99999999999999999999\ndata: 1\n\n"), answers(502), answers(502),
		}}
		if got, err := collect(t.Context(), s.client(t), get(t, "/")); err != nil {
			t.Errorf("events = %q, %v, want no error", got, err)
		}
		inRanges(t, "waits", s.waits(), time.Hour, 90*time.Minute, time.Hour, 90*time.Minute, time.Hour, 90*time.Minute)
	})
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []http.HandlerFunc{answers(502)}}
		c := s.client(t)
		c.Retry = 1<<63 - 1
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		_, _ = collect(ctx, c, get(t, "/"))
		if n := len(s.seen()); n != 1 {
			t.Errorf("a client whose Retry is the longest Duration has asked %d times in a day, want once", n)
		}
	})
}

// gzipped answers with a stream of these bytes, compressed whatever was asked for and flushed after each, on which
// nothing follows.
func gzipped(encoding string, parts ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Content-Encoding", encoding)
		gz := gzip.NewWriter(w)
		for _, part := range parts {
			io.WriteString(gz, part)
			gz.Flush()
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
	}
}

// Servers and proxies exist that compress whatever they are asked for. A browser reads them, and so does a Client; an
// encoding that it does not know ends the loop with its name, and not in events that never come.
func TestClientReadsACompressedStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []http.HandlerFunc{
			gzipped("gzip", "id: 1\ndata: one\n\n", "id: 2\ndata: two\n\n"), gzipped("GZIP", "id: 3\ndata: three\n\n"), sends("data: plain\n\n"),
		}}
		got, err := collect(t.Context(), s.client(t), get(t, "/"))
		if want := "1=one 2=two 3=three 3=plain"; got != want || err != nil {
			t.Errorf("events = %q, %v, want %q", got, err, want)
		}
		s = &script{steps: []http.HandlerFunc{gzipped("br", "data: 1\n\n")}}
		_, err = collect(t.Context(), s.client(t), get(t, "/"))
		var refused *sse.StatusError
		if want := `200 OK, encoded as "br", want identity or gzip`; !errors.As(err, &refused) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("error = %v, want one that says %q", err, want)
		}
	})
	synctest.Test(t, func(t *testing.T) { // and what is not gzip at all is a broken connection
		s := &script{steps: []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			sends("data: 1\n\n")(w, r)
		}}}
		if got, err := collect(t.Context(), s.client(t), get(t, "/")); got != "" || err != nil || len(s.seen()) != 2 {
			t.Errorf("events = %q, %v in %d requests, want none in 2", got, err, len(s.seen()))
		}
	})
}
