package explore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxLeaves is how many leaves are listed.
	MaxLeaves = 500
	// manyAlike is how many elements of a list are listed one by one, and manyLines how many lines of a text.
	manyAlike, manyLines = 3, 50
)

// A Leaf is one text, number, truth or null within a value.
type Leaf struct {
	Path     string   // the jq expression that gives it; of a page of HTML what makes it of the text of the element, empty: nothing
	Selector string   // of a page of HTML the selector of the element
	Value    any      // what these give
	Names    []string // the keys that lead to it, the last one last
	Unit     string   // what stood behind a number in a text, such as kB or %; empty: nothing
}

// Way is what leads to the leaf, for people.
func (l Leaf) Way() string {
	if l.Selector != "" {
		return l.Selector
	}
	return l.Path
}

// Text returns the value as JSON.
func (l Leaf) Text() string { return encode(l.Value) }

// encode returns v as JSON for people.
func encode(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Sprint(v)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// Leaves lists what is in the value of an answer in a format, such as json, in the order of its keys, at most [MaxLeaves] leaves.
// Of long lists it has the first elements. The number more is how many leaves are left out.
//
// An element of a list is found by what names it, if all elements have that, and by its index otherwise. Formats that have
// texts alone, such as csv, get their numbers from these.
func Leaves(value any, format string) (leaves []Leaf, more int) {
	w := walker{rows: format == "csv", alike: manyAlike}
	switch format {
	case "text", "lines":
		w.words, w.alike = true, manyLines
		fallthrough
	case "csv", "xml", "html", "yaml":
		w.texts = true
	}
	w.walk(place{}, value, true)
	return w.leaves, w.more
}

// A place is where a value is in another one.
type place struct {
	path  string // a jq expression; empty: the whole value
	names []string
}

// expression returns the jq expression of the place.
func (p place) expression() string {
	if p.path == "" {
		return "."
	}
	return p.path
}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// member is the place of a member of the object at p.
func (p place) member(key string) place {
	names := append(slices.Clip(p.names), key)
	if identifier.MatchString(key) {
		return place{p.path + "." + key, names}
	}
	return place{p.expression() + "[" + encode(key) + "]", names}
}

// element is the place of an element of the list at p.
func (p place) element(i int) place {
	return place{p.expression() + "[" + strconv.Itoa(i) + "]", p.names}
}

// named is the place of the element of the list at p that has a text at a place of its own.
func (p place) named(by place, text string) place {
	return place{p.expression() + "[] | select(" + by.path + " == " + encode(text) + ")", append(slices.Clip(p.names), text)}
}

// A walker collects leaves.
type walker struct {
	texts  bool     // numbers are texts
	words  bool     // and some of the words in these
	header []string // what the columns of lines are called; nil: they have no names
	alike  int      // elements of a list that are listed
	rows   bool     // the newest element of the outermost list is its last one
	leaves []Leaf
	more   int
}

// walk collects the leaves of v, which is at p; unless show is set it counts them alone.
func (w *walker) walk(p place, v any, show bool) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			w.walk(p.member(key), v[key], show)
		}
	case []any:
		w.list(p, v, show)
	default:
		if !show || len(w.leaves) == MaxLeaves {
			w.more++
			return
		}
		w.leaves = append(w.leaves, w.leaf(p, v))
		if s, ok := v.(string); ok && w.words {
			w.numbersIn(p, s)
		}
	}
}

func beginsWithLetter(s string) bool {
	r, _ := utf8.DecodeRuneInString(strings.TrimLeft(s, "/"))
	return unicode.IsLetter(r)
}

// headerOf returns the words of the first of some lines, if it names the columns of the others: if none of its words is a
// number, and there are at least as many as in the next line.
func headerOf(lines []any) []string {
	if len(lines) < 2 {
		return nil
	}
	first, _ := lines[0].(string)
	second, _ := lines[1].(string)
	words := strings.Fields(first)
	if len(words) < max(2, len(strings.Fields(second))) || !beginsWithLetter(words[0]) || slices.ContainsFunc(words, func(word string) bool {
		return !beginsWithLetter(word) && strings.ContainsAny(word, ".%") || decimal.MatchString(word)
	}) {
		return nil
	}
	return words
}

// numbersIn lists the words of s, which is at p, that are numbers, if there are several words.
func (w *walker) numbersIn(p place, s string) {
	words := strings.Fields(s)
	for i, word := range words {
		number := strings.TrimSuffix(word, "%")
		if len(words) == 1 || !decimal.MatchString(number) || len(w.leaves) == MaxLeaves {
			continue
		}
		path := `[splits("\\s+")][` + strconv.Itoa(i) + "]"
		if p.path != "" {
			path = p.path + " | " + path
		}
		if number != word {
			path += ` | rtrimstr("%")`
		}
		x, _ := strconv.ParseFloat(number, 64)
		names, unit := p.names, strings.TrimPrefix(word, number)
		switch {
		case i < len(w.header):
			names = append(slices.Clip(names), w.header[i])
		case i > 0 && beginsWithLetter(words[i-1]):
			names = append(slices.Clip(names), words[i-1])
		}
		w.leaves = append(w.leaves, Leaf{Path: path + " | tonumber", Value: x, Names: names, Unit: unit})
	}
}

func (w *walker) list(p place, list []any, show bool) {
	by, texts := naming(list)
	if w.words {
		w.header = headerOf(list)
	}
	for i, e := range list {
		at := p.element(i)
		listed := i < w.alike
		switch {
		case texts != nil:
			at = p.named(by, texts[i])
		case w.rows && p.path == "" && len(list) > 1:
			at = p.element(-1)
			listed = i == len(list)-1
		}
		w.walk(at, e, show && listed)
	}
}

// leaf returns the leaf v at p. A text that is a number becomes one, if there are no numbers in the format.
func (w *walker) leaf(p place, v any) Leaf {
	l := Leaf{Path: p.expression(), Value: v, Names: p.names}
	s, ok := v.(string)
	if !ok || !w.texts {
		return l
	}
	number, comma, unit := s, false, ""
	if before, after, ok := strings.Cut(number, " "); ok && !w.words && len(after) <= 5 && isWord(after) { // 16384 kB
		number, unit = before, after
	}
	if w.rows && strings.Count(number, ",") == 1 && !strings.Contains(number, ".") {
		number, comma = strings.Replace(number, ",", ".", 1), true
	}
	x, err := strconv.ParseFloat(number, 64)
	if err != nil || !decimal.MatchString(number) {
		return l
	}
	var steps []string
	if p.path != "" {
		steps = append(steps, p.path)
	}
	if unit != "" {
		steps = append(steps, `split(" ")[0]`)
	}
	if comma {
		steps = append(steps, `sub(","; ".")`)
	}
	l.Path, l.Value, l.Unit = strings.Join(append(steps, "tonumber"), " | "), x, unit
	return l
}

// isWord reports whether s is a unit, such as kB or °C.
func isWord(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !strings.ContainsRune("°%/²³", r) })
}

// decimal is what tonumber of jq reads, and is not the number of a thing.
var decimal = regexp.MustCompile(`^-?(0|[1-9][0-9]*|[0-9]*\.[0-9]+|[1-9][0-9]*\.[0-9]*)([eE][+-]?[0-9]+)?$`)

// namers are the keys by which people tell elements apart, the best first.
var namers = []string{"name", "id", "key", "uid", "uuid", "slug", "label", "title", "kind", "type", "device", "host", "hostname", "address", "ip", "mac", "serial", "sensor", "channel", "@name", "@id"}

// naming returns the place within each element of a list where a text names it, and these texts; nil if there is none.
func naming(list []any) (by place, texts []string) {
	if len(list) < 2 {
		return place{}, nil
	}
	first, ok := list[0].(map[string]any)
	if !ok {
		return place{}, nil
	}
	try := func(at place, keys ...string) bool {
		by, texts = at, distinct(list, keys)
		return texts != nil
	}
	for _, key := range namers {
		if try(place{}.member(key), key) {
			return by, texts
		}
	}
	if labels, ok := first["labels"].(map[string]any); ok { // as of Prometheus
		for _, key := range slices.Sorted(maps.Keys(labels)) {
			if try(place{}.member("labels").member(key), "labels", key) {
				return by, texts
			}
		}
	}
	return place{}, nil
}

// distinct returns the texts at a path in the elements of a list, nil unless all have one, each another one.
func distinct(list []any, keys []string) (texts []string) {
	seen := map[string]bool{}
	for _, e := range list {
		for _, key := range keys {
			object, _ := e.(map[string]any)
			e = object[key]
		}
		text, ok := e.(string)
		if !ok || text == "" || seen[text] {
			return nil
		}
		seen[text] = true
		texts = append(texts, text)
	}
	return texts
}

// Moved returns which of the leaves have other values among later ones, by their ways, with these values.
func Moved(leaves, later []Leaf) map[string]Leaf {
	was := map[string]string{}
	for _, l := range leaves {
		was[l.Way()] = l.Text()
	}
	moved := map[string]Leaf{}
	for _, l := range later {
		if before, ok := was[l.Way()]; ok && before != l.Text() {
			moved[l.Way()] = l
		}
	}
	return moved
}

// Name returns a name for the field of a leaf that is none of those taken: its key, or with more of the keys that lead to it.
func (l Leaf) Name(taken func(string) bool) string {
	names := l.Names
	if n := len(names); n > 1 && (names[n-1] == "value" || names[n-1] == "#text") {
		names = names[:n-1]
	}
	name := ""
	for i := len(names) - 1; i >= 0; i-- {
		part := clean(names[i], "_")
		switch {
		case part == "":
			continue
		case name == "":
			name = part
		default:
			name = part + "_" + name
		}
		if !taken(name) && !onlyDigits.MatchString(name) { // a label such as code="200" alone says nothing
			return name
		}
	}
	if name == "" {
		name = "value"
	}
	return free(name, "_", taken)
}

// free returns name, or if that is taken the first one with a number behind it that is not.
func free(name, separator string, taken func(string) bool) string {
	for n, one := 2, name; ; n++ {
		if !taken(one) {
			return one
		}
		one = name + separator + strconv.Itoa(n)
	}
}

var onlyDigits = regexp.MustCompile(`^[0-9_]+$`)

var unclean = regexp.MustCompile(`[^a-z0-9]+`)

// clean returns a text in small letters, digits and separators.
func clean(text, separator string) string {
	text = unclean.ReplaceAllString(strings.ToLower(text), separator)
	if text = strings.Trim(text, separator); len(text) > 40 {
		text = strings.Trim(text[:40], separator)
	}
	return text
}
