// Package jobtest holds one table of requests for everything that starts runs and serves them. Their clients count on
// the same answers: the choice of a representation, conditions, preferences, idempotency keys and problems.
//
// The servers may differ in the body of a start, the members of a run, the paths of runs, the length of a wait for a
// change of an ended run, and the answer for a forgotten run (410 or 404).
package jobtest

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// patience is how long an answer may take.
const patience = 30 * time.Second

// An API is a place where runs of one job are started, none of which is in progress.
type API struct {
	Start         string // the URL of a POST that starts a run, or joins the one in progress
	First, Second string // the bodies, in JSON, of two different starts

	// Run returns the URL at which the run with that id is streamed, or answered as JSON.
	Run func(id string) string

	// Cancel returns the request that asks the run with that id to stop.
	Cancel func(id string) (method, url string)

	// Begun waits until the work of a run has begun, and returns what ends it well.
	Begun func() (finish func())

	// Stop has the service refuse every further start, as it does while it stops.
	Stop func()
}

// Test tests APIs that setup makes.
func Test(t *testing.T, setup func(*testing.T) API) {
	for name, test := range map[string]func(*testing.T, *client){
		"representations": testRepresentations,
		"conditions":      testConditions,
		"preferences":     testPreferences,
		"starts":          testStarts,
		"keys":            testKeys,
		"problems":        testProblems,
		"waits":           testWaits,
		"ends":            testEnds,
		"cancels":         testCancels,
	} {
		t.Run(name, func(t *testing.T) { test(t, &client{API: setup(t), t: t}) })
	}
}

// A client makes requests of an API.
type client struct {
	API
	t *testing.T
}

// An answer is one to a request. Of a stream it has the head alone.
type answer struct {
	*http.Response
	said
	body string
	took time.Duration
}

// said returns the content of an answer in JSON.
type said struct {
	// Of a start:

	ID        string
	Coalesced bool
	Events    string

	// Of a problem:

	Type, Title, Detail, Instance, Run string
	RetryAfter                         int `json:"retry_after"`
}

// do makes a request; header is pairs.
func (c *client) do(method, url, body string, header ...string) (a answer) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	began := time.Now()
	if a.Response, err = http.DefaultClient.Do(r); err != nil {
		c.t.Fatal(err)
	}
	a.took = time.Since(began)
	defer a.Body.Close()
	if strings.HasPrefix(a.Header.Get("Content-Type"), stream) {
		return a
	}
	data, err := io.ReadAll(a.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if a.body = string(data); strings.Contains(a.Header.Get("Content-Type"), "json") && len(data) > 0 {
		if err := json.Unmarshal(data, &a.said); err != nil {
			c.t.Errorf("%s %s is answered %s: %v", method, url, data, err)
		}
	}
	return a
}

// start starts a run, or joins it.
func (c *client) start(header ...string) answer {
	c.t.Helper()
	a := c.do("POST", c.Start, c.First, header...)
	if a.StatusCode != http.StatusAccepted || a.ID == "" {
		c.t.Fatalf("POST is answered %s %s, want 202 and a run", a.Status, a.body)
	}
	return a
}

// newest returns the entity tag of a run.
func (c *client) newest(id string) string {
	c.t.Helper()
	a := c.do("GET", c.Run(id), "", "Accept", asJSON)
	tag := a.Header.Get("ETag")
	if a.StatusCode != http.StatusOK || !strings.HasPrefix(tag, `"`+id+"-") {
		c.t.Fatalf("GET run %s is answered %s, ETag %s, want 200 and a tag of the run", id, a.Status, tag)
	}
	return tag
}

// has checks the status and the header of an answer; header is a list of pairs, where a value of "" means that the
// field is absent.
func (c *client) has(what string, a answer, status int, header ...string) {
	c.t.Helper()
	if a.StatusCode != status {
		c.t.Errorf("%s is answered %s, want %d\n%s", what, a.Status, status, a.body)
	}
	for i := 0; i < len(header); i += 2 {
		if got := strings.Join(a.Header.Values(header[i]), ", "); got != header[i+1] {
			c.t.Errorf("%s is answered with %s: %s, want %q", what, header[i], got, header[i+1])
		}
	}
}

// fails checks that an answer is a problem. A kind of "" means a problem without a specific type.
func (c *client) fails(what string, a answer, status int, kind, detail string) {
	c.t.Helper()
	c.has(
		what, a, status, "Content-Type", "application/problem+json", "Cache-Control", "no-store",
		"X-Content-Type-Options", "nosniff",
	)
	title, uri := http.StatusText(status), "about:blank"
	if kind != "" {
		title, uri = a.Title, "https://github.com/tidewire/tidewire/problems/"+kind
	}
	if a.Type != uri || a.Title != title || a.Title == "" || a.Instance != a.Request.URL.Path ||
		!strings.Contains(a.Detail, detail) {
		c.t.Errorf("%s is answered with the problem %s, want %s about %q", what, a.body, uri, detail)
	}
}
