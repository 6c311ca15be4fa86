package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/explore"
	"github.com/tidewire/tidewire/internal/kind"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/internal/terminal"
	"github.com/tidewire/tidewire/internal/text"
	"github.com/tidewire/tidewire/internal/value"
)

// listed is how many leaves are shown, unless all are.
const listed = 60

// An answered is what a probe got.
type answered struct {
	body  string
	took  time.Duration
	trace string // of the poll, as tidewire poll --trace shows it
}

// look asks, shows what answers, and finds what is in that.
func (e *explorer) look() error {
	first, err := e.probe()
	if statusOf(err) == http.StatusUnauthorized && e.draft.UseDigest() {
		var again error
		if first, again = e.probe(); again == nil {
			e.note("the password is given by the scheme Digest")
			err = nil
		}
	}
	if err != nil {
		return e.advise(err)
	}
	e.showAnswer(first)
	leaves, more, err := e.read(first.body)
	if err != nil {
		return err
	}
	e.leaves = leaves
	if e.wait > 0 {
		if err := e.again(); err != nil {
			return err
		}
	}
	e.showLeaves(more)
	return nil
}

// probe makes the request once, or runs the program, or reads the file.
func (e *explorer) probe() (answered, error) {
	probe, err := e.draft.Probe(e.text)
	if err != nil {
		return answered{}, fmt.Errorf("%s: %w", e.file, err)
	}
	var trace strings.Builder
	began := time.Now()
	v, err := e.poll(probe, &trace)
	if err != nil {
		return answered{}, err
	}
	body, _ := v.(string)
	return answered{body, time.Since(began), trace.String()}, nil
}

// inFile is where what has no flag is written.
const inFile = "For %s write the upstream into a file, and name that by --write: it is used for its address"

// statusOf returns the status with which a server has refused a request, 0 if err is anything else.
func statusOf(err error) int {
	if refused, ok := errors.AsType[*httpkind.StatusError](err); ok {
		return refused.Code
	}
	return 0
}

// advise adds to an error what somebody who explores can do about it.
func (e *explorer) advise(err error) error {
	said, status := err.Error(), statusOf(err)
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		begin := "If it wants a credential"
		if e.asks {
			begin = "It does not take this credential. If it wants another one"
		}
		return fmt.Errorf("%w\n%s, give it one: --bearer '${env:TOKEN}', --header 'X-Api-Key: ${env:KEY}', or http://USER:PASSWORD@HOST.\n%s", err, begin,
			fmt.Sprintf(inFile, "OAuth 2.0"))
	case strings.Contains(said, "certificate of this client"):
		return fmt.Errorf("%w\n%s", err, fmt.Sprintf(inFile, "a certificate of this client"))
	case strings.Contains(said, "is link-local"):
		return fmt.Errorf("%w\nIf it is a device of yours, add --allow-link-local", err)
	case strings.Contains(said, "certificate"):
		return fmt.Errorf("%w\nIf it is a server of yours, add --ca FILE, or --insecure", err)
	}
	return err
}

// showAnswer shows what an answer says beside its value, in the words of the trace.
func (e *explorer) showAnswer(got answered) {
	size := sizeOf(len(got.body))
	_, after, found := strings.Cut(got.trace, "\nanswer after ")
	if !found {
		e.note("%s in %s", size, kind.Short(got.took))
		return
	}
	after, _, _ = strings.Cut(after, "\n\n")
	lines := strings.Split(after, "\n")
	status, media, certificate := "", "without a type", ""
	for i, line := range lines[1:] {
		line = strings.TrimSpace(line)
		switch of, ok := strings.CutPrefix(line, "Content-Type: "); {
		case i == 0:
			_, status, _ = strings.Cut(line, " ") // behind the protocol
		case ok:
			media = of
		case strings.HasPrefix(line, "certificate of "):
			certificate = line
		}
	}
	e.note("%s, %s, %s in %s", safe(status, 60), safe(media, 60), size, lines[0])
	if certificate != "" {
		e.note("%s", safe(certificate, e.columns()-1))
	}
}

func sizeOf(bytes int) string {
	switch {
	case bytes >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(bytes)/1e6)
	case bytes >= 1e4:
		return fmt.Sprintf("%.0f kB", float64(bytes)/1e3)
	}
	return count(bytes, "byte")
}

// read parses an answer, and sets the format if nobody has said which it is.
func (e *explorer) read(body string) ([]explore.Leaf, int, error) {
	formats := explore.Guess(body)
	if e.parse != "" {
		formats = []string{e.parse}
	}
	var err error
	for _, format := range formats {
		if format == "html" {
			e.draft.Parse = format
			leaves, more := explore.Elements(body)
			return leaves, more, nil
		}
		var v any
		if v, err = parse(e.ctx, format, body); err != nil {
			continue
		}
		e.value, e.draft.Parse = v, format
		leaves, more := explore.Leaves(v, format)
		return leaves, more, nil
	}
	return nil, 0, fmt.Errorf("the answer is not %s: %w", strings.Join(formats, " or "), err)
}

// again asks a second time, and notes what has moved.
func (e *explorer) again() error {
	select {
	case <-time.After(e.wait):
	case <-e.ctx.Done():
		return exitStatus(exitInterrupted)
	}
	second, err := e.probe()
	if err != nil {
		e.note("the second request failed, so what moves is not known: %s", harmless(err))
		return nil
	}
	e.parse = e.draft.Parse // whatever the second one looks like
	later, _, err := e.read(second.body)
	if err != nil {
		e.note("the second answer is not as the first one, so what moves is not known: %s", harmless(err))
		return nil
	}
	e.moved = explore.Moved(e.leaves, later)
	e.note("asked again after %v: %d of %s moved", e.wait, len(e.moved), count(len(e.leaves), "value"))
	return nil
}

// showLeaves lists what is in the answer, by numbers.
func (e *explorer) showLeaves(more int) {
	show := e.leaves
	if !e.all && len(show) > listed {
		more += len(show) - listed
		show = show[:listed]
	}
	width := 0
	for _, l := range show {
		width = max(width, terminal.Width(text.Line(l.Way())))
	}
	width = min(width, 60)
	e.note("")
	for i, l := range show {
		line := fmt.Sprintf("%4d  %s  %s", i+1, terminal.Pad(text.Line(l.Way()), width), safe(l.Text(), 60))
		if now, ok := e.moved[l.Way()]; ok {
			line += " → " + safe(now.Text(), 60)
		}
		e.note("%s", terminal.Cut(line, e.columns()-1))
	}
	switch {
	case more > 0 && len(e.leaves) > len(show):
		e.note("      and %d more: --all shows them", more)
	case more > 0:
		e.note("      and %d more like these", more)
	}
}

// safe returns what is shown of a text from outside, in one line of at most that many columns.
func safe(s string, columns int) string { return terminal.Cut(text.Line(s), columns) }

// parse makes a value of an answer in a format.
func parse(ctx context.Context, format, body string) (any, error) {
	return value.Parse(ctx, value.Format{Name: format}, []byte(body))
}
