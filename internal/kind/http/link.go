package http

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/internal/httpclient"
	"github.com/tidewire/tidewire/internal/kind"
)

// dialSocketWithin bounds the time in which a Unix socket takes a connection.
const dialSocketWithin = 10 * time.Second

// A Link is the way to an upstream that needs one of its own: because of its certificates, its socket, its proxy or its
// credential. Upstreams without any of these share the client of [kind.Env]. It is the [http.RoundTripper] of [ClientOf].
//
// It adds the credential to each request, and refuses a request to another origin than the upstream's, whoever makes it.
// A closed Link still works, for runs that have begun with it, but keeps no connection.
type Link struct {
	up     *Upstream
	direct *conns
	auth   authoriser // nil: requests need none
	closed atomic.Bool
}

// ClientOf returns the client for requests to an upstream whose [kind.Upstream.Open] has returned link: shared, which may
// be nil, if that was nothing.
func ClientOf(link io.Closer, shared *http.Client) *http.Client {
	switch l := link.(type) {
	case *Link:
		if l != nil {
			return &http.Client{Transport: l}
		}
	case onceLink:
		return &http.Client{Transport: once{shared}}
	}
	return shared
}

// A onceLink is the way to an upstream without a [Link] that serves one connection at a time: the client that all share, which
// closes each connection after its request.
type onceLink struct{}

// Close implements [io.Closer].
func (onceLink) Close() error { return nil }

// once makes requests by a client, nil for the shared one, of which none leaves a connection, also after a redirect.
type once struct{ client *http.Client }

func (o once) RoundTrip(r *http.Request) (*http.Response, error) {
	way := shared.Transport
	if o.client != nil {
		way = o.client.Transport
	}
	sent := r.WithContext(r.Context())
	sent.Close = true
	resp, err := way.RoundTrip(sent)
	if resp != nil {
		resp.Request = r // as the caller of a RoundTripper expects
	}
	return resp, err
}

// needsLink reports whether requests to u cannot be made by a client that all share.
func (u *Upstream) needsLink() bool {
	return u.TLS != (kind.TLS{}) || u.Unix != "" || u.Proxy != nil || u.NoProxy || u.LinkLocal || u.Auth.needsLink() ||
		!u.KeepAlive && u.URL.Scheme == "https" // such a device gets no HTTP/2, whose connections are not for one request
}

// Open implements [kind.Upstream]: it returns a link for [ClientOf], or nil for an upstream that needs none.
func (u *Upstream) Open(env kind.UpstreamEnv) (io.Closer, error) {
	switch {
	case u.needsLink():
	case !u.KeepAlive:
		return onceLink{}, nil
	default:
		return nil, nil
	}
	files, err := u.TLS.Open(env.Log)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	l := &Link{up: u, direct: &conns{files: files, options: u.options()}}
	switch {
	case u.Auth.Digest != nil:
		l.auth = &digestAuth{login: *u.Auth.Digest}
	case u.Auth.OAuth2 != nil:
		l.auth = newTokens(u, l.direct, files, env.Secrets)
	case u.Auth.Query.Name != "":
		l.auth = queryAuth(u.Auth.Query)
	}
	return l, nil
}

// options are those of connections to u.
func (u *Upstream) options() httpclient.Options {
	o := httpclient.Options{Control: Guard, Proxy: u.proxy(), MaxConns: MaxConns, Once: !u.KeepAlive}
	if u.LinkLocal {
		o.Control = GuardDevices
	}
	if u.Unix != "" {
		o.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
		o.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: dialSocketWithin}).DialContext(ctx, "unix", u.Unix)
		}
	}
	return o
}

// proxy returns what says by which proxy requests to u go.
func (u *Upstream) proxy() func(*http.Request) (*url.URL, error) {
	by := http.ProxyFromEnvironment
	switch {
	case u.NoProxy:
		by = func(*http.Request) (*url.URL, error) { return nil, nil }
	case u.Proxy != nil:
		by = http.ProxyURL(u.Proxy)
	}
	return guardProxied(by, u.LinkLocal)
}

// RoundTrip implements [http.RoundTripper].
func (l *Link) RoundTrip(r *http.Request) (*http.Response, error) {
	if !httpclient.SameOrigin(l.up.URL, r.URL) {
		closeBody(r)
		return nil, fmt.Errorf("refused to ask %s://%s: upstream %s is at another place", r.URL.Scheme, r.URL.Host, l.up.Name)
	}
	sent := r
	if l.closed.Load() {
		sent = r.WithContext(r.Context())
		sent.Close = true
	}
	var resp *http.Response
	var err error
	if l.auth != nil {
		resp, err = l.auth.roundTrip(sent, l.direct.RoundTrip)
	} else {
		resp, err = l.direct.RoundTrip(sent)
	}
	if resp != nil {
		resp.Request = r // as the caller of a RoundTripper expects
	}
	return resp, err
}

// CloseIdleConnections closes the connections that no request uses.
func (l *Link) CloseIdleConnections() { l.direct.CloseIdleConnections() }

// Close implements [io.Closer].
func (l *Link) Close() error {
	l.closed.Store(true)
	if l.auth != nil {
		l.auth.close()
	}
	l.direct.CloseIdleConnections()
	return nil
}
