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
	Argv []string
	Program
	Given []string // what references gave in Argv and Env: secrets
}

// A Program is how a program runs.
type Program struct {
	// Env has NAME=value, added to its environment, which is otherwise that of package command alone; of a job, with
	// {arg} in values.
	Env     []string
	Dir     string // where it runs; empty: where Tidewire does
	TTY     bool   // its outputs are a terminal
	OKCodes []int  // exit codes with which it has done its work; nil: 0
}

// Open implements [kind.Source].
func (s *Source) Open(env kind.Env) (kind.Fetcher, error) {
	return Command{
		Argv: s.Argv, Parse: env.Parse, Env: s.Env, Dir: s.Dir, TTY: s.TTY, OKCodes: s.OKCodes, Secrets: env.Secrets,
	}, nil
}

// SameValue implements [kind.Source]: the program may be another one.
func (s *Source) SameValue(kind.Source) bool { return true }

// DefaultParse implements [kind.Parsed].
func (s *Source) DefaultParse() string { return "text" }

// String returns what it is: the rest may be secret.
func (s *Source) String() string { return "a program" }

// MarshalText returns what String does.
func (s *Source) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Describe implements [kind.Source]. Arguments may be secrets.
func (s *Source) Describe() string { return "runs " + s.Argv[0] }

// Secrets implements [kind.Source].
func (s *Source) Secrets() kind.Secrets {
	all := append(secret.OfProgram(s.Argv, s.Env), s.Given...)
	return kind.Secrets{Said: all, Values: all}
}
