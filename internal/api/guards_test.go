package api_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/api"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/flood"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/ssetest"
)

// A lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// A handler that gives up its answer has the connection cut, so that nobody takes the part for the whole; that is
// no defect, and not logged. Any other panic is one.
func TestAnAnswerThatIsGivenUpIsCut(t *testing.T) {
	log := new(lockedBuffer)
	cfg := func() *config.Config { return new(config.Config) }
	a := api.New(api.Deps{Config: cfg, Guard: access.New(cfg), Clients: flood.NewHandler(slog.NewTextHandler(log, nil))})
	server := httptest.NewUnstartedServer(a.Recovered(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/defect" {
			panic("a defect")
		}
		_, _ = io.WriteString(w, "the first half")
		panic(http.ErrAbortHandler)
	}))
	server.Start()
	defer server.Close()
	resp, err := http.Get(server.URL + "/given-up")
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	if err == nil {
		t.Error("half an answer that its handler gave up was whole")
	}
	if text := log.String(); text != "" {
		t.Errorf("the log says %s, want nothing", text)
	}
	if resp, err = http.Get(server.URL + "/defect"); err != nil || resp.StatusCode != 500 {
		t.Fatalf("a defect = %v, %v, want 500", resp, err)
	}
	resp.Body.Close()
	if text := log.String(); !strings.Contains(text, "request panicked") || !strings.Contains(text, "a defect") {
		t.Errorf("the log says %s, want the defect", text)
	}
}

// What stands before the handlers refuses whoever may not view. The hub asks once more: a stream may be reached by
// a handler that forgot to ask, or by one who was let in and has lost the role since.
func TestTheHubAsksWhoMayView(t *testing.T) {
	hub := sse.NewHub(t.Context(), &sse.HubOptions{OnSubscribe: api.Authorise})
	topic := hub.Topic("source/a", sse.TopicOptions{})
	for _, tt := range []struct {
		who  string
		as   func(*http.Request) *http.Request
		want error
	}{
		{"a request that nobody has looked at", func(r *http.Request) *http.Request { return r }, sse.ErrForbidden},
		{"somebody without a role", func(r *http.Request) *http.Request { return api.As(r, config.RoleNone) }, sse.ErrForbidden},
		{"a viewer", func(r *http.Request) *http.Request { return api.As(r, config.RoleViewer) }, nil},
	} {
		w := &ssetest.Writer{}
		r := tt.as(httptest.NewRequestWithContext(t.Context(), "HEAD", "http://localhost/", nil)) // which has a head alone
		if err := hub.ServeAll(w, r, topic); !errors.Is(err, tt.want) {
			t.Errorf("the stream of %s = %v, want %v", tt.who, err, tt.want)
		}
	}
}

// Connections that speak no TLS where that is spoken do not fill the log.
func TestHandshakesThatFailAreCounted(t *testing.T) {
	var out bytes.Buffer
	h := flood.NewHandler(slog.NewTextHandler(&out, nil))
	log := api.ErrorLog(slog.New(h))
	for i := range 500 {
		log.Printf("http: TLS handshake error from 192.0.2.1:%d: EOF", 1000+i)
	}
	log.Printf("http: TLS handshake error from [2001:db8::1]:443: tls: unsupported")
	log.Printf("http: something else")
	h.ReportAll(time.Now())
	if got := strings.Count(out.String(), "address=192.0.2.1 err=EOF"); got != 10 || strings.Count(out.String(), "\n") != 13 ||
		!strings.Contains(out.String(), "more=490") || !strings.Contains(out.String(), `address=2001:db8::1 err="tls: unsupported"`) || !strings.Contains(out.String(), `err="http: something else"`) {
		t.Errorf("%d lines of one address, want 10, that there were 490 more, and one of each other:\n%s", got, &out)
	}
}
