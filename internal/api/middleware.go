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

// securityHeaders gives every answer headers with which browsers trust it as little as possible. The page replaces the
// policy by its own.
func securityHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin") // with no-referrer, browsers send forms with Origin: null
		next.ServeHTTP(w, r)
	})
}

// belowBase also serves everything below the path of the public address, which a proxy may or may not remove from
// requests.
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

// link returns a path of the API as clients have to use it: below the path of the public address.
func (a *API) link(path string) string {
	return access.Base(a.deps.Config().PublicURL) + path
}

// sameOrigin refuses requests with which a page of another origin would change something.
func (a *API) sameOrigin(next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fail(w, r, http.StatusForbidden, "requests that change something must come from the gateway's own page")
	}))
	others := origin.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isDelivery(r.URL.Path) { // which is signed
			next.ServeHTTP(w, r)
			return
		}
		// A proxy may ask for another Host than the browser did.
		if public := a.deps.Config().PublicURL; public != nil && r.Header.Get("Origin") == public.Scheme+"://"+public.Host {
			next.ServeHTTP(w, r)
			return
		}
		others.ServeHTTP(w, r)
	})
}

// recovered turns a panic of a handler into a logged error, and into 500 if the answer has not begun.
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
			address := a.addressOf(r)
			a.clients.Error(
				"request panicked", "method", r.Method, "path", r.URL.Path, flood.Address, address, "panic", p,
			)
			fail(w, r, http.StatusInternalServerError, "internal error; the log says more")
		}()
		next.ServeHTTP(w, r)
	})
}

// knownHost refuses requests whose Host is not a name of the gateway: otherwise any web site could point a name of its
// own at the gateway's address and use it through a visitor's browser (DNS rebinding). Its names are those of loopback,
// that of the public address, and, if the connection does not use loopback, any IP address, since web sites cannot
// point those at anything. A request with a token may use any name, and so may one to a hook: no web site knows the token, or
// the secret. So may one that asks for the health, of which a site learns nothing: balancers name a host as they like, or none
// at all.
func (a *API) knownHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, a.link(""))
		if !isDelivery(path) && !isHealth(path) && !a.isOwnHost(r) {
			fail(w, r, http.StatusMisdirectedRequest, fmt.Sprintf("%q is not a name of this gateway: use localhost or "+
				"127.0.0.1, or set public_url to the address that people use", r.Host))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isHealth(path string) bool { return path == "/livez" || path == "/readyz" }

func (a *API) isOwnHost(r *http.Request) bool {
	if isLoopback(r.Host) || a.deps.Guard.ByToken(r) {
		return true
	}
	if public := a.deps.Config().PublicURL; public != nil && strings.EqualFold(hostOf(r.Host), public.Hostname()) {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	_, err := netip.ParseAddr(hostOf(r.Host))
	return ok && !isLoopback(local.String()) && err == nil
}

// isLoopback reports whether a host, with or without a port, can only be reached from this machine.
func isLoopback(hostport string) bool {
	host := hostOf(hostport)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// hostOf returns a host without its port, if it has one, and without brackets.
func hostOf(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	return host
}
