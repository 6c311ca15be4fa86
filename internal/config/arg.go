package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/grammar"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/internal/secret"
)

const maxArgBytes = 1024 // of a text

// An ArgError describes what is wrong with the value given for an argument.
type ArgError struct {
	Arg  string // its name
	What string // for example `"x" is not a number`
	Want string // for example "write one such as 0.5"
}

// Error returns the argument's name, what is wrong and how to correct it.
func (e *ArgError) Error() string { return e.Arg + ": " + e.What + ", " + e.Want }

func (a *Arg) wrong(want, what string, args ...any) *ArgError {
	return &ArgError{Arg: a.Name, What: fmt.Sprintf(what, args...), Want: want}
}

// value converts a given value: a [*File] for file, and what parse returns for the others.
func (a *Arg) value(v any) (any, *ArgError) {
	if a.Type == ArgFile {
		return a.file(v)
	}
	return a.parse(v)
}

// parse converts a given value according to Type: int64 for int, float64 for number, bool for bool and string for the
// others. The rules for all texts are checked before those of a type, so they apply to every type.
func (a *Arg) parse(v any) (any, *ArgError) {
	text, ok := argText(v)
	if !ok {
		return nil, a.wrong("write a text, a number, true or false", "this is not a single value")
	}
	if err := a.text(text); err != nil {
		return nil, err
	}
	switch a.Type {
	case ArgInt:
		f, err := a.number(text)
		if err != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<53 { // not every larger whole number is a float64
			return nil, a.wrong("write one such as 5", "%s is not a whole number", grammar.Quote(text))
		}
		return int64(f), a.inRange(f)
	case ArgNumber:
		f, err := a.number(text)
		if err != nil {
			return nil, err
		}
		return f, a.inRange(f)
	case ArgBool:
		if text != "true" && text != "false" {
			return nil, a.wrong("write true or false", "%s is neither true nor false", grammar.Quote(text))
		}
		return text == "true", nil
	case ArgEnum:
		if err := a.choice(text); err != nil {
			return nil, err
		}
	case ArgHost:
		if !isHost(text) {
			return nil, a.wrong(
				"write a name such as plc.example.com or an address such as 10.0.4.9",
				"%s is not a host",
				grammar.Quote(text),
			)
		}
	case ArgCIDR:
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, a.wrong("write one such as 10.0.4.0/24", "%s is not a subnet", grammar.Quote(text))
		}
		return p.Masked().String(), nil
	case ArgURL:
		if err := a.url(text); err != nil {
			return nil, err
		}
	case ArgPath:
		if err := a.path(text); err != nil {
			return nil, err
		}
		return filepath.Clean(text), nil
	default:
		if err := a.string(text); err != nil {
			return nil, err
		}
	}
	return text, nil
}

// choice checks a choice. Of an argument with a Feed any text is one if Values is nil.
func (a *Arg) choice(text string) *ArgError {
	switch {
	case a.Feed != nil && (text == "" || a.Values == nil) || slices.Contains(a.Values, text):
		return nil
	case a.Feed != nil && len(a.Values) == 0:
		return a.wrong("wait until it does", "source %s gives no choices now", grammar.Quote(a.Feed.Source))
	}
	return a.wrong(grammar.Suggest(text, "choices", a.Values), "%s is not a choice", grammar.Quote(text))
}

// quote quotes a value for a message, unless it is a secret.
func (a *Arg) quote(text string) string {
	if a.Secret {
		return "this"
	}
	return grammar.Quote(text)
}

// url checks an address. Schemes other than https would let a caller read files of this machine through some programs,
// or use clear text.
func (a *Arg) url(text string) *ArgError {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "https" || u.Hostname() == "" || strings.ContainsAny(text, " \\"),
		strings.Contains(u.Host, "%") && !isHost(u.Hostname()):
		return a.wrong("write one such as https://example.com/x", "%s is not an https address", a.quote(text))
	case u.User != nil:
		return a.wrong("write it without", "the address contains a user name or password")
	case !httpkind.ValidPort(u.Port()):
		return a.wrong("write a port from 1 to 65535", "%s has a bad port", a.quote(text))
	}
	return nil
}

// path checks a path below a.Under: at this moment it exists, and no symbolic link on the way leads out of the
// directory.
func (a *Arg) path(text string) *ArgError {
	if !filepath.IsLocal(text) {
		return a.wrong(
			"write one such as reports/today.csv", "%s is not a path inside of the directory", grammar.Quote(text))
	}
	root, err := os.OpenRoot(a.Under)
	if err != nil {
		return a.wrong("ask whoever runs this machine", "the directory cannot be opened")
	}
	defer root.Close()
	if _, err := root.Stat(text); errors.Is(err, fs.ErrNotExist) {
		return a.wrong("name one that is there", "there is no %s", grammar.Quote(text))
	} else if err != nil {
		return a.wrong("write another path", "%s leads out of the directory, or cannot be read", grammar.Quote(text))
	}
	return nil
}

// argText returns a value as the text of a command line. Every type may be given as text, since forms and command lines
// have only texts.
func argText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case int: // as jq has it
		return strconv.Itoa(v), true
	case int64: // a default
		return strconv.FormatInt(v, 10), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

func (a *Arg) number(text string) (float64, *ArgError) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !grammar.IsDecimal(text) {
		return 0, a.wrong("write one such as 0.5", "%s is not a number", grammar.Quote(text))
	}
	return f + 0, nil // turns -0 into 0: otherwise it would begin with a dash
}

func (a *Arg) inRange(f float64) *ArgError {
	switch {
	case a.Min != nil && f < *a.Min:
		return a.wrong(fmt.Sprintf("write at least %v", *a.Min), "%v is too small", f)
	case a.Max != nil && f > *a.Max:
		return a.wrong(fmt.Sprintf("write at most %v", *a.Max), "%v is too large", f)
	}
	return nil
}

// string checks a text. A text that begins with a dash could be taken for an option of the program (CWE-88).
func (a *Arg) string(text string) *ArgError {
	switch {
	case strings.HasPrefix(text, "-") && !a.AllowDash:
		return a.wrong("write a text that cannot be taken for an option", "%s begins with a dash", a.quote(text))
	case a.Pattern != nil && !a.Pattern.MatchString(text):
		return a.wrong("write one that does", "%s does not match %s", a.quote(text),
			strings.TrimSuffix(strings.TrimPrefix(a.Pattern.String(), "^(?:"), ")$"))
	}
	return nil
}

// text checks the rules for values of all types.
func (a *Arg) text(text string) *ArgError {
	switch {
	case len(text) > maxArgBytes:
		return a.wrong(fmt.Sprintf("write at most %d", maxArgBytes), "the text has %d bytes", len(text))
	case a.Secret && text != "" && secret.TooShort(text): // a short one cannot be redacted reliably
		return a.wrong(
			fmt.Sprintf("write at least %d characters", secret.Least),
			"the secret has fewer than %d characters",
			secret.Least,
		)
	case !utf8.ValidString(text):
		return a.wrong("write it in UTF-8", "the text is not valid UTF-8")
	case strings.ContainsFunc(text, grammar.IsControl):
		return a.wrong("write one line", "the text contains a line break or another control character")
	case strings.ContainsFunc(text, turnsWriting):
		return a.wrong("write it without", "the text contains a character that turns the direction of writing")
	}
	return nil
}

// isHost reports whether text is the name or address of a host. A zone (RFC 4007, section 11) must be the name of an
// interface; netip accepts any text.
func isHost(text string) bool {
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr.Zone() == "" || zoneName.MatchString(addr.Zone())
	}
	return len(text) <= 253 && hostName.MatchString(text)
}

// zoneName matches the names of interfaces: Linux allows 15 characters.
var zoneName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,15}$`)

// hostName matches the preferred syntax of names, RFC 1123, section 2.1.
var hostName = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*` +
	`[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.?$`)

// turnsWriting reports whether c changes the direction of the text after it (UAX #9, section 2), so that people see
// another text than a program gets.
func turnsWriting(c rune) bool {
	return '\u202a' <= c && c <= '\u202e' || '\u2066' <= c && c <= '\u2069'
}
