package jq_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/itchyny/gojq"

	"github.com/tidewire/tidewire/internal/jq"
)

// ordinary are expressions that must give what the interpreter gives without a budget.
var ordinary = []string{
	".", "..", ".a", ".a.b?", ".l[0]", ".l[-1]", ".l[1:]", ".l[:2]", ".l[1:2]", ".s[1:3]", ".s[0]", ".l[]", ".l[]?", ".s[]?", ".l[.n]", ".l[.n,0]", `."a"`, `."\("a")"`,
	".l | map(. * 2)", ".l | add", "[.l[] | select(. > 1)]", ".l | sort", ".l | sort_by(-.)", ".l | group_by(. % 2)", ".l | unique", ".l | min, max", ".l | reverse",
	"(1,2) + (10,20)", "[(1,2) * (3,4)]", "[(1,2) < (2,1)]", "[.l[(0,1)]]", "[.l[(0,1):(2,3)]]", "{a: (1,2), (\"b\",\"c\"): 3}", `{"x\(1,2)": 1}`, `{"a"}`, `{$__loc__}`,
	`"a\(1,2)b\("x","y")c"`, `@base64 "x\(.s)y"`, "@json", "@csv \"\\(.l)\"", ".l|@csv,@tsv,@sh", ".s|@html,@uri,@base64", "@text", ".s|@base64|@base64d",
	".a = 1", ".a |= . + 1", ".n += 5", ".n -= (1,2)", ".n *= 2", ".n /= 2", ".n %= 2", ".zz //= 3", ".l[1] = 9", ".l[5] = 9", ".l[1:2] = [7,8,9]", ".l[] += 1", ".. |= .",
	"(.l[] | select(. > 1)) |= empty", ".l |= map(. + 1)", "map_values(.)", ".a.b.c = 1", "del(.a)", "del(.l[0,1])", "del(.. | select(. == 1))", "to_entries", "with_entries(.value |= tojson)",
	"paths", "[paths(type == \"number\")]", "path(..)", "path(.l[1:])", "path(.a // .l)", "getpath([\"l\",0])", "[getpath([\"a\",\"b\"], [\"l\",1])]", "setpath([\"l\",0]; 5)", "delpaths([[\"a\"],[\"l\",0]])",
	"pick(.l[1])", "tostream", "[tostream] | fromstream(.[])", "[1|truncate_stream([[0],1],[[1,0],2],[[1,0]],[[1]])]", "walk(if type == \"number\" then . + 1 else . end)",
	". as {a: $x, l: [$y, $z]} | [$x, $y, $z]", `. as {("a"): $x} | $x`, `. as {"l": [$p]} | $p`, ".[] as [$a] ?// $a | [$a]", "reduce .l[] as $x (0; . + $x)", "[foreach .l[] as $x (0; . + $x; [$x, .])]",
	"[limit(3; .l[])]", "[first(.l[])]", "last(.l[])", "nth(1; .l[])", "[.l[] | if . > 1 then \"big\" elif . == 1 then \"one\" else 0 end]", "try error(\"x\") catch .", "try error({a:1}) catch .a", "[.l[] | try (if . > 1 then error else . end) catch \"e\"]",
	"label $out | .l[] | if . > 1 then ., break $out else . end", "def f(x): x * 2; f(.n)", "def fac: if . < 2 then 1 else . * (. - 1 | fac) end; 5 | fac", "def f($a; g): $a + g; f(1; 2, 3)", "def map(f): 1; map(.)", "def split(x): 7; split(1)",
	"(def split(x): 7; split(1)), (\"a,b\" | split(\",\"))", ".s | test(\"b\")", ".s | test(\"B\"; \"i\")", `.s | [match("(?<x>b)|(é)"; "g")]`, `.s | capture("(?<first>.)")`, `[.s | scan("[a-z]")]`, `[.s | scan("([a-z])([a-z])")]`,
	`.s | gsub("[abc]"; "<\(.)>")`, `.s | gsub("(?<x>[abc])"; .x + "-")`, `.s | sub("b"; "1", "2")`, `[.s | gsub("[ab]"; "1", "2")]`, `.s | gsub("x*"; "-")`, `.s | gsub(""; "-")`, `.s | gsub("$"; "!")`, `.s | gsub("^"; "!")`, `.s | gsub("\\b"; "|")`, `.s | gsub("zz"; "y")`, `[.s | sub("b"; empty)]`,
	`"aXbxc" | ascii_downcase, ascii_upcase, [splits("x";"i")], split("x"; "gi"), split("X")`, `"" | [splits("a")], gsub("a";"b"), gsub("";"b"), split(",")`, `[.s | splits("")]`, `"a b  c" | [splits(" +")]`, `"a b  c" | gsub("\\s+";"")`, `[match("a";"g")?]`,
	`.s | explode | implode`, `.s | length, utf8bytelength`, `.s | ltrimstr("a"), rtrimstr("c"), startswith("a"), endswith("c")`, `"  a " | trim, ltrim, rtrim`, `.s | indices("b"), index("b"), rindex("b")`, ".l | indices(1), index(2)", ".l | indices([1,2])", ".l[[1,2]]",
	".l | contains([1])", "[1] | inside([1,2])", `"foobar" | contains("bar")`, ".l | flatten, flatten(1)", "[[1],[2,3]] | transpose", "[[1,[2]],3] | flatten(1)", "[.l, .l] | combinations", "[1,2] | combinations(2)", ".l | index(3), any, all, (map(. > 0) | all)",
	"[range(5)], [range(2;5)], [range(0;10;3)]", "[.[]?]", "[1,2] - [2]", "{a:1} + {b:2}", "{a:{b:1}} * {a:{c:2}}", `"ab" * 3`, `"a,b" / ","`, "7 % 3, -7 % 3", "1 / 3", "-.n", "-(1,2)", "[.l[] | -.]", "null + 1", `null + "a"`,
	".l | join(\",\")", `["a",null,1] | join("-")`, "[3.7,-3.7] | map(floor, fabs), (4|sqrt)", "pow(2;10), log2?, (2|exp2)", ".n | tostring, tojson", `"[1,2]" | fromjson`, `"12" | tonumber`, "[.l[] | tostring]", "keys", "has(\"a\")", ".l | has(0)", "length", ".l as [$x] | $x",
	"env", "$ENV", "input_line_number?", "now | type", "0 | todate", `"2015-03-05T23:51:47Z" | fromdate`, "0 | strftime(\"%Y\")", `"10:15" | strptime("%H:%M")`, "0 | gmtime | mktime", "INDEX(.l[]; .)", "[.l[] | IN(1,2)]", "ascii?", "@x?", "splits(1)?", "isvalid(1)?", "getpath([1])?", "abs?", ".n | abs", "toboolean?", `"true" | toboolean`, "have_literal_numbers?",
	"infinite, -infinite, nan | isnan", "[.l[]|IN(2)]", "ltrimstr(1)", "error(null)?", "limit(0; 1)", "[skip(1; .l[])]", "isempty(empty)", "until(. == null; null)", "[.n | while(. < 10; . + 3)]", "[limit(3; repeat(1))]", "[recurse(if . then null else empty end)] | length", "12345678901234567890 + 1", "100000000000000000000 * 3", ".[\"a\",\"n\"]", ".l | .[1:] | .[0]", "bsearch(1)?", ".l | bsearch(2)",
	"error({a: [1,2]})", "{} | .a.b |= 5", "[[1,2],[3,4]] | .[][0] |= . + 10", ".l as $l | reduce range(3) as $i ([]; . + [$l[$i]])", "[.. | numbers]", "[.[] | scalars]", "map(.)?", "tojson | fromjson == .", ".l | to_entries | from_entries?", "[{name:\"a\",value:1}] | from_entries", "[splits(\"a\")?]", "@base32?", "halt_error?", "(.l | first), (.l | last)", "first(empty)?", ".l | nth(1)", "min_by(.)?", ".l | min_by(-.), max_by(-.)", ".l | unique_by(. % 2)", "[.l[] as $x | .l[] as $y | $x * $y]",
}

// What is paid gives what the interpreter gives without that: the same results in the same order, or an error.
func TestARewrittenExpressionMeansTheSame(t *testing.T) {
	const input = `{"a": {"b": null}, "l": [1, 2, 3], "s": "abécb", "n": 2}`
	results := func(next func() (any, bool)) (all []any) {
		for {
			v, ok := next()
			if !ok {
				return all
			}
			if err, ok := v.(error); ok {
				return append(all, "error: "+err.Error())
			}
			all = append(all, v)
		}
	}
	for _, src := range ordinary {
		query, err := gojq.Parse(src)
		if err != nil {
			t.Fatalf("%s: %v", src, err)
		}
		want := []any(nil)
		code, compileErr := gojq.Compile(query)
		if compileErr == nil {
			var v any
			_ = json.Unmarshal([]byte(input), &v)
			want = results(code.Run(v).Next)
		}
		var v any
		_ = json.Unmarshal([]byte(input), &v)
		next, err := jq.Results(t.Context(), src, v)
		if (err == nil) != (compileErr == nil) {
			t.Errorf("%s compiles with %v, want %v", src, err, compileErr)
			continue
		}
		if err != nil {
			continue
		}
		got := results(next)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s = %v, want %v", src, got, want)
		}
	}
}

// Every function of the interpreter is known here: a new one may take more than a constant.
func TestEveryFunctionHasAPrice(t *testing.T) {
	query, _ := gojq.Parse("builtins")
	code, err := gojq.Compile(query)
	if err != nil {
		t.Fatal(err)
	}
	all, _ := code.Run(nil).Next()
	constant := strings.Fields(`acos/0 acosh/0 asin/0 asinh/0 atan/0 atan2/2 atanh/0 builtins/0 cbrt/0 ceil/0 copysign/2 cos/0 cosh/0 debug/1 drem/2 empty/0 env/0 erf/0 erfc/0
		error/0 error/1 exp/0 exp10/0 exp2/0 expm1/0 fabs/0 fdim/2 floor/0 fma/3 fmax/2 fmin/2 fmod/2 frexp/0 gamma/0 gmtime/0 halt/0 halt_error/0 halt_error/1 has/1 hypot/2 infinite/0
		input/0 isfinite/0 isinfinite/0 isnan/0 isnormal/0 j0/0 j1/0 ldexp/2 lgamma/0 localtime/0 log/0 log10/0 log1p/0 log2/0 logb/0 mktime/0 modf/0 modulemeta/0 nan/0 nearbyint/0
		nextafter/2 nexttoward/2 now/0 path/1 pow/2 remainder/2 rint/0 round/0 scalb/2 scalbln/2 significand/0 sin/0 sinh/0 sqrt/0 tan/0 tanh/0 tgamma/0 toboolean/0 trunc/0 type/0
		utf8bytelength/0 y0/0 y1/0`)
	for _, name := range all.([]any) {
		if name := name.(string); !jq.Known(name) && !slices.Contains(constant, name) {
			t.Errorf("%s has no price", name)
		}
	}
}

// attacks are expressions that took all memory or endless time, with inputs that an upstream chooses.
func attacks() map[string][]any {
	words := strings.Repeat("a b\n", 750_000) // 3 MB
	as := strings.Repeat("a", 3_000_000)
	numbers := make([]any, 200_000)
	for i := range numbers {
		numbers[i] = i
	}
	n := func(n any) any { return map[string]any{"n": n, "s": "x", "l": numbers[:1000:1000]} }
	wide := []any{numbers}
	for range 100_000 {
		wide = append(wide, []any{})
	}
	return map[string][]any{
		`gsub("\\s+"; " ")`:                                                 {words, as, words[:200_000]},
		`gsub("a|a.*b"; "")`:                                                {as, words},
		`[scan("\\w")] | length`:                                            {words, as},
		`[splits(" ")] | length`:                                            {words},
		`[match("a*?"; "g")] | length`:                                      {words, as},
		`test("(a*)*(a*)*(a*)*(a*)*b")`:                                     {as},
		`test("(a{100}){10}b")`:                                             {as},
		`. as $s | "x" | test($s)`:                                          {strings.Repeat("(a{1000})", 400), strings.Repeat("(", 4000), as},
		`sub("(?<x>a+)"; .x + .x)`:                                          {as},
		`split("") | length`:                                                {as},
		`indices("a") | length`:                                             {as},
		`indices("aaaaaaaaaaaaaaaaaaaaaaaaaaaaab") | length`:                {as},
		`explode | implode | length`:                                        {as},
		`[range(1000) as $i | . + "x"] | length`:                            {as},
		`[range(1000) as $i | .[$i:$i+1]] | length`:                         {as},
		`[range(100000) as $i | ascii_downcase | length] | length`:          {as},
		`. * 1000 | length`:                                                 {as},
		`.s * .n | length`:                                                  {n(1e9), n(2147483646)},
		`.n as $n | [] | .[$n] = 1`:                                         {n(500_000_000), n(json.Number("500000000")), n(5e8)},
		`.n as $n | [] | .[$n] |= 1`:                                        {n(500_000_000)},
		`.n as $n | [] | .[$n] += 1`:                                        {n(500_000_000)},
		`.n as $n | [] | setpath([$n]; 1)`:                                  {n(500_000_000)},
		`.n as $n | null | setpath(["a", $n, "b"]; 1)`:                      {n(500_000_000)},
		`.n as $n | [1] | to_entries | map(.value |= (.x[$n] = 1))`:         {n(500_000_000)},
		`. as $d | reduce range(10) as $i ([]; .[$d.n] = $i)`:               {n(400_000_000)},
		`.n as $n | [[1]] | .[0][$n] = 1`:                                   {n(500_000_000)},
		`. as $d | {} | pick(.a[$d.n])`:                                     {n(500_000_000)},
		`.n as $n | [range($n)] | length`:                                   {n(1e9)},
		`.n as $n | [limit($n; repeat(1))] | length`:                        {n(1e9)},
		`.n as $n | reduce range($n) as $i (3; . * .)`:                      {n(100)},
		`.n as $n | reduce range($n) as $i (1; . * 12345678901)`:            {n(1e6)},
		`.n as $n | jn($n; 2e15)`:                                           {n(1e15)},
		`tonumber`:                                                          {strings.Repeat("9", 4_000_000)},
		`fromjson | . + 1`:                                                  {strings.Repeat("9", 4_000_000)},
		`fromjson | length`:                                                 {"[" + strings.Repeat("{},", 1_000_000) + "1]", strings.Repeat("[", 9000) + strings.Repeat("]", 9000)},
		`reduce range(60) as $i (1; [., .]) | tojson | length`:              {nil},
		`reduce range(60) as $i (1; [., .]) | "\(.)" | length`:              {nil},
		`reduce range(60) as $i (1; [., .]) | flatten | length`:             {nil},
		`reduce range(60) as $i (1; [., .]) | . == .[0]`:                    {nil},
		`reduce range(60) as $i (1; [., .]) | [., .] | sort`:                {nil},
		`reduce range(60) as $i (1; [., .]) | error(.)`:                     {nil},
		`reduce range(60) as $i (1; [., .]) | halt_error`:                   {nil},
		`reduce range(60) as $i (1; [., .]) | del(.[0])`:                    {nil},
		`reduce range(60) as $i (1; [., .]) | .`:                            {nil},
		`reduce range(60) as $i (1; [., .]) | contains([1])`:                {nil},
		`reduce range(60) as $i (1; [., .]) | [.] - [.]`:                    {nil},
		`reduce range(60) as $i ("x"; . + .) | length`:                      {nil},
		`reduce range(60) as $i ([1]; . + .) | length`:                      {nil},
		`reduce range(60) as $i ({a:1}; {a:., b:.}) | tojson`:               {nil},
		`reduce range(1e6) as $i (0; [.]) | tojson | length`:                {nil},
		`transpose | length`:                                                {wide},
		`. as $l | [range(1000) | $l] | add | length`:                       {numbers},
		`. as $l | [range(1000) | $l] | flatten | length`:                   {numbers},
		`. as $l | [range(1000) | first($l[])] | length`:                    {numbers},
		`. as $l | [range(1000) as $i | $l | .[0] = $i] | length`:           {numbers},
		`(.[range(1000)], .) |= . | length`:                                 {numbers},
		`map(.) | sort | group_by(.) | length`:                              {numbers},
		`. as $l | map(. as $x | $l | index($x)) | length`:                  {numbers},
		`. - . | length`:                                                    {numbers},
		`contains(map(-1 - .))`:                                             {numbers},
		`join(", " * 100000) | length`:                                      {numbers},
		`map(tostring) | join("x" * 1000) | length`:                         {numbers},
		`[.,.,.,.,.,.,.,.] | combinations | length`:                         {numbers},
		`[paths] | length`:                                                  {wide, numbers},
		`[tostream] | length`:                                               {wide},
		`.l as $l | [$l[] as $a | $l[] as $b | $l[] as $c | 1] | length`:    {n(1)},
		`def f: [f]; f`:                                                     {nil},
		`def f: 1 + f; f`:                                                   {nil},
		`def f: f, f; f`:                                                    {nil},
		`def f(g): f(g | g); f(.)`:                                          {nil},
		`[recurse([., .])] | length`:                                        {nil},
		`0 | strftime("%1024Y" * 100000) | length`:                          {nil},
		`try (def f: f, f; [f]) catch 1`:                                    {nil},
		`[range(1e9) | try error("x") catch .] | length`:                    {nil},
		`@html | @uri | @base64 | length`:                                   {strings.Repeat("<", 4_000_000)},
		`[range(1000) as $i | {a:1,b:2,c:.}] | length`:                      {as},
		`{("a" * 1000000): 1} | keys[0] | length`:                           {nil},
		`ltrimstr("a") as $x | [range(1e6) | $x | ltrimstr("a")] | length`:  {as},
		`[range(1e6) as $i | getpath([0])?] | length`:                       {as},
		`implode | length`:                                                  {numbers},
		`. as $s | reduce range(1e5) as $i (""; . + $s[$i:$i+10]) | length`: {as},
	}
}

// Whatever the input is, a run ends, and costs a bounded amount of memory and of time.
func TestNoExpressionCostsMoreThanItsBudget(t *testing.T) {
	// What is allocated in all; and far more time than is needed, for busy machines. Both are in proportion to the budget.
	const part, mostMemory, mostTime = 16, 40 << 20, 5 * time.Second
	defer jq.SetBudget(jq.Budget / part)()
	for src, inputs := range attacks() {
		p := compile(t, src)
		for _, in := range inputs {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			begin := time.Now()
			_, err := p.Run(t.Context(), in)
			took := time.Since(begin)
			runtime.ReadMemStats(&after)
			if memory := after.TotalAlloc - before.TotalAlloc; memory > mostMemory {
				t.Errorf("%s takes %d MiB, want at most %d (%.100v)", src, memory>>20, mostMemory>>20, err)
			}
			if took > mostTime {
				t.Errorf("%s takes %v, want at most %v (%.100v)", src, took, mostTime, err)
			}
			if testing.Verbose() {
				t.Logf("%6d KiB %8v %s: %.80v", (after.TotalAlloc-before.TotalAlloc)>>10, took.Round(time.Millisecond), src, err)
			}
		}
	}
}

// A text of ordinary size is no attack.
func TestOrdinaryTextsAreWorkedOn(t *testing.T) {
	words := strings.Repeat("some words,  and more\n", 5000) // 110 kB
	for src, want := range map[string]any{
		`gsub("\\s+"; " ") | length`:                      110_000 - 5000,
		`[splits(",")] | length`:                          5001,
		`split("\n") | map(select(test("and"))) | length`: 5000,
		`[scan("more")] | length`:                         5000,
		`ascii_upcase | length`:                           110_000,
	} {
		if got, err := compile(t, src).Run(t.Context(), words); err != nil || got != want {
			t.Errorf("%s = %v, %v, want %v", src, got, err, want)
		}
	}
}

// Runs that cost much go one after the other; those that cost little do not wait for them.
func TestCheapRunsDoNotWait(t *testing.T) {
	release := jq.TakeTurn()
	if got, err := compile(t, ". + 1 | tostring").Run(t.Context(), 41); err != nil || got != "42" {
		t.Errorf("a cheap run = %v, %v, want 42", got, err)
	}
	cause := errors.New("timed out")
	ctx, cancel := context.WithCancelCause(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := compile(t, "[range(1e9)] | length").Run(ctx, nil); !errors.Is(err, cause) {
			t.Errorf("a run that waits = %v, want %v", err, cause)
		}
	})
	cancel(cause)
	wg.Wait()
	release()
	if got, err := compile(t, "[range(50000)] | length").Run(t.Context(), nil); err != nil || got != 50000 {
		t.Errorf("a run that costs much = %v, %v, want 50000", got, err)
	}
}

// Whatever the expression and the input are, a run ends within its budget.
func FuzzBudget(f *testing.F) {
	for _, src := range []string{`gsub("a|a.*b"; "")`, `.n as $n | [] | .[$n] |= 1`, `.s * .n`, `reduce range(60) as $i (1; [., .]) | tojson`, `transpose`, `def f: f, f; f`} {
		f.Add(src, "aaab")
	}
	for _, src := range ordinary {
		f.Add(src, `{"a": {"b": null}, "l": [1, 2, 3], "s": "abc", "n": 500000000}`)
	}
	f.Fuzz(func(t *testing.T, src, text string) {
		p, err := jq.Compile(src)
		if err != nil {
			return
		}
		var in any = text
		_ = json.Unmarshal([]byte(text), &in)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begin := time.Now()
		_, _ = p.Run(t.Context(), in)
		runtime.ReadMemStats(&after)
		if took, memory := time.Since(begin), after.TotalAlloc-before.TotalAlloc; took > 10*time.Second || memory > 300<<20 {
			t.Errorf("%q on %q takes %v and %d MiB", src, text, took, memory>>20)
		}
	})
}
