package gateway_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/gateway"
)

// A boilers is an upstream with a list of devices.
type boilers struct {
	mu     sync.Mutex
	body   string
	status int
	asked  int
	told   []object // of alerts
}

func (b *boilers) say(status int, body string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status, b.body = status, body
}

func (b *boilers) RoundTrip(r *http.Request) (*http.Response, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.Method == http.MethodPost {
		var message object
		if err := json.NewDecoder(r.Body).Decode(&message); err != nil {
			return nil, err
		}
		b.told = append(b.told, message)
		return answerOf(r, ""), nil
	}
	b.asked++
	answer := answerOf(r, b.body)
	answer.StatusCode = b.status
	return answer, nil
}

const splitYAML = `
upstreams: {u: {http: "http://up"}}
sources:
  before: {exec: ["true"], every: 1h}
  boiler:
    title: Boiler
    section: Cellar
    http: {upstream: u}
    every: 10s
    backoff: {min: 10s, max: 10s}
    jitter: 0
    split: {each: '.devices[]', name: .id, title: .label, section: .room, forget: 1m}
    pick: {temp: .temp}
    deadband: 0.5
    show: {value: temp, unit: °C}
    alert: {if: .temp > 90}
`

// A splitting is a gateway alone, in a bubble.
type splitting struct {
	gateway.Gateway
	t *testing.T
	*boilers
}

func newSplitting(t *testing.T, yaml string) *splitting {
	s := &splitting{t: t, boilers: &boilers{status: 200}}
	var logs strings.Builder
	var mu sync.Mutex
	s.Gateway = gateway.NewGateway(t, t.Context(), load(t, yaml), gateway.Options{
		Logger: slog.New(slog.NewTextHandler(writer(func(p []byte) { mu.Lock(); defer mu.Unlock(); logs.Write(p) }), nil)),
	})
	s.Ask(s.boilers)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(logs.String())
		}
	})
	return s
}

type writer func(p []byte)

func (w writer) Write(p []byte) (int, error) { w(p); return len(p), nil }

// run begins to poll, and returns what ends that.
func (s *splitting) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	over := s.Start(ctx)
	return func() {
		cancel()
		<-over
		s.StopJobs()
	}
}

func (s *splitting) do(method, path string, body ...string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(s.t.Context(), method, "http://localhost"+path, strings.NewReader(strings.Join(body, "")))
	r.Header.Set("Content-Type", "application/json")
	s.Handler().ServeHTTP(w, r)
	return w
}

func (s *splitting) source(name string) object {
	s.t.Helper()
	return decode(s.t, s.do("GET", "/api/v1/sources/"+url.PathEscape(name)).Body.Bytes())
}

// shows checks what is listed, without the source before.
func (s *splitting) shows(when, want string) {
	s.t.Helper()
	var all []string
	for _, v := range decode(s.t, s.do("GET", "/api/v1/sources").Body.Bytes())["sources"].([]any) {
		one := v.(object)
		if one["name"] == "before" {
			continue
		}
		value := one["value"]
		if fields, ok := value.(object); ok {
			value = fields["temp"]
		}
		line := fmt.Sprint(one["name"], " ", one["state"], " ", value)
		if why, ok := one["error"].(string); ok {
			line += " (" + why + ")"
		}
		all = append(all, line)
	}
	if got := strings.Join(all, "\n  "); got != want {
		s.t.Errorf("%s there are\n  %s\nwant\n  %s", when, got, want)
	}
}

// Each row of an answer is a source. It comes with the row, is stale without it, and leaves when it was without it for long.
func TestASplitSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSplitting(t, splitYAML)
		s.say(200, `{"devices": [{"id": 10, "label": "North", "temp": 20}, {"id": "2 B", "temp": 95, "room": "Roof"}]}`)
		defer s.run()()
		time.Sleep(time.Second)
		s.shows("at first", "boiler ok 2\n  boiler/2-b ok 95\n  boiler/10 ok 20")
		for name, want := range map[string]string{
			"boiler/10": "North, Cellar, u, split, ", "boiler/2-b": "Boiler 2-b, Roof, u, split, firing", "boiler": "Boiler, Cellar, u, http, ",
		} {
			one := s.source(name)
			state := ""
			if alert, ok := one["alert"].(object); ok && alert["state"] != "clear" {
				state = of(alert, "state")
			}
			got := strings.Join([]string{of(one, "title"), of(one, "section"), of(one, "upstream"), of(one, "kind"), state}, ", ")
			if got != want {
				t.Errorf("%s is %s, want %s", name, got, want)
			}
		}
		if unit := s.source("boiler/10")["show"].(object)["unit"]; unit != "°C" {
			t.Errorf("the unit of a row is %v", unit)
		}

		if w := s.do("POST", "/api/v1/silences", `{"of": "source/boiler", "for": "1h", "reason": "noise"}`); w.Code >= 300 {
			t.Errorf("a silence of the source that is split is %d %s", w.Code, w.Body)
		}
		synctest.Wait()
		if alert := s.source("boiler/2-b")["alert"].(object); alert["silenced"] == nil {
			t.Errorf("the alert of a row is %v, want it silenced with the source that is split", alert)
		}

		s.say(200, `{"devices": [{"id": 10, "label": "South", "temp": 20.2}, {"id": 3, "temp": 7}]}`)
		time.Sleep(10 * time.Second)
		s.shows("later", "boiler ok 2\n  boiler/2-b stale 95 (not among the rows of boiler any more)\n  boiler/3 ok 7\n  boiler/10 ok 20")
		if title := s.source("boiler/10")["title"]; title != "South" {
			t.Errorf("the title is %v, want that of the row now", title)
		}

		s.say(503, "closed")
		time.Sleep(10 * time.Second)
		const closed = " (GET http://up: 503 Service Unavailable: closed)"
		s.shows("when it fails", "boiler stale 2"+closed+"\n  boiler/2-b stale 95 (not among the rows of boiler any more)\n  boiler/3 stale 7"+closed+
			"\n  boiler/10 stale 20"+closed)

		s.say(200, `{"devices": [{"id": 3, "temp": 8}, {"id": "3", "temp": 9}]}`)
		time.Sleep(10 * time.Second)
		const twice = " (split: rows 1 and 2 have the same name 3)"
		s.shows("with one name twice", "boiler stale 2"+twice+"\n  boiler/2-b stale 95 (not among the rows of boiler any more)\n  boiler/3 stale 7"+twice+
			"\n  boiler/10 stale 20"+twice)

		s.say(200, `{"devices": [{"id": 3, "temp": 8}]}`)
		time.Sleep(40 * time.Second)
		s.shows("when a minute has passed", "boiler ok 1\n  boiler/3 ok 8\n  boiler/10 stale 20 (not among the rows of boiler any more)")
		if w := s.do("GET", "/api/v1/sources/"+url.PathEscape("boiler/2-b")); w.Code != 404 {
			t.Errorf("what has left is %d %s", w.Code, w.Body)
		}
		time.Sleep(40 * time.Second)
		s.shows("when another one has passed", "boiler ok 1\n  boiler/3 ok 8")
		if alerts := s.Alerts().Alerts; len(alerts) != 0 {
			t.Errorf("there are alerts of what has left: %v", alerts)
		}

		s.boilers.mu.Lock()
		before := s.asked
		s.boilers.mu.Unlock()
		if w := s.do("POST", "/api/v1/sources/"+url.PathEscape("boiler/3")+"/refresh"); w.Code >= 300 {
			t.Errorf("a refresh of a row is %d %s", w.Code, w.Body)
		}
		synctest.Wait()
		s.boilers.mu.Lock()
		if s.asked != before+1 {
			t.Errorf("a refresh of a row has asked %d times, want the one request", s.asked-before)
		}
		s.boilers.mu.Unlock()
	})
}

const ofRows = splitYAML + `  sum: {from: [boiler/*], combine: '{temp: ([.[].value.temp] | add)}'}
  any: {from: [before, boiler/*], needs: any, combine: '{temp: ([keys[], (.[].value.temp? // empty)] | map(tostring) | join(" "))}'}
  one: {from: [boiler/7], combine: '{temp: (."boiler/7".value.temp + 100)}'}
  top: {from: [sum, one], needs: none, combine: '{temp: [.[].state]}'}
`

// What is computed from rows follows them as they come and go.
func TestWhatIsComputedFromRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSplitting(t, ofRows)
		s.say(200, `{"devices": []}`)
		defer s.run()()
		time.Sleep(time.Second)
		s.shows("without rows", "boiler ok 0\n  sum ok <nil>\n  any ok before\n"+
			"  one failing <nil> (input boiler/7: not among the rows of boiler)\n  top ok [failing ok]")

		s.say(200, `{"devices": [{"id": 1, "temp": 10}, {"id": 7, "temp": 20}]}`)
		time.Sleep(10 * time.Second)
		s.shows("with two", "boiler ok 2\n  boiler/1 ok 10\n  boiler/7 ok 20\n  sum ok 30\n  any ok before boiler/1 boiler/7 10 20\n  one ok 120\n  top ok [ok ok]")
		if got := fmt.Sprint(s.source("sum")["inputs"]); got != "[boiler/1 boiler/7]" {
			t.Errorf("the inputs are %s", got)
		}
		s.say(200, `{"devices": [{"id": 1, "temp": 11}, {"id": 7, "temp": 20}]}`)
		time.Sleep(10 * time.Second)
		s.shows("with other values", "boiler ok 2\n  boiler/1 ok 11\n  boiler/7 ok 20\n  sum ok 31\n  any ok before boiler/1 boiler/7 11 20\n  one ok 120\n  top ok [ok ok]")

		s.say(200, `{"devices": [{"id": 1, "temp": 11}, {"id": 3, "temp": 5}]}`)
		time.Sleep(10 * time.Second)
		const why = "(input boiler/7: not among the rows of boiler any more)"
		s.shows("when one is missing", "boiler ok 2\n  boiler/1 ok 11\n  boiler/3 ok 5\n  boiler/7 stale 20 (not among the rows of boiler any more)\n  sum stale 36 "+why+
			"\n  any ok before boiler/1 boiler/3 boiler/7 11 5 20\n  one stale 120 "+why+"\n  top ok [stale stale]")
		time.Sleep(time.Minute)
		s.shows("when it has left", "boiler ok 2\n  boiler/1 ok 11\n  boiler/3 ok 5\n  sum ok 16\n  any ok before boiler/1 boiler/3 11 5"+
			"\n  one stale 120 (input boiler/7: not among the rows of boiler)\n  top ok [stale ok]")

		s.say(503, "closed")
		time.Sleep(10 * time.Second)
		if sum := s.source("sum"); sum["error"] != "input boiler/1: closed; input boiler/3: closed" && sum["state"] != "stale" {
			t.Errorf("when the split source fails, the sum is %v", sum)
		}
		s.say(200, `{"devices": []}`)
		time.Sleep(80 * time.Second)
		s.shows("without rows again", "boiler ok 0\n  sum ok <nil>\n  any ok before\n"+
			"  one stale 120 (input boiler/7: not among the rows of boiler)\n  top ok [stale ok]")
		s.say(503, "closed")
		time.Sleep(10 * time.Second)
		if sum := s.source("sum"); sum["error"] != "input boiler/*: 503 Service Unavailable: closed" || sum["state"] != "stale" {
			t.Errorf("when the split source fails without rows, the sum is %v", sum)
		}

		s.say(200, `{"devices": [{"id": 7, "temp": 1}]}`)
		time.Sleep(10 * time.Second)
		s.boilers.mu.Lock()
		before := s.asked
		s.boilers.mu.Unlock()
		if w := s.do("POST", "/api/v1/sources/top/refresh"); w.Code >= 300 {
			t.Errorf("a refresh of what is computed from rows is %d %s", w.Code, w.Body)
		}
		synctest.Wait()
		s.boilers.mu.Lock()
		defer s.boilers.mu.Unlock()
		if s.asked != before+1 {
			t.Errorf("a refresh of what is computed from rows has asked %d times, want once", s.asked-before)
		}
	})
}

// What is computed from rows is not said to fail before they are there, and neither does a reload make it fail.
func TestRowsOfThatMuchIsComputedComeQuietly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSplitting(t, ofRows)
		s.say(200, `{"devices": [{"id": 1, "temp": 10}, {"id": 7, "temp": 20}]}`)
		defer s.run()()
		time.Sleep(5 * time.Second)
		s.Reload(t, load(t, strings.Replace(ofRows, "add)}", "min)}", 1)))
		time.Sleep(5 * time.Second)
		s.shows("after a reload", "boiler ok 2\n  boiler/1 ok 10\n  boiler/7 ok 20\n  sum ok 10\n  any ok before boiler/1 boiler/7 10 20\n  one ok 120\n  top ok [ok ok]")
		for _, e := range decode(t, s.do("GET", "/api/v1/events").Body.Bytes())["events"].([]any) {
			if e := e.(object); of(e, "kind") == "source" {
				t.Errorf("there is an event: %v", e)
			}
		}
	})
}

// What is computed from rows is computed from those of one answer: here they always are 0 together.
func TestWhatIsComputedFromRowsIsOfOneAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSplitting(t, `
upstreams: {u: {http: "http://up"}}
sources:
  boiler: {http: {upstream: u}, every: 1s, jitter: 0, split: {each: '.[]', name: .id}, pick: {temp: .temp}}
  sum: {from: [boiler/*], combine: '[.[].value.temp] | add', alert: {if: . != 0}}
  any: {from: [boiler/*], needs: any, combine: '[.[].value.temp] | add', alert: {if: . != 0}}
`)
		const rows, answers = 20, 30
		say := func(n int) {
			var all []string
			for i := range rows {
				all = append(all, fmt.Sprintf(`{"id": %d, "temp": %d}`, i, n*(1-2*(i%2))))
			}
			s.say(200, "["+strings.Join(all, ", ")+"]")
		}
		say(1)
		defer s.run()()
		for n := range answers {
			time.Sleep(time.Second)
			say(n)
		}
		for _, name := range []string{"sum", "any"} {
			if now := s.source(name); now["value"] != 0.0 || now["state"] != "ok" {
				t.Errorf("%s is %v %v, want 0", name, now["state"], now["value"])
			}
			for _, e := range decode(t, s.do("GET", "/api/v1/events?source="+name).Body.Bytes())["events"].([]any) {
				t.Errorf("%s was something else: %v", name, e)
			}
			if polls := decode(t, s.do("GET", "/api/v1/sources/"+name+"/polls").Body.Bytes())["polls"].([]any); len(polls) > answers+1 {
				t.Errorf("%s was computed %d times, want once for each of %d answers", name, len(polls), answers)
			}
		}
	})
}

// An alert follows the row: it begins with it, goes on while the row is missing, and ends with its source.
func TestAlertsOfRowsThatComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		yaml := strings.Replace(ofRows, "alert: {if: .temp > 90}", "alert: {if: .temp > 90, for: 15s, notify: ops}", 1) +
			"  calm: {from: [boiler/*], combine: '{temp: ([.[].value.temp] | max)}', alert: {if: .temp > 90}}\nquiet: [{at: \"0 0 1 1 *\", for: 1m, of: [source/boiler/9]}]\nnotify: {ops: {http: \"http://up/hook\"}}\n"
		s := newSplitting(t, yaml)
		s.say(200, `{"devices": [{"id": 1, "temp": 10}]}`)
		defer s.run()()
		time.Sleep(time.Second)
		is := func(when, want string) {
			t.Helper()
			var all []string
			for _, a := range s.Alerts().Alerts {
				all = append(all, a.Key+" "+a.State)
			}
			slices.Sort(all)
			if got := strings.Join(all, ", "); got != want {
				t.Errorf("%s there are the alerts %q, want %q", when, got, want)
			}
		}
		is("at first", "")
		s.say(200, `{"devices": [{"id": 1, "temp": 10}, {"id": 9, "temp": 99}]}`)
		time.Sleep(10 * time.Second)
		is("with a row", "source/boiler/9 pending, source/calm firing")
		time.Sleep(20 * time.Second)
		is("after for", "source/boiler/9 firing, source/calm firing")
		s.say(200, `{"devices": [{"id": 1, "temp": 10}]}`)
		time.Sleep(50 * time.Second)
		is("while the row is missing", "source/boiler/9 firing, source/calm firing")
		time.Sleep(30 * time.Second)
		is("when its source has left", "")
		s.boilers.mu.Lock()
		var messages []string
		for _, m := range s.told {
			about := m["alerts"].([]any)[0].(object)
			messages = append(messages, fmt.Sprint(of(about, "source"), " ", m["state"], " ", about["error"]))
		}
		s.boilers.mu.Unlock()
		if got, want := strings.Join(messages, ", "), "boiler/9 firing <nil>, boiler/9 resolved not among the rows of boiler any more"; got != want {
			t.Errorf("the messages are %s, want %s", got, want)
		}
		s.say(200, `{"devices": [{"id": 1, "temp": 10}, {"id": 9, "temp": 99}]}`)
		time.Sleep(10 * time.Second)
		is("when it has come again", "source/boiler/9 pending, source/calm firing")
		var told []string
		for _, e := range decode(t, s.do("GET", "/api/v1/events?kind=alert").Body.Bytes())["events"].([]any) {
			told = append(told, of(e.(object), "source")+" "+of(e.(object), "text"))
		}
		slices.Reverse(told)
		if got, want := strings.Join(told, ", "), "calm firing, boiler/9 firing, boiler/9 resolved, calm resolved, calm firing"; got != want {
			t.Errorf("the events are %s, want %s", got, want)
		}
	})
}

// What is a row, and what it is called, may depend on how the answer came.
func TestRowsByVariables(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		yaml := strings.Replace(splitYAML, "http: {upstream: u}", "http: {upstream: u, accept: [200, 503]}", 1)
		yaml = strings.Replace(yaml, "each: '.devices[]'", "each: 'if $status == 503 then empty else .devices[] end'", 1)
		yaml = strings.Replace(yaml, "name: .id, title: .label, section: .room", `name: '.id + $status', title: '"\($status) \($took >= 0) \($cert)"', section: '$headers | type'`, 1)
		s := newSplitting(t, yaml)
		s.say(200, `{"devices": [{"id": 1, "temp": 10}]}`)
		defer s.run()()
		time.Sleep(time.Second)
		s.shows("of an answer with 200", "boiler ok 1\n  boiler/201 ok 10")
		if one := s.source("boiler/201"); of(one, "title") != "200 true null" || of(one, "section") != "object" {
			t.Errorf("the row is %v", one)
		}
		s.say(503, `{}`)
		time.Sleep(10 * time.Second)
		s.shows("of an answer with 503", "boiler ok 0\n  boiler/201 stale 10 (not among the rows of boiler any more)")
		s.say(200, `{"devices": [{"id": 1, "temp": 10}, {"id": {}}]}`)
		time.Sleep(10 * time.Second)
		if got, _ := s.source("boiler")["error"].(string); !strings.HasPrefix(got, "split: row 2 (/devices/1): name: ") {
			t.Errorf("of a row without a name is said %s", got)
		}
	})
}

// What a row may be called, and what is said of one that cannot be.
func TestRowsThatCannotBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSplitting(t, splitYAML)
		defer s.run()()
		time.Sleep(5 * time.Second) // after a poll that failed
		many := strings.Builder{}
		for i := range 1001 {
			fmt.Fprintf(&many, `, {"id": %d}`, i)
		}
		for _, tt := range []struct{ devices, want string }{
			{`null`, "split: each: jq: .devices[]: cannot iterate over: null"},
			{`[7]`, `split: row 1 (/devices/0): name: jq: .id: expected an object but got: number (7)`},
			{`[{"id": 1}, {"id": null}]`, "split: row 2 (/devices/1): name: null is neither a text nor a number"},
			{`[{"id": true}, {}, {}]`, "split: row 1 (/devices/0): name: true is neither a text nor a number (and 2 more rows)"},
			{`[{"id": "\u0007é"}]`, `split: row 1 (/devices/0): name: "\aé" has no letter from a to z and no digit`},
			{`[{"id": "a"}, {"id": "x"}, {"id": " A!"}]`, "split: rows 1 and 3 have the same name a"},
			{
				`[{"id": "` + strings.Repeat("a", 70) + `"}, {"id": "` + strings.Repeat("a", 80) + `"}]`,
				"split: rows 1 and 2 have the same name " + strings.Repeat("a", 64) + ", which is cut after 64 characters: name them by something shorter",
			},
			{`[` + many.String()[2:] + `]`, "split: each: jq: .devices[] gives more than 1000 results"},
		} {
			s.say(200, `{"devices": `+tt.devices+`}`)
			time.Sleep(10 * time.Second)
			if got, _ := s.source("boiler")["error"].(string); got != tt.want {
				t.Errorf("of %.60s is said\n  %s\nwant\n  %s", tt.devices, got, tt.want)
			}
		}
	})
}

// A reload keeps the rows and their values; one that calls them otherwise does not leave the old ones for an hour; and without
// split there are none.
func TestReloadsOfASplitSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSplitting(t, splitYAML)
		s.say(200, `{"devices": [{"id": 1, "serial": "x1", "temp": 20}, {"id": 2, "serial": "x2", "temp": 30}]}`)
		defer s.run()()
		time.Sleep(time.Second)
		s.shows("at first", "boiler ok 2\n  boiler/1 ok 20\n  boiler/2 ok 30")
		since := s.source("boiler/1")["since"]
		s.Reload(t, load(t, strings.Replace(splitYAML, "unit: °C", "unit: K", 1)))
		time.Sleep(time.Second)
		s.shows("with another unit", "boiler ok 2\n  boiler/1 ok 20\n  boiler/2 ok 30")
		if one := s.source("boiler/1"); one["show"].(object)["unit"] != "K" || one["since"] != since {
			t.Errorf("a row is %v, want it ok since %v, in K", one, since)
		}
		s.Reload(t, load(t, strings.Replace(splitYAML, "name: .id", "name: .serial", 1)))
		time.Sleep(time.Second)
		s.shows("by another name", "boiler ok 2\n  boiler/x1 ok 20\n  boiler/x2 ok 30")
		plain := strings.Replace(splitYAML, "split:", "#", 1)
		plain = strings.Replace(plain, "{temp: .temp}", "{temp: '.devices[0].temp'}", 1)
		s.Reload(t, load(t, plain))
		time.Sleep(time.Second)
		s.shows("without", "boiler ok 20")
		s.Reload(t, load(t, splitYAML))
		time.Sleep(time.Second)
		s.shows("again", "boiler ok 2\n  boiler/1 ok 20\n  boiler/2 ok 30")
	})
}

// A name that never comes again makes room for those that do.
func TestRowsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSplitting(t, strings.Replace(splitYAML, "forget: 1m", "forget: 30d", 1))
		defer s.run()()
		for round := range 4 {
			var all []string
			for i := range 400 {
				all = append(all, fmt.Sprintf(`{"id": "%d-%d", "temp": 1}`, round, i))
			}
			s.say(200, `{"devices": [`+strings.Join(all, ",")+`]}`)
			time.Sleep(10 * time.Second)
		}
		time.Sleep(10 * time.Second)
		if n := len(decode(t, s.do("GET", "/api/v1/sources").Body.Bytes())["sources"].([]any)); n != 1002 {
			t.Errorf("there are %d sources, want 1002: those of 1000 rows, the split one and another", n)
		}
		if one := s.source("boiler/2-7"); one["state"] != "stale" {
			t.Errorf("a row that was there a moment ago is %v", one)
		}
	})
}

// The rows of an earlier process are there at once, with their values, and so is what is known of their alerts.
func TestRowsOutliveTheProcess(t *testing.T) {
	plant := newUpstream(t, `{"devices": [{"id": 1, "label": "One", "temp": 95}, {"id": 2, "temp": 30}]}`)
	yaml := withDir(t.TempDir()) + strings.Replace(ofRows, "http://up", plant.URL, 1)
	s := start(t, yaml)
	until(t, "the rows are there", func() bool {
		return len(s.json(200, "GET", "/api/v1/sources", "")["sources"].([]any)) == 8 &&
			s.json(200, "GET", "/api/v1/sources/sum", "")["state"] == "ok"
	})
	before, sum := s.json(200, "GET", "/api/v1/sources/boiler%2F1", ""), s.json(200, "GET", "/api/v1/sources/sum", "")
	s.stop()
	plant.does(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "closed", http.StatusServiceUnavailable) })
	s = start(t, yaml)
	after := s.json(200, "GET", "/api/v1/sources/boiler%2F1", "")
	if after["title"] != "One" || fmt.Sprint(after["value"]) != "map[temp:95]" || after["updated_at"] != before["updated_at"] {
		t.Errorf("after a restart a row is\n  %v\nwant what it was\n  %v", after, before)
	}
	if now := s.json(200, "GET", "/api/v1/sources/sum", ""); fmt.Sprint(now["value"], now["inputs"]) != "map[temp:125] [boiler/1 boiler/2]" ||
		now["updated_at"] != sum["updated_at"] || now["state"] == "failing" {
		t.Errorf("after a restart the sum is\n  %v\nwant what it was\n  %v", now, sum)
	}
	alert, _ := after["alert"].(object)
	if was, _ := before["alert"].(object); alert == nil || alert["since"] != was["since"] {
		t.Errorf("its alert is %v, want it to go on: %v", alert, was)
	}
	until(t, "the row is stale, since nobody answers", func() bool {
		return s.json(200, "GET", "/api/v1/sources/boiler%2F1", "")["state"] == "stale"
	})
	s.stop()
}

const splitShared = `store: {nats: "nats://127.0.0.1:4222"}
upstreams: {u: {http: "http://up"}, v: {http: "http://up"}}
sources:
  boiler: {http: {upstream: u, path: /u}, every: 10s, split: {each: '.devices[]', name: .id, title: .label, forget: 1m}, pick: .temp}
  pump: {http: {upstream: v, path: /v}, every: 10s, split: {each: '.devices[]', name: .id, title: .label, forget: 1m}, pick: .temp}
  disk: {exec: [echo, '[{"fs": "/", "free": 7}, {"fs": "/home", "free": 8}]'], parse: json, every: 10s, on: each, split: {each: '.[]', name: '.fs | if . == "/" then "root" end'}, pick: .free}
  total: {from: [boiler/*], combine: '[.[].value] | add'}
`

// All replicas have the rows that the one has found that polls. Whoever takes that over goes on with them.
func TestReplicasShareRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		f.value = `{"devices": [{"id": 1, "label": "One", "temp": 5}, {"id": 2, "temp": 6}]}`
		all := map[*member]bool{}
		shows := func(when, want string) {
			t.Helper()
			for m := range all {
				var lines []string
				for _, v := range m.json("GET", "/api/v1/sources", "")["sources"].([]any) {
					one := v.(object)
					if by := of(one, "replica"); strings.HasPrefix(of(one, "name"), "disk@") && by != "" && !strings.HasPrefix(of(one, "name"), "disk@"+by) {
						t.Errorf("%s: %v is polled by %s", when, one["name"], by)
					}
					lines = append(lines, fmt.Sprint(one["name"], " ", one["state"], " ", one["value"]))
				}
				if got := strings.Join(lines, ", "); got != want {
					t.Errorf("%s: at %s there are\n  %s\nwant\n  %s", when, m.ReplicaID(), got, want)
				}
				if w := m.do("POST", "/api/v1/sources/boiler%2F2/refresh", ""); w.Code >= 300 && w.Code != 429 {
					t.Errorf("%s: a refresh at %s is %d %s", when, m.ReplicaID(), w.Code, w.Body)
				}
				if w := m.do("POST", "/api/v1/sources/total/refresh", ""); w.Code >= 300 && w.Code != 429 {
					t.Errorf("%s: a refresh of the total at %s is %d %s", when, m.ReplicaID(), w.Code, w.Body)
				}
			}
		}
		join := func(name string) *member {
			m := f.joinNamed(name, splitShared)
			all[m] = true
			return m
		}
		disk := func(at string) string {
			return fmt.Sprintf("disk@%[1]s ok 2, disk@%[1]s/home ok 8, disk@%[1]s/root ok 7", at)
		}
		rows := func(name string) string { return fmt.Sprintf("%[1]s ok 2, %[1]s/1 ok 5, %[1]s/2 ok 6, ", name) }
		a := join("a")
		time.Sleep(15 * time.Second)
		shows("alone", rows("boiler")+rows("pump")+disk("a")+", total ok 11")
		b := join("b")
		time.Sleep(15 * time.Second)
		shows("with another", rows("boiler")+rows("pump")+disk("a")+", "+disk("b")+", total ok 11")
		c := join("c")
		time.Sleep(15 * time.Second)
		shows("with three", rows("boiler")+rows("pump")+disk("a")+", "+disk("b")+", "+disk("c")+", total ok 11")
		for _, gone := range []*member{a, c} {
			delete(all, gone)
			if gone == a {
				gone.leave()
			} else {
				gone.kill()
			}
			time.Sleep(200 * time.Second)
		}
		shows("alone again", rows("boiler")+rows("pump")+disk("b")+", total ok 11")
		f.mu.Lock()
		f.value = `{"devices": [{"id": 2, "temp": 7}, {"id": 30, "temp": 8}]}`
		f.mu.Unlock()
		time.Sleep(15 * time.Second)
		missing := func(name string) string {
			return fmt.Sprintf("%[1]s ok 2, %[1]s/1 stale 5, %[1]s/2 ok 7, %[1]s/30 ok 8, ", name)
		}
		shows("when rows have changed", missing("boiler")+missing("pump")+disk("b")+", total stale 20")
		d := join("d")
		time.Sleep(15 * time.Second)
		shows("with a new one", missing("boiler")+missing("pump")+disk("b")+", "+disk("d")+", total stale 20")
		time.Sleep(60 * time.Second)
		left := func(name string) string { return fmt.Sprintf("%[1]s ok 2, %[1]s/2 ok 7, %[1]s/30 ok 8, ", name) }
		shows("when the missing one has left", left("boiler")+left("pump")+disk("b")+", "+disk("d")+", total ok 15")
		b.leave()
		d.leave()
	})
}

// A directory knows which rows have left, so that it can forget them: whether a poll has found that, a row is back, or the
// next process does not split the source any more.
func TestRowsThatHaveLeftAreKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		left := func() (names []string) {
			db, err := sql.Open("sqlite", filepath.Join(dir, "tidewire.db"))
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			rows, err := db.QueryContext(t.Context(), "SELECT source || ' of ' || split FROM left_row ORDER BY source")
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			for rows.Next() {
				var name string
				if err := rows.Scan(&name); err != nil {
					t.Fatal(err)
				}
				names = append(names, name)
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
			return names
		}
		s := newSplitting(t, withDir(dir)+splitYAML)
		s.say(200, `{"devices": [{"id": 1, "temp": 20}, {"id": 2, "temp": 95}, {"id": 3, "temp": 30}]}`)
		stop := s.run()
		time.Sleep(time.Second)
		s.say(200, `{"devices": [{"id": 1, "temp": 20}]}`)
		time.Sleep(2 * time.Minute)
		s.say(200, `{"devices": [{"id": 1, "temp": 20}, {"id": 3, "temp": 30}]}`)
		time.Sleep(20 * time.Second)
		s.shows("when one is back", "boiler ok 2\n  boiler/1 ok 20\n  boiler/3 ok 30")
		stop()
		s.End()
		if got, want := left(), []string{"boiler/2 of boiler"}; !slices.Equal(got, want) {
			t.Errorf("of the rows %q have left, want %q", got, want)
		}
		s = newSplitting(t, withDir(dir)+strings.Replace(splitYAML, "split:", "#", 1))
		s.say(200, `{"temp": 4}`)
		stop = s.run()
		time.Sleep(time.Minute)
		stop()
		s.End()
		if got, want := left(), []string{"boiler/1 of boiler", "boiler/2 of boiler", "boiler/3 of boiler"}; !slices.Equal(got, want) {
			t.Errorf("when the source is not split %q have left, want %q", got, want)
		}
	})
}

// How long a row has been missing counts from when it was found missing, also by the process before, and whatever it was until then.
func TestARowThatIsMissingStaysForItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		yaml := withDir(t.TempDir()) + splitYAML
		s := newSplitting(t, yaml)
		s.say(200, `{"devices": [{"id": 1, "temp": 20}, {"id": 2, "temp": 30}]}`)
		stop := s.run()
		time.Sleep(time.Second)
		s.say(503, "closed")
		time.Sleep(10 * time.Minute)
		const one = `{"devices": [{"id": 1, "temp": 20}]}`
		s.say(200, one)
		time.Sleep(10 * time.Second)
		missing := s.source("boiler/2")["missing_since"]
		if missing == nil || s.source("boiler/1")["missing_since"] != nil {
			t.Errorf("boiler/2 is missing since %v, boiler/1 since %v", missing, s.source("boiler/1")["missing_since"])
		}
		stop()
		s.End()

		s = newSplitting(t, yaml)
		s.say(200, one)
		stop = s.run()
		time.Sleep(40 * time.Second)
		if now := s.source("boiler/2"); now["missing_since"] != missing || now["state"] != "stale" {
			t.Errorf("within a minute boiler/2 is %v, want it missing since %v", now, missing)
		}
		time.Sleep(20 * time.Second)
		s.shows("after a minute", "boiler ok 1\n  boiler/1 ok 20")
		if w := s.do("GET", "/sources/boiler%2F2"); w.Code != 404 || !strings.Contains(w.Body.String(), "not among the rows of its source any more") {
			t.Errorf("the page of a row that has left is %d %s", w.Code, w.Body)
		}
		stop()
		s.End()
	})
}

// A row that cannot be named keeps no other one from being shown: the split source says which one it is, and is stale.
func TestOneRowWithoutAName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSplitting(t, strings.Replace(splitYAML, "each: '.devices[]'", "each: '.devices[] | select(.temp)'", 1))
		s.say(200, `{"devices": [{"off": true}, {"id": 1, "temp": 20}, {"temp": 21}, {"id": 3, "label": ["x"], "temp": 30}]}`)
		defer s.run()()
		time.Sleep(time.Second)
		const rows = "\n  boiler/1 ok 20\n  boiler/3 ok 30"
		s.shows("with one that has no name", "boiler stale 2 (split: row 2 (/devices/2): name: null is neither a text nor a number)"+rows)
		s.say(200, `{"devices": [{"id": 1, "temp": 20}, {"id": 3, "temp": 30}]}`)
		time.Sleep(10 * time.Second)
		s.shows("when it is gone", "boiler ok 2"+rows)
		s.say(200, `{"devices": [{"temp": 20}, {"temp": 30}]}`)
		time.Sleep(10 * time.Second)
		const none = " (split: row 1 (/devices/0): name: null is neither a text nor a number (and 1 more rows))"
		s.shows("when none has a name", "boiler stale 2"+none+"\n  boiler/1 stale 20"+none+"\n  boiler/3 stale 30"+none)
	})
}

// Rows come and go while the configuration is changed and the gateway is stopped, and started again on what it has left: nothing
// races, and no goroutine is left in the bubble. In the end there are the rows of the last answer.
func TestRowsThatComeAndGoDuringReloadsAndStops(t *testing.T) {
	for seed := range uint64(2) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 16))
			yaml := strings.NewReplacer("every: 10s", "every: 1s", "forget: 1m", "forget: 2s").Replace(splitYAML)
			variants := []string{yaml, strings.Replace(yaml, "unit: °C", "unit: K", 1), strings.Replace(yaml, "split:", "#", 1)}
			if seed%2 == 1 {
				dir := withDir(t.TempDir())
				for i := range variants {
					variants[i] = dir + variants[i]
				}
			}
			for range 2 {
				s := newSplitting(t, variants[0])
				stop := s.run()
				ctx, cancel := context.WithCancel(t.Context())
				var churning sync.WaitGroup
				churn := func(seed uint64, do func(r *rand.Rand)) {
					churning.Go(func() {
						for r := rand.New(rand.NewPCG(seed, 7)); ctx.Err() == nil; time.Sleep(time.Duration(r.IntN(700)) * time.Millisecond) {
							do(r)
						}
					})
				}
				churn(1, func(r *rand.Rand) {
					var rows []string
					for i := range r.IntN(10) {
						rows = append(rows, fmt.Sprintf(`{"id": %d, "temp": %d}`, 8*r.IntN(3)+i, r.IntN(100)))
					}
					s.say(200, `{"devices": [`+strings.Join(rows, ",")+`]}`) // of some answers, two rows have one name
				})
				churn(2, func(r *rand.Rand) {
					s.do("POST", fmt.Sprintf("/api/v1/sources/boiler%%2F%d/refresh", r.IntN(30)))
					s.do("GET", "/api/v1/sources")
				})
				for range 3 {
					s.Reload(t, load(t, variants[r.IntN(len(variants))]))
					time.Sleep(time.Duration(r.IntN(2500)) * time.Millisecond)
				}
				s.Reload(t, load(t, variants[0]))
				if r.IntN(2) == 0 { // otherwise it is stopped in the middle of it
					cancel()
					churning.Wait()
					s.say(200, `{"devices": [{"id": 1, "temp": 20}, {"id": 2, "temp": 30}]}`)
					time.Sleep(20 * time.Second)
					s.shows("in the end", "boiler ok 2\n  boiler/1 ok 20\n  boiler/2 ok 30")
				}
				stop()
				cancel()
				churning.Wait()
				s.End()
			}
		})
	}
}
