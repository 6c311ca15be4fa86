package http

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/secret"
)

// Kind is the kind of sources that ask an upstream by GET, and of the upstreams that they ask.
var Kind = kind.Kind{Name: "http", Section: section, Upstream: upstreamSection}

// A draft is a source while it is read.
type draft struct {
	where    string // names its http in messages
	upstream *Upstream
	path     string
	query    url.Values
	own      http.Header
	accept   []int
}

func section(r kind.Reading) kind.Section {
	d := &draft{where: "http of " + r.Where, query: url.Values{}, own: http.Header{}}
	keys := d.keys(r)
	return kind.Section{
		Keys: grammar.Keys{
			grammar.Section("http", "GET from an upstream", d.where, keys).
				Also("url get").OneOf().Alone(func(v *grammar.Node) { d.readAlone(v, keys) }).Then(d.check),
		},
		Source: d.source,
	}
}

func (d *draft) keys(r kind.Reading) grammar.Keys {
	return grammar.Keys{
		grammar.Func("upstream",
			"one of `upstreams`",
			grammar.ALine, func(v *grammar.Node) { d.upstream, _ = kind.UpstreamOf[*Upstream](r, v, "http") }).Need(""),
		grammar.Func("path",
			"begins with `/`, is joined to the upstream's path; no `..`, no query",
			PathShape, func(v *grammar.Node) { d.path = ReadPath(v, false) }),
		grammar.Func("query",
			"the query; a list of texts repeats the parameter",
			QueryShape, func(v *grammar.Node) { d.readQuery(v, r.Where) }).Also("params").Secret(),
		grammar.Func("headers",
			"added to the upstream's headers; a header of the same name replaces the upstream's",
			HeadersShape, func(v *grammar.Node) { ReadHeaders(v, "headers of "+r.Where, d.own) }).Secret(),
		AcceptKey(&d.accept, true),
	}
}

// readAlone reads what stands in place of the mapping and is none.
func (d *draft) readAlone(n *grammar.Node, keys grammar.Keys) {
	if strings.HasPrefix(n.Value(), "http://") || strings.HasPrefix(n.Value(), "https://") {
		n.Problem(d.where+" is an address",
			"write it below upstreams, as in upstreams: {plant: {http: ADDRESS}}, "+
				"and here {upstream: plant, path: /PATH}")
		return
	}
	n.Read(d.where, keys)
}

func (d *draft) readQuery(n *grammar.Node, where string) {
	for k, v := range ReadQuery(n, where) {
		d.query.Add(k, v.Value())
	}
}

// check checks the mapping n.
func (d *draft) check(n *grammar.Node) {
	if n.Lacks("upstream") {
		n.Problem(d.where+" has no upstream", "add the name of one such as upstream: weather")
	}
}

// source completes the source.
func (d *draft) source(entry *grammar.Node) kind.Source {
	if d.upstream == nil {
		return nil
	}
	u := *d.upstream.URL
	if d.path != "" {
		u = *u.JoinPath(d.path)
	}
	u.RawQuery = d.query.Encode()
	header := d.upstream.Header.Clone()
	maps.Copy(header, d.own)
	return &Source{Upstream: d.upstream, URL: &u, Header: header, Accept: d.accept, Given: entry.Given("http")}
}

// An upstreamDraft is an Upstream while it is read.
type upstreamDraft struct {
	*Upstream
	bearer string
	auth   authDraft
	tls    *kind.TLS // is read by others
}

func upstreamSection(r kind.UpstreamReading) kind.UpstreamSection {
	u := &upstreamDraft{Upstream: &Upstream{Name: r.Name, Header: http.Header{}, KeepAlive: true}, tls: r.TLS}
	return kind.UpstreamSection{Keys: u.keys(r.Where), Upstream: u.upstream}
}

func (u *upstreamDraft) keys(where string) grammar.Keys {
	return append(grammar.Keys{
		grammar.Func("http",
			"`http://` or `https://`, host, port and path; without user, query and fragment",
			AddressShape, func(v *grammar.Node) { u.URL = readBaseURL(v) }).Also("url address base_url").OneOf(),
		grammar.Func("bearer",
			"sent as `Authorization: Bearer TOKEN`",
			grammar.ALine, func(v *grammar.Node) { u.bearer = readBearer(v) }).Also("token").Secret().Without("auth"),
		u.auth.key(where).Without("bearer"),
		grammar.Func("headers",
			"sent with each request. `Host`, `Connection`, `Content-Length`, `Transfer-Encoding` and `Trailer` "+
				"cannot be set",
			HeadersShape, func(v *grammar.Node) { ReadHeaders(v, "headers of "+where, u.Header) }).Secret(),
		grammar.Boolean("keep_alive",
			"whether a connection is reused. `false` closes it after each request, for devices that serve one "+
				"connection at a time",
			&u.KeepAlive).Also("keepalive").Default(true),
	}, u.wayKeys()...)
}

// upstream completes the upstream.
func (u *upstreamDraft) upstream(entry *grammar.Node) kind.Upstream {
	u.setBearer(entry.Get("bearer"))
	if auth := entry.Get("auth"); auth != nil {
		u.readAuth(entry, auth)
	}
	if u.URL == nil {
		return nil
	}
	u.TLS = *u.tls
	u.checkWay(entry)
	u.Given = slices.Concat(u.Given, entry.Given("bearer", "headers", "auth", "proxy"), inPath(u.URL, entry.Given("http")))
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
		n.Problem("http contains a user name or password", "write credentials into bearer, auth or headers")
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		n.Problem(fmt.Sprintf("http: %s is not an http or https address", grammar.Quote(s)), example)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		n.Conceal() // a key often stands in a query
		n.Problem("http has a query or fragment", "write queries into the sources and leave fragments out")
	case !ValidPort(u.Port()):
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
