package alert_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/sse/ssetest"
)

// A phone is a server in memory that webhooks call, in a bubble.
type phone struct {
	t     *testing.T
	hooks *alert.Webhooks
	log   lockedBuffer
	stop  func() // ends the calling, and waits
	begun time.Time

	mu     sync.Mutex // guards the fields below
	answer func(w http.ResponseWriter, host, body string)
	calls  []string // "5s ops.example tank firing", and so on
}

func newPhone(t *testing.T) *phone {
	p := &phone{t: t, begun: time.Now(), answer: func(http.ResponseWriter, string, string) {}}
	server := ssetest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		p.calls = append(p.calls, fmt.Sprintf("%v %s %s", time.Since(p.begun).Round(time.Second), r.Host, body))
		answer := p.answer
		p.mu.Unlock()
		answer(w, r.Host, string(body))
	}))
	p.hooks = alert.NewWebhooks(slog.New(slog.NewTextHandler(&p.log, nil)), server.Client)
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error)
	go func() { over <- p.hooks.Run(ctx) }()
	synctest.Wait()
	p.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-over; !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v, want it canceled", err)
		}
	})
	t.Cleanup(func() {
		p.stop()
		if contains(p.log.String(), "hidden") {
			t.Errorf("the log has the secret part of an address:\n%s", &p.log)
		}
	})
	return p
}

// webhook is a webhook of a host, which sends what a message says in short.
func webhook(name string) *config.Notify {
	return &config.Notify{
		Name: name, Method: "POST", URL: &url.URL{Scheme: "http", Host: name + ".example", Path: "/hidden"},
		Header: http.Header{"Authorization": {"hidden"}}, Body: "{source} {state}",
	}
}

func (p *phone) tell(to *config.Notify, source, state string) {
	p.t.Helper()
	if err := p.hooks.Deliver(p.t.Context(), to, alert.Message{Source: source, State: state}); err != nil {
		p.t.Fatal(err)
	}
}

// does makes answer what calls are answered by.
func (p *phone) does(answer func(w http.ResponseWriter, host, body string)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

// taken is what calls there have been since it was asked last, in their order.
func (p *phone) taken() []string {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	defer func() { p.calls = nil }()
	return p.calls
}

// heard checks what is taken.
func (p *phone) heard(want ...string) {
	p.t.Helper()
	if got := p.taken(); !slices.Equal(got, want) {
		p.t.Errorf("calls = %q, want %q", got, want)
	}
}

// heardInAnyOrder is heard but for the order.
func (p *phone) heardInAnyOrder(want ...string) {
	p.t.Helper()
	if got := slices.Sorted(slices.Values(p.taken())); !slices.Equal(got, want) {
		p.t.Errorf("calls = %q, want %q in any order", got, want)
	}
}

func (p *phone) logged(times int, message string) {
	p.t.Helper()
	if got := strings.Count(p.log.String(), message); got != times {
		p.t.Errorf("the log has %q %d times, want %d:\n%s", message, got, times, &p.log)
	}
}

// fails has calls fail for a time, counted from the beginning.
func (p *phone) fails(until time.Duration) {
	p.does(func(w http.ResponseWriter, _, _ string) {
		if time.Since(p.begun) < until {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
}

func TestAWebhookIsCalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ops := newPhone(t), webhook("ops")
		p.tell(ops, "tank", "firing")
		p.heard("0s ops.example tank firing")
		time.Sleep(time.Hour)
		p.tell(ops, "tank", "resolved")
		p.heard("1h0m0s ops.example tank resolved")
		if p.stop(); !p.hooks.Idle() || p.log.String() != "" {
			t.Errorf("idle: %v, want nothing left to do, nor to say:\n%s", p.hooks.Idle(), &p.log)
		}
	})
}

func TestAWebhookIsCalledAgainAfterAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ops := newPhone(t), webhook("ops")
		p.fails(20 * time.Second)
		p.tell(ops, "tank", "firing")
		time.Sleep(time.Minute)
		if calls := p.taken(); len(calls) != 6 { // at 0 and about 1, 3, 7, 15 and 31 seconds
			t.Errorf("calls = %q, want 6", calls)
		}
		p.logged(1, "webhook failed")
		p.logged(0, "given up")

		// Success has ended the row of failures.
		p.tell(ops, "tank", "resolved")
		p.heard("1m0s ops.example tank resolved")
	})
}

func TestAWebhookThatStaysDownIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ops := newPhone(t), webhook("ops")
		p.fails(time.Hour)
		p.tell(ops, "tank", "firing")
		time.Sleep(time.Hour)
		calls := p.taken()
		if n := len(calls); n < 9 || n > 13 {
			t.Errorf("calls = %q, want about 10", calls)
		}
		at, _, _ := strings.Cut(calls[len(calls)-1], " ")
		if last, err := time.ParseDuration(at); err != nil || last < 7*time.Minute || last > 15*time.Minute {
			t.Errorf("the last call is after %v, want it in the second half of 15 minutes", at)
		}
		p.logged(1, `level=ERROR msg="webhook given up" webhook=ops host=ops.example source=tank err="POST http://ops.example: 500 Internal Server Error"`)
		if p.stop(); !p.hooks.Idle() {
			t.Error("something is left to be told")
		}
	})
}

func TestAWebhookThatHangsHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPhone(t)
		leave := make(chan struct{})
		t.Cleanup(func() { close(leave) })
		p.does(func(_ http.ResponseWriter, host, _ string) {
			if host == "deaf.example" {
				<-leave
			}
		})
		p.tell(webhook("deaf"), "tank", "firing")
		p.tell(webhook("ops"), "tank", "firing")
		p.heardInAnyOrder("0s deaf.example tank firing", "0s ops.example tank firing")
		time.Sleep(10*time.Second + time.Millisecond)
		p.logged(1, `"POST http://deaf.example: timed out after 10s"`)
		p.heard()
		time.Sleep(time.Second)
		p.heard("11s deaf.example tank firing")
	})
}

func TestRetryAfterOfAWebhookIsObeyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ops := newPhone(t), webhook("ops")
		after := "420"
		p.does(func(w http.ResponseWriter, _, _ string) {
			if after != "" {
				w.Header().Set("Retry-After", after)
				w.WriteHeader(http.StatusTooManyRequests)
			}
		})
		p.tell(ops, "tank", "firing")
		p.heard("0s ops.example tank firing")
		p.tell(ops, "tank", "firing") // takes its place, and waits too
		after = ""
		time.Sleep(419 * time.Second)
		p.heard()
		time.Sleep(2 * time.Second)
		p.heard("7m0s ops.example tank firing")

		// Longer than it is worth waiting for.
		after = "3600"
		p.tell(ops, "tank", "firing")
		time.Sleep(2 * time.Hour)
		p.heard("7m1s ops.example tank firing")
		p.logged(1, "given up")
	})
}

func TestAWebhookThatRefusesIsCalledOnce(t *testing.T) {
	for status, calls := range map[int]int{301: 1, 401: 1, 404: 1, 410: 1, 413: 1, 408: 2, 425: 2, 429: 2, 500: 2, 503: 2} {
		synctest.Test(t, func(t *testing.T) {
			p := newPhone(t)
			p.does(func(w http.ResponseWriter, _, _ string) { w.WriteHeader(status) })
			p.tell(webhook("ops"), "tank", "firing")
			time.Sleep(1500 * time.Millisecond)
			if got := p.taken(); len(got) != calls {
				t.Errorf("%d: calls = %q, want %d", status, got, calls)
			}
			p.logged(2-calls, "given up")
		})
	}
}

// A message that the webhook fails for, and no others, waits behind them.
func TestAMessageThatFailsHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ops := newPhone(t), webhook("ops")
		p.does(func(w http.ResponseWriter, _, body string) {
			if strings.HasPrefix(body, "bad") {
				time.Sleep(time.Millisecond) // until all are told
				w.WriteHeader(http.StatusInternalServerError)
			}
		})
		for _, source := range []string{"bad", "a", "b"} {
			p.tell(ops, source, "firing")
		}
		time.Sleep(1500 * time.Millisecond)
		p.heard("0s ops.example bad firing", "1s ops.example a firing", "1s ops.example b firing", "1s ops.example bad firing")
	})
}

// While a webhook is down, what is to be told is the newest state of each source.
func TestTheNewestStateIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ops := newPhone(t), webhook("ops")
		p.fails(10 * time.Second)
		for range 3 {
			for _, source := range []string{"a", "b", "c"} {
				p.tell(ops, source, "firing")
				p.tell(ops, source, "resolved")
			}
			time.Sleep(3 * time.Second)
		}
		p.tell(ops, "b", "firing")
		p.taken()
		time.Sleep(10 * time.Second)
		var last []string
		for _, call := range p.taken() {
			_, call, _ = strings.Cut(call, " ")
			last = append(last, call)
		}
		slices.Sort(last)
		if want := []string{"ops.example b firing"}; !slices.Equal(slices.Compact(last), want) { // of a and c nobody was told
			t.Errorf("at last %q, want %q", last, want)
		}
	})
}

// That an alert is over concerns nobody who was not told of it.
func TestResolvedFollowsWhatWasTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ops := newPhone(t), webhook("ops")
		p.tell(ops, "told", "firing")
		time.Sleep(time.Second)
		p.fails(10 * time.Second)
		for _, source := range []string{"told", "first", "second"} { // the first of these is called, and fails; the others wait
			p.tell(ops, source, "firing")
		}
		time.Sleep(500 * time.Millisecond)
		for _, source := range []string{"second", "first", "told"} {
			p.tell(ops, source, "resolved")
		}
		time.Sleep(time.Minute)
		var heard []string
		for _, call := range p.taken() {
			_, call, _ = strings.Cut(call, " ")
			heard = append(heard, call)
		}
		if slices.Contains(heard, "ops.example first resolved") || slices.Contains(heard, "ops.example second resolved") || heard[len(heard)-1] != "ops.example told resolved" {
			t.Errorf("heard %q, want the end of told, and of no other", heard)
		}
		if !p.hooks.Idle() {
			t.Error("something is left to be told")
		}
		p.tell(ops, "never", "resolved")
		time.Sleep(time.Second)
		p.heard()

		// A call that broke off may have arrived.
		p.does(func(http.ResponseWriter, string, string) { time.Sleep(time.Minute) })
		p.tell(ops, "late", "firing")
		time.Sleep(5 * time.Second)
		p.tell(ops, "late", "resolved")
		time.Sleep(5500 * time.Millisecond)
		p.does(func(http.ResponseWriter, string, string) {})
		time.Sleep(2 * time.Minute)
		if calls := p.taken(); len(calls) < 2 || !strings.HasSuffix(calls[len(calls)-1], "late resolved") {
			t.Errorf("heard %q, want late resolved at last", calls)
		}
	})
}

// What is being told is not replaced: its end comes after it.
func TestMessagesOfASourceKeepTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ops := newPhone(t), webhook("ops")
		p.does(func(http.ResponseWriter, string, string) { time.Sleep(5 * time.Second) })
		p.tell(ops, "tank", "firing")
		time.Sleep(time.Second)
		p.tell(ops, "tank", "resolved")
		p.tell(ops, "tank", "firing")
		time.Sleep(time.Minute)
		p.heard("0s ops.example tank firing", "5s ops.example tank firing")

		// Nor is it told again when it fails, and there is a newer one.
		p.does(func(w http.ResponseWriter, _, _ string) {
			time.Sleep(5 * time.Second)
			if time.Since(p.begun) < 70*time.Second {
				w.WriteHeader(http.StatusInternalServerError)
			}
		})
		p.tell(ops, "tank", "firing")
		time.Sleep(time.Second)
		p.tell(ops, "tank", "resolved")
		time.Sleep(time.Minute)
		p.heard("1m1s ops.example tank firing", "1m7s ops.example tank resolved")
	})
}

func TestWhatIsNotToldIsTriedOnceMoreAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ops := newPhone(t), webhook("ops")
		p.fails(100 * time.Second)
		for _, source := range []string{"a", "b"} {
			p.tell(ops, source, "firing")
		}
		time.Sleep(100 * time.Second)
		p.stop()
		p.taken()
		p.hooks.Flush(t.Context())
		p.heardInAnyOrder("1m40s ops.example a firing", "1m40s ops.example b firing")
		p.logged(0, "given up")
	})
}

func TestTheLastCallsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ops := newPhone(t), webhook("ops")
		leave := make(chan struct{})
		t.Cleanup(func() { close(leave) })
		p.does(func(http.ResponseWriter, string, string) { <-leave })
		for _, source := range []string{"a", "b", "c"} {
			p.tell(ops, source, "firing")
		}
		synctest.Wait()
		p.stop()
		p.taken()
		begun := time.Now()
		p.hooks.Flush(t.Context())
		if took := time.Since(begun); took != 2*time.Second {
			t.Errorf("the last calls took %v, want 2s", took)
		}
		p.heard("0s ops.example a firing")
		p.logged(3, "given up")
	})
}

func TestBodies(t *testing.T) {
	text := `say "hi"` + "\n"
	m := alert.Message{
		Source: "tank", Title: text, State: "firing", Value: json.RawMessage(`{"level":91.50,"pump":true}`),
		Since: new(time.Date(2026, 11, 21, 18, 40, 0, 0, time.UTC)),
	}
	failing := m
	failing.Value, failing.Error = json.RawMessage("null"), &text
	show := config.Show{Value: "level"}
	const plain, jsonKind = "text/plain; charset=utf-8", "application/json"
	for _, tt := range []struct {
		name, kind, body string
		m                alert.Message
		show             config.Show
		want, wantKind   string
	}{
		{"text", "", "{source}: {state} {value} {nothing} {error}", m, show, "tank: firing 91.50 {nothing} ", plain},
		{"text of a type", "text/markdown", "**{title}** {since}", m, show, "**" + text + "** 2026-11-21T18:40:00Z", "text/markdown"},
		{"object", "", "{value}", m, config.Show{}, `{"level":91.50,"pump":true}`, plain},
		{"no value", "", "{value}{error}", failing, show, text, plain},
		{"none", "", "", m, show, `{"source":"tank","title":"say \"hi\"\n","state":"firing","value":{"level":91.50,"pump":true},"error":null,"since":"2026-11-21T18:40:00Z"}`, jsonKind},
		{"json", "application/json", `{"text": "{title} is {state}, at {value} \"{", "raw": {value}, "who": [{source}], "why": {error}}`, m, show,
			`{"text": "say \"hi\"\n is firing, at 91.50 \"{", "raw": 91.50, "who": ["tank"], "why": null}`, jsonKind},
		{"json of objects", "application/problem+json; charset=utf-8", `{"v": {value}, "text": "{value} {error}"}`, m, config.Show{},
			`{"v": {"level":91.50,"pump":true}, "text": "{\"level\":91.50,\"pump\":true} "}`, "application/problem+json; charset=utf-8"},
	} {
		to := &config.Notify{Header: http.Header{}, Body: tt.body}
		if tt.kind != "" {
			to.Header.Set("Content-Type", tt.kind)
		}
		body, kind := alert.Body(to, tt.m, tt.show)
		if string(body) != tt.want || kind != tt.wantKind {
			t.Errorf("%s: body = %s (%s), want %s (%s)", tt.name, body, kind, tt.want, tt.wantKind)
		}
	}
}

// Whatever a source says, the JSON around it stays what it is.
func FuzzJSONBody(f *testing.F) {
	f.Add("Tank", `"`, `{"a":"\\\""}`)
	f.Add("{error}", "\\", `"{title}"`)
	f.Add("\xff\u2028", "{\"", "[1,2]")
	f.Fuzz(func(t *testing.T, title, failure, value string) {
		if !json.Valid([]byte(value)) {
			value = "null"
		}
		to := &config.Notify{Header: http.Header{"Content-Type": {"application/json"}},
			Body: `{"title": "{title}", "text": "\"{title}\\", "error": {error}, "value": {value}, "mix": "{title}{value}{error}", "{source}": [{title}, {since}]}`}
		body, _ := alert.Body(to, alert.Message{Source: "tank", Title: title, Error: &failure, Value: json.RawMessage(value)}, config.Show{})
		var got struct {
			Title, Text, Error, Mix string
			Value                   any
			Tank                    []any
		}
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatalf("%v in %s", err, body)
		}
		title, failure = strings.ToValidUTF8(title, "\ufffd"), strings.ToValidUTF8(failure, "\ufffd")
		if fmt.Sprint(len(got.Tank)) != "2" || !same(got.Title, title) || !same(got.Text, `"`+title+`\`) || !same(got.Error, failure) || !strings.HasPrefix(flat(got.Mix), flat(title)) {
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
	to := load(t, `
notify: {ops: {http: {url: 'https://hooks.example/x', headers: {Content-Type: application/json, Title: "{source} is {value}"}, body: '{"v": {value}, "t": "now {value}"}'}}}
sources: {tank: {exec: [echo, x], alert: {for: 1s, notify: ops}}}
`).Notify[0]
	for value, want := range map[string]struct{ title, body string }{
		`"half \"full\""`: {`tank is half "full"`, `{"v": "half \"full\"", "t": "now half \"full\""}`},
		`12.5`:            {"tank is 12.5", `{"v": 12.5, "t": "now 12.5"}`},
		`null`:            {"tank is ", `{"v": null, "t": "now "}`},
	} {
		r, err := alert.Request(to, alert.Message{Source: "tank", Value: json.RawMessage(value)}, config.Show{})
		if err != nil || r.Header.Get("Title") != want.title || string(r.Body) != want.body {
			t.Errorf("of %s: Title %q and body %s, %v, want %q and %s", value, r.Header.Get("Title"), r.Body, err, want.title, want.body)
		}
	}
}
