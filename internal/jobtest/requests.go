package jobtest

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

const (
	stream = "text/event-stream"
	asJSON = "application/json"
)

// Of a run there are a stream and an object in JSON, which Accept chooses from (RFC 9110 §12.5.1).
func testRepresentations(t *testing.T, c *client) {
	id := c.start().ID
	c.Begun()
	tag := c.newest(id)
	for accept, want := range map[string]string{
		"":    stream,
		"*/*": stream,
		"text/html,application/xhtml+xml,*/*;q=0.8": stream,
		"text/event-stream":                         stream,
		"text/html":                                 stream,
		"application/json":                          asJSON,
		"application/*":                             asJSON,
		"APPLICATION/JSON; charset=utf-8":           asJSON,
		"application/json, text/event-stream":       stream,
		"application/json, text/event-stream;q=0.1": asJSON,
		"application/json;q=0.1, text/event-stream": stream,
		"text/event-stream;q=0, */*":                asJSON,
		"application/jsonp, text/*":                 stream,
		`text/x;a="application/json"`:               stream,
		"application/json;q=x":                      stream,
		"/, application/json":                       asJSON,
	} {
		var header []string
		if accept != "" {
			header = []string{"Accept", accept}
		}
		for _, method := range []string{"GET", "HEAD"} {
			what := method + ", Accept: " + accept
			a := c.do(method, c.Run(id), "", header...)
			if want == stream {
				c.has(what, a, 200, "Content-Type", want, "Vary", "Accept", "ETag", "",
					"Cache-Control", "no-store, no-transform", "X-Accel-Buffering", "no")
				continue
			}
			c.has(what, a, 200, "Content-Type", want, "Vary", "Accept, Prefer", "ETag", tag,
				"Cache-Control", "no-store", "X-Content-Type-Options", "nosniff", "Retry-After", "1")
			if (a.body == "") != (method == "HEAD") {
				t.Errorf("%s has the body %q", what, a.body)
			}
		}
	}
}

// If-None-Match is as in RFC 9110 §13.1.2, and 304 has the head of a 200 (§15.4.5).
func testConditions(t *testing.T, c *client) {
	id := c.start().ID
	c.Begun()
	tag := c.newest(id)
	for given, want := range map[string]int{
		tag: 304, "W/" + tag: 304, `"x,y", ` + tag: 304, "*": 304,
		`"x"`: 200, strings.Trim(tag, `"`): 200, `"x, ` + tag: 200,
	} {
		for _, method := range []string{"GET", "HEAD"} {
			what := method + ", If-None-Match: " + given
			a := c.do(method, c.Run(id), "", "Accept", asJSON, "If-None-Match", given)
			c.has(what, a, want, "ETag", tag, "Vary", "Accept, Prefer", "Cache-Control", "no-store", "Retry-After", "1")
			if want == 304 && (a.body != "" || a.Header.Get("Content-Type") != "") {
				t.Errorf("%s is answered %s %q, want no body", what, a.Header.Get("Content-Type"), a.body)
			}
		}
	}
}

// Preferences are those of RFC 7240; what is honoured, and how, is told.
func testPreferences(t *testing.T, c *client) {
	id := c.start().ID
	c.Begun()
	for prefer, want := range map[string]string{
		"": "", "wait=0": "wait=0", "WAIT=\"0\"; x=y": "wait=0", "wait=61": "wait=60", "wait=99999999999": "wait=60",
		"wait=1, wait=2": "wait=1", "wait=x, wait=2": "", "wait=-1": "", "wait": "", "respond-async": "", `x="wait=3"`: "",
	} {
		a := c.do("GET", c.Run(id), "", "Accept", asJSON, "If-None-Match", `"x"`, "Prefer", prefer)
		c.has("GET, Prefer: "+prefer, a, 200, "Preference-Applied", want)
	}
	for prefer, want := range map[string]string{
		"": "", "wait=0": "wait=0", "wait=x": "", "respond-async": "respond-async", "return=minimal": "",
		"wait=0, respond-async": "respond-async, wait=0",
	} {
		c.has("POST, Prefer: "+prefer, c.start("Prefer", prefer), 202, "Preference-Applied", want)
	}
	a := c.start("Prefer", "wait=1")
	c.has("POST that waits in vain", a, 202, "Preference-Applied", "wait=1", "Retry-After", "1")
	if a.took < time.Second {
		t.Errorf("a POST with wait=1 is answered after %v", a.took)
	}
}

// A start is answered with 202 and where its run is (RFC 9110 §15.3.3); another one joins it.
func testStarts(t *testing.T, c *client) {
	first := c.start()
	c.Begun()
	second := c.start()
	if first.Coalesced || !second.Coalesced || second.ID != first.ID || second.Events != first.Events {
		t.Errorf("two starts are answered %s and %s, want a run, and that the second joins it", first.body, second.body)
	}
	for what, a := range map[string]answer{"a start": first, "a start that joins": second} {
		c.has(what, a, 202, "Content-Type", asJSON, "Cache-Control", "no-store", "X-Content-Type-Options", "nosniff",
			"Retry-After", "1", "ETag", "", "Location", first.Header.Get("Location"))
	}
	at, err := first.Response.Location()
	if err != nil {
		t.Fatalf("a start is answered with Location %q: %v", first.Header.Get("Location"), err)
	}
	c.has("GET Location", c.do("GET", at.String(), "", "Accept", asJSON), 200, "ETag", c.newest(first.ID))
	events, err := first.Request.URL.Parse(first.Events)
	if err != nil || events.String() != c.Run(first.ID) {
		t.Errorf("the stream is at %v, %v, want %s", events, err, c.Run(first.ID))
	}
}

// Idempotency keys are as in draft-ietf-httpapi-idempotency-key-header, with quotes or without.
func testKeys(t *testing.T, c *client) {
	id := c.start("Idempotency-Key", "first").ID
	finish := c.Begun()
	for _, keys := range [][2]string{
		{`"k1"`, `k1`}, {`k2`, `"k2"`}, {`"a \"b\\"`, ` "a \"b\\" `},
		{strings.Repeat("k", 255), `"` + strings.Repeat("k", 255) + `"`},
	} {
		for range 2 {
			if a := c.start("Idempotency-Key", keys[0]); a.ID != id {
				t.Errorf("the key %s leads to run %s, want %s", keys[0], a.ID, id)
			}
		}
		a := c.do("POST", c.Start, c.Second, "Idempotency-Key", keys[1])
		c.fails("the key "+keys[1]+" of another body", a, 422, "idempotency-key-reused",
			"this Idempotency-Key was used with another body: use a new one for each start")
		if a.Title != "The Idempotency-Key was used for something else" || a.Run != id {
			t.Errorf("the problem is %s, want its title and run %s", a.body, id)
		}
	}
	for _, bad := range [][]string{
		{``}, {`""`}, {`"a`}, {`a"`}, {`a b`}, {`é`}, {`"a\b"`}, {strings.Repeat("k", 256)}, {"a", "b"},
	} {
		var header []string
		for _, key := range bad {
			header = append(header, "Idempotency-Key", key)
		}
		c.fails(
			"the keys "+strings.Join(bad, " and "), c.do("POST", c.Start, c.First, header...), 400, "",
			"Idempotency-Key must be",
		)
	}
	finish()
	c.ended(id)
	a := c.start("Idempotency-Key", "first")
	c.has(
		"the key of a run that is over", a, 202, "Retry-After", "", "Location",
		c.start("Idempotency-Key", "k1").Header.Get("Location"),
	)
	if a.ID != id {
		t.Errorf("the key of a run that is over leads to %s, want %s", a.ID, id)
	}
	if a := c.start("Idempotency-Key", "new"); a.ID == id {
		t.Error("a new key leads to a run that is over")
	}
	c.Begun()
}

// Errors are problems (RFC 9457), also of a HEAD, which has no body.
func testProblems(t *testing.T, c *client) {
	const none = "NEVERWAS"
	for _, accept := range []string{asJSON, stream} {
		c.fails("GET no run", c.do("GET", c.Run(none), "", "Accept", accept), 404, "", "no ")
		if a := c.do("HEAD", c.Run(none), "", "Accept", accept); a.StatusCode != 404 || a.body != "" {
			t.Errorf("HEAD no run is answered %s %q", a.Status, a.body)
		}
	}
	method, at := c.Cancel(none)
	c.fails("cancel no run", c.do(method, at, ""), 404, "", "no ")
	c.has(
		"a reader that has seen the end of a run that is gone",
		c.do("GET", c.Run(none), "", "Last-Event-ID", none+"-end"), 204, "Content-Type", "",
	)
	c.fails("PUT", c.do("PUT", c.Start, c.First), 405, "", "PUT is not allowed here")
	if a := c.do("PUT", c.Start, c.First); !strings.Contains(a.Header.Get("Allow"), "POST") {
		t.Errorf("PUT is answered with Allow: %s, want POST among it", a.Header.Get("Allow"))
	}
	large := `{"args":{"x":"` + strings.Repeat("x", 2<<20) + `"}}`
	c.fails(
		"a large body", c.do("POST", c.Start, large), http.StatusRequestEntityTooLarge, "", "the body is larger than ",
	)
	c.Stop()
	a := c.do("POST", c.Start, c.First)
	c.has("a start while the service stops", a, 503, "Content-Type", "application/problem+json", "Retry-After", "5")
	if a.RetryAfter != 5 || !strings.Contains(a.Detail, "stopping") {
		t.Errorf("the problem is %s, want that it is stopping, and when to ask again", a.body)
	}
}

// A GET that knows the newest state may wait for another one, and a POST for the end.
func testWaits(t *testing.T, c *client) {
	id := c.start().ID
	finish := c.Begun()
	tag := c.newest(id)
	a := c.do("GET", c.Run(id), "", "Accept", asJSON, "Prefer", "wait=20")
	if c.has("GET that knows nothing", a, 200, "ETag", tag, "Preference-Applied", "wait=20"); a.took > 10*time.Second {
		t.Errorf("a GET that knows nothing is answered after %v", a.took)
	}
	a = c.do("GET", c.Run(id), "", "Accept", asJSON, "Prefer", "wait=1", "If-None-Match", tag)
	if c.has("GET that waits in vain", a, 304, "ETag", tag, "Preference-Applied", "wait=1"); a.took < time.Second {
		t.Errorf("a GET with wait=1 is answered after %v", a.took)
	}
	answers := make(chan func())
	wait := func(what string, status int, method, url, body string, header ...string) {
		a := c.do(method, url, body, append(header, "Prefer", "wait=20")...)
		answers <- func() {
			c.has(what, a, status, "Preference-Applied", "wait=20", "Retry-After", "")
			if a.took > 10*time.Second {
				t.Errorf("%s is answered after %v, although the run was over", what, a.took)
			}
		}
	}
	go wait("GET that waits", 200, "GET", c.Run(id), "", "Accept", asJSON, "If-None-Match", tag)
	go wait("GET of who says to know all", 304, "GET", c.Run(id), "", "Accept", asJSON, "If-None-Match", "*")
	time.Sleep(100 * time.Millisecond) // they are to wait
	finish()
	for range 2 {
		(<-answers)()
	}
	next := c.start()
	finish = c.Begun()
	go wait("POST that waits", 200, "POST", c.Start, c.First)
	time.Sleep(100 * time.Millisecond)
	finish()
	(<-answers)()
	if end := c.ended(next.ID); end != `"`+next.ID+`-end"` {
		t.Errorf("the end has the tag %s", end)
	}
}

// ended waits for the end of a run and returns its tag.
func (c *client) ended(id string) (tag string) {
	c.t.Helper()
	for tag = c.newest(id); !strings.HasSuffix(tag, `-end"`); {
		a := c.do("GET", c.Run(id), "", "Accept", asJSON, "Prefer", "wait=10", "If-None-Match", tag)
		if tag = a.Header.Get("ETag"); a.StatusCode != 200 {
			c.t.Fatalf("run %s does not end: %s", id, a.Status)
		}
	}
	return tag
}

// The end of a run can be asked for, and a reader that has seen it is sent away.
func testEnds(t *testing.T, c *client) {
	id := c.start().ID
	c.Begun()()
	tag := c.ended(id)
	c.has(
		"GET the end", c.do("GET", c.Run(id), "", "Accept", asJSON), 200, "Retry-After", "", "ETag", tag, "Vary",
		"Accept, Prefer",
	)
	// Nothing comes any more: a server may answer at once, or let a client that asks again and again do so at its pace.
	a := c.do("GET", c.Run(id), "", "Accept", asJSON, "If-None-Match", tag, "Prefer", "wait=1")
	c.has("GET the known end", a, 304, "Retry-After", "", "ETag", tag, "Preference-Applied", "wait=1")
	c.has("GET the stream", c.do("GET", c.Run(id), ""), 200, "Content-Type", stream)
	c.has(
		"GET the stream again", c.do("GET", c.Run(id), "", "Last-Event-ID", strings.Trim(tag, `"`)), 204,
		"Content-Type", "",
	)
	if next := c.start(); next.ID == id || next.Coalesced {
		t.Errorf("the next start is answered %s, want a new run", next.body)
	}
	c.Begun()
}

// To cancel is to ask: 202 while the run goes on, 200 when it is over.
func testCancels(t *testing.T, c *client) {
	id := c.start().ID
	c.Begun()
	method, at := c.Cancel(id)
	a := c.do(method, at, "")
	if c.has("cancel", a, 202, "Content-Type", asJSON, "Cache-Control", "no-store"); a.ID != id {
		t.Errorf("cancel is answered %s, want run %s", a.body, id)
	}
	c.ended(id)
	for range 2 {
		if a := c.do(
			method, at, "",
		); a.StatusCode != 200 || a.ID != id ||
			!strings.Contains(a.body, `"status":"cancelled"`) {
			t.Errorf("cancel after the end is answered %s %s, want 200 and run %s, cancelled", a.Status, a.body, id)
		}
	}
}
