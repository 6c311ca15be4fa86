package view

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/wire"
)

// An ArgField is an argument of a job in the form that starts it.
type ArgField struct {
	Name     string // of the argument
	Label    string
	Kind     string // check, choice, file, password, or text
	Mode     string // what keyboard a phone shows; empty: the usual one
	Value    string
	Checked  bool
	Options  []string // of a choice
	Choose   bool     // the first option is none: one has to be chosen
	Accept   string   // of a file, as HTML has it
	Hint     string
	Problem  string // why the value that was sent is not accepted; empty: it is
	Required bool
}

// ArgFields returns the form of a job, filled in with what was given; what was not given has its default. problems are by argument.
// A secret value is never filled in.
func ArgFields(args wire.Args, given map[string]any, problems map[string]string) []ArgField {
	fields := make([]ArgField, 0, len(args))
	for _, arg := range args {
		f := ArgField{Name: arg.Name, Label: ArgLabel(arg), Kind: "text", Hint: hint(arg), Problem: problems[arg.Name], Required: arg.Required}
		value, ok := given[arg.Name]
		if !ok || value == secret.Mask {
			value = arg.Default
		}
		switch {
		case arg.Type == "bool":
			f.Kind, f.Required = "check", false
			f.Checked = value == true || value == "true" || value == "on"
		case arg.Type == "file":
			f.Kind, f.Accept = "file", strings.Join(arg.Accept, ",")
			if name := fileName(value); name != "" {
				f.Hint, f.Required = Sentence("without another one, the "+name+" of the earlier run. "+f.Hint), false
			}
		case arg.Secret:
			f.Kind = "password"
		case arg.Type == "enum":
			f.Kind, f.Options, f.Value = "choice", arg.Values, fieldText(value)
			if arg.From != "" {
				f.ofSource(arg)
			}
		default:
			f.Value = fieldText(value)
		}
		switch arg.Type {
		case "int":
			f.Mode = "numeric"
		case "number":
			f.Mode = "decimal"
		case "url":
			f.Mode = "url"
		}
		fields = append(fields, f)
	}
	return fields
}

// ofSource lays out the choices that a source gives: what was given may be none of them any more.
func (f *ArgField) ofSource(arg wire.Arg) {
	if !slices.Contains(f.Options, f.Value) {
		f.Value, f.Choose = "", arg.Required
		f.Options = append([]string{""}, f.Options...)
	} else if !arg.Required {
		f.Options = append([]string{""}, f.Options...)
	}
	if arg.Why != "" {
		f.Hint = Sentence(arg.Why)
	}
}

// fieldText is a value as somebody would type it.
func fieldText(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(value)
}

// fileName is the name of a file that was given; empty: it is none.
func fileName(value any) string {
	file, _ := value.(map[string]any)
	name, _ := file["name"].(string)
	return name
}

// fileHint says which file an argument may be.
func fileHint(arg wire.Arg) string {
	what := "at most " + Size(arg.MaxSize)
	if len(arg.Accept) > 0 {
		what += ": " + strings.Join(arg.Accept, ", ")
	}
	return what
}

// hint says what an argument may be.
func hint(arg wire.Arg) string {
	if arg.Type == "file" {
		return Sentence(fileHint(arg))
	}
	what := map[string]string{
		"int": "Whole number", "number": "Number", "cidr": "Network such as 10.0.4.0/24", "host": "Host name or address",
		"url": "Address that begins with https://", "path": "Path of a file or directory",
	}[arg.Type]
	bound := func(v *float64) string { return strconv.FormatFloat(*v, 'f', -1, 64) }
	switch {
	case arg.Min != nil && arg.Max != nil:
		what += " from " + bound(arg.Min) + " to " + bound(arg.Max)
	case arg.Min != nil:
		what += ", " + bound(arg.Min) + " or more"
	case arg.Max != nil:
		what += ", " + bound(arg.Max) + " or less"
	}
	if arg.Secret {
		parts := []string{what, "never shown or logged"}
		if !arg.Required {
			parts = append(parts, "may be left empty")
		}
		what = strings.TrimPrefix(strings.Join(parts, ", "), ", ")
	}
	return Sentence(what)
}
