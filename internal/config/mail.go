package config

import (
	"fmt"
	"net"
	"net/mail"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/notify"
	"github.com/tidewire/tidewire/internal/secret"
)

var tlsOfMail = []grammar.Word{
	{Word: notify.StartTLS, Doc: "from STARTTLS on, without which nothing is sent; port 587"},
	{Word: notify.ImplicitTLS, Doc: "from the first byte on; port 465"},
	{Word: notify.NoTLS, Doc: "none; port 25. A user only for a server on this machine"},
}

var (
	mailAddressShape = grammar.Like("write an address such as ops@example.com", "@")
	mailPeopleShape  = grammar.Either(mailAddressShape, grammar.ListOf(mailAddressShape))
)

func mailKeys(to *notify.Mail) grammar.Keys {
	return grammar.Keys{
		grammar.Func("host", "the server that takes the mail", grammar.ALine,
			func(v *grammar.Node) { to.Host = readMailHost(v) }).Also("server smtp address").Need("smtp.example.com"),
		grammar.Integer("port", "its port; the default is the usual one for `tls`", &to.Port, 1, 65535),
		grammar.OneOf("tls", "how the connection is encrypted", &to.TLS, tlsOfMail).
			Also("ssl starttls encryption").Default(notify.StartTLS),
		grammar.Line("user", "the name to sign in with", &to.User).Also("username login").With("password"),
		grammar.Text("password", "the password of `user`", &to.Password).Also("pass").With("user").Secret(),
		grammar.Func("from", "the sender, as `ops@example.com` or `Tidewire <ops@example.com>`", mailAddressShape,
			func(v *grammar.Node) { to.From = readMailAddress(v, "from") }).Also("sender").Need("tidewire@example.com"),
		grammar.Func("to", "who gets the mail: an address, or a list of them", mailPeopleShape,
			func(v *grammar.Node) { to.To = readMailPeople(v) }).Also("recipients recipient").Need("ops@example.com"),
	}
}

func readMailHost(n *grammar.Node) string {
	s := n.Line("host")
	if strings.ContainsAny(s, " /@:") && net.ParseIP(s) == nil {
		n.Problem("host is not the name of a server", "write it alone, as in host: smtp.example.com, and the port as port: 587")
		return ""
	}
	return s
}

func readMailAddress(n *grammar.Node, what string) *mail.Address {
	s := n.Line(what)
	if s == "" {
		return nil
	}
	address, err := mail.ParseAddress(s)
	if err != nil {
		n.Problem(fmt.Sprintf("%s: %s is not an address", what, grammar.Quote(s)), "write one such as ops@example.com")
		return nil
	}
	return address
}

func readMailPeople(n *grammar.Node) (all []*mail.Address) {
	for _, e := range n.OneOrMore("to", "[ops@example.com, lead@example.com]") {
		if address := readMailAddress(e, "to"); address != nil {
			all = append(all, address)
		}
	}
	return all
}

// checkMail checks what depends on several keys of the mail that was read from n.
func checkMail(n *grammar.Node, to *notify.Mail) {
	user, password := n.Get("user"), n.Get("password")
	switch {
	case user != nil && password == nil:
		user.Problem("user without password", "add it, as in password: ${env:SMTP_PASSWORD}, or remove user")
	case user == nil && password != nil:
		n.Key("password").Problem("password without user", "add user")
	case password != nil && to.Password != "" && secret.TooShort(to.Password):
		password.Problem("password is too short to be hidden in what a server says",
			fmt.Sprintf("use one of at least %d characters", secret.Least))
	case user != nil && to.TLS == notify.NoTLS && !isLoopback(to.Host):
		n.Get("tls").Problem("tls: none would send the password in plain text",
			"write starttls or tls, or remove user and password; only a server on this machine may have both")
	}
}
