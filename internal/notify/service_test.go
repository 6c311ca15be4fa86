package notify_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/notify"
)

// A standIn is a server that stands in for every service in the world: each request goes to it, whatever its address.
type standIn struct {
	server *httptest.Server
	answer http.HandlerFunc // nil: 200
	header http.Header      // of the newest request
	body   string
	what   string // "POST https://host/path"
}

func newStandIn(t *testing.T) *standIn {
	s := &standIn{}
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.header, s.body, s.what = r.Header, string(body), r.Method+" "+r.Header.Get("X-Meant")
		if s.answer != nil {
			s.answer(w, r)
		}
	}))
	t.Cleanup(s.server.Close)
	return s
}

// RoundTrip sends a request to the server, and tells it where it was meant to go.
func (s *standIn) RoundTrip(r *http.Request) (*http.Response, error) {
	to := r.Clone(r.Context())
	to.Header.Set("X-Meant", r.URL.String())
	here, err := url.Parse(s.server.URL)
	if err != nil {
		return nil, err
	}
	to.URL.Scheme, to.URL.Host = here.Scheme, here.Host
	return http.DefaultTransport.RoundTrip(to)
}

// told sends m to the service of an address.
func (s *standIn) told(t *testing.T, address string, m notify.Message) {
	t.Helper()
	to, err := notify.ParseService(address)
	if err != nil {
		t.Fatalf("%s: %v", address, err)
	}
	if err := to.Send(t.Context(), &http.Client{Transport: s}, m); err != nil {
		t.Fatalf("%s: %v", address, err)
	}
}

// severe is a message of a critical alert with a link.
func severe() notify.Message {
	m := tank(func(i *notify.Item) { i.Severity, i.Title = "critical", "Tank <1> & @all" })
	m.Severity, m.Link = "critical", "https://tidewire.example/"
	return m
}

const (
	summary = "Tank <1> & @all is firing: 91.50"
	since   = "since 2026-11-21T18:40:00Z"
	link    = "https://tidewire.example/"
)

// Each service gets the request that its documentation describes.
func TestServices(t *testing.T) {
	resolved := severe()
	resolved.State, resolved.Firing = notify.Resolved, 0
	resolved.Alerts[0].State = notify.Resolved
	resolved.Word()
	partly := resolved
	partly.Firing = 3
	s := newStandIn(t)
	type object = map[string]any
	type list = []any
	all := summary + "\n" + since + "\n" + link
	card := func(color, title string) object {
		return object{"type": "message", "attachments": list{object{
			"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": nil, "content": object{
				"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "body": list{
					object{"type": "TextBlock", "text": title, "weight": "Bolder", "size": "Medium", "wrap": true, "color": color},
					object{"type": "TextBlock", "text": since, "wrap": true},
				}, "actions": list{object{"type": "Action.OpenUrl", "title": "Tidewire", "url": link}},
			}}}}
	}
	event := func(action, text string) object {
		return object{"routing_key": "r0utingkey", "event_action": action, "dedup_key": "source/tank", "client": "Tidewire", "client_url": link,
			"payload": object{"summary": text, "source": "source/tank", "severity": "critical", "timestamp": "2026-11-21T18:41:00Z", "component": "Tank <1> & @all",
				"custom_details": object{"text": since, "count": 1.0, "firing": 1.0}}}
	}
	apart := strings.Replace(all, "@all", "@\u200ball", 1)
	slack := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(all)
	for _, tt := range []struct {
		address string
		m       notify.Message
		what    string // the request
		header  string // "Name: value"; empty: none that matters
		json    any
		form    string
	}{
		{"ntfy://ntfy.sh/my-topic", severe(), "POST https://ntfy.sh", "", object{"topic": "my-topic", "title": summary, "message": since + "\n" + link, "priority": 5.0, "tags": list{"rotating_light"}, "click": link}, ""},
		{"ntfy://tk_s3cret@h.example:8443/t?priority=2&tags=skull,x", resolved, "POST https://h.example:8443", "Authorization: Bearer tk_s3cret",
			object{"topic": "t", "title": "Tank <1> & @all is resolved", "message": since + "\n" + link, "priority": 2.0, "tags": list{"skull", "x", "white_check_mark"}, "click": link}, ""},
		{"ntfy://me:p%40ss@h.example/t?tls=none", tank(nil), "POST http://h.example", "Authorization: Basic bWU6cEBzcw==",
			object{"topic": "t", "title": "Tank is firing: 91.50", "message": since, "priority": 4.0, "tags": list{"warning"}}, ""},
		{"ntfy://h.example/t?token=tk_s3cret", resolved, "POST https://h.example", "Authorization: Bearer tk_s3cret",
			object{"topic": "t", "title": "Tank <1> & @all is resolved", "message": since + "\n" + link, "priority": 3.0, "tags": list{"white_check_mark"}, "click": link}, ""},
		{"slack://hook:T000-B000-s3cr3t@webhook", severe(), "POST https://hooks.slack.com/services/T000/B000/s3cr3t", "", object{"text": slack}, ""},
		{"slack://T000/B000/s3cr3t", severe(), "POST https://hooks.slack.com/services/T000/B000/s3cr3t", "", object{"text": slack}, ""},
		{"slack://xoxb:123-456-abc@C001", severe(), "POST https://slack.com/api/chat.postMessage", "Authorization: Bearer xoxb-123-456-abc", object{"channel": "C001", "text": slack}, ""},
		{"discord://t0k-_en@1234", severe(), "POST https://discord.com/api/webhooks/1234/t0k-_en", "", object{"content": all, "allowed_mentions": object{"parse": list{}}}, ""},
		{"discord://t0k@1234?thread_id=77", severe(), "POST https://discord.com/api/webhooks/1234/t0k?thread_id=77", "", object{"content": all, "allowed_mentions": object{"parse": list{}}}, ""},
		{"telegram://110:AAH_x-y@telegram?chats=@ops", severe(), "POST https://api.telegram.org/bot110:AAH_x-y/sendMessage", "", object{"chat_id": "@ops", "text": apart, "link_preview_options": object{"is_disabled": true}}, ""},
		{"telegram://110:AAH@telegram?chats=-100123:7", severe(), "POST https://api.telegram.org/bot110:AAH/sendMessage", "", object{"chat_id": "-100123", "message_thread_id": 7.0, "text": apart, "link_preview_options": object{"is_disabled": true}}, ""},
		{"teams://prod-1.westus.logic.azure.com:443/workflows/ab/triggers/manual/paths/invoke?api-version=2016-06-01&sig=s3cr3t", severe(),
			"POST https://prod-1.westus.logic.azure.com:443/workflows/ab/triggers/manual/paths/invoke?api-version=2016-06-01&sig=s3cr3t", "", card("Attention", summary), ""},
		{"teams://group-1@tenant-1/alt1/owner1/extra1?host=contoso.webhook.office.com", resolved,
			"POST https://contoso.webhook.office.com/webhookb2/group-1@tenant-1/IncomingWebhook/alt1/owner1/extra1", "", card("Good", "Tank <1> & @all is resolved"), ""},
		{"gotify://g.example/Atoken1", severe(), "POST https://g.example/message", "X-Gotify-Key: Atoken1", object{"title": summary, "message": since + "\n" + link, "priority": 8.0}, ""},
		{"gotify://g.example:8080/below/Atoken1?priority=1&tls=none", resolved, "POST http://g.example:8080/below/message", "X-Gotify-Key: Atoken1", object{"title": "Tank <1> & @all is resolved", "message": since + "\n" + link, "priority": 1.0}, ""},
		{"pushover://apptoken@userkey", severe(), "POST https://api.pushover.net/1/messages.json", "Content-Type: application/x-www-form-urlencoded", nil,
			url.Values{"token": {"apptoken"}, "user": {"userkey"}, "title": {summary}, "message": {since + "\n" + link}, "url": {link}, "priority": {"1"}}.Encode()},
		{"pushover://shoutrrr:apptoken@userkey/?devices=phone,desk&sound=siren&priority=-2", resolved, "POST https://api.pushover.net/1/messages.json", "", nil,
			url.Values{"token": {"apptoken"}, "user": {"userkey"}, "title": {"Tank <1> & @all is resolved"}, "message": {since + "\n" + link}, "url": {link}, "device": {"phone,desk"}, "sound": {"siren"}, "priority": {"-2"}}.Encode()},
		{"mattermost://chat.example/t0ken", severe(), "POST https://chat.example/hooks/t0ken", "", object{"text": apart}, ""},
		{"mattermost://bot@chat.example/t0ken/ops", severe(), "POST https://chat.example/hooks/t0ken", "", object{"text": apart, "username": "bot", "channel": "ops"}, ""},
		{"rocketchat://bot@chat.example/tokA/tokB/ops", severe(), "POST https://chat.example/hooks/tokA/tokB", "", object{"text": apart, "alias": "bot", "channel": "ops"}, ""},
		{"matrix://syt_t0ken@m.example/?rooms=!abc:m.example", severe(), "PUT https://m.example/_matrix/client/v3/rooms/%21abc%3Am.example/send/m.room.message/7", "Authorization: Bearer syt_t0ken", object{"msgtype": "m.text", "body": all, "m.mentions": object{}}, ""},
		{"matrix://:syt_t0ken@m.example:8448?room=!abc:m.example&tls=none", severe(), "PUT http://m.example:8448/_matrix/client/v3/rooms/%21abc%3Am.example/send/m.room.message/7", "Authorization: Bearer syt_t0ken", object{"msgtype": "m.text", "body": all, "m.mentions": object{}}, ""},
		{"googlechat://chat.googleapis.com/v1/spaces/FOO/messages?key=bar&token=baz%3D", severe(), "POST https://chat.googleapis.com/v1/spaces/FOO/messages?key=bar&token=baz%3D", "", object{"text": all}, ""},
		{"zulip://bot%40z.example:k3y@z.example/?stream=ops&topic=alerts", severe(), "POST https://z.example/api/v1/messages", "Authorization: Basic Ym90QHouZXhhbXBsZTprM3k=", nil,
			url.Values{"type": {"stream"}, "to": {"ops"}, "topic": {"alerts"}, "content": {all}}.Encode()},
		{"pagerduty://r0utingkey", severe(), "POST https://events.pagerduty.com/v2/enqueue", "", event("trigger", summary), ""},
		{"pagerduty://events.eu.pagerduty.com/r0utingkey", partly, "POST https://events.eu.pagerduty.com/v2/enqueue", "", nil, ""},
		{"pagerduty://r0utingkey", resolved, "POST https://events.pagerduty.com/v2/enqueue", "", nil, ""},
		{"opsgenie://g3nie", severe(), "POST https://api.opsgenie.com/v2/alerts", "Authorization: GenieKey g3nie", object{"message": summary, "alias": "source:tank", "description": all, "source": "Tidewire", "priority": "P1"}, ""},
		{"opsgenie://api.atlassian.com/g3nie", severe(), "POST https://api.atlassian.com/jsm/ops/integration/v2/alerts", "Authorization: GenieKey g3nie", nil, ""},
		{"opsgenie://api.atlassian.com/g3nie", resolved, "POST https://api.atlassian.com/jsm/ops/integration/v2/alerts/source%3Atank/close?identifierType=alias", "Authorization: GenieKey g3nie", nil, ""},
		{"opsgenie://api.eu.opsgenie.com/g3nie", resolved, "POST https://api.eu.opsgenie.com/v2/alerts/source%3Atank/close?identifierType=alias", "Authorization: GenieKey g3nie", object{"source": "Tidewire", "note": "Tank <1> & @all is resolved"}, ""},
	} {
		s.told(t, tt.address, tt.m)
		if s.what != tt.what {
			t.Errorf("%s: the request is %s, want %s", tt.address, s.what, tt.what)
		}
		if name, value, ok := strings.Cut(tt.header, ": "); ok && s.header.Get(name) != value {
			t.Errorf("%s: %s is %q, want %q", tt.address, name, s.header.Get(name), value)
		}
		if tt.form != "" {
			if s.body != tt.form {
				t.Errorf("%s: the form is\n%s, want\n%s", tt.address, s.body, tt.form)
			}
			continue
		}
		var got any
		if err := json.Unmarshal([]byte(s.body), &got); err != nil || s.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %v (%s)", tt.address, err, s.header.Get("Content-Type"))
		}
		if tt.json != nil && !reflect.DeepEqual(got, tt.json) {
			t.Errorf("%s: the body is\n%v, want\n%v", tt.address, got, tt.json)
		}
		if strings.HasPrefix(tt.address, "pagerduty") {
			want := map[bool]string{true: "resolve", false: "trigger"}[tt.m.State == notify.Resolved && tt.m.Firing == 0]
			if action := got.(object)["event_action"]; action != want {
				t.Errorf("%s of %s with %d firing: %v, want %s", tt.address, tt.m.State, tt.m.Firing, action, want)
			}
		}
	}
}

// Every row takes every sort of message, however long it is, and stays below what services take.
func TestServicesTakeEveryMessage(t *testing.T) {
	s := newStandIn(t)
	failure := strings.Repeat("é", 5000)
	long := plant(1000, notify.Firing, &failure)
	bare := tank(func(i *notify.Item) { i.Since, i.Headline = nil, nil })
	for _, address := range addresses {
		for _, m := range append(notify.Samples(), long, bare) {
			s.told(t, address, m)
			if n := len(s.body); n > 30<<10 {
				t.Errorf("%s: a body of %d bytes", address, n)
			}
		}
	}
	s.told(t, "ntfy://ntfy.sh/t0pic", long)
	var got struct{ Message string }
	if err := json.Unmarshal([]byte(s.body), &got); err != nil || len(got.Message) > 4096 {
		t.Errorf("ntfy gets a message of %d bytes, which it takes for a file", len(got.Message))
	}
}

// addresses has one of each service, whose secrets contain "hunter2".
var addresses = []string{
	"ntfy://hunter2-token@ntfy.sh/hunter2-topic", "slack://hook:T000-B000-hunter2@webhook", "slack://T000/B000/hunter2", "slack://xoxb:hunter2-1@C001",
	"discord://hunter2-x@1234", "telegram://110:hunter2@telegram?chats=@hunter2_ops", "teams://h.example/workflows/hunter2?sig=hunter2-sig",
	"gotify://g.example/hunter2", "pushover://hunter2-app@hunter2-user", "mattermost://bot@chat.example/hunter2", "rocketchat://chat.example/tokA/hunter2",
	"matrix://hunter2-token@m.example/?rooms=!hunter2:m.example", "googlechat://chat.googleapis.com/v1/spaces/FOO/messages?key=hunter2-k&token=hunter2-t",
	"zulip://bot%40z.example:hunter2@z.example/?stream=ops", "pagerduty://hunter2-key", "opsgenie://hunter2-key",
}

// Whatever goes wrong, an error and what is shown have no part of a credential in them.
func TestServicesHideTheirSecrets(t *testing.T) {
	s := newStandIn(t)
	schemes := map[string]bool{}
	for _, row := range notify.Services() {
		schemes[row[0]] = true
	}
	for _, address := range addresses {
		to, err := notify.ParseService(address)
		if err != nil {
			t.Fatal(err)
		}
		delete(schemes, to.Kind())
		shown, err := to.Show(severe())
		if err != nil || strings.Contains(shown, "hunter2") || !strings.Contains(shown, "is firing") && !strings.Contains(shown, "is+firing") {
			t.Errorf("%s is shown as %s (%v)", address, shown, err)
		}
		for _, status := range []int{307, 400, 401, 429, 500} {
			s.answer = func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Retry-After", "30")
				w.Header().Set("Location", "http://elsewhere.example/"+r.URL.RequestURI())
				http.Error(w, fmt.Sprint("no: ", r.Header.Get("X-Meant"), " ", r.Header, " ", s.body), status)
			}
			err := to.Send(t.Context(), &http.Client{Transport: s}, severe())
			e, ok := err.(*notify.Error)
			if !ok || strings.Contains(fmt.Sprintf("%v %+v", err, err), "hunter2") || e.Permanent != (status < 429) || e.After != 30*time.Second {
				t.Errorf("%s: %d gives %#v: %v", address, status, e, err)
			}
		}
	}
	if len(schemes) > 0 {
		t.Errorf("not tested: %v", schemes)
	}
	s.answer = func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"ok":false,"error":"channel_not_found"}`)
	}
	to, _ := notify.ParseService("slack://xoxb:hunter2-1@C001")
	err := to.Send(t.Context(), &http.Client{Transport: s}, severe())
	if e, ok := err.(*notify.Error); !ok || !e.Permanent || err.Error() != "POST https://slack.com: refused: channel_not_found" {
		t.Errorf("an answer of success that is none: %v", err)
	}
}

// What is wrong with an address is said, with what would be right, and without any part of it.
func TestAddressesOfServices(t *testing.T) {
	for address, want := range map[string]string{
		"ntfy://hunter2":                                "the path of the address of ntfy is not a topic, write ntfy://HOST/TOPIC, ntfy://TOKEN@HOST/TOPIC or ntfy://USER:PASSWORD@HOST/TOPIC",
		"ntfy://h/hunter2/x":                            "the path of the address of ntfy is not a topic",
		"ntfy:///hunter2":                               "the address of ntfy has nothing after ://",
		"ntfy://h/hunter2?priority=high":                "priority of the address is not a number from 1 to 5",
		"ntfy://h/hunter2?priority=9":                   "priority of the address is not a number from 1 to 5",
		"ntfy://h/hunter2?prio=hunter2":                 "the address of ntfy has a parameter that there is not, the parameters are priority, tags, token, tls",
		"ntfy://h/hunter2?tls=hunter2":                  "tls of the address is not none",
		"ntfy://h/../hunter2":                           "the path of the address has an empty part, or one of dots alone",
		"ntfy://h/a#hunter2":                            "the address has a #, which begins a fragment: %23 stands for it",
		"ntfy://:80/hunter2":                            "the address of ntfy has nothing after ://",
		"ntfy://h:99999/hunter2":                        "the address has a bad port",
		"ntfy://h/hunter2 ":                             "the address has a space: %20 stands for it",
		"ntfy://h/hunter2%20":                           "a topic of ntfy has 64 letters, digits, - and _ at most",
		"ntfy://h/hunter2?priority=2.5":                 "priority of the address is not a number from 1 to 5",
		"gotify://h/hunter2?priority=2.5":               "priority of the address is not a whole number",
		"slack://xoxb:hunter2@C001/x":                   "the address of slack has a path",
		"discord://1234@hunter2":                        "the ID after the @ of the address of discord is not a number",
		"discord://hunter2@1234/x":                      "the address of discord has a path",
		"telegram://1:hunter2@telegram?chats=ops":       "the chat of the address of telegram is neither a number nor @NAME",
		"telegram://1:hunter2@telegram?chats=1:2.5":     "the thread of the chat is not a number",
		"teams://hunter2.logic.azure.com":               "the address of teams is not that of a workflow or a webhook",
		"ntfy://h:hunter2/a":                            "this is not an address of ntfy",
		"slack://hunter2":                               "the address of slack does not have the three parts of a webhook",
		"slack://hook:hunter2@webhook":                  "the address of slack does not have the three parts of a webhook",
		"slack://xoxq:hunter2@webhook":                  "the address of slack has neither hook nor xoxb before its token",
		"slack://A/B/hunter2?color=x":                   "the address of slack has a parameter that there is not, remove what follows the ?",
		"discord://hunter2":                             "the address of discord has no token before the @",
		"telegram://hunter2@telegram?chats=@x":          "the address of telegram has no token such as 123456:ABC before the @",
		"telegram://1:hunter2@telegram":                 "the address of telegram has no chats",
		"telegram://1:hunter2@telegram?chats=@a,@b":     "the address of telegram has several chats: write an entry for each",
		"telegram://1:hunter2@telegram?chats=@a:x":      "the thread of the chat is not a number",
		"teams://hunter2@t/a/b":                         "the address of teams has no host=ORGANIZATION.webhook.office.com",
		"teams://hunter2@t/a/b?host=evil.example":       "the host of the address of teams is not one of webhook.office.com",
		"teams://hunter2@t/a?host=x.webhook.office.com": "the address of teams lacks a part",
		"gotify://hunter2":                              "the address of gotify has no token",
		"pushover://hunter2":                            "the address of pushover has no token before the @",
		"mattermost://hunter2":                          "the path of the address of mattermost is not a token, or a token and a channel",
		"rocketchat://h/hunter2":                        "the path of the address of rocketchat does not have the two parts of a token",
		"matrix://hunter2@h":                            "the address of matrix has no room",
		"matrix://hunter2@h/?rooms=ops":                 "the room of matrix is not an id such as !abc:example.com; an alias does not do",
		"matrix://u:hunter2@h/?rooms=!a:h":              "the address of matrix has a user and a password, not an access token",
		"matrix://h/?rooms=!a:h":                        "the address of matrix has no access token before the @",
		"googlechat://h/hunter2":                        "the address of googlechat is not that of a webhook: /v1/spaces/SPACE/messages?key=KEY&token=TOKEN",
		"zulip://hunter2@h?stream=a":                    "the address of zulip has no bot and key before the @",
		"zulip://a:hunter2@h":                           "the address of zulip has no stream",
		"pagerduty://h/hunter2/x":                       "the path of the address of pagerduty is not a key",
		"opsgenie://h/hunter2/x":                        "the path of the address of opsgenie is not a key",
	} {
		_, err := notify.ParseService(address)
		if err == nil || !strings.HasPrefix(err.Error(), want+", ") && err.Error() != want || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %s", address, err, want)
		}
	}
	for _, address := range []string{"hunter2", "smtp://u:hunter2@h", "https://h/hunter2", "", "://"} {
		if _, err := notify.ParseService(address); err != notify.ErrScheme {
			t.Errorf("%s: %v, want that there is no such service", address, err)
		}
	}
}

// Nobody is called by what a source or a job says, and an address of a page stays one.
func TestServicesMentionNobody(t *testing.T) {
	s := newStandIn(t)
	said := "@all (@ann) @@bob mail@example.com"
	m := tank(func(i *notify.Item) { i.Error = &said })
	m.Link = "https://example.com/@x"
	for _, address := range []string{"mattermost://h/t0ken", "rocketchat://h/tokA/tokB", "telegram://110:AAH@telegram?chats=@ops"} {
		s.told(t, address, m)
		var got struct{ Text string }
		err := json.Unmarshal([]byte(s.body), &got)
		want := "Tank is firing: @\u200ball (@\u200bann) @@\u200bbob mail@example.com\n" + since + "\nhttps://example.com/@x"
		if err != nil || got.Text != want {
			t.Errorf("%s: %q, %v, want %q", address, got.Text, err, want)
		}
	}
}

// A webhook of Teams answers 200 also if the message went nowhere.
func TestTeamsRefuses(t *testing.T) {
	s := newStandIn(t)
	to, err := notify.ParseService("teams://g@t/a/b?host=x.webhook.office.com")
	if err != nil {
		t.Fatal(err)
	}
	for answer, permanent := range map[string]bool{"429": false, "500": false, "404": true, "413": true} {
		s.answer = func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error %s with ContextId x=1", answer)
		}
		err := to.Send(t.Context(), &http.Client{Transport: s}, severe())
		want := "POST https://x.webhook.office.com: refused: Microsoft Teams endpoint returned HTTP error " + answer
		if e, ok := err.(*notify.Error); !ok || e.Permanent != permanent || err.Error() != want {
			t.Errorf("%v, want %s, permanent: %v", err, want, permanent)
		}
	}
	for _, answer := range []string{"1", "", "{}"} {
		s.answer = func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) }
		if err := to.Send(t.Context(), &http.Client{Transport: s}, severe()); err != nil {
			t.Errorf("after %q: %v", answer, err)
		}
	}
}

// However an address is made, reading it ends, and an error has no long part of it.
func FuzzParseService(f *testing.F) {
	for _, address := range addresses {
		f.Add(address)
	}
	f.Fuzz(func(t *testing.T, address string) {
		to, err := notify.ParseService(address)
		if wrong, bad := errors.AsType[*notify.AddressError](err); bad && strings.ContainsAny(wrong.What, `"(`) {
			t.Errorf("%q: %s: that is of the interpreter, which quotes what it was given", address, wrong.What)
		}
		if err != nil {
			return
		}
		if _, err := to.Show(notify.Sample); err != nil {
			t.Errorf("%q: %v", address, err)
		}
	})
}
