package secret_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/text"
)

// The canaries: of 4, 7, 8 and 40 characters.
var canaries = []string{
	`a+<é`,
	`p/5"%=w`,
	`k=%2B"<é`,
	`Zm9v+YmFy/cXV4==%"<é0123456789abcdefghij`,
	`pässwört`,
	`pa55wrd`,
	`s3cr+t/key==`,
	`back\slash\n`,
	`two words`,
	`😀key😀`,
	`0000`,
}

// spellings are what programs, servers and encoders make of s.
func spellings(s string) map[string]string {
	unquoted := func(s string) string { return s[1 : len(s)-1] }
	inner := func(v any) string {
		quoted, _ := json.Marshal(v)
		return unquoted(string(quoted))
	}
	var plainJSON strings.Builder
	encoder := json.NewEncoder(&plainJSON)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(s)
	goJSON := inner(s)
	ascii, shell := "", ""
	for _, c := range s {
		if strings.ContainsRune(`"\`, c) {
			ascii += `\`
		}
		switch {
		case c < utf8.RuneSelf:
			ascii += string(c)
		case c > 0xffff:
			high, low := utf16.EncodeRune(c)
			ascii += fmt.Sprintf(`\u%04x\u%04x`, high, low)
		default:
			ascii += fmt.Sprintf(`\u%04x`, c)
		}
		if strings.ContainsRune(` "'\$&<>|;()`, c) {
			shell += `\`
		}
		shell += string(c)
	}
	everyJSON, everyPercent, everyDecimal, everyHex, mixed := "", "", "", "", ""
	for _, c := range utf16.Encode([]rune(s)) {
		everyJSON += fmt.Sprintf(`\u%04X`, c)
	}
	for i, b := range []byte(s) {
		everyPercent += fmt.Sprintf("%%%02x", b)
		if i%2 == 0 {
			mixed += fmt.Sprintf("%%%02X", b)
		} else {
			mixed += s[i : i+1]
		}
	}
	for _, c := range s {
		everyDecimal += fmt.Sprintf("&#%d;", c)
		everyHex += fmt.Sprintf("&#x%X;", c)
	}
	return map[string]string{
		"plain": s, "terminal": text.Plain(s), "line": text.Words(s),
		"Go JSON": goJSON, "JSON without HTML": unquoted(strings.TrimSuffix(plainJSON.String(), "\n")), "Python JSON": ascii, "JSON, all escaped": everyJSON,
		"slashes": strings.ReplaceAll(goJSON, "/", `\/`), "slashes alone": strings.ReplaceAll(s, "/", `\/`),
		"nested": inner(goJSON), "nested Python": inner(ascii), "nested all": inner(everyJSON),
		"path": url.PathEscape(s), "query": url.QueryEscape(s), "query, lower case": regexp.MustCompile("%..").ReplaceAllStringFunc(url.QueryEscape(s), strings.ToLower), "query within a query": url.QueryEscape(url.QueryEscape(s)),
		"percent": everyPercent, "percent, mixed": mixed, "JSON of a query": inner(url.QueryEscape(s)), "query of JSON": url.QueryEscape(goJSON),
		"HTML": html.EscapeString(s), "HTML, decimal": everyDecimal, "HTML, hexadecimal": everyHex, "JSON of HTML": inner(html.EscapeString(s)), "HTML of JSON": html.EscapeString(goJSON),
		"Go": unquoted(strconv.Quote(s)), "Go, ASCII": unquoted(strconv.QuoteToASCII(s)), "shell": shell,
	}
}

// around are what may stand before and behind a secret.
var around = [][2]string{{"", ""}, {"key=", "&more"}, {`{"pin": "`, `"}`}, {`\`, `\`}, {"%", "%"}, {"%4", "1"}, {`\u00`, "u"}, {"&", ";"}, {"+", "+"}, {"é", "é"}, {"\xff", "\xff"}}

func TestNoSpellingIsLeft(t *testing.T) {
	all := secret.New(canaries...)
	for _, s := range canaries {
		for _, r := range []*secret.Redactor{secret.New(s), all} {
			for name, spelled := range spellings(s) {
				for _, a := range around {
					got := r.Text(a[0] + spelled + a[1])
					if strings.Contains(got, spelled) || !strings.Contains(got, secret.Mask) {
						t.Errorf("%s of %q: Text(%q) = %q", name, s, a[0]+spelled+a[1], got)
					}
				}
			}
			if got := r.Text("«" + s + "» and «" + s + "»"); r != all && got != "«***» and «***»" {
				t.Errorf("Text with %q twice = %q", s, got)
			}
		}
	}
}

func TestBasicIsHidden(t *testing.T) {
	const user, password = "ann", `p<é"?>~`
	r := secret.New(secret.OfHeader(map[string][]string{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))}})...)
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		encoded := encoding.EncodeToString([]byte(user + ":" + password))
		for _, text := range []string{encoded, url.QueryEscape(encoded), password} {
			if got := r.Text("with " + text + "."); strings.Contains(got, strings.TrimRight(text, "=")) {
				t.Errorf("Text(%q) = %q", text, got)
			}
		}
	}
	if got, want := r.Text("user ann"), "user ann"; got != want {
		t.Errorf("Text = %q, want %q", got, want)
	}
}

func TestThePasswordOfAnAddressIsHidden(t *testing.T) {
	r := secret.New("postgres://ann:p%40ssw@db.example.com/x")
	for in, want := range map[string]string{"login with p@ssw failed": "login with *** failed", "db.example.com is away": "db.example.com is away", "ann": "ann"} {
		if got := r.Text(in); got != want {
			t.Errorf("Text(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestWhatOverlapsIsHiddenAsOne(t *testing.T) {
	for _, c := range []struct{ secrets, in, want string }{
		{"abcd,cdef", "xabcdefx", "x***x"},
		{"abcd,abcdefgh", "abcdefgh abcd abcdef", "*** *** ***ef"},
		{"abcd", "abcdabcd", "******"},
		{"abcd,a***b", "aabcdb", "***"},
		{"****", "*********", "***"},
	} {
		if got := secret.New(strings.Split(c.secrets, ",")...).Text(c.in); got != c.want {
			t.Errorf("secrets %s: Text(%q) = %q, want %q", c.secrets, c.in, got, c.want)
		}
	}
}

func TestWhatIsTooShortIsNotHidden(t *testing.T) {
	r := secret.New("abc", "é<é", "", "  ")
	if got, want := r.Text("abc é<é"), "abc é<é"; got != want {
		t.Errorf("Text = %q, want %q", got, want)
	}
	for s, want := range map[string]bool{"": true, "abc": true, "ééé": true, "abcd": false, "éééé": false} {
		if got := secret.TooShort(s); got != want {
			t.Errorf("TooShort(%q) = %v, want %v", s, got, want)
		}
	}
	var none *secret.Redactor
	if got := none.Text("abcd"); got != "abcd" {
		t.Errorf("the Text of a nil Redactor = %q", got)
	}
}

// The end of a text that was cut off may be the beginning of a secret, and so may the
// beginning of a line.
func TestHalvesAreHidden(t *testing.T) {
	s := "pässwört-of-the-plant"
	r := secret.New(s)
	for name, spelled := range spellings(s) {
		for n := range len(spelled) {
			cut := strings.ToValidUTF8("at "+spelled[:n], "\uFFFD")
			got := r.Cut(cut)
			if strings.Contains(got, "ss") && strings.Contains(got, "rt") {
				t.Errorf("%s: Cut(%q) = %q", name, cut, got)
			}
		}
	}
	if got, want := r.Cut("at pässw"), "at ***"; got != want {
		t.Errorf("Cut = %q, want %q", got, want)
	}
	if got, want := r.Text("at pässw"), "at pässw"; got != want {
		t.Errorf("Text = %q, want %q", got, want)
	}
	long := strings.Repeat("0123456789", 10)
	if got, want := secret.New(long).Text("x"+long[:40]+" cut"), "x*** cut"; got != want {
		t.Errorf("Text of the beginning of a long secret = %q, want %q", got, want)
	}
	key := secret.New("-----BEGIN KEY-----\nMIIEvQIBADANBg\r\nkqhkiG9w0BAQEFAASC\n-----END KEY-----\n")
	for _, line := range []string{"-----BEGIN KEY-----", "MIIEvQIBADANBg", "kqhkiG9w0BAQEFAASC"} {
		if got := key.Text("  " + line); got != "  ***" {
			t.Errorf("Text of a line of a secret = %q", got)
		}
	}
}

func TestJSONStaysJSON(t *testing.T) {
	r := secret.New(`pässwört`, `a"b\c`, "123456", `x","y`)
	for secretWord, in := range map[string]string{"true": `{"ok": true, "n": [1, "x"]}`, "null": `{"ok": null, "n": [1, "x"]}`, "false": `{"ok": false, "n": [1, "x"]}`} {
		if got, want := string(secret.New(secretWord).JSON([]byte(in))), `{"ok": "***", "n": [1, "x"]}`; got != want {
			t.Errorf("JSON(%s) without %q = %s, want %s", in, secretWord, got, want)
		}
		if got := string(secret.New(secretWord).Strings([]byte(in))); got != in {
			t.Errorf("Strings(%s) without %q = %s, want it as it is", in, secretWord, got)
		}
	}
	for in, want := range map[string]string{
		`{"pin": "p\u00e4ssw\u00F6rt", "n": 1.50}`:          `{"pin": "***", "n": 1.50}`,
		`{"p\u00e4sswört": [1, "a\"b\\c"]}`:                 `{"***": [1, "***"]}`,
		`{"nested": "{\"pin\": \"p\\u00e4ssw\\u00f6rt\"}"}`: `{"nested": "{\"pin\": \"***\"}"}`,
		`[123456, -1234567.5e3, 12345]`:                     `["***", "***", 12345]`,
		`["x","y"]`:                                         `"***"`,
		`"nothing"`:                                         `"nothing"`,
		`{"é": "\u00e9"}`:                                   `{"é": "\u00e9"}`,
	} {
		if got := string(r.JSON([]byte(in))); got != want {
			t.Errorf("JSON(%s) = %s, want %s", in, got, want)
		}
	}
}

func TestWhatIsSecretInARequest(t *testing.T) {
	query := url.Values{"appid": {"s3cr+t/key=="}, "q": {"Berlin,DE"}, "lat": {"52.52"}, "current": {"temperature_2m"}, "device": {"tank01"},
		"api_key": {"letmein"}, "keyword": {"solar"}, "id": {"9f86d081884c7d65"}, "x": {"a+b="}}
	got := secret.OfQuery(query)
	hidden := strings.Join(got, " ")
	for _, s := range []string{"s3cr+t/key==", "letmein", "9f86d081884c7d65", "a+b="} {
		if !strings.Contains(hidden, s) {
			t.Errorf("OfQuery = %q, want %q among them", got, s)
		}
	}
	if len(got) != 4 {
		t.Errorf("OfQuery = %q, want 4", got)
	}
	header := secret.OfHeader(map[string][]string{"x-api-key": {"pa55wrd"}, "Authorization": {"Bearer abcd"}, "Accept": {"text/plain"}})
	if hidden := strings.Join(header, "|"); len(header) != 3 || !strings.Contains(hidden, "pa55wrd") || !strings.Contains(hidden+"|", "|abcd|") && !strings.HasPrefix(hidden, "abcd|") {
		t.Errorf("OfHeader = %q", header)
	}
}

// A server repeats a cookie or a parameter of a credential without what stands around it.
func TestThePartsOfAHeaderAreHidden(t *testing.T) {
	for header, want := range map[string][]string{
		"Cookie: sid=letmein; theme=dark":                                                   {"letmein"},
		"Cookie: PHPSESSID=abcdefgh;lang=en":                                                {"abcdefgh"},
		`Authorization: Token token="s3cr\"t", realm=plant`:                                 {`s3cr"t`},
		`Authorization: Digest username="ann", response="6629fae49393a05397450978507c4ef1"`: {"6629fae49393a05397450978507c4ef1"},
		"X-Auth: key=letmein,zone=north":                                                    {"letmein"},
		"X-Password: a=secret;b":                                                            {"a=secret;b"},
	} {
		name, value, _ := strings.Cut(header, ": ")
		for kind, all := range map[string][]string{"OfHeader": secret.OfHeader(map[string][]string{name: {value}}), "OfNamed": secret.OfNamed(map[string][]string{name: {value}})} {
			for _, s := range want {
				if !slices.Contains(all, s) {
					t.Errorf("%s(%s) = %q, want %q among them", kind, header, all, s)
				}
			}
			if slices.Contains(all, "dark") || slices.Contains(all, "en") || slices.Contains(all, "north") {
				t.Errorf("%s(%s) = %q, want no word that is no credential", kind, header, all)
			}
		}
	}
}

func TestWhatIsSecretInTheArgumentsOfAProgram(t *testing.T) {
	got := secret.OfArguments([]string{"psql", "--password=letmein", "DB_PASS=b=cd", "--token", "abcdef", "--api-key", "--verbose", "--key", "/etc/key.pem",
		"--token-file=/run/token", "http://bob:p%C3%A4ss@db.example.com/x", "--host=db", "north"})
	if want := []string{"letmein", "b=cd", "abcdef", "päss", "p%C3%A4ss"}; !slices.Equal(got, want) {
		t.Errorf("OfArguments = %q, want %q", got, want)
	}
}

// No spelling of a secret is left, whatever else is in the text; a text that has nothing of
// a secret is not changed; JSON stays JSON.
func FuzzRedactor(f *testing.F) {
	for _, s := range canaries {
		f.Add(s, "other", "before ", " after")
		f.Add(s, s[1:]+"x", `\`, "%4")
	}
	f.Fuzz(func(t *testing.T, s, other, before, after string) {
		if !utf8.ValidString(s) || secret.TooShort(strings.TrimSpace(s)) || strings.TrimSpace(s) != s || len(s) > 200 {
			return
		}
		r := secret.New(s, other)
		for name, spelled := range spellings(s) {
			if secret.TooShort(spelled) {
				continue
			}
			got := r.Text(before + spelled + after)
			if strings.Contains(got, spelled) {
				t.Errorf("%s of %q: Text(%q) = %q", name, s, before+spelled+after, got)
			}
			if again := r.Text(got); again != got {
				t.Errorf("Text(Text(%q)) = %q, want %q", before+spelled+after, again, got)
			}
			data, _ := json.Marshal(map[string]any{"a": before + spelled + after, spelled: 1})
			redacted := r.JSON(data)
			var decoded any
			if err := json.Unmarshal(redacted, &decoded); err != nil || strings.Contains(fmt.Sprint(decoded), spelled) {
				t.Errorf("%s of %q: JSON(%s) = %s, %v", name, s, data, redacted, err)
			}
		}
		free := strings.Map(func(c rune) rune {
			if strings.ContainsRune(`\%&+`, c) || strings.ContainsRune(s+other, c) {
				return -1
			}
			return c
		}, before+after)
		if got := r.Text(free); got != free && !strings.Contains(s+other, "://") { // of which the password may be spelled otherwise
			t.Errorf("secrets %q, %q: Text(%q) = %q", s, other, free, got)
		}
	})
}

func BenchmarkText(b *testing.B) {
	var secrets []string
	for i := range 20 {
		secrets = append(secrets, fmt.Sprintf("s3cr+t/%d-key==", i*7919))
	}
	r := secret.New(secrets...)
	for name, line := range map[string]string{
		"log":  `2026-11-28T10:11:12Z INFO scanned host 10.0.4.17 in 12.5 ms, 3 ports open, 251 hosts left to go`,
		"json": `{"time": "2026-11-28", "msg": "path \"C:\\data\\x\" is 100% full & 3 + 4", "url": "https://x.example/?q=a%20b&c=d+e"}`,
		"same": strings.Repeat("s", 100),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for b.Loop() {
				r.Text(line)
			}
		})
	}
}

// A text of escapes, of which each can be read in many ways, cannot hold the gateway up.
func TestATextThatTakesTooLongIsHiddenAsAWhole(t *testing.T) {
	for _, c := range []struct{ secret, text string }{
		{strings.Repeat(`\`, 60) + "x", strings.Repeat(`\`, 4<<10)},
		{strings.Repeat(`%`, 60) + "x", strings.Repeat(`%25`, 2<<10)},
		{strings.Repeat(`&amp;`, 60) + "x", strings.Repeat(`&amp;`, 1<<10)},
	} {
		if got := secret.New(c.secret).Text(c.text); got != secret.Mask {
			t.Errorf("secret of %.3q: %d bytes are left of the text, want none", c.secret, len(got))
		}
		if got := secret.New("s3cr+t").Text(c.text); got != c.text {
			t.Errorf("another secret: the text of %.3q has changed", c.text)
		}
	}
}

// A redactor is small, for each source has some, and most have nothing to hide.
func TestRedactorIsSmall(t *testing.T) {
	if r := secret.New("", "abc"); r != nil {
		t.Errorf("New without secrets = %v, want nil", r)
	}
	r := secret.New("hunter2 hunter2")
	if same := r.With("hunter2 hunter2", "x"); same != r {
		t.Error("With nothing new is another redactor")
	}
	if size := reflect.TypeOf(*r).Size(); size > 2<<10 {
		t.Errorf("a redactor takes %d bytes, want 2 KiB at most", size)
	}
}
