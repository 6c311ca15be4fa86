package config

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/secret"
	"go.yaml.in/yaml/v4"
)

// upstream reads one entry of upstreams. It returns nil if its address is
// missing or wrong, so that sources need not complain about it again.
func (r *reader) upstream(e named) *Upstream {
	where := "upstream " + quote(e.name)
	if k := find(e.value, "modbus", "mqtt"); k != nil { // this version does not know their other keys either
		r.problem(k, quote(k.Value)+" is not supported by this version", `an upstream here is "http"`)
		return nil
	}
	u := &Upstream{Name: e.name, Header: http.Header{}, Burst: 1, KeepAlive: true}
	var bearer, limit, burst, inflight, gap *yaml.Node
	r.mapping(e.value, where, upstreamKeys, reads{
		"http":    func(v *yaml.Node) { u.URL = r.baseURL(v) },
		"bearer":  func(v *yaml.Node) { bearer = v },
		"headers": func(v *yaml.Node) { r.headers(v, "headers of "+where, u.Header) },
		"limit": func(v *yaml.Node) {
			limit = v
			if count, per := r.rate(v, "limit"); count > 0 {
				u.Limit = float64(count) / per.Seconds()
			}
		},
		"max_inflight": func(v *yaml.Node) {
			inflight = v
			if n, ok := r.integer(v, "max_inflight", 1, 64); ok {
				u.MaxInFlight = n
			}
		},
		"gap":        func(v *yaml.Node) { gap, u.Gap = v, r.duration(v, "gap") },
		"keep_alive": func(v *yaml.Node) { u.KeepAlive = r.boolean(v, "keep_alive") },
		"burst": func(v *yaml.Node) {
			burst = v
			if n, ok := r.integer(v, "burst", 1, 1_000_000); ok {
				u.Burst = n
			}
		},
	})
	if bearer != nil {
		if token, ok := r.text(bearer, "bearer", "write a token"); ok {
			// The token itself is never quoted.
			switch {
			case token == "" || strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c >= 0x7f }):
				r.problem(bearer, "bearer is not a token", "write its characters alone, without spaces")
			case u.Header.Get("Authorization") != "":
				r.problem(bearer, "bearer and the header Authorization exclude each other", "remove one of them")
			case secret.TooShort(token):
				r.problem(bearer, "bearer is too short to be hidden in what an upstream says", fmt.Sprintf("use a token of at least %d characters", secret.Least))
			default:
				u.Header.Set("Authorization", "Bearer "+token)
			}
		}
	}
	if burst != nil && limit == nil {
		r.problem(burst, "burst without limit has no effect", "add a limit such as 60/h or remove burst")
	}
	switch {
	case gap == nil:
	case inflight == nil:
		u.MaxInFlight = 1
	case u.MaxInFlight > 1:
		r.problem(inflight, "max_inflight is more than 1, and gap is between one request and the next", "remove one of them")
	}
	if r.lacks(e.value, "http") {
		r.problem(e.key, where+" has no address", "add one such as http: https://api.example.com")
	}
	if u.URL == nil {
		return nil
	}
	return u
}

// baseURL reads an address that paths can be joined to.
func (r *reader) baseURL(n *yaml.Node) *url.URL {
	const example = "write an address such as https://api.example.com"
	s, ok := r.text(n, "http", example)
	if !ok {
		return nil
	}
	u, err := url.Parse(s)
	switch {
	case err == nil && u.User != nil, err != nil && strings.Contains(s, "@"): // it holds a password
		r.conceal(n)
		r.problem(n, "http contains a user name or password", "write credentials into bearer or headers")
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		r.problem(n, fmt.Sprintf("http: %s is not an http or https address", quote(s)), example)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		r.conceal(n) // a key often stands in a query
		r.problem(n, "http has a query or fragment", "write queries into the sources and leave fragments out")
	case !validPort(u.Port()):
		r.problem(n, fmt.Sprintf("http: %s is not a port", quote(u.Port())), "write a port from 1 to 65535")
	default:
		return u
	}
	return nil
}

// inPath returns what is secret of an address of which references gave some texts: its path, and what they gave of that. Its
// host is named in errors.
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

// headers adds what the mapping n says to h. Values may be credentials: they
// are never quoted.
func (r *reader) headers(n *yaml.Node, where string, h http.Header) {
	first := map[string]*yaml.Node{}
	for k, v := range r.entries(n, where) {
		value, ok := r.text(v, "header "+quote(k.Value), aText)
		name := http.CanonicalHeaderKey(k.Value)
		switch f := first[name]; {
		case !headerName.MatchString(k.Value):
			r.problem(k, quote(k.Value)+" is not the name of a header", "use letters, digits and dashes")
		case name == "Host" || name == "Content-Length" || name == "Transfer-Encoding" || name == "Trailer" || name == "Connection":
			r.problem(k, fmt.Sprintf("the header %s cannot be set", name), "remove it; it follows from the request")
		case f != nil:
			r.problem(k, fmt.Sprintf("duplicate header %s in %s", quote(k.Value), where),
				fmt.Sprintf("the first one is at %s: remove one of them", r.at(f, k.Line)))
		case ok && strings.ContainsFunc(value, isControl):
			r.problem(v, fmt.Sprintf("the value of header %s contains a line break or another control character", name), "write it in one line")
		case ok:
			first[name] = k
			h.Set(name, value)
			if secret.Names(name) && value != "" && secret.TooShort(value) {
				r.problem(v, fmt.Sprintf("the value of header %s is too short to be hidden in what an upstream says", name),
					fmt.Sprintf("use a credential of at least %d characters", secret.Least))
			}
		}
	}
}

// rate reads a number in a second, minute, hour or day.
func (r *reader) rate(n *yaml.Node, what string) (count int, per time.Duration) {
	s, ok := r.text(n, what, aRate)
	if !ok {
		return 0, 0
	}
	number, unit, _ := strings.Cut(s, "/")
	c, err := strconv.ParseUint(number, 10, 31)
	per = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[unit]
	if err != nil || c == 0 || per == 0 {
		r.problem(n, fmt.Sprintf("%s: %s is not a rate", what, quote(s)), aRate)
		return 0, 0
	}
	return int(c), per
}
