package conformance_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A client is a client of others: a program in clients/ that reads the stream of a URL and prints what it sees.
type client struct {
	name    string
	peer    string   // the module or the package
	program []string // and its arguments before the URL
	wrongs  map[behaviour]wrong
}

// A behaviour is something that a client should do. Those of data are the names of texts.
type behaviour string

// A wrong is what a client does instead, by its own fault. Tests fail when it stops doing so.
type wrong struct {
	instead string // for data: what arrives
	because string
}

const (
	resumes     behaviour = "come back when its connection breaks"
	comesBack   behaviour = "come back when its stream ends"
	waits       behaviour = "wait for as long as the server says"
	endsWith204 behaviour = "stop at 204"
)

var clients = []client{
	{name: "eventsource 2", peer: "eventsource-2", program: node("eventsource", "eventsource-2")},
	{name: "eventsource 3", peer: "eventsource-3", program: node("eventsource", "eventsource-3")},
	{name: "eventsource 4", peer: "eventsource-4", program: node("eventsource", "eventsource-4")},
	{name: "eventsource-client", peer: "eventsource-client", program: node("eventsource-client")},
	{name: "fetch-event-source", peer: "@microsoft/fetch-event-source", program: node("fetch-event-source"), wrongs: map[behaviour]wrong{
		endsWith204: {because: "whatever is no stream and no client error is tried again, as its README shows"},
	}},
	{name: "undici", peer: "undici", program: node("eventsource", "undici")},
	{name: "launchdarkly/eventsource", peer: "github.com/launchdarkly/eventsource", program: []string{"launchdarkly"}, wrongs: map[behaviour]wrong{
		endsWith204: {because: "every error is tried again, unless an error handler decides otherwise"},
	}},
	{name: "r3labs/sse", peer: "github.com/r3labs/sse/v2", program: []string{"r3labs"}, wrongs: map[behaviour]wrong{
		waits:     {because: "retry is ignored, it backs off by itself"},
		comesBack: {because: "the end of a stream ends it, so it never sees a 204 either"},
	}},
	{name: "go-sse", peer: "github.com/tmaxmax/go-sse", program: []string{"go-sse"}},
}

// node is a program of Node.js.
func node(name string, args ...string) []string {
	return append([]string{"node", "--no-warnings", filepath.Join("clients", name, "main.mjs")}, args...)
}

// wrong returns whether the client has a fault.
func (c client) wrong(b behaviour) bool {
	_, wrong := c.wrongs[b]
	return wrong
}

// seen is a line that a client prints.
type seen struct {
	Kind string // open, event, error or end
	ID   string
	Type string // of an event, message if it has no name
	Data string // of an event
	Text string // of an error
}

func (s seen) String() string {
	if len(s.Data) > 100 {
		s.Data = fmt.Sprintf("%.40s… (%d bytes)", s.Data, len(s.Data))
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s %s %q %s", s.Kind, s.ID, s.Type, s.Data, s.Text))
}

// A reader is a client that runs.
type reader struct {
	changing
	lines []seen
}

// start has the client read the URL until the test ends.
func (c client) start(t *testing.T, url string) *reader {
	t.Helper()
	program := slices.Clone(c.program)
	if program[0] != "node" {
		program[0] = filepath.Join(programs, program[0])
	}
	cmd := exec.Command(program[0], append(program[1:], url)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := &reader{}
	over := make(chan struct{})
	go func() {
		defer close(over)
		r.follow(t, bufio.NewReaderSize(stdout, 1<<20))
	}()
	t.Cleanup(func() {
		stdin.Close()
		<-over
		cmd.Wait()
		if t.Failed() {
			t.Logf("%s saw\n%v\n%s", c.name, r.events("open", "event", "error", "end"), stderr.String())
		}
	})
	return r
}

func (r *reader) follow(t *testing.T, stdout *bufio.Reader) {
	for {
		text, err := stdout.ReadBytes('\n')
		if err != nil {
			return
		}
		var line seen
		if err := json.Unmarshal(text, &line); err != nil {
			t.Errorf("the client printed %q: %v", text, err)
			return
		}
		r.change(func() { r.lines = append(r.lines, line) })
	}
}

// of returns the lines of these kinds. Use it within await or read.
func (r *reader) of(kinds ...string) (all []seen) {
	for _, line := range r.lines {
		if slices.Contains(kinds, line.Kind) {
			all = append(all, line)
		}
	}
	return all
}

// events returns the lines of these kinds, of events if none is given.
func (r *reader) events(kinds ...string) []seen {
	if len(kinds) == 0 {
		kinds = []string{"event"}
	}
	return read(&r.changing, func() []seen { return r.of(kinds...) })
}

// awaitEvents waits until there are n events, and returns the last of them.
func (r *reader) awaitEvents(t *testing.T, n int) seen {
	t.Helper()
	r.await(t, fmt.Sprintf("event %d", n), func() bool { return len(r.of("event")) >= n })
	return r.events()[n-1]
}

// awaitKind waits until there are n lines of a kind.
func (r *reader) awaitKind(t *testing.T, kind string, n int) {
	t.Helper()
	r.await(t, fmt.Sprintf("%s %d", kind, n), func() bool { return len(r.of(kind)) >= n })
}
