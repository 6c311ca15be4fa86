package gateway

import (
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/kind/exec"
	"github.com/tidewire/tidewire/internal/kind/from"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
)

// specOf is what a configured source says in the words of its kind, and the name of that.
func specOf(s *config.Source) (string, kind.Source) {
	switch {
	case s.HTTP != nil:
		u := s.HTTP.Upstream
		return "http", &httpkind.Source{
			Upstream: &httpkind.Upstream{Name: u.Name, URL: u.URL, Header: u.Header, Given: u.Given, KeepAlive: u.KeepAlive},
			URL:      s.HTTP.URL, Header: s.HTTP.Header, Accept: s.HTTP.Accept, Given: s.Given,
		}
	case s.Exec != nil:
		return "exec", &exec.Source{Argv: s.Exec, Env: s.Env, Dir: s.Dir, TTY: s.TTY, OKCodes: s.OKCodes, Given: s.Given}
	}
	return "from", &from.Source{From: s.From, Combine: s.Combine, Needs: from.Needs(s.Needs)}
}

// upstreamOf is the name of the upstream of a source, empty if it has none.
func upstreamOf(s *config.Source) string {
	if s.HTTP == nil {
		return ""
	}
	return s.HTTP.Upstream.Name
}
