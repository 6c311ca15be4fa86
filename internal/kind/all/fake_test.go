package all_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/gateway"
	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/kind/all"
	"github.com/tidewire/tidewire/internal/metrics"
)

// This file is a kind as a package of its own would be: a protocol of registers, whose upstreams hold a connection.
// Nothing else knows of it.

// plants counts the connections to each address.
type plants struct {
	mu           sync.Mutex // guards the fields below
	open, closed map[string]int
}

func (p *plants) counts(address string) (open, closed int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open[address], p.closed[address]
}

// A plc is an upstream.
type plc struct {
	Name, Address, Key string
	Given              []string
	plants             *plants
}

func (u *plc) Open(env kind.UpstreamEnv) (io.Closer, error) {
	u.plants.mu.Lock()
	defer u.plants.mu.Unlock()
	u.plants.open[u.Address]++
	env.Log.Info("opened")
	return &wire{u}, nil
}

func (u *plc) Secrets() kind.Secrets { return kind.Secrets{Said: u.Given, Values: u.Given} }

// A wire is the connection to a plc.
type wire struct{ to *plc }

func (w *wire) Close() error {
	w.to.plants.mu.Lock()
	defer w.to.plants.mu.Unlock()
	w.to.plants.closed[w.to.Address]++
	return nil
}

// read is an exchange: the value of register n is n, and there are 100.
func (w *wire) read(ctx context.Context, n int) (any, error) {
	t := kind.TraceOf(ctx)
	t.Section("request")
	t.Line("read register %d of %s with key %s", n, w.to.Address, w.to.Key)
	if n >= 100 {
		return nil, fmt.Errorf("register %d: no such register, key %s", n, w.to.Key)
	}
	return float64(n), nil
}

// A register is a source.
type register struct {
	Upstream *plc
	Number   int
}

func (s *register) Open(env kind.Env) (kind.Fetcher, error) {
	link, ok := env.Link.(*wire)
	if !ok {
		return nil, errors.New("there is no link")
	}
	return kind.Values(func(ctx context.Context) (any, error) { return link.read(ctx, s.Number) }), nil
}

func (s *register) SameValue(other kind.Source) bool { return s.Number == other.(*register).Number }
func (s *register) Describe() string                 { return "reads a register of " + s.Upstream.Name }
func (s *register) Secrets() kind.Secrets            { return kind.Secrets{} }

// fake is the kind.
func fake(p *plants) kind.Kind {
	return kind.Kind{
		Name: "fake",
		Section: func(r kind.Reading) kind.Section {
			s := &register{}
			keys := grammar.Keys{
				grammar.Func("upstream", "one of `upstreams`", grammar.ALine, func(n *grammar.Node) {
					s.Upstream, _ = kind.UpstreamOf[*plc](r, n, "fake")
				}).Need("plant"),
				grammar.Integer("register", "which register to read", &s.Number, 0, 65535).Also("address").Need("7"),
			}
			return kind.Section{
				Keys: grammar.Keys{grammar.Section("fake", "read a register", "fake of "+r.Where, keys).OneOf()},
				Source: func(*grammar.Node) kind.Source {
					if s.Upstream == nil {
						return nil
					}
					return s
				},
			}
		},
		Upstream: func(r kind.UpstreamReading) kind.UpstreamSection {
			u := &plc{Name: r.Name, plants: p}
			return kind.UpstreamSection{
				Keys: grammar.Keys{
					grammar.Line("fake", "host:port of a plant", &u.Address).OneOf(),
					grammar.Line("key", "the key of the plant", &u.Key).Secret(),
				},
				Upstream: func(entry *grammar.Node) kind.Upstream {
					u.Given = append(entry.Given("key"), u.Key)
					return u
				},
			}
		},
	}
}

const example = `version: 1
upstreams:
  plant: {fake: "10.0.0.7:502", key: key-of-the-plant, limit: 1000/s}
  web: {http: http://127.0.0.1:9}
sources:
  level: {fake: {upstream: plant, register: 7}, every: 1h, pick: {now: .}, show: {value: now, unit: m}}
  twice: {from: [level], combine: .level.value.now * 2}
`

func TestAKindIsAFolderAndALine(t *testing.T) {
	p := &plants{open: map[string]int{}, closed: map[string]int{}}
	defer all.Extend(fake(p))()
	t.Run("check", testCheck)
	t.Run("schema", testSchema)
	t.Run("explain", testExplain)
	t.Run("poll", func(t *testing.T) { testPoll(t, p) })
	t.Run("gateway", func(t *testing.T) { testGateway(t, p) })
}

func testCheck(t *testing.T) {
	if _, problems := config.Load("t.yaml", []byte(example)); problems != nil {
		t.Fatal(problems)
	}
	for _, tt := range []struct{ from, to, want string }{
		{"register: 7", "register: many", "t.yaml:6:45: register: "},
		{"register: 7", "address: 7", `t.yaml:6:35: unknown key "address" in fake of source "level", did you mean "register"?`},
		{"upstream: plant", "upstream: web", `t.yaml:6:28: upstream "web" is not one with fake, name one that has the key fake`},
		{"upstream: plant", "upstream: plan", `t.yaml:6:28: unknown upstream "plan", did you mean "plant"?`},
		{"fake: {upstream: plant, register: 7}, ", "", `t.yaml:6:3: source "level" does not say what to poll, add exactly one of "http", "exec",`},
		{"pick: {now: .}", "parse: text", "t.yaml:6:67: parse in a source whose values are not parsed"},
		{"pick: {now: .}", "env: {A: b}", "t.yaml:6:65: env without exec"},
		{"limit: 1000/s}", "http: http://h}", `t.yaml:3:3: upstream "plant" has more than one kind, keep exactly one of "http"`},
	} {
		_, problems := config.Load("t.yaml", []byte(strings.Replace(example, tt.from, tt.to, 1)))
		if !strings.Contains(problems.Error(), tt.want) {
			t.Errorf("with %s:\n%v\nwant %s", tt.to, problems, tt.want)
		}
		if strings.Contains(problems.Error(), "key-of-the-plant") {
			t.Errorf("with %s a secret is shown:\n%v", tt.to, problems)
		}
	}
}

func testSchema(t *testing.T) {
	for _, want := range []string{`"title": "sources.NAME.fake.register"`, `"title": "upstreams.NAME.fake"`, `"which register to read"`} {
		if !strings.Contains(string(config.Schema()), want) {
			t.Errorf("the schema has no %s", want)
		}
	}
}

func testExplain(t *testing.T) {
	settings, err := config.Explain("t.yaml", []byte(example), "level")
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(settings)
	for _, want := range []string{"{fake.register 7 t.yaml:6}", "{upstreams.plant.fake 10.0.0.7:502 t.yaml:3}", "{upstreams.plant.key *** t.yaml:3}"} {
		if !strings.Contains(got, want) {
			t.Errorf("explain = %s, want %s", got, want)
		}
	}
}

func testPoll(t *testing.T, p *plants) {
	cfg, _ := config.Load("t.yaml", []byte(example))
	var trace strings.Builder
	value, err := gateway.PollOnce(t.Context(), cfg, "twice", &trace)
	if err != nil || string(value) != "14" {
		t.Errorf("PollOnce = %s, %v, want 14", value, err)
	}
	for _, want := range []string{
		"source level reads a register of plant, every 1h0m0s, within 5s\n",
		"\nrequest\n  read register 7 of 10.0.0.7:502 with key ***\n",
		"source twice computed from level\n",
	} {
		if !strings.Contains(trace.String(), want) {
			t.Errorf("the trace is\n%s\nwant %q in it", &trace, want)
		}
	}
	if open, closed := p.counts("10.0.0.7:502"); open != 1 || closed != 1 {
		t.Errorf("%d connections opened, %d closed, want 1 and 1", open, closed)
	}
	cfg, _ = config.Load("t.yaml", []byte(strings.Replace(example, "register: 7", "register: 700", 1)))
	if _, err := gateway.PollOnce(t.Context(), cfg, "level", nil); err == nil || err.Error() != "register 700: no such register, key ***" {
		t.Errorf("PollOnce = %v, want the error of the kind without its key", err)
	}
}

// A running is a gateway that runs a configuration file.
type running struct {
	t       *testing.T
	file    string
	address string
}

// start runs a gateway until stop is called.
func start(t *testing.T, text string) (r *running, stop func()) {
	r = &running{t: t, file: filepath.Join(t.TempDir(), "tidewire.yaml")}
	r.write(text)
	cfg, files, err := config.Open(r.file)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.address = "http://" + ln.Addr().String()
	m := metrics.New("test")
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() {
		over <- gateway.Run(ctx, cfg, ln, &gateway.Options{
			Logger: slog.New(slog.DiscardHandler), Files: files, Observer: m.Observer(), Metrics: m.Handler,
		})
	}()
	return r, sync.OnceFunc(func() {
		cancel()
		if err := <-over; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}

func (r *running) write(text string) {
	if err := os.WriteFile(r.file, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// do makes a request and returns the body of its answer, which has the status 200 or 202.
func (r *running) do(method, path string) string {
	r.t.Helper()
	req, _ := http.NewRequest(method, r.address+path, nil)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode > 299 {
		r.t.Fatalf("%s %s = %s %s", method, path, resp.Status, body)
	}
	return string(body)
}

// until waits for a source to have a state.
func (r *running) until(name, state string) (source map[string]any) {
	r.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if err := json.Unmarshal([]byte(r.do("GET", "/api/v1/sources/"+name)), &source); err != nil {
			r.t.Fatal(err)
		}
		if source["state"] == state {
			return source
		}
	}
	r.t.Fatalf("%s = %v, want it %s", name, source, state)
	return nil
}

func testGateway(t *testing.T, p *plants) {
	r, stop := start(t, example)
	defer stop()
	level := r.until("level", "ok")
	if got := fmt.Sprint(level["value"], level["show"].(map[string]any)["unit"]); got != "map[now:7]m" {
		t.Errorf("level = %s", got)
	}
	if twice := r.until("twice", "ok"); twice["value"] != 14.0 {
		t.Errorf("twice = %v", twice["value"])
	}
	if text := r.do("GET", "/metrics"); !strings.Contains(text, `tidewire_poll_duration_seconds_count{kind="fake"} 1`) {
		t.Error("the metrics have no poll of the kind fake")
	}
	open, closed := p.counts("10.0.0.7:502")
	reload := func(from, to, want string) {
		t.Helper()
		r.write(strings.Replace(example, from, to, 1))
		if got := r.do("POST", "/api/v1/config/reload"); !strings.Contains(got, want) {
			t.Errorf("reload = %s, want %s", got, want)
		}
	}
	reload("register: 7", "register: 8", `"changed":["source/level"]`)
	if now, over := p.counts("10.0.0.7:502"); now != open || over != closed {
		t.Errorf("a source has changed: %d connections opened and %d closed meanwhile, want none", now-open, over-closed)
	}
	reload("key-of-the-plant", "another-key-of-it", `"changed":["source/level"]`)
	if now, over := p.counts("10.0.0.7:502"); now != open+1 || over != closed+1 {
		t.Errorf("the upstream has changed: %d connections opened and %d closed, want 1 each", now-open, over-closed)
	}
	reload("10.0.0.7:502", "10.0.0.8:502", `"changed":["source/level"]`)
	if now, over := p.counts("10.0.0.7:502"); now != over {
		t.Errorf("the address has changed: of %d connections to the old one, %d are closed", now, over)
	}
	if got := r.until("level", "ok"); fmt.Sprint(got["value"]) != "map[now:7]" {
		t.Errorf("level = %v", got)
	}
	stop()
	if now, over := p.counts("10.0.0.8:502"); now != 1 || over != 1 {
		t.Errorf("after the stop: %d connections opened and %d closed, want 1 each", now, over)
	}
}
