package gateway_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/gateway"
)

// A run is started again with the arguments of an earlier one, and those that are given beside it, as they were written.
func TestARunLikeAnother(t *testing.T) {
	onEachArchive(t, func(t *testing.T, next func() gateway.Options) {
		s := run(t, load(t, `
jobs:
  scan:
    exec: [echo, "{n}", "{f}", "{b}", "{s}"]
    on_busy: queue
    args: {n: {type: int, default: 1}, f: {type: number, default: 2}, b: {type: bool, default: false}, s: {type: string, default: x}}
  other: {exec: ['true']}
`), next())
		again := func(body string) object {
			t.Helper()
			return s.ended(of(s.json(202, "POST", runs, body), "id"))
		}
		first := again(`{"args":{"n":9007199254740991,"f":1.5e-7,"b":true,"s":"a \" b"}}`)
		if first["like"] != nil {
			t.Errorf("the first run = %v, want it like none", first)
		}
		id := of(first, "id")
		for range 2 { // also from a run that was like another
			second := again(fmt.Sprintf(`{"like":%q}`, id))
			if second["output"] != first["output"] || !contains(of(second, "output"), "9007199254740991") || second["like"] != id {
				t.Errorf("the run like %s = %v, want the output %q", id, second, first["output"])
			}
			id = of(second, "id")
		}
		if got := again(fmt.Sprintf(`{"like":%q,"args":{"s":"y","n":"3"}}`, id)); got["output"] != strings.NewReplacer("9007199254740991", "3", `a " b`, "y").Replace(of(first, "output")) {
			t.Errorf("with other arguments beside it the run = %v", got)
		}
		other := of(s.json(202, "POST", "/api/v1/jobs/other/runs", "{}"), "id")
		for like, want := range map[string]string{"NONE": "there is no run", other: "is one of job", strings.Repeat("x", 5000): "there is no run"} {
			p := s.json(422, "POST", runs, fmt.Sprintf(`{"like":%q}`, like))
			part := p["errors"].([]any)[0].(object)
			if part["pointer"] != "#/like" || !contains(of(part, "detail"), want) {
				t.Errorf("like %.20s = %v, want %q", like, p, want)
			}
		}
		if p := s.json(422, "POST", runs, `{"like":7}`); !contains(fmt.Sprint(p["errors"]), "this is a JSON number: a text is wanted") {
			t.Errorf("like a number = %v, want what is wanted", p)
		}
	})
}

// Secrets are not kept, so they are asked for again.
func TestSecretsAreAskedForAgain(t *testing.T) {
	s := start(t, `
jobs:
  scan:
    exec: [echo, "{n}"]
    stdin: "{token}{pin}"
    args: {n: {type: int}, token: {type: string, secret: true}, pin: {type: string, secret: true, default: ""}}
`)
	first := s.ended(of(s.json(202, "POST", runs, `{"args":{"n":1,"token":"sesame-open","pin":"123456789"}}`), "id"))
	like := fmt.Sprintf(`{"like":%q`, of(first, "id"))
	p := s.json(422, "POST", runs, like+"}")
	var pointers []string
	for _, e := range p["errors"].([]any) {
		pointers = append(pointers, of(e.(object), "pointer"))
	}
	if got := strings.Join(pointers, " "); got != "#/args/token #/args/pin" {
		t.Errorf("without the secrets: %v, want that token and pin are missing", p)
	}
	second := s.ended(of(s.json(202, "POST", runs, like+`,"args":{"token":"sesame-other","pin":""}}`), "id"))
	if second["output"] != "1\n" || second["args"].(object)["token"] != "***" {
		t.Errorf("with the secrets the run ended as %v", second)
	}
}

// The arguments of a job may have changed since: what was a secret is not replaced by the mask that is shown of it, and what
// the job has no longer can be left out.
func TestARunLikeOneOfAnEarlierDefinition(t *testing.T) {
	s := startFile(t, `
jobs:
  scan:
    exec: [echo, "{n}", "{old}"]
    stdin: "{pin}"
    args: {n: {type: int}, old: {}, pin: {secret: true}}
`, 0)
	first := s.ended(of(s.json(202, "POST", runs, `{"args":{"n":1,"old":"x","pin":"123456789"}}`), "id"))
	s.reload(`
jobs:
  scan: {exec: [echo, "{n}", "{pin}"], args: {n: {type: enum, values: [one, two]}, pin: {}}}
`)
	like := fmt.Sprintf(`{"like":%q`, of(first, "id"))
	wrong := func(body, want string) {
		t.Helper()
		var pointers []string
		for _, e := range s.json(422, "POST", runs, body)["errors"].([]any) {
			pointers = append(pointers, of(e.(object), "pointer"))
		}
		if got := strings.Join(pointers, " "); got != want {
			t.Errorf("%s is refused for %q, want %q", body, got, want)
		}
	}
	wrong(like+"}", "#/args/pin")
	wrong(like+`,"args":{"pin":"7"}}`, "#/args/n #/args/old")
	wrong(like+`,"args":{"pin":"7","n":"one","none":""}}`, "#/args/none #/args/old")
	again := s.ended(of(s.json(202, "POST", runs, like+`,"args":{"pin":"7","n":"one","old":null}}`), "id"))
	if again["output"] != "one 7\n" {
		t.Errorf("the run like the first one ended as %v", again)
	}
}
