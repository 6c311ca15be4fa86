package upstream_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/upstream"
)

// A spec is an upstream whose links are counted.
type spec struct {
	Address string
	Broken  bool
	links   *links
}

// links are those that were opened and closed.
type links struct{ opened, closed []string }

func (s *spec) Open(env kind.UpstreamEnv) (io.Closer, error) {
	env.Log.Info("opened")
	if s.Broken {
		return nil, errors.New("it cannot be opened")
	}
	s.links.opened = append(s.links.opened, s.Address)
	return &link{s}, nil
}

func (s *spec) Secrets() kind.Secrets { return kind.Secrets{} }

type link struct{ of *spec }

func (l *link) Close() error {
	l.of.links.closed = append(l.of.links.closed, l.of.Address)
	return errors.New("closed badly, which is logged")
}

func TestLinks(t *testing.T) {
	var (
		pool upstream.Pool
		seen links
	)
	cfg := func(limit float64, specs ...*spec) *config.Config {
		var c config.Config
		for i, s := range specs {
			s.links = &seen
			c.Upstreams = append(c.Upstreams, &config.Upstream{Name: fmt.Sprintf("u%d", i), Spec: s, Limit: limit, Burst: 1})
		}
		return &c
	}
	want := func(when string, opened, closed []string) {
		t.Helper()
		if !slices.Equal(seen.opened, opened) || !slices.Equal(seen.closed, closed) {
			t.Errorf("%s: opened %v and closed %v, want %v and %v", when, seen.opened, seen.closed, opened, closed)
		}
		seen = links{}
	}
	to := func(c *config.Config) {
		t.Helper()
		change, err := pool.Prepare(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		change.Apply()
		if seen.closed != nil {
			t.Errorf("Apply closed %v, which sources may still use", seen.closed)
		}
		change.Finish(t.Context())
	}
	to(cfg(1, &spec{Address: "a"}, &spec{Address: "b"}))
	want("at first", []string{"a", "b"}, nil)
	first, group := pool.Link("u0"), pool.Group("u0")
	to(cfg(1, &spec{Address: "a"}, &spec{Address: "b"}))
	to(cfg(2, &spec{Address: "a"}, &spec{Address: "b"}))
	want("unchanged, and with another limit", nil, nil)
	if pool.Link("u0") != first || pool.Group("u0") == group {
		t.Error("an upstream of which the limit has changed has another link, or the same limit")
	}
	group = pool.Group("u0")
	to(cfg(2, &spec{Address: "c"}, &spec{Address: "b"}))
	want("another address", []string{"c"}, []string{"a"})
	if pool.Group("u0") != group {
		t.Error("an upstream of which the address has changed has lost what was spent of its limit")
	}
	if _, err := pool.Prepare(t.Context(), cfg(2, &spec{Address: "d"}, &spec{Broken: true})); err == nil || err.Error() != "open upstream u1: it cannot be opened" {
		t.Errorf("Prepare = %v, want why the upstream cannot be opened", err)
	}
	want("broken", []string{"d"}, []string{"d"})
	change, err := pool.Prepare(t.Context(), cfg(2, &spec{Address: "d"}, &spec{Address: "b"}, &spec{Address: "e"}))
	if err != nil {
		t.Fatal(err)
	}
	change.Withdraw(t.Context())
	want("withdrawn", []string{"d", "e"}, []string{"d", "e"})
	to(cfg(2, &spec{Address: "c"}))
	want("removed", nil, []string{"b"})
	pool.Close()
	pool.Close()
	want("at the end", nil, []string{"c"})
	if pool.Link("u0") != nil || pool.Link("no") != nil {
		t.Error("a closed pool has links")
	}
}
