package http_test

import (
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/value"
)

func ExampleExchange_Fetch() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"temp": 21.5, "station": 9007199254740993}`)
	}))
	defer server.Close()

	u, _ := url.Parse(server.URL)
	v, err := httpkind.Exchange{URL: u}.Fetch(context.Background())
	fmt.Println(v, err)
	// Output: map[station:9007199254740993 temp:21.5] <nil>
}

// serve starts a server and returns an HTTP for the path on it.
func serve(t testing.TB, path string, handler http.HandlerFunc) httpkind.Exchange {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	client := httpkind.NewClient()
	t.Cleanup(client.CloseIdleConnections)
	return httpkind.Exchange{Client: client, URL: parseURL(t, server.URL+path)}
}

func parseURL(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestHTTPParses(t *testing.T) {
	tests := []struct {
		how, body string
		want      any
	}{
		{"", `{"a":[1,null,"b"]}`, map[string]any{"a": []any{1.0, nil, "b"}}},
		{"json", "\uFEFF 42 \n", 42.0},
		{"json", `[9007199254740991,9007199254740993,-9007199254740993,1e300,1e400]`,
			[]any{9007199254740991.0, json.Number("9007199254740993"), json.Number("-9007199254740993"), 1e300, json.Number("1e400")}},
		{"text", "  21.5 °C\n", "21.5 °C"},
		{"text", "a\xffb", "a\uFFFDb"},
		{"lines", "Use%\n  42% \n", []any{"Use%", "42%"}},
		{"lines", "a\r\n\r\nb", []any{"a", "", "b"}},
		{"lines", "", []any{}},
	}
	for _, tt := range tests {
		h := serve(t, "/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, tt.body) })
		h.Parse.Name = tt.how
		if got, err := h.Fetch(t.Context()); err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q as %q = %#v, %v, want %#v", tt.body, tt.how, got, err, tt.want)
		}
	}
}

func TestUnknownParseIsTheCallersBug(t *testing.T) {
	h := serve(t, "/", func(w http.ResponseWriter, r *http.Request) {})
	h.Parse.Name = "ini"
	defer func() {
		if got, want := recover(), `value: the format is "ini", which is none`; got != want {
			t.Errorf("recovered %v, want %s", got, want)
		}
	}()
	_, _ = h.Fetch(t.Context())
}

func TestHTTPRequest(t *testing.T) {
	var got *http.Request
	h := serve(t, "/now?q=Perth", func(w http.ResponseWriter, r *http.Request) {
		got = r
		fmt.Fprint(w, "1")
	})
	header := map[string][]string{"authorization": {"Bearer abc"}, "X-Two": {"1", "2"}, "Host": {"weather.example"}}
	h.Header = header
	if _, err := h.Fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got.Method != "GET" || got.URL.RequestURI() != "/now?q=Perth" || got.Host != "weather.example" {
		t.Errorf("request = %s %s for %s, want GET /now?q=Perth for weather.example", got.Method, got.URL, got.Host)
	}
	want := http.Header{
		"Authorization": {"Bearer abc"}, "X-Two": {"1", "2"}, "User-Agent": {"tidewire"}, "Cache-Control": {"no-cache"},
		"Accept": {"application/json, */*;q=0.1"}, "Accept-Encoding": {"gzip"},
	}
	if !reflect.DeepEqual(got.Header, want) {
		t.Errorf("header = %v, want %v", got.Header, want)
	}
	if len(header["authorization"]) != 1 || len(h.Header) != 3 {
		t.Errorf("the configured header became %v", h.Header)
	}
}

// A body that is as large as may be is no error; one byte more is.
func TestBodyLimit(t *testing.T) {
	size := value.MaxBody
	h := serve(t, "/x", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", size))
	})
	h.Parse = value.Text
	if v, err := h.Fetch(t.Context()); err != nil || len(v.(string)) != size {
		t.Errorf("%d bytes = %v, want them", size, err)
	}
	size++
	wantError(t, h, "GET "+h.URL.String()+": the answer is larger than 4 MiB")
}

func wantError(t *testing.T, h httpkind.Exchange, want string) error {
	t.Helper()
	v, err := h.Fetch(t.Context())
	if err == nil || err.Error() != want {
		t.Errorf("Fetch = %.50v, %v, want the error %s", v, err, want)
	}
	return err
}

func TestEndlessBodyAndGzipBomb(t *testing.T) {
	chunk := make([]byte, 64<<10)
	var sent atomic.Int64
	endless := func(w io.Writer) {
		for {
			n, err := w.Write(chunk)
			if sent.Add(int64(n)); err != nil || sent.Load() > 1<<30 {
				return
			}
		}
	}
	handlers := map[string]http.HandlerFunc{
		"endless": func(w http.ResponseWriter, r *http.Request) { endless(w) },
		"gzip": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			endless(gzip.NewWriter(w))
		},
	}
	for name, handler := range handlers {
		t.Run(name, func(t *testing.T) {
			sent.Store(0)
			over := make(chan struct{})
			h := serve(t, "/"+name, func(w http.ResponseWriter, r *http.Request) {
				defer close(over)
				handler(w, r)
			})
			wantError(t, h, "GET "+h.URL.String()+": the answer is larger than 4 MiB")
			h.Client.CloseIdleConnections()
			<-over // the connection was closed, not drained
			if sent.Load() > 1<<29 {
				t.Errorf("the server could send %d bytes", sent.Load())
			}
		})
	}
}

func TestBadAnswers(t *testing.T) {
	tests := []struct{ name, kind, body, want string }{
		{"html", "text/html; charset=utf-8", "<!DOCTYPE html>\n<html>sign in", `got text/html; charset=utf-8, want JSON, starts with "<!DOCTYPE html>\n<html>sign in"`},
		{"long", "text/plain", strings.Repeat("é", 100), `got text/plain, want JSON, starts with "` + strings.Repeat("é", 40) + `..."`},
		{"broken", "application/json", `{"a":}`, `not JSON (invalid character '}' looking for beginning of value), starts with "{\"a\":}"`},
		{"problem", "application/problem+json", `nope`, `not JSON (invalid character 'o' in literal null (expecting 'u')), starts with "nope"`},
		{"empty", "application/json", " \n", "empty, want JSON"},
		{"cut", "application/json", `{"a":[1,`, `JSON that ends too early, starts with "{\"a\":[1,"`},
		{"two", "application/json", `{} {}`, `more than one JSON value, starts with "{} {}"`},
		{"trailing", "application/json", `{}]`, `more than one JSON value, starts with "{}]"`},
		{"deep", "application/json", strings.Repeat("[", 1<<20), "JSON nests deeper than 100 levels"},
		{"deep2", "application/json", strings.Repeat(`{"a":`, 101) + "1" + strings.Repeat("}", 101), "JSON nests deeper than 100 levels"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := serve(t, "/x", func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", tt.kind)
				fmt.Fprint(w, tt.body)
			})
			wantError(t, h, "GET "+h.URL.String()+": "+tt.want)
		})
	}
}

func TestDeepestJSON(t *testing.T) {
	h := serve(t, "/x", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, strings.Repeat("[", value.MaxDepth)+`"[[[\"[["`+strings.Repeat("]", value.MaxDepth))
	})
	if _, err := h.Fetch(t.Context()); err != nil {
		t.Errorf("100 levels = %v, want none", err)
	}
}

func TestUnknownEncoding(t *testing.T) {
	h := serve(t, "/x", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "br")
		fmt.Fprint(w, "1")
	})
	want := "GET " + h.URL.String() + `: the answer is encoded as "br", want gzip or plain`
	wantError(t, h, want)
	if answer, err := (httpkind.Call{Method: "GET", URL: h.URL}).Do(t.Context()); err == nil || err.Error() != want {
		t.Errorf("the answer to a job's request = %v, %v, want the error %s", answer, err, want)
	}
	h.Header = http.Header{"Accept-Encoding": {"gzip, br"}}
	wantError(t, h, "GET "+h.URL.String()+`: the answer is encoded as "br", since headers have Accept-Encoding: remove that`)
}

func TestWhatIsNoGzip(t *testing.T) {
	for _, answer := range []string{`{"a":1}`, `{"a": "more than the header of gzip"}`} {
		h := serve(t, "/x", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			fmt.Fprint(w, answer)
		})
		wantError(t, h, "GET "+h.URL.String()+": the answer has Content-Encoding: gzip, but is no gzip or ends too early")
	}
}

func TestGzip(t *testing.T) {
	h := serve(t, "/x", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		fmt.Fprint(z, `"packed"`)
		z.Close()
	})
	if v, err := h.Fetch(t.Context()); err != nil || v != "packed" {
		t.Errorf("Fetch = %v, %v, want packed", v, err)
	}
}

func TestStatusError(t *testing.T) {
	tests := []struct {
		code   int
		header map[string]string
		want   string
		after  time.Duration
	}{
		{500, nil, "500 Internal Server Error", 0},
		{429, map[string]string{"Retry-After": "7"}, "429 Too Many Requests", 7 * time.Second},
		{503, map[string]string{
			"Date":        "Wed, 21 Oct 2026 07:28:00 GMT",
			"Retry-After": "Wed, 21 Oct 2026 07:29:30 GMT",
		}, "503 Service Unavailable", 90 * time.Second},
		{304, nil, "304 Not Modified", 0},
		{599, nil, "599", 0},
	}
	for _, tt := range tests {
		h := serve(t, "/x?key=secret#f", func(w http.ResponseWriter, r *http.Request) {
			for k, v := range tt.header {
				w.Header().Set(k, v)
			}
			w.WriteHeader(tt.code)
		})
		h.URL.User = url.UserPassword("me", "pw")
		shown := "http://" + h.URL.Host + "/x"
		_, err := h.Fetch(t.Context())
		got, ok := err.(*httpkind.StatusError)
		if !ok || err.Error() != "GET "+shown+": "+tt.want {
			t.Errorf("Fetch = %v, want GET %s: %s", err, shown, tt.want)
			continue
		}
		if want := (httpkind.StatusError{Code: tt.code, Status: tt.want, Method: "GET", URL: shown, After: tt.after}); *got != want {
			t.Errorf("StatusError = %+v, want %+v", *got, want)
		}
		if got.RetryAfter() != tt.after {
			t.Errorf("RetryAfter() = %v, want %v", got.RetryAfter(), tt.after)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 10, 21, 7, 28, 0, 0, time.UTC)
	tests := []struct {
		in   string
		want time.Duration
	}{
		{"", 0},
		{"0", 0},
		{"120", 2 * time.Minute},
		{" 5 ", 5 * time.Second},
		{"-5", 0},
		{"1.5", 0},
		{"soon", 0},
		{"86401", 24 * time.Hour},
		{"99999999999999999999", 24 * time.Hour},
		{"Wed, 21 Oct 2026 07:28:10 GMT", 10 * time.Second},
		{"Wednesday, 21-Oct-26 07:28:10 GMT", 10 * time.Second},
		{"Wed Oct 21 07:28:10 2026", 10 * time.Second},
		{"Wed, 21 Oct 2026 07:27:00 GMT", 0},
		{"Fri, 01 Jan 9999 00:00:00 GMT", 24 * time.Hour},
	}
	for _, tt := range tests {
		if got := httpkind.RetryAfter(tt.in, now); got != tt.want {
			t.Errorf("RetryAfter(%q) = %v, want %v", tt.in, got, tt.want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "1", "007", "-1", "1e9", "99999999999999999999", "Wed, 21 Oct 2026 07:28:10 GMT", "\t5"} {
		f.Add(s, int64(0))
	}
	f.Fuzz(func(t *testing.T, s string, at int64) {
		now := time.Unix(at%(1<<34), 0).UTC()
		if got := httpkind.RetryAfter(s, now); got < 0 || got > 24*time.Hour {
			t.Errorf("RetryAfter(%q) = %v, want 0 to 24 h", s, got)
		}
		// A date that we write is read as what it is.
		d := time.Duration(len(s)) * time.Second
		if got := httpkind.RetryAfter(now.Add(d).Format(http.TimeFormat), now); now.Year() > 0 && now.Year() < 9999 && got != d {
			t.Errorf("RetryAfter(now+%v) = %v", d, got)
		}
	})
}

func TestRedirects(t *testing.T) {
	var other atomic.Int64
	foreign := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { other.Add(1) }))
	defer foreign.Close()
	foreignHost := strings.TrimPrefix(foreign.URL, "http://")

	tests := []struct{ path, want string }{
		{"/3", ""},
		{"/4", ": redirected more than 3 times"},
		{"/loop", ": redirected more than 3 times"},
		{"/away", ": redirected to another origin, http://" + foreignHost + ": want its own upstream"},
		{"/2away", ": redirected to another origin, http://" + foreignHost + ": want its own upstream"},
		{"/nowhere", ": 302 Found"},
	}
	for _, tt := range tests {
		h := serve(t, tt.path, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Key") != "k" {
				t.Errorf("%s without the header, want it on the same host", r.URL)
			}
			to := map[string]string{
				"/4": "/3", "/3": "/2", "/2": "/1", "/1": "/0", "/loop": "/loop",
				"/away": foreign.URL + "/?secret=1", "/2away": "/away",
			}[r.URL.Path]
			switch {
			case to != "":
				http.Redirect(w, r, to, http.StatusFound)
			case r.URL.Path == "/nowhere":
				w.WriteHeader(http.StatusFound)
			default:
				fmt.Fprint(w, "1")
			}
		})
		h.Header = http.Header{"X-Key": {"k"}}
		h.Client.CheckRedirect = func(*http.Request, []*http.Request) error { return nil } // the rule is not the client's
		if tt.want == "" {
			if _, err := h.Fetch(t.Context()); err != nil {
				t.Errorf("%s = %v, want none", tt.path, err)
			}
			continue
		}
		wantError(t, h, "GET "+h.URL.String()+tt.want)
	}
	if other.Load() > 0 {
		t.Errorf("the other host was asked %d times", other.Load())
	}
}

func TestRedirectToPlainHTTP(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+r.Host+"/", http.StatusFound)
	}))
	defer server.Close()
	h := httpkind.Exchange{Client: server.Client(), URL: parseURL(t, server.URL+"/")}
	wantError(t, h, "GET "+server.URL+"/: redirected from https to http")
}

func TestUntrustedCertificate(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	h := httpkind.Exchange{URL: parseURL(t, server.URL)}
	_, err := h.Fetch(t.Context())
	if want := ": the certificate is signed by itself, not by an authority: name it as tls.ca"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Fetch = %v, want %q in it", err, want)
	}
}

// A server that sends the certificate of its authority along has not signed its own.
func TestAnAuthorityOfTheServerIsNamed(t *testing.T) {
	signed := func(name string, of *x509.Certificate, key *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		c := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: of == nil, BasicConstraintsValid: true,
		}
		if of == nil {
			of, key = c, own
		}
		der, err := x509.CreateCertificate(rand.Reader, c, of, &own.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		if c, err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
		return c, own
	}
	ca, caKey := signed("plant CA", nil, nil)
	cert, key := signed("meter", ca, caKey)
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw, ca.Raw}, PrivateKey: key}}}
	server.StartTLS()
	defer server.Close()
	_, err := httpkind.Exchange{URL: parseURL(t, server.URL)}.Fetch(t.Context())
	if want := "the certificate is signed by plant CA, which is not trusted"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Fetch = %v, want %q in it", err, want)
	}
}

func TestConnectionRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	h := httpkind.Exchange{URL: parseURL(t, "http://"+addr+"/x?key=secret")}
	err = wantError(t, h, "GET http://"+addr+"/x: connection refused")
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("error %v does not wrap ECONNREFUSED", err)
	}
}

// raw serves each connection with f.
func raw(t *testing.T, f func(net.Conn)) httpkind.Exchange {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			f(conn)
			conn.Close()
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	client := httpkind.NewClient()
	t.Cleanup(client.CloseIdleConnections)
	return httpkind.Exchange{Client: client, URL: parseURL(t, "http://"+l.Addr().String()+"/x")}
}

func readRequest(conn net.Conn) {
	b := make([]byte, 4096)
	_, _ = conn.Read(b)
}

func TestBrokenAnswers(t *testing.T) {
	tests := []struct{ name, answer, want string }{
		{"nothing", "", "the connection closed before the answer was complete"},
		{"half a body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n[1,", "the connection closed before the answer was complete"},
		{"not HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n", `malformed HTTP response "SSH-2.0-OpenSSH_9.2"`},
		{"huge header", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 100<<10) + "\r\n\r\n", "server response headers exceeded 65536 bytes; aborted"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := raw(t, func(conn net.Conn) {
				readRequest(conn)
				_, _ = io.WriteString(conn, tt.answer)
			})
			wantError(t, h, "GET "+h.URL.String()+": "+tt.want)
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := httpkind.Exchange{URL: parseURL(t, "http://example.com/x"), Client: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := h.Fetch(ctx)
		if want := "GET http://example.com/x: timed out after 5 s"; err == nil || err.Error() != want || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Fetch = %v, want %s", err, want)
		}
	})
}

// A body that never comes to its end is bounded by the context, with the same words.
func TestTimeoutInTheBody(t *testing.T) {
	h := serve(t, "/x", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "[1,")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := h.Fetch(ctx)
	if want := "GET " + h.URL.String() + ": timed out after "; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("Fetch = %v, want %s", err, want)
	}
}

func TestCancelledFetch(t *testing.T) {
	why := errors.New("shutting down")
	ctx, cancel := context.WithCancelCause(t.Context())
	h := serve(t, "/x", func(w http.ResponseWriter, r *http.Request) {
		cancel(why)
		<-r.Context().Done()
	})
	_, err := h.Fetch(ctx)
	if want := "GET " + h.URL.String() + ": shutting down"; err == nil || err.Error() != want || !errors.Is(err, why) {
		t.Errorf("Fetch = %v, want %s", err, want)
	}
}

// A transport that knows nothing of causes does not hide them.
func TestCauseIsKept(t *testing.T) {
	why := errors.New("shutting down")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	h := httpkind.Exchange{URL: parseURL(t, "http://example.com/x"), Client: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		return nil, r.Context().Err()
	})}}
	if _, err := h.Fetch(ctx); !errors.Is(err, why) {
		t.Errorf("Fetch = %v, want %v", err, why)
	}
}

// Whatever a server says, it does not bring our credential onto a page.
func TestErrorsNeverContainHeaderValues(t *testing.T) {
	const token, key = "tok-3f9a8b7c6d5e4f30", "k-0123456789"
	leaks := map[string]http.HandlerFunc{
		"body": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "bad token "+r.Header.Get("Authorization")+" "+r.Header.Get("X-Key"))
		},
		"cut": func(w http.ResponseWriter, r *http.Request) { // half of the token is within the quoted start
			fmt.Fprint(w, strings.Repeat("x", 30)+r.Header.Get("X-Key")+token)
		},
		"content type": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/"+token)
			fmt.Fprint(w, "x")
		},
		"encoding": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", token)
			fmt.Fprint(w, "x")
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://"+token+".example/", http.StatusFound)
		},
		"query": func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "no such key "+r.FormValue("key")) },
	}
	check := func(name string, h httpkind.Exchange) {
		h.Header = http.Header{"Authorization": {"Bearer " + token}, "X-Key": {key}}
		h.Secrets = secret.New(append(secret.OfHeader(h.Header), "query-canary")...)
		_, err := h.Fetch(t.Context())
		if err == nil {
			t.Errorf("%s: no error, want one", name)
			return
		}
		for _, hidden := range []string{token, token[:8], key, key[:8], "query-canary"} {
			if strings.Contains(err.Error(), hidden) {
				t.Errorf("%s: %q contains %q", name, err, hidden)
			}
		}
		if strings.Contains(err.Error(), "\n") || len(err.Error()) > 300 {
			t.Errorf("%s: %q is not one short line", name, err)
		}
	}
	for name, handler := range leaks {
		check(name, serve(t, "/x?key=query-canary", handler))
	}
	check("status line", raw(t, func(conn net.Conn) {
		readRequest(conn)
		_, _ = io.WriteString(conn, "HTTP/1.1 401 "+token+"\r\nContent-Length: 0\r\n\r\n")
	}))
	check("malformed", raw(t, func(conn net.Conn) {
		readRequest(conn)
		_, _ = io.WriteString(conn, token+" "+strings.Repeat("x", 150)+token+"\r\n\r\n")
	}))
}

func TestConnectionsAreReusedAndNoCookiesKept(t *testing.T) {
	var mu sync.Mutex
	connections := map[string]bool{}
	n := 0
	h := serve(t, "/x", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		connections[r.RemoteAddr] = true
		if len(r.Cookies()) > 0 {
			t.Errorf("the request has the cookies %v", r.Cookies())
		}
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "1"})
		if n++; n%2 == 0 {
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, "1")
	})
	for range 10 {
		_, _ = h.Fetch(t.Context())
	}
	if len(connections) != 1 || n != 10 {
		t.Errorf("%d requests on %d connections, want 10 on 1", n, len(connections))
	}
}

// A timeout is named as it was configured, not as it was measured.
func TestATimeoutIsNamedAsItIsConfigured(t *testing.T) {
	h := serve(t, "/", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeoutCause(t.Context(), 19*time.Millisecond, configured{})
	defer cancel()
	if _, err := h.Fetch(ctx); err == nil || !strings.HasSuffix(err.Error(), ": timed out after 20 ms") || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Fetch = %v, want a deadline that is called 20ms", err)
	}
}

type configured struct{}

func (configured) Error() string        { return "timed out after 20 ms" }
func (configured) Is(target error) bool { return target == context.DeadlineExceeded }

// A cache on the way answers a poll with what was asked before for as long as it may, unless it is told to ask.
func TestACacheOnTheWayIsToldToAsk(t *testing.T) {
	n, kept := 0, ""
	h := serve(t, "/", func(w http.ResponseWriter, r *http.Request) { // a cache, and what is behind it
		if kept == "" || strings.Contains(r.Header.Get("Cache-Control"), "no-cache") { // RFC 9111 §5.2.1.4
			n++
			kept = fmt.Sprint(n)
		}
		fmt.Fprint(w, kept)
	})
	for _, want := range []float64{1, 2} {
		if v, err := h.Fetch(t.Context()); v != want || err != nil {
			t.Errorf("Fetch = %v, %v, want %v", v, err, want)
		}
	}
	h.Header = http.Header{"cache-control": {"max-age=60"}} // whoever is content with less says so
	if v, err := h.Fetch(t.Context()); v != 2.0 || err != nil {
		t.Errorf("Fetch = %v, %v, want 2", v, err)
	}
}
