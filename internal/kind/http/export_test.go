package http

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// RetryAfter reads a Retry-After header's value.
func RetryAfter(v string, now time.Time) time.Duration { return retryAfter(v, now) }

// NewClientWith is NewClient with another resolver and proxy.
func NewClientWith(r *net.Resolver, proxy func(*http.Request) (*url.URL, error)) *http.Client {
	return newClient(r, proxy)
}

// Forbidden says whether addr is one that the guard refuses.
func Forbidden(addr netip.Addr) bool { return forbidden(addr) }

// ValidatorOf is what is remembered of an answer's header.
func ValidatorOf(h http.Header) Validator { return validatorOf(h) }

// Fetch is FetchIf without an answer that is remembered.
func (h Get) Fetch(ctx context.Context) (any, error) {
	v, _, err := h.FetchIf(ctx, nil)
	return v, err
}
