package http

import (
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/template"
)

// StatusesKey is the key accept: the statuses of answers that count, where redirects may be followed.
func StatusesKey(to *[]int, followed bool) grammar.Key {
	return grammar.Func("accept",
		"the statuses of successful answers, such as `[200, 503]` for a health check; any other status is "+
			"an error that quotes the body",
		acceptShape, func(v *grammar.Node) { *to = readStatuses(v, followed) }).
		Also("ok_codes status statuses expect valid_status_codes")
}

// Shapes of the values in requests.
var (
	PathShape  = grammar.Like("write a path such as /v1/now, without ? and #", "^/[^?#]*$")
	JSONShape  = grammar.Shape{"type": []string{"object", "array", "string"}}
	QueryShape = grammar.Shape{
		"type": "object", "additionalProperties": grammar.Either(grammar.AnyText, grammar.Texts),
	}
	acceptShape = grammar.Either(grammar.ListOf(grammar.WholeNumber(200, 599)))
)

// ReadQuery reads the parameters of a query: name and text of each, the name again for each
// text of a list.
func ReadQuery(n *grammar.Node, where string) iter.Seq2[string, *grammar.Node] {
	return func(yield func(string, *grammar.Node) bool) {
		for k, v := range n.Entries("query of " + where) {
			what := "query " + grammar.Quote(k.Value())
			values := []*grammar.Node{v}
			if v.IsList() {
				values = v.List(what, "write a text, or a list of texts such as [1, 2]")
			}
			for _, v := range values {
				if _, ok := v.Template(what, grammar.AText); ok && !yield(k.Value(), v) {
					return
				}
			}
		}
	}
}

// readStatuses reads a list of the statuses of answers, where redirects may be followed.
func readStatuses(n *grammar.Node, followed bool) []int {
	var all []int
	for _, e := range n.List("accept", "write a list of statuses such as [200, 503]") {
		status, ok := e.Integer("a status in accept", 200, 599)
		switch {
		case !ok:
		case followed && 300 <= status && status < 400:
			e.Problem(fmt.Sprintf("accept has %d, and redirects are followed", status), "remove it")
		case slices.Contains(all, status):
			e.Twice("accept", strconv.Itoa(status))
		default:
			all = append(all, status)
		}
	}
	return all
}

// ReadPath reads the path of a request, in which escapes stay as they are and what
// has no place in a path is escaped. There may be expressions in it; args says whether there may be {name} too.
func ReadPath(n *grammar.Node, args bool) string {
	const example = "write a path such as /v1/now"
	s, ok := n.Template("path", example)
	if !ok {
		return ""
	}
	computed := slices.Sorted(maps.Keys(n.Expressions()))
	plain := s // without what is only known when it is sent
	for _, text := range computed {
		plain = strings.ReplaceAll(plain, text, "x")
	}
	_, err := url.PathUnescape(plain)
	switch {
	case !strings.HasPrefix(plain, "/"):
		n.Problem(fmt.Sprintf("path: %s does not begin with a slash", grammar.Quote(s)), example)
	case strings.ContainsAny(plain, "?#"):
		n.Problem(fmt.Sprintf(`path: %s contains a "?" or "#"`, grammar.Quote(s)),
			"write queries as query: {name: value}")
	case err != nil:
		n.Problem(fmt.Sprintf("path: %s has a bad escape", grammar.Quote(s)), `write %25 for a percent sign`)
	case slices.Contains(strings.Split(plain, "/"), ".."):
		n.Problem(fmt.Sprintf(`path: %s contains ".."`, grammar.Quote(s)), "write the path without it")
	default:
		return EscapeAround(s, slices.DeleteFunc(template.Find(s, computed...), func(p template.Placeholder) bool {
			return !args && !slices.Contains(computed, p.Name)
		}))
	}
	return ""
}

// EscapeAround is escapePath for the text around placeholders.
func EscapeAround(s string, placeholders []template.Placeholder) string {
	var escaped strings.Builder
	end := 0
	for _, p := range placeholders {
		escaped.WriteString(escapePath(s[end:p.Begin]) + s[p.Begin:p.End])
		end = p.End
	}
	return escaped.String() + escapePath(s[end:])
}

func escapePath(s string) string {
	var escaped strings.Builder
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			fmt.Fprintf(&escaped, "%%%02X", c)
		} else {
			escaped.WriteByte(c)
		}
	}
	return escaped.String()
}

var (
	AddressShape = grammar.Like("write an address such as https://example.com", `^[hH][tT][tT][pP][sS]?://[^/?#]`)
	HeaderShape  = grammar.AnyScalar(grammar.Like("write the name of a header such as X-Api-Key", HeaderName.String()))
	HeadersShape = grammar.Keyed(HeaderName.String(), "use letters, digits and dashes", grammar.AnyText)
)

// HeaderName matches the name of a header.
var HeaderName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$") // a token, RFC 9110, section 5.6.2

// ownHeaders follow from a request.
var ownHeaders = []string{"Host", "Content-Length", "Transfer-Encoding", "Trailer", "Connection"}

// ReadHeaders adds what the mapping n says to h. Values may be credentials: they
// are never quoted.
func ReadHeaders(n *grammar.Node, where string, h http.Header) {
	readHeaders(n, where, h, (*grammar.Node).Text)
}

// ReadRequestHeaders is ReadHeaders for a request, in whose headers there may be expressions.
func ReadRequestHeaders(n *grammar.Node, where string, h http.Header) {
	readHeaders(n, where, h, (*grammar.Node).Template)
}

func readHeaders(
	n *grammar.Node, where string, h http.Header, text func(n *grammar.Node, what, want string) (string, bool),
) {
	first := map[string]*grammar.Node{}
	for k, v := range n.Entries(where) {
		value, ok := text(v, "header "+grammar.Quote(k.Value()), grammar.AText)
		name := http.CanonicalHeaderKey(k.Value())
		switch f := first[name]; {
		case !HeaderName.MatchString(k.Value()):
			k.Problem(grammar.Quote(k.Value())+" is not the name of a header", "use letters, digits and dashes")
		case slices.Contains(ownHeaders, name):
			k.Problem(fmt.Sprintf("the header %s cannot be set", name), "remove it; it follows from the request")
		case f != nil:
			k.Problem(fmt.Sprintf("duplicate header %s in %s", grammar.Quote(k.Value()), where),
				fmt.Sprintf("the first one is at %s: remove one of them", f.At(k)))
		case ok && strings.ContainsFunc(value, grammar.IsControl):
			v.Problem(fmt.Sprintf("the value of header %s contains a line break or another control character", name),
				"write it in one line")
		case ok:
			first[name] = k
			h.Set(name, value)
			if secret.Names(name) && value != "" && secret.TooShort(value) {
				v.Problem(
					fmt.Sprintf("the value of header %s is too short to be hidden in what an upstream says", name),
					fmt.Sprintf("use a credential of at least %d characters", secret.Least),
				)
			}
		}
	}
}

// ValidPort reports whether the port of an address is one, or none.
func ValidPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}
