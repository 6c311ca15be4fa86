package http

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/tidewire/tidewire/internal/certificate"
	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/httpclient"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/secret"
)

const (
	tokenWithin   = 10 * time.Second // bounds one request for a token
	tokenLeast    = time.Second      // a token is used at least so long, whatever its server says
	renewWithin   = 5 * time.Minute  // a token is renewed so long before its end at most
	refusedAgain  = time.Minute      // between two renewals because the upstream has refused the token
	tokenPauseMin = time.Second      // after a request for a token that failed
	tokenPauseMax = time.Minute      // after many of them
	tokenAsked    = 10 * time.Minute // bounds the pause that a server asks for
	maxToken      = 16 << 10         // bytes of a token
)

// tokens are the tokens of an upstream by OAuth 2.0 client credentials (RFC 6749 §4.4). All requests use the same one. It
// is renewed in the background when a fifth of its time is left, so requests wait only for the first one and after a
// pause. At most one request for a token is in progress, and while they fail there are pauses, in which every request
// fails with the reason.
type tokens struct {
	config  *clientcredentials.Config
	client  *http.Client
	at      string           // scheme and host of the server of tokens, for people
	secrets *secret.Redactor // of the configuration
	life    context.Context  // ends with close
	end     context.CancelCauseFunc
	flights sync.WaitGroup
	tries   bool // no style is set, and none is known to work; of the request in progress, as the style in config

	mu       sync.Mutex // guards the fields below
	closed   bool
	token    *oauth2.Token // nil: there is none, or the upstream has refused it
	renew    time.Time     // from when the token is renewed; zero: never
	over     time.Time     // from when it is not used; zero: never
	refused  time.Time     // when the upstream has refused a token last
	flight   chan struct{} // is closed at the end of the request in progress; nil: there is none
	err      error         // why the last request failed; nil: it did not
	failures int           // in a row
	next     time.Time     // with err: before then there is no other request
	hides    *secret.Redactor
	before   string // the access token before this one
}

// errClosed ends requests for tokens that no poll waits for any more.
var errClosed = errors.New("the upstream is not used any more")

// newTokens returns the tokens of u. Requests for tokens take the way of requests to the upstream if they go to its origin,
// and otherwise one with the same proxy, authorities and certificate of the client.
func newTokens(u *Upstream, direct *conns, files *certificate.Client, secrets *secret.Redactor) *tokens {
	o := u.Auth.OAuth2
	way := direct
	if !httpclient.SameOrigin(u.URL, o.TokenURL) {
		way = &conns{files: files, only: true, options: httpclient.Options{Control: Guard, Proxy: u.proxy(), MaxConns: 1}}
	}
	params := url.Values{}
	for _, p := range o.Params {
		params.Add(p.Name, p.Value)
	}
	t := &tokens{
		config: &clientcredentials.Config{
			ClientID: o.ClientID, ClientSecret: o.ClientSecret, TokenURL: o.TokenURL.String(), Scopes: o.Scopes,
			EndpointParams: params, AuthStyle: o.Style.style(),
		},
		tries: o.Style == "",
		client: &http.Client{
			Transport:     way,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		at: o.TokenURL.Scheme + "://" + o.TokenURL.Host, secrets: secrets,
	}
	t.life, t.end = context.WithCancelCause(context.Background())
	return t
}

func (t *tokens) roundTrip(r *http.Request, send sender) (*http.Response, error) {
	if isAuthorised(r) {
		return send(r)
	}
	token, err := t.get(r.Context())
	for sent := false; ; sent = true {
		if err != nil {
			closeBody(r)
			return nil, err
		}
		one := again(r, sent)
		token.SetAuthHeader(one)
		resp, err2 := send(one)
		hides := t.hidden()
		if err2 != nil {
			return resp, hides.Error(err2) // which quotes an answer that is none
		}
		resp.Status = hides.Text(resp.Status)
		hideHeader(resp.Header, hides)
		resp.Body = &hiding{resp.Body, hides}
		if sent || resp.StatusCode != http.StatusUnauthorized || again(r, true) == nil || !t.refuse(token) {
			return resp, nil
		}
		drain(resp)
		token, err = t.get(r.Context())
	}
}

// get returns the token, and requests one if there is none.
func (t *tokens) get(ctx context.Context) (*oauth2.Token, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		now := time.Now()
		has := t.token != nil && (t.over.IsZero() || now.Before(t.over))
		pausing := t.err != nil && now.Before(t.next)
		switch {
		case has:
			if !t.renew.IsZero() && !now.Before(t.renew) && !pausing && !t.closed {
				t.requestLocked()
			}
			t.traceLocked(ctx, now)
			return t.token, nil
		case t.flight == nil && pausing:
			return nil, t.err
		case t.closed && t.flight == nil: // nobody would wait for a goroutine
			t.flight = make(chan struct{})
			t.mu.Unlock()
			t.request(ctx)
			t.mu.Lock()
			continue
		}
		t.requestLocked()
		flight := t.flight
		t.mu.Unlock()
		select {
		case <-flight:
		case <-ctx.Done():
		}
		t.mu.Lock()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
}

// traceLocked says in the trace of ctx which token is used.
func (t *tokens) traceLocked(ctx context.Context, now time.Time) {
	trace := kind.TraceOf(ctx)
	switch {
	case trace == nil:
	case t.over.IsZero():
		trace.Section("token from %s", t.at)
	default:
		trace.Section("token from %s, for %s more", t.at, t.over.Sub(now).Round(time.Second))
	}
}

// hidden hides the token, and the one before it.
func (t *tokens) hidden() *secret.Redactor {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.hides
}

// refuse takes note that the upstream has refused a token, and reports whether there may be a better one.
func (t *tokens) refuse(token *oauth2.Token) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token != token {
		return true // it was renewed meanwhile, or will be
	}
	if now := time.Now(); t.refused.IsZero() || now.Sub(t.refused) >= refusedAgain {
		t.token, t.refused = nil, now
		return true
	}
	return false
}

// requestLocked begins a request for a token unless one is in progress.
func (t *tokens) requestLocked() {
	if t.flight == nil {
		t.flight = make(chan struct{})
		t.flights.Go(func() { t.request(t.life) })
	}
}

// request makes a request for a token and ends the flight.
func (t *tokens) request(ctx context.Context) {
	ctx, cancel := context.WithTimeoutCause(ctx, tokenWithin, clock.TimedOut{After: tokenWithin})
	defer cancel()
	start := time.Now()
	token, err := t.ask(context.WithValue(ctx, oauth2.HTTPClient, t.client))
	if err == nil {
		err = checkToken(token)
	}
	if err != nil {
		err = t.failure(ctx, start, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch t.err = err; {
	case err == nil:
		t.failures = 0
		t.setLocked(token, start)
	case context.Cause(ctx) == errClosed: // who waits requests a token itself
		t.err = nil
	default:
		pause := min(tokenPauseMin<<min(t.failures, 10), tokenPauseMax)
		if asked, ok := errors.AsType[interface {
			error
			RetryAfter() time.Duration
		}](err); ok {
			pause = max(pause, min(asked.RetryAfter(), tokenAsked))
		}
		t.failures++
		t.next = time.Now().Add(pause)
	}
	close(t.flight)
	t.flight = nil
}

// ask requests a token with the credential in the header, as every server has to take it (RFC 6749 §2.3.1), and unless a style is set, in
// the body if the server has not seen it there. A credential that is refused is not sent again: that would count twice where
// attempts are counted. The style that worked stays.
func (t *tokens) ask(ctx context.Context) (*oauth2.Token, error) {
	token, err := t.config.Token(ctx)
	if t.tries && isUnseen(err) {
		t.config.AuthStyle = oauth2.AuthStyleInParams
		if token, err = t.config.Token(ctx); err != nil {
			t.config.AuthStyle = oauth2.AuthStyleInHeader
		}
	}
	t.tries = t.tries && err != nil
	return token, err
}

// isUnseen reports whether err is the answer of a server that has found no credential where it looks for one.
func isUnseen(err error) bool {
	e, ok := errors.AsType[*oauth2.RetrieveError](err)
	return ok && e.Response.StatusCode == http.StatusBadRequest && (e.ErrorCode == "" || e.ErrorCode == "invalid_request")
}

// setLocked puts a token to use that was requested at start.
func (t *tokens) setLocked(token *oauth2.Token, start time.Time) {
	if t.token != nil {
		t.before = t.token.AccessToken
	}
	t.token, t.renew, t.over = token, time.Time{}, time.Time{}
	if !token.Expiry.IsZero() {
		left := max(time.Until(token.Expiry)-time.Since(start), tokenLeast) // counted from before it was issued
		t.over = time.Now().Add(left)
		t.renew = t.over.Add(-min(left/5, renewWithin))
	}
	t.hides = secret.New(token.AccessToken, t.before)
}

func (t *tokens) close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.end(errClosed)
	t.flights.Wait()
	t.client.CloseIdleConnections()
}

// style is what package oauth2 calls it.
func (s Style) style() oauth2.AuthStyle {
	if s == StyleBody {
		return oauth2.AuthStyleInParams
	}
	return oauth2.AuthStyleInHeader
}
