package negotiate_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/negotiate"
)

var accepts = map[string]string{ // to what is chosen of text/event-stream and application/json; "": neither
	"application/json":                              negotiate.JSON,
	"APPLICATION/JSON":                              negotiate.JSON,
	"text/event-stream":                             negotiate.EventStream,
	"*/*":                                           negotiate.EventStream,
	"application/*":                                 negotiate.JSON,
	"application/json, */*":                         negotiate.JSON,
	"application/json, text/plain, */*":             negotiate.JSON,
	"text/event-stream, */*":                        negotiate.EventStream,
	"text/*, application/json":                      negotiate.JSON,
	"text/*":                                        negotiate.EventStream,
	"application/json, text/event-stream":           negotiate.EventStream,
	"application/json, text/event-stream;q=0.1":     negotiate.JSON,
	"application/json;q=0.1,text/event-stream":      negotiate.EventStream,
	"text/event-stream; q=0, */*; q=0.1":            negotiate.JSON,
	"application/json; charset=utf-8, */*;q=0.8":    negotiate.JSON,
	`text/html;x="a, application/json", text/*`:     negotiate.EventStream,
	"*/*;q=0.1, application/*;q=0.5, text/*;q=.4":   negotiate.JSON,
	"application/json;q=0.5, application/*;q=1":     "application/json of 0.5",
	"application/json;q=2, text/event-stream;q=0.1": negotiate.EventStream,
	"application/json;q=NaN":                        "",
	"text/html":                                     "",
	"application/json;q=0":                          "",
	"json":                                          "",
	"/, ;, ,":                                       "",
}

func TestAccept(t *testing.T) {
	for value, want := range accepts {
		if want == "application/json of 0.5" { // the more specific range counts, not the greater weight
			value, want = value+", text/event-stream;q=0.7", negotiate.EventStream
		}
		h := http.Header{"Accept": {value}}
		if got := negotiate.Accept(h, negotiate.EventStream, negotiate.JSON); got != want {
			t.Errorf("Accept %s chooses %q, want %q", value, got, want)
		}
	}
	if got := negotiate.Accept(http.Header{}, "a/b", "c/d"); got != "a/b" {
		t.Errorf("without Accept %q is chosen, want the first", got)
	}
	two := http.Header{"Accept": {"text/event-stream;q=0.2", "application/json"}}
	if got := negotiate.Accept(two, negotiate.EventStream, negotiate.JSON); got != negotiate.JSON {
		t.Errorf("of two lines %q is chosen, want JSON", got)
	}
}

// The order of the ranges and of the offers does not matter, but among equals.
func FuzzAccept(f *testing.F) {
	for value := range accepts {
		f.Add(value, "")
		f.Add(value, "text/event-stream;q=0.3")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		choose := func(first, second string, lines ...string) string {
			return negotiate.Accept(http.Header{"Accept": lines}, first, second)
		}
		const one, other = negotiate.EventStream, negotiate.JSON
		if got, joined := choose(one, other, a, b), choose(one, other, closed(a)+","+b); closed(a) == a && got != joined {
			t.Errorf("lines %q and %q choose %q, joined %q", a, b, got, joined)
		}
		got, turned := choose(one, other, a), choose(other, one, a)
		if got != turned && (got != one || turned != other) {
			t.Errorf("%q chooses %q of two, and %q of the same in another order", a, got, turned)
		}
		if strings.TrimSpace(a) == "" && b == "" && got != "" {
			t.Errorf("%q chooses %q", a, got)
		}
	})
}

// closed returns s, or "" if a quoted string in it does not end.
func closed(s string) string {
	if strings.ContainsAny(s, `"\`) {
		return ""
	}
	return s
}

var prefers = map[string]string{ // to what is applied, of at most a minute
	"wait=10":                     "wait=10",
	"WAIT = 10":                   "wait=10",
	`wait="10"`:                   "wait=10",
	"wait=10; x=y":                "wait=10",
	"wait=0":                      "wait=0",
	"wait=99":                     "wait=60",
	"wait=99999999999999999999":   "wait=60",
	"wait=1, wait=2":              "wait=1",
	"wait=x, wait=2":              "",
	"wait=-1":                     "",
	"wait=1.5":                    "",
	"wait":                        "",
	"respond-async":               "respond-async",
	"wait=5, respond-async":       "respond-async, wait=5",
	`x="wait=3, wait=4", wait=5`:  "wait=5",
	"return=minimal, , ;wait=9,=": "",
	"":                            "",
}

func TestPrefer(t *testing.T) {
	for value, want := range prefers {
		got := negotiate.Prefer(http.Header{"Prefer": {value}}, time.Minute+time.Millisecond)
		if got.Applied() != want {
			t.Errorf("Prefer %s applies %q, want %q", value, got.Applied(), want)
		}
	}
	got := negotiate.Prefer(http.Header{"Prefer": {"respond-async", "wait=3", "wait=4"}}, time.Minute)
	if want := (negotiate.Preferences{Async: true, Waits: true, Duration: 3 * time.Second}); got != want {
		t.Errorf("of three lines %+v, want %+v", got, want)
	}
}

// What is applied, when it is preferred, is applied again; a wait is within its bounds.
func FuzzPrefer(f *testing.F) {
	for value := range prefers {
		f.Add(value, int64(60))
	}
	f.Fuzz(func(t *testing.T, value string, limit int64) {
		bound := time.Duration(uint32(limit)) * time.Second
		got := negotiate.Prefer(http.Header{"Prefer": {value}}, bound)
		if got.Duration < 0 || got.Duration > bound || got.Duration%time.Second != 0 || got.Duration > 0 && !got.Waits {
			t.Errorf("%q = %+v beyond %v", value, got, bound)
		}
		if again := negotiate.Prefer(http.Header{"Prefer": {got.Applied()}}, bound); again != got {
			t.Errorf("%q applies %q, which applies %q", value, got.Applied(), again.Applied())
		}
	})
}

var tags = []struct {
	value string
	want  bool // has "r-1"
}{
	{`"r-1"`, true},
	{`W/"r-1"`, true},
	{`"a", "r-1"`, true},
	{`"a","b" , W/"r-1"`, true},
	{`*`, true},
	{` , "r-1"`, true},
	{`"r-2"`, false},
	{`r-1`, false},
	{`"a, "r-1", "`, false}, // "a, " and then something else
	{`"x, \"r-1\""`, false},
	{`"a`, false},
	{`w/"r-1"`, false},
	{``, false},
}

func TestHasTag(t *testing.T) {
	for _, test := range tags {
		for _, tag := range []string{`"r-1"`, `W/"r-1"`} {
			if got := negotiate.HasTag(http.Header{"If-None-Match": {test.value}}, tag); got != test.want {
				t.Errorf("If-None-Match: %s has %s: %v, want %v", test.value, tag, got, test.want)
			}
		}
	}
	if negotiate.HasTag(http.Header{}, `"r-1"`) || !negotiate.HasTag(http.Header{"If-None-Match": {`"a"`, `"r-1"`}}, `"r-1"`) {
		t.Error("no line has a tag, and the second of two has none")
	}
	if !negotiate.HasTag(http.Header{"If-None-Match": {`"x,y", "z"`}}, `"x,y"`) {
		t.Error("a tag with a comma in it is not found")
	}
}

// A list of tags has each of them, whatever stands in them, and no other.
func FuzzHasTag(f *testing.F) {
	for _, test := range tags {
		f.Add(test.value, "r-1", "b")
	}
	f.Fuzz(func(t *testing.T, any, one, other string) {
		negotiate.HasTag(http.Header{"If-None-Match": {any}}, `"r-1"`)
		for _, s := range []string{one, other} {
			if strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c == '"' || c == 0x7f }) {
				return
			}
		}
		h := http.Header{"If-None-Match": {fmt.Sprintf(`"%s",W/"%s"`, one, other)}}
		for tag, want := range map[string]bool{one: true, other: true, one + other + "x": false} {
			if got := negotiate.HasTag(h, `"`+tag+`"`); got != want {
				t.Errorf("%q has %q: %v", h, tag, got)
			}
		}
	})
}

var idempotencyKeys = map[string]string{ // to the key; "!": refused
	`"8e03978e-40d5"`:                     "8e03978e-40d5",
	`8e03978e-40d5`:                       "8e03978e-40d5",
	` "a" `:                               "a",
	`"a b"`:                               "a b",
	`"a\"b\\c"`:                           `a"b\c`,
	`a b`:                                 "!",
	`"a`:                                  "!",
	`a"`:                                  "!",
	`a"b`:                                 "!",
	`"a" "b"`:                             "!",
	`"a\b"`:                               "!",
	`"a\`:                                 "!",
	`""`:                                  "!",
	``:                                    "!",
	"é":                                   "!",
	`"é"`:                                 "!",
	"a\tb":                                "!",
	strings.Repeat("x", 255):              strings.Repeat("x", 255),
	strings.Repeat("x", 256):              "!",
	`"` + strings.Repeat(`\"`, 255) + `"`: strings.Repeat(`"`, 255),
}

func TestIdempotencyKey(t *testing.T) {
	for value, want := range idempotencyKeys {
		got, err := negotiate.IdempotencyKey(http.Header{"Idempotency-Key": {value}})
		if (err != nil) != (want == "!") || err == nil && got != want {
			t.Errorf("the key of %s is %q, %v, want %q", value, got, err, want)
		}
	}
	if got, err := negotiate.IdempotencyKey(http.Header{}); got != "" || err != nil {
		t.Errorf("without the field the key is %q, %v", got, err)
	}
	if _, err := negotiate.IdempotencyKey(http.Header{"Idempotency-Key": {"a", "a"}}); err == nil {
		t.Error("two keys are taken for one")
	}
}

// A key is the same however it is written.
func FuzzIdempotencyKey(f *testing.F) {
	for value := range idempotencyKeys {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		key, err := negotiate.IdempotencyKey(http.Header{"Idempotency-Key": {value}})
		if err != nil {
			return
		}
		if key == "" || len(key) > negotiate.MaxKey {
			t.Fatalf("the key of %q has %d bytes", value, len(key))
		}
		quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key) + `"`
		if again, err := negotiate.IdempotencyKey(http.Header{"Idempotency-Key": {quoted}}); again != key || err != nil {
			t.Errorf("the key of %q is %q, that of %s is %q, %v", value, key, quoted, again, err)
		}
	})
}

func TestAcceptsCoding(t *testing.T) {
	for field, want := range map[string]bool{
		"": false, "gzip": true, "GZIP": true, "br, gzip;q=0.5": true, "br,gzip ; q=1": true, "gzip;q=0": false, "gzip; q=0.0": false,
		"br": false, "x-gzip": false, "gzip;q=2": false, "gzip;q=": false, ",, gzip": true,
	} {
		if got := negotiate.AcceptsCoding(http.Header{"Accept-Encoding": {field}}, "gzip"); got != want {
			t.Errorf("of %q gzip is accepted: %v, want %v", field, got, want)
		}
	}
	if !negotiate.AcceptsCoding(http.Header{"Accept-Encoding": {"br", "gzip"}}, "gzip") {
		t.Error("the second line of the field is not read")
	}
}
