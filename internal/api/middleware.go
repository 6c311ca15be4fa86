package api

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/flood"
)

// hardened gives every answer the headers by which browsers make the least of it; the
// page has a policy of its own.
func hardened(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		next.ServeHTTP(w, r)
	})
}

// belowBase serves everything below the path of the public address, too. A proxy in
// front may have removed it from requests.
func (a *API) belowBase(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch base := a.link(""); {
		case base == "":
		case r.URL.Path == base:
			http.Redirect(w, r, base+"/", http.StatusPermanentRedirect)
			return
		case strings.HasPrefix(r.URL.Path, base+"/"):
			http.StripPrefix(base, next).ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// link is a path of the API as clients have to write it: below that of the public address.
func (a *API) link(path string) string {
	return access.Base(a.Config().PublicURL) + path
}

// sameOrigin refuses requests by which a page of another origin would change something.
func (a *API) sameOrigin(next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fail(w, r, http.StatusForbidden, "requests that change something must come from the gateway's own page")
	}))
	others := origin.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A proxy in front may have another Host asked for than the browser did.
		if public := a.Config().PublicURL; public != nil && r.Header.Get("Origin") == public.Scheme+"://"+public.Host {
			next.ServeHTTP(w, r)
			return
		}
		others.ServeHTTP(w, r)
	})
}

// recovered turns a panic in a handler into a logged error and a 500, where the answer
// has not begun.
func (a *API) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler {
				panic(p)
			}
			a.clients.Error("request panicked", "method", r.Method, "path", r.URL.Path, flood.Address, a.addressOf(r), "panic", p)
			fail(w, r, http.StatusInternalServerError, "internal error; the log says more")
		}()
		next.ServeHTTP(w, r)
	})
}

// knownHost refuses requests whose Host is no name of the gateway: otherwise any web site
// could point a name of its own at the gateway's address and use it through a visitor's
// browser (DNS rebinding). Names are those of loopback, the public address's, and, where
// the connection did not come by loopback, any address in digits: of those a site has none.
// A request that brings a token may call the gateway as it likes: no site knows that.
func (a *API) knownHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !a.isOurs(r) {
			fail(w, r, http.StatusMisdirectedRequest, fmt.Sprintf("%q is not a name of this gateway: use localhost or 127.0.0.1, or set public_url to the address that people use", r.Host))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (a *API) isOurs(r *http.Request) bool {
	if isLoopback(r.Host) || a.Guard.ByToken(r) {
		return true
	}
	if public := a.Config().PublicURL; public != nil && strings.EqualFold(hostOf(r.Host), public.Hostname()) {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	_, err := netip.ParseAddr(hostOf(r.Host))
	return ok && !isLoopback(local.String()) && err == nil
}

// isLoopback reports whether a host, with or without a port, is this machine alone.
func isLoopback(hostport string) bool {
	host := hostOf(hostport)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// hostOf is a host without its port, if it has one, and without brackets.
func hostOf(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	return host
}
