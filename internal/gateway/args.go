package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tidewire/tidewire/internal/config"
)

// An argError says what is wrong with one argument of a trigger.
type argError struct {
	Pointer string `json:"pointer"` // JSON pointer into the body, as a URI fragment
	Detail  string `json:"detail"`
}

// checkArgs returns the arguments of a run, defaults applied, or everything that is
// wrong with what was given.
func checkArgs(declared []config.Arg, given map[string]any) (map[string]any, []argError) {
	var problems []argError
	wrong := func(name, format string, a ...any) {
		pointer := "#/args/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
		problems = append(problems, argError{pointer, fmt.Sprintf(format, a...)})
	}
	args := make(map[string]any, len(declared))
	for _, arg := range declared {
		value, ok := given[arg.Name]
		if !ok {
			if arg.Default == nil {
				wrong(arg.Name, "is required: %s", wanted(arg))
			}
			value = arg.Default
		}
		if value == nil {
			continue
		}
		checked, err := checkArg(arg, value)
		if err != "" {
			wrong(arg.Name, "%s", err)
			continue
		}
		args[arg.Name] = checked
	}
	for name := range given {
		if !slices.ContainsFunc(declared, func(a config.Arg) bool { return a.Name == name }) {
			wrong(name, "is not an argument of this job")
		}
	}
	slices.SortFunc(problems, func(a, b argError) int { return strings.Compare(a.Pointer, b.Pointer) })
	return args, problems
}

// checkArg returns the argument's value in its canonical form, or what is wrong with it.
func checkArg(arg config.Arg, value any) (any, string) {
	switch arg.Type {
	case config.ArgBool:
		if b, ok := value.(bool); ok {
			return b, ""
		}
	case config.ArgInt, config.ArgNumber:
		n, ok := number(value)
		if !ok || arg.Type == config.ArgInt && n != math.Trunc(n) {
			break
		}
		if arg.Min != nil && n < *arg.Min || arg.Max != nil && n > *arg.Max {
			return nil, fmt.Sprintf("%v is out of range: %s", value, wanted(arg))
		}
		return n, ""
	default:
		s, ok := value.(string)
		if !ok {
			break
		}
		return checkText(arg, s)
	}
	return nil, fmt.Sprintf("%s is not valid: %s", compact(value), wanted(arg))
}

// hostName is a DNS name: labels of letters, digits and inner hyphens.
var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\.?$`)

// checkText checks an argument whose value is a string. A command may take a leading
// hyphen for an option, so no argument has one; line ends and NUL never belong in argv.
func checkText(arg config.Arg, s string) (any, string) {
	switch {
	case strings.ContainsAny(s, "\x00\r\n"):
		return nil, "holds a line break or NUL: one line of text is wanted"
	case strings.HasPrefix(s, "-"):
		return nil, "starts with a hyphen, which a command could take for an option: " + wanted(arg)
	}
	ok := true
	switch arg.Type {
	case config.ArgEnum:
		ok = slices.Contains(arg.Values, s)
	case config.ArgHost:
		_, err := netip.ParseAddr(s)
		ok = err == nil || len(s) <= 253 && hostName.MatchString(s)
	case config.ArgCIDR:
		prefix, err := netip.ParsePrefix(s)
		if err == nil {
			return prefix.Masked().String(), ""
		}
		ok = false
	default:
		if len(s) > arg.MaxBytes {
			return nil, fmt.Sprintf("is %d bytes long: at most %d are allowed", len(s), arg.MaxBytes)
		}
		ok = arg.Pattern == nil || arg.Pattern.MatchString(s)
	}
	if !ok {
		return nil, fmt.Sprintf("%q is not valid: %s", s, wanted(arg))
	}
	return s, ""
}

// number is v as a number, if it is one.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, !math.IsNaN(v) && !math.IsInf(v, 0)
	case int64:
		return float64(v), true
	}
	return 0, false
}

// wanted says in words what an argument must be.
func wanted(arg config.Arg) string {
	switch arg.Type {
	case config.ArgBool:
		return "true or false is wanted"
	case config.ArgInt, config.ArgNumber:
		kind := map[config.ArgType]string{config.ArgInt: "a whole number", config.ArgNumber: "a number"}[arg.Type]
		switch {
		case arg.Min != nil && arg.Max != nil:
			return fmt.Sprintf("%s from %v to %v is wanted", kind, *arg.Min, *arg.Max)
		case arg.Min != nil:
			return fmt.Sprintf("%s of at least %v is wanted", kind, *arg.Min)
		case arg.Max != nil:
			return fmt.Sprintf("%s of at most %v is wanted", kind, *arg.Max)
		}
		return kind + " is wanted"
	case config.ArgEnum:
		return "one of " + strings.Join(arg.Values, ", ") + " is wanted"
	case config.ArgHost:
		return "a host name or an IP address is wanted"
	case config.ArgCIDR:
		return "a network such as 10.0.4.0/24 is wanted"
	}
	if arg.Pattern != nil {
		return fmt.Sprintf("text that matches %s is wanted", arg.Pattern)
	}
	return "text is wanted"
}

// expand puts the arguments into the template of a command line. Each argument stays
// inside its element: what it holds can neither add an element nor reach a shell.
func expand(template []string, args map[string]any) []string {
	argv := make([]string, len(template))
	for i, element := range template {
		argv[i] = placeholder.ReplaceAllStringFunc(element, func(match string) string {
			value, ok := args[match[1:len(match)-1]]
			if !ok {
				return match
			}
			return argText(value)
		})
	}
	return argv
}

// placeholder is an argument's place in a command line.
var placeholder = regexp.MustCompile(`\{[a-z0-9][a-z0-9._-]{0,63}\}`)

// argText is an argument as a command gets it.
func argText(v any) string {
	if n, ok := v.(float64); ok {
		return strconv.FormatFloat(n, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

// sameArgs reports whether two sets of checked arguments mean the same run.
func sameArgs(a, b map[string]any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// compact is a JSON value for a message, cut where it is long.
func compact(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return "the value"
	}
	return shorten(string(data))
}
