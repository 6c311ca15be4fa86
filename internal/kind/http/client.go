package http

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/tidewire/tidewire/internal/httpclient"
)

const maxRedirects = 3

// MaxConns is how many connections a client has to one host.
const MaxConns = 64

// NewClient returns a client for any number of sources. It reuses connections, at most
// [MaxConns] per host, keeps no cookies, and never connects to a link-local address or to
// the metadata service of a cloud, whatever a name resolves to (see "Where requests go" in
// the package documentation). The context of a request bounds its duration; package
// httpclient documents how soon a dead connection and a moved name are noticed.
func NewClient() *http.Client {
	return newClient(nil, http.ProxyFromEnvironment)
}

func newClient(names *net.Resolver, proxy func(*http.Request) (*url.URL, error)) *http.Client {
	return &http.Client{Transport: httpclient.New(httpclient.Options{
		Control: Guard, Resolver: names, Proxy: guardProxied(proxy, false), MaxConns: MaxConns,
	})}
}

var shared = NewClient()

// redirect is the redirect policy of a client: it only follows to where the credential may go too.
func redirect(req *http.Request, via []*http.Request) error {
	from, to := via[len(via)-1].URL, req.URL
	switch {
	case len(via) > maxRedirects:
		return fmt.Errorf("redirected more than %d times", maxRedirects)
	case httpclient.SameOrigin(from, to):
		return nil
	case to.Scheme != "http" && to.Scheme != "https":
		return fmt.Errorf("redirected to a %s address, want http or https", to.Scheme)
	case from.Scheme == "https" && to.Scheme == "http" && strings.EqualFold(from.Hostname(), to.Hostname()):
		return errors.New("redirected from https to http")
	}
	return fmt.Errorf("redirected to another origin, %s://%s: want its own upstream", to.Scheme, to.Host)
}
