// Package hook verifies that whoever sends a request to a hook has its secret: by a signature, or by the secret itself as a token.
//
// That has two steps, so that what is forged costs little: [Verifier.Begin] looks at the headers alone, before any of the
// body is read; [Check.Verify] compares what was written to the Check since with what the headers say. Comparisons take the same
// time whatever is wrong.
//
// No error has the secret, or anything from which it could be found.
package hook

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Scheme is how a service proves that it has a secret.
type Scheme string

// The values of [Scheme].
const (
	// HMAC is a signature of the body by HMAC-SHA256 in a header, in hexadecimal digits or base64, alone or behind a name such
	// as sha256=. GitHub, Gitea and many others do that.
	HMAC Scheme = "hmac_sha256"
	// Token is the secret itself in a header, alone or behind Bearer. GitLab does that.
	Token Scheme = "token"
	// Stripe is a signature of the time and the body: Stripe-Signature: t=TIME,v1=HEX.
	Stripe Scheme = "stripe"
	// Slack is another one: X-Slack-Signature: v0=HEX and X-Slack-Request-Timestamp: TIME.
	Slack Scheme = "slack"
	// Standard is that of standardwebhooks.com: webhook-id, webhook-timestamp and webhook-signature: v1,BASE64. Svix has svix- in
	// place of webhook- unless its customer pays for that.
	Standard Scheme = "standard"
)

// Default headers of [HMAC] and [Token].
const (
	SignatureHeader = "X-Hub-Signature-256"
	TokenHeader     = "Authorization"
)

// Tolerance is by how much the time of a signature may differ from that of the machine, unless set.
const Tolerance = 5 * time.Minute

// Bounds of what a request can have in its headers.
const (
	maxHeader     = 4 << 10 // bytes
	maxSignatures = 8       // as while a secret is exchanged
)

// A Verifier has a secret. It is not changed; any goroutine may use it.
type Verifier struct {
	Scheme    Scheme
	Secret    string
	Header    string        // of HMAC and Token; empty: SignatureHeader, TokenHeader
	Tolerance time.Duration // of the others; 0: Tolerance
}

// String hides the secret.
func (v Verifier) String() string { return "a verifier by " + string(v.Scheme) }

// MarshalText returns what String does.
func (v Verifier) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// Headers returns the headers by which a request is verified, in their canonical form.
func (v *Verifier) Headers() []string {
	switch v.Scheme {
	case Stripe:
		return []string{"Stripe-Signature"}
	case Slack:
		return []string{"X-Slack-Signature", slackTime}
	case Standard:
		return slices.Concat(standardHeaders("Webhook-"), standardHeaders("Svix-"))
	case Token:
		return []string{http.CanonicalHeaderKey(cmp.Or(v.Header, TokenHeader))}
	}
	return []string{http.CanonicalHeaderKey(cmp.Or(v.Header, SignatureHeader))}
}

const slackTime = "X-Slack-Request-Timestamp"

// standardHeaders are the headers of [Standard] with the signature, the ID and the time.
func standardHeaders(prefix string) []string {
	return []string{prefix + "Signature", prefix + "Id", prefix + "Timestamp"}
}

// Errors of a check, beside those that say which header is wrong.
var (
	// ErrForged is why a request is refused that was not signed with the secret.
	ErrForged = errors.New("it is not signed with the secret of this hook")
	// ErrNoSecret is why a request is refused whose token is not the secret.
	ErrNoSecret = errors.New("it does not have the token of this hook")
)

// A Check is one request while it is verified. It is for one goroutine.
type Check struct {
	mac        hash.Hash // nil: everything is known
	signatures [][]byte
	id         string
}

// Begin checks the headers of a request that has come at a time of the wall clock. After it the body is written to the Check. The error,
// which has no secret, says what is wrong.
func (v *Verifier) Begin(h http.Header, now time.Time) (*Check, error) {
	names := v.Headers()
	if v.Scheme == Standard && len(h[names[0]]) == 0 && len(h[names[3]]) > 0 {
		names = names[3:]
	}
	name := names[0]
	values := h.Values(name)
	switch {
	case len(values) == 0 || values[0] == "":
		return nil, fmt.Errorf("it has no header %s", name)
	case len(values) > 1:
		return nil, fmt.Errorf("it has the header %s twice", name)
	case len(values[0]) > maxHeader:
		return nil, fmt.Errorf("its header %s is longer than %d bytes", name, maxHeader)
	}
	if v.Scheme == Token {
		return new(Check), v.compareToken(values[0])
	}
	prefix, signatures, id := "", [][]byte(nil), ""
	switch v.Scheme {
	case Stripe:
		var at string
		at, signatures = stripe(values[0])
		if err := v.isFresh(name, at, now); err != nil {
			return nil, err
		}
		prefix = at + "."
	case Slack:
		at := h.Get(slackTime)
		if err := v.isFresh(slackTime, at, now); err != nil {
			return nil, err
		}
		prefix, signatures = "v0:"+at+":", signatureOf(strings.TrimPrefix(values[0], "v0="))
	case Standard:
		at := h.Get(names[2])
		if err := v.isFresh(names[2], at, now); err != nil {
			return nil, err
		}
		if id = h.Get(names[1]); id == "" || len(id) > maxHeader {
			return nil, fmt.Errorf("it has no header %s of at most %d bytes", names[1], maxHeader)
		}
		prefix, signatures = id+"."+at+".", standard(values[0])
	default:
		signatures = signatureOf(values[0])
	}
	if signatures == nil {
		return nil, fmt.Errorf("its header %s has no signature by HMAC-SHA256", name)
	}
	c := &Check{mac: hmac.New(sha256.New, v.key()), signatures: signatures, id: id}
	c.mac.Write([]byte(prefix))
	return c, nil
}

// Write takes the next bytes of the body. It never fails.
func (c *Check) Write(p []byte) (int, error) {
	if c.mac != nil {
		c.mac.Write(p)
	}
	return len(p), nil
}

// Verify returns why the request is refused whose body was written, nil if it is genuine.
func (c *Check) Verify() error {
	if c.mac == nil {
		return nil
	}
	want, ok := c.mac.Sum(nil), 0
	for _, got := range c.signatures {
		ok |= subtle.ConstantTimeCompare(got, want)
	}
	if ok != 1 {
		return ErrForged
	}
	return nil
}

// ID is what the service calls the request, which it has signed; empty if its scheme has no such thing.
func (c *Check) ID() string { return c.id }

// IsSigned reports whether the body is signed.
func (c *Check) IsSigned() bool { return c.mac != nil }

// compareToken compares hashes, so that the time does not tell the length.
func (v *Verifier) compareToken(given string) error {
	if scheme, token, ok := strings.Cut(given, " "); ok && strings.EqualFold(scheme, "Bearer") {
		given = strings.TrimSpace(token)
	}
	got, want := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(v.Secret))
	if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
		return ErrNoSecret
	}
	return nil
}

// isFresh returns why a time of a signature, in seconds since 1970, is not that of the machine.
func (v *Verifier) isFresh(header, text string, now time.Time) error {
	at, err := strconv.ParseInt(text, 10, 64)
	if err != nil || at < 0 {
		return fmt.Errorf("its header %s has no time in seconds since 1970", header)
	}
	tolerance := cmp.Or(v.Tolerance, Tolerance)
	switch age := now.Sub(time.Unix(min(at, 1<<40), 0)).Truncate(time.Second); {
	case age > tolerance:
		return fmt.Errorf("it was signed %v ago, want at most %v: it is late, or sent again", age, tolerance)
	case age < -tolerance:
		return fmt.Errorf("it was signed %v from now, want at most %v: a clock is wrong", -age, tolerance)
	}
	return nil
}

// key is the secret of the HMAC.
func (v *Verifier) key() []byte {
	if v.Scheme == Standard {
		key, _ := StandardKey(v.Secret)
		return key
	}
	return []byte(v.Secret)
}

// StandardKey is the key in a secret of [Standard]: whsec_ and base64.
func StandardKey(secret string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
}
