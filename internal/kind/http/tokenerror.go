package http

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/secret"
)

// checkToken says what is wrong with a token that a server has issued, nil if nothing is.
func checkToken(token *oauth2.Token) error {
	switch {
	case len(token.AccessToken) > maxToken:
		return errors.New("the token is longer than 16 KiB")
	case strings.ContainsFunc(token.Type()+" "+token.AccessToken, func(c rune) bool { return c < ' ' || c >= 0x7f }):
		return errors.New("the token has characters that no header may have")
	case secret.TooShort(token.AccessToken):
		return errors.New("the token is too short to be hidden in what an upstream says")
	}
	return nil
}

// A tokenError says why there is no token. What it quotes has no secrets.
type tokenError struct {
	text  string
	err   error
	after time.Duration // see [StatusError.After]
}

func (e *tokenError) Error() string { return e.text }
func (e *tokenError) Unwrap() error { return e.err }

// RetryAfter returns how long the server of tokens wants to be left alone, 0 if it does not say.
func (e *tokenError) RetryAfter() time.Duration { return e.after }

// A tokenRefusal is a [tokenError] that the server of tokens has answered. It is a [kind.Refusal].
type tokenRefusal struct {
	*tokenError
	limited bool
}

func (e *tokenRefusal) Unwrap() error { return e.tokenError }

// Limited implements [kind.Refusal].
func (e *tokenRefusal) Limited() bool { return e.limited }

// failure is the error for a request for a token that failed.
func (t *tokens) failure(ctx context.Context, start time.Time, err error) error {
	what := "no token from " + t.at
	refused, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok {
		failed := kind.Fail(ctx, start, what, tokenReason(err), err, t.secrets)
		return &tokenError{text: failed.Text, err: failed}
	}
	status := statusError(refused.Response, http.MethodPost, refused.Response.Request.URL, t.secrets)
	said := status.Status
	if text := Says(refused.Response.Header, refused.Body, t.secrets); refused.ErrorCode == "" && text != "" {
		said += ": " + text
	}
	if refused.ErrorCode != "" {
		said = refused.ErrorCode
		if refused.ErrorDescription != "" {
			said += ": " + refused.ErrorDescription
		}
		said = kind.Brief(said, t.secrets)
	}
	if t.tries && status.Code == http.StatusUnauthorized {
		said += " (the credential was in the header Authorization; style: body sends it in the body)"
	}
	return &tokenRefusal{
		tokenError: &tokenError{text: what + ": " + said, err: err, after: status.After},
		limited:    status.Limited(),
	}
}

// tokenReason is [Reason] of what the library for tokens says.
func tokenReason(err error) string {
	if text, ok := strings.CutPrefix(err.Error(), "oauth2: "); ok {
		if strings.HasPrefix(text, "cannot parse") { // it may quote the answer
			return "the answer cannot be read: want JSON with a whole number as expires_in, or a form, of at most 1 MiB"
		}
		return text
	}
	return Reason(err)
}
