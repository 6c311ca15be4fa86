package certificate

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/file"
)

// ClientOptions say whom a client of TLS trusts and by what it is known. The zero value trusts the authorities of the
// system and has no certificate.
type ClientOptions struct {
	CA         string // a PEM file with the authorities that are trusted instead of those of the system; empty: those
	Cert, Key  string // PEM files with the client's certificate and its key; empty: it has none
	ServerName string // the name that the server's certificate must have; empty: that by which it is asked
	Insecure   bool   // any certificate of the server will do
}

// A Client is the configuration of a client of TLS, of which the files are read again when they change. Whoever makes
// connections asks for the newest one; the files are looked at once a second at most. Files that cannot be used are
// logged, and the configuration before is kept.
//
// It needs no goroutine, and may be used from any.
type Client struct {
	options ClientOptions
	log     *slog.Logger

	mu     sync.Mutex // guards the fields below
	config *tls.Config
	looked time.Time
	tried  [3][]byte // the contents of the files when they were last read
	failed string    // why those cannot be used; empty: they can
}

// OpenClient reads the files. Later changes are logged to log, which may be nil if [Client.Config] is not called.
func OpenClient(o ClientOptions, log *slog.Logger) (*Client, error) {
	c := &Client{options: o, log: log, looked: time.Now()}
	read, err := c.read()
	if err != nil {
		return nil, err
	}
	if c.config, err = c.made(read); err != nil {
		return nil, err
	}
	c.tried = read
	return c, nil
}

// Config returns the newest configuration: the same one as before as long as the files have not changed. It must not be
// modified.
func (c *Client) Config() *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.looked) >= lookAgain && c.options.CA+c.options.Cert != "" {
		c.looked = now
		c.lookLocked()
	}
	return c.config
}

// lookLocked takes over the contents of the files, if they are new and can be used.
func (c *Client) lookLocked() {
	read, err := c.read()
	if err == nil {
		same := true
		for i := range read {
			same = same && bytes.Equal(read[i], c.tried[i])
		}
		if same && c.failed == "" {
			return
		}
		var config *tls.Config
		if config, err = c.made(read); err == nil {
			c.config, c.tried, c.failed = config, read, ""
			c.log.Info("the files of tls were read again")
			return
		}
	}
	if err.Error() != c.failed {
		c.failed = err.Error()
		c.log.Error("the new files of tls cannot be used; what was read before is kept", "err", err)
	}
}

// read reads the files; a name that is empty gives no content.
func (c *Client) read() (read [3][]byte, err error) {
	for i, name := range []string{c.options.CA, c.options.Cert, c.options.Key} {
		if name != "" {
			if read[i], err = file.Read(name, maxPEM); err != nil {
				return read, err
			}
		}
	}
	return read, nil
}

// made makes the configuration of the contents of the files.
func (c *Client) made(read [3][]byte) (*tls.Config, error) {
	o := c.options
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: o.ServerName, InsecureSkipVerify: o.Insecure}
	if o.CA != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(read[0]) {
			return nil, fmt.Errorf("%s has no certificate in PEM", o.CA)
		}
	}
	if o.Cert != "" {
		pair, err := tls.X509KeyPair(read[1], read[2])
		if err != nil {
			return nil, fmt.Errorf("%s and %s are not a certificate and its key: %w", o.Cert, o.Key, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
