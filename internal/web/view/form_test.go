package view_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/web/view"
	"github.com/tidewire/tidewire/internal/wire"
)

// The choices of a source may be others than when a value was given: then one has to be chosen, if one is required.
func TestAFieldWithChoicesOfASource(t *testing.T) {
	arg := wire.Arg{Name: "id", Type: "enum", Values: []string{"a", "b"}, From: "devices", Required: true}
	optional, stale := arg, arg
	optional.Required, optional.Default = false, ""
	stale.Why = "source devices is stale, so these may not be all"
	for _, test := range []struct {
		arg   wire.Arg
		given any
		want  string
	}{
		{arg, "b", `["a" "b"] "b" false ""`},
		{arg, "gone", `["" "a" "b"] "" true ""`},
		{arg, nil, `["" "a" "b"] "" true ""`},
		{optional, "b", `["" "a" "b"] "b" false ""`},
		{optional, nil, `["" "a" "b"] "" false ""`},
		{stale, "a", `["a" "b"] "a" false "Source devices is stale, so these may not be all"`},
		{wire.Arg{Name: "id", Type: "enum", Values: []string{"a"}, Required: true}, nil, `["a"] "" false ""`},
	} {
		given := map[string]any{}
		if test.given != nil {
			given["id"] = test.given
		}
		f := view.ArgFields(wire.Args{test.arg}, given, nil)[0]
		if got := fmt.Sprintf("%q %q %v %q", f.Options, f.Value, f.Choose, f.Hint); got != test.want {
			t.Errorf("the field of %+v with %v is %s, want %s", test.arg, test.given, got, test.want)
		}
	}
}

// Runs at work beside the one that is shown are told in the row of their job.
func TestARowTellsOfRunsBeside(t *testing.T) {
	now := time.Now()
	look := view.Look{Now: now}
	job := wire.JobObject{Name: "scan", LastRun: &wire.Run{Status: "running", StartedAt: &now}, Besides: 2}
	if got := look.JobRow(job).Elapsed; got != look.Since(now)+", and 2 others" {
		t.Errorf("elapsed = %q", got)
	}
}
