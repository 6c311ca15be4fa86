package tidewire_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/gateway"
	"github.com/tidewire/tidewire/sse"
)

// A service is a section of docs/reach.md.
type service struct {
	title, prose string
	yaml         string
	claims       map[string]any // the value of each source by its name
}

// services reads the sections of the page, each of which has a configuration and what its sources then are. The table
// above them has to have a row for each.
func services(t *testing.T) []service {
	t.Helper()
	page, err := os.ReadFile("docs/reach.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []service
	head, rest, _ := strings.Cut(string(page), "\n### ")
	for part := range strings.SplitSeq(rest, "\n### ") {
		title, prose, _ := strings.Cut(part, "\n")
		s := service{title: title, prose: prose, claims: map[string]any{}}
		anchor := regexp.MustCompile(`[^a-z0-9_ -]`).ReplaceAllString(strings.ToLower(title), "")
		if row := "| [" + title + "](#" + strings.ReplaceAll(anchor, " ", "-") + ") |"; !strings.Contains(head, row) {
			t.Errorf("the table of docs/reach.md has no row %s", row)
		}
		blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```.*?```json\n(.*?)```").FindAllStringSubmatch(prose, -1)
		if len(blocks) != 1 {
			t.Errorf("%s has %d configurations with what they give, want one", title, len(blocks))
			continue
		}
		s.yaml = blocks[0][1]
		if err := json.Unmarshal([]byte(blocks[0][2]), &s.claims); err != nil {
			t.Errorf("%s: what it gives is %v", title, err)
		}
		all = append(all, s)
	}
	if got, want := strings.Count(head, "\n| ["), len(all); got != want {
		t.Errorf("the table of docs/reach.md has %d rows, want one for each of %d sections", got, want)
	}
	return all
}

// reached is whether TestReach has run in this process.
var reached atomic.Bool

// TestReach runs the configurations of docs/reach.md as they are, but for the folder of absolute paths. The servers that
// they name are behind a proxy of the environment, which answers each request as testdata/reach says, if it is the
// request that stands there. What the sources become is what the page says.
func TestReach(t *testing.T) {
	if reached.Swap(true) {
		t.Skip("the proxy of the environment is that of the first run: net/http reads it once")
	}
	all := services(t)
	for _, page := range []string{"README.md", "CHANGELOG.md"} {
		text, err := os.ReadFile(page)
		if says := fmt.Sprintf("for %d services and devices", len(all)); err != nil || !strings.Contains(string(text), says) {
			t.Errorf("%s does not say %q: %v", page, says, err)
		}
	}
	world := newWorld(t)
	t.Setenv("HTTP_PROXY", world.proxy)
	t.Setenv("HTTPS_PROXY", world.proxy)
	t.Setenv("NO_PROXY", "")
	t.Setenv("SSL_CERT_FILE", world.file("/ca.pem"))
	for _, s := range all {
		t.Run(s.title, func(t *testing.T) {
			world.play(t, s.title)
			for _, name := range regexp.MustCompile(`\$\{env:([A-Z0-9_]+)`).FindAllStringSubmatch(s.yaml, -1) {
				t.Setenv(name[1], "secret-of-"+name[1])
			}
			text := regexp.MustCompile(`/(etc|var)/[a-z0-9./-]+`).ReplaceAllStringFunc(s.yaml, world.file)
			cfg, problems := config.Load("tidewire.yaml", []byte(text))
			if problems != nil {
				t.Fatalf("%v\nin\n%s", problems, s.yaml)
			}
			run(t, s, cfg)
			world.over(t)
		})
	}
}

// run has a gateway poll the sources of a service, until each that is claimed has a value, and compares.
func run(t *testing.T, s service, cfg *config.Config) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithTimeout(t.Context(), 30*time.Second)
	over := make(chan error, 1)
	go func() { over <- gateway.Run(ctx, cfg, ln, nil) }()
	defer func() {
		end()
		if err := <-over; err != nil {
			t.Errorf("Run = %v", err)
		}
	}()
	waits, firing := maps.Clone(s.claims), []string{}
	for version := 1; len(waits) > 0 && follow(ctx, t, "http://"+ln.Addr().String(), &version, waits, &firing); {
	}
	fires := []string{}
	for _, match := range regexp.MustCompile("alert of `([^`]+)` fires").FindAllStringSubmatch(s.prose, -1) {
		fires = append(fires, match[1])
	}
	slices.Sort(firing)
	if slices.Sort(fires); !slices.Equal(firing, fires) {
		t.Errorf("the alerts of %q fire, the page says those of %q", firing, fires)
	}
}

// follow reads the stream of a gateway until each source that is waited for has a value, or there are other sources than before,
// as after a split: the next stream has these. It compares the values, and returns whether it may go on. The version is that of
// the configuration, as it was known before the stream.
func follow(ctx context.Context, t *testing.T, gateway string, version *int, waits map[string]any, firing *[]string) bool {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, gateway+"/api/v1/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := new(http.Client).Do(request)
	if err != nil {
		t.Errorf("%v are not there: %v", slices.Sorted(maps.Keys(waits)), err)
		return false
	}
	defer stream.Body.Close()
	for event, err := range sse.Read(stream.Body, nil) {
		var now struct {
			Key, State, Error string
			Version           int
			Value             any
			Alert             struct{ State string }
		}
		if err == nil {
			err = json.Unmarshal(event.Data, &now)
		}
		if err != nil {
			t.Errorf("%v are not there, and the stream ended: %v", slices.Sorted(maps.Keys(waits)), err)
			return false
		}
		name, isSource := strings.CutPrefix(now.Key, "source/")
		want, claimed := waits[name]
		switch {
		case now.Key == "config" && now.Version != *version:
			*version = now.Version
			return true
		case isSource && now.State == "failing":
			t.Errorf("%s is failing: %s", name, now.Error)
			return false
		}
		if !isSource || !claimed || now.State == "pending" {
			continue
		}
		delete(waits, name)
		if now.Alert.State == "firing" {
			*firing = append(*firing, name)
		}
		took(now.Value, want)
		if !reflect.DeepEqual(now.Value, want) {
			got, _ := json.Marshal(now.Value)
			claim, _ := json.Marshal(want)
			t.Errorf("%s is %s, the page says %s", name, got, claim)
		}
		if len(waits) == 0 {
			return true
		}
	}
	return false
}

// took has what a request took be what the page says: it differs each time.
func took(got, claimed any) {
	g, _ := got.(map[string]any)
	c, _ := claimed.(map[string]any)
	if seconds, ok := g["seconds"].(float64); ok && seconds > 0 && seconds < 10 && c["seconds"] != nil {
		g["seconds"] = c["seconds"]
	}
}

// An exchange is a request that a service gets, and its answer.
type exchange struct {
	method string
	url    *url.URL
	header http.Header // all but what any client sends
	body   string
	answer struct {
		status int
		header http.Header
		body   string
	}
	asked int // how often
}

// exchanges reads a file of testdata/reach: requests and answers, as they are written in HTTP, in turn.
func exchanges(t *testing.T, name string) (all []*exchange) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(data), "\n=====\n")
	for i := 0; i+1 < len(parts); i += 2 {
		x := new(exchange)
		first, header, body := message(parts[i])
		var address string
		if _, err := fmt.Sscanf(first, "%s %s", &x.method, &address); err != nil {
			t.Fatalf("%s: %q is no request: %v", name, first, err)
		}
		if x.url, err = url.Parse(address); err != nil || x.url.Host == "" {
			t.Fatalf("%s: %q has no address of a server", name, first)
		}
		x.header, x.body = header, body
		first, x.answer.header, x.answer.body = message(parts[i+1])
		if _, err := fmt.Sscanf(first, "%d", &x.answer.status); err != nil {
			t.Fatalf("%s: %q is no status: %v", name, first, err)
		}
		all = append(all, x)
	}
	if len(parts)%2 != 0 || len(all) == 0 {
		t.Fatalf("%s has %d parts, want a request and an answer each", name, len(parts))
	}
	return all
}

// message divides a message of HTTP.
func message(text string) (first string, header http.Header, body string) {
	head, body, _ := strings.Cut(text, "\n\n")
	first, lines, _ := strings.Cut(strings.TrimSpace(head), "\n")
	header = http.Header{}
	for line := range strings.SplitSeq(lines, "\n") {
		if name, value, ok := strings.Cut(line, ":"); ok {
			header.Add(name, strings.TrimSpace(value))
		}
	}
	return first, header, strings.TrimSuffix(body, "\n")
}

// usual are the headers that any client sends.
var usual = []string{"Accept", "Accept-Encoding", "Cache-Control", "Content-Length", "User-Agent", "Connection", "Proxy-Connection"}

// differs says how a request is not that of the exchange; "" is: it is.
func (x *exchange) differs(r *http.Request, body string) string {
	if got, want := r.Method, x.method; got != want {
		return got + ", want " + want
	}
	at, want := r.URL, x.url
	if at.Scheme != want.Scheme || at.Host != want.Host || at.EscapedPath() != want.EscapedPath() {
		return at.String() + ", want " + want.String()
	}
	query := at.Query()
	for name, values := range want.Query() {
		ago, isAgo := strings.CutPrefix(values[0], "now-") // the time before now, in UTC
		if before, err := time.ParseDuration(ago); isAgo && err == nil {
			at, err := time.Parse(time.RFC3339, query.Get(name))
			if off := time.Since(at) - before; err == nil && off > -time.Minute && off < time.Minute {
				query[name] = values
			}
		}
	}
	if want := want.Query(); !reflect.DeepEqual(query, want) {
		return fmt.Sprintf("the query %v, want %v", query, want)
	}
	for name, want := range x.header {
		if name == "Tls-Client-Certificate" {
			continue // the server looks at the connection
		}
		got := r.Header.Values(name)
		if user, ok := strings.CutPrefix(want[0], "Basic "); ok {
			want = []string{"Basic " + base64.StdEncoding.EncodeToString([]byte(user))}
		}
		if !slices.Equal(got, want) && !strings.HasPrefix(want[0], "Digest") {
			return fmt.Sprintf("the header %s: %q, want %q", name, got, want)
		}
	}
	for name := range r.Header {
		if x.header[name] == nil && !slices.Contains(usual, name) {
			return fmt.Sprintf("the header %s, want none", name)
		}
	}
	if !sameBody(body, x.body) {
		return fmt.Sprintf("the body %q, want %q", body, x.body)
	}
	return ""
}

// sameBody compares bodies: JSON and forms by their meaning.
func sameBody(a, b string) bool {
	var x, y any
	if json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil {
		return reflect.DeepEqual(x, y)
	}
	if !strings.ContainsAny(a+b, "<>{} \n") {
		x, _ := url.ParseQuery(a)
		y, _ := url.ParseQuery(b)
		return reflect.DeepEqual(x, y)
	}
	return strings.TrimSpace(a) == strings.TrimSpace(b)
}

// fileOf returns the file of a service's exchanges.
func fileOf(title string) string {
	name := regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(title), "-")
	return filepath.Join("testdata", "reach", strings.Trim(name, "-")+".http")
}

// TestReachFiles has each file of testdata/reach be that of a service.
func TestReachFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/reach/*.http")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range services(t) {
		if i := slices.Index(files, filepath.FromSlash(fileOf(s.title))); i >= 0 {
			files = slices.Delete(files, i, i+1)
		} else {
			t.Errorf("%s has no file %s", s.title, fileOf(s.title))
		}
	}
	if len(files) > 0 {
		t.Errorf("%v are of no service", files)
	}
}

// TestReachIsStrict has an exchange refuse each request that differs from its own in one respect.
func TestReachIsStrict(t *testing.T) {
	for _, s := range services(t) {
		for _, x := range exchanges(t, fileOf(s.title)) {
			ask := func(change func(*http.Request), body string) string {
				r := httptest.NewRequest(x.method, x.url.String(), strings.NewReader(body))
				for name, values := range x.header {
					if user, ok := strings.CutPrefix(values[0], "Basic "); ok {
						values = []string{"Basic " + base64.StdEncoding.EncodeToString([]byte(user))}
					}
					r.Header[name] = values
				}
				change(r)
				return x.differs(r, body)
			}
			if !strings.Contains(x.url.RawQuery, "now-") {
				if why := ask(func(*http.Request) {}, x.body); why != "" {
					t.Errorf("%s refuses its own request: %s", s.title, why)
				}
			}
			for what, change := range map[string]func(*http.Request){
				"another method": func(r *http.Request) { r.Method = "DELETE" },
				"another path":   func(r *http.Request) { r.URL.Path += "/x"; r.URL.RawPath = "" },
				"another host":   func(r *http.Request) { r.URL.Host = "example.net" },
				"another scheme": func(r *http.Request) { r.URL.Scheme = "ftp" },
				"another query":  func(r *http.Request) { r.URL.RawQuery += "&x=1" },
				"a key too many": func(r *http.Request) { r.Header.Set("X-Some-Key", "1") },
			} {
				if ask(change, x.body) == "" {
					t.Errorf("%s takes %s", s.title, what)
				}
			}
			if ask(func(*http.Request) {}, x.body+"x") == "" {
				t.Errorf("%s takes another body", s.title)
			}
			for name, values := range x.header {
				isOther := func(r *http.Request) { r.Header.Set(name, values[0]+"x") }
				if name != "Tls-Client-Certificate" && !strings.HasPrefix(values[0], "Digest") && ask(isOther, x.body) == "" {
					t.Errorf("%s takes another %s", s.title, name)
				}
			}
		}
	}
}

// respond writes the answer of an exchange.
func (x *exchange) respond(w http.ResponseWriter) {
	maps.Copy(w.Header(), x.answer.header)
	w.WriteHeader(x.answer.status)
	_, _ = bytes.NewBufferString(x.answer.body).WriteTo(w)
}
