package config

import (
	"crypto/tls"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
)

func tlsKeys(t *TLS) grammar.Keys {
	return grammar.Keys{
		grammar.Path("cert",
			"a PEM file with the certificate and its intermediates; relative to this file",
			&t.Cert, grammar.ReadableFile).Also("certificate crt").Need("/etc/tidewire/cert.pem"),
		grammar.Path("key",
			"a PEM file with its key; relative to this file",
			&t.Key, grammar.ReadableFile).Also("private_key").Need("/etc/tidewire/key.pem"),
	}
}

// tls checks that a certificate and its key, whose names were read from n, are a pair.
func (f *fileReader) tls(n *grammar.Node, t *TLS) {
	f.c.TLS = t
	if !n.IsGood() {
		return
	}
	cert, why := n.ReadFile(t.Cert, grammar.MaxBytes)
	key, whyKey := n.ReadFile(t.Key, grammar.MaxBytes)
	if why += whyKey; why != "" {
		n.Problem("this certificate and key cannot be used: "+why, "name files that this user can read")
	} else if _, err := tls.X509KeyPair(cert, key); err != nil {
		n.Problem("this certificate and key cannot be used: "+strings.TrimPrefix(err.Error(), "tls: "),
			"name a certificate, with those that lead to its root, and its key, both in PEM")
	}
}

var plainPath = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)*/?$`)

// readPublicURL reads the address that people use.
func readPublicURL(n *grammar.Node) *url.URL {
	const example = "write an address such as https://tidewire.example.com"
	s, ok := n.Text("public_url", example)
	if !ok {
		return nil
	}
	u, err := url.Parse(s)
	switch {
	case err == nil && u.User != nil, err != nil && strings.Contains(s, "@"):
		n.Conceal()
		n.Problem("public_url contains a user name or password", "remove it; see access for who may come in")
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		n.Problem(fmt.Sprintf("public_url: %s is not an http or https address", grammar.Quote(s)), example)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		n.Problem(fmt.Sprintf("public_url: %s has a query or fragment", grammar.Quote(s)),
			"write scheme, host and path alone")
	case !httpkind.ValidPort(u.Port()):
		n.Problem(fmt.Sprintf("public_url: %s is not a port", grammar.Quote(u.Port())), "write a port from 1 to 65535")
	case !plainPath.MatchString(u.EscapedPath()) ||
		strings.Contains(u.Path+"/", "/./") || strings.Contains(u.Path+"/", "/../"):
		n.Problem(fmt.Sprintf("public_url: %s is not a plain path", grammar.Quote(u.Path)),
			"use letters, digits, dashes, dots and underscores, such as /tidewire")
	default:
		u.Path = strings.TrimSuffix(u.Path, "/")
		return u
	}
	return nil
}
