package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/terminal"
	"github.com/tidewire/tidewire/internal/text"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse"
)

// followOutput passes on the output of a run, in whole lines that can be shown, for a screen in colours, until the run is over, ctx
// ends, or the gateway no longer has the run. The screen may be nil.
func followOutput(ctx context.Context, gw *remote, id string, screen *terminal.Screen, tell func(lines []string)) {
	next, begun := "0", "" // where the next answer begins, and the unfinished line
	for {
		header, printed, err := gw.output(ctx, id, next, screen != nil)
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
		lines := strings.Split(begun+printed, "\n")
		begun = lines[len(lines)-1]
		over := header.Get("Tidewire-End") != ""
		if !over {
			lines = lines[:len(lines)-1]
		}
		isStyled := header.Get("Content-Type") == linesType
		if isStyled {
			lines = painted(lines, screen)
		}
		if lines = forPeople(lines); len(lines) > 0 {
			if !isStyled {
				for i, line := range lines {
					lines[i] = text.Line(line)
				}
			}
			tell(lines)
		}
		if over {
			return
		}
	}
}

// linesType is the media type of output as a JSON object for each line.
const linesType = "application/x-ndjson"

// painted returns lines, of which each is a JSON object, as a screen shows them. It leaves out what is none.
func painted(objects []string, screen *terminal.Screen) (lines []string) {
	for _, object := range objects {
		var line wire.Line
		if json.Unmarshal([]byte(object), &line) == nil {
			lines = append(lines, paint(line, screen, text.Line))
		}
	}
	return lines
}

// paint returns a line as a screen shows it. Whatever a gateway answers, it has no other escapes than those of [text.Style].
func paint(line wire.Line, screen *terminal.Screen, safe func(string) string) string {
	var all strings.Builder
	for _, part := range line.Parts() {
		shown := safe(part.Text)
		if sgr := text.StyleOf(part.Style).SGR(); sgr != "" {
			shown = screen.Paint(terminal.Colour(sgr), shown)
		}
		all.WriteString(shown)
	}
	return all.String()
}

// forPeople removes empty lines, and lines meant for the gateway.
func forPeople(lines []string) []string {
	return slices.DeleteFunc(
		lines, func(l string) bool { return strings.TrimSpace(l) == "" || strings.HasPrefix(l, "::") },
	)
}

// output returns the output of a run from a place on, with its styles if the gateway has them and asked says so. It waits until there
// is some.
func (r *remote) output(ctx context.Context, id, from string, asked bool) (http.Header, string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := r.request(ctx, "runs", id, "output")
	if err != nil {
		return nil, "", err
	}
	req.URL.RawQuery = "from=" + from
	req.Header.Set("Prefer", "wait=25")
	if asked {
		req.Header.Set("Accept", linesType)
	}
	header, printed, err := r.do(req)
	if err == nil && header.Get("Tidewire-Next") == "" {
		err = fmt.Errorf("%s does not answer like a gateway", req.URL.Redacted())
	}
	return header, string(printed), err
}
