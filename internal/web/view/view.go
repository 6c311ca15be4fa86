// Package view says what the page shows: pure functions from answers of the API to texts, so that templates, and modules in
// the browser, only have to place them.
//
// # Two implementations
//
// The overview must stay true while the server is away, so view.js, judge.js and words.js in the browser compute the same
// from the same JSON. testdata/views.json has what both make of the plants of package fixture; a test of each side compares.
// After a change here, write it anew:
//
//	go test ./internal/web/view -update
//
// A [Look] is all that a function needs besides: when and where somebody looks, and what they may do. The zero value of a view is
// the blank of its component.
package view

import (
	"time"
)

// A Look is who looks at the page, and when.
type Look struct {
	Now     time.Time
	Zone    *time.Location // in which times of day are; nil: UTC
	Operate bool           // they may do what is about no job
}

func (l Look) zone() *time.Location {
	if l.Zone == nil {
		return time.UTC
	}
	return l.Zone
}

// An Act is a button: a form that posts, or one that leads to where more is asked.
type Act struct {
	Act     string `json:"act"`     // the word of the button; empty: there is none
	Do      string `json:"do"`      // the address of the form, below the root of the gateway
	Method  string `json:"method"`  // post, or get if more is asked
	Field   string `json:"field"`   // what the form has besides; empty: nothing
	With    string `json:"with"`    // the value of the field
	Blocked string `json:"blocked"` // why it cannot be pressed now; empty: it can
}
