package config

import "testing"

// ShowAllProblems has every problem be shown, until the test ends.
func ShowAllProblems(t *testing.T) {
	before := maxProblems
	maxProblems = 1000
	t.Cleanup(func() { maxProblems = before })
}
