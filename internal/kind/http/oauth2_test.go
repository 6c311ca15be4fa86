package http_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/kind"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/sse/ssetest"
)

// An issuer issues tokens, strictly, and is also the upstream that takes them. The two are told apart by their hosts.
type issuer struct {
	lasts  time.Duration                    // of a token; 0: it does not say
	style  string                           // "header" or "body": where it takes the credential; empty: both
	unseen string                           // the answer, with 400, to a request without a credential where it takes that; empty: as if it were wrong
	takes  time.Duration                    // to issue one
	answer func(w http.ResponseWriter) bool // answers in place of a token, if it returns true

	mu      sync.Mutex // guards the fields below
	issued  int
	asked   int                  // requests for tokens
	valid   map[string]time.Time // until when; zero: for ever
	polled  int
	refused int
	strays  []string // what went to a place where it should not
}

func (s *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if r.Host == "id.example" {
		time.Sleep(s.takes)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked++
		if strings.Contains(fmt.Sprint(r.Header), "token-") {
			s.strays = append(s.strays, "a token went to its issuer")
		}
		s.issueLocked(w, r, string(body))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.polled++
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if text := fmt.Sprint(r.URL, r.Header, string(body)); strings.Contains(text, "cl13nt") {
		s.strays = append(s.strays, "the secret went to the upstream")
	}
	until, ok := s.valid[token]
	if !ok || !until.IsZero() && !time.Now().Before(until) {
		s.refused++
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"error": "no longer good: %s"}`, token)
		return
	}
	switch r.URL.Path {
	case "/echo":
		fmt.Fprintf(w, `{"sent": %q, "body": %q}`, r.Header.Get("Authorization"), body)
	case "/header":
		w.Header().Set("X-Sent", r.Header.Get("Authorization"))
		fmt.Fprint(w, "{}")
	case "/away":
		http.Redirect(w, r, "http://"+token+".example/", http.StatusFound)
	case "/broken", "/breaks", "/status":
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		fmt.Fprintf(conn, map[string]string{
			"/broken": "HTTP/1.1 200 OK\r\nBearer %s\r\n\r\n",
			"/breaks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\nBearer %s\r\n\r\n",
			"/status": "HTTP/1.1 500 %s\r\nContent-Length: 0\r\n\r\n",
		}[r.URL.Path], token)
		_ = conn.Close()
	case "/fails":
		http.Error(w, "cannot for "+token, http.StatusInternalServerError)
	default:
		fmt.Fprint(w, `{"ok": true}`)
	}
}

func (s *issuer) issueLocked(w http.ResponseWriter, r *http.Request, body string) {
	if s.answer != nil && s.answer(w) {
		return
	}
	user, password, basic := r.BasicAuth()
	inBody := strings.Contains(body, "client_id=plant&client_secret=cl13nt%2Fs3cret")
	good := basic && user == "plant" && password == "cl13nt%2Fs3cret" && s.style != "body" || inBody && !basic && s.style != "header"
	w.Header().Set("Content-Type", "application/json")
	if basic && s.style == "body" && s.unseen != "" {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, s.unseen)
		return
	}
	if r.Method != "POST" || r.URL.Path != "/token" || !good || !strings.Contains(body, "grant_type=client_credentials") ||
		!strings.Contains(body, "scope=read+more") || !strings.Contains(body, "audience=tides") {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error": "invalid_client", "error_description": "not with cl13nt/s3cret"}`)
		return
	}
	s.issued++
	token := fmt.Sprintf("token-%d", s.issued)
	s.valid[token] = time.Time{}
	if s.lasts > 0 {
		s.valid[token] = time.Now().Add(s.lasts)
		fmt.Fprintf(w, `{"access_token": %q, "token_type": "bearer", "expires_in": %d}`, token, int(s.lasts.Seconds()))
		return
	}
	fmt.Fprintf(w, `{"access_token": %q, "token_type": "Bearer"}`, token)
}

// revoke makes all tokens invalid.
func (s *issuer) revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.valid)
}

// counts are those of requests for tokens, of polls, and of polls that were refused.
func (s *issuer) counts() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintf("asked %d polled %d refused %d%s", s.asked, s.polled, s.refused, strings.Join(s.strays, ", "))
}

// way returns how to reach s in a bubble, and what is there.
func (s *issuer) way(t *testing.T, more string) (*httpkind.Upstream, *http.Client, io.Closer) {
	t.Helper()
	s.valid = map[string]time.Time{}
	server := ssetest.NewServer(t, s)
	u := upstreamOf(t, `{http: http://plant.example, auth: {oauth2: {token_url: http://id.example/token, client_id: plant, `+
		`client_secret: cl13nt/s3cret, scopes: [read, more], params: {audience: tides}`+more+`}}}`)
	link, err := httpkind.OpenVia(u, server.Client.Transport.(*http.Transport).DialContext)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = link.Close() })
	return u, httpkind.ClientOf(link, nil), link
}

func wantCounts(t *testing.T, s *issuer, when, want string) {
	t.Helper()
	if got := s.counts(); got != want {
		t.Errorf("%s: %s, want %s", when, got, want)
	}
}

// One token serves any number of sources, and is renewed before it expires, without a poll that waits or fails.
func TestATokenIsRenewedBeforeItExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &issuer{lasts: 10 * time.Minute, takes: 3 * time.Second}
		u, client, _ := s.way(t, "")
		var all sync.WaitGroup
		poll := func() {
			for range 50 {
				all.Go(func() {
					if _, err := ask(t, u, client, "/x").Fetch(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
		}
		begin := time.Now()
		poll()
		wantCounts(t, s, "at first", "asked 1 polled 50 refused 0")
		if waited := time.Since(begin); waited != 3*time.Second {
			t.Errorf("the first polls took %v, want the 3s of the token", waited)
		}
		for range 120 {
			time.Sleep(time.Minute)
			begin = time.Now()
			poll()
			if waited := time.Since(begin); waited != 0 {
				t.Errorf("polls waited %v for a token", waited)
			}
		}
		time.Sleep(time.Minute)
		// A token has 10 minutes, and the first poll after eight of them renews it.
		wantCounts(t, s, "after two hours", "asked 14 polled 6050 refused 0")
	})
}

// A token that is over is not used, and all who need one wait for the same.
func TestATokenThatIsOverIsNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &issuer{lasts: time.Minute, takes: time.Second}
		u, client, _ := s.way(t, "")
		for range 3 {
			var all sync.WaitGroup
			for range 20 {
				all.Go(func() {
					if _, err := ask(t, u, client, "/x").Fetch(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			time.Sleep(time.Hour)
		}
		wantCounts(t, s, "after three hours", "asked 3 polled 60 refused 0")
	})
}

// A token that the upstream refuses is renewed once, for all, and the requests are sent again with their bodies.
func TestARefusedTokenIsRenewedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &issuer{takes: time.Second}
		u, client, _ := s.way(t, "")
		fetch := func() error { _, err := ask(t, u, client, "/x").Fetch(t.Context()); return err }
		if err := fetch(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Hour)
		s.revoke()
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if err := fetch(); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if s.asked != 2 || s.polled-s.refused != 11 { // some may have waited for the new token at once
			t.Errorf("after tokens were revoked: %s, want 2 requests for tokens and no poll that failed", s.counts())
		}

		// Whom the upstream refuses whatever the token is does not ask for one token after the other.
		s.mu.Lock()
		s.answer = func(w http.ResponseWriter) bool {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"access_token": "token-bad", "expires_in": "3600"}`)
			return true
		}
		s.mu.Unlock()
		s.revoke()
		for range 60 {
			if got := said(fetch()); !strings.HasPrefix(got, "401 Unauthorized: no longer good: ***") {
				t.Errorf("the error is %q, want 401 with the token hidden", got)
			}
			time.Sleep(time.Second)
		}
		if s.asked > 4 {
			t.Errorf("%d requests for tokens within a minute, want at most 4", s.asked)
		}
	})
}

func TestABodyIsSentAgainWithTheNewToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &issuer{}
		u, client, _ := s.way(t, "")
		call := httpkind.Call{Client: client, Method: "POST", URL: u.URL.JoinPath("/echo"), Body: []byte("the body")}
		for range 2 {
			answer, err := call.Do(t.Context())
			if want := `{"sent": "Bearer ***", "body": "the body"}`; err != nil || string(answer.Body) != want {
				t.Errorf("Do = %+v, %v, want %s", answer, err, want)
			}
			time.Sleep(time.Hour)
			s.revoke()
		}
	})
}

// A token that an upstream repeats is hidden in values, errors and traces.
func TestATokenIsHidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &issuer{lasts: time.Hour}
		u, client, _ := s.way(t, "")
		var trace strings.Builder
		ctx := kind.WithTrace(t.Context(), kind.NewTrace(&trace, nil))
		v, err := ask(t, u, client, "/echo").Fetch(ctx)
		if got := fmt.Sprint(v); err != nil || !strings.Contains(got, "sent:Bearer ***") {
			t.Errorf("the value is %s, %v, want the token hidden", got, err)
		}
		_, err = ask(t, u, client, "/fails").Fetch(ctx)
		if got, want := said(err), "500 Internal Server Error: cannot for ***"; got != want {
			t.Errorf("the error is %q, want %q", got, want)
		}
		for path, want := range map[string]string{
			"/broken": `malformed MIME header: missing colon: "Bearer ***"`,
			"/breaks": `the answer breaks off after 1 bytes: malformed MIME header: missing colon: "Bearer ***"`,
			"/status": "500 Internal Server Error",
		} {
			if _, err = ask(t, u, client, path).Fetch(ctx); said(err) != want {
				t.Errorf("%s: the error is %q, want %q", path, said(err), want)
			}
		}
		_, err = ask(t, u, client, "/away").Fetch(ctx)
		if got, want := said(err), "redirected to another origin, http://***.example: want its own upstream"; got != want {
			t.Errorf("the error of a redirect is %q, want %q", got, want)
		}
		get, header := ask(t, u, client, "/header"), ""
		get.Variables, get.Told = []string{"$headers"}, func(all map[string]any) { header = fmt.Sprint(all) }
		if _, err := get.Fetch(ctx); err != nil || !strings.Contains(header, "x-sent:Bearer ***") {
			t.Errorf("the header is %s, %v, want the token hidden", header, err)
		}
		if got := trace.String(); strings.Contains(got, "token-1") || strings.Contains(got, "cl13nt") || !strings.Contains(got, "token from http://id.example, for 1h0m0s more") {
			t.Errorf("the trace is\n%s\nwant what token is used, and not the token", got)
		}
	})
}

// A request for a token that fails says so in its own words, hides the secret, and is not repeated by each poll.
func TestATokenThatCannotBeHad(t *testing.T) {
	tests := []struct {
		more   string
		answer func(w http.ResponseWriter) bool
		want   string
	}{
		{"", func(w http.ResponseWriter) bool {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error": "invalid_client"}`)
			return true
		}, "no token from http://id.example: invalid_client (the credential was in the header Authorization; style: body sends it in the body)"},
		{"", func(w http.ResponseWriter) bool {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error": "unauthorized_client"}`)
			return true
		}, "no token from http://id.example: unauthorized_client"},
		{", style: body", nil, "no token from http://id.example: invalid_client: not with ***"},
		{"", func(w http.ResponseWriter) bool {
			http.Error(w, "no cl13nt/s3cret", http.StatusServiceUnavailable)
			return true
		},
			"no token from http://id.example: 503 Service Unavailable: no ***"},
		{"", func(w http.ResponseWriter) bool { fmt.Fprint(w, "<html>"); return true },
			"no token from http://id.example: the answer cannot be read: want JSON with a whole number as expires_in, or a form, of at most 1 MiB"},
		{"", func(w http.ResponseWriter) bool {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, "{}")
			return true
		}, "no token from http://id.example: server response missing access_token"},
		{"", func(w http.ResponseWriter) bool {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, "cl13nt")
			return true
		}, "no token from http://id.example: the answer cannot be read: want JSON with a whole number as expires_in, or a form, of at most 1 MiB"},
		{"", func(w http.ResponseWriter) bool {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"access_token": "a\nb, which is long enough"}`)
			return true
		}, "no token from http://id.example: the token has characters that no header may have"},
		{"", func(w http.ResponseWriter) bool { panic(http.ErrAbortHandler) },
			"no token from http://id.example: the connection closed before the answer was complete"},
		{"", func(w http.ResponseWriter) bool {
			w.Header().Set("Location", "http://plant.example/")
			w.WriteHeader(307)
			return true
		},
			"no token from http://id.example: 307 Temporary Redirect"},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			s := &issuer{style: "header", answer: tt.answer}
			u, client, _ := s.way(t, tt.more)
			for range 60 {
				_, err := ask(t, u, client, "/x").Fetch(t.Context())
				if got := said(err); got != tt.want {
					t.Fatalf("the error is %q, want %q", got, tt.want)
				}
				time.Sleep(time.Second)
			}
			if s.asked != 6 || s.polled > 0 { // 1, 2, 4 … 32 s apart
				t.Errorf("within a minute: %s, want 6 requests for tokens and no poll", s.counts())
			}
			s.mu.Lock()
			s.answer, s.style = nil, ""
			s.mu.Unlock()
			time.Sleep(time.Minute)
			if _, err := ask(t, u, client, "/x").Fetch(t.Context()); err != nil {
				t.Errorf("once the issuer is well again: %v", err)
			}
		})
	}
}

// A server that looks for the credential in the body gets it there, from then on at once; if it is wrong, it gets it once each time.
func TestACredentialInTheBody(t *testing.T) {
	for _, unseen := range []string{`{"status": 400, "message": "missing client id"}`, `{"error": "invalid_request"}`} {
		synctest.Test(t, func(t *testing.T) {
			s := &issuer{style: "body", unseen: unseen, lasts: time.Hour}
			u, client, _ := s.way(t, "")
			for range 2 {
				if _, err := ask(t, u, client, "/x").Fetch(t.Context()); err != nil {
					t.Error(err)
				}
				time.Sleep(2 * time.Hour)
			}
			wantCounts(t, s, "after two tokens", "asked 3 polled 2 refused 0")
			s.mu.Lock()
			s.answer = func(w http.ResponseWriter) bool { w.WriteHeader(http.StatusBadRequest); return true }
			s.mu.Unlock()
			if _, err := ask(t, u, client, "/x").Fetch(t.Context()); err == nil {
				t.Error("a token that is refused is none")
			}
			wantCounts(t, s, "after one that is refused", "asked 4 polled 2 refused 0")
		})
	}
}

// A refusal of the issuer is one of the peer, and its Retry-After counts.
func TestTheIssuerAsksForAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &issuer{answer: func(w http.ResponseWriter) bool {
			w.Header().Set("Retry-After", "300")
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		}}
		u, client, _ := s.way(t, ", style: header")
		for range 10 {
			if _, err := ask(t, u, client, "/x").Fetch(t.Context()); !kind.Limited(err) {
				t.Errorf("the error is %v, want one of too many requests", err)
			}
			time.Sleep(29 * time.Second)
		}
		wantCounts(t, s, "within the pause", "asked 1 polled 0 refused 0")
	})
}

// Who waits for a token stops waiting when its time is over; the token comes for the others.
func TestWhoWaitsForATokenHasATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &issuer{takes: 5 * time.Second}
		u, client, link := s.way(t, "")
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		begin := time.Now()
		if _, err := ask(t, u, client, "/x").Fetch(ctx); said(err) != "timed out after 2 s" || time.Since(begin) != 2*time.Second {
			t.Errorf("the error is %v after %v, want that it timed out after 2 s", err, time.Since(begin))
		}
		if _, err := ask(t, u, client, "/x").Fetch(t.Context()); err != nil || time.Since(begin) != 5*time.Second {
			t.Errorf("the next one has %v after %v, want a token after 5s", err, time.Since(begin))
		}
		wantCounts(t, s, "then", "asked 1 polled 1 refused 0")

		// A run that goes on after its upstream was changed still gets tokens, and closing waits for what is in progress.
		s.revoke()
		s.takes = 0
		_ = link.Close()
		if _, err := ask(t, u, client, "/x").Fetch(t.Context()); err != nil {
			t.Errorf("by a closed link: %v", err)
		}
	})
}

func TestClosingEndsARequestForAToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &issuer{takes: 5 * time.Second}
		u, client, link := s.way(t, "")
		ended := make(chan error, 1)
		go func() {
			_, err := ask(t, u, client, "/x").Fetch(t.Context())
			ended <- err
		}()
		time.Sleep(time.Second)
		begin := time.Now()
		_ = link.Close()
		if waited := time.Since(begin); waited != 0 {
			t.Errorf("Close took %v", waited)
		}
		if err := <-ended; err != nil {
			t.Errorf("the request has %v, want a token that it got itself", err)
		}
	})
}

// Links are closed while they are used, in every moment of it: nothing hangs, and nothing is left.
func TestClosingALinkInUse(t *testing.T) {
	for i := range 50 {
		synctest.Test(t, func(t *testing.T) {
			s := &issuer{takes: 10 * time.Millisecond, lasts: 5 * time.Second}
			u, client, link := s.way(t, "")
			var all sync.WaitGroup
			for range 10 {
				all.Go(func() {
					for range 10 {
						if _, err := ask(t, u, client, "/x").Fetch(t.Context()); err != nil {
							t.Error(err)
						}
						time.Sleep(time.Second)
					}
				})
			}
			for range 2 {
				all.Go(func() {
					time.Sleep(time.Duration(i) * 197 * time.Millisecond)
					_ = link.Close()
				})
			}
			all.Wait()
		})
	}
}
