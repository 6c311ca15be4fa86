package access

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/httpclient"
	"github.com/tidewire/tidewire/internal/network"
)

const (
	askFor             = 10 * time.Second // time limit of a request to the provider
	askForName         = 3 * time.Second  // time limit if the person can be admitted without the answer
	askAgain           = 10 * time.Second // wait after the provider could not be reached
	maxAnswer          = 1 << 20          // bytes of an answer of the provider
	maxExchanges       = 32               // codes exchanged at the same time
	maxClientExchanges = 4                // of those, from one address
	maxHint            = 4 << 10          // bytes of an ID token that is sent along when a session ends
)

// An AwayError means that the provider could not be reached.
type AwayError struct {
	After time.Duration // the earliest time of the next attempt
	New   bool          // the attempt was made for this request, rather than earlier

	cause error // nil: no attempt was made
}

func (e *AwayError) Error() string {
	if e.cause == nil {
		return "the provider could not be reached a moment ago"
	}
	return "ask the provider for its addresses: " + e.cause.Error()
}

func (e *AwayError) Unwrap() error { return e.cause }

// A providerID names the provider at which a session began, and the client there.
type providerID struct{ Issuer, Client string }

func idOf(cfg *config.OIDC) providerID { return providerID{cfg.Issuer, cfg.ClientID} }

// provider caches the discovery of the OpenID Connect provider. The first request to the provider is made when a person
// signs in, so the gateway starts without it, and tokens work.
type provider struct {
	discovering chan struct{} // of 1: full while a request asks the provider

	mu     sync.Mutex // guards the fields below
	of     string     // the issuer that the fields describe
	found  *oidc.Provider
	failed time.Time // the time of the last failure
}

// discover returns the provider. If its addresses are not known yet, it asks the provider: by one request at a time,
// and not again for askAgain after a failure. The error is an [*AwayError].
func (p *provider) discover(ctx context.Context, issuer string) (*oidc.Provider, error) {
	if found, err, known := p.cached(issuer); known {
		return found, err
	}
	select {
	case p.discovering <- struct{}{}:
		defer func() { <-p.discovering }()
	case <-ctx.Done():
		return nil, &AwayError{After: askAgain, cause: ctx.Err()}
	}
	if found, err, known := p.cached(issuer); known { // another request has asked meanwhile
		return found, err
	}
	found, err := oidc.NewProvider(ctx, issuer)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.of, p.found, p.failed = issuer, found, time.Now()
	if err != nil {
		return nil, &AwayError{After: askAgain, New: true, cause: err}
	}
	return found, nil
}

// cached returns the provider without asking it: its addresses, or the error that it could not be reached a moment ago.
func (p *provider) cached(issuer string) (found *oidc.Provider, err error, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	wait := askAgain - time.Since(p.failed)
	switch {
	case p.of != issuer:
		return nil, nil, false
	case p.found != nil:
		return p.found, nil, true
	case wait > 0:
		return nil, &AwayError{After: wait}, true
	}
	return nil, nil, false
}

// more has metadata of a provider beyond OpenID Connect Discovery.
type more struct {
	EndSession string   `json:"end_session_endpoint"`    // OpenID Connect RP-Initiated Logout §2.1
	Prompts    []string `json:"prompt_values_supported"` // Initiating User Registration §5
}

// moreOf returns the further metadata of a provider.
func moreOf(found *oidc.Provider) (m more) {
	_ = found.Claims(&m) // invalid metadata counts as absent
	return m
}

// client makes the requests to the provider.
var client = &http.Client{
	Timeout:   askFor,
	Transport: bounded{httpclient.New(httpclient.Options{})},
	CheckRedirect: func(*http.Request, []*http.Request) error {
		return errors.New("the provider redirects, which is not allowed")
	},
}

// exchanges counts the codes that are being exchanged at the provider. However slow that is, one client cannot occupy
// all slots. The zero value has none in progress.
type exchanges struct {
	mu sync.Mutex // guards the fields below
	by map[netip.Addr]int
	n  int
}

// begin takes a slot for a client, and reports whether there was one.
func (e *exchanges) begin(from netip.Addr) bool {
	from = network.Of(from)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.n >= maxExchanges || e.by[from] >= maxClientExchanges {
		return false
	}
	if e.by == nil {
		e.by = map[netip.Addr]int{}
	}
	e.n++
	e.by[from]++
	return true
}

// end releases the slot.
func (e *exchanges) end(from netip.Addr) {
	from = network.Of(from)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.n--
	if e.by[from]--; e.by[from] == 0 {
		delete(e.by, from)
	}
}

// asking returns the context for requests to the provider. It outlives a request that was given up, because the result,
// even a failure, is kept for the next one.
func asking(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(oidc.ClientContext(context.WithoutCancel(r.Context()), client), askFor)
}

// bounded truncates answers after maxAnswer bytes.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		body := resp.Body
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(body, maxAnswer), body}
	}
	return resp, err
}
