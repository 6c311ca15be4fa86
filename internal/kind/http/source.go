// Package http gets values by requests over HTTP. It also has what other parts of Tidewire send over HTTP: the [Call]
// of a job and the [Webhook] of an alert.
//
// # Hostile answers
//
// An answer is bounded as package value says. Redirects are followed three times and on the same host only, so a
// credential never leaves the host that it is for.
//
// # Where requests go
//
// The address of a source is trusted, also one on loopback or in a
// private network. What a name resolves to is not: the addresses of link-local
// networks and of the clouds' metadata services, which hand out credentials to every process
// that asks from the machine, are refused when the connection is made, in every way in
// which IPv6 writes them. Through a proxy (HTTP_PROXY, HTTPS_PROXY) such an address is
// refused where the URL itself has it; names are resolved by the proxy, in its
// network and by its rules.
//
// # Ways of their own
//
// Through a Unix socket, a proxy of its own, or with certificates of its own, requests to an upstream take a [Link], which
// also has credentials that are more than a header: Digest, tokens of OAuth 2.0, a key in the query. What it adds to a
// request is in no URL and no header that another package sees, and goes to the origin of the upstream alone.
//
// # Errors
//
// Errors name method and address without user, password and query, and never a header's value, even if the server
// repeats it.
package http

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/jq"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/secret"
)

// An Upstream is one service that sources and jobs ask.
type Upstream struct {
	Name      string
	URL       *url.URL    // http or https
	Header    http.Header // sent with each request
	Given     []string    // what references gave in it: secrets
	KeepAlive bool        // connections are used again
	Auth      Auth        // how requests are authorised, besides Header

	TLS       kind.TLS
	Unix      string   // the absolute path of a socket to which all connections are made; empty: none
	Proxy     *url.URL // nil: as the environment says, unless NoProxy
	NoProxy   bool     // no proxy, whatever the environment says
	LinkLocal bool     // it may be at a link-local address
}

// Secrets implements [kind.Upstream].
func (u *Upstream) Secrets() kind.Secrets {
	all := kind.Secrets{
		Said:   append(secret.OfHeader(u.Header), u.Given...),
		Values: append(secret.OfNamed(u.Header), u.Given...),
	}.And(u.Auth.secrets())
	if u.Proxy != nil && u.Proxy.User != nil {
		password, _ := u.Proxy.User.Password()
		all = all.And(credentials(secret.OfBasic(u.Proxy.User.Username(), password)...))
	}
	return all
}

// At returns the address of a path, which is escaped, at the upstream. It stays as it is, also with two slashes in a row, as of an
// address in the path.
func (u *Upstream) At(path string) (*url.URL, error) {
	at := *u.URL
	if path == "" {
		return &at, nil
	}
	at.RawPath = strings.TrimSuffix(at.EscapedPath(), "/") + path
	var err error
	at.Path, err = url.PathUnescape(at.RawPath)
	return &at, err
}

// String returns the kind and the name of u, of which the rest may be secret.
func (u *Upstream) String() string { return fmt.Sprintf("upstream %q", u.Name) }

// MarshalText returns what String does.
func (u *Upstream) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// A Source is a request to an upstream, which is polled.
type Source struct {
	Request
	Fixed    *Filled     // the request if no expression is in it; nil: it is filled for each fetch
	Statuses []int       // of answers that count; nil: 200 to 299
	Next     *jq.Program // gives the address of the next page of an answer, or null; nil: there is one page
	Pages    int         // how many there may be
	Given    []string    // what references gave in it: secrets
}

// Open implements [kind.Source].
func (s *Source) Open(env kind.Env) (kind.Fetcher, error) {
	f := new(fetcher)
	f.exchange = Exchange{
		Client: ClientOf(env.Link, env.Client), Method: s.Method, Parse: env.Parse, Statuses: s.Statuses, Secrets: env.Secrets,
		Asked: func(wait time.Duration) { f.got.Wait = wait },
		Answered: func(status, size int) {
			f.got.Status, f.got.Size = kind.Status{Code: status, Known: true}, f.got.Size+size
		},
		// The status and the header of a 304 are not those of the answer that is remembered.
		Whole: s.Fixed == nil || s.Next != nil || slices.Contains(env.Variables, statusVariable) ||
			slices.Contains(env.Variables, headersVariable),
		Variables: wanted(env.Variables, s.Next),
	}
	if f.exchange.Variables != nil {
		f.exchange.Told = func(all map[string]any) { f.got.Variables = all }
	}
	if s.Fixed != nil {
		f.exchange.URL, f.exchange.Header, f.exchange.Body = s.Fixed.URL, s.Fixed.Header, s.Fixed.Body
	}
	var fetch kind.Fetcher = f
	if s.Fixed == nil {
		fetch = kind.FetchFunc(func(ctx context.Context) (kind.Result, error) {
			if err := f.fill(ctx, s, env); err != nil {
				return kind.Result{}, err
			}
			return f.Fetch(ctx)
		})
	}
	if s.Next != nil {
		fetch = &pager{fetcher: f, first: fetch, source: s, again: env.Again}
	}
	return fetch, nil
}

// SameValue implements [kind.Source]: the request may be another one.
func (s *Source) SameValue(kind.Source) bool { return true }

// Describe implements [kind.Source].
func (s *Source) Describe() string { return "asks upstream " + s.Upstream.Name }

// DefaultParse implements [kind.Parsed].
func (s *Source) DefaultParse() string { return "json" }

// String returns the upstream's name: the rest may be secret.
func (s *Source) String() string { return "a request to " + s.Upstream.String() }

// MarshalText returns what String does.
func (s *Source) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Secrets implements [kind.Source].
func (s *Source) Secrets() kind.Secrets {
	return s.Request.Secrets().And(kind.Secrets{Said: s.Given, Values: s.Given})
}

// Target implements [kind.Targeted]: the server.
func (s *Source) Target() string { return s.Upstream.URL.Scheme + "://" + s.Upstream.URL.Host }

// A fetcher makes a request conditional on the last answer that was of use.
type fetcher struct {
	exchange Exchange
	stored   *Stored     // the newest answer that has a validator, and was of use
	newest   *Stored     // the same, before that is confirmed
	got      kind.Result // what the newest answer says beside its value
}

// Fetch implements [kind.Fetcher].
func (f *fetcher) Fetch(ctx context.Context) (kind.Result, error) {
	f.got = kind.Result{}
	v, newest, err := f.exchange.FetchIf(ctx, f.stored)
	f.newest = newest
	got := f.got
	got.Value = v
	return got, err
}

// Confirm implements [kind.Confirmer].
func (f *fetcher) Confirm() { f.stored = f.newest }

// fill makes the request of the next fetch from the last value.
func (f *fetcher) fill(ctx context.Context, s *Source, env kind.Env) error {
	start := time.Now()
	filled, err := s.Fill(ctx, env.Last(), noValues)
	if err != nil {
		what := s.Method + " " + address(s.Upstream.URL, env.Secrets)
		return kind.Fail(ctx, start, what, err.Error(), err, env.Secrets)
	}
	f.exchange.URL, f.exchange.Header, f.exchange.Body = filled.URL, filled.Header, filled.Body
	f.exchange.Secrets = env.Secrets.With(filled.Secrets...)
	traceResults(ctx, filled, f.exchange.Secrets)
	return nil
}

// noValues knows no {name}: in a source that is text.
func noValues(string) (any, bool) { return nil, false }
