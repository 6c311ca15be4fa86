package config

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Load reads a configuration whose file has the text data. The name file
// stands in messages, and paths in the text are relative to its directory. Load
// also reads the environment and the files that the text includes or refers to,
// whose own paths are relative to them. It returns
// either a complete [Config] or every problem, never both. A file that is not
// YAML at all has the one problem at which reading it ended.
func Load(file string, data []byte) (*Config, Problems) {
	r, _, c := read(file, data)
	if len(r.problems) > 0 {
		return nil, r.found()
	}
	return c, nil
}

// read is what Load does; root is the tree of all files.
func read(file string, data []byte) (r *reader, root *yaml.Node, c *Config) {
	r = &reader{spoiled: map[*yaml.Node]bool{}, meant: map[*yaml.Node]string{}, written: map[*yaml.Node]string{}, given: map[*yaml.Node][]string{}, shown: map[*yaml.Node]bool{}, looked: map[string]bool{}}
	defer func() {
		if e := recover(); e != nil {
			if e != (tooMany{}) {
				panic(e)
			}
			root, c = nil, nil
		}
	}()
	if root = r.parse(file, data); root != nil {
		r.include(root, file)
		c = r.config(root)
		c.Warnings = r.sorted(r.warnings)
	}
	return r, root, c
}

// parts has what sources and jobs refer to, by name; nil is one that has problems of
// its own.
type parts struct {
	upstreams map[string]*Upstream
	notify    map[string]*Notify
	sources   map[string]*Source
	jobs      map[string]*Job
}

// config reads a whole file. Its parts are read in the order in which they
// refer to each other, wherever they stand.
func (r *reader) config(root *yaml.Node) *Config {
	var version, listen, defaults, upstreams, sources, jobs, notify, access *yaml.Node
	c := &Config{Listen: defaultListen, Socket: Socket{Mode: 0o600, UID: -1, GID: -1}}
	r.mapping(root, "the file", fileKeys, reads{
		"version":    func(v *yaml.Node) { version = v },
		"listen":     func(v *yaml.Node) { listen = v },
		"socket":     func(v *yaml.Node) { c.Socket = r.socket(v) },
		"defaults":   func(v *yaml.Node) { defaults = v },
		"upstreams":  func(v *yaml.Node) { upstreams = v },
		"sources":    func(v *yaml.Node) { sources = v },
		"jobs":       func(v *yaml.Node) { jobs = v },
		"notify":     func(v *yaml.Node) { notify = v },
		"access":     func(v *yaml.Node) { access = v },
		"tls":        func(v *yaml.Node) { c.TLS = r.tls(v) },
		"public_url": func(v *yaml.Node) { c.PublicURL = r.publicURL(v) },
		"trust_forwarded": func(v *yaml.Node) {
			c.Forwarded = r.peers(v, "trust_forwarded", "whose clients could then come from wherever they like")
		},
		"audit":   func(v *yaml.Node) { c.Audit = r.auditFile(v) },
		"store":   r.store,
		"include": func(*yaml.Node) {}, // done before
	})
	if version != nil {
		r.version(version)
	} else if r.lacks(root, "version") {
		r.problem(root, "there is no version", "write version: 1 at the top")
	}
	pace := builtIn
	if defaults != nil {
		r.mapping(defaults, "defaults", paceKeys, r.paceReads(&pace))
	}
	known := parts{upstreams: map[string]*Upstream{}, notify: map[string]*Notify{}, sources: map[string]*Source{}, jobs: map[string]*Job{}}
	for _, e := range r.names(upstreams, "upstreams") {
		u := r.upstream(e)
		if u != nil {
			u.Given = append(r.givenIn(e.value, "bearer", "headers"), inPath(u.URL, r.givenIn(e.value, "http"))...)
		}
		known.upstreams[e.name] = u
		c.Upstreams = append(c.Upstreams, u)
	}
	for _, e := range r.names(notify, "notify") {
		to := r.notify(e)
		if to != nil {
			to.Given = r.givenIn(e.value, "http")
		}
		known.notify[e.name] = to
		c.Notify = append(c.Notify, to)
	}
	from := map[*Source]*yaml.Node{}
	for _, e := range r.names(sources, "sources") {
		s, n := r.source(e, pace, known)
		s.Given = r.givenIn(e.value, "http", "exec", "env")
		known.sources[e.name] = s
		c.Sources = append(c.Sources, s)
		from[s] = n
	}
	r.references(c.Sources, from)
	for _, e := range r.names(jobs, "jobs") {
		j := r.job(e, known)
		j.Given = r.givenIn(e.value, "http", "exec", "env", "stdin")
		known.jobs[e.name] = j
		c.Jobs = append(c.Jobs, j)
	}
	if access != nil {
		c.Access = r.access(access, known.jobs)
	}
	if listen != nil {
		if addr, ok := r.text(listen, "listen", "write an address such as "+defaultListen); ok {
			if path, ok := strings.CutPrefix(addr, unixPrefix); ok && path != "" {
				addr = unixPrefix + r.beside(listen, path)
			}
			if what, want := checkListen(addr, c); what != "" {
				r.problem(listen, what, want)
			}
			c.Listen = addr
		}
	}
	return c
}

func (r *reader) version(n *yaml.Node) {
	if v, ok := r.text(n, "version", "write 1"); ok && v != "1" {
		r.problem(n, fmt.Sprintf("version: %s is not a version of this format", quote(v)), "write 1")
	}
}

var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// splitLines returns the lines of text as YAML counts them. An empty text has
// one line, a line break at the end begins none.
func splitLines(text string) []string {
	text = lineEnds.Replace(text)
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}
