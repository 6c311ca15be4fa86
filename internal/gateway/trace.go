package gateway

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/source"
	"github.com/tidewire/tidewire/internal/text"
	"github.com/tidewire/tidewire/internal/wire"
)

const (
	// tracedBody is how much of an answer, or of a value on the way, a trace shows.
	tracedBody = 2 << 10
	// tracedLine is how much of a value it shows on one line.
	tracedLine = 100
)

// tracedHeader are the names of an answer's header that say something about the value.
var tracedHeader = []string{"Content-Type", "Content-Length", "Content-Encoding", "Date", "Age", "Cache-Control", "ETag", "Last-Modified", "Location", "Retry-After", "Server"}

// PollOnce polls one source of cfg once, without its limit, and returns its value as JSON.
// What it is computed from is polled first. If trace is not nil, each step is written
// there for people, with *** for the values of headers and queries; the error is that of
// the poll, and is not.
func PollOnce(ctx context.Context, cfg *config.Config, name string, trace io.Writer) (json.RawMessage, error) {
	own := *cfg
	own.Audit = "" // nobody does anything that concerns it
	live, end := context.WithCancel(ctx)
	defer end()
	g, err := open(live, live, &own, "", Options{})
	if err != nil {
		return nil, err
	}
	defer g.client.CloseIdleConnections()
	s := g.sources.find(name)
	if s == nil {
		return nil, fmt.Errorf("there is no source %q", name)
	}
	return g.pollOnce(ctx, s, trace)
}

func (g *gateway) pollOnce(ctx context.Context, s *poller, trace io.Writer) (json.RawMessage, error) {
	for _, name := range s.From {
		input := g.sources.find(name)
		if input.published.State != wire.SourcePending {
			continue // two are computed from it
		}
		snap := wire.Source{State: wire.SourceOK, UpdatedAt: g.clock.People(g.clock.Now())}
		data, err := g.pollOnce(ctx, input, trace)
		if trace != nil {
			fmt.Fprint(trace, "\n\n")
		}
		if err != nil {
			text := err.Error()
			snap = wire.Source{State: wire.SourceFailing, Error: &text}
		}
		snap.Value = data
		input.put(snap)
	}
	if trace == nil {
		got, err := s.poll(ctx)
		return got.data, err
	}
	t := &tracer{w: trace, s: s}
	fetch := s.fetch
	s.fetch = func(ctx context.Context, known *source.Known) (any, *source.Known, error) {
		v, known, err := fetch(ctx, known)
		t.raw, t.fetched = v, err == nil
		return v, known, err
	}
	t.begin()
	got, err := s.poll(t.context(ctx))
	t.end(ctx, got, err)
	return got.data, err
}

// A tracer writes what one poll does.
type tracer struct {
	w       io.Writer
	s       *poller
	raw     any // what is picked from
	fetched bool
	start   time.Time

	mu sync.Mutex // guards the fields below: connections are made on goroutines of their own

	dns, connect, handshake, wrote, first time.Time // when phases began
	phases                                []string  // that are over
}

func (t *tracer) printf(format string, args ...any) { fmt.Fprintf(t.w, format+"\n", args...) }

// section begins a part of the trace.
func (t *tracer) section(format string, args ...any) { t.printf("\n"+format, args...) }

// block writes a text without secrets, of which it cuts the end if that is far, indented.
func (t *tracer) block(body string) {
	rest := len(body) - tracedBody
	if rest > 0 {
		body = t.s.secrets.Cut(text.Plain(body[:tracedBody]))
	} else {
		body = t.s.secrets.Text(text.Plain(body))
	}
	for line := range strings.Lines(body) {
		t.printf("  %s", strings.TrimRight(line, "\n"))
	}
	if rest > 0 {
		t.printf("  ... and %d bytes more", rest)
	}
}

func (t *tracer) begin() {
	kind := "computed from " + strings.Join(t.s.From, ", ")
	switch {
	case t.s.HTTP != nil:
		kind = "asks upstream " + t.s.HTTP.Upstream.Name
	case t.s.Exec != nil:
		kind = "runs " + t.s.Exec[0] // its arguments may be secrets
	}
	if t.s.From == nil {
		kind += fmt.Sprintf(", every %v, within %v", t.s.Every, t.s.Timeout)
	}
	t.printf("source %s %s", t.s.Name, kind)
	t.start = time.Now()
}

// mark notes when a phase begins.
func (t *tracer) mark(begun *time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*begun = time.Now()
}

// over notes how long a phase has taken.
func (t *tracer) over(phase string, begun *time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !begun.IsZero() {
		t.phases = append(t.phases, phase+" "+short(time.Since(*begun)))
	}
}

// context has what the poll does told to t.
func (t *tracer) context(ctx context.Context) context.Context {
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart:             func(httptrace.DNSStartInfo) { t.mark(&t.dns) },
		DNSDone:              func(httptrace.DNSDoneInfo) { t.over("name", &t.dns) },
		ConnectStart:         func(string, string) { t.mark(&t.connect) },
		ConnectDone:          func(string, string, error) { t.over("connect", &t.connect) },
		TLSHandshakeStart:    func() { t.mark(&t.handshake) },
		TLSHandshakeDone:     func(tls.ConnectionState, error) { t.over("TLS", &t.handshake) },
		WroteRequest:         func(httptrace.WroteRequestInfo) { t.mark(&t.wrote) },
		GotFirstResponseByte: func() { t.over("first byte", &t.wrote); t.mark(&t.first) },
	})
	return source.WithTrace(ctx, &source.Trace{
		Request: func(r *http.Request) {
			address := *r.URL
			query := address.Query()
			for _, name := range slices.Sorted(maps.Keys(query)) {
				query.Set(name, secret.Mask)
			}
			address.User, address.RawQuery = nil, strings.ReplaceAll(query.Encode(), "%2A", "*")
			t.section("request")
			t.printf("  %s %s", r.Method, t.s.secrets.Text(address.String()))
			for _, name := range slices.Sorted(maps.Keys(r.Header)) {
				text := strings.Join(r.Header[name], ", ")
				for own := range t.s.HTTP.Header {
					if http.CanonicalHeaderKey(own) == name {
						text = secret.Mask
					}
				}
				t.printf("  %s: %s", name, text)
			}
		},
		Response: func(r *http.Response) {
			t.mu.Lock()
			phases := strings.Join(t.phases, ", ")
			t.mu.Unlock()
			t.section("answer after %s (%s)", short(time.Since(t.start)), phases)
			t.printf("  %s %s", r.Proto, r.Status)
			for _, name := range tracedHeader {
				if value := r.Header.Get(name); value != "" {
					t.printf("  %s: %s", name, text.Words(t.s.secrets.Text(value)))
				}
			}
		},
		Exit: func(code int, stderr string) {
			switch {
			case code < 0:
				t.section("no exit status after %s", short(time.Since(t.start)))
			default:
				t.section("exit status %d after %s", code, short(time.Since(t.start)))
			}
			if stderr != "" {
				t.printf("  last line of standard error: %s", t.s.secrets.Text(text.Words(stderr)))
			}
		},
		Body: func(body []byte) {
			took := ""
			t.mu.Lock()
			if !t.first.IsZero() {
				took = ", read in " + short(time.Since(t.first))
			}
			t.mu.Unlock()
			if len(body) == 0 {
				t.section("no output")
				return
			}
			t.section("output of %d bytes%s", len(body), took)
			t.block(string(body))
		},
	})
}

// end says what became of the value.
func (t *tracer) end(ctx context.Context, got reading, err error) {
	if t.fetched && t.s.From == nil && t.s.Parse != config.ParseJSON {
		t.section("parsed as %s", t.s.Parse)
		data, _ := json.Marshal(t.raw) // what is parsed encodes
		t.block(string(data))
	}
	if t.fetched {
		t.picked(ctx)
	}
	if err != nil {
		t.section("failed after %s", short(time.Since(t.start)))
		t.printf("  %v", err)
		return
	}
	if got.asked > 0 {
		t.section("next poll in %v, since a condition of every.when holds", got.asked)
	}
	t.section("value of %s", t.s.Name)
	t.block(indented(got.data))
}

// picked says what each expression gives.
func (t *tracer) picked(ctx context.Context) {
	if len(t.s.Pick) == 0 {
		return
	}
	t.section("picked")
	for _, f := range t.s.Pick {
		result, err := f.Expr.Run(ctx, t.raw)
		is := ""
		if err != nil {
			is = err.Error()
		} else {
			data, _ := json.Marshal(result) // what jq gives encodes
			is = string(data)
		}
		t.printf("  %s = %s", cmp.Or(f.Name, "value"), text.Cut(t.s.secrets.Text(text.Words(is)), tracedLine))
		t.printf("    by %s", f.Expr)
	}
}

// short is a duration with the digits that people read.
func short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}

// indented is JSON for people.
func indented(data []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, data, "", "  ") != nil {
		return string(data)
	}
	return b.String()
}
