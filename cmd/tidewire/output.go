package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/httpclient"
	"github.com/tidewire/tidewire/internal/terminal"
	"github.com/tidewire/tidewire/internal/text"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse"
)

// outputAgain is the pause before a broken answer is continued, and before one that had nothing is asked for again.
const outputAgain = time.Second

func outputCommand() *cobra.Command {
	var address, tokenFile string
	o := outputReader{}
	cmd := &cobra.Command{
		Use:   "output RUN",
		Short: "Print what a run has printed",
		Long: `Output prints what a run has printed, as far as it is kept, on stdout; with --follow also what it prints
from then on, until its end. If the connection breaks, it continues where it was; if the gateway goes
away, it waits 2 minutes for it to come back. Both are reported on stderr, as is output that is not
kept any more.

"tidewire runs" lists runs.`,
		Example: `  tidewire output K3VT2XZ5MPQ7D4RHWJ6YBNFGAE | less
  tidewire output --follow K3VT2XZ5MPQ7D4RHWJ6YBNFGAE
  tidewire output --from "$(stat -c %s log)" K3VT2XZ5MPQ7D4RHWJ6YBNFGAE >> log`,
		Args:              arguments(1, 1),
		ValidArgsFunction: completeRun,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.next < 0 {
				return usageError(fmt.Sprintf("--from %d is less than 0", o.next))
			}
			gw, err := newRemote(address, tokenFile)
			if err != nil {
				return err
			}
			o.gw, o.run, o.out, o.notes = gw, args[0], cmd.OutOrStdout(), cmd.ErrOrStderr()
			if o.next == 0 { // otherwise it may be within a line, of which only the text has the rest
				o.screen = terminal.Open(o.out)
			}
			return o.print(cmd.Context())
		},
	}
	urlFlag(cmd, &address)
	tokenFlag(cmd, &tokenFile)
	cmd.Flags().BoolVarP(&o.follow, "follow", "f", false, "also print what comes, until the run has ended")
	cmd.Flags().Int64Var(&o.next, "from", 0, "the `offset` in bytes to begin with, in all that the run has printed")
	return cmd
}

// An outputReader prints the output of a run.
type outputReader struct {
	gw         *remote
	run        string
	follow     bool
	next       int64 // the offset of what comes next
	out, notes io.Writer
	screen     *terminal.Screen // on which out is shown in colours; nil: as plain text

	reached bool      // the gateway has answered at least once
	away    time.Time // since when it has been unreachable; zero: it is reachable
}

// print prints the output to its end, or to what there is if it is not to be followed.
func (o *outputReader) print(ctx context.Context) error {
	for {
		before, asked := o.next, time.Now()
		over, err := o.answer(ctx)
		if ctx.Err() != nil {
			return exitStatus(exitInterrupted)
		}
		if err == nil || o.next > before {
			o.back()
		}
		switch {
		case err == nil && over:
			return nil
		case err == nil && (o.next > before || time.Since(asked) > outputAgain):
			continue
		case err != nil: // otherwise the answer did not wait for more
			var broken *brokenError
			if !errors.As(err, &broken) || !o.reached {
				return o.gw.explained(err)
			}
			if err := o.lost(broken.error); err != nil {
				return err
			}
		}
		select {
		case <-time.After(outputAgain):
		case <-ctx.Done():
			return exitStatus(exitInterrupted)
		}
	}
}

// lost notes that an answer came to nothing or to a part, and reports it once. It fails if that has gone on for too long.
func (o *outputReader) lost(err error) error {
	if o.away.IsZero() {
		o.away = time.Now()
		fmt.Fprintf(o.notes, "tidewire: the connection to %s broke (%s); trying again\n", o.gw, text.Line(o.gw.explained(err).Error()))
		return nil
	}
	if time.Since(o.away) > unreachable {
		return fmt.Errorf("%s has not answered for %s: %w", o.gw, clock.Words(unreachable), o.gw.explained(err))
	}
	return nil
}

// back notes that the gateway answers, and reports it if it did not before.
func (o *outputReader) back() {
	if !o.away.IsZero() {
		fmt.Fprintf(o.notes, "tidewire: connected to %s again\n", o.gw)
	}
	o.away = time.Time{}
}

// A brokenError is why an answer came to nothing, or to a part, that may come again.
type brokenError struct{ error }

func (e *brokenError) Unwrap() error { return e.error }

// answer prints one answer of the gateway. It reports whether that was all.
func (o *outputReader) answer(ctx context.Context) (over bool, err error) {
	req, err := o.gw.request(ctx, "runs", o.run, "output")
	if err != nil {
		return false, err
	}
	req.URL.RawQuery = url.Values{"from": {strconv.FormatInt(o.next, 10)}}.Encode()
	req.Header.Set("Accept-Encoding", "identity") // a proxy that compresses would take the length, by which offsets are counted
	if o.follow {
		req.Header.Set("Prefer", "wait=25")
	}
	if o.screen != nil {
		req.Header.Set("Accept", linesType)
	}
	resp, err := httpclient.KeepCredentials(&http.Client{Transport: o.gw.dial}).Do(req)
	if err != nil {
		return false, &brokenError{err}
	}
	defer resp.Body.Close()
	o.reached = true
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		err := &sse.StatusError{
			Method: req.Method, URL: req.URL.Redacted(), StatusCode: resp.StatusCode, Header: resp.Header, Body: body,
		}
		if isPassing(resp.StatusCode) {
			return false, &brokenError{err}
		}
		return false, err
	}
	next, err := strconv.ParseInt(resp.Header.Get("Tidewire-Next"), 10, 64)
	isStyled := o.screen != nil && resp.Header.Get("Content-Type") == linesType
	if err != nil || resp.ContentLength < 0 && !isStyled {
		return false, fmt.Errorf("%s does not answer like a gateway", req.URL.Redacted())
	}
	if isStyled {
		err = o.paint(resp, next)
	} else {
		if begin := next - resp.ContentLength; begin > o.next {
			fmt.Fprintf(o.notes, "tidewire: %s of output are not kept any more\n", count(int(begin-o.next), "byte"))
			o.next = begin
		}
		var n int64
		n, err = io.Copy(writeOnly{o.out}, resp.Body)
		o.next += n
	}
	if failed := (*writeError)(nil); errors.As(err, &failed) {
		return false, failed.error
	}
	if err != nil {
		return false, &brokenError{err}
	}
	return !o.follow || resp.Header.Get("Tidewire-End") != "", nil
}

// paint prints an answer of lines up to the offset next.
func (o *outputReader) paint(resp *http.Response, next int64) error {
	isCut := resp.Header.Get("Tidewire-Truncated") != ""
	if isCut {
		fmt.Fprintln(o.notes, "tidewire: earlier output is not kept any more")
	}
	for lines := json.NewDecoder(resp.Body); ; {
		var line wire.Line
		switch err := lines.Decode(&line); {
		case err == io.EOF:
			o.next = next
			return nil
		case err != nil && isCut: // it is not known where what is missing begins
			o.next = next
			fmt.Fprintln(o.notes, "tidewire: a part of the output is missing here: the connection broke")
			return err
		case err != nil:
			return err
		}
		if _, err := io.WriteString(writeOnly{o.out}, paint(line, o.screen, text.Plain)+"\n"); err != nil {
			return err
		}
		o.next += int64(len(line.Text)) + 1
	}
}

// isPassing reports whether an answer with a status may be another one a moment later: of a gateway that restarts, or of the
// proxy before it.
func isPassing(status int) bool {
	return status == http.StatusServiceUnavailable || status == http.StatusBadGateway || status == http.StatusGatewayTimeout ||
		status == http.StatusTooManyRequests
}

// writeOnly tells errors of writing from those of reading.
type writeOnly struct{ w io.Writer }

func (w writeOnly) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	if err != nil {
		err = &writeError{err}
	}
	return n, err
}

type writeError struct{ error }
