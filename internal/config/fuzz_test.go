package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/kind/from"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
)

// goNames matches how Go names its types and this package its own.
var goNames = regexp.MustCompile(`\b(config|yaml|libyaml|jq|gojq|time|url|http|strconv)\.[A-Z]|\*[a-z]+\.|\[\]string|map\[|int64|float64|%!`)

// FuzzLoad: Load returns either a configuration or problems, the same each
// time. Each problem is one line that names a place in the file, what is wrong
// and what would be right, in the file's order.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, "testdata/every-key.yaml") {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	for _, s := range []string{
		"{version: 1, upstreams: {u: {for: [a, b], http: 'http://{each}'}}, sources: {s: {for: [{name: a, e: 5s, u: }, {e: 6, name: b, u: x}], http: {upstream: 'u/{each}'}, every: '{each.e}', show: {unit: '{each.u}'}}, t: {from: [s/*, {each}]}}}",
		"", "{", "a: \"x\n\n y\\\n", "? a\n: |1\n  x\n", "- - a\n-", "\r\n\r", "a: &a [*a]", "version: 1\n--- |\n", "v: \"\\u2028\"",
		"{version: 1, sources: {a: {exec: [a], pick: \"(\n\n\"}}}", "{version: 1, jobs: {j: {exec: [a], progress: \"(\\n\"}}}",
		"{version: 1, defaults: {alert: {on: [slow], slow_after: 1s, repeat: {limit: 1}}}, jobs: {j: {exec: [a], alert: {on: lost}}}, quiet: [{at: '@daily', for: 1h, of: job/j}]}"} {
		f.Add(s)
	}
	lineEnd := regexp.MustCompile("\r\n|\r|\n")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "include") || strings.Contains(text, ".csv") || strings.Contains(text, ".y") {
			t.Skip("other files have other lines")
		}
		c, problems := config.Load("f.yaml", []byte(text))
		if again, same := config.Load("f.yaml", []byte(text)); !slices.Equal(problems, same) || (c == nil) != (again == nil) {
			t.Errorf("Load gives\n%v\nthen\n%v", problems, same)
		} else if c != nil {
			defer func() {
				if !reflect.DeepEqual(plain(c), plain(again)) {
					t.Errorf("Load gives\n%#v\nthen\n%#v", c, again)
				}
			}()
		}
		if (c == nil) != (len(problems) > 0) {
			t.Errorf("Load = %v with %d problems, want one of the two", c, len(problems))
		}
		lines := lineEnd.Split(strings.TrimPrefix(text, "\ufeff"), -1)
		for i, p := range problems {
			if p.Line < 1 || p.Line > len(lines) || p.Column < 1 || p.Column > utf8.RuneCountInString(lines[p.Line-1])+1 {
				t.Errorf("%v is not in the file", p)
			}
			if i > 0 && (p.Line < problems[i-1].Line || p.Line == problems[i-1].Line && p.Column < problems[i-1].Column) {
				t.Errorf("%v comes after %v", p, problems[i-1])
			}
			if p.What == "" || p.Want == "" || strings.ContainsAny(p.String(), "\n\r") {
				t.Errorf("%q is not one line of what is wrong and what is right", p.String())
			}
			if excerpt := p.Excerpt(); strings.Count(excerpt, "\n") != 1 || utf8.RuneCountInString(p.Text) != utf8.RuneCountInString(lines[p.Line-1]) {
				t.Errorf("%q is not the place of %v in %q", excerpt, p, lines[p.Line-1])
			}
		}
		if c == nil {
			return
		}
		for _, s := range c.Sources {
			if s.Kind != "from" && (s.Every <= 0 || s.Timeout <= 0 || s.Backoff.Min <= 0 || s.Backoff.Max < s.Backoff.Min || s.StaleAfter <= 0 || s.Jitter < 0 || s.Jitter >= 1) {
				t.Errorf("source %+v cannot be polled", s)
			}
			if s.Kind != "from" && s.Unwatched != config.Never && s.Unwatched < s.Every || slices.ContainsFunc(s.When, func(w config.When) bool { return w.If == nil || w.Every <= 0 }) {
				t.Errorf("source %+v has pauses %v, %v, %v", s, s.Every, s.Unwatched, s.When)
			}
			if a := s.Alert; a != nil && (a.After < 1 || a.For < 0 || a.ClearFor < 0 || a.Grace < 0 || !isTold(a.Severity, a.Repeat, a.Notify)) || slices.ContainsFunc(s.Deadband, func(d config.Deadband) bool { return d.Least <= 0 }) {
				t.Errorf("source %+v has the alert %+v and %v", s, s.Alert, s.Deadband)
			}
			if s.Spec == nil || s.Kind == "" {
				t.Errorf("source %+v is not of one kind", s)
			}
		}
		if a := c.Access; a != nil && a.Anonymous == config.RoleNone && a.Tokens == nil && a.OIDC == nil && a.Proxy == nil {
			t.Errorf("access %#v lets nobody in", a)
		} else if a != nil && (slices.ContainsFunc(a.Tokens, func(t *config.Token) bool { return t.SHA256 == [32]byte{} || t.Role == config.RoleNone }) ||
			a.OIDC != nil && (a.OIDC.Issuer == "" || a.OIDC.ClientID == "" || a.OIDC.GroupsClaim == "" || len(a.OIDC.Groups) == 0) ||
			a.Proxy != nil && (len(a.Proxy.Trust) == 0 || a.Proxy.UserHeader == "" || a.Proxy.GroupsHeader == "" || a.Proxy.UserHeader == a.Proxy.GroupsHeader)) {
			t.Errorf("access %#v is not complete: %#v, %#v", a, a.OIDC, a.Proxy)
		}
		for _, n := range c.Notify {
			if n.Receiver == nil || n.GroupWait <= 0 {
				t.Errorf("%v cannot be told: %#v", n, n)
			}
		}
		for _, q := range c.Quiet {
			if q.For < time.Minute || len(q.Of) == 0 || q.At == nil || q.At.Next(time.Now()).IsZero() {
				t.Errorf("quiet %#v is no time", q)
			}
		}
		for _, j := range c.Jobs {
			if a := j.Alert; a != nil && (len(a.On) == 0 || (a.SlowAfter > 0) != slices.Contains(a.On, config.ReasonSlow) || !isTold(a.Severity, a.Repeat, a.Notify)) {
				t.Errorf("job %#v has the alert %+v", j, a)
			}
			if (len(j.Exec) == 0) == (j.HTTP == nil) || j.Timeout <= 0 || j.OnBusy == "" || j.Queue < 1 || j.Keep.Runs < 1 || j.Keep.For <= 0 {
				t.Errorf("job %#v cannot run", j)
			}
			if j.HTTP != nil && (j.HTTP.Upstream == nil || j.HTTP.Header == nil || j.HTTP.Method == "") || (j.Limit.Starts > 0) != (j.Limit.Per > 0) {
				t.Errorf("job %#v cannot ask", j)
			}
			if j.At != nil {
				if _, errs := j.Bind(nil); errs != nil || j.At.Zone == nil || j.At.Next(time.Now()).IsZero() {
					t.Errorf("job %#v cannot start by itself: %v", j, errs)
				}
			}
		}
	})
}

// isTold reports whether what an alert says about telling it is complete.
func isTold(severity config.Severity, repeat config.Repeat, notify []*config.Notify) bool {
	return severity != "" && (repeat.Every == 0 || repeat.Every >= time.Minute) && !slices.Contains(notify, nil)
}

// plain is c without its compiled expressions, which hold functions.
func plain(c *config.Config) *config.Config {
	all := slices.Clone(c.Sources)
	for _, s := range c.Sources {
		if split := s.Split; split != nil {
			split.Each, split.Name, split.Title, split.Section = nil, nil, nil, nil
			spec := split.Rows.Spec.(*config.RowSpec)
			spec.Each, spec.NameBy = nil, nil
			all = append(all, split.Rows)
		}
	}
	for _, s := range all {
		if computed, ok := s.Spec.(*from.Source); ok {
			computed.Combine = nil
		}
		if asked, ok := s.Spec.(*httpkind.Source); ok {
			asked.Computed, asked.Next = nil, nil
		}
		for i := range s.Pick {
			s.Pick[i].Expr = nil
		}
		for i := range s.When {
			s.When[i].If = nil
		}
		if s.Alert != nil {
			s.Alert.If, s.Alert.Clear = nil, nil
		}
	}
	for _, j := range c.Jobs {
		if j.HTTP != nil {
			j.HTTP.Computed = nil
		}
		if j.At != nil {
			j.At.Next = nil
		}
	}
	for _, q := range c.Quiet {
		q.At.Next = nil
	}
	return c
}

// TestNoGoNames: the problems speak of the file, not of our types.
func TestNoGoNames(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.problems")
	if err != nil || len(files) == 0 {
		t.Fatal(err, files)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found := goNames.FindString(string(data)); found != "" {
			t.Errorf("%s contains %q", file, found)
		}
	}
}
