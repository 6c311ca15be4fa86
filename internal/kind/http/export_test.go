package http

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/secret"
)

// RetryAfter reads a Retry-After header's value.
func RetryAfter(v string, now time.Time) time.Duration { return retryAfter(v, now) }

// NewClientWith is NewClient with another resolver and proxy.
func NewClientWith(r *net.Resolver, proxy func(*http.Request) (*url.URL, error)) *http.Client {
	return newClient(r, proxy)
}

// Forbidden says whether addr is one that the guard refuses.
func Forbidden(addr netip.Addr) bool { return forbidden(addr, false) }

// ForbiddenDevice says whether addr is one that the guard refuses also for devices.
func ForbiddenDevice(addr netip.Addr) bool { return forbidden(addr, true) }

// ValidatorOf is what is remembered of an answer's header.
func ValidatorOf(h http.Header) Validator { return validatorOf(h) }

// Fetch is FetchIf without an answer that is remembered.
func (h Exchange) Fetch(ctx context.Context) (any, error) {
	v, _, err := h.FetchIf(ctx, nil)
	return v, err
}

// OpenVia is the Open of an upstream whose connections are made by dial.
func OpenVia(u *Upstream, dial func(ctx context.Context, network, address string) (net.Conn, error)) (*Link, error) {
	link, err := u.Open(kind.UpstreamEnv{Secrets: secret.New(u.Secrets().Said...), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	l := link.(*Link)
	l.direct.options.Dial = dial
	if t, ok := l.auth.(*tokens); ok {
		t.client.Transport.(*conns).options.Dial = dial
	}
	return l, nil
}

// NewDigest returns what makes requests by the scheme Digest.
func NewDigest(user, password string) func(*http.Request, func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	d := &digestAuth{login: Login{user, password}}
	return func(r *http.Request, send func(*http.Request) (*http.Response, error)) (*http.Response, error) {
		return d.roundTrip(r, send)
	}
}

// AnswerDigest answers the first challenge of a header that can be answered, with a cnonce.
func AnswerDigest(h http.Header, user, password, cnonce, target string) string {
	login := Login{user, password}
	for text := range challengesOf(h) {
		c, err := parseDigest(text)
		if err != nil {
			continue
		}
		if s := newDigestSession(c, login, cnonce); s != nil {
			r, _ := http.NewRequest(http.MethodGet, target, nil)
			_ = s.authorise(r, login, 1)
			return r.Header.Get("Authorization")
		}
	}
	return ""
}

// ChallengesOf are the challenges of an answer.
func ChallengesOf(h http.Header) []string { return slices.Collect(challengesOf(h)) }

// NextNonce is the nonce that an answer names for the next request.
func NextNonce(h http.Header) string { return nextNonce(h) }

// SetAgain has a fetcher of pages wait by again.
func SetAgain(f kind.Fetcher, again func(context.Context) error) { f.(*pager).again = again }
