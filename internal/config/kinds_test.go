package config_test

import (
	"strconv"
	"strings"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/kind/all"
	"github.com/tidewire/tidewire/internal/kind/exec"
	"github.com/tidewire/tidewire/internal/kind/from"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
)

// requestOf returns the request of a source, nil if it is of another kind.
func requestOf(s *config.Source) *httpkind.Source {
	of, _ := s.Spec.(*httpkind.Source)
	return of
}

// programOf returns the program of a source, empty if it is of another kind.
func programOf(s *config.Source) exec.Source {
	if of, ok := s.Spec.(*exec.Source); ok {
		return *of
	}
	return exec.Source{}
}

// inputsOf returns what a source is computed from, empty if it is of another kind.
func inputsOf(s *config.Source) from.Source {
	if of, ok := s.Spec.(*from.Source); ok {
		return *of
	}
	return from.Source{}
}

// serverOf returns the address of an upstream with its header.
func serverOf(u *config.Upstream) *httpkind.Upstream { return u.Spec.(*httpkind.Upstream) }

// ofKinds is a text in which KINDS stands for the names of all kinds in quotes, and UPSTREAMS for those of the kinds
// that have upstreams of their own.
func ofKinds(text string) string {
	var names []string
	for _, name := range all.Names() {
		names = append(names, strconv.Quote(name))
	}
	text = strings.ReplaceAll(text, "UPSTREAMS", grammar.List(upstreamKinds(), "or"))
	return strings.ReplaceAll(text, "KINDS", grammar.List(names, "and"))
}

// upstreamKinds returns the names, in quotes, of the kinds that have upstreams of their own.
func upstreamKinds() (names []string) {
	for _, k := range all.Kinds() {
		if k.Upstream != nil {
			names = append(names, strconv.Quote(k.Name))
		}
	}
	return names
}
