package archivetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
)

// A spansTest is one test of the suite.
type spansTest struct {
	*testing.T
	archive.Spans
}

// RunSpans runs the suite of [archive.Spans]. Open returns an archive without spans, which is closed at the end of the
// test that it gets.
func RunSpans(t *testing.T, open func(t *testing.T) archive.Spans) {
	tests := []struct {
		name string
		test func(spansTest)
	}{
		{"a span lasts until the next state", spansTest.states},
		{"what nobody knows is in no span", spansTest.slept},
		{"the clock is set back", spansTest.back},
		{"the clock is far ahead for a while", spansTest.ahead},
		{"spans are bounded", spansTest.bounded},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.test(spansTest{t, open(t)}) })
	}
}

// past returns the spans of a source as a text, newest first: "10s-20s ok, 5s-... failing (why)".
func (t spansTest) past(since, now int) string {
	t.Helper()
	past, err := t.Past(t.Context(), "tank", at(since), at(now))
	if err != nil {
		t.Fatalf("Past = %v", err)
	}
	var all []string
	for _, s := range past.Spans {
		to := s.To.Sub(base).String()
		if s.Lasts {
			if !s.To.Equal(at(now)) {
				t.Errorf("the span that lasts ends at %v, want %v", s.To, at(now))
			}
			to = "..."
		}
		text := fmt.Sprintf("%v-%s %s", s.From.Sub(base), to, s.State)
		if s.Error != "" {
			text += " (" + s.Error + ")"
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

func (t spansTest) want(since, now int, want string) {
	t.Helper()
	if got := t.past(since, now); got != want {
		t.Errorf("the spans from %d s to %d s are %s, want %s", since, now, got, want)
	}
}

func (t spansTest) states() {
	t.want(0, 100, "")
	t.Enter("tank", at(1), "pending", "")
	t.Enter("tank", at(2), "ok", "")
	t.Enter("tank", at(3), "ok", "")
	t.Enter("other", at(3), "ok", "")
	t.Enter("tank", at(10), "stale", "no route")
	t.Enter("tank", at(11), "stale", "other words")
	t.want(0, 15, "10s-... stale (no route), 2s-10s ok, 1s-2s pending")
	t.Enter("tank", at(20), "ok", "")
	t.want(0, 30, "20s-... ok, 10s-20s stale (no route), 2s-10s ok, 1s-2s pending")
	t.want(12, 30, "20s-... ok, 10s-20s stale (no route)")
	past, _ := t.Past(t.Context(), "tank", base, at(30))
	shares := archive.Shares(past.Spans, at(5), at(25))
	if shares["ok"] != 10*time.Second || shares["stale"] != 10*time.Second || len(shares) != 2 || !past.Since.IsZero() {
		t.Errorf("shares = %v, since %v, want 10 s each", shares, past.Since)
	}
}

func (t spansTest) slept() {
	t.Enter("tank", at(0), "ok", "")
	t.Lived(at(9))
	t.Slept(at(10), at(60))
	t.Enter("tank", at(61), "ok", "") // nothing new
	t.Enter("tank", at(70), "stale", "why")
	t.want(0, 80, "1m10s-... stale (why), 1m0s-1m10s ok, 0s-10s ok")
}

func (t spansTest) back() {
	t.Enter("tank", at(0), "ok", "")
	t.Enter("tank", at(50), "stale", "why")
	t.Slept(at(60), at(20))
	t.Enter("tank", at(30), "ok", "")
	t.want(0, 40, "30s-... ok, 20s-30s stale (why), 0s-20s ok")
	t.Enter("tank", at(10), "stale", "set back further, and nobody said so")
	t.want(0, 40, "10s-... stale (set back further, and nobody said so), 0s-10s ok")
}

func (t spansTest) ahead() {
	const day = 24 * 3600
	t.Enter("tank", at(0), "ok", "")
	t.Slept(at(10), at(9000*day))
	t.Enter("tank", at(9000*day+5), "failing", "in another year")
	t.Slept(at(9000*day+10), at(20))
	t.Enter("tank", at(30), "ok", "")
	t.want(0, 40, "30s-... ok, 20s-30s failing (in another year), 0s-10s ok")
}

func (t spansTest) bounded() {
	const n = 12_000
	states := []string{"ok", "stale"}
	for i := range n {
		t.Enter("tank", at(i), states[i%2], "")
	}
	past, err := t.Past(t.Context(), "tank", base, at(n))
	if err != nil {
		t.Fatal(err)
	}
	if got := len(past.Spans); got < 200 || got > 10_000 {
		t.Errorf("%d spans, want the newest", got)
	}
	for i, s := range past.Spans {
		if !s.From.Equal(at(n - 1 - i)) {
			t.Fatalf("span %d begins at %v, want %v", i, s.From, at(n-1-i))
		}
	}
	if oldest := past.Spans[len(past.Spans)-1].From; !past.Since.Equal(oldest) {
		t.Errorf("everything is there since %v, want since the oldest span, %v", past.Since, oldest)
	}
}
