package jobs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/command"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/httpclient"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/text"
	"github.com/tidewire/tidewire/sse/progress"
)

const (
	minFollowInterval = 500 * time.Millisecond // between two requests to a monitor, whatever its server asks for
	maxFollowInterval = time.Minute            // likewise
	followInterval    = 2 * time.Second        // if the server does not ask for another one
	followTimeout     = 30 * time.Second       // of a request to a monitor
	maxResult         = 64 << 10               // bytes of a result that is kept
)

// An httpAction does the work of an HTTP job: it makes the request and, with follow, asks the
// monitor that the answer names until the operation there has ended.
//
// A monitor is the URL in Operation-Location, or the Location of a 202 (RFC 9110 §15.3.3). Its answers are read as
// [operation]. Cancelling the run ends the following alone: the operation itself belongs to its server.
type httpAction struct {
	*config.Job
	client *http.Client
	admit  func(ctx context.Context, upstream string) (done func(), err error)
}

// Do implements [Action].
func (j httpAction) Do(ctx context.Context, r *Run) (Result, error) {
	req, err := j.Request(ctx, r.args)
	if err != nil {
		return Result{}, err
	}
	r.secrets = r.secrets.With(req.Secrets...)
	answer, err := j.call(ctx, r, httpkind.Call{Method: req.Method, URL: req.URL, Header: req.Header, Body: req.Body})
	if err != nil {
		return Result{}, err
	}
	if !httpkind.Accepts(j.HTTP.Statuses, answer.Code) {
		r.printBody(answer)
		return Result{}, r.refused(req.Method, req.URL, answer)
	}
	monitor := answer.Header.Get("Operation-Location")
	if monitor == "" && answer.Code == http.StatusAccepted {
		monitor = answer.Header.Get("Location")
	}
	if !j.HTTP.Follow || monitor == "" {
		r.keepResult(answer, answer.Body)
		return Result{}, nil
	}
	at, err := req.URL.Parse(monitor)
	if err != nil || !httpclient.SameOrigin(req.URL, at) {
		return Result{}, fmt.Errorf("%s %s: its operation is at another place than %s://%s, so it is not followed",
			req.Method, shown(req.URL), req.URL.Scheme, req.URL.Host)
	}
	return Result{}, j.follow(ctx, r, httpkind.Call{Method: http.MethodGet, URL: at, Header: j.monitorHeader(req.Header)}, pause(answer))
}

// monitorHeader is what a monitor is asked with: the header of the upstream, and of that of the job what may be its credential. The
// rest is about the request.
func (j httpAction) monitorHeader(sent http.Header) http.Header {
	header := j.HTTP.Upstream.Header.Clone()
	for name, lines := range sent {
		if secret.Names(name) {
			header[name] = lines
		}
	}
	return header
}

// follow asks a monitor until its operation has ended. One that does not answer, or is
// overloaded, is asked again, up to the time-out of the run.
func (j httpAction) follow(ctx context.Context, r *Run, monitor httpkind.Call, wait time.Duration) error {
	for failures := 0; ; {
		if wait <= 0 {
			wait = followInterval << min(failures, 5)
		}
		select {
		case <-time.After(min(wait, maxFollowInterval)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		look, cancel := context.WithTimeoutCause(ctx, followTimeout, clock.TimedOut{After: followTimeout})
		answer, err := j.call(look, r, monitor)
		cancel()
		wait = 0
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			failures++
			r.report(func(p *progress.Progress) { p.Message = shorten(err.Error()) })
			continue
		case answer.Code >= 500, answer.Code == http.StatusTooManyRequests, answer.Code == http.StatusRequestTimeout:
			failures++
			wait = pause(answer)
			r.report(func(p *progress.Progress) { p.Message = "the operation is asked again: " + answer.Status })
			continue
		case answer.Code < 200 || answer.Code > 299:
			r.printBody(answer)
			return r.refused(monitor.Method, monitor.URL, answer)
		}
		failures, wait = 0, pause(answer)
		if over, err := r.takeOperation(answer); over {
			return err
		}
	}
}

// refused is the error for an answer whose status does not count as success, with the reason that its body gives.
func (r *Run) refused(method string, at *url.URL, answer *httpkind.Answer) error {
	text := fmt.Sprintf("%s %s: %s", method, shown(at), answer.Status)
	if said := httpkind.Says(answer.Header, answer.Body, r.secrets); said != "" {
		text += ": " + said
	}
	return errors.New(text)
}

// pause is how long the server of an operation asks to be left alone; 0 if it does not ask.
func pause(answer *httpkind.Answer) time.Duration {
	if answer.Header.Get("Retry-After") == "" {
		return 0
	}
	return max(answer.RetryAfter, minFollowInterval)
}

// call makes one request as soon as the limits of the upstream allow it, and notes it in the output.
func (j httpAction) call(ctx context.Context, r *Run, call httpkind.Call) (*httpkind.Answer, error) {
	done, err := j.admit(ctx, j.HTTP.Upstream.Name)
	if err != nil {
		r.print(fmt.Sprintf("%s %s: not sent: the limits of upstream %s allowed no request", call.Method, shown(call.URL), j.HTTP.Upstream.Name), true)
		return nil, err
	}
	defer done()
	call.Client, call.Secrets = j.client, r.secrets
	answer, err := call.Do(ctx)
	if err != nil {
		r.print(err.Error(), true)
		return nil, err
	}
	r.print(fmt.Sprintf("%s %s: %s", call.Method, shown(call.URL), answer.Status), false)
	return answer, nil
}

// keepResult makes body the run's result if it is JSON of a size that can be shown, and
// otherwise part of its output.
func (r *Run) keepResult(answer *httpkind.Answer, body []byte) {
	if len(bytes.TrimSpace(body)) == 0 {
		return
	}
	result, ok := r.resultOf(string(body))
	if !ok || len(result) > maxResult {
		r.printBody(answer)
		return
	}
	r.report(func(p *progress.Progress) { p.Result = result })
}

// printBody adds the beginning of an answer to the output.
func (r *Run) printBody(answer *httpkind.Answer) {
	const most = OutputTail / 2
	body, more := answer.Body, len(answer.Body) > most
	if more {
		body = body[:most]
	}
	shown := text.Plain(string(body))
	if more {
		shown = r.secrets.Cut(shown) + command.CutMark
	}
	for line := range strings.Lines(shown) {
		r.print(strings.TrimRight(line, "\n"), false)
	}
}

// shown is what of an address people may see.
func shown(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
}
