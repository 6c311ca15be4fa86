package config_test

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/kind/from"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/internal/kind/push"
	"github.com/tidewire/tidewire/internal/notify"
)

// load loads a file that must be good.
func load(t *testing.T, text string) *config.Config {
	t.Helper()
	c, problems := config.Load("good.yaml", []byte(text))
	if problems != nil {
		t.Fatalf("Load: problems\n%v\nwant none", problems)
	}
	return c
}

// TestBadFiles compares the problems of each testdata/bad/NAME.yaml with
// NAME.problems, see ofKinds. Where a line of that ends with …, anything may follow.
func TestBadFiles(t *testing.T) {
	config.ShowAllProblems(t)
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) < 9 {
		t.Fatalf("Glob: %d files, %v, want at least 9", len(files), err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			golden, err := os.ReadFile(strings.TrimSuffix(file, ".yaml") + ".problems")
			if err != nil {
				t.Fatal(err)
			}
			c, problems := config.Load(name, data)
			if c != nil {
				t.Errorf("Load returned a configuration besides problems")
			}
			got := strings.Split(problems.Error(), "\n")
			want := strings.Split(strings.TrimSuffix(ofKinds(string(golden)), "\n"), "\n")
			for i := range max(len(got), len(want)) {
				var g, w string
				if i < len(got) {
					g = got[i]
				}
				if i < len(want) {
					w = want[i]
				}
				if start, cut := strings.CutSuffix(w, "…"); g != w && !(cut && strings.HasPrefix(g, start)) {
					t.Fatalf("problem %d is\n%s\nwant\n%s", i+1, g, w)
				}
			}
		})
	}
}

// TestSyntax is about files that are not YAML, or more or less than one
// document of it.
func TestSyntax(t *testing.T) {
	for _, test := range []struct{ file, want string }{
		{"", `1:1: the file is empty, write at least "version: 1" and a source`},
		{"\n\n# only comments\n", `1:1: the file is empty, write at least "version: 1" and a source`},
		{"---\n", `1:1: the file is empty, write at least "version: 1" and a source`},
		{"- version: 1\n", `1:1: the file is a list, write a mapping of "key: value"`},
		{"version\n", `1:1: the file is a text, write a mapping of "key: value"`},
		{"version: 1\n---\nversion: 1\n", `2:1: a second YAML document begins here, keep one document per file and remove the "---"`},
		{"version: 2\n---\nversion: 1\n", "1:10: version: \"2\" is not a version of this format, write 1\n" +
			`2:1: a second YAML document begins here, keep one document per file and remove the "---"`},
		{"version: 2\n---\na: [\n", "1:10: version: \"2\" is not a version of this format, write 1\n" +
			`3:5: a value is missing here, close what is open and give each key a value`},
		{"version: 1\n listen: x\n", `2:8: ":" is not expected here, give keys of one mapping the same indentation, and put a text that contains ": " into quotes`},
		{"version: 1\nlisten: \"x\n", "2:9: this quoted text never ends, add the closing quote"},
		{"version: 1\nsources:\n  a: {exec: [echo, \"1]}\n  b: {exec: [echo, \"2\"]}\n", "3:20: this quoted text continues to line 4, add the closing quote where it ends"},
		{"version: 1\nsources:\n  a:\n    title: 'it''s\n    exec: [echo]\n  b:\n    title: 'x'\n", "4:12: this quoted text continues to line 7, add the closing quote where it ends"},
		{"version: 1 # don't\nsources:\n  a:\n    title: \"T \\\" k\n    exec: [it's, \"1\"]\n", "4:12: this quoted text continues to line 5, add the closing quote where it ends"},
		{"version: 1\nsources:\n  a: {title: 'one\n    two', exec: [a}\n", "4:17: this list is not closed properly, separate its elements by \",\" and end it with \"]\"; put a text that contains , [ ] { or } into quotes"},
		{"version: 1\nlisten: 'x", "2:9: this quoted text never ends, add the closing quote"},
		{"version: [1, 2\n", `1:10: this list is not closed properly, separate its elements by "," and end it with "]"; put a text that contains , [ ] { or } into quotes`},
		{"defaults: {every: 1s\n", `1:11: this mapping is not closed properly, separate its entries by "," and end it with "}"; put a text that contains , [ ] { or } into quotes`},
		{"{", "1:2: a value is missing here, close what is open and give each key a value"},
		{"defaults:\n\tevery: 1s\n", "2:1: a tab cannot stand here, indent with spaces"},
		{"listen: @home\n", "1:9: nothing can begin with this character, put the text into quotes"},
		{"version: 1\nlisten\n", `2:1: this line has no ":", write "key: value"`},
		{"defaults:\n  every: 1s\n jitter: 0\n", "3:2: no key begins here, give keys of one mapping the same indentation, and close quotes at the end of a text"},
		{`listen: "a\qb"`, `1:11: there is no such escape in a double-quoted text, write \\ for a backslash, or use single quotes`},
		{"listen: *home\n", "1:9: aliases are not supported, write the value out, or put a text that begins with * into quotes"},
		{"at: */5 * * * *\n", "1:9: a text cannot begin with *, put it into quotes"},
		{strings.Repeat("[", 20_000), "1:10001: the nesting is too deep, a configuration needs less than ten levels"},
		{"listen: -\n", "1:9: this is not valid YAML: block sequence entries are not allowed in this context, check brackets, quotes and indentation"},
		{"ä: \xe9\n", "1:4: this is not UTF-8 text, save the file as UTF-8"},
		{"v\x00: 1\n", `1:2: there is an invisible character U+0000 here, remove it, or write it as "\u0000" in double quotes`},
		{"a: 1\r\nb: 2\rc: \u2028\n", `3:4: there is an invisible character U+2028 here, remove it, or write it as "\u2028" in double quotes`},
		{"version: 1 \u0085\n", `1:12: there is an invisible character U+0085 here, remove it, or write it as "\u0085" in double quotes`},
		{"version: 1\n\ufeff", `2:1: there is an invisible character U+FEFF here, remove it, or write it as "\ufeff" in double quotes`},
		// Lines are counted with any line end, columns without a byte order mark.
		{"\ufeffversion: 2\r\nlisten: x\rjobs: x\n", "1:10: version: \"2\" is not a version of this format, write 1\n" +
			"2:9: listen: \"x\" is not host:port, write an address such as 127.0.0.1:8480 or [::1]:8480\n" +
			`3:7: jobs is a text, write a mapping of "key: value"`},
	} {
		_, problems := config.Load("f", []byte(test.file))
		want := "f:" + strings.ReplaceAll(test.want, "\n", "\nf:")
		if got := problems.Error(); got != want {
			t.Errorf("Load(%.40q):\n%s\nwant\n%s", test.file, got, want)
		}
	}
}

// TestSecretsAreNotQuoted: a problem never shows what may be a credential.
func TestSecretsAreNotQuoted(t *testing.T) {
	_, problems := config.Load("f", []byte(`version: 1
upstreams:
  a: {http: "https://user:hunter2@example.com"}
  b: {http: "https://user:hunter2@exam ple.com"}
  c: {http: https://example.com, bearer: "hunter2 ", headers: {X-Key: "hunter2\n", "A B": hunter2}}
  d: {http: https://example.com, bearer: "hunter2\n", headers: {X-Key: [hunter2], Host: hunter2}}
`))
	if len(problems) != 8 {
		t.Errorf("Load: %d problems, want 8:\n%v", len(problems), problems)
	}
	if strings.Contains(problems.Error(), "hunter2") {
		t.Errorf("Load quotes a credential:\n%v", problems)
	}
}

func TestEveryKey(t *testing.T) {
	data, err := os.ReadFile("testdata/every-key.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, problems := config.Load("testdata/every-key.yaml", data)
	if problems != nil {
		t.Fatal(problems)
	}

	if got, want := c.Listen, "[::1]:9000"; got != want {
		t.Errorf("Listen = %q, want %q", got, want)
	}
	if got, want := c.Socket, (config.Socket{Mode: 0o660, UID: 0, GID: 33}); got != want {
		t.Errorf("Socket = %v, want %v", got, want)
	}
	if got, want := c.PublicURL.String(), "https://plant.example.com/tide"; got != want {
		t.Errorf("PublicURL = %s, want %s", got, want)
	}
	if got, want := c.Forwarded, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), config.UnixPeers}; !slices.Equal(got, want) {
		t.Errorf("Forwarded = %v, want %v", got, want)
	}
	if want, err := filepath.Abs("testdata/audit.jsonl"); err != nil || c.Audit != want {
		t.Errorf("Audit = %s, want %s, %v", c.Audit, want, err)
	}
	if want, err := filepath.Abs("testdata/data"); err != nil || *c.Store != (config.Store{Dir: want, Keep: 720 * time.Hour, MaxSize: 2e9}) {
		t.Errorf("Store = %v, want %s, %v", c.Store, want, err)
	}
	if p := c.Page; p.Title != "Plant 7" || p.Logo.Type != "image/svg+xml" || !strings.Contains(string(p.CSS.Data), "#a40") || len(p.Embed) != 1 {
		t.Errorf("Page = %+v", p)
	}
	if a, want := c.Access, (&config.Access{
		Anonymous: config.RoleViewer,
		Tokens: []*config.Token{
			{Name: "ci", SHA256: sha256.Sum256([]byte("test")), Role: config.RoleOperator, Jobs: []string{"discover", "plain"}},
			{Name: "root", SHA256: sha256.Sum256([]byte("test2")), Role: config.RoleAdmin},
			{Name: "sensor", SHA256: sha256.Sum256([]byte("test3")), Push: []string{"door"}},
		},
		OIDC: &config.OIDC{
			Issuer: "https://id.example.com/realms/plant", ClientID: "tidewire", ClientSecret: "s3cret", Scopes: []string{"openid", "groups"},
			GroupsClaim: "roles", Prompt: "login", Groups: map[string]config.Role{"ops": config.RoleOperator, "leads": config.RoleAdmin},
		},
		Proxy: &config.Proxy{
			Trust:      []netip.Prefix{netip.MustParsePrefix("10.0.0.5/32"), netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("::1/128")},
			UserHeader: "Remote-User", GroupsHeader: "Remote-Groups", Groups: map[string]config.Role{"ops": config.RoleOperator}, Role: config.RoleNone,
		},
	}); !reflect.DeepEqual(a, want) {
		t.Errorf("Access = %#v with %#v, %#v, %#v", a, a.Tokens, a.OIDC, a.Proxy)
	}
	weather, plain := c.Upstreams[0], c.Upstreams[1]
	if got, want := serverOf(weather).Header, (http.Header{"Accept": {"application/json"}, "Authorization": {"Bearer s3cret"}, "X-Team": {"7"}}); !reflect.DeepEqual(got, want) {
		t.Errorf("headers of weather = %v, want %v", got, want)
	}
	if weather.Name != "weather" || serverOf(weather).URL.String() != "https://api.example.com/base/" || weather.Limit != 60./3600 || weather.Burst != 5 {
		t.Errorf("weather = %+v", weather)
	}
	if serverOf(plain).Header == nil || len(serverOf(plain).Header) != 0 || plain.Limit != 0 || plain.Burst != 1 {
		t.Errorf("plain = %+v, want no headers, no limit and a burst of 1", plain)
	}

	byUpstream := map[string]*httpkind.Upstream{}
	for _, u := range c.Upstreams {
		byUpstream[u.Name] = serverOf(u)
	}
	in := func(name string) string { path, _ := filepath.Abs("testdata/" + name); return path }
	if u := byUpstream["basic"]; u.Header.Get("Authorization") != "Basic YW5uOmh1bnRlcjI=" || !u.LinkLocal || u.Proxy.Host != "proxy.example:3128" || !u.TLS.Insecure {
		t.Errorf("basic = %#v", *u)
	}
	if u := byUpstream["digest"]; *u.Auth.Digest != (httpkind.Login{User: "ann", Password: "hunter2"}) || !u.NoProxy || u.Proxy != nil {
		t.Errorf("digest = %#v", *u)
	}
	if o, want := byUpstream["tokens"].Auth.OAuth2, (&httpkind.OAuth2{
		TokenURL: &url.URL{Scheme: "https", Host: "id.example", Path: "/token"}, ClientID: "tidewire", ClientSecret: "hunter2",
		Scopes: []string{"read", "metrics"}, Params: []httpkind.Parameter{{Name: "audience", Value: "tides"}}, Style: httpkind.StyleBody,
	}); !reflect.DeepEqual(o, want) {
		t.Errorf("oauth2 = %#v, want %#v", o, want)
	}
	if u, want := byUpstream["keyed"], (kind.TLS{CA: in("ca.pem"), Cert: in("client.pem"), CertKey: in("client-key.pem"), ServerName: "plant.example"}); u.TLS != want || u.Auth.Query != (httpkind.Parameter{Name: "appid", Value: "hunter2"}) {
		t.Errorf("keyed = %#v, want tls as %#v", *u, want)
	}
	if u := byUpstream["socket"]; u.Unix != in("docker.sock") || u.Header.Get("X-Key") != "hunter2" {
		t.Errorf("socket = %#v", *u)
	}
	inside := c.Notify[2]
	if h := inside.Receiver.(*notify.HTTP); inside.Upstream.Name != "keyed" || h.Upstream != byUpstream["keyed"] || h.Path != "/hook/{title}/${jq: .count}" || fmt.Sprint(h.Query) != "[{state {state}} {first ${jq: .alerts[0].key}} {link {link?}{link}}]" {
		t.Errorf("inside = %#v with %#v", *inside, *h)
	}

	byName := map[string]*config.Source{}
	var names []string
	for _, s := range c.Sources {
		byName[s.Name] = s
		names = append(names, s.Name)
	}
	if got, want := strings.Join(names, " "), "outdoor asked told root disk uptime boiler cpu note log screen site both rows alike/a alike/b door lamp"; got != want {
		t.Errorf("sources are %s, want %s, the order of the file", got, want)
	}
	if door, limit := byName["door"], (push.Limit{Count: 10, Per: time.Minute, Text: "10/m"}); !reflect.DeepEqual(door.Spec, &push.Source{Limit: limit}) ||
		door.Polled() || door.StaleAfter != 5*time.Minute || door.AtMost != time.Second || door.Parse.Name != "text" || byName["lamp"].Parse.Name != "json" {
		t.Errorf("door = %+v of %+v", door, door.Spec)
	}
	var hooks []string
	for _, h := range c.Hooks {
		verify := h.Verify
		verify.Secret = verify.Secret[:5]
		text := fmt.Sprintf("%s: %s %s %s %v", h.Name, verify.Scheme, verify.Secret, verify.Header, verify.Tolerance)
		if h.Job != nil {
			text += " starts " + h.Job.Name
		} else {
			text += " sets " + h.Source.Name
		}
		hooks = append(hooks, text)
	}
	if got, want := strings.Join(hooks, ", "), "deploy: hmac_sha256 01234 X-Signature 0s starts reindex, lab: token 01234 X-Gitlab-Token 0s starts plain, "+
		"pay: stripe whsec  1m0s sets lamp, chat: slack 01234  0s starts plain, other: standard whsec  0s starts plain"; got != want {
		t.Errorf("hooks are %s, want %s", got, want)
	}
	if h := c.Hooks[0]; h.When.String() != `.ref == "main" and $headers["x-event"] == "push"` || h.ID.String() != ".id" || len(h.Args) != 2 || h.Args[1].Name != "part" {
		t.Errorf("deploy = %+v", *h)
	}
	outdoor := byName["outdoor"]
	if got, want := requestOf(outdoor).Fixed.URL.String(), "https://api.example.com/base/v1/now?q=Perth+%26+more&days=3&full=true&id=1&id=2"; got != want {
		t.Errorf("URL of outdoor = %s, want %s", got, want)
	}
	if got, want := requestOf(outdoor).Fixed.Header, (http.Header{"Accept": {"text/plain"}, "Authorization": {"Bearer s3cret"}, "X-Team": {"7"}}); !reflect.DeepEqual(got, want) {
		t.Errorf("headers of outdoor = %v, want %v", got, want)
	}
	if got, want := requestOf(outdoor).Statuses, []int{200, 503}; !slices.Equal(got, want) {
		t.Errorf("outdoor accepts %v, want %v", got, want)
	}
	if requestOf(outdoor).Upstream != serverOf(weather) {
		t.Errorf("upstream of outdoor is not weather")
	}
	if outdoor.Title != "Outdoor" || outdoor.Section != "Site/Roof" || outdoor.Parse.Name != "text" || len(outdoor.Pick) != 2 || outdoor.Pick[1].Name != "wind" || outdoor.Pick[1].Expr.String() != ".wind.speed" {
		t.Errorf("outdoor = %+v", outdoor)
	}
	show := outdoor.Show
	if show.Value != "temp" || show.Unit != "°C" || *show.Min != -20 || *show.Max != 45.5 || *show.Decimals != 1 {
		t.Errorf("show of outdoor = %+v", show)
	}
	ops, leads := c.Notify[0], c.Notify[1]
	if h := ops.Receiver.(*notify.HTTP); ops.Name != "ops" || h.Method != "PUT" || h.Upstream.URL.String() != "https://ntfy.example.com/ops?priority=high" || h.Header.Get("Title") != "Tidewire" || !strings.HasPrefix(h.Body, "{source} is {state}") {
		t.Errorf("ops = %#v", h)
	}
	if h := leads.Receiver.(*notify.HTTP); h.Method != "POST" || h.Header == nil || h.Body != "" || leads.GroupWait != 5*time.Second {
		t.Errorf("leads = %#v, want a POST without a body of its own", h)
	}
	if a := outdoor.Alert; a.If.String() != ".temp > 40" || a.For != time.Minute || a.Clear.String() != ".temp < 35" || a.ClearFor != 5*time.Minute || !reflect.DeepEqual(a.Notify, []*config.Notify{ops, leads}) {
		t.Errorf("alert of outdoor = %+v", a)
	}
	if outdoor.Every != 10*time.Minute || outdoor.Unwatched != 10*time.Minute || outdoor.When != nil || time.Duration(show.History) != 24*time.Hour {
		t.Errorf("outdoor = %+v", outdoor)
	}
	if want := []config.Deadband{{"temp", 0.5}, {"wind", 2}}; !reflect.DeepEqual(outdoor.Deadband, want) {
		t.Errorf("deadband of outdoor = %v, want %v", outdoor.Deadband, want)
	}
	asked := requestOf(byName["asked"])
	if asked.Fixed != nil || asked.Method != "PUT" || asked.Path != "/a%7Bb%7D/${jq: .at}" || asked.Body != `{"id":1,"at":${jq: .at},"all":[true,null,"5","${jq: .at}!"]}` ||
		len(asked.Computed) != 2 || asked.Next.String() != "$headers.link" || asked.Pages != 3 {
		t.Errorf("asked = %#v", asked)
	}
	if got, want := byName["asked"].Variables(), []string{"$status", "$took"}; !slices.Equal(got, want) {
		t.Errorf("asked uses %v, want %v", got, want)
	}
	if told := requestOf(byName["told"]); told.Method != "POST" || told.Body != "since ${jq: .at}" || told.Pages != 20 {
		t.Errorf("told = %#v", told)
	}
	root := byName["root"]
	if root.Every != 5*time.Second || root.Unwatched != config.Never || len(root.When) != 2 || root.When[0].If.String() != ". > 5" || root.When[1].Every != time.Minute {
		t.Errorf("pauses of root = %v, %v, %v", root.Every, root.Unwatched, root.When)
	}
	if want := 135 * time.Second; root.StaleAfter != want {
		t.Errorf("root is stale after %v, want %v: 2 polls of its longest pause with their jitter", root.StaleAfter, want)
	}
	if a := root.Alert; a.If != nil || a.For != 0 || !reflect.DeepEqual(a.Notify, []*config.Notify{leads}) || !reflect.DeepEqual(root.Deadband, []config.Deadband{{"", 0.1}}) {
		t.Errorf("root = %+v, alert %+v", root, a)
	}
	if got, want := requestOf(root).Fixed.URL.String(), "http://10.0.0.9:8080"; got != want {
		t.Errorf("URL of root = %s, want %s", got, want)
	}
	if root.Parse.Name != "json" || len(root.Pick) != 1 || root.Pick[0].Name != "" || root.Pick[0].Expr.String() != ".a" || root.Title != "root" {
		t.Errorf("root = %+v", root)
	}
	disk := byName["disk"]
	if got, want := programOf(disk).Argv, []string{"df", "--output=pcent", "/data", "5", "-c", "{print}"}; !reflect.DeepEqual(got, want) {
		t.Errorf("exec of disk = %q, want %q", got, want)
	}
	if disk.Parse.Name != "lines" || byName["uptime"].Parse.Name != "text" || byName["uptime"].Pick != nil {
		t.Errorf("disk = %+v, uptime = %+v", disk, byName["uptime"])
	}
	site := byName["site"]
	if !reflect.DeepEqual(inputsOf(site).From, []string{"outdoor", "disk"}) || inputsOf(site).Combine == nil || inputsOf(site).Needs != from.NeedsAny || inputsOf(byName["both"]).Needs != from.NeedsAll || inputsOf(byName["disk"]).Needs != "" || site.StaleAfter != time.Hour || site.Every != 0 || len(site.Pick) != 1 {
		t.Errorf("site = %+v", site)
	}
	if both := byName["both"]; inputsOf(both).Combine != nil || both.StaleAfter != 0 {
		t.Errorf("both = %+v", both)
	}

	byJob := map[string]*config.Job{}
	for _, j := range c.Jobs {
		byJob[j.Name] = j
	}
	j := byJob["discover"]
	if j.Title != "Discover devices" || j.Timeout != 2*time.Minute || j.Progress.SubexpIndex("message") != 2 || j.HTTP != nil || j.At != nil {
		t.Errorf("job = %#v", j)
	}
	if j.OnBusy != config.BusyQueue || j.Queue != 3 || j.Limit != (config.Limit{Starts: 20, Per: 24 * time.Hour}) || j.Group != "scans" || j.Keep != (config.Keep{Runs: 5, For: time.Hour, Output: 2e6}) {
		t.Errorf("job = %#v", j)
	}
	here, err := filepath.Abs("testdata/bad")
	if err != nil {
		t.Fatal(err)
	}
	if want := (config.Program{Env: []string{"LEVEL=5", "TOKEN=s3cret", "PIN={pin}"}, Dir: here, TTY: true, OKCodes: []int{0}}); !reflect.DeepEqual(j.Program, want) ||
		j.Stdin != "{text} {pin}" || !slices.Equal(j.WarnCodes, []int{1, 2}) {
		t.Errorf("the program of the job = %+v, %q, %v, want %+v", j.Program, j.Stdin, j.WarnCodes, want)
	}
	if want := (config.Program{Env: []string{"LEVEL=5"}, Dir: here, TTY: true, OKCodes: []int{0, 1, 2}}); !reflect.DeepEqual(programOf(byName["uptime"]).Program, want) {
		t.Errorf("the program of uptime = %+v, want %+v", programOf(byName["uptime"]).Program, want)
	}
	if j.Confirm != "Really?" ||
		!reflect.DeepEqual(j.Roles, []config.Role{config.RoleAdmin, config.RoleOperator}) || !reflect.DeepEqual(j.Then, config.Next{
		Run: []config.NextRun{{Job: "hourly"}, {Job: "ping", Args: map[string]string{"x": "{n}"}}}, Refresh: []string{"disk", "site"},
	}) || !reflect.DeepEqual(j.OnFailure, config.Next{Run: []config.NextRun{{Job: "plain"}}, Refresh: []string{"disk"}}) || !slices.Equal(j.ParallelBy, []string{"host", "n"}) {
		t.Errorf("job = %#v", j)
	}
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) // a Saturday
	if nightly := byJob["nightly"]; nightly.At.Zone.String() != "Asia/Tokyo" || !nightly.At.Next(at).Equal(time.Date(2026, 11, 22, 18, 30, 0, 0, time.UTC)) {
		t.Errorf("at of nightly = %+v, next %v", nightly.At, nightly.At.Next(at))
	}
	if begin := byJob["begin"]; !begin.At.OnStart() || !begin.At.Next(at).IsZero() {
		t.Errorf("at of begin = %+v", begin.At)
	}
	if hourly := byJob["hourly"]; hourly.At.Zone != time.Local || hourly.At.Cron != "@hourly" || !hourly.At.Next(at).Equal(at.Add(time.Hour)) || hourly.OnBusy != config.BusyReplace {
		t.Errorf("hourly = %#v, at %+v", hourly, hourly.At)
	}
	reindex := byJob["reindex"]
	if h, want := reindex.HTTP, (&config.JobHTTP{
		Request: httpkind.Request{
			Upstream: serverOf(weather), Method: "PUT", Path: "/index%20of/{name}/{part}", Query: []httpkind.Pair{{Name: "q", Value: "{name}"}, {Name: "x", Value: "1"}},
			Header: http.Header{"X-Name": {"{name}"}, "Accept": {"text/plain"}}, Body: `{"name": "{name}"}`,
		},
		Statuses: []int{200, 409}, Follow: true,
	}); !reflect.DeepEqual(h, want) || reindex.OnBusy != config.BusyReject || !reflect.DeepEqual(reindex.Roles, []config.Role{config.RoleAdmin}) {
		t.Errorf("reindex = %#v with\n%#v, want\n%#v", reindex, h, want)
	}
	if h := byJob["ping"].HTTP; h.Upstream != serverOf(plain) || h.Method != "POST" || h.Path != "" || h.Header == nil || h.Body != "" || h.Follow {
		t.Errorf("ping = %#v", h)
	}
	if h := byJob["call"].HTTP; h.Body != `{"x":{x},"text":"x is {x}","y":${jq: .x * 2}}` {
		t.Errorf("call = %#v", h)
	}
	if h := byJob["get"].HTTP; h.Method != "GET" || h.Path != "/{x}" {
		t.Errorf("get = %#v", h)
	}
	var got []string
	for _, a := range j.Args {
		got = append(got, fmt.Sprintf("%s %s %#v", a.Name, a.Type, a.Default))
	}
	want := []string{`subnet cidr "10.0.4.0/24"`, "n int 5", "ratio number 0.5", "fast bool false", `mode enum "3"`, `host host "plc.example.com"`, `text string "abc"`, "bare string <nil>",
		`url url "https://example.com/x?y=1"`, `file path "kinds.yaml"`, `note string "-x"`, `pin string ""`, `part enum ""`}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("args are\n%q\nwant\n%q", got, want)
	}
	if part := j.Args[12]; part.Feed.Source != "disk" || part.Feed.JQ.String() != ".used" || part.Values != nil {
		t.Errorf("part = %+v", part)
	}
	if n := j.Args[1]; *n.Min != 1 || *n.Max != 10 {
		t.Errorf("n = %+v", n)
	}
	if text := j.Args[6]; text.Pattern.MatchString("ab x") || !text.Pattern.MatchString("ab") {
		t.Errorf("text = %+v, want a pattern that matches the whole value", text)
	}
	if file, note, pin := j.Args[9], j.Args[10], j.Args[11]; file.Under != here || !note.AllowDash || note.Secret || !pin.Secret || pin.AllowDash {
		t.Errorf("args = %+v", j.Args[9:])
	}
	if p := byJob["plain"]; p.Title != "plain" || p.Timeout != 15*time.Minute || p.OnBusy != config.BusyJoin || p.Queue != 10 || p.Keep != (config.Keep{Runs: 50, For: 24 * time.Hour, Output: 10e6}) ||
		p.Progress != nil || p.Args != nil || p.Limit != (config.Limit{}) || p.Roles != nil || !reflect.DeepEqual(p.Then, config.Next{}) || p.ParallelBy != nil || p.Env != nil || p.Dir != "" || p.Group != "" {
		t.Errorf("plain = %#v", p)
	}
}

// TestDefaults: a source's own keys come before defaults, and those before
// what is built in; each key by itself.
func TestDefaults(t *testing.T) {
	type pace struct {
		Every, Timeout, Unwatched time.Duration
		Jitter                    float64
		Backoff                   config.Backoff
		StaleAfter                time.Duration
	}
	const s, m = time.Second, time.Minute
	builtIn := pace{30 * s, 5 * s, 0, 0.1, config.Backoff{Min: s, Max: 5 * m}, 99 * s}
	for _, test := range []struct {
		defaults, source string
		want             func(p *pace)
	}{
		{"", "", func(*pace) {}},
		{"", "every: 10s", func(p *pace) { p.Every, p.StaleAfter = 10*s, 33*s }},
		{"every: 10s", "", func(p *pace) { p.Every, p.StaleAfter = 10*s, 33*s }},
		{"every: 10s", "every: 20s", func(p *pace) { p.Every, p.StaleAfter = 20*s, 66*s }},
		{"timeout: 9s", "", func(p *pace) { p.Timeout = 9 * s }},
		{"timeout: 9s", "timeout: 1500ms", func(p *pace) { p.Timeout = 1500 * time.Millisecond }},
		{"jitter: 50%", "", func(p *pace) { p.Jitter, p.StaleAfter = 0.5, 135*s }},
		{"jitter: 50%", "jitter: 0", func(p *pace) { p.Jitter, p.StaleAfter = 0, 90*s }},
		{"backoff: {min: 2s}", "", func(p *pace) { p.Backoff.Min = 2 * s }},
		{"backoff: {min: 2s}", "backoff: {max: 1h}", func(p *pace) { p.Backoff = config.Backoff{Min: 2 * s, Max: time.Hour} }},
		{"stale_after: 5 polls", "", func(p *pace) { p.StaleAfter = 165 * s }},
		{"stale_after: 5 polls", "stale_after: 2 polls", func(p *pace) { p.StaleAfter = 66 * s }},
		{"stale_after: 5 polls", "stale_after: 7s", func(p *pace) { p.StaleAfter = 7 * s }},
		{"stale_after: 7s", "stale_after: 2 polls", func(p *pace) { p.StaleAfter = 66 * s }},
		{"every: {normal: 10s, unwatched: 1m}", "", func(p *pace) { p.Every, p.Unwatched, p.StaleAfter = 10*s, m, 198*s }},
		{"every: {unwatched: never}", "every: 10s", func(p *pace) { p.Every, p.Unwatched, p.StaleAfter = 10*s, config.Never, 33*s }},
		{"every: {unwatched: 1m}", "every: {normal: 2m}", func(p *pace) { p.Every, p.Unwatched, p.StaleAfter = 2*m, 2*m, 396*s }},
		{"every: {normal: 10s}", "every: {unwatched: 1m}", func(p *pace) { p.Every, p.Unwatched, p.StaleAfter = 10*s, m, 198*s }},
		{"every: {when: [{if: ., every: 1m}]}", "", func(p *pace) { p.StaleAfter = 198 * s }},
		{"every: {when: [{if: ., every: 1m}]}", "every: {when: [{if: ., every: 1s}]}", func(*pace) {}},
		{"stale_after: 7s", "every: 1h", func(p *pace) { p.Every, p.StaleAfter = time.Hour, 7*s }},
	} {
		source := test.source
		if source != "" {
			source = ", " + source
		}
		c := load(t, fmt.Sprintf("sources: {a: {exec: [date]%s}}\ndefaults: {%s}\nversion: 1\n", source, test.defaults))
		got, want := c.Sources[0], builtIn
		test.want(&want)
		want.Unwatched = cmp.Or(want.Unwatched, want.Every)
		if got := (pace{got.Every, got.Timeout, got.Unwatched, got.Jitter, got.Backoff, got.StaleAfter}); got != want {
			t.Errorf("defaults {%s}, source {%s}: %+v, want %+v", test.defaults, test.source, got, want)
		}
	}
}

// TestNothing: what is empty or commented out but for its key is nothing.
func TestNothing(t *testing.T) {
	c := load(t, "version: 1\nupstreams:\nsources:\n#  a: {exec: [a]}\njobs: {}\n")
	want := &config.Config{Listen: "127.0.0.1:8480", Page: config.Page{Title: "Tidewire"}, Socket: config.Socket{Mode: 0o600, UID: -1, GID: -1}}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("Load = %+v, want %+v", c, want)
	}
}

func TestPaths(t *testing.T) {
	for _, test := range []struct{ base, path, want string }{
		{"http://h", "/v1/now", "http://h/v1/now"},
		{"http://h/", "/v1/now/", "http://h/v1/now/"},
		{"http://h/api", "/v1", "http://h/api/v1"},
		{"http://h/api/", "/", "http://h/api/"},
		{"http://h", "/a%2Fb/ü x", "http://h/a%2Fb/%C3%BC%20x"},
		{"http://h", "/{a}[b]", "http://h/%7Ba%7D[b]"},
		{"http://h", "//evil.example/x", "http://h//evil.example/x"}, // as it is written, and at h
		{"http://[::1]:8080", "/x:y@z", "http://[::1]:8080/x:y@z"},
	} {
		c := load(t, fmt.Sprintf("{version: 1, upstreams: {u: {http: %q}}, sources: {s: {http: {upstream: u, path: %q}}}}", test.base, test.path))
		if got := requestOf(c.Sources[0]).Fixed.URL.String(); got != test.want {
			t.Errorf("%s and %s: %s, want %s", test.base, test.path, got, test.want)
		}
	}
}

// TestQueriesAreOfOneSource: what a source adds to its upstream is not seen by
// others.
func TestQueriesAreOfOneSource(t *testing.T) {
	c := load(t, `
version: 1
upstreams: {u: {http: "http://h/x"}}
sources:
  a: {http: {upstream: u, query: {a: 1}, headers: {a: "1"}}}
  b: {http: {upstream: u, query: {b: 2}, headers: {b: "2"}}}
  c: {http: {upstream: u}}
`)
	for i, want := range []string{"http://h/x?a=1 map[A:[1]]", "http://h/x?b=2 map[B:[2]]", "http://h/x map[]"} {
		if got := fmt.Sprint(requestOf(c.Sources[i]).Fixed.URL, " ", requestOf(c.Sources[i]).Fixed.Header); got != want {
			t.Errorf("source %d asks %s, want %s", i, got, want)
		}
	}
	if u := serverOf(c.Upstreams[0]); u.URL.String() != "http://h/x" || len(u.Header) != 0 {
		t.Errorf("upstream = %v %v, want it unchanged", u.URL, u.Header)
	}
}

// TestSuggestions: a near word is suggested, else the known ones are listed,
// but not hundreds of them.
func TestSuggestions(t *testing.T) {
	long := strings.Repeat("a", 64)
	var many strings.Builder
	for i := range 25 {
		fmt.Fprintf(&many, "u%02d: {http: 'http://h'}, ", i)
	}
	for _, test := range []struct{ upstreams, name, want string }{
		{"", "x", "there are no upstreams"},
		{"weather: {http: 'http://h'}", "wheather", `did you mean "weather"?`},
		{"weather: {http: 'http://h'}", "weahter", `did you mean "weather"?`},
		{"weather: {http: 'http://h'}", "WEATHER", `did you mean "weather"?`},
		{"weather: {http: 'http://h'}", "wet", `the only one is "weather"`},
		{"a: {http: 'http://h'}, b: {http: 'http://h'}", "c", "the upstreams are a and b"},
		{"ab: {http: 'http://h'}, abc: {http: 'http://h'}", "abcd", `did you mean "abc"?`},
		{long + ": {http: 'http://h'}", long[1:], `did you mean "` + long + `"?`},
		{long + ": {http: 'http://h'}", long + "a", `the only one is "` + long + `"`},
		{many.String(), "plant", "the upstreams are u00, u01, u02, u03, u04, u05, u06, u07, u08, u09, u10, u11, u12, u13, u14, u15, u16, u17, u18, u19 and 5 more"},
	} {
		_, problems := config.Load("f", []byte(fmt.Sprintf("{version: 1, upstreams: {%s}, sources: {s: {http: {upstream: %s}}}}", test.upstreams, test.name)))
		if len(problems) != 1 || problems[0].Want != test.want {
			t.Errorf("upstream %.70s: %v, want %s", test.name, problems, test.want)
		}
	}
}

// TestProgress: one of the two groups is enough.
func TestProgress(t *testing.T) {
	for _, pattern := range []string{`(?P<percent>\d+)%`, `(?<message>.*)`} {
		c := load(t, "{version: 1, jobs: {j: {exec: [a], progress: '"+pattern+"'}}}")
		if got := c.Jobs[0].Progress.String(); got != pattern {
			t.Errorf("progress = %s, want %s", got, pattern)
		}
	}
}

func TestRates(t *testing.T) {
	for rate, want := range map[string]float64{"60/h": 1. / 60, "10/m": 1. / 6, "5/s": 5, "999999999/s": 999999999} {
		c := load(t, "{version: 1, upstreams: {u: {http: 'http://h', limit: "+rate+"}}}")
		if got := c.Upstreams[0].Limit; got != want {
			t.Errorf("limit %s = %v, want %v", rate, got, want)
		}
	}
}

func TestStatusesThatCannotCount(t *testing.T) {
	for accept, want := range map[string]string{
		"[200, 302]": "accept has 302, and redirects are followed, remove it",
		"[503, 503]": "accept has 503 twice, remove one of them",
		"[199]":      "a status in accept is 199, write a whole number from 200 to 599",
	} {
		_, problems := config.Load("f", []byte("version: 1\nupstreams: {u: {http: https://h}}\nsources: {s: {http: {upstream: u, path: /, accept: "+accept+"}}}\n"))
		if len(problems) != 1 || !strings.Contains(problems.Error(), want) {
			t.Errorf("accept: %s: %v, want %q", accept, problems, want)
		}
	}
	if _, problems := config.Load("f", []byte("version: 1\nupstreams: {u: {http: https://h}}\njobs: {j: {http: {upstream: u, path: /, accept: [302]}}}\n")); problems != nil {
		t.Errorf("a job, which follows no redirect, may accept one: %v", problems)
	}
}
