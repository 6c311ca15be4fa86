package config

import (
	"fmt"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
)

// Any text in a part of a configuration may hold secrets. So parts print as their names, with every verb of fmt except
// %#v, and in JSON and logs.

// String returns how many upstreams, sources and jobs c has.
func (c *Config) String() string {
	return fmt.Sprintf("a configuration of %d upstreams, %d sources and %d jobs", len(c.Upstreams), len(c.Sources),
		len(c.Jobs))
}

// MarshalText returns what String does.
func (c *Config) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// String returns the names of the tokens.
func (a *Access) String() string { return fmt.Sprintf("access by %v", a.Tokens) }

// String returns the kind and the name of t.
func (t *Token) String() string { return "token " + grammar.Quote(t.Name) }

// String returns what it is.
func (o *OIDC) String() string { return "an OpenID Connect provider" }

// MarshalText returns what String does.
func (a *Access) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// MarshalText returns what String does.
func (t *Token) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// MarshalText returns what String does.
func (o *OIDC) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// String returns the kind and the name of u.
func (u *Upstream) String() string { return "upstream " + grammar.Quote(u.Name) }

// String returns the kind and the name of s.
func (s *Source) String() string { return "source " + grammar.Quote(s.Name) }

// String returns what it is.
func (s *Split) String() string { return "a split" }

// MarshalText returns what String does.
func (s *Split) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String returns what Describe does.
func (s *RowSpec) String() string { return s.Describe() }

// MarshalText returns what String does.
func (s *RowSpec) MarshalText() ([]byte, error) { return []byte(s.Describe()), nil }

// String returns the kind and the name of j.
func (j *Job) String() string { return "job " + grammar.Quote(j.Name) }

// String returns the kind and the name of n.
func (n *Notify) String() string { return "notify " + grammar.Quote(n.Name) }

// String returns the upstream's name.
func (h *JobHTTP) String() string { return "a request to " + h.Upstream.String() }

// MarshalText returns what String does.
func (h *JobHTTP) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// MarshalText returns what String does.
func (n *Notify) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// MarshalText returns what String does.
func (u *Upstream) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// MarshalText returns what String does.
func (s *Source) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalText returns what String does.
func (j *Job) MarshalText() ([]byte, error) { return []byte(j.String()), nil }

// Source returns the source with the given name; of one that is a row's, as far as the name tells, the split source. The
// error suggests one.
func (c *Config) Source(name string) (*Source, error) {
	var known []string
	for _, s := range c.Sources {
		if s.Name == name || s.Split != nil && name[:max(0, strings.LastIndexByte(name, '/'))] == s.Name {
			return s, nil
		}
		known = append(known, s.Name)
	}
	return nil, fmt.Errorf("there is no source %s, %s", grammar.Quote(name), grammar.Suggest(name, "sources", known))
}

// Receiver returns the entry of notify with the given name. The error suggests one.
func (c *Config) Receiver(name string) (*Notify, error) {
	var known []string
	for _, to := range c.Notify {
		if to.Name == name {
			return to, nil
		}
		known = append(known, to.Name)
	}
	return nil, fmt.Errorf("notify has no %s, %s", grammar.Quote(name), grammar.Suggest(name, "receivers", known))
}
