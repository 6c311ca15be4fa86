package http

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/icholy/digest"
)

// maxDigest is how often a request is sent at most: without a challenge or with one that is over, with a new one, and once
// more if another request has used that up meanwhile.
const maxDigest = 3

// A digestAuth answers the challenges of a server by the scheme Digest (RFC 7616). All requests to the server use its
// newest challenge, so only the first of them, and the first one after the challenge is over, is sent twice. A password
// that is wrong is tried once for each request.
type digestAuth struct {
	login Login

	mu        sync.Mutex // guards the fields below
	challenge *digest.Challenge
	used      int // how many requests have used it
}

// use returns the newest challenge and the number of its use, nil if there is none.
func (d *digestAuth) use() (*digest.Challenge, int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.challenge == nil {
		return nil, 0
	}
	d.used++
	return d.challenge, d.used
}

// take makes a challenge the newest one, used once.
func (d *digestAuth) take(c *digest.Challenge) (*digest.Challenge, int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.challenge, d.used = c, 1
	return c, 1
}

// forget drops a challenge that was answered in vain.
func (d *digestAuth) forget(c *digest.Challenge) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.challenge == c {
		d.challenge = nil
	}
}

func (d *digestAuth) roundTrip(r *http.Request, send sender) (*http.Response, error) {
	if isAuthorised(r) {
		return send(r)
	}
	challenge, use := d.use()
	for sent := 0; ; {
		one := again(r, sent > 0)
		if challenge != nil {
			answer, err := digest.Digest(challenge, digest.Options{
				Method: one.Method, URI: one.URL.RequestURI(), GetBody: one.GetBody, Count: use,
				Username: d.login.User, Password: d.login.Password,
			})
			if err != nil {
				closeBody(one)
				return nil, err
			}
			one.Header.Set("Authorization", answer.String())
		}
		resp, err := send(one)
		sent++
		if err != nil || resp.StatusCode != http.StatusUnauthorized {
			return resp, err
		}
		asked, err := digest.FindChallenge(resp.Header)
		if err != nil {
			d.forget(challenge)
			return noDigest(resp)
		}
		if sent == maxDigest || sent > 1 && !asked.Stale || again(r, true) == nil {
			d.forget(challenge)
			return resp, nil // the login is wrong
		}
		drain(resp)
		challenge, use = d.take(asked)
	}
}

func (d *digestAuth) close() {}

// noDigest returns the answer resp, which asks for a credential but has no challenge that can be answered, or why not if
// that is known.
func noDigest(resp *http.Response) (*http.Response, error) {
	var asks []string
	for _, header := range resp.Header.Values("WWW-Authenticate") {
		scheme, _, _ := strings.Cut(header, " ")
		if strings.EqualFold(scheme, "digest") {
			drain(resp)
			c, err := digest.ParseChallenge(header)
			if err != nil {
				return nil, errors.New("401 Unauthorized: the challenge for digest cannot be read")
			}
			return nil, fmt.Errorf("401 Unauthorized: the server asks for digest with %s %s, which is not supported",
				c.Algorithm, strings.Join(c.QOP, ","))
		}
		asks = append(asks, scheme)
	}
	if len(asks) == 0 {
		return resp, nil
	}
	drain(resp)
	return nil, fmt.Errorf("401 Unauthorized: the server asks for %s, not for digest", strings.Join(asks, " or "))
}
