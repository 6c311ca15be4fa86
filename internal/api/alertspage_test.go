package api_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// post sends a form as a browser does, or as a script that stays on the page.
func post(t *testing.T, h http.Handler, path string, form url.Values, script bool, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "POST", "http://localhost"+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	if script {
		r.Header.Set("Accept", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func bodyOf(t *testing.T, resp *http.Response) string {
	t.Helper()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// pageAt is the page at an address.
func pageAt(t *testing.T, h http.Handler, path string, status int) string {
	t.Helper()
	resp, _ := do(t, h, "GET", path, "", "Accept", "text/html")
	body := bodyOf(t, resp)
	if resp.StatusCode != status || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		t.Fatalf("GET %s = %d %s, want %d and a page", path, resp.StatusCode, resp.Header.Get("Content-Type"), status)
	}
	return body
}

func TestThePageOfAlerts(t *testing.T) {
	s, h := newServices(t)
	for _, want := range []string{"Nothing is silenced", `href="alerts/silence?of=source/tank"`, "No alert is over yet", "No receiver is configured"} {
		if page := pageAt(t, h, "/alerts", 200); !strings.Contains(page, want) {
			t.Errorf("the page of alerts has no %s:\n%s", want, page)
		}
	}
	s.journal.AlertChanged("tank", "", "firing", "")
	s.journal.AlertChanged("tank", "", "resolved", "")
	do(t, h, "POST", "/api/v1/silences", `{"of":"section/Plant/Line 1","for":"1h","reason":"<b>new</b> cameras"}`)
	page := pageAt(t, h, "/alerts", 200)
	for _, want := range []string{"Everything in Plant/Line 1", "&lt;b&gt;new&lt;/b&gt; cameras", `name="silence" value="s1"`, "fired for"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page of alerts has no %s:\n%s", want, page)
		}
	}
}

// The form offers what a source is a part of, or everything; it is one without a script too.
func TestTheFormOfASilence(t *testing.T) {
	_, h := newServices(t)
	option := func(page, key string) bool { return strings.Contains(page, `value="`+key+`"`) }
	page := pageAt(t, h, "/alerts/silence?of=source/tank", 200)
	for key, want := range map[string]bool{"source/tank": true, "all": true, "source/calm": false, "job/a": false} {
		if option(page, key) != want {
			t.Errorf("the form for a source offers %s: %v", key, !want)
		}
	}
	page = pageAt(t, h, "/alerts/silence", 200)
	for _, key := range []string{"all", "section/Plant", "section/Plant/Line 1", "upstream/plant", "source/tank", "source/calm", "job/a"} {
		if !option(page, key) {
			t.Errorf("the form does not offer %s:\n%s", key, page)
		}
	}
	if page := pageAt(t, h, "/alerts/silence?of=source/gone", 404); !strings.Contains(page, "There is nothing to silence") {
		t.Errorf("a form for what is gone: %s", page)
	}
}

func TestFormsAboutAlerts(t *testing.T) {
	s, h := newServices(t)
	const silence, unsilence, acknowledge = "/alerts/silence", "/alerts/unsilence", "/alerts/acknowledge"
	hour := url.Values{"of": {"source/tank"}, "for": {"1h"}, "reason": {"pump"}, "zone": {"UTC"}}

	resp := post(t, h, silence, hour, false)
	if resp.StatusCode != 303 || resp.Header.Get("Location") != "/alerts" {
		t.Errorf("a silence by a form = %d to %q, want 303 to /alerts", resp.StatusCode, resp.Header.Get("Location"))
	}
	made := s.alerts.Silences()[0]
	if made.Of != "source/tank" || made.Reason != "pump" || made.By != "anonymous" || time.Until(made.Until).Round(time.Minute) != time.Hour {
		t.Errorf("it is %+v", made)
	}
	if resp = post(t, h, unsilence, url.Values{"silence": {made.ID}}, true); resp.StatusCode != 200 || strings.TrimSpace(bodyOf(t, resp)) != "{}" {
		t.Errorf("the end of a silence by a script = %d, want 200 and no place to go to", resp.StatusCode)
	}
	if resp = post(t, h, unsilence, url.Values{"silence": {made.ID}}, false); resp.StatusCode != 303 || len(s.alerts.Silences()) != 0 {
		t.Errorf("the end of one that has ended = %d, want 303", resp.StatusCode)
	}

	// The morning and other times are those of the zone in which somebody looks.
	zone, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().In(zone).Add(26 * time.Hour).Truncate(time.Minute)
	post(t, h, silence, url.Values{"of": {"all"}, "for": {"time"}, "until": {at.Format("2006-01-02T15:04")}, "zone": {"Asia/Tokyo"}}, true)
	post(t, h, silence, url.Values{"of": {"all"}, "for": {"morning"}, "zone": {"Asia/Tokyo"}}, true)
	all := s.alerts.Silences()
	if len(all) != 2 || !all[0].Until.Equal(at) {
		t.Fatalf("silences are %+v, want one until %v", all, at)
	}
	if hour := all[1].Until.In(zone); hour.Hour() != 6 || hour.Minute() != 0 || time.Until(hour) > 24*time.Hour || time.Until(hour) <= 0 {
		t.Errorf("until the morning = %v, want the next 06:00", hour)
	}
	if resp = post(t, h, silence, hour, false); resp.StatusCode != 422 || !strings.Contains(bodyOf(t, resp), "There are too many silences") {
		t.Errorf("one silence too many = %d, want the form again", resp.StatusCode)
	}
	if resp = post(t, h, silence, hour, true); resp.StatusCode != 409 {
		t.Errorf("one silence too many by a script = %d, want 409", resp.StatusCode)
	}

	if resp = post(t, h, acknowledge, url.Values{"of": {"source/tank"}}, false); resp.StatusCode != 303 || !slices.Contains(s.alerts.done, "acknowledge source/tank by anonymous: ") {
		t.Errorf("acknowledge = %d, done are %v", resp.StatusCode, s.alerts.done)
	}
	if resp = post(t, h, acknowledge, url.Values{"of": {"source/calm"}}, false); resp.StatusCode != 303 {
		t.Errorf("acknowledge what is over = %d, want 303 to where that is seen", resp.StatusCode)
	}
	if resp = post(t, h, acknowledge, url.Values{"of": {"source/calm"}}, true); resp.StatusCode != 409 {
		t.Errorf("acknowledge what is over by a script = %d, want 409", resp.StatusCode)
	}
	if resp = post(t, h, acknowledge, url.Values{"of": {"all"}}, false); resp.StatusCode != 422 {
		t.Errorf("acknowledge all = %d, want 422", resp.StatusCode)
	}
	var actions []string
	for _, r := range s.recorded {
		actions = append(actions, r.Action)
	}
	if got, want := strings.Join(actions, " "), "silence end-silence silence silence acknowledge"; got != want {
		t.Errorf("the audit log has %s, want %s", got, want)
	}
}

// What is wrong stands at its field, and what was right is still there.
func TestASilenceThatIsNotValid(t *testing.T) {
	s, h := newServices(t)
	form := url.Values{"of": {"source/tank"}, "for": {"time"}, "until": {"2020-01-01T00:00"}, "reason": {"<pump>"}, "zone": {"UTC"}}
	resp := post(t, h, "/alerts/silence", form, false)
	page := bodyOf(t, resp)
	for _, want := range []string{`id="why.until" data-problem="until">2020-01-01T00:00:00Z is in the past`, `value="&lt;pump&gt;"`, `value="time" checked`, `value="2020-01-01T00:00"`} {
		if resp.StatusCode != 422 || !strings.Contains(page, want) {
			t.Errorf("%d, and the form has no %s:\n%s", resp.StatusCode, want, page)
		}
	}
	resp = post(t, h, "/alerts/silence", form, true)
	if body := bodyOf(t, resp); resp.StatusCode != 422 || !strings.Contains(body, `"pointer":"#/until"`) {
		t.Errorf("a script is told %d %s", resp.StatusCode, body)
	}
	for _, until := range []string{"", "tomorrow", strings.Repeat("9", 1000)} {
		form.Set("until", until)
		if resp = post(t, h, "/alerts/silence", form, true); resp.StatusCode != 422 {
			t.Errorf("until %.20s = %d, want 422", until, resp.StatusCode)
		}
	}
	if len(s.alerts.Silences()) != 0 {
		t.Errorf("silences are %v, want none", s.alerts.Silences())
	}
}

// A form that is sent again because its answer was lost makes one silence.
func TestASilenceIsMadeOnce(t *testing.T) {
	s, h := newServices(t)
	for range 2 {
		form := url.Values{"of": {"all"}, "for": {"1h"}}
		if resp := post(t, h, "/alerts/silence", form, true, "Idempotency-Key", "0123456789abcdef"); resp.StatusCode != 200 {
			t.Errorf("status %d, want 200", resp.StatusCode)
		}
	}
	if n := len(s.alerts.Silences()); n != 1 {
		t.Errorf("there are %d silences, want 1", n)
	}
}
