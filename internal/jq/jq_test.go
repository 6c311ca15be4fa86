package jq_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/jq"
)

func ExampleProgram_Run() {
	var v any
	_ = json.Unmarshal([]byte(`{"main": {"temp": 21.37}, "wind": {"speed": 4}}`), &v)

	p, err := jq.Compile(`{temp: (.main.temp | round), wind: .wind.speed}`)
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := p.Run(context.Background(), v)
	fmt.Println(result, err)

	_, err = jq.Compile(`.main.temp | rond`)
	var syntax *jq.SyntaxError
	if errors.As(err, &syntax) {
		fmt.Printf("character %d: %v\n", syntax.Offset, err)
	}
	// Output:
	// map[temp:21 wind:4] <nil>
	// character 13: unknown function `rond/0`
}

func TestCompileSaysWhereAndWhat(t *testing.T) {
	const end = "unexpected end of the expression: an operand, a closing bracket or `end` is missing"
	tests := []struct {
		src     string
		offset  int
		message string
	}{
		{"", 0, `the expression is empty, want for example "." for the whole value`},
		{" \n", 0, `the expression is empty, want for example "." for the whole value`},
		{"def f: 1;", 9, "the expression ends without saying what to compute, want for example `.`"},
		{"foo", 0, "unknown function `foo/0`"},
		{".foo | foo", 7, "unknown function `foo/0`"},
		{"{foo: foo(1)}", 6, "unknown function `foo/1`"},
		{"def foo: 1; foo(2)", 12, "unknown function `foo/1`"},
		{`"foo" + foo`, 8, "unknown function `foo/0`"},
		{`"häß" + foo`, 8, "unknown function `foo/0`"},
		{`"\(foo)"`, 3, "unknown function `foo/0`"},
		{". as [$a] | $b", 12, "unknown variable `$b`, want one that `as` binds before"},
		{"label $l | break $out", 17, "unknown label `$out`"},
		{".a |", 4, end},
		{`.["a"`, 5, end},
		{"if . then 1", 11, end},
		{".a}", 2, "unexpected `}`"},
		{".a == == 1", 6, "unexpected `==`"},
		{`["ä", ".é" }`, 11, "unexpected `}`"},
		{".é", 1, "unexpected `é`"},
		{`{"a":1 "b":2}`, 7, "unexpected `\"b\"`"},
		{`"a" + "bc`, 6, "the string has no closing quote"},
		{`"abc\"def`, 0, "the string has no closing quote"},
		{`"ä\("b) c`, 4, "the string has no closing quote"},
		{`"a\q"`, 2, "unknown escape `\\q` in a string, want one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX \\(...)"},
		{"1x", 0, "`1x` is neither a number nor a name"},
		{".a\x00", 2, "unexpected NUL character"},
		{"input", 0, "`input` is not available: the value is `.`"},
		{".input | [inputs]", 10, "`inputs` is not available: the value is `.`"},
		{`import "a" as a; .`, 0, "`import` and `include` are not available: define the function here with `def`"},
		{`include "a"; .`, 0, "`import` and `include` are not available: define the function here with `def`"},
		{". | debug", 4, "unknown function `debug/0`"},
		{". | stderr", 4, "unknown function `stderr/0`"},
		{strings.Repeat(" ", jq.MaxSource) + ".", 0, "the expression has 65537 bytes, want at most 65536"},
	}
	for _, tt := range tests {
		_, err := jq.Compile(tt.src)
		var got *jq.SyntaxError
		if !errors.As(err, &got) {
			t.Errorf("Compile(%.40q) = %v, want a *SyntaxError", tt.src, err)
			continue
		}
		if got.Offset != tt.offset || got.Error() != tt.message {
			t.Errorf("Compile(%.40q) = %d: %s, want %d: %s", tt.src, got.Offset, got, tt.offset, tt.message)
		}
	}
}

func compile(t testing.TB, src string) *jq.Program {
	t.Helper()
	p, err := jq.Compile(src)
	if err != nil {
		t.Fatalf("Compile(%q) = %v", src, err)
	}
	return p
}

func TestRun(t *testing.T) {
	tests := []struct {
		src  string
		in   any
		want any
	}{
		{".", nil, nil},
		{".a.b", map[string]any{"a": map[string]any{"b": 1.5}}, 1.5},
		{"first(.[])", []any{true, false}, true},
		{"[.[]]", []any{"a", "b"}, []any{"a", "b"}},
		{".[1] | rtrimstr(\"%\") | tonumber", []any{"Use%", "42%"}, 42},
		{".", json.Number("9007199254740993"), json.Number("9007199254740993")},
		{". + 1", json.Number("9007199254740993"), 9007199254740994},
		{". + 1", json.Number("9223372036854775807"), json.Number("9223372036854775808")},
		{"nan", nil, nil},
		{"[nan, infinite, -infinite, 1]", nil, []any{nil, math.MaxFloat64, -math.MaxFloat64, 1}},
		{"{a: nan, b: 2}", nil, map[string]any{"a": nil, "b": 2}},
		{"env", nil, map[string]any{}},
		{"$ENV", nil, map[string]any{}},
	}
	t.Setenv("TIDEWIRE_CANARY", "secret")
	for _, tt := range tests {
		got, err := compile(t, tt.src).Run(t.Context(), tt.in)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q on %v = %#v, %v, want %#v", tt.src, tt.in, got, err, tt.want)
		}
	}
}

// The interpreter panics on every one of these types, some of them even while
// it prints its own error.
func TestInputsOfOtherTypes(t *testing.T) {
	type point struct {
		X int `json:"x"`
	}
	tests := []struct{ in, want any }{
		{int64(7), json.Number("7")},
		{uint16(7), json.Number("7")},
		{float32(0.5), json.Number("0.5")},
		{2 * time.Second, json.Number("2000000000")},
		{[]byte("hi"), "aGk="},
		{[]string{"a"}, []any{"a"}},
		{map[string]int{"a": 1}, map[string]any{"a": json.Number("1")}},
		{point{3}, map[string]any{"x": json.Number("3")}},
		{&point{3}, map[string]any{"x": json.Number("3")}},
		{(*point)(nil), nil},
		{big.NewInt(5), json.Number("5")},
		{(*big.Int)(nil), nil},
		{[]any{int64(1), "a"}, []any{json.Number("1"), "a"}},
		{map[string]any{"a": []any{uint8(1)}}, map[string]any{"a": []any{json.Number("1")}}},
		{math.NaN(), nil},
		{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "2026-01-02T03:04:05Z"},
	}
	p := compile(t, ".")
	for _, tt := range tests {
		got, err := p.Run(t.Context(), tt.in)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("Run(%T %v) = %#v, %v, want %#v", tt.in, tt.in, got, err, tt.want)
		}
	}
}

func TestInputIsNotModified(t *testing.T) {
	in := map[string]any{"a": []any{1.0, int64(2)}}
	if _, err := compile(t, ".a[0] = 5 | .b = nan | del(.a[1])").Run(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if want := (map[string]any{"a": []any{1.0, int64(2)}}); !reflect.DeepEqual(in, want) {
		t.Errorf("the input became %#v, want %#v", in, want)
	}
}

func TestErrors(t *testing.T) {
	deep := any(0)
	for range 2*jq.MaxDepth + 1 {
		deep = []any{deep}
	}
	cycle := []any{nil}
	cycle[0] = cycle
	tests := []struct {
		src  string
		in   any
		want string
	}{
		{"empty", nil, "jq: empty gives no result, want exactly one: (...) // null gives null instead"},
		{".[]", []any{}, "jq: .[] gives no result, want exactly one: (...) // null gives null instead"},
		{".[]", []any{1, 2, 3}, "jq: .[] gives 3 results, want exactly one: collect them with [...], or take first(...)"},
		{"range(1e4)", nil, "jq: range(1e4) gives 1000 results or more, want exactly one: take first(...), or collect them with [...]"},
		{".a", 1.0, "jq: .a: expected an object but got: number (1)"},
		{"1, .a", 1.0, "jq: 1, .a: expected an object but got: number (1)"},
		{`error("no sensor")`, nil, `jq: error("no sensor"): no sensor`},
		{"error", map[string]any{"a": 1}, `jq: error: {"a":1}`},
		{"error(null)", nil, "jq: error(null): null"},
		{"halt", nil, "jq: halt halts, want a result: use error(...) to fail"},
		{"1, halt", nil, "jq: 1, halt halts, want a result: use error(...) to fail"},
		{`"x" | halt_error`, nil, `jq: "x" | halt_error halts, want a result: use error(...) to fail`},
		{".", json.Number("12a"), `jq: input: "12a" is not a JSON number`},
		{".", json.Number(""), `jq: input: "" is not a JSON number`},
		{".", json.Number(strings.Repeat("9", 1001)), "jq: input: a number has 1001 digits, want at most 1000"},
		{".", new(big.Int).Lsh(big.NewInt(1), 4000), "jq: input: a number has more than 1000 digits"},
		{".", strings.Repeat("x", jq.MaxSize+1), "jq: input: the value is larger than 4 MiB"},
		{".", []any{[]string{strings.Repeat("x", jq.MaxSize)}}, "jq: input: the value is larger than 4 MiB"},
		{".", map[string]any{strings.Repeat("x", jq.MaxSize): nil}, "jq: input: the value is larger than 4 MiB"},
		{".", deep, "jq: input: arrays and objects nest deeper than 200 levels"},
		{".", cycle, "jq: input: arrays and objects nest deeper than 200 levels"},
		{". + .", strings.Repeat("x", jq.MaxSize/2), "jq: result of . + .: the value is larger than 4 MiB"},
		{"reduce range(2000) as $i (0; [.])", nil, "jq: result of reduce range(2000) as $i (0; [.]): arrays and objects nest deeper than 100 levels"},
		{".", make(chan int), "jq: input: json: unsupported type: chan int"},
		{".", panics{}, "jq: the interpreter panicked: no JSON of me"},
	}
	for _, tt := range tests {
		got, err := compile(t, tt.src).Run(t.Context(), tt.in)
		if err == nil || err.Error() != tt.want {
			t.Errorf("%q on %T = %.100v, %v, want the error %s", tt.src, tt.in, got, err, tt.want)
		}
	}
}

// All gives any number of results, up to a bound, and fails as Run does.
func TestAll(t *testing.T) {
	for _, tt := range []struct {
		src  string
		in   any
		want string
	}{
		{".[]", []any{}, "[] <nil>"},
		{".[]", []any{1.0, "a", nil}, "[1 a <nil>] <nil>"},
		{".", 1.0, "[1] <nil>"},
		{".a", map[string]any{"a": []any{2.0}}, "[[2]] <nil>"},
		{"range(4)", nil, "[0 1 2 3] <nil>"},
		{"range(5)", nil, "[] jq: range(5) gives more than 4 results"},
		{"range(1e4)", nil, "[] jq: range(1e4) gives more than 4 results"},
		{".[]", 1.0, "[] jq: .[]: cannot iterate over: number (1)"},
		{"1, error(null)", nil, "[] jq: 1, error(null): null"},
		{"nan, 2", nil, "[<nil> 2] <nil>"},
		{"1, (. + .)", strings.Repeat("x", jq.MaxSize/2), "[] jq: result of 1, (. + .): the value is larger than 4 MiB"},
		{".", panics{}, "[] jq: the interpreter panicked: no JSON of me"},
	} {
		results, err := compile(t, tt.src).All(t.Context(), tt.in, nil, 4)
		if got := fmt.Sprint(results, err); got != tt.want {
			t.Errorf("All of %s = %s, want %s", tt.src, got, tt.want)
		}
	}
}

type panics struct{}

func (panics) MarshalJSON() ([]byte, error) { panic("no JSON of me") }

// An error is a line on a page, however large the value it is about.
func TestErrorsAreShort(t *testing.T) {
	_, err := compile(t, "error(.)").Run(t.Context(), strings.Repeat("é\n", 1e5))
	if err == nil || utf8.RuneCountInString(err.Error()) > 150 || strings.Contains(err.Error(), "\n") {
		t.Errorf("error of %d characters: %v, want one short line", utf8.RuneCountInString(fmt.Sprint(err)), err)
	}
}

func TestEndlessExpressionsStop(t *testing.T) {
	defer jq.SetBudget(jq.Budget / 16)()
	for _, src := range []string{
		"def f: f; f",
		"def f: 1 + f; f",
		"[range(1e9)] | length",
		"last(range(1e9))",
		"last(repeat(1))",
		"until(false; .)",
		"[recurse(.)] | length",
		"reduce range(1e9) as $i (0; . + $i)",
	} {
		_, err := compile(t, src).Run(t.Context(), nil)
		if want := "exceeds its budget: it loops, or its input is too large for it"; err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%q = %v, want the suffix %q", src, err, want)
		}
	}
}

func TestContextEndsRun(t *testing.T) {
	cause := errors.New("shutting down")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := compile(t, "last(range(1e9))").Run(ctx, nil); !errors.Is(err, cause) {
		t.Errorf("Run with an ended context = %v, want %v", err, cause)
	}
}

// An error of the expression itself that reads like a context's is not one.
func TestErrorNamedLikeADeadline(t *testing.T) {
	_, err := compile(t, `error("context deadline exceeded")`).Run(t.Context(), nil)
	if err == nil || strings.Contains(err.Error(), "costs more") {
		t.Errorf("Run = %v, want the expression's own error", err)
	}
}

func TestProgramsRunConcurrently(t *testing.T) {
	p := compile(t, `.list | map(. * 2) | add`)
	in := map[string]any{"list": []any{1, int64(2), 3.5}}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if got, err := p.Run(t.Context(), in); err != nil || got != 13.0 {
					t.Errorf("Run = %v, %v, want 13", got, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// No expression writes to its input, which others read at the same time.
func TestInputsAreNotWrittenTo(t *testing.T) {
	in := map[string]any{"a": 1, "b": map[string]any{"c": []any{1, map[string]any{"d": 2}}}, "l": []any{map[string]any{"x": 1}, []any{1, 2}}}
	before := fmt.Sprint(in)
	var wg sync.WaitGroup
	for _, src := range []string{"del(.a)", "del(.b.c[0])", "delpaths([])", ".b.c[0] = 5", ".. |= .", "(.l[] | select(type == \"array\")) |= empty", "map_values(.)", ".l[0].x += 1", "walk(.)"} {
		p := compile(t, src)
		for range 4 {
			wg.Go(func() {
				for range 20 {
					if _, err := p.Run(t.Context(), in); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	if after := fmt.Sprint(in); after != before {
		t.Errorf("the input is %s, want %s", after, before)
	}
}

func TestString(t *testing.T) {
	if got, want := compile(t, " .a  # level").String(), " .a  # level"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
}

// The parser and the compiler recurse.
func TestDeepestExpression(t *testing.T) {
	for _, open := range []string{"(", "[", "{a:", "-", "[.[", `"\(`, "if . then ", "try ", "def f: "} {
		n := jq.MaxSource / len(open)
		_, _ = jq.Compile(strings.Repeat(open, n))
	}
	n := jq.MaxSource/2 - 1
	if _, err := jq.Compile(strings.Repeat("(", n) + "1" + strings.Repeat(")", n)); err != nil {
		t.Errorf("Compile of %d parentheses = %v, want none", n, err)
	}
}

// Whatever the expression and the input, there is either a result that encodes
// as JSON or an error that can be read.
func FuzzRun(f *testing.F) {
	for _, src := range []string{
		".", ".a", ".[]", "[range(5)]", "env", "halt", "error", "todate", `"\(.)"`, "@base64", "explode", "input", "$__loc__",
		"limit(3; repeat(1))", `test("a")`, "ltrimstr(1)", ".[1:2]", "path(..)", "getpath([1])", "tojson|fromjson", "splits(1)", "@csv",
		"try error catch .", "label $f | break $f", "nan < nan", "[.,1]|min", "strptime(1)", "mktime", "ascii", "significand", "pow(2;30)",
		"1 as $x | 2 as $y | [$x,$y]", "foo", `"`, "{", "import 1", ".. = 1", "del(..)", "to_entries", "@x", "getpath(1)", "tojson", "$ENV.PATH",
	} {
		for _, in := range []string{`null`, `{"a":[1,"b",null]}`, `[1e400,-0,12345678901234567890]`, `"é\u0000"`} {
			f.Add(src, in)
		}
	}
	f.Fuzz(func(t *testing.T, src, text string) {
		p, err := jq.Compile(src)
		if err != nil {
			if e := err.(*jq.SyntaxError); e.Offset < 0 || e.Offset > len([]rune(src)) || e.Message == "" {
				t.Errorf("Compile(%q) = %d: %q, want an offset within the expression", src, e.Offset, e.Message)
			}
			return
		}
		var decoded any
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		if d.Decode(&decoded) != nil {
			decoded = text
		}
		for _, in := range []any{decoded, int64(1), []byte(text), map[string]any{"a": uint16(3), "b": time.Second}, []any{panics{}}} {
			v, err := p.Run(t.Context(), in)
			if err != nil {
				if !strings.HasPrefix(err.Error(), "jq: ") {
					t.Errorf("%q on %#v = %q, want the prefix jq: ", src, in, err)
				}
				continue
			}
			if _, err := json.Marshal(v); err != nil {
				t.Errorf("%q on %#v = %#v, which does not encode: %v", src, in, v, err)
			}
		}
	})
}
