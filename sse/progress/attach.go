package progress

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/tidewire/tidewire/sse"
)

// Attach returns the run at a URL, to follow or cancel it without having started it. The URL is that of a job of a
// [Handler], for the job's current or last run, or that of one run, such as the Location of a start or /api/v1/runs/ID
// of the gateway. at is absolute, or relative to the Client's URL, and gets Header only at URL's origin.
//
// A program that stores [Run.URL] continues to follow its run after a restart: Attach returns the run, also when it has
// ended in the meantime, and [Run.Follow] yields its newest snapshot and what comes, or its end alone.
//
// Attach makes one request. Its error wraps [ErrNoTopic] if there is no such run, or none any more: the answer was 404
// or 410. Any other answer than 200 is a [*sse.StatusError] too; a request without an answer is a [*url.Error], and
// worth another attempt. A run without a snapshot cannot be told from others, so Attach fails until there is one;
// [Job.Run] publishes one before it calls the work.
func (c *Client) Attach(ctx context.Context, at string) (*Run, error) {
	run, err := c.attach(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("progress: attach: %w", orNoTopic(err))
	}
	return run, nil
}

func (c *Client) attach(ctx context.Context, at string) (*Run, error) {
	base, err := url.Parse(c.URL)
	if err != nil {
		return nil, err
	}
	u, err := base.Parse(at)
	if err != nil {
		return nil, err
	}
	req, err := c.request(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, _, err := c.do(req)
	if err != nil {
		return nil, err
	}
	id := runOfTag(resp.Header.Get("ETag"))
	if id == "" {
		return nil, fmt.Errorf("the answer of %s names no run: an ETag that begins with its id is needed, "+
			"which comes with its first snapshot", u)
	}
	run := &Run{ID: id, Coalesced: true, client: c}
	u = resp.Request.URL
	if one := strings.TrimSuffix(u.Path, "/events"); strings.HasSuffix(one, "/runs/"+id) { // a runs API
		run.at = u.ResolveReference(&url.URL{Path: one})
		run.events = run.at.JoinPath("events")
		return run, nil
	}
	own := *u
	query := own.Query()
	query.Set("run", id)
	own.RawQuery = query.Encode()
	run.at, run.events = &own, &own
	return run, nil
}

// runOfTag returns the run named by an entity tag of the form "<run>-<n>", "" for any other tag.
func runOfTag(tag string) string {
	tag = strings.TrimPrefix(tag, "W/")
	run, _, _ := strings.Cut(strings.Trim(tag, `"`), "-")
	if !sse.IsTerminalID(run + "-end") { // not a valid name of a run
		return ""
	}
	return run
}
