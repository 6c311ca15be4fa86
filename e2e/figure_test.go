package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// shows serves one source for each value, with what show says of it, and opens a page of a phone's width.
func shows(t *testing.T, values map[string]string, show string) *page {
	t.Helper()
	body, sources := []string{}, ""
	for name, value := range values {
		body = append(body, fmt.Sprintf("%q: %s", name, value))
		sources += fmt.Sprintf("  %s: {http: {upstream: plant, path: /}, every: 50ms, stale_after: 1m, pick: .%[1]s%s}\n", name, show)
	}
	plant := newUpstream(t, "{"+strings.Join(body, ", ")+"}")
	p := open(t, serve(t, fmt.Sprintf("upstreams: {plant: {http: %q}}\nsources:\n%s", plant.url, sources)).url, view{width: 390, height: 844})
	p.await(fmt.Sprintf(`document.querySelectorAll("#source-list > [data-state=ok]").length === %d`, len(values)))
	return p
}

// Integers beyond 2^53 are no float64: what is shown of them is what the upstream says.
func TestLargeIntegersKeepTheirDigits(t *testing.T) {
	p := shows(t, map[string]string{
		"serial": `9007199254740993`, "least": `-18446744073709551615`, "round": `1000000000000000000000`,
		"device": `{"id": 9007199254740993, "text": "9007199254740993, \" 9007199254740995", "near": 9007199254740991}`,
		"list":   `[{"id": 9007199254740993}, {"id": 2}]`,
	}, "")
	for name, want := range map[string]string{
		"serial": "9,007,199,254,740,993", "least": "-18,446,744,073,709,551,615", "round": "1,000,000,000,000,000,000,000",
	} {
		if got := p.text(name, ".figure"); got != want {
			t.Errorf("%s is shown as %q, want %q", name, got, want)
		}
	}
	fields := eval[[]string](p, `[...card("device").querySelectorAll("dl > div")].map((n) => [...n.children].map((c) => c.textContent).join(": ")).sort()`)
	if got, want := strings.Join(fields, "; "), `id: 9,007,199,254,740,993; near: 9,007,199,254,740,991; text: 9007199254740993, " 9007199254740995`; got != want {
		t.Errorf("the device is shown as %q, want %q", got, want)
	}
	if got, want := p.text("list", "td"), "9,007,199,254,740,993"; got != want {
		t.Errorf("the cell says %q, want %q", got, want)
	}
	p.await(`text("serial", ".summary").includes("max 9,007,199,254,740,99")`) // a chart may round
}

// The reader's law: what was read, written again, is the text; and it takes what JSON.parse takes, nothing else.
func TestJSONKeepsEveryDigit(t *testing.T) {
	p := open(t, serve(t, "").url, view{})
	p.await(`connection() === "live"`)
	for _, wrong := range eval[[]string](p, `import(document.querySelector("link[href*='/json.']").href).then(({ parse }) => {
		let seed = 1;
		const random = (n) => (seed = (seed * 48271) % 2147483647) % n;
		const pick = (list) => list[random(list.length)];
		const digits = (n) => pick("123456789") + Array.from({ length: n - 1 }, () => random(10)).join("");
		const integer = () => pick(["", "-"]) + digits(1 + random(40));
		const string = () => '"' + Array.from({ length: random(6) }, () => pick(["\\\"", "\\\\", "{", ":", ",", " ", "é", digits(20), "-", "1e400"])).join("") + '"';
		const value = (depth) => {
			switch (random(depth > 3 ? 5 : 8)) {
				case 0: case 1: return integer();
				case 2: return string();
				case 3: return pick(["true", "false", "null", "0", "0.5", "-1.25"]);
				case 4: return '"' + digits(30) + '"';
				case 5: return "[" + Array.from({ length: random(4) }, () => value(depth + 1)).join() + "]";
			}
			return "{" + Array.from({ length: random(4) }, (_, i) => '"' + i + "x" + digits(18) + '":' + value(depth + 1)).join() + "}";
		};
		const write = (v) => typeof v === "bigint" ? String(v) : Array.isArray(v) ? "[" + v.map(write).join() + "]" :
			v && typeof v === "object" ? "{" + Object.entries(v).map(([k, w]) => JSON.stringify(k) + ":" + write(w)).join() + "}" : JSON.stringify(v);
		const wrong = [];
		const accepts = (f, text) => { try { f(text); return true; } catch { return false; } };
		for (let i = 0; i < 5000; i++) {
			const text = value(0);
			if (write(parse(text)) !== text) wrong.push(text + " is read as " + write(parse(text)));
			const at = random(text.length), broken = text.slice(0, at) + pick(["0", '"', "{", "}", ".", "e", "-", digits(17)]) + text.slice(at);
			if (accepts(parse, broken) !== accepts(JSON.parse, broken)) wrong.push(broken + " is taken: " + accepts(parse, broken));
		}
		if (parse("[1e400]")[0] !== "1e400" || parse("[-1E+999]")[0] !== "-1E+999") wrong.push("what is too large for a number");
		return wrong.slice(0, 5);
	})`) {
		t.Error(wrong)
	}
}

// Digits survive the ways that are not the stream: polls, and what tabs tell each other.
func TestLargeIntegersKeepTheirDigitsEverywhere(t *testing.T) {
	plant := newUpstream(t, `9007199254740993`)
	f := newFront(t, serve(t, fmt.Sprintf("upstreams: {plant: {http: %q}}\nsources: {serial: {http: {upstream: plant, path: /}, every: 50ms}}", plant.url)).url)
	f.instead(func(_ int, _ http.ResponseWriter, r *http.Request) bool {
		<-r.Context().Done() // it is held back
		return true
	})
	p := open(t, f.url, view{before: sooner(5_000, 300)})
	p.await(`connection() === "polling" && text("serial", ".figure") === "9,007,199,254,740,993"`)
	plant.say(`9007199254740995`)
	p.await(`text("serial", ".figure") === "9,007,199,254,740,995"`)
	other := p.tab(f.url, view{before: sooner(5_000, 300)})
	other.await(`connection() === "polling" && text("serial", ".figure") === "9,007,199,254,740,995"`)
	plant.say(`9007199254740997`)
	other.await(`text("serial", ".figure") === "9,007,199,254,740,997"`)
}

// Whatever an upstream says, a card is of a size that people look at.
func TestLongTextsAreCutShort(t *testing.T) {
	long := strings.Repeat("wörd ", 40_000)
	quoted, _ := json.Marshal(long)
	p := shows(t, map[string]string{
		"text": string(quoted), "field": `{"log": ` + string(quoted) + `, "n": 1}`, "deep": `{"all": {"log": ` + string(quoted) + `}, "n": 1}`,
		"name": `{` + string(quoted) + `: 1, "n": 2}`, "cell": `[{"log": ` + string(quoted) + `}]`, "items": `[` + string(quoted) + `, "b"]`,
	}, "")
	for _, name := range []string{"text", "field", "deep", "name", "cell", "items"} {
		if got := eval[float64](p, fmt.Sprintf(`card(%q).offsetHeight`, name)); got > 1200 {
			t.Errorf("the card %s is %v pixels high, want at most 1200", name, got)
		}
		if got := eval[string](p, fmt.Sprintf(`card(%q).textContent`, name)); !strings.Contains(got, "more characters") {
			t.Errorf("the card %s does not say that something is left out: %.300q", name, got)
		}
	}
	p.fits()
}

func TestLargeNumbersAndLongUnitsFit(t *testing.T) {
	p := shows(t, map[string]string{"huge": `1e308`, "tiny": `1e-300`, "pair": `{"a": 1e308, "b": -1.5e300}`, "digits": strings.Repeat("123", 100)},
		`, show: {unit: "`+strings.Repeat("U", 100)+`"}`)
	p.await(`text("huge", ".summary")`)
	p.fits()
	for name, want := range map[string]string{"huge": "1e308", "tiny": "1e-300"} {
		if got := p.text(name, ".figure"); got != want {
			t.Errorf("%s is shown as %q, want %q", name, got, want)
		}
	}
}

// A unit is text of a configuration; it turns the writing direction of nothing.
func TestAUnitTurnsNothing(t *testing.T) {
	p := shows(t, map[string]string{"tank": `41`}, `, show: {unit: "\u202egnp."}`)
	p.await(`text("tank", ".summary")`)
	for _, part := range []string{".unit", ".summary"} {
		if got := p.text("tank", part); strings.ContainsAny(got, "\u202e\u0007") || !strings.Contains(got, "gnp.") {
			t.Errorf("%s says %q, want no character that turns the writing direction", part, got)
		}
	}
}
