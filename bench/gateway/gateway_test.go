//go:build linux

package main

import (
	"strings"
	"testing"
	"time"
)

func TestSpreadOf(t *testing.T) {
	if got, want := spreadOf([]float64{3, 1, 2}), (spread{2, 3, 3}); got != want {
		t.Errorf("spreadOf = %v, want %v", got, want)
	}
	if got := spreadOf(nil); got != (spread{}) {
		t.Errorf("spreadOf nothing = %v, want nothing", got)
	}
}

func TestJudge(t *testing.T) {
	r := results{Sources: 1000, OnTime: 0.96, Peak: 100e6, Poll: 300 * time.Microsecond, Plain: 100 * time.Microsecond, Age: spread{P99: 1.04}, Ready: 2 * time.Second,
		Stores: [2]stored{{Poll: 200 * time.Microsecond}, {Poll: 260 * time.Microsecond, Peak: 140e6}}}
	bars := evaluate(r)
	var met []bool
	for _, b := range bars {
		met = append(met, b.Met)
	}
	want := []bool{false, true, false, true, false, true, false}
	for i := range want {
		if met[i] != want[i] {
			t.Errorf("%s: met = %t, want %t", bars[i].What, met[i], want[i])
		}
	}
	for _, text := range []string{summary(r, bars), string(page(r, bars))} {
		if !strings.Contains(text, "missed") || strings.Contains(text, "%!") {
			t.Errorf("the results are shown as\n%s", text)
		}
	}
}
