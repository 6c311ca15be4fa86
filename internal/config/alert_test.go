package config_test

import (
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/config"
)

func TestAnAlertMaySayNoMoreThanHowLong(t *testing.T) {
	c, problems := config.Load("t.yaml", []byte("version: 1\nsources: {a: {exec: [a], alert: {for: 1s}}, b: {exec: [b], alert: {if: . > 9, clear: . < 5, clear_for: 1m}}}"))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if a := c.Sources[0].Alert; a == nil || a.For != time.Second || a.If != nil || a.Notify != nil {
		t.Errorf("alert = %+v, want one for 1s", a)
	}
	if b := c.Sources[1].Alert; b.Clear.String() != ". < 5" || b.ClearFor != time.Minute {
		t.Errorf("alert = %+v, want clear and clear_for", b)
	}
}
