package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

var defaultScopes = []string{"openid", "profile", "email"}

// What holds for people unless the file says something else.
const (
	defaultGroupsClaim  = "groups"
	defaultUserHeader   = "X-Forwarded-User"
	defaultGroupsHeader = "X-Forwarded-Groups"
)

// access reads who may do what. What it does not understand lets nobody in.
func (r *reader) access(n *yaml.Node, jobs map[string]*Job) *Access {
	a := &Access{}
	before := len(r.problems)
	r.mapping(n, "access", accessKeys, reads{
		"anonymous": func(v *yaml.Node) { a.Anonymous = r.role(v, "anonymous", anonymousRoles) },
		"tokens": func(v *yaml.Node) {
			first := map[[32]byte]*Token{}
			for _, e := range r.names(v, "tokens") {
				t := r.token(e, jobs)
				if before := first[t.SHA256]; before != nil && t.SHA256 != [32]byte{} {
					r.problem(e.key, fmt.Sprintf("token %s is the same as token %s", quote(e.name), quote(before.Name)), "make one for each, so that they can be told apart and withdrawn")
				}
				first[t.SHA256] = t
				a.Tokens = append(a.Tokens, t)
			}
		},
		"oidc":  func(v *yaml.Node) { a.OIDC = r.oidc(v) },
		"proxy": func(v *yaml.Node) { a.Proxy = r.proxy(v) },
	})
	if a.Anonymous == RoleNone && a.Tokens == nil && a.OIDC == nil && a.Proxy == nil && len(r.problems) == before {
		r.problem(n, "access lets nobody in", "add tokens, oidc or proxy, or write anonymous: viewer")
	}
	return a
}

// role reads one of words, of which none is no role.
func (r *reader) role(n *yaml.Node, what string, choices []choice) Role {
	if word := r.choice(n, what, choices); word != "none" {
		return Role(word)
	}
	return RoleNone
}

// token reads one entry of tokens. A hash is not quoted: who has it can at least try
// tokens against it.
func (r *reader) token(e named, jobs map[string]*Job) *Token {
	where := "token " + quote(e.name)
	t := &Token{Name: e.name}
	var names *yaml.Node
	r.mapping(e.value, where, tokenKeys, reads{
		"sha256": func(v *yaml.Node) {
			const want = `write the 64 hexadecimal digits that "tidewire hash-token" prints`
			s, ok := r.text(v, "sha256", want)
			sum, err := hex.DecodeString(s)
			switch {
			case !ok:
			case err != nil || len(sum) != len(t.SHA256):
				r.problem(v, "sha256 is not a SHA-256 sum", want)
			case [32]byte(sum) == sha256.Sum256(nil):
				r.problem(v, "sha256 is the sum of an empty text", want)
			default:
				t.SHA256 = [32]byte(sum)
			}
		},
		"role": func(v *yaml.Node) { t.Role = r.role(v, "role", anyRole) },
		"jobs": func(v *yaml.Node) { names = v },
	})
	r.need(e.value, where, "sha256", `"${env:TOKEN_SHA256}"`)
	r.need(e.value, where, "role", string(RoleOperator))
	if names == nil {
		return t
	}
	if t.Role == RoleViewer {
		r.problem(names, "a viewer cannot start jobs", "remove jobs, or write role: operator")
	}
	for _, n := range r.oneOrMore(names, "jobs", "[discover, reindex]") {
		j := lookup(r, n, "job", jobs)
		switch {
		case j == nil || slices.Contains(t.Jobs, j.Name):
		case t.Role == RoleOperator && j.Roles != nil && !slices.Contains(j.Roles, RoleOperator):
			r.problem(n, fmt.Sprintf("the roles of job %s do not let an operator start it", quote(j.Name)), "write role: admin, or add operator to the job's roles")
		default:
			t.Jobs = append(t.Jobs, j.Name)
		}
	}
	return t
}

// oidc reads a provider through which people sign in.
func (r *reader) oidc(n *yaml.Node) *OIDC {
	o := &OIDC{Scopes: defaultScopes, GroupsClaim: defaultGroupsClaim, EndSession: true}
	r.mapping(n, "oidc", oidcKeys, reads{
		"issuer":    func(v *yaml.Node) { o.Issuer = r.issuer(v) },
		"client_id": func(v *yaml.Node) { o.ClientID = r.line(v, "client_id") },
		"client_secret": func(v *yaml.Node) {
			if s, ok := r.text(v, "client_secret", aText); ok {
				if o.ClientSecret = s; s == "" {
					r.problem(v, "client_secret is empty", "write it, or remove the key for a public client")
				}
			}
		},
		"scopes": func(v *yaml.Node) {
			o.Scopes = nil
			for _, e := range r.list(v, "scopes", "write a list such as [openid, profile, groups]") {
				s := r.line(e, "a scope")
				if strings.ContainsAny(s, " \"\\") { // RFC 6749, section 3.3
					r.problem(e, fmt.Sprintf("%s is not one scope", quote(s)), "write each as an element of the list")
				}
				o.Scopes = append(o.Scopes, s)
			}
		},
		"groups_claim": func(v *yaml.Node) { o.GroupsClaim = r.line(v, "groups_claim") },
		"groups":       func(v *yaml.Node) { o.Groups = r.groups(v, "groups of oidc") },
		"prompt":       func(v *yaml.Node) { o.Prompt = r.choice(v, "prompt", prompts) },
		"end_session":  func(v *yaml.Node) { o.EndSession = r.boolean(v, "end_session") },
	})
	r.need(n, "oidc", "issuer", "https://id.example.com")
	r.need(n, "oidc", "client_id", "tidewire")
	if r.lacks(n, "groups") {
		r.problem(n, "oidc has no groups, so that it lets nobody in", "say which may do what such as groups: {ops: operator, leads: admin}")
	}
	return o
}

// issuer reads the address of a provider, which OpenID Connect Discovery 1.0, section
// 3, wants to be https; on this machine it may be http.
func (r *reader) issuer(n *yaml.Node) string {
	const example = "write an address such as https://id.example.com"
	s, ok := r.text(n, "issuer", example)
	if !ok {
		return ""
	}
	u, err := url.Parse(s)
	switch {
	case err == nil && u.User != nil, err != nil && strings.Contains(s, "@"):
		r.conceal(n)
		r.problem(n, "issuer contains a user name or password", "write the credential as client_secret")
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())):
		r.problem(n, fmt.Sprintf("issuer: %s is not an https address", quote(s)), example)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		r.problem(n, fmt.Sprintf("issuer: %s has a query or fragment", quote(s)), "write it as the provider does, without them")
	default:
		return s
	}
	return ""
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// proxy reads a reverse proxy that names people in headers.
func (r *reader) proxy(n *yaml.Node) *Proxy {
	p := &Proxy{UserHeader: defaultUserHeader, GroupsHeader: defaultGroupsHeader, Role: RoleViewer}
	header := func(to *string, v *yaml.Node, what string) {
		s := r.line(v, what)
		if s != "" && !headerName.MatchString(s) {
			r.problem(v, fmt.Sprintf("%s: %s is not the name of a header", what, quote(s)), "use letters, digits and dashes")
		}
		*to = http.CanonicalHeaderKey(s)
	}
	r.mapping(n, "proxy", proxyKeys, reads{
		"trust": func(v *yaml.Node) {
			p.Trust = r.peers(v, "trust", "who could then call themselves what they like")
			if slices.ContainsFunc(p.Trust, func(of netip.Prefix) bool { return of.Addr().IsLoopback() }) {
				r.warn(v, 0, "trust has a loopback address, so every process of this machine can say who it is", "let the proxy connect by a unix socket that only it may open")
			}
		},
		"user_header":   func(v *yaml.Node) { header(&p.UserHeader, v, "user_header") },
		"groups_header": func(v *yaml.Node) { header(&p.GroupsHeader, v, "groups_header") },
		"groups":        func(v *yaml.Node) { p.Groups = r.groups(v, "groups of proxy") },
		"role":          func(v *yaml.Node) { p.Role = r.role(v, "role", proxyRoles) },
	})
	r.need(n, "proxy", "trust", "[10.0.0.5]")
	if p.UserHeader != "" && p.UserHeader == p.GroupsHeader {
		r.problem(n, "proxy has the same header for users and groups", "name two headers")
	}
	if p.Role == RoleNone && p.Groups == nil && r.complete(n) && value(n, "role") != nil && value(n, "role").Value == "none" {
		r.problem(n, "proxy lets nobody in", "add groups such as {ops: operator}, or a role")
	}
	return p
}

// peers reads the addresses of proxies; risk is what everybody could do otherwise.
func (r *reader) peers(n *yaml.Node, what, risk string) (peers []netip.Prefix) {
	for _, e := range r.oneOrMore(n, what, "[10.0.0.5, 10.1.0.0/24]") {
		if peer := r.peer(e, what, risk); peer.IsValid() {
			peers = append(peers, peer)
		}
	}
	return peers
}

// peer reads an address or a subnet, which is not everybody's, or "unix".
func (r *reader) peer(n *yaml.Node, what, risk string) netip.Prefix {
	const want = "write an address or a subnet such as 10.0.0.5 or 10.1.0.0/24, or unix"
	s, ok := r.text(n, what, want)
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
		r.problem(n, fmt.Sprintf("%s: %s is not an address", what, quote(s)), want)
	case p.Bits() == 0:
		r.problem(n, fmt.Sprintf("%s: %s is everybody, %s", what, quote(s), risk), "write the addresses of the proxy alone")
	default:
		return p.Masked()
	}
	return netip.Prefix{}
}

// groups reads the role of each of some groups.
func (r *reader) groups(n *yaml.Node, where string) map[string]Role {
	groups := map[string]Role{}
	for k, v := range r.entries(n, where) {
		r.reveal(v)
		groups[k.Value] = r.role(v, "the role of "+quote(k.Value), anyRole)
	}
	if n.Kind == yaml.MappingNode && len(n.Content) == 0 {
		r.problem(n, where+" is empty", "say which may do what such as {ops: operator, leads: admin}")
	}
	return groups
}
