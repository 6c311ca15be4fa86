package e2e_test

import (
	"fmt"
	"net/http"
	"testing"
)

// Integers beyond 2^53 are no float64: what is shown of them is what the upstream says.
func TestLargeIntegersKeepTheirDigits(t *testing.T) {
	plant := newUpstream(t, `{"serial": 9007199254740993, "least": -18446744073709551615, "round": 1000000000000000000000,
		"device": {"id": 9007199254740993, "near": 9007199254740991}, "list": [{"id": 9007199254740993}, {"id": 2}]}`)
	sources := ""
	for _, name := range []string{"serial", "least", "round", "device", "list"} {
		sources += fmt.Sprintf("  %s: {http: {upstream: plant, path: /}, every: 50ms, stale_after: 1m, pick: .%[1]s}\n", name)
	}
	g := serve(t, fmt.Sprintf("upstreams: {plant: {http: %q}}\nsources:\n%s", plant.url, sources))
	p := open(t, g.url, view{})
	p.await(`document.querySelectorAll(".card[data-state=ok]").length === 5 && value("serial")`)
	for name, want := range map[string]string{
		"serial": "9,007,199,254,740,993", "least": "−18,446,744,073,709,551,615", "round": "1,000,000,000,000,000,000,000",
	} {
		if got := eval[string](p, fmt.Sprintf(`card(%q).querySelector(".value").title || value(%[1]q)`, name)); got != want {
			t.Errorf("%s is exactly %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"device", "list"} {
		p.goTo(g.url + "sources/" + name)
		p.await(`document.body.innerText.includes("9,007,199,254,740,993") || document.body.innerText.includes("9007199254740993")`)
	}
}

// The reader's law: what was read, written again, is the text; and it takes what JSON.parse takes, nothing else.
func TestJSONKeepsEveryDigit(t *testing.T) {
	p := open(t, modules(t, ""), view{})
	for _, wrong := range eval[[]string](p, `import("/static/json.js").then(({ parse }) => {
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
	p.await(`connection() === "polling" && value("serial") === "9,007,199,254,740,993"`)
	plant.say(`9007199254740995`)
	p.await(`value("serial") === "9,007,199,254,740,995"`)
	other := p.tab(f.url, view{before: sooner(5_000, 300)})
	other.await(`connection() === "polling" && value("serial") === "9,007,199,254,740,995"`)
	plant.say(`9007199254740997`)
	other.await(`value("serial") === "9,007,199,254,740,997"`)
}
