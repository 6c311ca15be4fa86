package notify_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/notify"
)

// A call is a request as a server got it.
type call struct {
	method, uri, body string
	header            http.Header
}

// listen starts a server that answers with the given handler after it has noted the call, and returns its address. The
// function returns the newest call.
func listen(t testing.TB, answer http.HandlerFunc) (address string, newest func() call) {
	t.Helper()
	calls := make(chan call, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		calls <- call{r.Method, r.RequestURI, string(body), r.Header}
		if answer != nil {
			answer(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, func() call {
		select {
		case c := <-calls:
			return c
		default:
			t.Helper()
			t.Error("no call came")
			return call{}
		}
	}
}

func parse(t testing.TB, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// tank is the message of one source.
func tank(change func(*notify.Item)) notify.Message {
	i := notify.Item{
		Key: "source/tank", Source: "tank", Title: "Tank", State: notify.Firing, Severity: "warning",
		Value: json.RawMessage(`{"level":91.50,"pump":true}`), Headline: json.RawMessage(`91.50`),
		Since: new(time.Date(2026, 11, 21, 18, 40, 0, 0, time.UTC)),
	}
	if change != nil {
		change(&i)
	}
	m := notify.Message{
		ID: "7", State: i.State, Severity: i.Severity, Group: i.Key, Count: 1, Firing: 1,
		At: time.Date(2026, 11, 21, 18, 41, 0, 0, time.UTC), Alerts: []notify.Item{i},
	}
	m.Word()
	return m
}

func TestBodies(t *testing.T) {
	quoted := `say "hi"` + "\n"
	m := tank(func(i *notify.Item) { i.Title = quoted })
	whole := tank(func(i *notify.Item) { i.Title, i.Headline = quoted, i.Value })
	failing := tank(func(i *notify.Item) {
		i.Value, i.Headline, i.Error = json.RawMessage("null"), json.RawMessage("null"), &quoted
	})
	const plain, jsonKind = "text/plain; charset=utf-8", "application/json"
	for _, tt := range []struct {
		name, kind, body string
		m                notify.Message
		want, wantKind   string
	}{
		{"text", "", "{source}: {state} {value} {nothing} {error}", m, "tank: firing 91.50 {nothing} ", plain},
		{"text of a type", "text/markdown", "**{title}** {since}", m, `**say "hi"** 2026-11-21T18:40:00Z`, "text/markdown"},
		{"object", "", "{value}", whole, `{"level":91.50,"pump":true}`, plain},
		{"no value", "", "{value}{error}", failing, quoted, plain},
		{"words", "", "{summary}|{text}|{severity}|{count}", m, `say "hi" is firing: 91.50|since 2026-11-21T18:40:00Z|warning|1`, plain},
		{"json", "application/json", `{"text": "{title} is {state}, at {value} \"{", "raw": {value}, "who": [{source}], "why": {error}, "n": {count}}`, m,
			`{"text": "say \"hi\" is firing, at 91.50 \"{", "raw": 91.50, "who": ["tank"], "why": null, "n": 1}`, jsonKind},
		{"json of objects", "application/problem+json; charset=utf-8", `{"v": {value}, "text": "{value} {error}"}`, whole,
			`{"v": {"level":91.50,"pump":true}, "text": "{\"level\":91.50,\"pump\":true} "}`, "application/problem+json; charset=utf-8"},
		{"none", "", "", tank(nil), `{"id":"7","state":"firing","again":"","severity":"warning","summary":"Tank is firing: 91.50",` +
			`"text":"since 2026-11-21T18:40:00Z","link":"","group":"source/tank","count":1,"firing":1,"at":"2026-11-21T18:41:00Z",` +
			`"alerts":[{"key":"source/tank","source":"tank","job":"","title":"Tank","state":"firing","severity":"warning","reason":"","run":"",` +
			`"value":{"level":91.50,"pump":true},"headline":91.50,"error":null,"since":"2026-11-21T18:40:00Z","until":null,"earlier":0}]}`, jsonKind},
	} {
		address, newest := listen(t, nil)
		to := webhook(t, address)
		to.Body = tt.body
		if tt.kind != "" {
			to.Header.Set("Content-Type", tt.kind)
		}
		if err := to.Send(t.Context(), nil, tt.m); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if c := newest(); c.body != tt.want || c.header.Get("Content-Type") != tt.wantKind {
			t.Errorf("%s: body = %s (%s), want %s (%s)", tt.name, c.body, c.header.Get("Content-Type"), tt.want, tt.wantKind)
		}
	}
}

// Whatever a source says, the JSON around it stays what it is.
func FuzzJSONBody(f *testing.F) {
	f.Add("Tank", `"`, `{"a":"\\\""}`)
	f.Add("{error}", "\\", `"{title}"`)
	f.Add("\xff\u2028", "{\"", "[1,2]")
	address, newest := listen(f, nil)
	f.Fuzz(func(t *testing.T, title, failure, value string) {
		if !json.Valid([]byte(value)) {
			value = "null"
		}
		to := webhook(t, address, "Content-Type", "application/json")
		to.Body = `{"title": "{title}", "text": "\"{title}\\", "error": {error}, "value": {value}, "mix": "{title}{value}{error}", "{source}": [{title}, {since}]}`
		m := tank(func(i *notify.Item) { i.Title, i.Error, i.Headline = title, &failure, json.RawMessage(value) })
		if err := to.Send(t.Context(), nil, m); err != nil {
			t.Fatal(err)
		}
		body := newest().body
		var got struct {
			Title, Text, Error, Mix string
			Value                   any
			Tank                    []any
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatalf("%v in %s", err, body)
		}
		failure = strings.ToValidUTF8(failure, "\ufffd")
		if len(got.Tank) != 2 || got.Text != `"`+got.Title+`\` || !same(got.Error, failure) || !strings.HasPrefix(flat(got.Mix), flat(got.Title)) {
			t.Errorf("body = %s of title %q, error %q, value %s", body, title, failure, value)
		}
	})
}

// same reports whether two texts are equal but for how many replacement characters stand
// for bytes that are no text.
func same(a, b string) bool { return flat(a) == flat(b) }

func flat(s string) string {
	for strings.Contains(s, "\ufffd\ufffd") {
		s = strings.ReplaceAll(s, "\ufffd\ufffd", "\ufffd")
	}
	return s
}

// A text that stands alone, as in a header, is the text: its quotes are JSON's.
func TestATextValueStandsWithoutQuotes(t *testing.T) {
	address, newest := listen(t, nil)
	to := webhook(t, address, "Content-Type", "application/json", "Title", "{source} is {value}")
	to.Body = `{"v": {value}, "t": "now {value}"}`
	for value, want := range map[string]struct{ title, body string }{
		`"half \"full\""`: {`tank is half "full"`, `{"v": "half \"full\"", "t": "now half \"full\""}`},
		`12.5`:            {"tank is 12.5", `{"v": 12.5, "t": "now 12.5"}`},
		`null`:            {"tank is", `{"v": null, "t": "now "}`},
	} {
		err := to.Send(t.Context(), nil, tank(func(i *notify.Item) { i.Headline = json.RawMessage(value) }))
		if c := newest(); err != nil || c.header.Get("Title") != want.title || c.body != want.body {
			t.Errorf("of %s: Title %q and body %s, %v, want %q and %s", value, c.header.Get("Title"), c.body, err, want.title, want.body)
		}
	}
}

// The placeholders of a message work wherever a text of a webhook is sent.
func TestPlaceholdersWorkInTheHeadersAndTheAddressOfAWebhook(t *testing.T) {
	address, newest := listen(t, nil)
	to := webhook(t, address+"/a b/%2F/{source}?t={title}&k=1", "Title", "{title} is {state}", "X-Value", "{value}")
	to.Method, to.Body = "PUT", "{error}"
	m := tank(func(i *notify.Item) {
		i.Source, i.Title, i.Headline, i.Error = "tank/7", "Tank & co", json.RawMessage(`"1\r\nX-Evil: 1"`), new("no\nanswer")
	})
	if err := to.Send(t.Context(), nil, m); err != nil {
		t.Fatal(err)
	}
	got := newest()
	if want := "/a%20b/%2F/tank%2F7?t=Tank+%26+co&k=1"; got.uri != want || got.method != "PUT" {
		t.Errorf("the request is %s %s, want PUT %s", got.method, got.uri, want)
	}
	if h := got.header; h.Get("Title") != "Tank & co is firing" || h.Get("X-Value") != "1  X-Evil: 1" {
		t.Errorf("the headers are %q", h)
	}
	if got.body != "no\nanswer" {
		t.Errorf("the body is %q", got.body)
	}
	m.Alerts[0].Source = ".."
	err := to.Send(t.Context(), nil, m)
	if e, ok := err.(*notify.Error); !ok || !e.Permanent {
		t.Errorf("to a path that leads elsewhere: %v, want a permanent error", err)
	}
}

// What goes wrong is said without a secret, and says whether to try again.
func TestErrorsOfWebhooks(t *testing.T) {
	for status, permanent := range map[int]bool{301: true, 401: true, 404: true, 410: true, 413: true, 408: false, 425: false, 429: false, 500: false, 503: false} {
		address, _ := listen(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "7")
			http.Error(w, fmt.Sprint(r.URL, r.Header), status)
		})
		to := webhook(t, address+"/hunter2?key=hunter3", "Authorization", "Bearer hunter4")
		err := to.Send(t.Context(), nil, tank(nil))
		e, ok := err.(*notify.Error)
		if !ok || e.Permanent != permanent || e.RetryAfter() != 7*time.Second || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%d: %#v, want permanent: %v, after 7s, without a secret", status, err, permanent)
		}
		shown, err := to.Show(tank(nil))
		if err != nil || strings.Contains(shown, "hunter") || !strings.HasPrefix(shown, "POST "+address+"/***\nAuthorization: ***\nContent-Type: application/json\n\n{") {
			t.Errorf("Show = %s, %v", shown, err)
		}
	}
	to := webhook(t, "http://127.0.0.1:1/hunter2")
	err := to.Send(t.Context(), nil, tank(nil))
	if e, ok := err.(*notify.Error); !ok || e.Permanent || strings.Contains(err.Error(), "hunter") {
		t.Errorf("nobody there: %#v, want an error that is not permanent", err)
	}
	cut, _ := listen(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	if e, ok := webhook(t, cut).Send(t.Context(), nil, tank(nil)).(*notify.Error); !ok || e.Permanent {
		t.Errorf("no answer: %#v, want an error that is not permanent", e)
	}
}

// webhook returns a webhook of an address that sends a header of these names and values.
func webhook(t testing.TB, address string, header ...string) *notify.HTTP {
	to := &notify.HTTP{Request: notify.At(parse(t, address))}
	for i := 0; i < len(header); i += 2 {
		to.Header.Set(header[i], header[i+1])
	}
	return to
}
