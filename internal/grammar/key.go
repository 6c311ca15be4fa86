package grammar

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/jq"
)

// Keys is the table of the keys that a mapping may have. It is the only description of them: [Node.Read], [Object],
// [Document] and [Explain] all use it.
//
// The readers of a table write into the values that it was made for. For a schema, make it for a value that is not used
// otherwise.
type Keys []Key

// A Key is one key that a mapping may have: its name, its meaning, the shape of its value and the reader of that. Every
// Key has a reader, since only the functions below make one.
type Key struct {
	name  string
	doc   string
	shape func() Shape // called only when needed: most tables are only used to read
	keys  Keys         // of a section
	read  func(v *Node, what string)
	then  func(v *Node)

	short   string   // of a section: a value that is not a mapping is that of this key
	words   []Word   // of a section: a value may be one of these instead of a mapping
	some    bool     // of a section: at least one of keys is required
	builtIn any      // the default
	need    bool     // it is required
	example string   // with need: a suggested value; empty: the reader of the mapping reports the missing key
	oneOf   bool     // exactly one of the keys with this mark is required
	with    string   // a key that it requires
	without []string // the keys that it excludes
	secret  bool     // its value, or texts in it, may be credentials
	also    string   // other words for it, separated by spaces
	later   string   // not supported, or not here; what to do instead
	moved   bool     // with later: it is supported, and stands elsewhere
}

// Func is a key whose value has the given shape and is read by the given function.
func Func(name, doc string, shape Shape, read func(v *Node)) Key {
	return typed(name, doc, shape, func(v *Node, _ string) { read(v) })
}

// LazyFunc is Func with a shape that is made only when needed, since making it costs more than reading.
func LazyFunc(name, doc string, shape func() Shape, read func(v *Node)) Key {
	return lazy(name, doc, shape, func(v *Node, _ string) { read(v) })
}

// Text is a key whose value is any text.
func Text(name, doc string, to *string) Key {
	return typed(name, doc, AnyText, func(v *Node, what string) { *to, _ = v.Text(what, AText) })
}

// Line is a key whose value is a non-empty text of one line.
func Line(name, doc string, to *string) Key {
	return typed(name, doc, ALine, func(v *Node, what string) { *to = v.Line(what) })
}

// OneOf is a key whose value is one of a few words.
func OneOf[T ~string](name, doc string, to *T, words []Word) Key {
	shape := func() Shape { return Words(words) }
	return lazy(name, doc, shape, func(v *Node, what string) { *to = T(v.OneOf(what, words)) })
}

// Boolean is a key whose value is true or false.
func Boolean(name, doc string, to *bool) Key {
	return typed(name, doc, TrueOrFalse, func(v *Node, what string) { *to = v.Boolean(what) })
}

// Number is a key whose value is a finite decimal number.
func Number(name, doc string, to **float64) Key {
	return typed(name, doc, DecimalNumber, func(v *Node, what string) { *to = v.Number(what) })
}

// Integer is a key whose value is a whole number from lowest to highest.
func Integer(name, doc string, to *int, lowest, highest int) Key {
	shape := func() Shape { return WholeNumber(lowest, highest) }
	return lazy(name, doc, shape, func(v *Node, what string) {
		*to, _ = v.Integer(what, lowest, highest)
	})
}

// Duration is a key whose value is a duration from a millisecond to a year.
func Duration(name, doc string, to *time.Duration) Key {
	return typed(name, doc, DurationText, func(v *Node, what string) { *to = v.Duration(what) })
}

// Size is a key whose value is a size from lowest to highest, in bytes.
func Size(name, doc string, to *int64, lowest, highest int64) Key {
	return typed(name, doc, SizeText, func(v *Node, what string) { *to = v.Size(what, lowest, highest) })
}

// Percentage is a key whose value is a percentage below 100%, read as a fraction.
func Percentage(name, doc string, to *float64) Key {
	return typed(name, doc, PercentageText, func(v *Node, what string) { *to = v.Percentage(what) })
}

// JQ is a key whose value is a jq expression.
func JQ(name, doc string, to **jq.Program, variables ...string) Key {
	return typed(name, doc, ALine, func(v *Node, what string) { *to = v.JQ(what, variables...) })
}

// Path is a key whose value is the path of a file, read as an absolute path.
func Path(name, doc string, to *string, is PathOf) Key {
	return typed(name, doc, ALine, func(v *Node, what string) { *to = v.Path(what, is) })
}

// Section is a key whose value is a mapping with its own keys. Where names it in messages, for example `show of source
// "tank"`.
func Section(name, doc, where string, keys Keys) Key {
	k := Key{name: name, doc: doc, keys: keys}
	k.read = func(v *Node, _ string) { v.Read(where, keys) }
	return k
}

// Later is a key that this version does not support; instead tells what to do about it.
func Later(name, instead string) Key { return Key{name: name, later: instead} }

// Elsewhere is a key that people look for here, but which stands elsewhere; instead tells where.
func Elsewhere(name, instead string) Key { return Key{name: name, later: instead, moved: true} }

func typed(name, doc string, shape Shape, read func(v *Node, what string)) Key {
	return lazy(name, doc, func() Shape { return shape }, read)
}

func lazy(name, doc string, shape func() Shape, read func(v *Node, what string)) Key {
	return Key{name: name, doc: doc, shape: shape, read: read}
}

// Name returns the name of the key.
func (k Key) Name() string { return k.name }

// Also returns k with other words for it, separated by spaces: a reader that finds such a word suggests k.
func (k Key) Also(words string) Key { k.also = words; return k }

// Default returns k with a default value, as it would be in the file.
func (k Key) Default(value any) Key { k.builtIn = value; return k }

// Need returns k as a required key, with an example of its value. Without an example only the schema requires the key,
// and the reader of the mapping has to report it.
func (k Key) Need(example string) Key { k.need, k.example = true, example; return k }

// OneOf returns k as one of the keys of which exactly one is required. Only the schema checks that.
func (k Key) OneOf() Key { k.oneOf = true; return k }

// With returns k as a key that requires another one. Only the schema checks that.
func (k Key) With(key string) Key { k.with = key; return k }

// Without returns k as a key that excludes others. Only the schema checks that.
func (k Key) Without(keys ...string) Key { k.without = keys; return k }

// Secret returns k as a key whose value, or texts in it, may be credentials: messages never show it.
func (k Key) Secret() Key { k.secret = true; return k }

// Short returns the section k as one that may also have a value that is not a mapping: the value of its key name, which
// reads it, unless [Key.Alone] sets another reader.
func (k Key) Short(name string) Key {
	at := slices.IndexFunc(k.keys, func(of Key) bool { return of.name == name })
	k.short = name
	return k.alone(k.keys[at].read)
}

// Alone returns the section k as one whose value, if it is not a mapping, is read by read.
func (k Key) Alone(read func(v *Node)) Key { return k.alone(func(v *Node, _ string) { read(v) }) }

func (k Key) alone(read func(v *Node, what string)) Key {
	before := k.read
	k.read = func(v *Node, what string) {
		if v.IsMapping() {
			before(v, what)
		} else {
			read(v, what)
		}
	}
	return k
}

// Some returns the section k as one that requires at least one of its keys. Only the schema checks that.
func (k Key) Some() Key { k.some = true; return k }

// Or returns the section k as one whose value may be one of a few words instead: these read nothing.
func (k Key) Or(words []Word) Key {
	before := k.read
	k.words = words
	k.read = func(v *Node, what string) {
		if !v.IsScalar() || !slices.Contains(wordsOf(words), v.value) {
			before(v, what)
		}
	}
	return k
}

// Defer returns k so that its value is not read at once: to is set to a function that reads it, or stays nil if there
// is no value. It is for values that refer to others, in any order.
func (k Key) Defer(to *func()) Key {
	read := k.read
	k.read = func(v *Node, what string) { *to = func() { read(v, what) } }
	return k
}

// Then returns k so that f is called with its value after it was read.
func (k Key) Then(f func(v *Node)) Key {
	if before := k.then; before != nil {
		k.then = func(v *Node) { before(v); f(v) }
	} else {
		k.then = f
	}
	return k
}

// Read reads a mapping with fixed keys. It reports anything that is not a mapping, unknown keys with a suggestion, and
// missing required keys. Where names the mapping in messages.
func (n *Node) Read(where string, keys Keys) {
	known := make(map[string]*Key, len(keys))
	supported := make([]string, 0, len(keys))
	for i := range keys {
		k := &keys[i]
		if known[k.name] = k; k.later == "" {
			supported = append(supported, k.name)
		}
	}
	if !n.IsMapping() && !n.spoiled {
		n.Problem(fmt.Sprintf("%s is %s", where, n.Describe()), aMapping(supported))
		return
	}
	for k, v := range n.Entries(where) {
		if key, ok := known[k.value]; ok {
			key.readAt(k, v)
			continue
		}
		want := Suggest(k.value, "keys here", supported)
		near, ok := known[meant(k.value, keys)]
		if section, isHere := n.sectionOf(k.value, keys); section != "" && (isHere || !ok || !near.isAlso(k.value)) {
			want = "it is a key of " + Quote(section) + ": write it there"
		} else if ok {
			want = DidYouMean(near.name)
			if !near.secret {
				v.Reveal()
			}
			k.meant = near.name
		}
		k.Problem(fmt.Sprintf("unknown key %s in %s", Quote(k.value), where), want)
	}
	for i := range keys {
		if k := &keys[i]; k.example != "" {
			n.need(where, k.name, k.example)
		}
	}
}

// readAt reads the value v of the key k, which is at the node at.
func (k *Key) readAt(at, v *Node) {
	if k.moved {
		v.Conceal()
		at.Problem(Quote(k.name)+" does not stand here", k.later)
		return
	}
	if k.later != "" {
		at.Problem(Quote(k.name)+" is not supported by this version", k.later)
		return
	}
	if !k.secret {
		v.Reveal()
	}
	k.read(v, k.name)
	if k.then != nil {
		k.then(v)
	}
}

// aMapping tells how to write a mapping with the given keys.
func aMapping(keys []string) string {
	const most = 9 // keys listed
	if len(keys) > most {
		return aMappingOfAny
	}
	return aMappingOfAny + " with " + List(keys, "and")
}

const aMappingOfAny = `write a mapping of "key: value"`

// isAlso reports whether a word is another one for k.
func (k *Key) isAlso(word string) bool {
	return slices.Contains(strings.Fields(k.also), strings.ToLower(word))
}

// sectionOf returns the one section of keys that has the key of the given name, and whether the mapping n has that section: those
// that it has come first. It returns "" if there is none, or several. Of sections that exclude each other, one that n does not
// have is not meant.
func (n *Node) sectionOf(name string, keys Keys) (section string, isHere bool) {
	var all, here []string
	for _, k := range keys {
		if k.later != "" || !slices.ContainsFunc(k.keys, func(of Key) bool { return of.name == name && of.later == "" }) {
			continue
		}
		if n.Get(k.name) != nil {
			here = append(here, k.name)
		} else if !k.oneOf {
			all = append(all, k.name)
		}
	}
	switch {
	case len(here) == 1:
		return here[0], true
	case len(here) == 0 && len(all) == 1:
		return all[0], false
	}
	return "", false
}

// meant returns the key that is probably meant by the unknown word got, or "".
func meant(got string, keys Keys) string {
	var supported []string
	for _, k := range keys {
		if k.later != "" {
			continue
		}
		if k.isAlso(got) {
			return k.name
		}
		supported = append(supported, k.name)
	}
	return nearest(got, supported)
}
