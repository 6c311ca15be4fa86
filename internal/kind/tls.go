package kind

import (
	"log/slog"
	"strings"

	"github.com/tidewire/tidewire/internal/certificate"
	"github.com/tidewire/tidewire/internal/grammar"
)

// A TLS says how the connections to a server are encrypted. The zero value says nothing.
type TLS struct {
	CA         string // absolute paths; empty: none
	Cert       string
	CertKey    string
	ServerName string // empty: the name in the address
	Insecure   bool
}

// Key is the key tls, which reads t. Where names what has it, in messages.
func (t *TLS) Key(where string) grammar.Key {
	return grammar.Section("tls",
		"how connections are encrypted; without it as the address or the server says, with the certificates of the system",
		"tls of "+where, grammar.Keys{
			grammar.Path("ca",
				"a PEM file with the authorities that servers are verified by, instead of those of the system; relative to this file",
				&t.CA, grammar.ReadableFile).Also("cacert ca_file root_ca").Without("insecure"),
			grammar.Path("cert", "a PEM file with the certificate of this client", &t.Cert, grammar.ReadableFile).
				With("key").Also("certificate cert_file"),
			grammar.Path("key", "a PEM file with its key", &t.CertKey, grammar.ReadableFile).With("cert").Also("key_file"),
			grammar.Line("server_name",
				"the name that the server's certificate must have, where the address has another one", &t.ServerName).
				Also("servername sni host").Without("insecure"),
			grammar.Boolean("insecure",
				"`true` takes any certificate of the server, so that whoever is on the way to it can read along; better name "+
					"its certificate as `ca`",
				&t.Insecure).Also("insecure_skip_verify skip_verify insecure_skip_tls_verify"),
		}).Also("ssl tls_config").Some().Then(t.check)
}

// check reports what is wrong with several of the keys together, and with the files, in the mapping n.
func (t *TLS) check(n *grammar.Node) {
	if !n.IsGood() {
		return
	}
	if n.Lacks("ca", "cert", "key", "server_name", "insecure") {
		n.Problem("tls is empty", "remove it: connections are encrypted as the address says, or name the authority as ca")
	}
	for _, with := range []string{"ca", "server_name"} {
		if v := n.Get(with); v != nil && t.Insecure {
			v.Problem(with+" has no meaning with insecure, which takes any certificate", "remove one of them")
		}
	}
	if (t.Cert == "") != (t.CertKey == "") {
		n.Problem("tls needs cert and key, or none of them", "add the other one")
		return
	}
	as := func(err error, names ...string) string { // with the names as they are written
		text := err.Error()
		for i := 0; i < len(names); i += 2 {
			text = strings.ReplaceAll(text, names[i+1], n.Get(names[i]).Value())
		}
		return text
	}
	if _, err := certificate.OpenClient(certificate.ClientOptions{CA: t.CA}, nil); err != nil {
		n.Get("ca").Problem("ca: "+as(err, "ca", t.CA), "name a file that begins with -----BEGIN CERTIFICATE-----")
	}
	if _, err := certificate.OpenClient(certificate.ClientOptions{Cert: t.Cert, Key: t.CertKey}, nil); err != nil {
		n.Get("cert").Problem("cert: "+as(err, "cert", t.Cert, "key", t.CertKey), "name two PEM files that belong together, without a password")
	}
}

// Open reads the files, which are read again when they change. It returns nil for the zero value.
func (t *TLS) Open(log *slog.Logger) (*certificate.Client, error) {
	if *t == (TLS{}) {
		return nil, nil
	}
	return certificate.OpenClient(certificate.ClientOptions{
		CA: t.CA, Cert: t.Cert, Key: t.CertKey, ServerName: t.ServerName, Insecure: t.Insecure,
	}, log)
}
