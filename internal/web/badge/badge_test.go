package badge_test

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
	"github.com/tidewire/tidewire/internal/web/badge"
)

func TestDependencies(t *testing.T) {
	deptest.StandardOnly(t, "it draws texts", "github.com/tidewire/tidewire/internal/text")
}

// texts returns all character data of an XML document, which must be well-formed.
func texts(t *testing.T, data []byte) (all []string) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(string(data)))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%v in %s", err, data)
		}
		if chars, ok := token.(xml.CharData); ok {
			all = append(all, string(chars))
		}
	}
}

func TestABadgeShowsItsTexts(t *testing.T) {
	for _, b := range []badge.Badge{
		{"Tank T-101", "alert, 93.4 %", "alert"},
		{"Filler 1", "412 bottles/min", "ok"},
		{"", "", ""},
		{`<script>alert(1)</script>`, `"quoted" & 'so' <b>`, "no state"},
		{"容器", "ü\u0301 🚰", "stale"},
	} {
		svg := b.SVG()
		var want []string
		want = append(want, b.Label+": "+b.Text)
		for _, line := range []string{b.Label, b.Text} {
			if line != "" {
				want = append(want, line)
			}
		}
		if got := texts(t, svg); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%+v has the texts %q, want %q", b, got, want)
		}
		if string(b.SVG()) != string(svg) {
			t.Errorf("%+v is not the same twice", b)
		}
	}
}

// Whatever a source says, a badge is one line of bounded length.
func TestHostileTextsAreOneShortLine(t *testing.T) {
	long := strings.Repeat("line\n\x00\x1b[31m\u202e\u200b", 20_000)
	svg := badge.Badge{long, long, long}.SVG()
	if len(svg) > 3000 {
		t.Errorf("the badge has %d bytes, want at most 3000", len(svg))
	}
	for _, line := range texts(t, svg) {
		if i := strings.IndexAny(line, "\n\x00\x1b\u202e\u200b"); i >= 0 {
			t.Errorf("a text has %q", line[i:])
		}
	}
	if got := widthOf(t, svg); got > 1000 {
		t.Errorf("the badge is %d px wide, want at most 1000", got)
	}
}

var whole = regexp.MustCompile(`<svg [^>]*?width="(\d+)"`)

func widthOf(t *testing.T, svg []byte) int {
	t.Helper()
	n, err := strconv.Atoi(string(whole.FindSubmatch(svg)[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Every text and glyph is white: all grounds must be dark enough, 4.5:1 (WCAG 2.2, 1.4.3).
func TestWhiteIsReadOnEveryGround(t *testing.T) {
	for _, state := range []string{"ok", "alert", "failing", "acknowledged", "stale", "unknown", "paused", "running", ""} {
		for _, m := range regexp.MustCompile(`<path fill="#([0-9a-f]{6})"`).FindAllSubmatch(badge.Badge{"a", "b", state}.SVG(), -1) {
			if got := 1.05 / (luminance(t, string(m[1])) + .05); got < 4.5 {
				t.Errorf("white on #%s, of %q, has a contrast of %.2f, want 4.5", m[1], state, got)
			}
		}
	}
}

// luminance is that of WCAG 2.2.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	sum := 0.0
	for i, weight := range []float64{.2126, .7152, .0722} {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		if c := float64(n) / 255; c <= .04045 {
			sum += weight * c / 12.92
		} else {
			sum += weight * math.Pow((c+.055)/1.055, 2.4)
		}
	}
	return sum
}
