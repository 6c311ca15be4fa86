package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// followOutput passes on the output of a run, in whole lines, until the run is over, ctx ends, or the gateway no longer
// has the run.
func followOutput(ctx context.Context, gw *remote, id string, tell func(lines []string)) {
	next, begun := "0", "" // where the next answer begins, and the unfinished line
	for {
		header, text, err := gw.output(ctx, id, next)
		var status *sse.StatusError
		switch {
		case ctx.Err() != nil || errors.As(err, &status) && !isPassing(status.StatusCode):
			return
		case err != nil:
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return
			}
			continue
		}
		next = header.Get("Tidewire-Next")
		if header.Get("Tidewire-Truncated") != "" {
			begun = ""
			tell([]string{"… (some output is missing here)"})
		}
		lines := strings.Split(begun+text, "\n")
		begun = lines[len(lines)-1]
		over := header.Get("Tidewire-End") != ""
		if !over {
			lines = lines[:len(lines)-1]
		}
		if lines = forPeople(lines); len(lines) > 0 {
			tell(lines)
		}
		if over {
			return
		}
	}
}

// forPeople removes empty lines, and lines meant for the gateway.
func forPeople(lines []string) []string {
	return slices.DeleteFunc(
		lines, func(l string) bool { return strings.TrimSpace(l) == "" || strings.HasPrefix(l, "::") },
	)
}

// output returns the output of a run from a place on. It waits until there is some.
func (r *remote) output(ctx context.Context, id, from string) (http.Header, string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := r.request(ctx, "runs", id, "output")
	if err != nil {
		return nil, "", err
	}
	req.URL.RawQuery = "from=" + from
	req.Header.Set("Prefer", "wait=25")
	header, text, err := r.do(req)
	if err == nil && header.Get("Tidewire-Next") == "" {
		err = fmt.Errorf("%s does not answer like a gateway", req.URL.Redacted())
	}
	return header, string(text), err
}
