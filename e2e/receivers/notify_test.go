// Package receivers_test has receivers of alerts that are real servers, and such that mean no good.
package receivers_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/http/httptest"
	netmail "net/mail"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/gateway"
	"github.com/tidewire/tidewire/internal/notify"
)

// A mailbox is an SMTP server that keeps what it takes. It lets nobody in but me, with the password hunter2.
type mailbox struct {
	server  *smtp.Server
	host    string
	port    int
	roots   *x509.CertPool
	letters chan string
	open    bool     // it takes mail of anybody
	ways    []string // to sign in
	signed  chan string
}

// newMailbox starts a server: by its address alone it speaks plain text, with STARTTLS if starts, else TLS at once if encrypted.
func newMailbox(t *testing.T, encrypted, starts bool, ways ...string) *mailbox {
	t.Helper()
	certified := httptest.NewTLSServer(nil) // for its certificate
	certified.Close()
	m := &mailbox{roots: x509.NewCertPool(), letters: make(chan string, 100), signed: make(chan string, 100), ways: ways, open: len(ways) == 0}
	m.roots.AddCert(certified.Certificate())
	m.server = smtp.NewServer(m)
	m.server.Domain = "post.example"
	m.server.AllowInsecureAuth = !encrypted && !starts
	m.server.ErrorLog = log.New(io.Discard, "", 0)
	config := &tls.Config{Certificates: certified.TLS.Certificates}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(listener.Addr().String())
	m.host = host
	m.port, _ = strconv.Atoi(port)
	if starts {
		m.server.TLSConfig = config
	}
	if encrypted {
		listener = tls.NewListener(listener, config)
	}
	go func() { _ = m.server.Serve(listener) }()
	t.Cleanup(func() { _ = m.server.Close() })
	return m
}

func (m *mailbox) NewSession(*smtp.Conn) (smtp.Session, error) {
	return &mailSession{box: m, in: m.open}, nil
}

// A mailSession is a connection of a mailbox.
type mailSession struct {
	box  *mailbox
	in   bool // has signed in
	from string
	to   []string
}

func (s *mailSession) AuthMechanisms() []string { return s.box.ways }

func (s *mailSession) Auth(way string) (sasl.Server, error) {
	check := func(user, password string) error {
		if user != "me" || password != "hunter2" {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "not " + password}
		}
		s.in = true
		s.box.signed <- way
		return nil
	}
	if way == sasl.Plain {
		return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
	}
	return &loginServer{check: check}, nil
}

// A loginServer is the server of LOGIN, which is no standard but widely spoken.
type loginServer struct {
	check func(user, password string) error
	said  []string
}

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if response != nil {
		l.said = append(l.said, string(response))
	}
	switch len(l.said) {
	case 0:
		return []byte("Username:"), false, nil
	case 1:
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.said[0], l.said[1])
}

func (s *mailSession) Mail(from string, _ *smtp.MailOptions) error {
	if !s.in {
		return smtp.ErrAuthRequired
	}
	s.from = from
	return nil
}

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

func (s *mailSession) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	s.box.letters <- fmt.Sprintf("%s -> %s\n%s", s.from, strings.Join(s.to, " "), data)
	return err
}

func (s *mailSession) Reset()        { s.from, s.to = "", nil }
func (s *mailSession) Logout() error { return nil }

// A real mail server gets mail by each way to encrypt and to sign in, and by none that would give the password away.
func TestMailReachesARealServer(t *testing.T) {
	m := notify.Sample
	m.Summary = "Tank über 90 %"
	for _, tt := range []struct {
		name      string
		encrypted bool
		starts    bool
		ways      []string
		tls       string
		password  string
		roots     bool
		want      string // the way to sign in, or a part of the error
	}{
		{"STARTTLS and PLAIN", false, true, []string{"PLAIN", "LOGIN"}, notify.StartTLS, "hunter2", true, "PLAIN"},
		{"TLS and PLAIN", true, false, []string{"PLAIN"}, notify.ImplicitTLS, "hunter2", true, "PLAIN"},
		{"TLS and LOGIN", true, false, []string{"LOGIN"}, notify.ImplicitTLS, "hunter2", true, "LOGIN"},
		{"none on this machine", false, false, []string{"PLAIN"}, notify.NoTLS, "hunter2", true, "PLAIN"},
		{"none, without a user", false, false, nil, notify.NoTLS, "", true, ""},
		{"TLS without a user", true, false, nil, notify.ImplicitTLS, "", true, ""},
		{"no STARTTLS", false, false, []string{"PLAIN"}, notify.StartTLS, "hunter2", true, "error: STARTTLS"},
		{"a certificate of nobody", false, true, []string{"PLAIN"}, notify.StartTLS, "hunter2", false, "error: certificate"},
		{"TLS with a certificate of nobody", true, false, []string{"PLAIN"}, notify.ImplicitTLS, "hunter2", false, "error: certificate"},
		{"a wrong password", false, true, []string{"PLAIN"}, notify.StartTLS, "hunter3-wrong", true, "error: 535"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			box := newMailbox(t, tt.encrypted, tt.starts, tt.ways...)
			to := &notify.Mail{Host: box.host, Port: box.port, TLS: tt.tls, From: &netmail.Address{Name: "Tidewire", Address: "t@example.com"},
				To: []*netmail.Address{{Address: "a@example.com"}, {Address: "b@example.com"}}}
			if tt.password != "" {
				to.User, to.Password = "me", tt.password
			}
			if tt.roots {
				to.Roots = box.roots
			}
			err := to.Send(t.Context(), nil, m)
			if part, failing := strings.CutPrefix(tt.want, "error: "); failing {
				if err == nil || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "hunter") || len(box.letters)+len(box.signed) > 0 {
					t.Errorf("Send = %v, want an error about %s, and nothing sent", err, part)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if tt.want != "" {
				if way := <-box.signed; way != tt.want {
					t.Errorf("it signed in by %s, want %s", way, tt.want)
				}
			}
			envelope, text, _ := strings.Cut(<-box.letters, "\n")
			letter, err := netmail.ReadMessage(strings.NewReader(text))
			if err != nil || envelope != "t@example.com -> a@example.com b@example.com" {
				t.Fatalf("%v in %s of %s", err, text, envelope)
			}
			subject, err := new(mime.WordDecoder).DecodeHeader(letter.Header.Get("Subject"))
			if err != nil || subject != m.Summary {
				t.Errorf("the subject is %q, %v", subject, err)
			}
		})
	}
}

// A server is a gateway that runs.
type server struct {
	url  string
	stop func()
	log  lockedBuffer
}

// serve runs a gateway on the given configuration.
func serve(t *testing.T, yaml string) *server {
	t.Helper()
	cfg, problems := config.Load("tidewire.yaml", []byte(yaml))
	if len(problems) > 0 {
		t.Fatalf("the configuration is not valid:\n%v", problems)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{url: "http://" + listener.Addr().String() + "/"}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() {
		over <- gateway.Run(ctx, cfg, listener, &gateway.Options{Logger: slog.New(slog.NewTextHandler(&s.log, nil))})
	}()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-over; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
		if t.Failed() {
			t.Logf("log of the gateway:\n%s", s.log.String())
		}
	})
	return s
}

// A lockedBuffer is a buffer for concurrent writers.
type lockedBuffer struct {
	mu     sync.Mutex // guards the field below
	buffer bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.String()
}

// patience bounds each wait for something that has to happen.
const patience = 30 * time.Second

// An ntfyServer is a server that takes what ntfy takes.
type ntfyServer struct {
	server   *httptest.Server
	messages chan string
}

func newNtfy(t *testing.T) *ntfyServer {
	n := &ntfyServer{messages: make(chan string, 100)}
	n.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var got struct {
			Topic, Title, Message string
			Priority              int
			Tags                  []string
		}
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil || r.Method != "POST" || r.URL.Path != "/" || got.Topic == "" || got.Priority < 1 || got.Priority > 5 {
			http.Error(w, `{"code":40000,"http":400,"error":"invalid request"}`, http.StatusBadRequest)
			return
		}
		if r.Header.Get("Authorization") != "Bearer hunter2-token" {
			http.Error(w, `{"code":40301,"http":403,"error":"forbidden"}`, http.StatusForbidden)
			return
		}
		n.messages <- got.Topic + ": " + got.Title
		_, _ = io.WriteString(w, `{"id":"1","event":"message"}`)
	}))
	t.Cleanup(n.server.Close)
	return n
}

// Receivers that are slow, down, refuse, do not end or lead elsewhere take nothing from the others: these are told, no
// credential is in a log or in the API, and the memory stays what it was. That they are told in the same moment is tested in
// package alert, where the time is that of the test.
func TestHostileReceiversHurtNobody(t *testing.T) {
	ntfy, box := newNtfy(t), newMailbox(t, false, false, "PLAIN")
	var elsewhere sync.Map // what came where nothing should
	trap := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		elsewhere.Store(r.URL.String(), r.Header)
	}))
	defer trap.Close()
	hostile := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch strings.Split(r.URL.Path, "/")[1] {
		case "slow":
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		case "failing":
			http.Error(w, "I know hunter2-path, and "+r.Header.Get("Authorization"), http.StatusInternalServerError)
		case "limited":
			w.Header().Set("Retry-After", "600")
			w.WriteHeader(http.StatusTooManyRequests)
		case "endless":
			w.WriteHeader(http.StatusInternalServerError)
			for line := strings.Repeat("hunter2-token and so on ", 1000); ; {
				if _, err := io.WriteString(w, line); err != nil {
					return
				}
			}
		case "redirect":
			http.Redirect(w, r, trap.URL+r.URL.Path, http.StatusTemporaryRedirect)
		}
	}))
	defer hostile.Close()
	level := new(atomic.Int32)
	plant := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `{"level": %d}`, level.Load()) }))
	defer plant.Close()
	receivers := fmt.Sprintf(`
  phone: "ntfy://hunter2-token@%s/hunter2-topic?tls=none"
  post: {mail: {host: 127.0.0.1, port: %d, tls: none, user: me, password: hunter2, from: t@example.com, to: ops@example.com}}
  down: {http: "http://127.0.0.1:1/hunter2-path"}
`, strings.TrimPrefix(ntfy.server.URL, "http://"), box.port)
	all := []string{"phone", "post", "down"}
	for _, way := range []string{"slow", "failing", "limited", "endless", "redirect"} {
		receivers += fmt.Sprintf("  %s: {http: {url: %q, headers: {Authorization: Bearer hunter2-token}}}\n", way, hostile.URL+"/"+way+"/hunter2-path")
		all = append(all, way)
	}
	s := serve(t, fmt.Sprintf(`version: 1
upstreams: {plant: {http: %q}}
notify: %s
sources:
  tank:
    title: Tank
    http: {upstream: plant, path: /tank}
    every: 20ms
    jitter: 0
    pick: {level: .level}
    alert: {if: .level > 90, grace: 0, notify: [%s]}
`, plant.URL, receivers, strings.Join(all, ", ")))
	memory := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	hear := func(from chan string, what, want string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		select {
		case got := <-from:
			if !strings.Contains(got, want) {
				t.Errorf("%s heard %q, want %q", what, got, want)
			}
		case <-ctx.Done():
			t.Fatalf("%s heard nothing, want %q", what, want)
		}
	}
	defer s.stop() // before the servers, which wait for the calls in progress
	before := memory()
	for range 5 {
		level.Store(95)
		hear(ntfy.messages, "the phone", "hunter2-topic: Tank is firing: 95")
		hear(box.letters, "the mailbox", "Subject: Tank is firing: 95")
		level.Store(20)
		hear(ntfy.messages, "the phone", "hunter2-topic: Tank is resolved")
		hear(box.letters, "the mailbox", "Subject: Tank is resolved")
	}
	if after := memory(); after > before+32<<20 {
		t.Errorf("the heap grew from %d to %d bytes", before, after)
	}
	elsewhere.Range(func(address, header any) bool {
		t.Errorf("a redirect was followed to %v with %v", address, header)
		return true
	})
	for _, secret := range []string{"hunter2-token", "hunter2-path", "hunter2-topic"} {
		if strings.Contains(s.log.String(), secret) {
			t.Errorf("the log has %s", secret)
		}
	}
	resp, err := http.Get(s.url + "api/v1/sources")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); strings.Contains(string(body), "hunter2") {
		t.Errorf("the API says %s", body)
	}
}
