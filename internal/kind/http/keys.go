package http

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/secret"
)

// Kind is the kind of sources that ask an upstream by HTTP, and of the upstreams that they ask.
var Kind = kind.Kind{Name: "http", Section: section, Upstream: upstreamSection, Variables: variables}

// A draft is a source while it is read.
type draft struct {
	*Source
	where string // names its http in messages
	json  *grammar.Node
}

func section(r kind.Reading) kind.Section {
	d := &draft{where: "http of " + r.Where, Source: &Source{Request: Request{Header: http.Header{}}}}
	keys := d.keys(r)
	return kind.Section{
		Keys: grammar.Keys{
			grammar.Section("http", "a request to an upstream", d.where, keys).
				Also("url get post").OneOf().Alone(func(v *grammar.Node) { d.readAlone(v, keys) }).Then(d.check),
		},
		Source: d.source,
	}
}

func (d *draft) keys(r kind.Reading) grammar.Keys {
	return grammar.Keys{
		grammar.Func("upstream",
			"one of `upstreams`",
			grammar.ALine, func(v *grammar.Node) { d.Upstream, _ = kind.UpstreamOf[*Upstream](r, v, "http") }).Need(""),
		grammar.OneOf("method",
			"the method. Without it a request with `body` or `json` is a `POST`, and any other a `GET`",
			&d.Method, methods).Also("verb"),
		grammar.Func("path",
			"begins with `/`, is joined to the upstream's path; no `..`, no query",
			PathShape, func(v *grammar.Node) { d.Path = ReadPath(v, false) }),
		grammar.Func("query",
			"the query; a list of texts repeats the parameter",
			QueryShape, func(v *grammar.Node) { d.Query = ReadPairs(v, r.Where) }).Also("params").Secret(),
		grammar.Func("headers",
			"added to the upstream's headers; a header of the same name replaces the upstream's",
			HeadersShape, func(v *grammar.Node) { ReadRequestHeaders(v, "headers of "+r.Where, d.Header) }).Secret(),
		grammar.Func("json",
			"the body as a mapping or a list, which is sent as JSON",
			JSONShape, func(v *grammar.Node) { d.json = v }).Also("data payload").Without("body").Secret(),
		grammar.Func("body",
			"the body as text. Its type is JSON unless `headers` has a `Content-Type`",
			grammar.AnyText, func(v *grammar.Node) { d.Body, _ = v.Template("body", aBody) }).Without("json").Secret(),
		StatusesKey(&d.Statuses, true),
		grammar.Section("pages",
			"for an answer in pages: the value is the list of them. An expression alone is `pages.next`",
			"pages of "+r.Where, d.pageKeys()).Short("next").Also("pagination paging"),
	}
}

const aBody = "write a text, or json: {id: 1}"

func (d *draft) pageKeys() grammar.Keys {
	return grammar.Keys{
		grammar.Func("next",
			"gives the address of the next page, of the same origin, or null; its input is the page, and it can use the variables of `pick`",
			grammar.ALine, func(v *grammar.Node) { d.Next = v.JQ("next", variables...) }).Need(".next"),
		grammar.Integer("max",
			"how many pages there may be; more are an error",
			&d.Pages, 1, maxPages).Also("limit").Default(defaultPages),
	}
}

// Bounds of pages.
const (
	defaultPages = 20
	maxPages     = 1000
)

var methods = []grammar.Word{
	{Word: http.MethodGet, Doc: "asks for what is at the address"},
	{Word: http.MethodHead, Doc: "asks for the header of the answer alone: the value is null, and `pick` has the variables"},
	{Word: http.MethodPost, Doc: "what most services expect that are asked by a body"},
	{Word: http.MethodPut, Doc: "for devices that expect it"},
	{Word: http.MethodPatch, Doc: "for devices that expect it"},
	{Word: "PROPFIND", Doc: "asks a WebDAV server for properties"},
	{Word: "REPORT", Doc: "asks a WebDAV server, such as a calendar, for what matches the body"},
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

// ReadPairs reads a query.
func ReadPairs(n *grammar.Node, where string) (query []Pair) {
	for k, v := range ReadQuery(n, where) {
		query = append(query, Pair{k, v.Value()})
	}
	return query
}

// check checks the mapping n.
func (d *draft) check(n *grammar.Node) {
	if n.Lacks("upstream") {
		n.Problem(d.where+" has no upstream", "add the name of one such as upstream: weather")
	}
	body := n.Get("body")
	switch {
	case body != nil && d.json != nil:
		d.json.Problem("http has body and json", "keep one of them")
		return
	case d.json != nil:
		d.Body = ReadJSON(d.json, func(string) bool { return false })
		body = d.json
	}
	if d.Method == "" {
		d.Method = http.MethodGet
		if d.Body != "" {
			d.Method = http.MethodPost
		}
	}
	if body != nil && body.IsGood() && d.Method == http.MethodHead {
		body.Problem("a HEAD has no body", "remove it, or write another method")
	}
	d.Computed = n.Expressions()
}

// source completes the source.
func (d *draft) source(entry *grammar.Node) kind.Source {
	if d.Upstream == nil {
		return nil
	}
	s := d.Source
	s.Given = entry.Given("http")
	if n := entry.Get("http"); n.IsGood() {
		CheckTexts(n, &s.Request, func(string) bool { return false })
		s.checkType(n)
	}
	if s.Next != nil && s.Pages == 0 {
		s.Pages = defaultPages
	}
	if s.Computed == nil {
		s.Fixed, _ = s.Fill(context.Background(), nil, noValues) // there is nothing in it that could fail
	}
	return s
}

// checkType checks that a body is of the type that it is sent as.
func (s *Source) checkType(n *grammar.Node) {
	body := n.Get("body")
	if body == nil || !body.IsGood() || s.contentType() != "" || json.Valid([]byte(s.sample())) {
		return
	}
	body.Problem("body is not JSON, and headers have no Content-Type", "write one such as headers: {Content-Type: text/xml}")
}

// An upstreamDraft is an Upstream while it is read.
type upstreamDraft struct {
	*Upstream
	bearer string
	auth   authDraft

	tls      *kind.TLS // these are read by others
	inFlight *int
}

func upstreamSection(r kind.UpstreamReading) kind.UpstreamSection {
	u := &upstreamDraft{Upstream: &Upstream{Name: r.Name, Header: http.Header{}, KeepAlive: true}, tls: r.TLS, inFlight: r.InFlight}
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
				"connection at a time; so it is unless said otherwise where one request is in progress at a time, by "+
				"`max_inflight: 1` or `gap`",
			&u.KeepAlive).Also("keepalive"),
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
	if entry.Get("keep_alive") == nil && *u.inFlight == 1 {
		u.KeepAlive = false
	}
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
