package http

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/secret"
)

// An Auth says how requests to an upstream are authorised, where that is more than a header. At most one field is set; the
// zero value adds nothing.
type Auth struct {
	Digest *Login    // by the scheme Digest, RFC 7616
	OAuth2 *OAuth2   // by tokens
	Query  Parameter // by a key in the query of each request
}

// A Parameter is a name with a value.
type Parameter struct{ Name, Value string }

// A Login is a user with a password.
type Login struct{ User, Password string }

// OAuth2 says how tokens are had by client credentials (RFC 6749 §4.4).
type OAuth2 struct {
	TokenURL     *url.URL // http or https
	ClientID     string
	ClientSecret string
	Scopes       []string
	Params       []Parameter // of the request for a token, besides those of the standard
	Style        Style
}

// A Style is where a request for a token has the client's credential. Empty means the header, or the body if the server has not seen it there.
type Style string

// The values of [Style].
const (
	StyleHeader Style = "header"
	StyleBody   Style = "body"
)

var styles = []grammar.Word{
	{Word: string(StyleHeader), Doc: "in the header `Authorization`, by the scheme Basic"},
	{Word: string(StyleBody), Doc: "in the body, as `client_id` and `client_secret`"},
}

// needsLink reports whether a remembers something from one request to the next, or changes more than a header.
func (a *Auth) needsLink() bool { return a.Digest != nil || a.OAuth2 != nil || a.Query.Name != "" }

// secrets are the credentials in a.
func (a *Auth) secrets() kind.Secrets {
	all := credentials(a.Query.Value, url.QueryEscape(a.Query.Value))
	if d := a.Digest; d != nil {
		all = all.And(credentials(secret.OfBasic(d.User, d.Password)...))
	}
	if o := a.OAuth2; o != nil {
		all = all.And(credentials(secret.OfBasic(o.ClientID, o.ClientSecret)...)).
			And(credentials(secret.OfBasic(url.QueryEscape(o.ClientID), url.QueryEscape(o.ClientSecret))...))
		params := url.Values{}
		for _, p := range o.Params {
			params.Add(p.Name, p.Value)
		}
		all = all.And(credentials(secret.OfQuery(params)...))
	}
	return all
}

// An authDraft is the section auth while it is read.
type authDraft struct {
	basic, digest Login
	oauth2        OAuth2
	apiKey        struct{ header, query, key string }
}

// authWays are the keys of which auth has exactly one.
var authWays = []string{"basic", "digest", "oauth2", "api_key"}

func (d *authDraft) key(where string) grammar.Key {
	section := func(name, doc string, keys grammar.Keys) grammar.Key {
		return grammar.Section(name, doc, name+" of "+where, keys).OneOf()
	}
	return grammar.Section("auth",
		"how requests are authorised, where that is not a `bearer` token or a header: exactly one of these",
		"auth of "+where, grammar.Keys{
			section("basic", "user and password in the header `Authorization`", d.basic.keys()),
			section("digest", "user and password by the scheme Digest: the password itself is not sent", d.digest.keys()),
			section("oauth2",
				"tokens by OAuth 2.0 client credentials. One token serves all requests, and is renewed before it expires",
				d.oauth2.keys(where)).Also("oauth client_credentials"),
			section("api_key", "a key in a header or in the query of each request", grammar.Keys{
				grammar.Func("header", "the name of the header that has the key",
					HeaderShape, func(v *grammar.Node) { d.apiKey.header = readHeaderName(v) }).OneOf(),
				grammar.Line("query", "the name of the parameter of the query that has the key", &d.apiKey.query).
					OneOf().Also("param"),
				grammar.Func("key", "the key", grammar.ALine, func(v *grammar.Node) { d.apiKey.key = readCredential(v, "key") }).
					Also("value token").Secret().Need(`"${env:API_KEY}"`),
			}).Also("apikey key header"),
			grammar.Elsewhere("bearer", "write bearer: TOKEN below the upstream, beside http"),
			grammar.Elsewhere("none", "leave auth out"),
		}).Alone(readAuthAlone).Also("authentication authorization login")
}

// readAuthAlone reads what stands in place of the mapping and is none.
func readAuthAlone(n *grammar.Node) {
	n.Conceal()
	n.Problem("auth is not a mapping", "write bearer: TOKEN instead, or auth: {basic: {user: NAME, password: PASSWORD}}")
}

func (l *Login) keys() grammar.Keys {
	return grammar.Keys{
		grammar.Line("user", "the name", &l.User).Also("username name").Need("tidewire"),
		grammar.Func("password", "the password; may be empty where the name is a key",
			grammar.AnyText, func(v *grammar.Node) {
				if s, ok := v.Text("password", "write a text"); ok && s != "" {
					l.Password = readCredential(v, "password")
				}
			}).Also("pass").Secret().Need(`"${env:PASSWORD}"`),
	}
}

func (o *OAuth2) keys(where string) grammar.Keys {
	return grammar.Keys{
		grammar.Func("token_url", "where tokens are requested: `http://` or `https://`",
			AddressShape, func(v *grammar.Node) { o.TokenURL = readTokenURL(v) }).Also("url token_endpoint tokenurl").
			Need("https://id.example.com/oauth2/token"),
		grammar.Line("client_id", "the name of this client there", &o.ClientID).Also("id client").Need("tidewire"),
		grammar.Func("client_secret", "its password",
			grammar.ALine, func(v *grammar.Node) { o.ClientSecret = readCredential(v, "client_secret") }).
			Also("secret password").Secret().Need(`"${env:CLIENT_SECRET}"`),
		grammar.Func("scopes", "what a token is requested for: a name, or a list of them",
			grammar.Either(grammar.ALine, grammar.Texts), func(v *grammar.Node) { o.Scopes = readScopes(v) }).Also("scope"),
		grammar.Func("params", "further parameters of the request for a token, such as `audience`",
			tokenParamsShape, func(v *grammar.Node) { o.Params = readTokenParams(v, "params of "+where) }).
			Also("parameters extra audience resource endpoint_params").Secret(),
		grammar.OneOf("style", "where that request has `client_id` and `client_secret`; without it in the header, or in the body if the server does not find them there",
			&o.Style, styles).Also("auth_style"),
	}
}

var tokenParamsShape = grammar.Shape{"type": "object", "additionalProperties": grammar.AnyText}

// readCredential reads a text that must be possible to hide.
func readCredential(n *grammar.Node, what string) string {
	s := n.Line(what)
	if s != "" && secret.TooShort(s) {
		n.Problem(what+" is too short to be hidden in what an upstream says",
			fmt.Sprintf("use one of at least %d characters", secret.Least))
		return ""
	}
	return s
}

func readHeaderName(n *grammar.Node) string {
	s := n.Line("header")
	name := http.CanonicalHeaderKey(s)
	switch {
	case s == "":
	case !HeaderName.MatchString(s):
		n.Problem(grammar.Quote(s)+" is not the name of a header", "use letters, digits and dashes")
	case slices.Contains(ownHeaders, name):
		n.Problem(fmt.Sprintf("the header %s cannot be set", name), "name the header that has the key, such as X-Api-Key")
	default:
		return name
	}
	return ""
}

func readTokenURL(n *grammar.Node) *url.URL {
	const example = "write an address such as https://id.example.com/oauth2/token"
	s := n.Line("token_url")
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	switch {
	case err == nil && u.User != nil, err != nil && strings.Contains(s, "@"):
		n.Conceal()
		n.Problem("token_url contains a user name or password", "write them as client_id and client_secret")
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || !ValidPort(u.Port()):
		n.Problem(fmt.Sprintf("token_url: %s is not an http or https address", grammar.Quote(s)), example)
	case u.Fragment != "":
		n.Problem("token_url has a fragment", "leave it out; it is not sent")
	default:
		return u
	}
	return nil
}

func readScopes(n *grammar.Node) (all []string) {
	for _, e := range n.OneOrMore("scopes", "[read, metrics]") {
		if s := e.Line("a scope"); s != "" {
			all = append(all, strings.Fields(s)...)
		}
	}
	return all
}

// tokenParams are the parameters of a request for a token that have keys of their own.
var tokenParams = map[string]string{"scope": "scopes", "client_id": "client_id", "client_secret": "client_secret"}

func readTokenParams(n *grammar.Node, where string) (all []Parameter) {
	for k, v := range n.Entries(where) {
		if key := tokenParams[k.Value()]; key != "" {
			k.Problem(k.Value()+" has a key of its own", "write it as "+key)
			continue
		}
		if s, ok := v.Text("parameter "+grammar.Quote(k.Value()), grammar.AText); ok {
			all = append(all, Parameter{k.Value(), s})
		}
	}
	return all
}

// readAuth completes the upstream by its section auth, which is n.
func (u *upstreamDraft) readAuth(entry, n *grammar.Node) {
	if !n.IsMapping() || !n.IsGood() {
		return
	}
	var has []string
	for _, way := range authWays {
		if n.Get(way) != nil {
			has = append(has, way)
		}
	}
	header, d := "Authorization", &u.auth
	switch {
	case len(has) > 1:
		n.Problem("auth has "+grammar.List(has, "and"), "keep one of them")
		return
	case len(has) == 0:
		if n.Lacks(authWays...) {
			n.Problem("auth does not say how", "add exactly one of "+grammar.List(authWays, "and"))
		}
		return
	case has[0] == "api_key" && (d.apiKey.header == "") == (d.apiKey.query == ""):
		n.Get("api_key").Problem("api_key needs exactly one of header and query", "write where the key goes, such as header: X-Api-Key")
		return
	case has[0] == "api_key":
		header = d.apiKey.header
	}
	if entry.Get("bearer") != nil && header == "Authorization" {
		n.Problem("auth and bearer exclude each other", "remove one of them")
		return
	}
	if header != "" && u.Header.Get(header) != "" {
		n.Problem("auth and a header of the upstream with the same name exclude each other", "remove one of them")
		return
	}
	switch has[0] {
	case "basic":
		u.setBasic(n.Get("basic"))
	case "digest":
		u.Auth.Digest = &d.digest
	case "oauth2":
		u.Auth.OAuth2 = &d.oauth2
	case "api_key":
		if header == "" {
			u.Auth.Query = Parameter{d.apiKey.query, d.apiKey.key}
			return
		}
		u.Header.Set(header, d.apiKey.key)
		u.Given = append(u.Given, d.apiKey.key) // whatever it looks like
	}
}

// setBasic makes a header of the login in the section n.
func (u *upstreamDraft) setBasic(n *grammar.Node) {
	l := u.auth.basic
	if strings.Contains(l.User, ":") {
		n.Get("user").Problem("user has a colon, which ends the name where both are sent", "write the name alone")
		return
	}
	if l.Password == "" {
		if secret.TooShort(l.User) {
			n.Problem("basic has no password, and user is too short to be hidden", "write the password")
			return
		}
		u.Given = append(u.Given, l.User) // it is the key
	}
	u.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(l.User+":"+l.Password)))
}
