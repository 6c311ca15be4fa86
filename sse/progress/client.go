package progress

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/httpclient"
	"github.com/tidewire/tidewire/sse"
)

// maxSnapshot bounds the snapshots and answers that a Client reads.
const maxSnapshot = 1 << 20

// Client starts jobs on a server, follows them to their end and cancels them. The server is a [Handler], or the runs
// API of the gateway. It may be used from any number of goroutines; its fields must not be changed meanwhile.
type Client struct {
	// HTTP makes the requests. It should have no Timeout, which would bound the life of a stream. Nil means a shared
	// client, as in [sse.Client].
	HTTP *http.Client

	// URL is where a POST starts a run: that of a Handler, or /api/v1/jobs/NAME/runs of the gateway. Header goes only
	// to its origin.
	URL string

	// Header is sent with every request to URL's origin, for instance Authorization. Where the server's answer leads to
	// another origin (scheme, host or port; http to https on the standard ports of a host aside), by a redirect or by
	// the URLs of the run, a request has only headers that describe it, such as Accept.
	Header http.Header

	// Silence is as in [sse.Client], except that zero means 75 seconds, 2.5 times a Tracker's default heartbeat.
	Silence time.Duration

	// OnConnect, if not nil, is as in [sse.Client]: [Run.Follow] calls it when a connection has its stream, before the
	// first snapshot.
	OnConnect func(*http.Response)

	// OnRetry, if not nil, is as in [sse.Client]: [Run.Follow] calls it when its connection has ended, before it tries
	// again.
	OnRetry func(err error, wait time.Duration)
}

// Run is a run on a server, as returned by [Client.Start] or [Client.Attach].
type Run struct {
	ID        string
	Coalesced bool // it was running already

	client *Client
	at     *url.URL // the URL of the run
	events *url.URL // the URL of its stream
}

// URL returns the run's own URL. A program that stores it can attach to the run again after a restart, by
// [Client.Attach].
func (r *Run) URL() string { return r.at.String() }

// Start asks for a run, with body encoded as JSON unless it is nil, and returns the one that was started or joined. The
// request has a new Idempotency-Key, since [http.Transport] repeats a request that has one when a connection breaks. An
// answer other than 200 and 202 is a [*sse.StatusError].
func (c *Client) Start(ctx context.Context, body any) (*Run, error) {
	run, err := c.start(ctx, body)
	if err != nil {
		return nil, fmt.Errorf("progress: start a run: %w", err)
	}
	return run, nil
}

func (c *Client) start(ctx context.Context, body any) (*Run, error) {
	var encoded []byte
	if body != nil {
		var err error
		if encoded, err = json.Marshal(body); err != nil {
			return nil, fmt.Errorf("encode the body: %w", err)
		}
	}
	req, err := c.request(ctx, http.MethodPost, c.URL, encoded)
	if err != nil {
		return nil, err
	}
	setDefault(req.Header, "Idempotency-Key", rand.Text())
	resp, data, err := c.do(req)
	if err != nil {
		return nil, err
	}
	var a answer
	if err := json.Unmarshal(data, &a); err != nil {
		return nil, fmt.Errorf("decode the answer: %w", err)
	}
	if a.ID == "" {
		return nil, errors.New("the answer names no run: an object with an id is needed")
	}
	run := &Run{ID: a.ID, Coalesced: a.Coalesced, client: c}
	if run.at, err = resp.Location(); err != nil {
		return nil, err
	}
	if run.events, err = resp.Request.URL.Parse(cmp.Or(a.Events, run.at.String())); err != nil {
		return nil, fmt.Errorf("the answer's events: %w", err)
	}
	return run, nil
}

// Follow yields the newest snapshot of the run at once, then later ones, and ends after the terminal, which is Final.
// It reconnects as [sse.Client.Events] does, for as long as ctx lasts, so a server that cannot be reached does not end
// it. If it cannot continue, the last pair is an error without a snapshot: ctx's; one that wraps [ErrNoTopic] if the
// server does not have the run any more, or has begun another one in its place; or another [*sse.StatusError].
func (r *Run) Follow(ctx context.Context) iter.Seq2[Snapshot, error] {
	return func(yield func(Snapshot, error) bool) {
		fail := func(err error) { yield(Snapshot{}, fmt.Errorf("progress: follow run %s: %w", r.ID, orNoTopic(err))) }
		req, err := r.client.request(ctx, http.MethodGet, r.events.String(), nil)
		if err != nil {
			fail(err)
			return
		}
		stream := &sse.Client{
			HTTP:           r.client.HTTP,
			MaxEvent:       maxSnapshot,
			Silence:        cmp.Or(r.client.Silence, 5*defaultDuration/2),
			StopAtTerminal: true,
			OnConnect:      r.client.OnConnect,
			OnRetry:        r.client.OnRetry,
		}
		for ev, err := range stream.Events(ctx, req) {
			switch {
			case ctx.Err() != nil:
				yield(Snapshot{}, context.Cause(ctx))
				return
			case err != nil:
				fail(err)
				return
			case ev.Name != "": // a control event
				continue
			}
			run, n, _ := strings.Cut(ev.ID, "-")
			if run != r.ID {
				fail(fmt.Errorf("%w: its end was missed, and run %q has begun", ErrNoTopic, run))
				return
			}
			s := Snapshot{Run: run, Final: n == "end", Data: ev.Data}
			if !yield(s, nil) || s.Final {
				return
			}
		}
		fail(noTopicError{errors.New("the server says that there is no more, but sent no end")})
	}
}

// Cancel asks the run to stop, for all of its followers, and returns once the server has accepted that; Follow yields
// the end. It is not an error if the run is over. An answer other than 200 and 202 is a [*sse.StatusError], and also
// [ErrNoTopic] if the server does not have the run any more.
func (r *Run) Cancel(ctx context.Context) error {
	method, at := http.MethodDelete, r.at
	if r.events.Path == r.at.Path+"/events" { // a runs API, where DELETE deletes the record
		method, at = http.MethodPost, r.at.JoinPath("cancel")
	}
	req, err := r.client.request(ctx, method, at.String(), nil)
	if err == nil {
		_, _, err = r.client.do(req)
	}
	if err != nil {
		return fmt.Errorf("progress: cancel run %s: %w", r.ID, orNoTopic(err))
	}
	return nil
}

// noTopicError is an error that says that there is no such run.
type noTopicError struct{ error }

func (e noTopicError) Unwrap() []error { return []error{e.error, ErrNoTopic} }

// orNoTopic returns err, which is also ErrNoTopic if it is an answer that says that there is no such run.
func orNoTopic(err error) error {
	var status *sse.StatusError
	if errors.As(err, &status) && (status.StatusCode == http.StatusNotFound || status.StatusCode == http.StatusGone) {
		return noTopicError{err}
	}
	return err
}

// request makes a request with the Client's header.
func (c *Client) request(ctx context.Context, method, at string, body []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, at, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if own, err := url.Parse(c.URL); err == nil && httpclient.SameOrigin(own, req.URL) && c.Header != nil {
		req.Header = c.Header.Clone()
	}
	if method == http.MethodPost {
		setDefault(req.Header, "Content-Type", "application/json")
	}
	return req, nil
}

// do makes a request whose answer is 200 or 202.
func (c *Client) do(req *http.Request) (*http.Response, []byte, error) {
	resp, err := httpclient.KeepCredentials(c.HTTP).Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxSnapshot))
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusAccepted {
		return nil, nil, &sse.StatusError{
			Method:     req.Method,
			URL:        req.URL.Redacted(),
			StatusCode: resp.StatusCode,
			Header:     resp.Header,
			Body:       body[:min(len(body), 4<<10)],
		}
	}
	return resp, body, err
}

// setDefault sets a header that is not set.
func setDefault(h http.Header, key, value string) {
	if h.Get(key) == "" {
		h.Set(key, value)
	}
}
