package config

import "testing"

// Names returns the names of the files, that of the configuration first.
func (f *Files) Names() []string {
	var names []string
	for _, in := range f.all {
		names = append(names, in.name)
	}
	return names
}

// ShowAllProblems has every problem be shown, until the test ends.
func ShowAllProblems(t *testing.T) {
	before := maxProblems
	maxProblems = 1000
	t.Cleanup(func() { maxProblems = before })
}
