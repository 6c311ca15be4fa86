package gateway_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/gateway"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/ssetest"
)

// What changed while it was read may have been read in part: the loader waits until it is settled. Whoever asks for
// a reload has said that it is.
func TestAConfigurationThatChangesWhileItIsReadIsNotPutToWork(t *testing.T) {
	s := func(name string) []byte {
		return []byte("version: 1\nsources:\n  " + name + ": {exec: ['true'], every: 1h}\n")
	}
	file := filepath.Join(t.TempDir(), "tidewire.yaml")
	write := func(name string) {
		t.Helper()
		if err := os.WriteFile(file, s(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a")
	cfg, files, err := config.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	g := gateway.NewGateway(t, ctx, cfg, gateway.Options{Files: files})
	over := make(chan struct{})
	go func() { defer close(over); g.Run(ctx) }()
	defer func() { cancel(); <-over }()
	for _, tt := range []struct {
		reads, then string
		settled     bool
		want        string // the source that is at work
		err         error
	}{
		{"b", "c", true, "a", gateway.ErrUnsettled},
		{"c", "c", true, "c", nil},
		{"d", "e", false, "d", nil},
	} {
		write(tt.reads)
		if err := g.LoadWhile(t.Context(), tt.settled, func() { write(tt.then) }); !errors.Is(err, tt.err) {
			t.Errorf("%s became %s while it was read: %v, want %v", tt.reads, tt.then, err, tt.err)
		}
		if g.Newest("source/"+tt.want) == "" || !contains(g.Newest("config"), `"error":null`) {
			t.Errorf("%s became %s while it was read: topics %v, %s, want source %s at work and no error", tt.reads, tt.then, g.Topics(), g.Newest("config"), tt.want)
		}
	}
}

// A handler that gives up its answer has the connection cut, so that nobody takes the part for the whole; that is
// no defect, and not logged. Any other panic is one.
func TestAnAnswerThatIsGivenUpIsCut(t *testing.T) {
	log := new(lockedBuffer)
	g := gateway.NewGateway(t, t.Context(), load(t, ""), gateway.Options{Logger: slog.New(slog.NewTextHandler(log, nil))})
	server := httptest.NewUnstartedServer(g.Recovered(func(w http.ResponseWriter, r *http.Request) {
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
	if text := log.String(); !contains(text, "request panicked") || !contains(text, "a defect") {
		t.Errorf("the log says %s, want the defect", text)
	}
}

// What stands before the handlers refuses whoever may not view. The hub asks once more: a stream may be reached by
// a handler that forgot to ask, or by one who was let in and has lost the role since.
func TestTheHubAsksWhoMayView(t *testing.T) {
	g := gateway.NewGateway(t, t.Context(), load(t, "sources: {a: {exec: ['true'], every: 1h}}\n"), gateway.Options{})
	for _, tt := range []struct {
		who  string
		as   func(*http.Request) *http.Request
		want error
	}{
		{"a request that nobody has looked at", func(r *http.Request) *http.Request { return r }, sse.ErrForbidden},
		{"somebody without a role", func(r *http.Request) *http.Request { return gateway.As(r, config.RoleNone) }, sse.ErrForbidden},
		{"a viewer", func(r *http.Request) *http.Request { return gateway.As(r, config.RoleViewer) }, nil},
	} {
		w := &ssetest.Writer{}
		r := tt.as(httptest.NewRequestWithContext(t.Context(), "HEAD", "http://localhost/", nil)) // which has a head alone
		if err := g.ServeTopic(w, r, "source/a"); !errors.Is(err, tt.want) {
			t.Errorf("the stream of %s = %v, want %v", tt.who, err, tt.want)
		}
	}
}
