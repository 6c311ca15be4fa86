package http

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/icholy/digest"

	"github.com/tidewire/tidewire/internal/negotiate"
)

// maxDigest is how often a request is sent at most: without a challenge or with one that is over, with a new one, and once
// more if another request has used that up meanwhile.
const maxDigest = 3

// A digestAuth answers the challenges of a server by the scheme Digest (RFC 7616). All requests to the server use its
// newest challenge, so only the first of them, and the first one after the challenge is over, is sent twice. A password
// that is wrong is tried once for each request.
type digestAuth struct {
	login Login

	mu      sync.Mutex // guards the fields below
	session *digestSession
	used    int // how many requests have used its nonce
}

// A digestSession is what follows from a challenge. It is not changed.
type digestSession struct {
	challenge digest.Challenge // with the newest nonce
	algorithm string           // as the server calls it; that of challenge is without -sess
	cnonce    string
	a1        string // with -sess: the hash that stands for the login from the first nonce on (RFC 7616 §3.4.2)
}

// sess ends the name of an algorithm that makes a key of a session.
const sess = "-sess"

// hashes are those of the algorithms, as the library has them.
var hashes = map[string]func() hash.Hash{"": md5.New, "MD5": md5.New, "SHA-256": sha256.New, "SHA-512": sha512.New, "SHA-512-256": sha512.New512_256}

// newDigestSession begins a session with a challenge. It returns nil if that cannot be answered.
func newDigestSession(c *digest.Challenge, login Login, cnonce string) *digestSession {
	s := &digestSession{challenge: *c, algorithm: c.Algorithm, cnonce: cnonce}
	hashed, isSession := strings.CutSuffix(strings.ToUpper(c.Algorithm), strings.ToUpper(sess))
	if isSession {
		s.challenge.Algorithm = hashed
	}
	if !digest.CanDigest(&s.challenge) || isSession && (hashed == "" || len(c.QOP) == 0) { // without qop no cnonce is sent
		return nil
	}
	if isSession {
		sum := func(text string) string {
			h := hashes[hashed]()
			h.Write([]byte(text))
			return hex.EncodeToString(h.Sum(nil))
		}
		s.a1 = sum(sum(login.User+":"+c.Realm+":"+login.Password) + ":" + c.Nonce + ":" + s.cnonce)
	}
	return s
}

// authorise answers the challenge in the header of r, whose use of the nonce has a number.
func (s *digestSession) authorise(r *http.Request, login Login, use int) error {
	answer, err := digest.Digest(&s.challenge, digest.Options{
		Method: r.Method, URI: r.URL.RequestURI(), GetBody: r.GetBody, Count: use,
		Username: login.User, Password: login.Password, A1: s.a1, Cnonce: s.cnonce,
	})
	if err != nil {
		return err
	}
	answer.Algorithm = s.algorithm
	r.Header.Set("Authorization", answer.String())
	return nil
}

// use returns the newest session and the number of this use, nil if there is none.
func (d *digestAuth) use() (*digestSession, int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.session == nil {
		return nil, 0
	}
	d.used++
	return d.session, d.used
}

// take makes a session the newest one, used once.
func (d *digestAuth) take(s *digestSession) (*digestSession, int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.session, d.used = s, 1
	return s, 1
}

// forget drops a session whose challenge was answered in vain.
func (d *digestAuth) forget(s *digestSession) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.session == s {
		d.session = nil
	}
}

// renew goes on with the nonce that an answer to a request of a session names, if it does (RFC 7616 §3.5).
func (d *digestAuth) renew(s *digestSession, h http.Header) {
	nonce := nextNonce(h)
	if s == nil || nonce == "" {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.session == s && nonce != s.challenge.Nonce {
		next := *s
		next.challenge.Nonce = nonce
		d.session, d.used = &next, 0
	}
}

// nextNonce is nextnonce of Authentication-Info; empty: there is none.
func nextNonce(h http.Header) string {
	for member := range negotiate.Members(h.Values("Authentication-Info")) {
		if !isParameter(member) || !strings.EqualFold(firstToken(member), "nextnonce") {
			continue
		}
		if c, err := digest.ParseChallenge(digest.Prefix + "nonce" + member[len("nextnonce"):]); err == nil {
			return c.Nonce
		}
	}
	return ""
}

func (d *digestAuth) roundTrip(r *http.Request, send sender) (*http.Response, error) {
	if isAuthorised(r) {
		return send(r)
	}
	session, use := d.use()
	for sent := 0; ; {
		one := again(r, sent > 0)
		if session != nil {
			if err := session.authorise(one, d.login, use); err != nil {
				closeBody(one)
				return nil, err
			}
		}
		resp, err := send(one)
		sent++
		if err != nil {
			return resp, err
		}
		if resp.StatusCode != http.StatusUnauthorized {
			d.renew(session, resp.Header)
			return resp, nil
		}
		asked := d.asked(resp.Header)
		if asked == nil {
			d.forget(session)
			return noDigest(resp)
		}
		if sent == maxDigest || sent > 1 && !asked.challenge.Stale || again(r, true) == nil {
			d.forget(session)
			return resp, nil // the login is wrong
		}
		drain(resp)
		session, use = d.take(asked)
	}
}

func (d *digestAuth) close() {}

// asked begins a session with the first challenge of an answer that can be answered (RFC 7616 §3.7); nil if there is none.
func (d *digestAuth) asked(h http.Header) *digestSession {
	for text := range challengesOf(h) {
		if c, err := parseDigest(text); err == nil {
			if s := newDigestSession(c, d.login, rand.Text()); s != nil {
				return s
			}
		}
	}
	return nil
}

// parseDigest parses a challenge for digest. The library leaves spaces in the list of qop.
func parseDigest(text string) (*digest.Challenge, error) {
	c, err := digest.ParseChallenge(text)
	if err != nil {
		return nil, err
	}
	for i, q := range c.QOP {
		c.QOP[i] = strings.ToLower(strings.TrimSpace(q))
	}
	c.QOP = slices.DeleteFunc(c.QOP, func(q string) bool { return q == "" })
	return c, nil
}

// noDigest returns the answer resp, which asks for a credential but has no challenge that can be answered, or why not if
// that is known.
func noDigest(resp *http.Response) (*http.Response, error) {
	var asks, digests []string
	for text := range challengesOf(resp.Header) {
		scheme := firstToken(text)
		if !strings.EqualFold(scheme, "digest") {
			asks = append(asks, scheme)
			continue
		}
		c, err := parseDigest(text)
		if err != nil {
			drain(resp)
			return nil, errors.New("401 Unauthorized: the challenge for digest cannot be read")
		}
		digests = append(digests, strings.TrimSpace(c.Algorithm+" "+strings.Join(c.QOP, ",")))
	}
	switch {
	case len(digests) > 0:
		drain(resp)
		return nil, fmt.Errorf("401 Unauthorized: the server asks for digest with %s, which is not supported", strings.Join(digests, " or "))
	case len(asks) == 0:
		return resp, nil
	}
	drain(resp)
	return nil, fmt.Errorf("401 Unauthorized: the server asks for %s, not for digest", strings.Join(asks, " or "))
}
