package notify

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	netmail "net/mail"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/tidewire/tidewire/internal/kind"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/text"
)

// How a connection to a mail server is encrypted: the values of [Mail].TLS.
const (
	StartTLS    = "starttls" // it begins in plain text; without STARTTLS of the server nothing is sent
	ImplicitTLS = "tls"      // from its first byte
	NoTLS       = "none"     // not at all
)

// maxSMTP bounds what a mail server may say in one call, in bytes.
const maxSMTP = 1 << 20

// Mail sends messages as e-mail, each over a connection of its own.
type Mail struct {
	Host string
	Port int // 0: the usual one of TLS: 587, 465 or 25
	TLS  string

	User, Password string // empty: without authentication

	From  *netmail.Address
	To    []*netmail.Address
	Roots *x509.CertPool // that the server's certificate is checked by; nil: those of the system
}

// Kind is "mail".
func (m *Mail) Kind() string { return "mail" }

// server is where the mail goes.
func (m *Mail) server() string {
	port := cmp.Or(m.Port, map[string]int{StartTLS: 587, ImplicitTLS: 465, NoTLS: 25}[m.TLS])
	return net.JoinHostPort(m.Host, strconv.Itoa(port))
}

func (m *Mail) secrets() *secret.Redactor {
	if m.Password == "" {
		return nil
	}
	all := secret.OfBasic(m.User, m.Password)
	for _, sent := range []string{m.Password, "\x00" + m.User + "\x00" + m.Password} { // by LOGIN, and by PLAIN (RFC 4616)
		encoded := base64.StdEncoding.EncodeToString([]byte(sent))
		all = append(all, encoded, strings.TrimRight(encoded, "="))
	}
	return secret.New(all...)
}

// Send hands an e-mail to the server. It reaches the recipients that the server accepts; if there are others, that is a
// permanent error which names them.
func (m *Mail) Send(ctx context.Context, _ *http.Client, message Message) error {
	ctx, cancel := within(ctx)
	defer cancel()
	start := time.Now()
	letter, err := m.letter(&message)
	if err != nil {
		return permanent(err)
	}
	if err = m.send(ctx, letter); err == nil {
		return nil
	}
	reply, refused := errors.AsType[*textproto.Error](err)
	rejected, partly := errors.AsType[*rejectedError](err)
	reason := httpkind.Reason(err)
	switch {
	case partly:
		reason = rejected.Error()
	case refused:
		reason = said(reply)
	}
	return &Error{
		Permanent: partly || refused && reply.Code >= 500,
		Err:       kind.Fail(ctx, start, "mail to "+m.server(), reason, err, m.secrets()),
	}
}

// said is what a server has answered.
func said(reply *textproto.Error) string {
	text := strconv.Itoa(reply.Code) + " " + strings.Trim(reply.Msg, `"`)
	if reply.Code < 400 {
		return "the server answers out of turn: " + text
	}
	return text
}

// A rejectedError is an e-mail that some of its recipients did not get.
type rejectedError struct{ of []string }

func (e *rejectedError) Error() string { return "not accepted for " + strings.Join(e.of, "; ") }

// send makes one connection and hands over the letter.
func (m *Mail) send(ctx context.Context, letter *gomail.Msg) error {
	client, err := m.client(ctx)
	if err != nil {
		return err
	}
	smtp, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = client.CloseWithSMTPClient(smtp) }() // what it says after the letter does not matter
	if err := smtp.Mail(m.From.Address); err != nil {
		return err
	}
	var rejected []string
	for _, to := range m.To {
		if err = smtp.Rcpt(to.Address); err != nil {
			reply, ok := errors.AsType[*textproto.Error](err)
			if !ok {
				return err
			}
			rejected = append(rejected, to.Address+": "+said(reply))
		}
	}
	if len(rejected) == len(m.To) {
		return err
	}
	w, err := smtp.Data()
	if err != nil {
		return err
	}
	if _, err := letter.WriteTo(w); err != nil {
		return err // without its end it is not accepted
	}
	if err := w.Close(); err != nil {
		return err
	}
	kind.TraceOf(ctx).Line("accepted by %s", m.server())
	if rejected != nil {
		return &rejectedError{rejected}
	}
	return nil
}

// client returns a client for one connection, which ends with ctx.
func (m *Mail) client(ctx context.Context) (*gomail.Client, error) {
	config := &tls.Config{ServerName: m.Host, RootCAs: m.Roots, MinVersion: tls.VersionTLS12}
	policy := gomail.TLSMandatory
	if m.TLS != StartTLS {
		policy = gomail.NoTLS
	}
	options := []gomail.Option{
		gomail.WithTimeout(CallTimeout), gomail.WithTLSPolicy(policy), gomail.WithTLSConfig(config),
		gomail.WithDialContextFunc(func(_ context.Context, network, _ string) (net.Conn, error) {
			return m.dial(ctx, network, config) // the other context ends with the dial
		}),
	}
	if m.User != "" {
		plain := []gomail.SMTPAuthType{gomail.SMTPAuthPlain, gomail.SMTPAuthLogin}
		if m.TLS == NoTLS { // to this machine alone, which package config sees to
			plain = []gomail.SMTPAuthType{gomail.SMTPAuthPlainNoEnc, gomail.SMTPAuthLoginNoEnc}
		}
		options = append(options, gomail.WithUsername(m.User), gomail.WithPassword(m.Password),
			gomail.WithOpportunisticSMTPAuth(append([]gomail.SMTPAuthType{
				gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA1, gomail.SMTPAuthCramMD5,
			}, plain...)...))
	}
	return gomail.NewClient(m.Host, options...)
}

// dial connects to the server, with TLS from the beginning if that is wanted. The connection is closed at the end of ctx at the
// latest, whatever the server does.
func (m *Mail) dial(ctx context.Context, network string, config *tls.Config) (net.Conn, error) {
	dialer := &net.Dialer{Control: httpkind.Guard}
	conn, err := dialer.DialContext(ctx, network, m.server())
	if err != nil {
		return nil, err
	}
	bounded := &boundedConn{Conn: conn, left: maxSMTP}
	bounded.stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
	if m.TLS != ImplicitTLS {
		return bounded, nil
	}
	encrypted := tls.Client(bounded, config)
	if err := encrypted.HandshakeContext(ctx); err != nil {
		_ = bounded.Close()
		return nil, err
	}
	return encrypted, nil
}

// A boundedConn is a connection on which the other side may say only so much, and which ends with a context.
type boundedConn struct {
	net.Conn
	left int
	stop func() bool // ends the watch over the context
}

func (c *boundedConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errors.New("the server says more than a mail server should")
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

func (c *boundedConn) Close() error {
	c.stop()
	return c.Conn.Close()
}

// letter is m as an e-mail. Its Message-ID is the same each time that the message is sent.
func (m *Mail) letter(message *Message) (*gomail.Msg, error) {
	letter := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	letter.FromMailAddress(m.From)
	letter.ToMailAddress(m.To...)
	letter.Subject(text.Cut(text.Words(message.Summary), maxShown))
	letter.SetDateWithValue(message.At)
	id := sha256.Sum256([]byte(message.ID))
	domain := m.From.Address[strings.LastIndexByte(m.From.Address, '@')+1:] // a name in quotes may have one, too
	letter.SetMessageIDWithValue(hex.EncodeToString(id[:16]) + "@" + domain)
	letter.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: nobody is out of office for it
	if message.State == Firing && message.Severity == "critical" {
		letter.SetImportance(gomail.ImportanceHigh)
	}
	lines := []string{message.Summary}
	for _, more := range []string{message.Text, message.Link} {
		if more != "" {
			lines = append(lines, more)
		}
	}
	letter.SetBodyString(gomail.TypeTextPlain, text.Plain(strings.Join(lines, "\n\n"))+"\n")
	_, err := letter.WriteTo(io.Discard)
	return letter, err
}

// Show returns the e-mail for message as people read it.
func (m *Mail) Show(message Message) (string, error) {
	letter, err := m.letter(&message)
	if err != nil {
		return "", err
	}
	to := make([]string, len(m.To))
	for i, one := range m.To {
		to[i] = one.String()
	}
	as := ""
	if m.User != "" {
		as = " as " + m.User
	}
	return fmt.Sprintf("mail by %s (tls: %s)%s\nFrom: %s\nTo: %s\nSubject: %s\n\n%s", m.server(), m.TLS, as, m.From, strings.Join(to, ", "),
		text.Cut(text.Words(message.Summary), maxShown), bodyOf(letter)), nil
}

// bodyOf is the text of a letter.
func bodyOf(letter *gomail.Msg) string {
	for _, part := range letter.GetParts() {
		if body, err := part.GetContent(); err == nil {
			return string(body)
		}
	}
	return ""
}
