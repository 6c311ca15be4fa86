package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/tidewire/tidewire/internal/file"
)

// tls reads the names of a certificate and its key, and whether they belong together
// now.
func (r *reader) tls(n *yaml.Node) *TLS {
	t := &TLS{}
	before := len(r.problems)
	r.mapping(n, "tls", tlsKeys, reads{
		"cert": func(v *yaml.Node) { t.Cert = r.pem(v, "cert") },
		"key":  func(v *yaml.Node) { t.Key = r.pem(v, "key") },
	})
	r.need(n, "tls", "cert", "/etc/tidewire/cert.pem")
	r.need(n, "tls", "key", "/etc/tidewire/key.pem")
	if len(r.problems) == before {
		cert, why := r.readFile(t.Cert, MaxBytes)
		key, whyKey := r.readFile(t.Key, MaxBytes)
		if why += whyKey; why != "" {
			r.problem(n, "this certificate and key cannot be used: "+why, "name files that this user can read")
		} else if _, err := tls.X509KeyPair(cert, key); err != nil {
			r.problem(n, "this certificate and key cannot be used: "+strings.TrimPrefix(err.Error(), "tls: "), "name a certificate, with those that lead to its root, and its key, both in PEM")
		}
	}
	return t
}

// pem reads the name of a file, relative to n's file.
func (r *reader) pem(n *yaml.Node, what string) string {
	name := r.file(n, what)
	if name == "" {
		return ""
	}
	const want = "name a file that this user can read, relative to this file"
	f, err := file.Open(name, os.O_RDONLY, 0)
	if errors.Is(err, file.ErrNotRegular) {
		r.problem(n, fmt.Sprintf("%s: %s is not a regular file", what, quote(n.Value)), want)
		return ""
	}
	if err != nil {
		r.problem(n, fmt.Sprintf("%s: %s cannot be read: %s", what, quote(n.Value), reason(err)), want)
		return ""
	}
	f.Close()
	return name
}

// file reads a path, relative to n's file, and returns the absolute one.
func (r *reader) file(n *yaml.Node, what string) string {
	s := r.line(n, what)
	if s == "" {
		return ""
	}
	name, err := filepath.Abs(r.beside(n, s))
	if err != nil {
		r.problem(n, fmt.Sprintf("%s: %s cannot be found: %v", what, quote(s), err), "write an absolute path")
		return ""
	}
	return name
}

// auditFile reads the name of a file to be made, in a directory that exists.
func (r *reader) auditFile(n *yaml.Node) string {
	name := r.file(n, "audit")
	if name == "" {
		return ""
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		what := "not a regular file"
		if info.IsDir() {
			what = "a directory"
		}
		r.problem(n, fmt.Sprintf("audit: %s is %s", quote(n.Value), what), "name a file such as audit.jsonl; it is made if it is not there")
	} else if info, err := os.Stat(filepath.Dir(name)); err != nil || !info.IsDir() {
		r.problem(n, fmt.Sprintf("audit: there is no directory for %s", quote(n.Value)), "create it or correct its name; it is relative to this file")
	}
	return name
}

var plainPath = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)*/?$`)

// publicURL reads the address that people use.
func (r *reader) publicURL(n *yaml.Node) *url.URL {
	const example = "write an address such as https://tidewire.example.com"
	s, ok := r.text(n, "public_url", example)
	if !ok {
		return nil
	}
	u, err := url.Parse(s)
	switch {
	case err == nil && u.User != nil, err != nil && strings.Contains(s, "@"):
		r.conceal(n)
		r.problem(n, "public_url contains a user name or password", "remove it; see access for who may come in")
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		r.problem(n, fmt.Sprintf("public_url: %s is not an http or https address", quote(s)), example)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		r.problem(n, fmt.Sprintf("public_url: %s has a query or fragment", quote(s)), "write scheme, host and path alone")
	case !validPort(u.Port()):
		r.problem(n, fmt.Sprintf("public_url: %s is not a port", quote(u.Port())), "write a port from 1 to 65535")
	case !plainPath.MatchString(u.EscapedPath()) || strings.Contains(u.Path+"/", "/./") || strings.Contains(u.Path+"/", "/../"):
		r.problem(n, fmt.Sprintf("public_url: %s is not a plain path", quote(u.Path)), "use letters, digits, dashes, dots and underscores, such as /tidewire")
	default:
		u.Path = strings.TrimSuffix(u.Path, "/")
		return u
	}
	return nil
}

// store reads where the newest values are kept, which this version does in memory
// alone.
func (r *reader) store(n *yaml.Node) {
	if n.Kind == yaml.MappingNode && !r.spoiled[n] {
		r.problem(n, "a store besides memory is not supported by this version", "write store: memory, or remove it")
		return
	}
	r.choice(n, "store", stores)
}
