// Package httpclient makes the transport of every HTTP client in Tidewire, so that all of them notice a dead path
// equally soon, and restricts where their credentials may go.
//
//	client := &http.Client{Transport: httpclient.New(httpclient.Options{})}
//
// # Dead connections
//
// A NAT or a firewall may drop a flow without telling either end. Requests over HTTP/1.1 leave such a connection when
// they time out. Requests over HTTP/2 share one connection, which outlives their timeouts for as long as any of them is
// in progress. The transport therefore sends a ping when it has received nothing for [PingAfter] and closes the
// connection when no answer arrives within [PingTimeout]. Where the system offers it (Linux: TCP_USER_TIMEOUT), a
// connection also ends when data stays unacknowledged for [Unacknowledged], and idle connections are probed by TCP
// keep-alive.
//
// # Moved servers
//
// A connection keeps the address that a name had when it was made. After [MaxAge] requests move to new connections, so
// a name that moves is followed even while its old server still answers. Requests in progress end on their current
// connection.
//
// # Switched protocols
//
// An answer of 101 to a request without Upgrade is an error, because the timeout of the request would not end it.
//
// # Redirects
//
// A client that sends a credential and follows redirects is wrapped in [KeepCredentials], or refuses what is not
// [SameOrigin].
package httpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"syscall"
	"time"
)

const (
	PingAfter      = 4 * time.Second  // silence on an HTTP/2 connection before a ping is sent
	PingTimeout    = 4 * time.Second  // how long the answer to a ping may take
	Unacknowledged = 15 * time.Second // how long sent data may stay unacknowledged
	MaxAge         = 5 * time.Minute  // how long new requests use the same connections
	dialTimeout    = 10 * time.Second
	idleTimeout    = 90 * time.Second
)

// Options configures a [Transport]. The zero value is a good default.
type Options struct {
	// Control is called before each connection, with its address. An error refuses the connection. Nil allows all.
	Control func(network, address string, conn syscall.RawConn) error
	// Resolver looks up names. Nil means the system's.
	Resolver *net.Resolver
	// Proxy names the proxy of a request. Nil means [http.ProxyFromEnvironment].
	Proxy func(*http.Request) (*url.URL, error)
	// TLS is not modified. Nil means the system's certificate authorities.
	TLS *tls.Config
	// MaxConns bounds the connections to one host. Zero means no bound.
	MaxConns int
	// MaxHeader bounds the header of an answer, in bytes. Zero means 64 KiB.
	MaxHeader int64
	// Once closes each connection after its request, also that of a redirect. It rules out HTTP/2, whose connections are not
	// for one request.
	Once bool
	// Dial replaces the dialer; Control and Resolver then have no effect. Nil means TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// A Transport is an [http.RoundTripper] for any number of goroutines. It owns no goroutine.
type Transport struct {
	fresh func() *http.Transport

	mu      sync.Mutex // guards the fields below
	current *http.Transport
	since   time.Time
}

// New returns a transport with its own connections.
func New(o Options) *Transport {
	if o.Proxy == nil {
		o.Proxy = http.ProxyFromEnvironment
	}
	if o.MaxHeader == 0 {
		o.MaxHeader = 64 << 10
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{
			Timeout:         dialTimeout,
			KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3},
			Resolver:        o.Resolver,
			Control:         control(o.Control),
		}).DialContext
	}
	if o.TLS == nil {
		o.TLS = &tls.Config{}
	}
	if o.TLS = o.TLS.Clone(); o.TLS.ClientSessionCache == nil {
		o.TLS.ClientSessionCache = tls.NewLRUClientSessionCache(0) // so that moving to new connections is cheap
	}
	return &Transport{fresh: func() *http.Transport { return o.transport() }}
}

func (o Options) transport() *http.Transport {
	idle := 1000
	if o.MaxConns > 0 {
		idle = o.MaxConns // with fewer, simultaneous requests would open and close connections in turn
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(!o.Once)
	return &http.Transport{
		Protocols:           &protocols,
		DisableKeepAlives:   o.Once,
		Proxy:               o.Proxy,
		DialContext:         o.Dial,
		TLSClientConfig:     o.TLS.Clone(),
		TLSHandshakeTimeout: 10 * time.Second,
		HTTP2: &http.HTTP2Config{
			SendPingTimeout:  PingAfter,
			PingTimeout:      PingTimeout,
			WriteByteTimeout: Unacknowledged,
		},
		OnProxyConnectResponse: connected,
		MaxIdleConns:           1000,
		MaxIdleConnsPerHost:    idle,
		MaxConnsPerHost:        o.MaxConns,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: o.MaxHeader,
	}
}

// connected is the error for the answer of a proxy that does not connect: net/http would have the words of its status alone, as if
// the server had said them.
func connected(_ context.Context, _ *url.URL, _ *http.Request, r *http.Response) error {
	if r.StatusCode == http.StatusOK {
		return nil
	}
	return &net.OpError{Op: "proxyconnect", Net: "tcp", Err: fmt.Errorf("%d %s", r.StatusCode, http.StatusText(r.StatusCode))}
}

// Default is the client for code that needs no options. Its Transport may be wrapped; it must not be changed.
var Default = &http.Client{Transport: New(Options{})}

// RoundTrip implements [http.RoundTripper]. An answer that switches the protocol is an error unless r asks for it: net/http
// leaves the connection to whoever reads the body then, and no context or timeout ends that.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.young().RoundTrip(r)
	if err == nil && resp.StatusCode == http.StatusSwitchingProtocols && r.Header.Get("Upgrade") == "" {
		resp.Body.Close()
		return nil, errors.New("the server switched to another protocol, which nobody asked for")
	}
	return resp, err
}

// CloseIdleConnections closes the connections that no request uses.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current != nil {
		t.current.CloseIdleConnections()
	}
}

// young returns a transport that is younger than MaxAge. The connections of the previous one are closed as they become
// idle: at once, when a request ends (HTTP/1.1), or after idleTimeout (HTTP/2).
func (t *Transport) young() *http.Transport {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := time.Now(); t.current == nil || now.Sub(t.since) >= MaxAge {
		if t.current != nil {
			t.current.CloseIdleConnections()
		}
		t.current, t.since = t.fresh(), now
	}
	return t.current
}

// control prepares a connection after ask has allowed it.
func control(ask func(string, string, syscall.RawConn) error) func(string, string, syscall.RawConn) error {
	return func(network, address string, conn syscall.RawConn) error {
		if ask != nil {
			if err := ask(network, address, conn); err != nil {
				return err
			}
		}
		// If the system refuses, pings, keep-alive and the timeouts of requests remain.
		_ = conn.Control(limitUnacknowledged)
		return nil
	}
}
