package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidewire/tidewire/internal/config"
	regular "github.com/tidewire/tidewire/internal/file"
	"github.com/tidewire/tidewire/internal/httpclient"
	"github.com/tidewire/tidewire/internal/text"
	"github.com/tidewire/tidewire/sse"
)

// Environment variables of the commands that talk to a gateway.
const (
	envURL   = "TIDEWIRE_URL"
	envToken = "TIDEWIRE_TOKEN"
)

// gatewayURL returns the URL of the gateway if none is given.
func gatewayURL() string {
	if address := os.Getenv(envURL); address != "" {
		return address
	}
	return "http://127.0.0.1:8480"
}

const (
	maxAnswer = 64 << 20         // bytes of the body of an answer
	answerFor = 30 * time.Second // time limit of an answer, except for long polls
)

// silence is how long a stream may be silent before the connection is given up: less than two of the gateway's
// heartbeats, which come every 15 s. It is a variable for tests.
var silence = 25 * time.Second

// A remote is a gateway that is reached by HTTP. It is safe for concurrent use.
type remote struct {
	base   *url.URL
	header http.Header       // of every request
	socket string            // the path of its unix socket; "" if it has a URL
	dial   http.RoundTripper // makes the requests
}

// String returns the gateway's address as given to the command.
func (r *remote) String() string {
	if r.socket != "" {
		return "unix:" + r.socket
	}
	return r.base.Redacted()
}

// dialUnix returns a transport that makes requests through a unix socket, whatever host they name.
func dialUnix(path string) http.RoundTripper {
	return httpclient.New(httpclient.Options{
		Proxy: func(*http.Request) (*url.URL, error) { return nil, nil },
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	})
}

// urlFlag adds --url.
func urlFlag(cmd *cobra.Command, address *string) {
	cmd.Flags().StringVar(address, "url", gatewayURL(), "`URL` of the gateway; $"+envURL+" sets another default")
}

// tokenFlag adds --token-file.
func tokenFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().
		StringVar(file, "token-file", "", "`file` that holds the token to sign in with; without it, $"+envToken+" is used")
	_ = cmd.MarkFlagFilename("token-file") // the flag is there
}

// maxTokenFile bounds the bytes of a file with a token.
const maxTokenFile = 64 << 10

// newRemote returns the gateway at address, with the token in tokenFile, or else in the environment. Errors do not
// quote the token.
func newRemote(address, tokenFile string) (*remote, error) {
	r := &remote{dial: httpclient.Default.Transport}
	if path, ok := strings.CutPrefix(address, "unix:"); ok && path != "" {
		r.socket, r.dial, address = path, dialUnix(path), "http://localhost"
	}
	base, err := url.Parse(address)
	if err != nil || (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
		return nil, usageError(
			fmt.Sprintf(
				"%q is not the URL of a gateway: write a URL such as http://127.0.0.1:8480, or unix:/run/tidewire/tidewire.sock",
				address,
			),
		)
	}
	base.RawQuery, base.Fragment = "", ""
	token, from := os.Getenv(envToken), "$"+envToken
	if tokenFile != "" {
		data, err := regular.Read(tokenFile, maxTokenFile)
		if err != nil {
			return nil, fmt.Errorf("read the token: %w", err)
		}
		token, from = strings.TrimSpace(string(data)), tokenFile
		if token == "" {
			return nil, fmt.Errorf("%s contains no token", tokenFile)
		}
	}
	r.base, r.header = base, http.Header{"User-Agent": {"tidewire/" + version()}}
	if strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return nil, fmt.Errorf(
			"the token in %s is not valid: it contains spaces, line breaks or non-ASCII characters", from,
		)
	}
	if token != "" {
		r.header.Set("Authorization", "Bearer "+token)
	}
	return r, nil
}

// url returns the URL of a path of the API. Each element is a name, whatever characters it has.
func (r *remote) url(path ...string) *url.URL {
	elements := []string{"api/v1"}
	for _, name := range path {
		name = url.PathEscape(name)
		if name == "." || name == ".." { // which would be resolved
			name = strings.ReplaceAll(name, ".", "%2E")
		}
		elements = append(elements, name)
	}
	return r.base.JoinPath(elements...)
}

// request returns a GET request for a path of the API.
func (r *remote) request(ctx context.Context, path ...string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url(path...).String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header = r.header.Clone()
	return req, nil
}

// get decodes the answer to a GET into v; its errors are those of do.
func (r *remote) get(ctx context.Context, v any, path ...string) (http.Header, error) {
	return r.query(ctx, v, nil, path...)
}

// query is get with a query.
func (r *remote) query(ctx context.Context, v any, query url.Values, path ...string) (http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, answerFor)
	defer cancel()
	req, err := r.request(ctx, path...)
	if err != nil {
		return nil, err
	}
	req.URL.RawQuery = query.Encode()
	header, body, err := r.do(req)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return nil, fmt.Errorf("%s does not answer like a gateway: %w", req.URL.Redacted(), err)
	}
	return header, nil
}

// post sends a body as JSON by POST, and decodes the answer into v; its errors are those of do.
func (r *remote) post(ctx context.Context, v, body any, path ...string) error {
	return r.send(ctx, http.MethodPost, v, body, path...)
}

// send is post with another method; v and body may be nil.
func (r *remote) send(ctx context.Context, method string, v, body any, path ...string) error {
	ctx, cancel := context.WithTimeout(ctx, answerFor)
	defer cancel()
	req, err := r.request(ctx, path...)
	if err != nil {
		return err
	}
	req.Method = method
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return err
		}
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(data)), int64(len(data))
		req.Header.Set("Content-Type", "application/json")
	}
	_, answer, err := r.do(req)
	if err != nil || v == nil {
		return err
	}
	if err := json.Unmarshal(answer, v); err != nil {
		return fmt.Errorf("%s does not answer like a gateway: %w", req.URL.Redacted(), err)
	}
	return nil
}

// do makes a request; it sends the token only to the gateway's origin. An answer that is no success is a
// [*sse.StatusError].
func (r *remote) do(req *http.Request) (http.Header, []byte, error) {
	resp, err := httpclient.KeepCredentials(&http.Client{Transport: r.dial}).Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode/100 != 2 {
		return nil, nil, &sse.StatusError{
			Method:     req.Method,
			URL:        req.URL.Redacted(),
			StatusCode: resp.StatusCode,
			Header:     resp.Header,
			Body:       body[:min(len(body), 4<<10)],
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the answer of %s: %w", req.URL.Redacted(), err)
	}
	return resp.Header, body, nil
}

// ended returns how a command ends whose last request gave err: interrupted, if ctx was, else with err explained.
func (r *remote) ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return exitStatus(exitInterrupted)
	}
	return r.explained(err)
}

// explained returns err in terms of the command line: the text of a gateway's problem, and what to do about it.
func (r *remote) explained(err error) error {
	var status *sse.StatusError
	var dial *url.Error
	switch {
	case errors.As(err, &status) && status.StatusCode == http.StatusUnauthorized && r.header.Get("Authorization") != "":
		return fmt.Errorf(
			"%s does not accept the token from --token-file or $%s: has it been replaced there?", r, envToken,
		)
	case errors.As(err, &status) && status.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("%s requires a token: give one with --token-file or in $%s", r, envToken)
	case errors.As(err, &status):
		return &refusal{status, problemText(status)}
	case errors.As(err, &dial):
		return fmt.Errorf("%s cannot be reached: %w", r, dial.Err)
	}
	return err
}

// A refusal is an answer by which a gateway refuses a request.
type refusal struct {
	*sse.StatusError
	text string
}

func (e *refusal) Error() string { return e.text }
func (e *refusal) Unwrap() error { return e.StatusError }

// problemText returns the text of the RFC 9457 problem in an answer, with one line for each part that is wrong.
func problemText(status *sse.StatusError) string {
	var p struct {
		Detail string
		Errors []struct{ Pointer, Detail string }
	}
	if json.Unmarshal(bytes.TrimSpace(status.Body), &p) != nil || p.Detail == "" {
		return status.Error()
	}
	said := text.Line(p.Detail)
	for _, e := range p.Errors {
		where := strings.TrimPrefix(strings.TrimPrefix(e.Pointer, "#/"), "args/")
		if what, ok := strings.CutSuffix(e.Detail, config.AFile); ok { // who types a command writes no JSON
			e.Detail = what + "write " + where + "=@PATH"
		}
		said += "\n  " + text.Line(where+": "+e.Detail)
	}
	return said
}
