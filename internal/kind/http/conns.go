package http

import (
	"crypto/tls"
	"net/http"
	"sync"

	"github.com/tidewire/tidewire/internal/certificate"
	"github.com/tidewire/tidewire/internal/httpclient"
)

// conns are connections, which are made anew when files of certificates have changed.
type conns struct {
	options httpclient.Options
	files   *certificate.Client // nil: there are none
	only    bool                // of files only the authorities and the client's certificate count

	mu      sync.Mutex // guards the fields below
	current *httpclient.Transport
	config  *tls.Config // from which current was made
}

// RoundTrip implements [http.RoundTripper].
func (c *conns) RoundTrip(r *http.Request) (*http.Response, error) { return c.newest().RoundTrip(r) }

func (c *conns) newest() *httpclient.Transport {
	var config *tls.Config
	if c.files != nil {
		config = c.files.Config()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil || c.config != config {
		if c.current != nil {
			c.current.CloseIdleConnections()
		}
		o := c.options
		if o.TLS = config; config != nil && c.only {
			o.TLS = config.Clone()
			o.TLS.ServerName, o.TLS.InsecureSkipVerify = "", false
		}
		c.current, c.config = httpclient.New(o), config
	}
	return c.current
}

// CloseIdleConnections closes the connections that no request uses.
func (c *conns) CloseIdleConnections() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != nil {
		c.current.CloseIdleConnections()
	}
}
