package config

import (
	"github.com/tidewire/tidewire/internal/grammar"
)

// Files are what the outcome of reading a configuration depends on.
type Files = grammar.Files

// Open reads the configuration in a file, as [Load] does with its text. Beside the configuration, or beside the error,
// it returns what that depends on. The error is [Problems], or says why the file cannot be read.
func Open(name string) (*Config, *Files, error) {
	f := newFileReader()
	r, files, err := grammar.Open(name, options, f.read)
	if err != nil {
		return nil, files, err
	}
	if problems := r.Problems(maxProblems); problems != nil {
		return nil, files, problems
	}
	f.c.Warnings = r.Warnings(maxProblems)
	return f.c, files, nil
}
