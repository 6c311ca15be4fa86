package explore_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/tidewire/tidewire/internal/explore"
)

func none(string) bool { return false }

// A request becomes an upstream and a source, without its credentials.
func TestDraft(t *testing.T) {
	parsed := func(text string) *url.URL {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	for _, tt := range []struct {
		name    string
		request explore.Request
		known   string
		want    string
		secrets string
	}{
		{"plain", explore.Request{URL: parsed("http://10.0.0.9:8080/api/v1/status.json")}, "", `version: 1

upstreams:
  device: {http: http://10.0.0.9:8080}

sources:
  status:
    http: {upstream: device, path: /api/v1/status.json}
    every: 10s
`, "[]"},
		{"root of a loopback", explore.Request{URL: parsed("http://localhost/")}, "", `version: 1

upstreams:
  local: {http: http://localhost}

sources:
  local:
    http: {upstream: local}
    every: 10s
`, "[]"},
		{"a query with a key, and a token", explore.Request{
			URL: parsed("https://api.open-meteo.com/v1/now?q=Perth%2CAU&appid=0123456789abcdef&id=1&id=2&x=$%7Benv:HOME%7D"), Bearer: "a-token-of-mine",
			Header: http.Header{"X-Api-Key": {"${env:KEY}"}, "Accept": {"text/csv"}, "X-Token": {"other"}},
		}, "", `version: 1

upstreams:
  open-meteo:
    http: https://api.open-meteo.com
    bearer: "${env:OPEN_METEO_TOKEN}"
    headers: {Accept: text/csv, X-Api-Key: "${env:KEY}", X-Token: "${env:OPEN_METEO_X_TOKEN}"}

sources:
  now:
    http:
      upstream: open-meteo
      path: /v1/now
      query: {appid: "${env:OPEN_METEO_APPID}", id: ["1", "2"], q: "Perth,AU", x: "${env:HOME}"}
    every: 10s
`, "[{OPEN_METEO_APPID 0123456789abcdef} {OPEN_METEO_TOKEN a-token-of-mine} {OPEN_METEO_X_TOKEN other}]"},
		{"a user", explore.Request{URL: parsed("https://me:s3cret@printer.local/ä b"), User: url.UserPassword("me", "s3cret")}, "", `version: 1

upstreams:
  printer:
    http: https://printer.local
    auth: {basic: {user: me, password: "${env:PRINTER_PASSWORD}"}}

sources:
  b:
    http: {upstream: printer, path: /%C3%A4%20b}
    every: 10s
`, "[{PRINTER_PASSWORD s3cret}]"},
		{"an upstream that there is", explore.Request{URL: parsed("http://h/x")}, "plant", `version: 1

sources:
  x:
    http: {upstream: plant, path: /x}
    every: 10s
`, "[]"},
	} {
		d, secrets := tt.request.Draft(tt.known, none, none)
		d.Every = "10s"
		got, err := d.Write(nil)
		if err != nil || string(got) != tt.want || fmt.Sprint(sorted(secrets)) != tt.secrets {
			t.Errorf("%s: %v, secrets %v\n%s\nwant %v\n%s", tt.name, err, secrets, got, tt.secrets, tt.want)
		}
	}
}

func sorted(secrets []explore.Secret) []explore.Secret {
	if secrets == nil {
		return []explore.Secret{}
	}
	for i := range secrets {
		for j := range secrets[:i] {
			if secrets[i].Variable < secrets[j].Variable {
				secrets[i], secrets[j] = secrets[j], secrets[i]
			}
		}
	}
	return secrets
}

// What is picked, and how it is shown, is in the source; what probes it takes the whole answer.
func TestDraftWithPicks(t *testing.T) {
	d := explore.OfCommand([]string{"/bin/df", "-P", "/", "${x}"}, func(name string) bool { return name == "df" })
	d.Title, d.Every, d.Parse, d.Show, d.Unit, d.IsNumber = "Disk", "1m", "lines", "used", "%", true
	d.Picks = []explore.Pick{{Name: "used", Expression: `.[1] | [splits("\\s+")][4] | rtrimstr("%") | tonumber`}, {Name: "free", Expression: ".x"}}
	got, err := d.Write([]byte("version: 1\n"))
	want := `version: 1

sources:
  df-2:
    title: Disk
    exec: [/bin/df, "-P", /, "$${x}"]
    every: 1m
    parse: lines
    pick: {used: '.[1] | [splits("\\s+")][4] | rtrimstr("%") | tonumber', free: .x}
    show: {value: used, unit: "%", history: 24h}
`
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
	d.Picks = []explore.Pick{{Name: "temp", Selector: "#temp", Expression: "tonumber"}, {Name: "two words", Selector: "tr > td"}}
	got, err = d.Write(nil)
	want = `version: 1

sources:
  df-2:
    title: Disk
    exec: [/bin/df, "-P", /, "$${x}"]
    every: 1m
    parse: {html: {temp: "#temp", two words: "tr > td"}}
    pick: {temp: ".temp | tonumber", two words: '.["two words"]'}
    show: {value: used, unit: "%", history: 24h}
`
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
	got, err = d.Probe(nil)
	if want := "version: 1\n\nsources:\n  df-2: {exec: [/bin/df, \"-P\", /, \"$${x}\"], parse: text}\n"; err != nil || string(got) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
	if _, err := d.Write([]byte("sources: {df-2: {exec: [a]}}")); err == nil {
		t.Error("a source is written twice")
	}
}
