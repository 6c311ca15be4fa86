package config

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
)

var defaultScopes = []string{"openid", "profile", "email"}

// Defaults for people who sign in.
const (
	defaultGroupsClaim  = "groups"
	defaultUserHeader   = "X-Forwarded-User"
	defaultGroupsHeader = "X-Forwarded-Groups"
)

func (r *reader) accessKeys(a *Access) grammar.Keys {
	oidc := &OIDC{Scopes: defaultScopes, GroupsClaim: defaultGroupsClaim, EndSession: true}
	proxy := &Proxy{UserHeader: defaultUserHeader, GroupsHeader: defaultGroupsHeader, Role: RoleViewer}
	return grammar.Keys{
		roleKey("anonymous", "the role of unidentified callers", &a.Anonymous, anonymousRoles).Default("none"),
		grammar.Func("tokens",
			"credentials for programs",
			tokensShape, func(v *grammar.Node) { a.Tokens = r.tokens(v) }),
		grammar.Section("oidc",
			"sign people in through an OpenID Connect provider",
			"oidc", oidcKeys(oidc)).
			Also("openid oauth sso").Then(func(v *grammar.Node) { a.OIDC = oidc; checkOIDC(v) }),
		grammar.Section("proxy",
			"a reverse proxy signs people in and names them in headers",
			"proxy", proxyKeys(proxy)).Then(func(v *grammar.Node) { a.Proxy = proxy; checkProxy(v, proxy) }),
	}
}

// access reads the access section. Anything in it that is invalid grants no access.
func (r *reader) access(n *grammar.Node) *Access {
	a := &Access{}
	n.Read("access", r.accessKeys(a))
	if a.Anonymous == RoleNone && a.Tokens == nil && a.OIDC == nil && a.Proxy == nil && n.IsGood() {
		n.Problem("access lets nobody in", "add tokens, oidc or proxy, or write anonymous: viewer")
	}
	return a
}

// none is the word for [RoleNone].
const none = "none"

// roleKey returns a key whose value is one of roles; "none" stands for no role.
func roleKey(name, doc string, to *Role, roles []grammar.Word) grammar.Key {
	return grammar.OneOf(name, doc, to, roles).Then(func(*grammar.Node) {
		if *to == none {
			*to = RoleNone
		}
	})
}

func oidcKeys(o *OIDC) grammar.Keys {
	return grammar.Keys{
		grammar.Func("issuer",
			"the provider's address; `https://` unless it is on this machine",
			issuerShape, func(v *grammar.Node) { o.Issuer = readIssuer(v) }).Need("https://id.example.com"),
		grammar.Line("client_id", "the provider's id for Tidewire", &o.ClientID).Need("tidewire"),
		grammar.Func("client_secret",
			"the client's secret; a public client, which PKCE protects, has none",
			grammar.ALine, func(v *grammar.Node) { o.ClientSecret = readClientSecret(v) }).Secret(),
		grammar.Func("scopes",
			"the scopes to request from the provider",
			scopesShape, func(v *grammar.Node) { o.Scopes = readScopes(v) }),
		grammar.Line("groups_claim",
			"the claim that lists a person's groups",
			&o.GroupsClaim).Default(defaultGroupsClaim),
		grammar.Func("groups",
			"the role of each group: `viewer`, `operator` or `admin`. A person in several groups has the "+
				"highest role, a person in none is not let in",
			groupsShape, func(v *grammar.Node) { o.Groups = readGroups(v, "groups of oidc") }).Need(""),
		grammar.OneOf("prompt",
			"what the provider asks people for at each sign-in: `login`, `consent` or `select_account`; "+
				"without it the provider decides",
			&o.Prompt, prompts),
		grammar.Boolean("end_session",
			"signing out also ends the session at the provider, if the provider supports that",
			&o.EndSession).Also("logout single_logout").Default(true),
	}
}

var (
	issuerShape = grammar.Like("write an https address; http is for this machine alone",
		`^[hH][tT][tT][pP]([sS]://[^/?#]|://(localhost|127\.|\[))`)
	scopesShape = grammar.ListOf(grammar.AnyScalar(
		grammar.Like("write each scope as an element of the list", `^[^ "\\]+$`)))
	groupsShape = grammar.Shape{"type": "object", "minProperties": 1, "additionalProperties": grammar.Words(anyRole)}
)

func checkOIDC(n *grammar.Node) {
	if n.Lacks("groups") {
		n.Problem("oidc has no groups, so that it lets nobody in",
			"say which may do what such as groups: {ops: operator, leads: admin}")
	}
}

func readClientSecret(n *grammar.Node) string {
	s, ok := n.Text("client_secret", grammar.AText)
	if ok && s == "" {
		n.Problem("client_secret is empty", "write it, or remove the key for a public client")
	}
	return s
}

func readScopes(n *grammar.Node) (scopes []string) {
	for _, e := range n.List("scopes", "write a list such as [openid, profile, groups]") {
		s := e.Line("a scope")
		if strings.ContainsAny(s, " \"\\") { // RFC 6749, section 3.3
			e.Problem(fmt.Sprintf("%s is not one scope", grammar.Quote(s)), "write each as an element of the list")
		}
		scopes = append(scopes, s)
	}
	return scopes
}

// readIssuer reads the address of a provider. OpenID Connect Discovery 1.0, section 3, requires https; on this machine
// http is allowed too.
func readIssuer(n *grammar.Node) string {
	const example = "write an address such as https://id.example.com"
	s, ok := n.Text("issuer", example)
	if !ok {
		return ""
	}
	u, err := url.Parse(s)
	switch {
	case err == nil && u.User != nil, err != nil && strings.Contains(s, "@"):
		n.Conceal()
		n.Problem("issuer contains a user name or password", "write the credential as client_secret")
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())):
		n.Problem(fmt.Sprintf("issuer: %s is not an https address", grammar.Quote(s)), example)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		n.Problem(fmt.Sprintf("issuer: %s has a query or fragment", grammar.Quote(s)),
			"write it as the provider does, without them")
	default:
		return s
	}
	return ""
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func proxyKeys(p *Proxy) grammar.Keys {
	return grammar.Keys{
		grammar.Func("trust",
			"the proxy's address or subnet, `unix` for the unix socket, or a list of them; the headers of "+
				"others are dropped",
			peersShape, func(v *grammar.Node) { p.Trust = readTrust(v) }).Also("trusted from cidr").Need("[10.0.0.5]"),
		grammar.Func("user_header",
			"the header that names the person",
			httpkind.HeaderShape, func(v *grammar.Node) { p.UserHeader = readHeaderName(v, "user_header") }).
			Default(defaultUserHeader),
		grammar.Func("groups_header",
			"the header that lists the person's groups, separated by commas",
			httpkind.HeaderShape, func(v *grammar.Node) { p.GroupsHeader = readHeaderName(v, "groups_header") }).
			Default(defaultGroupsHeader),
		grammar.Func("groups",
			"the role of each group: `viewer`, `operator` or `admin`. A person in several groups has the "+
				"highest role",
			groupsShape, func(v *grammar.Node) { p.Groups = readGroups(v, "groups of proxy") }),
		roleKey("role",
			"the role of a person in none of these groups",
			&p.Role, proxyRoles).Default(string(RoleViewer)),
	}
}

var peersShape = grammar.Either(grammar.ALine, grammar.Texts)

// namesShape is the shape of a name or a list of names.
var namesShape = grammar.Either(grammar.ALine, grammar.Texts)

func readTrust(n *grammar.Node) []netip.Prefix {
	trust := readPeers(n, "trust", "who could then call themselves what they like")
	if slices.ContainsFunc(trust, func(of netip.Prefix) bool { return of.Addr().IsLoopback() }) {
		n.Warn(0, "trust has a loopback address, so every process of this machine can say who it is",
			"let the proxy connect by a unix socket that only it may open")
	}
	return trust
}

func readHeaderName(n *grammar.Node, what string) string {
	s := n.Line(what)
	if s != "" && !httpkind.HeaderName.MatchString(s) {
		n.Problem(
			fmt.Sprintf("%s: %s is not the name of a header", what, grammar.Quote(s)), "use letters, digits and dashes")
	}
	return http.CanonicalHeaderKey(s)
}

func checkProxy(n *grammar.Node, p *Proxy) {
	if p.UserHeader != "" && p.UserHeader == p.GroupsHeader {
		n.Problem("proxy has the same header for users and groups", "name two headers")
	}
	if role := n.Get("role"); role != nil && role.Value() == none && p.Groups == nil && n.IsComplete() {
		n.Problem("proxy lets nobody in", "add groups such as {ops: operator}, or a role")
	}
}

// readPeers reads the addresses of proxies; risk describes what anybody could do if every address were trusted.
func readPeers(n *grammar.Node, what, risk string) (peers []netip.Prefix) {
	for _, e := range n.OneOrMore(what, "[10.0.0.5, 10.1.0.0/24]") {
		if peer := readPeer(e, what, risk); peer.IsValid() {
			peers = append(peers, peer)
		}
	}
	return peers
}

// readPeer reads an address, a subnet that does not contain all addresses, or "unix".
func readPeer(n *grammar.Node, what, risk string) netip.Prefix {
	const want = "write an address or a subnet such as 10.0.0.5 or 10.1.0.0/24, or unix"
	s, ok := n.Text(what, want)
	if !ok {
		return netip.Prefix{}
	}
	if s == "unix" {
		return UnixPeers
	}
	p, err := netip.ParsePrefix(s)
	if addr, bad := netip.ParseAddr(s); bad == nil && addr.Zone() == "" {
		p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	switch {
	case err != nil || p.Masked().Addr().IsUnspecified() && p.Bits() > 0:
		n.Problem(fmt.Sprintf("%s: %s is not an address", what, grammar.Quote(s)), want)
	case p.Bits() == 0:
		n.Problem(fmt.Sprintf("%s: %s is everybody, %s", what, grammar.Quote(s), risk),
			"write the addresses of the proxy alone")
	default:
		return p.Masked()
	}
	return netip.Prefix{}
}

// readGroups reads a mapping of groups to roles.
func readGroups(n *grammar.Node, where string) map[string]Role {
	groups, empty := map[string]Role{}, n.IsMapping()
	for range n.Pairs() {
		empty = false
	}
	for k, v := range n.Entries(where) {
		v.Reveal()
		groups[k.Value()] = Role(v.OneOf("the role of "+grammar.Quote(k.Value()), anyRole))
	}
	if empty {
		n.Problem(where+" is empty", "say which may do what such as {ops: operator, leads: admin}")
	}
	return groups
}
