package main

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
)

// explorable is a server with a tank whose level moves, and with answers in other formats.
func explorable(t *testing.T) *httptest.Server {
	t.Helper()
	var polls atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := polls.Add(1)
		answer := func(media, text string) {
			w.Header().Set("Content-Type", media)
			fmt.Fprint(w, text)
		}
		switch r.URL.Path {
		case "/tank":
			answer("application/json", fmt.Sprintf(`{"name": "T-101\u001b[2J", "level": %d, "pump": {"running": true, "flow": 4.25}, "at": %d}`, 60+n, 1_700_000_000+n))
		case "/guarded":
			if r.Header.Get("Authorization") != "Bearer s3cret-token" || r.Header.Get("X-Team") != "7" || r.URL.Query().Get("appid") != "k3y-of-mine" {
				http.Error(w, "who are you?", http.StatusUnauthorized)
				return
			}
			answer("application/json", `{"temp": 21.5}`)
		case "/login":
			if user, password, _ := r.BasicAuth(); user != "me" || password != "s3cret-word" {
				http.Error(w, "who are you?", http.StatusUnauthorized)
				return
			}
			answer("application/json", `{"temp": 21.5}`)
		case "/log.csv":
			answer("text/csv", "time;temp\n12:00;20,5\n12:01;21,5\n")
		case "/status.xml":
			answer("application/xml", `<station id="7"><temp unit="C">21.5</temp></station>`)
		case "/meminfo":
			answer("text/plain", "MemTotal:  16384 kB\nMemFree:   1 kB\n")
		case "/page.html":
			answer("text/html", `<!doctype html><p id="temp">21.5 °C</p><table id=t><tr><th>Level<td>41</table>`)
		case "/metrics":
			answer("text/plain", "# TYPE load gauge\nload 0.5\nfree{mount=\"/\"} 10\nfree{mount=\"/data\"} NaN\n")
		case "/many":
			answer("application/json", "["+strings.Repeat("1,", 1000)+"1]")
		case "/devices":
			answer("application/json", fmt.Sprintf(`{"devices": [{"id": 7, "label": "North", "temp": %d.5}, {"id": 8, "label": "South", "temp": 20.5}]}`, n))
		case "/number":
			answer("text/plain", "42")
		case "/broken":
			answer("application/json", `{"a": `)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

var tookWords = regexp.MustCompile(` in [0-9.]+(ns|µs|ms|s)( \([^)]*\))?`)

// explored runs the command, and returns what it prints with times and addresses that are the same each time.
func explored(t *testing.T, server *httptest.Server, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	code, stdout, stderr = tidewire(t, append([]string{"explore"}, args...)...)
	same := func(s string) string {
		return tookWords.ReplaceAllString(strings.ReplaceAll(s, server.URL, "http://10.0.0.9"), " in 1ms")
	}
	return code, same(stdout), same(stderr)
}

// What explore prints is a whole configuration that works, and people see what is in the answer.
func TestExplore(t *testing.T) {
	server := explorable(t)
	t.Chdir(t.TempDir())
	if err := os.WriteFile("note.json", []byte(`{"a": 1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name           string
		args           []string
		stdout, stderr string
	}{
		{"what moves", []string{server.URL + "/tank", "--wait", "1ms"}, `version: 1

upstreams:
  local: {http: http://10.0.0.9}

sources:
  tank:
    http: {upstream: local, path: /tank}
    every: 10s
    pick: {level: .level}
    show: {value: level, history: 24h}
`, `200 OK, application/json, 98 bytes in 1ms
asked again after 1ms: 2 of 5 values moved

   1  .at            1700000001 → 1700000002
   2  .level         61 → 62
   3  .name          "T-101\u001b[2J"
   4  .pump.flow     4.25
   5  .pump.running  true

tank is {"level":63}

`},
		{"what is said", []string{server.URL + "/tank", "--wait", "0", "--pick", ".pump.flow", "--pick", "hot=.level > 20", "--pick", "level=2", "--show", "level", "--unit", "%", "--every", "1m", "--name", "t-101", "--title", "Tank: one"}, `version: 1

upstreams:
  local: {http: http://10.0.0.9}

sources:
  t-101:
    title: "Tank: one"
    http: {upstream: local, path: /tank}
    every: 1m
    pick: {flow: .pump.flow, hot: ".level > 20", level: .level}
    show: {value: level, unit: "%", history: 24h}
`, `200 OK, application/json, 98 bytes in 1ms

   1  .at            1700000004
   2  .level         64
   3  .name          "T-101\u001b[2J"
   4  .pump.flow     4.25
   5  .pump.running  true

t-101 is {"flow":4.25,"hot":true,"level":65}

`},
		{"a number alone", []string{server.URL + "/number", "--wait", "0"}, `version: 1

upstreams:
  local: {http: http://10.0.0.9}

sources:
  number:
    http: {upstream: local, path: /number}
    every: 10s
    show: {history: 24h}
`, `200 OK, text/plain, 2 bytes in 1ms

   1  .  42

number is 42

`},
		{"a file", []string{"note.json", "--wait", "0"}, `version: 1

sources:
  note:
    file: note.json
    every: 10s
    pick: {a: .a}
    show: {value: a, history: 24h}
`, `8 bytes in 1ms

   1  .a  1

note is {"a":1}

`},
		{"a command", []string{"--wait", "0", "--unit", "%", "--", "printf", `%s\n`, "Filesystem Use%", "/dev/sda 71%"}, `version: 1

sources:
  printf:
    exec: [printf, '%s\n', Filesystem Use%, /dev/sda 71%]
    every: 10s
    parse: lines
    pick: {use: '.[1] | [splits("\\s+")][1] | rtrimstr("%") | tonumber'}
    show: {value: use, unit: "%", history: 24h}
`, `28 bytes in 1ms

   1  .[0]                                                   "Filesystem Use%"
   2  .[1]                                                   "/dev/sda 71%"
   3  .[1] | [splits("\\s+")][1] | rtrimstr("%") | tonumber  71

printf is {"use":71}

`},
	} {
		code, stdout, stderr := explored(t, server, tt.args...)
		if code != 0 || stdout != tt.stdout || stderr != tt.stderr {
			t.Errorf("%s: %d\n%s\nwant\n%s\nand on stderr\n%s\nwant\n%s", tt.name, code, stdout, tt.stdout, stderr, tt.stderr)
		}
		if _, problems := config.Load("tidewire.yaml", []byte(stdout)); problems != nil {
			t.Errorf("%s: %v", tt.name, problems)
		}
	}
}

// Each row of an answer can become a source of its own, named by a field.
func TestExploreSplits(t *testing.T) {
	server := explorable(t)
	code, stdout, stderr := explored(t, server, server.URL+"/devices", "--wait", "1ms")
	if code != 0 || strings.Contains(stdout, "split") || !strings.Contains(stderr, "\n2 rows in .devices[], each with another id: --split id makes a source of each\n") {
		t.Errorf("without --split: %d\n%s\n%s\nwant it proposed", code, stderr, stdout)
	}
	code, stdout, stderr = explored(t, server, server.URL+"/devices", "--wait", "1ms", "--split", "id", "--unit", "°C")
	const want = `  devices:
    http: {upstream: local, path: /devices}
    every: 10s
    split: {each: ".devices[]", name: .id, title: .label}
    pick: {temp: .temp}
    show: {value: temp, unit: °C, history: 24h}
`
	const first = `the first row, 7:

   1  .id     7
   2  .label  "North"
   3  .temp   4.5 → 5.5

devices/7 is {"temp":6.5}
`
	if code != 0 || !strings.HasSuffix(stdout, want) || !strings.Contains(stderr, first) {
		t.Errorf("--split id: %d\n%s\n%s\nwant\n%s\n%s", code, stderr, stdout, first, want)
	}
	if _, problems := config.Load("tidewire.yaml", []byte(stdout)); problems != nil {
		t.Error(problems)
	}
	for field, want := range map[string]string{"temp": "temp does not tell the rows in .devices[] apart, but there is id, label", "x": "x does not tell"} {
		if code, _, stderr := explored(t, server, server.URL+"/devices", "--wait", "1ms", "--split", field); code != 2 || !strings.Contains(stderr, "--split: "+want) {
			t.Errorf("--split %s: %d, %s, want %s", field, code, stderr, want)
		}
	}
	if code, _, stderr := explored(t, server, server.URL+"/tank", "--wait", "0", "--split", "id"); code != 2 || !strings.Contains(stderr, "no rows that can be told apart") {
		t.Errorf("--split of an answer without rows: %d, %s", code, stderr)
	}
}

// Answers in all formats are read as what they are.
func TestExploreFormats(t *testing.T) {
	server := explorable(t)
	for path, want := range map[string]string{
		"/log.csv":    `pick: {temp: '.[-1].temp | sub(","; ".") | tonumber'}`,
		"/status.xml": `temp: '.station.temp["#text"] | tonumber'`,
		"/metrics":    `load: ".load[0].value"`,
		"/meminfo":    `MemTotal`,
		"/page.html": `    parse: {html: {temp: "#temp", level: "#t > tbody > tr > td"}}
    pick: {temp: '.temp | capture("^(?<n>-?[0-9.]+)").n | tonumber', level: ".level | tonumber"}
`,
	} {
		code, stdout, stderr := explored(t, server, server.URL+path, "--wait", "0")
		if code != 0 || !strings.Contains(stdout, want) {
			t.Errorf("%s: %d, %s\n%s\nwant %s", path, code, stderr, stdout, want)
		}
	}
	code, stdout, stderr := explored(t, server, server.URL+"/many", "--wait", "0")
	if code != 0 || strings.Count(stderr, "\n") > 12 || !strings.Contains(stderr, "and 998 more like these") || !strings.Contains(stdout, `pick: {value: ".[0]", value_2: ".[1]", value_3: ".[2]"}`) {
		t.Errorf("a long list: %d\n%s\n%s", code, stderr, stdout)
	}
}

// The file that the source is written into keeps what it has; its upstream is used, and a name that is taken is not.
func TestExploreWrites(t *testing.T) {
	server := explorable(t)
	name := file(t, `# mine
version: 1
upstreams:
  plant: {http: `+server.URL+`, headers: {X-Team: "7"}}   # ours
sources:
  tank: {exec: [a]} # the old one

# for later
jobs: {}
`)
	if err := os.Chmod(name, 0o640); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link.yaml")
	if err := os.Symlink(name, link); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := explored(t, server, server.URL+"/tank", "--wait", "0", "--pick", ".level", "--write", link)
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	want := `# mine
version: 1
upstreams:
  plant: {http: ` + server.URL + `, headers: {X-Team: "7"}}   # ours
sources:
  tank: {exec: [a]} # the old one
  tank-2:
    http: {upstream: plant, path: /tank}
    every: 10s
    pick: {level: .level}
    show: {value: level, history: 24h}

# for later
jobs: {}
`
	if code != 0 || stdout != "" || string(text) != want || !strings.Contains(stderr, "is the upstream plant of ") || !strings.Contains(stderr, "tank-2 is {\"level\":62}, and is in "+link) {
		t.Errorf("%d, %q\n%s\n%s\nwant\n%s", code, stdout, stderr, text, want)
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the mode is %v, %v", info, err)
	}

	fresh := filepath.Join(t.TempDir(), "new.yaml")
	if code, _, stderr = explored(t, server, server.URL+"/number", "--wait", "0", "--write", fresh); code != 0 {
		t.Errorf("a new file: %d, %s", code, stderr)
	}
	if code, out, _ := tidewire(t, "check", fresh); code != 0 {
		t.Errorf("check = %d, %s", code, out)
	}
}

// Of several upstreams at a host the one is used whose address says most of what is explored.
func TestExploreUsesTheNearestUpstream(t *testing.T) {
	server := explorable(t)
	for way, want := range map[string]string{
		`{all: {http: URL}, guarded: {http: URL/guarded, bearer: s3cret-token, headers: {X-Team: "7"}}}`:                           "guarded",
		`{guard: {http: URL/guard}, all: {http: URL/, bearer: s3cret-token, headers: {X-Team: "7"}}, below: {http: URL/guarded/}}`: "all, path: /guarded",
	} {
		name := filepath.Join(t.TempDir(), "mine.yaml")
		if err := os.WriteFile(name, []byte("version: 1\nupstreams: "+strings.ReplaceAll(way, "URL", server.URL)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		code, _, stderr := explored(t, server, server.URL+"/guarded?appid=k3y-of-mine", "--wait", "0", "--write", name)
		if text, _ := os.ReadFile(name); code != 0 || !strings.Contains(string(text), "http: {upstream: "+want+", query: ") {
			t.Errorf("of %s: %d, %s\n%s", way, code, stderr, text)
		}
	}
}

// Credentials are used, and never written or shown.
func TestExploreHidesCredentials(t *testing.T) {
	server := explorable(t)
	t.Setenv("LOCAL_TOKEN", "")
	t.Setenv("LOCAL_APPID", "")
	t.Setenv("LOCAL_PASSWORD", "")
	t.Setenv("MINE", "s3cret-token")
	for _, bearer := range []string{"s3cret-token", "${env:MINE}"} {
		code, stdout, stderr := explored(t, server, server.URL+"/guarded?appid=k3y-of-mine", "--wait", "0", "--bearer", bearer, "--header", "X-Team: 7")
		if code != 0 || strings.Contains(stdout+stderr, "s3cret") || strings.Contains(stdout+stderr, "k3y-of") {
			t.Errorf("%d, %s\n%s", code, stderr, stdout)
		}
		variable := "LOCAL_TOKEN"
		if bearer != "s3cret-token" {
			variable = "MINE"
		}
		if !strings.Contains(stdout, `bearer: "${env:`+variable+`}"`) || !strings.Contains(stdout, `query: {appid: "${env:LOCAL_APPID}"}`) || !strings.Contains(stdout, `X-Team: "7"`) {
			t.Errorf("it writes\n%s", stdout)
		}
		if asks := strings.Contains(stderr, "set the environment variable LOCAL_TOKEN"); asks != (variable == "LOCAL_TOKEN") || !strings.Contains(stderr, "set the environment variable LOCAL_APPID") {
			t.Errorf("it says\n%s", stderr)
		}
	}
	code, stdout, stderr := explored(t, server, strings.Replace(server.URL, "://", "://me:s3cret-word@", 1)+"/login", "--wait", "0")
	if code != 0 || !strings.Contains(stdout, `auth: {basic: {user: me, password: "${env:LOCAL_PASSWORD}"}}`) || strings.Contains(stdout+stderr, "s3cret") {
		t.Errorf("with a password: %d, %s\n%s", code, stderr, stdout)
	}
	code, stdout, stderr = explored(t, server, server.URL+"/guarded", "--wait", "0", "--bearer", "s3cret-other")
	if code != exitFailure || stdout != "" || !strings.Contains(stderr, "401 Unauthorized") || !strings.Contains(stderr, "--bearer") || strings.Contains(stderr, "s3cret") {
		t.Errorf("a wrong token: %d, %q, %s", code, stdout, stderr)
	}
}

// A password is given by the scheme Digest where a server wants that. What has no flag can be in the file.
func TestExploreGivesAPasswordByDigest(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// that the hash is right is tested with the scheme itself
		if given := r.Header.Get("Authorization"); !strings.HasPrefix(given, "Digest ") || !strings.Contains(given, `username="ann"`) {
			w.Header().Set("WWW-Authenticate", `Digest realm="plant", qop="auth", nonce="n1", algorithm=SHA-256`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"power": 3200}`)
	}))
	defer server.Close()
	as := func(user string) (int, string, string) {
		return explored(t, server, strings.Replace(server.URL, "://", "://"+user+":s3cret-word@", 1), "--wait", "0")
	}
	code, stdout, stderr := as("ann")
	if code != 0 || !strings.Contains(stdout, `auth: {digest: {user: ann, password: "${env:LOCAL_PASSWORD}"}}`) || !strings.Contains(stderr, "scheme Digest") ||
		strings.Contains(stdout+stderr, "s3cret") {
		t.Errorf("%d, %s\n%s", code, stderr, stdout)
	}
	code, stdout, stderr = as("bob")
	if code != exitFailure || stdout != "" || !strings.Contains(stderr, "does not take this credential") || !strings.Contains(stderr, "For OAuth 2.0 write the upstream into a file") {
		t.Errorf("another user: %d, %s\n%s", code, stderr, stdout)
	}
}

// With --unit that is picked which has the unit, and shown large. A unit in a text is that of the source.
func TestExploreFindsUnits(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/df":
			fmt.Fprint(w, "Filesystem Used Capacity\n/dev/vda 71239 30%\n")
		case "/page":
			fmt.Fprint(w, `<html><p id="level">2.28 m</p></html>`)
		default:
			fmt.Fprint(w, "requests{code=\"200\"} 5\nrequests{code=\"500\"} 3\n")
		}
	}))
	defer server.Close()
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"/df", "--unit", "%"}, `show: {value: capacity, unit: "%", history: 24h}`},
		{[]string{"/df"}, `show: {value: used, history: 24h}`},
		{[]string{"/page"}, `show: {value: level, unit: m, history: 24h}`},
		{[]string{"/metrics"}, `requests_200: '.requests[] | select(.labels.code == "200").value'`},
	} {
		code, stdout, stderr := explored(t, server, append([]string{server.URL + tt.args[0], "--wait", "0"}, tt.args[1:]...)...)
		if code != 0 || !strings.Contains(stdout, tt.want) {
			t.Errorf("%v: %d, want %s in\n%s\n%s", tt.args, code, tt.want, stdout, stderr)
		}
	}
}

// A server with a certificate of its own is asked if that is said, by flags that become keys of the upstream.
func TestExploreWithACertificate(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"a": 1}`) }))
	defer server.Close()
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := explored(t, server, server.URL, "--wait", "0")
	if code != exitFailure || stdout != "" || !strings.Contains(stderr, "--insecure") {
		t.Errorf("an unknown authority: %d, %q, %s", code, stdout, stderr)
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--insecure"}, "tls: {insecure: true}"},
		{[]string{"--ca", ca}, "tls: {ca: " + ca + "}"},
	} {
		code, stdout, stderr := explored(t, server, append([]string{server.URL, "--wait", "0"}, tt.args...)...)
		if code != 0 || !strings.Contains(stdout, tt.want) {
			t.Errorf("%v: %d, %s\n%s", tt.args, code, stderr, stdout)
		}
	}
}

// What is wrong is said, with what would be right, and nothing is written.
func TestExploreSaysWhatIsWrong(t *testing.T) {
	server := explorable(t)
	broken := file(t, "version: 1\nsources: {a: {exek: [a]}}\n")
	taken := file(t, "version: 1\nsources: {a: {exec: [a]}}\n")
	tank := server.URL + "/tank"
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{nil, exitUsage, "say what to explore"},
		{[]string{"--"}, exitUsage, "say what to explore"},
		{[]string{"ls", "/"}, exitUsage, "write -- before a command"},
		{[]string{"10.0.0.9/status"}, exitFailure, "if it is an address, write http://10.0.0.9/status"},
		{[]string{"ftp://10.0.0.9/status"}, exitFailure, "explore asks http:// and https:// addresses, not those of ftp"},
		{[]string{"/nowhere"}, exitFailure, "no such file"},
		{[]string{"http://"}, exitUsage, "the address cannot be read"},
		{[]string{server.URL + "/none"}, exitFailure, "404 Not Found"},
		{[]string{server.URL + "/broken", "--parse", "json"}, exitFailure, "the answer is not json"},
		{[]string{tank, "--parse", "toml"}, exitUsage, "--parse toml is none of"},
		{[]string{tank, "--pick", ".level +"}, exitUsage, "is not valid jq"},
		{[]string{tank, "--pick", "x=.level[]"}, exitUsage, "--pick: "},
		{[]string{tank, "--pick", "9"}, exitUsage, "there is no 9 in the list, which has 5 values"},
		{[]string{tank, "--pick", ".level", "--show", "lvl"}, exitUsage, "--show: nothing is picked under the name lvl"},
		{[]string{tank, "--name", "Tank!"}, exitUsage, "--name: "},
		{[]string{tank, "--name", "a", "--write", taken}, exitUsage, "already has a source a"},
		{[]string{tank, "--header", "nonsense"}, exitUsage, "--header: write it as in"},
		{[]string{tank, "--every", "soon"}, exitFailure, `every: "soon" is not a duration`},
		{[]string{"--bearer", "x", "--", "ls"}, exitUsage, "--bearer is for an address"},
		{[]string{tank, "--write", broken}, exitFailure, broken + `:2:15: unknown key "exek"`},
		{[]string{"--", "sh", "-c", "echo no >&2; exit 3"}, exitFailure, "exit status 3: no"},
		{[]string{"--", "sh", "-c", "echo 401 Unauthorized >&2; exit 22"}, exitFailure, "exit status 22: 401 Unauthorized\n"},
	} {
		code, stdout, stderr := explored(t, server, append([]string{"--wait", "0"}, tt.args...)...)
		if code != tt.code || stdout != "" || !strings.Contains(stderr, tt.want) {
			t.Errorf("%q = %d, %q, %s\nwant %d and %s", tt.args, code, stdout, stderr, tt.code, tt.want)
		}
		if strings.Contains(stderr, "If it wants a credential") {
			t.Errorf("%q advises about credentials, which no server wants: %s", tt.args, stderr)
		}
	}
	text, err := os.ReadFile(taken)
	if err != nil || string(text) != "version: 1\nsources: {a: {exec: [a]}}\n" {
		t.Errorf("the file is %s, %v", text, err)
	}
}

// A file is replaced as a whole, unless somebody has changed it meanwhile.
func TestReplaceFile(t *testing.T) {
	name := file(t, "old")
	if err := replaceFile(name, []byte("other"), []byte("new")); err == nil || !strings.Contains(err.Error(), "it has changed meanwhile") {
		t.Errorf("a file that has changed: %v", err)
	}
	if err := replaceFile(name, nil, []byte("new")); err == nil {
		t.Error("a file that has come meanwhile is replaced")
	}
	if err := replaceFile(name, []byte("old"), []byte("new")); err != nil {
		t.Error(err)
	}
	if text, _ := os.ReadFile(name); string(text) != "new" {
		t.Errorf("the file is %s", text)
	}
	if err := os.Chmod(name, 0o444); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(name, []byte("new"), []byte("newer")); err == nil || !strings.Contains(err.Error(), "it is read-only") {
		t.Errorf("a file that is read-only: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(name), ".tidewire-*"))
	if err != nil || left != nil {
		t.Errorf("%v are left", left)
	}
}

func FuzzSplitWords(f *testing.F) {
	for _, s := range []string{"1 2-3, a=4", `'hot=.temp > 80' x`, `.["a b"] 'it''s'`, "'", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, err := splitWords(line)
		if err != nil && words != nil {
			t.Errorf("%q: %v and %q", line, err, words)
		}
		if !strings.ContainsAny(line, `'"`) && strings.Join(words, "") != strings.NewReplacer(" ", "", ",", "", "\t", "").Replace(line) {
			t.Errorf("%q came to %q", line, words)
		}
	})
}

// What looks like a reference in an answer is a text of its keys: nothing of this machine gets into the configuration.
func TestExploreOfReferences(t *testing.T) {
	t.Setenv("EXPLORE_TEST", "s3cret-word")
	secretFile := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secretFile, []byte("s3cret-word"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/page" {
			fmt.Fprint(w, `<!doctype html><a${env:explore_test}>1</a${env:explore_test}><p>2</p>`)
			return
		}
		fmt.Fprintf(w, `{"${env:EXPLORE_TEST}": 1, "$${env:EXPLORE_TEST}": 2, "${file:%s}": 3, "${jq: 1}": 4, "${": 5,
			"all": [{"name": "${env:EXPLORE_TEST}", "v": 6}, {"name": "b", "v": 7}]}`, secretFile)
	}))
	t.Cleanup(server.Close)
	code, stdout, stderr := explored(t, server, server.URL+"/", "--wait", "0", "--all")
	if code != 0 || strings.Contains(stdout+stderr, "s3cret-word") {
		t.Fatalf("explore: %d\n%s\n%s", code, stdout, stderr)
	}
	if n := strings.Count(stdout, "'.") + strings.Count(stdout, `select(`); n < 5 || strings.Count(stdout, "$${") < 5 {
		t.Errorf("%d: explore has written\n%s", n, stdout)
	}
	if code, stdout, stderr := explored(t, server, server.URL+"/page", "--wait", "0"); code != 0 || strings.Contains(stdout+stderr, "s3cret-word") ||
		!strings.Contains(stdout, "html: {") {
		t.Errorf("of a page: %d\n%s\n%s", code, stdout, stderr)
	}
}
