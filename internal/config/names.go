package config

// Parts of a configuration may hold secrets in any text. So they print as their
// names, with every verb of fmt but %#v, and in JSON and logs.

// String returns the kind and the name of u.
func (u *Upstream) String() string { return "upstream " + quote(u.Name) }

// String returns the kind and the name of s.
func (s *Source) String() string { return "source " + quote(s.Name) }

// String returns the kind and the name of j.
func (j *Job) String() string { return "job " + quote(j.Name) }

// String returns the upstream's name.
func (h *HTTP) String() string { return "a request to " + h.Upstream.String() }

// String returns the kind and the name of n.
func (n *Notify) String() string { return "notify " + quote(n.Name) }

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

// MarshalText returns what String does.
func (h *HTTP) MarshalText() ([]byte, error) { return []byte(h.String()), nil }
