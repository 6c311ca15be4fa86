package api_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/api"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse"
)

// someAlerts are the alerts of an API: that of source/tank fires, and there can be two silences.
type someAlerts struct {
	topic *sse.Topic

	mu       sync.Mutex // guards the fields below
	silences []wire.Silence
	made     int
	done     []string // what was acknowledged and ended, and by whom
}

func (s *someAlerts) Alerts() wire.Alerts {
	return wire.Alerts{Alerts: []wire.AlertObject{s.fires()}, Silences: s.Silences(), Receivers: []wire.Receiver{}}
}

// fires is the alert of source/tank.
func (*someAlerts) fires() wire.AlertObject {
	return wire.AlertObject{
		Key: "source/tank", Source: "tank", Alert: wire.Alert{State: wire.AlertFiring, Severity: wire.SeverityInfo}, Told: []wire.Told{},
	}
}

func (s *someAlerts) Silences() []wire.Silence {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]wire.Silence{}, s.silences...)
}

func (s *someAlerts) Silence(made wire.Silence) (wire.Silence, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.silences) == 2 {
		return wire.Silence{}, alert.ErrTooManySilences
	}
	s.made++
	made.ID = fmt.Sprint("s", s.made)
	s.silences = append(s.silences, made)
	s.changed()
	return made, nil
}

func (s *someAlerts) EndSilence(id, by string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.silences, func(s wire.Silence) bool { return s.ID == id })
	if i < 0 {
		return alert.ErrNoSilence
	}
	s.silences = slices.Delete(s.silences, i, i+1)
	s.done = append(s.done, "end "+id+" by "+by)
	s.changed()
	return nil
}

func (s *someAlerts) Acknowledge(_ context.Context, key, by, reason string) (wire.AlertObject, error) {
	if key != "source/tank" {
		return wire.AlertObject{}, alert.ErrNotFiring
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = append(s.done, fmt.Sprintf("acknowledge %s by %s: %s", key, by, reason))
	return s.fires(), nil
}

func (s *someAlerts) changed() {
	_ = s.topic.Publish(sse.Event{ID: fmt.Sprint(s.made, len(s.silences))})
}

// alertsConfig is the configuration of an API with alerts.
func alertsConfig() *config.Config {
	return &config.Config{
		Upstreams: []*config.Upstream{{Name: "plant"}},
		Sources:   []*config.Source{{Name: "tank", Section: "Plant/Line 1"}, {Name: "calm"}},
		Jobs:      []*config.Job{{Name: "a"}},
	}
}

func TestSilences(t *testing.T) {
	s, handler := newServices(t)
	const path = "/api/v1/silences"
	answer, made := do(t, handler, "POST", path, `{"of":"upstream/plant","for":"2h","reason":"pump\n is   serviced\u001b[31m"}`)
	until, err := time.Parse(time.RFC3339, fmt.Sprint(made["until"]))
	if answer.StatusCode != 201 || made["id"] != "s1" || made["reason"] != "pump is serviced" || made["by"] != "anonymous" ||
		made["of"] != "upstream/plant" || err != nil || time.Until(until).Round(time.Minute) != 2*time.Hour {
		t.Errorf("a silence is answered %d %v", answer.StatusCode, made)
	}
	answer, made = do(t, handler, "POST", path, `{"of":"section/Plant","until":"`+time.Now().Add(time.Hour).Format(time.RFC3339)+`"}`)
	if answer.StatusCode != 201 || made["id"] != "s2" || made["of"] != "section/Plant" || made["reason"] != "" {
		t.Errorf("a silence until a time is answered %d %v", answer.StatusCode, made)
	}
	answer, list := do(t, handler, "GET", path, "")
	if all, _ := list["silences"].([]any); answer.StatusCode != 200 || len(all) != 2 {
		t.Errorf("the silences are %d %v, want two", answer.StatusCode, list)
	}
	if answer, p := do(t, handler, "POST", path, `{"of":"source/tank","for":"1h"}`); answer.StatusCode != 409 {
		t.Errorf("one silence too many = %d %v, want 409", answer.StatusCode, p)
	}
	tag := answer.Header.Get("ETag")
	if answer, _ := do(t, handler, "GET", path, "", "If-None-Match", tag); answer.StatusCode != 304 {
		t.Errorf("the same silences = %d, want 304", answer.StatusCode)
	}
	waited := make(chan int)
	go func() {
		answer, _ := do(t, handler, "GET", path, "", "If-None-Match", tag, "Prefer", "wait=50")
		waited <- answer.StatusCode
	}()
	for _, want := range []int{204, 404} {
		if answer, p := do(t, handler, "DELETE", path+"/s1", ""); answer.StatusCode != want {
			t.Errorf("the end of a silence = %d %v, want %d", answer.StatusCode, p, want)
		}
	}
	if got := <-waited; got != 200 {
		t.Errorf("waiting for other silences = %d, want 200", got)
	}
	answer, list = do(t, handler, "GET", "/api/v1/alerts", "")
	if all, _ := list["silences"].([]any); answer.StatusCode != 200 || len(all) != 1 || answer.Header.Get("ETag") == "" {
		t.Errorf("the alerts are %d %v, want one silence among them", answer.StatusCode, list)
	}
	if want := []string{"end s1 by anonymous"}; !slices.Equal(s.alerts.done, want) {
		t.Errorf("was done: %q, want %q", s.alerts.done, want)
	}
}

func TestAcknowledge(t *testing.T) {
	s, handler := newServices(t)
	answer, now := do(t, handler, "POST", "/api/v1/alerts/acknowledge", `{"of":"source/tank","reason":"I am there"}`)
	if answer.StatusCode != 200 || now["key"] != "source/tank" || now["state"] != "firing" {
		t.Errorf("an acknowledgement is answered %d %v, want the alert", answer.StatusCode, now)
	}
	if want := []string{"acknowledge source/tank by anonymous: I am there"}; !slices.Equal(s.alerts.done, want) {
		t.Errorf("was done: %q, want %q", s.alerts.done, want)
	}
	if answer, p := do(t, handler, "POST", "/api/v1/alerts/acknowledge", `{"of":"source/calm"}`); answer.StatusCode != 409 {
		t.Errorf("what does not fire = %d %v, want 409", answer.StatusCode, p)
	}
}

// What is wrong is said of each member, with what would be right.
func TestSilencesThatAreRefused(t *testing.T) {
	_, handler := newServices(t)
	const silences, acknowledge = "/api/v1/silences", "/api/v1/alerts/acknowledge"
	long := strings.Repeat("x", 501)
	for _, tt := range []struct {
		path, body string
		status     int
		want       []string // pointers and details, or the detail
	}{
		{silences, `{}`, 422, []string{"#/of this is missing: write source/NAME, job/NAME, section/PATH, upstream/NAME or all", "#/for this is missing: write a duration such as 1h, or until"}},
		{silences, ``, 422, []string{"#/of this is missing", "#/for this is missing"}},
		{silences, `{"of":"all","for":"1h","until":"2126-11-21T18:40:00Z"}`, 422, []string{"#/until there is a for, too"}},
		{silences, `{"of":"all","for":"soon"}`, 422, []string{`#/for "soon" is no duration from 1s to 365d: write one such as 1h or 7d`}},
		{silences, `{"of":"all","for":"-1h"}`, 422, []string{"#/for "}},
		{silences, `{"of":"all","for":"1ms"}`, 422, []string{"#/for "}},
		{silences, `{"of":"all","for":"366d"}`, 422, []string{"#/for "}},
		{silences, `{"of":"all","for":"99999y"}`, 422, []string{"#/for "}},
		{silences, `{"of":"all","until":"tomorrow"}`, 422, []string{`#/until "tomorrow" is not a time such as 20`}},
		{silences, `{"of":"all","until":"2020-01-01T00:00:00Z"}`, 422, []string{"#/until 2020-01-01T00:00:00Z is in the past"}},
		{silences, `{"of":"all","until":"2126-01-01T00:00:00Z"}`, 422, []string{"#/until 2126-01-01T00:00:00Z is more than 365 days away"}},
		{silences, `{"of":"","for":"x","reason":"` + long + `"}`, 422, []string{"#/of ", "#/for ", "#/reason this is longer than 500 characters"}},
		{silences, `{"of":1,"for":"1h"}`, 422, []string{"#/of this is a JSON number: a text is wanted"}},
		{silences, `[]`, 422, []string{`# this is a JSON array: an object such as {"of":"source/tank","for":"1h"} is wanted`}},
		{silences, `{"off":"all"}`, 400, []string{`the body is not {"of":"source/tank","for":"1h"}: unknown field "off"`}},
		{silences, `{"of":"all"`, 400, []string{"the body is not "}},
		{silences, `{"of":"all","for":"1h"} more`, 400, []string{"the body goes on after its JSON value"}},
		{silences, `{"of":"source/tnak","for":"1h"}`, 404, []string{`there is no "source/tnak": did you mean "source/tank"?`}},
		{silences, `{"of":"tank","for":"1h"}`, 404, []string{`there is no "tank": did you mean "source/tank"?`}},
		{silences, `{"of":"something else","for":"1h"}`, 404, []string{`there is no "something else": the keys are all, upstream/plant, source/tank, source/calm, job/a, section/Plant and section/Plant/Line 1`}},
		{silences, `{"of":"section/Plant/Line 2","for":"1h"}`, 404, []string{`there is no "section/Plant/Line 2": did you mean "section/Plant/Line 1"?`}},
		{silences, `{"of":"Line 1","for":"1h"}`, 404, []string{`there is no "Line 1": did you mean "section/Plant/Line 1"?`}},
		{acknowledge, `{"of":"section/Plant"}`, 422, []string{"#/of one alert is acknowledged at a time"}},
		{acknowledge, `{}`, 422, []string{"#/of this is missing: write source/NAME or job/NAME"}},
		{acknowledge, `{"of":"all"}`, 422, []string{"#/of one alert is acknowledged at a time: write source/NAME or job/NAME"}},
		{acknowledge, `{"of":"upstream/plant","reason":"` + long + `"}`, 422, []string{"#/reason ", "#/of one alert"}},
		{acknowledge, `{"of":"job/b"}`, 404, []string{`there is no "job/b": did you mean "job/a"?`}},
	} {
		answer, p := do(t, handler, "POST", tt.path, tt.body)
		got := []string{fmt.Sprint(p["detail"])}
		if parts, _ := p["errors"].([]any); parts != nil {
			got = nil
			for _, part := range parts {
				part, _ := part.(map[string]any)
				got = append(got, fmt.Sprint(part["pointer"], " ", part["detail"]))
			}
		}
		if answer.StatusCode != tt.status || !slices.EqualFunc(got, tt.want, strings.HasPrefix) {
			t.Errorf("POST %s %.80s = %d %q, want %d %q", tt.path, tt.body, answer.StatusCode, got, tt.status, tt.want)
		}
	}
	r, _ := do(t, handler, "POST", silences, `of=all&for=1h`, "Content-Type", "application/x-www-form-urlencoded")
	if r.StatusCode != 415 || r.Header.Get("Accept") != "application/json" {
		t.Errorf("a form = %d, Accept %q, want 415 and JSON", r.StatusCode, r.Header.Get("Accept"))
	}
	r, _ = do(t, handler, "POST", silences, `{"of":"all","for":"1h"}`, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")
	if r.StatusCode != 403 {
		t.Errorf("a silence from a page of another origin = %d, want 403", r.StatusCode)
	}
	r, _ = do(t, handler, "DELETE", silences+"/s1", "", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")
	if r.StatusCode != 403 {
		t.Errorf("the end of one from there = %d, want 403", r.StatusCode)
	}
}

// A silence whose answer was lost can be asked for again.
func TestSilencesAreMadeOnce(t *testing.T) {
	s, handler := newServices(t)
	const path, body = "/api/v1/silences", `{"of":"source/tank","for":"1h"}`
	for range 3 {
		if answer, made := do(t, handler, "POST", path, body, "Idempotency-Key", `"k"`); answer.StatusCode != 201 || made["id"] != "s1" {
			t.Errorf("a silence with a key = %d %v, want s1", answer.StatusCode, made)
		}
	}
	answer, p := do(t, handler, "POST", path, `{"of":"source/tank","for":"2h"}`, "Idempotency-Key", "k")
	if answer.StatusCode != 422 || !strings.HasSuffix(fmt.Sprint(p["type"]), "/problems/idempotency-key-reused") {
		t.Errorf("another silence with the key = %d %v, want 422", answer.StatusCode, p)
	}
	if answer, p := do(t, handler, "POST", path, body, "Idempotency-Key", "a b"); answer.StatusCode != 400 {
		t.Errorf("a key that is none = %d %v, want 400", answer.StatusCode, p)
	}
	if s.alerts.made != 1 {
		t.Errorf("%d silences were made, want 1", s.alerts.made)
	}
}

// The log of what people do has what they silence.
func TestWhoSilencesIsRecorded(t *testing.T) {
	s, handler := newServices(t)
	do(t, handler, "POST", "/api/v1/silences", `{"of":"upstream/plant","for":"1h","reason":"no noise"}`)
	do(t, handler, "POST", "/api/v1/silences", `{"of":"job/a","for":"1h"}`)
	do(t, handler, "DELETE", "/api/v1/silences/s2", "")
	do(t, handler, "POST", "/api/v1/alerts/acknowledge", `{"of":"source/tank","reason":"on it"}`)
	var got []string
	for _, r := range s.recorded {
		var line bytes.Buffer
		line.WriteString(r.Action)
		for _, attr := range r.Attrs {
			if attr.Value.Kind() != slog.KindTime {
				fmt.Fprintf(&line, " %s=%v", attr.Key, attr.Value)
			}
		}
		got = append(got, line.String())
	}
	want := []string{
		"silence of=upstream/plant silence=s1 reason=no noise", "silence of=job/a job=a silence=s2 reason=",
		"end-silence of=job/a job=a silence=s2", "acknowledge of=source/tank source=tank reason=on it",
	}
	if !slices.Equal(got, want) {
		t.Errorf("recorded %q, want %q", got, want)
	}
}

var _ api.Alerts = (*someAlerts)(nil)
