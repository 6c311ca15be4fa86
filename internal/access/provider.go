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
)

const (
	askFor             = 10 * time.Second // a request to the provider may take
	askForName         = 3 * time.Second  // a request whose answer is not needed to let somebody in
	askAgain           = 10 * time.Second // after the provider could not be reached
	maxAnswer          = 1 << 20          // bytes of an answer of the provider
	maxExchanges       = 32               // codes that are exchanged at the same time
	maxClientExchanges = 4                // of them those of one address
	maxHint            = 4 << 10          // bytes of an ID token that is shown when a session ends
)

// An AwayError says that the provider could not be reached.
type AwayError struct {
	After time.Duration // when it is asked again at the earliest
	New   bool          // it was asked just now, rather than a moment ago

	cause error // nil: it was not asked
}

func (e *AwayError) Error() string {
	if e.cause == nil {
		return "the provider could not be reached a moment ago"
	}
	return "ask the provider for its addresses: " + e.cause.Error()
}

func (e *AwayError) Unwrap() error { return e.cause }

// A providerID names the provider at which a session began, and us there.
type providerID struct{ Issuer, Client string }

func idOf(cfg *config.OIDC) providerID { return providerID{cfg.Issuer, cfg.ClientID} }

// provider is what is known of the OpenID Connect provider. Nothing is asked of it until
// somebody signs in: the gateway starts without it, and tokens work.
type provider struct {
	turn chan struct{} // of 1: whoever fills it asks the provider

	mu     sync.Mutex // guards the fields below
	of     string     // the issuer that they are about
	found  *oidc.Provider
	failed time.Time // when it could not be reached
}

// discover returns the provider, which is asked for its addresses if they are not known
// yet: by one request at a time, and not again for askAgain after it failed. The error is
// an [*AwayError].
func (p *provider) discover(ctx context.Context, issuer string) (*oidc.Provider, error) {
	if found, err, known := p.known(issuer); known {
		return found, err
	}
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return nil, &AwayError{After: askAgain, cause: ctx.Err()}
	}
	if found, err, known := p.known(issuer); known { // whoever had the turn has asked
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

// known returns what is known of the provider without asking it: its addresses, or that
// it could not be reached a moment ago.
func (p *provider) known(issuer string) (found *oidc.Provider, err error, known bool) {
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

// more is what a provider may say of itself beyond OpenID Connect Discovery.
type more struct {
	EndSession string   `json:"end_session_endpoint"`    // OpenID Connect RP-Initiated Logout §2.1
	Prompts    []string `json:"prompt_values_supported"` // Initiating User Registration §5
}

// moreOf returns what a provider says of itself.
func moreOf(found *oidc.Provider) (m more) {
	_ = found.Claims(&m) // what does not fit counts as not said
	return m
}

// client asks the provider.
var client = &http.Client{
	Timeout:   askFor,
	Transport: bounded{httpclient.New(httpclient.Options{})},
	CheckRedirect: func(*http.Request, []*http.Request) error {
		return errors.New("the provider redirects, which is not allowed")
	},
}

// exchanges counts the codes that are being exchanged at the provider. However slow that
// is, one client cannot occupy all places. The zero value has none under way.
type exchanges struct {
	mu sync.Mutex // guards the fields below
	by map[netip.Addr]int
	n  int
}

// begin takes a place for a client, and reports whether there was one.
func (e *exchanges) begin(from netip.Addr) bool {
	from = Network(from)
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

// end gives the place back.
func (e *exchanges) end(from netip.Addr) {
	from = Network(from)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.n--
	if e.by[from]--; e.by[from] == 0 {
		delete(e.by, from)
	}
}

// asking is the context of questions to the provider. It outlives a request that was
// given up: what is learned, or that nothing could be, is remembered for the next.
func asking(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(oidc.ClientContext(context.WithoutCancel(r.Context()), client), askFor)
}

// bounded cuts answers off after maxAnswer bytes.
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
