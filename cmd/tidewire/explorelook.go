package main

import (
	"cmp"
	"context"
	"encoding/json"
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
	leaves, more, err := e.read(first.Body)
	if err != nil {
		return err
	}
	e.leaves, e.was = leaves, e.value
	if e.wait > 0 {
		if err := e.again(); err != nil {
			return err
		}
	}
	e.showLeaves(more)
	return nil
}

// probe makes the request once, or runs the program, or reads the file.
func (e *explorer) probe() (answer explore.Answer, err error) {
	probe, err := e.draft.Probe(e.text)
	if err != nil {
		return answer, fmt.Errorf("%s: %w", e.file, err)
	}
	began := time.Now()
	raw, err := e.poll(probe, e.draft.Name)
	if err == nil {
		err = json.Unmarshal(raw, &answer)
	}
	if answer.Status == 0 {
		answer.Took = time.Since(began).Seconds()
	}
	return answer, err
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

// showAnswer shows what an answer says beside its value.
func (e *explorer) showAnswer(got explore.Answer) {
	said := fmt.Sprintf("%s in %s", sizeOf(len(got.Body)), kind.Short(time.Duration(got.Took*float64(time.Second))))
	if got.Status == 0 {
		e.note("%s", said)
		return
	}
	status := strings.TrimSpace(fmt.Sprint(got.Status, " ", http.StatusText(got.Status)))
	e.note("%s, %s, %s", status, safe(cmp.Or(got.Media, "without a type"), 60), said)
	if c := got.Cert; c != nil {
		e.note("%s", safe(fmt.Sprintf("certificate of %s by %s, for %d more days", c.Subject, c.Issuer, c.Days), e.columns()-1))
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
	later, _, err := e.read(second.Body)
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
	case len(e.leaves) == 0 || len(e.leaves) == 1 && e.leaves[0].Value == "":
		e.note("      there is nothing in it now: the source will be all that answers there")
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
