package sources_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// An answer is kept while somebody looks, and no longer.
func TestAnswersAreKeptForThoseWhoLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolling(t, `sources:
  a: {exec: [a], every: 10s, pick: {level: .level}}
  whole: {exec: [whole], every: 10s}`)
		long := strings.Repeat("x", 100_000)
		p.say(func(string) (any, error) { return object{"level": 1.0, "long": long}, nil })
		answer := func() string {
			t.Helper()
			text, known := p.Answer("a")
			if !known {
				t.Error("the answer is not known")
			}
			return text
		}
		if got := answer(); got != "" {
			t.Errorf("an answer of %d bytes was kept although nobody looked", len(got))
		}
		time.Sleep(30 * time.Second)
		if got := answer(); !strings.HasPrefix(got, `{"level":1,"long":"xxx`) || len(got) > 66_000 {
			t.Errorf("an answer of %d bytes: %.40s", len(got), got)
		}
		time.Sleep(2 * time.Minute)
		if got := answer(); got != "" {
			t.Errorf("an answer of %d bytes is kept although nobody has looked for two minutes", len(got))
		}
		for _, name := range []string{"whole", "nothing"} {
			if _, known := p.Answer(name); known {
				t.Errorf("the answer of %s is known", name)
			}
		}
	})
}
