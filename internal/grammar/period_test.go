package grammar_test

import (
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/grammar"
)

func TestPeriod(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90m": 90 * time.Minute, "30d": 720 * time.Hour, "1y": 8760 * time.Hour, "5y": 43800 * time.Hour,
		"43800h": 43800 * time.Hour, "007d": 168 * time.Hour, "99999y": 200 * 8760 * time.Hour,
		"0d": 0, "1.5d": 0, "-3d": 0, "d": 0, "7": 0, "1w": 0, "1d12h": 0, "123456d": 0,
	} {
		var got time.Duration
		r := grammar.Read("a.yaml", []byte("a: "+text+"\n"), grammar.Options{}, func(n *grammar.Node) {
			got = n.Get("a").Period("a")
		})
		if problems := r.Problems(10); got != want || (problems == nil) != (want > 0) {
			t.Errorf("%s is %v, %v, want %v", text, got, problems, want)
		}
	}
}
