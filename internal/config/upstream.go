package config

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/secret"
)

// An upstreamDraft is an Upstream while it is read.
type upstreamDraft struct {
	*Upstream
	bearer string
}

func upstreamKeys(u *upstreamDraft, where string) grammar.Keys {
	return grammar.Keys{
		grammar.Func("http",
			"`http://` or `https://`, host, port and path; without user, query and fragment",
			addressShape, func(v *grammar.Node) { u.URL = readBaseURL(v) }).Also("url address base_url").Need(""),
		grammar.Func("bearer",
			"sent as `Authorization: Bearer TOKEN`",
			grammar.ALine, func(v *grammar.Node) { u.bearer = readBearer(v) }).Also("token auth").Secret(),
		grammar.Func("headers",
			"sent with each request. `Host`, `Connection`, `Content-Length`, `Transfer-Encoding` and `Trailer` "+
				"cannot be set",
			headersShape, func(v *grammar.Node) { readHeaders(v, "headers of "+where, u.Header) }).Secret(),
		grammar.Func("limit",
			"requests per second, minute, hour or day",
			grammar.RateText, func(v *grammar.Node) { u.Limit = readLimit(v) }).Also("rate rate_limit"),
		grammar.Integer("burst",
			"requests that `limit` admits at once",
			&u.Burst, 1, 1_000_000).Default(1).With("limit"),
		grammar.Integer("max_inflight",
			"requests that may be in progress at once; the others wait in a queue",
			&u.MaxInFlight, 1, 64).Also("concurrency max_concurrent"),
		grammar.Duration("gap",
			"the time between the end of a request and the start of the next one; then `max_inflight` is 1",
			&u.Gap).Also("pause delay"),
		grammar.Boolean("keep_alive",
			"whether a connection is reused. `false` closes it after each request, for devices that serve one "+
				"connection at a time",
			&u.KeepAlive).Also("keepalive").Default(true),
	}
}

var (
	addressShape = grammar.Like("write an address such as https://example.com", `^[hH][tT][tT][pP][sS]?://[^/?#]`)
	headerShape  = grammar.AnyScalar(grammar.Like("write the name of a header such as X-Api-Key", headerName.String()))
	headersShape = grammar.Keyed(headerName.String(), "use letters, digits and dashes", grammar.AnyText)
)

// readUpstream reads one entry of upstreams. It returns nil if its address is missing or wrong, so that sources need
// not complain about it again.
func readUpstream(e grammar.Named) *Upstream {
	where := "upstream " + grammar.Quote(e.Name)
	if k := e.Value.Key("modbus", "mqtt"); k != nil { // this version does not know their other keys either
		k.Problem(grammar.Quote(k.Value())+" is not supported by this version", `an upstream here is "http"`)
		return nil
	}
	u := &upstreamDraft{Upstream: &Upstream{Name: e.Name, Header: http.Header{}, Burst: 1, KeepAlive: true}}
	e.Value.Read(where, upstreamKeys(u, where))
	u.setBearer(e.Value.Get("bearer"))
	if burst := e.Value.Get("burst"); burst != nil && e.Value.Get("limit") == nil {
		burst.Problem("burst without limit has no effect", "add a limit such as 60/h or remove burst")
	}
	switch inflight := e.Value.Get("max_inflight"); {
	case e.Value.Get("gap") == nil:
	case inflight == nil:
		u.MaxInFlight = 1
	case u.MaxInFlight > 1:
		inflight.Problem("max_inflight is more than 1, and gap is between one request and the next", "remove one of them")
	}
	if e.Value.Lacks("http") {
		e.Key.Problem(where+" has no address", "add one such as http: https://api.example.com")
	}
	if u.URL == nil {
		return nil
	}
	u.Given = append(e.Value.Given("bearer", "headers"), inPath(u.URL, e.Value.Given("http"))...)
	return u.Upstream
}

// readBearer reads a token, which is never quoted.
func readBearer(n *grammar.Node) string {
	token, ok := n.Text("bearer", "write a token")
	switch {
	case !ok:
		return ""
	case token == "" || strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c >= 0x7f }):
		n.Problem("bearer is not a token", "write its characters alone, without spaces")
		return ""
	}
	return token
}

// setBearer makes a header of the token, which n has.
func (u *upstreamDraft) setBearer(n *grammar.Node) {
	switch {
	case u.bearer == "":
	case u.Header.Get("Authorization") != "":
		n.Problem("bearer and the header Authorization exclude each other", "remove one of them")
	case secret.TooShort(u.bearer):
		n.Problem("bearer is too short to be hidden in what an upstream says",
			fmt.Sprintf("use a token of at least %d characters", secret.Least))
	default:
		u.Header.Set("Authorization", "Bearer "+u.bearer)
	}
}

func readLimit(n *grammar.Node) float64 {
	count, per := n.Rate("limit")
	if count == 0 {
		return 0
	}
	return float64(count) / per.Seconds()
}

// readBaseURL reads an address that paths can be joined to.
func readBaseURL(n *grammar.Node) *url.URL {
	const example = "write an address such as https://api.example.com"
	s, ok := n.Text("http", example)
	if !ok {
		return nil
	}
	u, err := url.Parse(s)
	switch {
	case err == nil && u.User != nil, err != nil && strings.Contains(s, "@"): // it holds a password
		n.Conceal()
		n.Problem("http contains a user name or password", "write credentials into bearer or headers")
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		n.Problem(fmt.Sprintf("http: %s is not an http or https address", grammar.Quote(s)), example)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		n.Conceal() // a key often stands in a query
		n.Problem("http has a query or fragment", "write queries into the sources and leave fragments out")
	case !validPort(u.Port()):
		n.Problem(fmt.Sprintf("http: %s is not a port", grammar.Quote(u.Port())), "write a port from 1 to 65535")
	default:
		return u
	}
	return nil
}

// inPath returns what is secret of an address of which references gave some texts: its path, and what they gave of
// that. Its host is named in errors.
func inPath(u *url.URL, given []string) (secrets []string) {
	for _, text := range given {
		if strings.Contains(u.Path, text) {
			secrets = append(secrets, text)
		} else if from, err := url.Parse(text); err == nil && len(from.Path) > 1 && strings.HasSuffix(u.Path, from.Path) {
			secrets = append(secrets, strings.TrimSuffix(from.Path, "/"))
			for segment := range strings.SplitSeq(from.Path, "/") {
				if secret.Is("", segment) {
					secrets = append(secrets, segment)
				}
			}
		}
	}
	return secrets
}

func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}

var headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$") // a token, RFC 9110, section 5.6.2

// connectionHeaders follow from the request and its connection.
var connectionHeaders = []string{"Host", "Content-Length", "Transfer-Encoding", "Trailer", "Connection"}

// readHeaders adds what the mapping n says to h. Values may be credentials: they
// are never quoted.
func readHeaders(n *grammar.Node, where string, h http.Header) {
	first := map[string]*grammar.Node{}
	for k, v := range n.Entries(where) {
		value, ok := v.Text("header "+grammar.Quote(k.Value()), grammar.AText)
		name := http.CanonicalHeaderKey(k.Value())
		switch f := first[name]; {
		case !headerName.MatchString(k.Value()):
			k.Problem(grammar.Quote(k.Value())+" is not the name of a header", "use letters, digits and dashes")
		case slices.Contains(connectionHeaders, name):
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
				v.Problem(fmt.Sprintf("the value of header %s is too short to be hidden in what an upstream says", name),
					fmt.Sprintf("use a credential of at least %d characters", secret.Least))
			}
		}
	}
}
