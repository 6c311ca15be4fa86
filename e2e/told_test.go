package e2e_test

import (
	"context"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/kind"
)

// toldKind is a kind of sources that are told their values, and never are.
var toldKind = kind.Kind{Name: "told", Subscribes: true, Section: func(kind.Reading) kind.Section {
	var topic string
	return kind.Section{
		Keys:   grammar.Keys{grammar.Line("told", "a topic", &topic).OneOf()},
		Source: func(*grammar.Node) kind.Source { return silence{} },
	}
}}

type silence struct{ kind.Told }

func (s silence) Open(kind.Env) (kind.Fetcher, error) { return s, nil }
func (silence) SameValue(kind.Source) bool            { return true }
func (silence) Describe() string                      { return "is told nothing" }
func (silence) Secrets() kind.Secrets                 { return kind.Secrets{} }

func (silence) Subscribe(ctx context.Context, emit kind.Emit) error {
	emit.Connected()
	<-ctx.Done()
	return ctx.Err()
}
