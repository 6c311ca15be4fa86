package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// A Setting is one value that holds for a source or job.
type Setting struct {
	Key   string // for example backoff.min, or upstreams.weather.limit
	Value string // as the file has it; *** for what may be a credential or comes from a reference
	From  string // the place file:line, with the references in it, or "built in"
}

// Explain returns what holds for a source or job of a configuration, which is given
// as to [Load], and where each value comes from: the source itself, the defaults, or
// what is built in; and the same of its upstream. The order is that of the
// documentation. A name that a source and a job have is the source's;
// "job/NAME" is the job, "source/NAME" the source. The error is [Problems], or says
// that there is neither.
func Explain(file string, data []byte, name string) ([]Setting, error) {
	r, root, c := read(file, data)
	if len(r.problems) > 0 {
		return nil, r.found()
	}
	var known []string
	for _, s := range c.Sources {
		known = append(known, s.Name)
		if name == s.Name || name == "source/"+s.Name {
			return r.explainSource(s, root), nil
		}
	}
	for _, j := range c.Jobs {
		known = append(known, j.Name)
		if name == j.Name || name == "job/"+j.Name {
			return r.explainJob(j, root), nil
		}
	}
	return nil, fmt.Errorf("%s has no source or job %s, %s", file, quote(name), suggest(name, "sources and jobs", slices.Compact(slices.Sorted(slices.Values(known)))))
}

func (r *reader) explainSource(s *Source, root *yaml.Node) []Setting {
	own := value(value(root, "sources"), s.Name)
	if s.From != nil { // it is not polled: nothing holds but what it says
		return r.settings("", sourceKeys, "", nil, own)
	}
	all := r.settings("", sourceKeys, "", map[string]any{"title": s.Title, "parse": s.Parse}, own, value(root, "defaults"))
	if s.HTTP != nil {
		all = append(all, r.explainUpstream(s.HTTP.Upstream, root)...)
	}
	return all
}

func (r *reader) explainJob(j *Job, root *yaml.Node) []Setting {
	all := r.settings("", jobKeys, "", map[string]any{"title": j.Title}, value(value(root, "jobs"), j.Name))
	if j.HTTP != nil {
		all = append(all, r.explainUpstream(j.HTTP.Upstream, root)...)
	}
	return all
}

func (r *reader) explainUpstream(u *Upstream, root *yaml.Node) []Setting {
	return r.settings("upstreams."+u.Name+".", upstreamKeys, "", map[string]any{}, value(value(root, "upstreams"), u.Name))
}

// settings returns what mappings say of keys; the first one that has a key
// counts. One that is no mapping is the value of the key short. BuiltIn has what is built in besides the values in keys; nil means that
// nothing is.
func (r *reader) settings(prefix string, keys []key, short string, builtIn map[string]any, mappings ...*yaml.Node) []Setting {
	var all []Setting
	for _, k := range keys {
		name := prefix + k.name
		var values []*yaml.Node
		for _, m := range mappings {
			switch v := value(m, k.name); {
			case v != nil:
				values = append(values, v)
			case m != nil && m.Kind != yaml.MappingNode && k.name == short:
				values = append(values, m)
			}
		}
		switch {
		case k.kind && values == nil: // it is of another kind
		case k.keys != nil:
			all = append(all, r.settings(name+".", k.keys, k.short, builtIn, values...)...)
		case values != nil:
			all = append(all, r.setting(name, values[0], k.secret)...)
		case builtIn[name] != nil:
			all = append(all, Setting{name, fmt.Sprint(builtIn[name]), "built in"})
		case builtIn != nil && k.builtIn != nil:
			all = append(all, Setting{name, fmt.Sprint(k.builtIn), "built in"})
		}
	}
	return all
}

// setting returns n as a setting, or each entry of it.
func (r *reader) setting(name string, n *yaml.Node, secret bool) []Setting {
	if n.Kind == yaml.MappingNode {
		var all []Setting
		for i := 0; i < len(n.Content); i += 2 {
			all = append(all, r.setting(name+"."+n.Content[i].Value, n.Content[i+1], secret)...)
		}
		return all
	}
	f := r.fileOf(n.Line)
	from := fmt.Sprintf("%s:%d", f.name, n.Line-f.before)
	for _, e := range append([]*yaml.Node{n}, n.Content...) {
		for _, ref := range r.refs(e) {
			from += " " + ref
		}
	}
	return []Setting{{name, r.plain(n, secret), from}}
}

// plain returns a value in one line.
func (r *reader) plain(n *yaml.Node, secret bool) string {
	if n.Kind == yaml.SequenceNode {
		var written, elements []string
		for _, e := range n.Content {
			written = append(written, e.Value)
		}
		hidden := secretsIn(written)
		for _, e := range n.Content {
			elements = append(elements, hidden.Text(r.plain(e, secret)))
		}
		return "[" + strings.Join(elements, ", ") + "]"
	}
	if n.Kind == yaml.MappingNode {
		var entries []string
		for i := 0; i < len(n.Content); i += 2 {
			entries = append(entries, n.Content[i].Value+": "+r.plain(n.Content[i+1], secret))
		}
		return "{" + strings.Join(entries, ", ") + "}"
	}
	switch s := n.Value; {
	case secret || r.expanded(n):
		return "***"
	case s == "" || strings.TrimSpace(s) != s || strings.ContainsFunc(s, isControl):
		return strconv.Quote(s)
	default:
		return s
	}
}
