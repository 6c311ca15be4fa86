package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidewire/tidewire/internal/text"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/progress"
)

// outputPatience is how long run waits for the rest of the output of a run that is over.
const outputPatience = 10 * time.Second

// unreachable is how long a gateway may be away before run gives up a run.
const unreachable = 2 * time.Minute

func runCommand() *cobra.Command {
	var address, tokenFile string
	var output bool
	cmd := &cobra.Command{
		Use:   "run JOB [ARG=VALUE ...]",
		Short: "Run a job of a gateway and follow it to its end",
		Long: `Run asks a gateway to run a job, or joins its run with the same arguments, and follows it to its
end on stderr: in a terminal with a progress bar, else with a line for each step. The result of the
run, if it has one, is printed on stdout as JSON.

Ctrl-C cancels the run and waits for its end; a run that others triggered too continues. A second
Ctrl-C ends the command at once. If the gateway goes away, run waits 2 minutes for it to come back.

The exit code is 0 if the run succeeded, that of the job's command if it failed, 130 if it was cancelled,
2 if the command line or an argument is not valid, and else 1.`,
		Example: `  tidewire run discover
  tidewire run discover subnet=10.0.4.0/24 > found.json
  tidewire run --output backup
  tidewire run --url https://tidewire.plant --token-file ~/.tidewire-token reindex`,
		Args:              arguments(1, math.MaxInt),
		ValidArgsFunction: completeJob,
		RunE: func(cmd *cobra.Command, args []string) error {
			values, err := parseArgs(args[1:])
			if err != nil {
				return err
			}
			gw, err := newRemote(address, tokenFile)
			if err != nil {
				return err
			}
			return runJob(cmd.Context(), gw, args[0], values, output, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	urlFlag(cmd, &address)
	tokenFlag(cmd, &tokenFile)
	cmd.Flags().BoolVar(&output, "output", false, "show the output of the run on stderr as it is printed")
	return cmd
}

// parseArgs takes the arguments of a job as name=value.
func parseArgs(args []string) (map[string]string, error) {
	values := make(map[string]string, len(args))
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok || name == "" {
			return nil, usageError(fmt.Sprintf("%q is not an argument of a job: write NAME=VALUE", arg))
		}
		if _, twice := values[name]; twice {
			return nil, usageError(fmt.Sprintf("the argument %s is given twice", name))
		}
		values[name] = value
	}
	return values, nil
}

// An update is the next thing that is known of a run: its state, what it has printed, that a
// connection stands or has broken, or why there is no more.
type update struct {
	state     wire.Run
	printed   []string
	connected bool
	retry     time.Duration // of a connection that broke: how long until the next attempt
	err       error
}

// A dialler makes requests, and calls answered when one is.
type dialler struct {
	make     http.RoundTripper
	answered func()
}

func (d dialler) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := d.make.RoundTrip(req)
	if err == nil && resp.StatusCode == http.StatusOK {
		d.answered()
	}
	return resp, err
}

// runJob starts a run and follows it until it ends, or until ctx does and the run is others' too.
// If output is set, it shows what the run prints.
func runJob(ctx context.Context, gw *remote, job string, values map[string]string, output bool, stdout, stderr io.Writer) error {
	live, end := context.WithCancel(context.WithoutCancel(ctx)) // outlives the first Ctrl-C
	defer end()
	updates := make(chan update)
	tell := func(u update) {
		select {
		case updates <- u:
		case <-live.Done():
		}
	}
	client := &progress.Client{
		URL:     gw.url("jobs", job, "runs").String(),
		Header:  gw.header,
		HTTP:    &http.Client{Transport: gw.dial},
		Silence: silence,
		OnRetry: func(err error, wait time.Duration) { tell(update{retry: wait, err: err}) },
	}
	run, err := client.Start(ctx, map[string]any{"args": values})
	if err != nil {
		return startError(ctx, gw, err)
	}
	client.HTTP = &http.Client{Transport: dialler{gw.dial, func() { tell(update{connected: true}) }}}
	go func() { // ends with live, which ends with runJob
		for snap, err := range run.Follow(live) {
			var u update
			if u.err = err; err == nil {
				u.err = json.Unmarshal(snap.Data, &u.state)
			}
			tell(u)
		}
	}()

	printed := make(chan struct{}) // closed when all that the run printed is told
	if output {
		go func() { // ends with the output, or with live
			defer close(printed)
			followOutput(live, gw, run.ID, func(lines []string) { tell(update{printed: lines}) })
		}()
	} else {
		close(printed)
	}

	view := newRunView(stderr, job)
	defer view.close()
	view.note(fmt.Sprintf("%s: run %s%s", job, text.Line(run.ID), beginning(run.Coalesced, view.screen != nil)))
	tick := time.NewTicker(view.interval())
	defer tick.Stop()
	interrupted := ctx.Done()
	var away time.Time          // since when the gateway cannot be reached, zero if it can
	var over <-chan struct{}    // closed when there is nothing more to show; nil while the run goes on
	var enough <-chan time.Time // after which what the run printed is not waited for
	for {
		select {
		case <-over:
			view.finish()
			return outcome(view.state, output, stdout, stderr)
		case <-enough:
			over, enough = closed(), nil
		case u := <-updates:
			switch {
			case u.connected:
				away, view.retryAt = time.Time{}, time.Time{}
			case u.retry > 0:
				if away.IsZero() {
					away = time.Now()
				} else if time.Since(away) > unreachable {
					return fmt.Errorf("%s has not answered for %v; the run may still be in progress there: %w", gw, unreachable, gw.explained(u.err))
				}
				view.lost(u.err, time.Now().Add(u.retry))
			case u.err != nil:
				return followError(gw, u.err)
			case u.printed != nil:
				for _, line := range u.printed {
					view.note(text.Line(line))
				}
			default:
				view.update(u.state, run.Coalesced)
				if u.state.Status.Ended() {
					interrupted, over, enough = nil, printed, time.After(outputPatience)
				}
			}
		case now := <-tick.C:
			view.draw(now)
		case <-interrupted:
			interrupted = nil
			if view.state.Requests > 1 {
				view.note(fmt.Sprintf("%s continues, because others triggered it too; it can be cancelled on the page", job))
				return exitStatus(exitInterrupted)
			}
			view.note(fmt.Sprintf("%s has been asked to end; press Ctrl-C again to stop waiting for it", job))
			go func() {
				if err := run.Cancel(live); err != nil {
					tell(update{err: err})
				}
			}()
		}
	}
}

// beginning says how a run began, and to people what Ctrl-C does to it.
func beginning(joined, people bool) string {
	text, interrupt := " started", "; Ctrl-C cancels it"
	if joined {
		text, interrupt = " was already in progress and has been joined", "; Ctrl-C leaves it to the others"
	}
	if people {
		text += interrupt
	}
	return text
}

// startError says why a run did not start, or that there is no such job, and which there are.
func startError(ctx context.Context, gw *remote, err error) error {
	if ctx.Err() != nil {
		return exitStatus(exitInterrupted)
	}
	var status *sse.StatusError
	err = gw.explained(err)
	if !errors.As(err, &status) {
		return err
	}
	switch status.StatusCode {
	case http.StatusNotFound:
		var list wire.Jobs
		if _, other := gw.get(ctx, &list, "jobs"); other != nil || len(list.Jobs) == 0 {
			return err
		}
		var names []string
		for _, j := range list.Jobs {
			names = append(names, text.Line(j.Name))
		}
		return fmt.Errorf("%w; there are: %s", err, strings.Join(names, ", "))
	case http.StatusUnprocessableEntity:
		return usageError(err.Error())
	}
	return err
}

// followError says why a run cannot be followed any further.
func followError(gw *remote, err error) error {
	var status *sse.StatusError
	if errors.As(err, &status) && status.StatusCode != http.StatusNotFound && status.StatusCode != http.StatusGone {
		return gw.explained(err)
	}
	return fmt.Errorf("the run is lost: %s no longer knows it: %w", gw, gw.explained(err))
}

// tailLines is how many of the last lines of its output a run that failed is shown with.
const tailLines = 20

// outcome prints the result of a run that has ended, or the end of what it printed if that
// is not shown yet, and turns the end into an exit code.
func outcome(s wire.Run, shown bool, stdout, stderr io.Writer) error {
	if s.Status == progress.StatusSucceeded {
		if len(s.Result) == 0 || string(s.Result) == "null" {
			return nil
		}
		_, err := fmt.Fprintf(stdout, "%s\n", s.Result)
		return err
	}
	if lines := forPeople(strings.Split(s.Output, "\n")); !shown {
		for _, line := range lines[max(0, len(lines)-tailLines):] {
			fmt.Fprintf(stderr, "  %s\n", text.Line(line))
		}
	}
	switch {
	case s.Status == progress.StatusCancelled:
		return exitStatus(exitInterrupted)
	case s.ExitCode != nil && 0 < *s.ExitCode && *s.ExitCode < 256:
		return exitStatus(*s.ExitCode)
	}
	return exitStatus(exitFailure)
}

// closed is a channel that has nothing to wait for.
func closed() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}
