package http

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/kind"
)

// maxSocket is the longest path of a Unix socket that all systems take, in bytes.
const maxSocket = 103

// wayKeys are the keys of how connections to the upstream are made.
func (u *upstreamDraft) wayKeys() grammar.Keys {
	return grammar.Keys{
		grammar.Func("unix",
			"the path of a Unix socket to which connections are made, such as `/var/run/docker.sock`; the host in `http` is then "+
				"only what the server is told, such as `http://localhost`. Relative to this file",
			grammar.ALine, func(v *grammar.Node) { u.Unix = readSocket(v) }).Also("socket unix_socket").Without("proxy"),
		grammar.Func("proxy",
			"the address of a proxy: `http://`, `https://` or `socks5://`, with a user and a password if it wants one; or `none`. "+
				"Without it `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` of the environment count",
			proxyShape, func(v *grammar.Node) { u.readProxy(v) }).Also("http_proxy https_proxy proxy_url").Secret().Without("unix"),
		grammar.Boolean("allow_link_local",
			"`true` allows link-local addresses (169.254.0.0/16, fe80::/10), where some devices are; never those of a cloud's "+
				"metadata service",
			&u.LinkLocal).Also("link_local"),
	}
}

const aProxy = "write an address such as http://proxy.example.com:3128, or none"

var proxyShape = grammar.Like(aProxy, `^(none|([hH][tT][tT][pP][sS]?|[sS][oO][cC][kK][sS]5[hH]?)://[^/?#]+/?)$`)

func readSocket(n *grammar.Node) string {
	path := n.Path("unix", grammar.Anything)
	if len(path) > maxSocket {
		n.Problem(fmt.Sprintf("unix: the path has %d bytes, and no system takes more than %d", len(path), maxSocket),
			"name a shorter path, such as a symbolic link to the socket")
		return ""
	}
	return path
}

// readProxy reads the address of a proxy, which may have a password: problems never quote it.
func (u *upstreamDraft) readProxy(n *grammar.Node) {
	s := n.Line("proxy")
	switch s {
	case "":
		return
	case "none":
		n.Reveal()
		u.NoProxy = true
		return
	}
	at, err := url.Parse(s)
	switch {
	case err != nil || at.Hostname() == "" || !ValidPort(at.Port()):
		n.Problem("proxy is not the address of one", aProxy)
	case at.Scheme != "http" && at.Scheme != "https" && at.Scheme != "socks5" && at.Scheme != "socks5h":
		n.Problem("proxy: no proxy is asked by "+grammar.Quote(at.Scheme), "write http://, https:// or socks5://")
	case strings.Trim(at.Path, "/") != "" || at.RawQuery != "" || at.Fragment != "":
		n.Problem("proxy has a path, a query or a fragment", "write scheme, host and port alone")
	default:
		u.Proxy = at
	}
}

// checkWay reports which of the keys of the mapping entry do not go together.
func (u *upstreamDraft) checkWay(entry *grammar.Node) {
	if proxy := entry.Get("proxy"); proxy != nil && u.Unix != "" {
		proxy.Problem("proxy and unix exclude each other: connections to a socket are made by this machine", "remove one of them")
	}
	if allow := entry.Get("allow_link_local"); allow != nil && u.LinkLocal && u.Unix != "" {
		allow.Problem("allow_link_local has no meaning with unix", "remove it")
	}
	if n := entry.Get("tls"); n != nil && n.IsGood() && u.TLS != (kind.TLS{}) && u.URL.Scheme == "http" && u.Auth.OAuth2 == nil {
		n.Problem("tls of an upstream whose address is http://", "write https:// in the address, or remove tls")
	}
}
