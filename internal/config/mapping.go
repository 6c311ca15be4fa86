package config

import (
	"fmt"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// entries yields the keys and values of the mapping n, each key once.
func (r *reader) entries(n *yaml.Node, where string) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(k, v *yaml.Node) bool) {
		if r.spoiled[n] {
			return
		}
		if n.Kind != yaml.MappingNode {
			r.problem(n, fmt.Sprintf("%s is %s", where, describe(n)), aMappingOfAny)
			return
		}
		first := map[string]*yaml.Node{}
		for i := 0; i < len(n.Content); i += 2 {
			k, v := n.Content[i], n.Content[i+1]
			switch f := first[k.Value]; {
			case r.spoiled[k]:
			case k.Kind != yaml.ScalarNode || isNull(k):
				r.problem(k, fmt.Sprintf("a key of %s is %s", where, describe(k)), "write a name before the colon")
			case f != nil:
				r.problem(k, fmt.Sprintf("duplicate key %s in %s", quote(k.Value), where),
					fmt.Sprintf("the first one is at %s: remove or rename one of them", r.at(f, k.Line)))
			default:
				first[k.Value] = k
				if !yield(k, v) {
					return
				}
			}
		}
	}
}

// reads has what to do with the value of each key of a table.
type reads map[string]func(v *yaml.Node)

// mapping reads a mapping with fixed keys.
func (r *reader) mapping(n *yaml.Node, where string, keys []key, read reads) {
	known := map[string]key{}
	var supported []string
	for _, k := range keys {
		if known[k.name] = k; k.later == "" {
			supported = append(supported, k.name)
			if read[k.name] == nil {
				panic(fmt.Sprintf("config: nobody reads the key %s of %s", k.name, where))
			}
		}
	}
	if n.Kind != yaml.MappingNode && !r.spoiled[n] {
		r.problem(n, fmt.Sprintf("%s is %s", where, describe(n)), aMapping(supported))
		return
	}
	for k, v := range r.entries(n, where) {
		switch key, ok := known[k.Value]; {
		case ok && key.later != "":
			r.problem(k, quote(key.name)+" is not supported by this version", key.later)
		case ok:
			if !key.secret {
				r.reveal(v)
			}
			read[key.name](v)
		default:
			want := suggest(k.Value, "keys here", supported)
			if near, ok := known[meant(k.Value, keys)]; ok {
				want = didYouMean(near.name)
				if !near.secret {
					r.reveal(v)
				}
				r.meant[k] = near.name
			}
			r.problem(k, fmt.Sprintf("unknown key %s in %s", quote(k.Value), where), want)
		}
	}
}

// aMapping says how to write one with such keys.
func aMapping(keys []string) string {
	const most = 7 // keys listed
	if len(keys) > most {
		return aMappingOfAny
	}
	return aMappingOfAny + " with " + list(keys, "and")
}

const aMappingOfAny = `write a mapping of "key: value"`

// meant returns the key that the unknown word got is likely to mean, or "".
func meant(got string, keys []key) string {
	var supported []string
	for _, k := range keys {
		if k.later != "" {
			continue
		}
		if slices.Contains(strings.Fields(k.also), strings.ToLower(got)) {
			return k.name
		}
		supported = append(supported, k.name)
	}
	return nearest(got, supported)
}

// need reports that the mapping n has not the key name, which example shows.
func (r *reader) need(n *yaml.Node, where, name, example string) {
	if r.lacks(n, name) {
		r.problem(n, where+" has no "+name, "add one such as "+name+": "+example)
	}
}

// complete reports whether all that the mapping n says was understood, so that
// what is not there is missing.
func (r *reader) complete(n *yaml.Node) bool {
	if n.Kind != yaml.MappingNode || r.spoiled[n] {
		return false
	}
	for i := 0; i < len(n.Content); i += 2 {
		if r.spoiled[n.Content[i]] { // a merge key
			return false
		}
	}
	return true
}

// lacks reports whether the mapping n has none of the keys, nor one that seems to mean
// one of them.
func (r *reader) lacks(n *yaml.Node, keys ...string) bool {
	if !r.complete(n) {
		return false
	}
	for i := 0; i < len(n.Content); i += 2 {
		if k := n.Content[i]; slices.Contains(keys, k.Value) || slices.Contains(keys, r.meant[k]) {
			return false
		}
	}
	return true
}

// lookup returns what known has under the name that n is, nil if that is nothing
// or has problems of its own. Kind says what it is a name of, for example
// "webhook"; a nil in known is a part with problems.
func lookup[T any](r *reader, n *yaml.Node, kind string, known map[string]*T) *T {
	name, ok := r.text(n, kind, "write the name of one")
	if !ok {
		return nil
	}
	found, ok := known[name]
	if !ok {
		r.problem(n, fmt.Sprintf("unknown %s %s", kind, quote(name)), suggest(name, kind+"s", slices.Sorted(maps.Keys(known))))
	}
	return found
}

// find returns the first key of the mapping n that is one of names, or nil.
func find(n *yaml.Node, names ...string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i < len(n.Content); i += 2 {
		if slices.Contains(names, n.Content[i].Value) {
			return n.Content[i]
		}
	}
	return nil
}

// value returns the value of the key name of the mapping n, or nil.
func value(n *yaml.Node, name string) *yaml.Node {
	if n == nil || find(n, name) == nil {
		return nil
	}
	return n.Content[slices.Index(n.Content, find(n, name))+1]
}

// A named is one entry of a mapping whose keys are names.
type named struct {
	name       string
	key, value *yaml.Node
}

const aName = "use a-z, 0-9, dot, underscore and dash, beginning with a letter or digit, at most 64 characters"

var nameGrammar = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// names reads a mapping of names. Nothing at all is an empty one, so that its
// last entry can be commented out. Entries with a bad name are kept, since
// their values may have problems too.
func (r *reader) names(n *yaml.Node, where string) []named {
	if n == nil || isNull(n) {
		return nil
	}
	var all []named
	for k, v := range r.entries(n, where) {
		if !nameGrammar.MatchString(k.Value) {
			r.problem(k, fmt.Sprintf("bad name %s in %s", quote(k.Value), where),
				aName)
		}
		all = append(all, named{k.Value, k, v})
	}
	return all
}
