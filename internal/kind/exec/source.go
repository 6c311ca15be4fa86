// Package exec gets values from what programs print.
//
// Errors name a program without its arguments, which may be secret.
package exec

import (
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/secret"
)

// A Source is a program that is run for each value.
type Source struct {
	Argv    []string // see package command, also for the next three
	Env     []string
	Dir     string
	TTY     bool
	OKCodes []int    // exit codes with which the output counts; nil: 0
	Given   []string // what references gave in Argv and Env: secrets
}

// Open implements [kind.Source].
func (s *Source) Open(env kind.Env) (kind.Fetcher, error) {
	return kind.Values(Program{
		Argv: s.Argv, Parse: env.Parse, Env: s.Env, Dir: s.Dir, TTY: s.TTY, OKCodes: s.OKCodes, Secrets: env.Secrets,
	}.Fetch), nil
}

// SameValue implements [kind.Source]: the program may be another one.
func (s *Source) SameValue(kind.Source) bool { return true }

// Describe implements [kind.Source]. Arguments may be secrets.
func (s *Source) Describe() string { return "runs " + s.Argv[0] }

// Secrets implements [kind.Source].
func (s *Source) Secrets() kind.Secrets {
	all := append(secret.OfProgram(s.Argv, s.Env), s.Given...)
	return kind.Secrets{Said: all, Values: all}
}
