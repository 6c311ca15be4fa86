package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/tidewire/tidewire/internal/grammar"
)

// typeWords are names for the types in other programs.
var typeWords = map[string]ArgType{
	"text": ArgString, "str": ArgString, "integer": ArgInt, "float": ArgNumber, "boolean": ArgBool,
	"select": ArgEnum, "choice": ArgEnum,
	"hostname": ArgHost, "ip": ArgHost, "subnet": ArgCIDR, "network": ArgCIDR, "uri": ArgURL,
	"upload": ArgFile, "attachment": ArgFile, "dir": ArgPath, "directory": ArgPath,
}

// keysOfTypes are the keys that only some types have.
var keysOfTypes = map[string][]ArgType{
	"min": {ArgInt, ArgNumber}, "max": {ArgInt, ArgNumber}, "values": {ArgEnum}, "pattern": {ArgString},
	"max_size": {ArgFile}, "accept": {ArgFile}, "under": {ArgPath}, "allow_dash": {ArgString}, "secret": {ArgString, ArgURL},
}

func argKeys(a *Arg) grammar.Keys {
	return grammar.Keys{
		grammar.Func("type",
			"what is accepted",
			grammar.Words(argTypes), func(v *grammar.Node) { a.Type = readArgType(v) }).Default(string(ArgString)),
		grammar.Line("title", "for people", &a.Title),
		grammar.Func("default",
			"without one the argument is required. For a string or a file `\"\"` makes it optional",
			grammar.AnyText, func(*grammar.Node) {}),
		grammar.Number("min", "of `int` and `number`", &a.Min),
		grammar.Number("max", "of `int` and `number`", &a.Max),
		grammar.LazyFunc("values",
			"of `enum`: the choices, or the source that gives them",
			feedShape, func(*grammar.Node) {}).Also("options choices enum"),
		grammar.Func("pattern",
			"of `string`: must match the whole text",
			grammar.AnyText, func(v *grammar.Node) { a.Pattern = readPattern(v) }).Also("regex regexp match"),
		grammar.Path("under",
			"of `path`: an existing directory; relative to this file",
			&a.Under, grammar.Directory).Also("dir root"),
		grammar.Size("max_size", "of `file`: how large it may be, up to 8MB; without it 1MB", &a.MaxSize, 1e3, MaxFiles),
		grammar.Func("accept",
			"of `file`: which ones, by the end of their name or their media type, as in `[.csv, text/csv, image/*]`; without it any",
			namesShape, func(v *grammar.Node) { a.Accept = readAccept(v) }).Also("media types"),
		grammar.Boolean("allow_dash", "of `string`: whether the value may begin with `-`", &a.AllowDash).Default(false),
		grammar.Boolean("secret",
			"of `string` and `url`: the value is never shown or logged. It has at least 4 characters or is "+
				"empty; the only default is `\"\"`",
			&a.Secret).Default(false),
	}
}

// argShape is the shape of one of args: a mapping, or nothing. Some keys are only for some types, and some types
// require a key.
func argShape() grammar.Shape {
	s := grammar.Typed(grammar.Object(argKeys(&Arg{})), "object", "null")
	is := func(types ...string) grammar.Shape {
		return grammar.Shape{"properties": grammar.Shape{"type": grammar.Shape{"enum": types}}}
	}
	var all []grammar.Shape
	for _, key := range slices.Sorted(maps.Keys(keysOfTypes)) {
		var of, others []string
		for _, t := range argTypes {
			if slices.Contains(keysOfTypes[key], ArgType(t.Word)) {
				of = append(of, t.Word)
			} else {
				others = append(others, t.Word)
			}
		}
		unlike := is(others...)
		if slices.Contains(of, string(ArgString)) { // the default type
			unlike["required"] = []string{"type"}
		}
		message := "remove " + key + ": it is for the type " + grammar.List(of, "or")
		off := grammar.Either(grammar.Shape{"enum": []any{false, "false"}, "errorMessage": message})
		all = append(all, grammar.Shape{"if": unlike, "then": grammar.Shape{"properties": grammar.Shape{key: off}}})
	}
	for _, need := range []struct {
		of  ArgType
		key string
	}{{ArgEnum, "values"}, {ArgPath, "under"}} {
		it := is(string(need.of))
		it["required"] = []string{"type"}
		all = append(all, grammar.Shape{"if": it, "then": grammar.Shape{"required": []string{need.key}}})
	}
	s["allOf"] = all
	return s
}

func (r *reader) readArgs(n *grammar.Node, where string) (args []Arg) {
	for _, e := range n.Names(where) {
		args = append(args, r.readArg(e))
	}
	return args
}

// readArg reads one entry of args. Without a value it is a string.
func (r *reader) readArg(e grammar.Named) Arg {
	a := Arg{Name: e.Name, Type: ArgString, MaxSize: defaultFileSize}
	n, where := e.Value, "argument "+grammar.Quote(e.Name)
	switch {
	case n.IsNull():
		return a
	case n.IsList() && !n.IsSpoiled():
		n.Problem(where+" is a list", "write a mapping such as {type: enum, values: [fast, thorough]}")
		return a
	case n.IsScalar() && !n.IsSpoiled():
		n.Problem(where+" is "+n.Describe(), "write a mapping such as {type: int, default: 5}")
		return a
	}
	n.Read(where, argKeys(&a))
	typeKnown := n.IsGood()
	if a.Type == "" {
		a.Type = ArgString
	}
	switch values := n.Get("values"); {
	case values == nil:
	case values.IsMapping():
		a.Feed = r.readFeed(values, where)
	default:
		a.Values = readValues(values)
	}
	if a.Min != nil && a.Max != nil && *a.Min > *a.Max {
		n.Get("min").Problem("min is above max", "make min at most max")
	}
	if typeKnown {
		checkType(e, where, a.Type)
	}
	if n.Get("default") != nil {
		a.readDefault(e)
	}
	return a
}

// checkType checks that the keys of an argument fit its type.
func checkType(e grammar.Named, where string, t ArgType) {
	for name, of := range keysOfTypes {
		if n := e.Value.Get(name); n != nil && n.Value() != "false" && !slices.Contains(of, t) {
			n.Problem(fmt.Sprintf("%s has no meaning for the type %s", name, t),
				fmt.Sprintf("remove it, or write type: %s", of[0]))
		}
	}
	if t == ArgEnum && e.Value.Get("values") == nil {
		e.Key.Problem(where+" is an enum without values", "add its choices such as values: [fast, thorough]")
	}
	if t == ArgPath && e.Value.Get("under") == nil {
		e.Key.Problem(where+" is a path under no directory", "add the one in which it must be such as under: /data")
	}
}

// readDefault reads the default of an argument whose other keys have been read.
func (a *Arg) readDefault(e grammar.Named) {
	n := e.Value.Get("default")
	text, ok := n.Text("default", "write a value")
	if ok && a.Secret && text != "" {
		n.Conceal()
		n.Problem("a secret has a default, which everybody would see", `remove it, or write "" if nothing is fine`)
		return
	}
	if ok && a.Type == ArgFile && text != "" {
		n.Problem("a file has a default other than none", `remove it, or write "" if a run needs no file`)
		return
	}
	if !ok || !e.Key.IsGood() || !e.Value.IsGood() { // the type, its bounds or its choices are not known
		return
	}
	v, err := a.value(text)
	switch {
	case err != nil && e.Value.HasReferences(): // the error may quote min, pattern and others too
		n.Problem("default does not fit", "write a value that type, min, max, values and pattern allow")
	case err != nil:
		n.Problem("default: "+err.What, err.Want)
	}
	a.Default = v
}

func readArgType(n *grammar.Node) ArgType {
	if word := typeWords[n.Value()]; word != "" && !n.HasReferences() {
		n.Problem(fmt.Sprintf("type: unknown word %s", grammar.Quote(n.Value())), grammar.DidYouMean(string(word)))
		return ""
	}
	return ArgType(n.OneOf("type", argTypes))
}

func readPattern(n *grammar.Node) *regexp.Regexp {
	re := n.Regexp("pattern")
	if re == nil {
		return nil
	}
	return regexp.MustCompile("^(?:" + re.String() + ")$")
}

// readValues reads the choices of an enum.
func readValues(n *grammar.Node) []string {
	var values []string
	for _, e := range n.List("values", "write a list such as [fast, thorough], or {from: devices, jq: '.[].id'}") {
		s := e.Line("a choice in values")
		if len(s) > maxArgBytes {
			e.Problem(
				fmt.Sprintf("a choice in values has %d bytes", len(s)), fmt.Sprintf("write at most %d", maxArgBytes))
		}
		if s != "" && slices.Contains(values, s) {
			e.Twice("values", grammar.Quote(s))
		}
		values = append(values, s)
	}
	return values
}
