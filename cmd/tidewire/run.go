package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tidewire/tidewire/internal/text"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/progress"
)

// runCommand returns the command run. It is long because its help is.
func runCommand() *cobra.Command {
	var address, tokenFile, files string
	var output bool
	var earlier again
	cmd := &cobra.Command{
		Use:   "run JOB [ARG=VALUE ...]",
		Short: "Run a job of a gateway and follow it to its end",
		Long: `Run asks a gateway to run a job, or joins its run with the same arguments, and follows it to its
end on stderr: in a terminal with a progress bar, else with a line for each step. The result of the
run, if it has one, is printed on stdout as JSON.

With --again, or --like RUN, arguments that are not given are those of the last run of the job, or of
that one. Secret ones are not kept: they are asked for in a terminal, and have to be given otherwise.

The value of an argument that is a file is @PATH. Files that the run leaves are named at its end, or with
--files DIR saved there.

Ctrl-C cancels the run and waits for its end; a run that others triggered too continues. A second
Ctrl-C ends the command at once. If the gateway goes away, run waits 2 minutes for it to come back.

The exit code is 0 if the run succeeded, that of the job's command if it failed or warned, 130 if it was cancelled,
2 if the command line or an argument is not valid, and else 1.`,
		Example: `  tidewire run discover
  tidewire run discover subnet=10.0.4.0/24 > found.json
  tidewire run --output backup
  tidewire run import table=@devices.csv --files .
  tidewire run --again backup target=/mnt/other
  tidewire run --url https://tidewire.plant --token-file ~/.tidewire-token reindex`,
		Args:              arguments(1, math.MaxInt),
		ValidArgsFunction: completeJob,
		RunE: func(cmd *cobra.Command, args []string) error {
			values, err := parseArgs(args[1:])
			if err != nil {
				return err
			}
			if err := earlier.check(cmd.Flags().Changed("like")); err != nil {
				return err
			}
			gw, err := newRemote(address, tokenFile)
			if err != nil {
				return err
			}
			earlier.in, earlier.notes = cmd.InOrStdin(), cmd.ErrOrStderr()
			like, err := earlier.prepare(cmd.Context(), gw, args[0], values)
			if err != nil {
				return startError(cmd.Context(), gw, err)
			}
			body := wire.Start{Like: like}
			if body.Args, err = withFiles(cmd.Context(), gw, args[0], values); err != nil {
				return startError(cmd.Context(), gw, err)
			}
			return runJob(cmd.Context(), gw, args[0], body, output, files, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	urlFlag(cmd, &address)
	tokenFlag(cmd, &tokenFile)
	cmd.Flags().BoolVar(&output, "output", false, "show the output of the run on stderr as it is printed")
	cmd.Flags().StringVar(&files, "files", "", "save the files that the run leaves in this `directory`")
	_ = cmd.MarkFlagDirname("files") // the flag is there
	cmd.Flags().BoolVar(&earlier.last, "again", false, "take the arguments of the job's last run, unless they are given")
	cmd.Flags().StringVar(&earlier.like, "like", "", "take the arguments of this `run`, unless they are given")
	_ = cmd.RegisterFlagCompletionFunc("like", completeRun) // cannot fail: the flag exists
	return cmd
}

// parseArgs parses the arguments of a job, each NAME=VALUE.
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

// runJob starts a run and follows it until it ends, or until ctx does if others triggered the run too. If output is
// set, it shows the output of the run. Files that it leaves are saved in the directory files, unless that is empty.
func runJob(
	ctx context.Context, gw *remote, job string, body wire.Start, output bool, files string, stdout, stderr io.Writer,
) error {
	live, end := context.WithCancel(context.WithoutCancel(ctx)) // outlives the first Ctrl-C
	defer end()
	f := &follower{gw: gw, job: job, updates: make(chan update), live: live}
	if err := f.start(ctx, body); err != nil {
		return startError(ctx, gw, err)
	}
	f.view = newRunView(stderr, job)
	f.follow(output)
	defer f.view.close()
	f.view.note(fmt.Sprintf("%s: run %s%s", job, text.Line(f.run.ID), beginning(f.run.Coalesced, f.view.screen != nil)))
	if err := f.await(ctx.Done()); err != nil {
		return err
	}
	f.view.finish()
	if err := saveFiles(ctx, gw, f.view.state, files, stderr); err != nil {
		return err
	}
	return outcome(f.view.state, output, stdout, stderr)
}

// beginning tells how a run began, and people also what Ctrl-C does.
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

// startError explains why a run did not start; if the job does not exist, it names the jobs that do.
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

// followError explains why a run cannot be followed any further.
func followError(gw *remote, err error) error {
	var status *sse.StatusError
	if errors.As(err, &status) && status.StatusCode != http.StatusNotFound && status.StatusCode != http.StatusGone {
		return gw.explained(err)
	}
	return fmt.Errorf("the run is lost: %s no longer knows it: %w", gw, gw.explained(err))
}

// tailLines is how many of the last lines of output are shown for a failed run.
const tailLines = 20

// outcome prints the result of an ended run, or the end of its output if that has not been shown, and returns the exit
// code.
func outcome(s wire.Run, shown bool, stdout, stderr io.Writer) error {
	if s.Status == progress.StatusSucceeded {
		if len(s.Result) > 0 && string(s.Result) != "null" {
			if _, err := fmt.Fprintf(stdout, "%s\n", s.Result); err != nil {
				return err
			}
		}
		if s.Warned && s.ExitCode != nil {
			return exitStatus(*s.ExitCode)
		}
		return nil
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
