package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// shows fails t for each text that is in what somebody is shown.
func shows(t *testing.T, where string, shown any, secrets ...string) {
	t.Helper()
	for _, secret := range secrets {
		if contains(fmt.Sprint(shown), secret) {
			t.Errorf("%s shows %q: %v", where, secret, shown)
		}
	}
}

// echo is an upstream that repeats what it is sent, as text or, below /json, as JSON.
func echo(t *testing.T) *upstream {
	u := newUpstream(t, "")
	u.does(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.HasPrefix(r.URL.Path, "/json") {
			_ = json.NewEncoder(w).Encode(object{"header": r.Header, r.Header.Get("X-Api-Key"): 1, "url": r.URL.String(), "body": string(body), "decoded": r.URL.Query()})
			return
		}
		fmt.Fprintf(w, "cannot %s %s\n%v\n%s\n", r.Method, r.URL, r.Header, body)
	})
	return u
}

// S1, S2: a header of seven characters, and a key in a query that an address spells otherwise.
func TestAJobAndASourceHideTheSameCredentials(t *testing.T) {
	t.Setenv("KEY_OF_TEST", "k+7%")
	u := echo(t)
	s := start(t, fmt.Sprintf(`
upstreams: {plant: {http: %q, headers: {X-Api-Key: pa55wrd, X-More: "id=${env:KEY_OF_TEST}", Authorization: "Basic YW5uOnA8w6kiPz5+"}}}
defaults: {every: 1h, backoff: {min: 1h, max: 1h}}
sources:
  text: {http: {upstream: plant, path: /x, query: {appid: "s3cr+t/key==", zone: north}}}
  json: {http: {upstream: plant, path: /json, query: {appid: "s3cr+t/key==", zone: north}}}
jobs:
  text: {http: {upstream: plant, path: /x, query: {appid: "s3cr+t/key==", zone: north}, body: '{"key": "b0dy", "ref": "${env:KEY_OF_TEST}"}'}}
  json: {http: {upstream: plant, path: /json, query: {appid: "s3cr+t/key==", zone: north}}}
`, u.URL))
	secrets := []string{"pa55wrd", "s3cr", "b0dy", "k+7%", "k%2B7%25", `p<é`, `p\u003cé`, "YW5uOnA8w6kiPz5"}
	shows(t, "a source that fails", s.source("text", "failing"), secrets...)
	value := s.source("json", "ok")
	shows(t, "a source's value", value, secrets...)
	if !contains(fmt.Sprint(value), "zone=north") || !contains(fmt.Sprint(value), "***") {
		t.Errorf("the value is %v, want the rest of it", value)
	}
	for _, job := range []string{"text", "json"} {
		run := s.ended(of(s.json(202, "POST", "/api/v1/jobs/"+job+"/runs", `{}`), "id"))
		shows(t, "the run of "+job, run, secrets...)
		text, _, _ := s.output(of(run, "id"), 0)
		shows(t, "the output of "+job, text, secrets...)
		if all := fmt.Sprint(run, text); !contains(all, "zone=north") || !contains(all, "***") {
			t.Errorf("the run of %s is %v %s, want the rest of the answer", job, run, text)
		}
	}
	s.stop()
	shows(t, "the log", s.log.String(), secrets...)
}

// An upstream repeats one cookie of several, the parameter of a credential, or its own address; a program says what its
// arguments are.
func TestThePartsOfCredentialsAreHidden(t *testing.T) {
	t.Setenv("PATH_OF_TEST", "p4th-of-test")
	u := newUpstream(t, "")
	u.does(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/fails") {
			w.WriteHeader(http.StatusTeapot)
		}
		cookie, _ := r.Cookie("sid")
		_, token, _ := strings.Cut(r.Header.Get("Authorization"), "token=")
		_ = json.NewEncoder(w).Encode(object{"session": cookie.Value, "token": token, "segments": strings.Split(r.URL.Path, "/"), "error": r.URL.Path + token, "zone": "north"})
	})
	t.Setenv("ADDRESS_OF_TEST", u.URL+"/c0ffee00c0ffee00")
	s := start(t, fmt.Sprintf(`
upstreams:
  plant: {http: "%s/${env:PATH_OF_TEST}", headers: {Cookie: sid=letmein; theme=dark, Authorization: Token token=abcdef}}
  whole: {http: "${env:ADDRESS_OF_TEST}", headers: {Cookie: sid=letmein; theme=dark, Authorization: Token token=abcdef}}
defaults: {every: 1h, backoff: {min: 1h, max: 1h}}
sources:
  good: {http: {upstream: plant, path: /good}}
  fails: {http: {upstream: plant, path: /fails}}
  whole: {http: {upstream: whole, path: /good}}
  argv: {exec: [echo, --token=ab+cdef, zone=north]}
jobs:
  good: {http: {upstream: plant, path: /good}}
  fails: {http: {upstream: plant, path: /fails}}
  argv: {exec: [echo, --password, ab+cdef, zone=north]}
`, u.URL))
	secrets := []string{"letmein", "abcdef", "p4th-of-test", "c0ffee00", "ab+cdef"}
	for _, source := range []string{"good", "whole", "argv"} {
		value := s.source(source, "ok")
		shows(t, source, value, secrets...)
		if !contains(fmt.Sprint(value), "north") {
			t.Errorf("%s is %v, want the rest of it", source, value)
		}
	}
	shows(t, "a source that fails", s.source("fails", "failing"), secrets...)
	for _, job := range []string{"good", "fails", "argv"} {
		run := s.ended(of(s.json(202, "POST", "/api/v1/jobs/"+job+"/runs", `{}`), "id"))
		text, _, _ := s.output(of(run, "id"), 0)
		shows(t, "the job "+job, fmt.Sprint(run, text), secrets...)
	}
	s.stop()
	shows(t, "the log", s.log.String(), secrets...)
}

// A program prints a secret argument as its language encodes it.
func TestNoSpellingOfASecretArgumentIsPrinted(t *testing.T) {
	for _, pin := range []string{"pässwört", `a+<é`, `p/5"%=w`, `k=%2B"<é`, `Zm9v+YmFy/cXV4==%"<é0123456789abcdefghij`} {
		quoted, _ := json.Marshal(pin)
		python, half := "", ""
		for _, c := range pin {
			switch {
			case c == '"':
				python += `\"`
			case c > 0x7f:
				python += fmt.Sprintf(`\u%04x`, c)
			default:
				python += string(c)
			}
			half += "\x1b[1m" + string(c)
		}
		script := shell(t, `cat <<'END'
`+strings.Join([]string{"got " + pin, "got " + python, half, `::result {"pin": "` + python + `", "` + python + `": 1}`, "::progress 50 at " + python}, "\n")+`
END
exit 3`)
		s := start(t, fmt.Sprintf("jobs: {scan: {exec: [sh, %s, '{pin}'], args: {pin: {secret: true}}}}", script))
		run := s.ended(of(s.json(202, "POST", runs, `{"args":{"pin":`+string(quoted)+`}}`), "id"))
		text, _, _ := s.output(of(run, "id"), 0)
		inner := string(quoted[1 : len(quoted)-1])
		shows(t, "the run", run, pin, python, inner)
		shows(t, "the output", text, pin, python, inner)
		if result, _ := json.Marshal(run["result"]); string(result) != `{"***":1,"pin":"***"}` {
			t.Errorf("the result is %s, want it without the secret", result)
		}
		if run["message"] != "at ***" || text != "got ***\ngot ***\n***\n" {
			t.Errorf("the run says %v and prints %q", run["message"], text)
		}
	}
}

// A line that is too long is cut, perhaps within a secret.
func TestNoHalfOfASecretIsPrinted(t *testing.T) {
	const pin = "0123456789abcdefghij"
	script := shell(t, `head -c 65526 /dev/zero | tr '\0' x; echo "$1 and more"`)
	s := start(t, fmt.Sprintf("jobs: {scan: {exec: [sh, %s, '{pin}'], args: {pin: {secret: true}}}}", script))
	run := s.ended(of(s.json(202, "POST", runs, `{"args":{"pin":"`+pin+`"}}`), "id"))
	text, _, _ := s.output(of(run, "id"), 0)
	if !strings.HasSuffix(text, "x*** [cut]\n") {
		t.Errorf("the output ends in %q, want the half of the secret hidden", text[max(0, len(text)-40):])
	}
}

func TestASecretThatIsTooShortIsRefused(t *testing.T) {
	s := start(t, "jobs: {scan: {exec: ['true', '{pin}'], args: {pin: {secret: true}}}}")
	if _, _, body := s.do("POST", runs, `{"args":{"pin":"ab1"}}`); !contains(body, "at least 4 characters") || contains(body, "ab1") {
		t.Errorf("a secret of 3 characters: %s", body)
	}
	s.ended(of(s.json(202, "POST", runs, `{"args":{"pin":"ab12"}}`), "id"))
}

// Who guesses a secret argument learns nothing from how a start is answered.
func TestARunWithASecretIsJoinedByNobody(t *testing.T) {
	for _, policy := range []string{"join", "queue, queue: 1", "reject"} {
		script := newScript(t)
		s := start(t, "jobs:\n  scan: {exec: "+script.Argv("{n}")+", args: {n: {secret: true}}, on_busy: "+policy+"}\n")
		guess := func(n string) string {
			status, _, body := s.do("POST", runs, `{"args":{"n":"`+n+`"}}`)
			return fmt.Sprint(status, " ", body)
		}
		id := of(s.json(202, "POST", runs, `{"args":{"n":"right"}}`), "id")
		p := script.Begun()
		if policy != "join" && policy != "reject" {
			if got := s.json(202, "POST", runs, `{"args":{"n":"right"}}`); got["id"] == id || got["coalesced"] != false {
				t.Errorf("%s: a start with the secret = %v, want a run of its own", policy, got)
			}
		}
		right, wrong := guess("right"), guess("wrong")
		if right != wrong || strings.HasPrefix(right, "202") {
			t.Errorf("%s: the right guess = %s, a wrong one = %s, want the same refusal", policy, right, wrong)
		}
		p.Stubborn()
		s.json(202, "POST", "/api/v1/runs/"+id+"/cancel", "")
		if right, wrong := guess("right"), guess("wrong"); right != wrong {
			t.Errorf("%s: while it is cancelled, the right guess = %s, a wrong one = %s", policy, right, wrong)
		}
		p.Exit(0)
		s.ended(id)
	}
}
