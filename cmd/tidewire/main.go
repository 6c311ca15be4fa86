// Command tidewire polls sources, runs jobs and shows both live.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	_ "time/tzdata" // timetables of jobs name zones, and images have no zone files

	"github.com/spf13/cobra"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/demo"
	"github.com/tidewire/tidewire/internal/pid1"
	"github.com/tidewire/tidewire/internal/text"
)

// The exit codes, besides 0.
const (
	exitFailure = 1 // the command failed, or a configuration is not valid
	exitUsage   = 2 // the command line is not valid

	exitInterrupted = 130 // Ctrl-C, as in shells; or the followed run was cancelled
)

func main() {
	if code, was, err := pid1.Become(); err != nil {
		fmt.Fprintf(os.Stderr, "tidewire: %v\n", err)
		os.Exit(exitFailure)
	} else if was {
		os.Exit(code)
	}
	// The first signal asks for an orderly stop, a second one ends the process at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	// A client of net/http quotes there what a server says without having been asked, which may repeat a credential.
	log.SetOutput(io.Discard)
	root := &cobra.Command{
		Use:   "tidewire",
		Short: "Live state: poll what you watch, run what people trigger, stream both",
		Long: `Tidewire polls what you watch, runs what people trigger, and streams both to everyone who is
looking: as a page, a JSON API and event streams. One file configures what it polls and runs.`,
		Example: `  tidewire demo                           # see what it does
  tidewire explore http://10.0.0.9/status # see what answers there, and write the source for it
  tidewire init                           # write a file to start from
  tidewire check tidewire.yaml            # find its mistakes
  tidewire serve tidewire.yaml            # run it
  tidewire watch http://127.0.0.1:8480    # see its values in the terminal`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(
		serveCommand(), checkCommand(), exploreCommand(), explainCommand(), pollCommand(), notifyCommand(), runCommand(), runsCommand(), outputCommand(),
		pushCommand(),
		watchCommand(), eventsCommand(), alertsCommand(), silenceCommand(), unsilenceCommand(), silencesCommand(),
		acknowledgeCommand(), replicasCommand(), demoCommand(), initCommand(), backupCommand(), hashTokenCommand(), schemaCommand(),
		versionCommand(),
	)
	root.AddCommand(healthcheckCommand(), manCommand())
	root.AddCommand(upstreamCommands()...)
	root.SetArgs(args)
	root.SetIn(stdin)
	out := &checkedWriter{w: stdout}
	root.SetOut(out)
	root.SetErr(stderr)
	root.Version = version()
	root.SetVersionTemplate("tidewire {{.Version}}\n")
	// An error before a command's own code runs is a mistake in the command line.
	started := false
	root.PersistentPreRun = func(*cobra.Command, []string) { started = true }

	cmd, err := root.ExecuteContextC(ctx)
	if out.err != nil {
		started, err = true, fmt.Errorf("write the output: %w", out.err)
	}
	var problems config.Problems
	var status exitStatus
	switch {
	case err == nil:
		return 0
	case errors.As(err, &problems):
		writeText(stderr, problems)
		return exitFailure
	case errors.As(err, &status):
		return int(status)
	case !started || errors.As(err, new(*demo.UsageError)) || errors.As(err, new(usageError)):
		fmt.Fprintf(stderr, "tidewire: %s\nRun '%s --help' for usage.\n", harmless(err), cmd.CommandPath())
		return exitUsage
	default:
		fmt.Fprintf(stderr, "tidewire: %s\n", harmless(err))
		return exitFailure
	}
}

// A checkedWriter keeps its first error, since code that prints rarely checks for errors: if output could not be
// written, the command has failed.
type checkedWriter struct {
	w   io.Writer
	err error
}

func (c *checkedWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	if c.err == nil {
		c.err = err
	}
	return n, err
}

// Unwrap lets callers check whether the writer is a terminal.
func (c *checkedWriter) Unwrap() io.Writer { return c.w }

// harmless returns the text of err, which may come from elsewhere, without control sequences for a terminal.
func harmless(err error) string {
	lines := strings.Split(err.Error(), "\n")
	for i, line := range lines {
		lines[i] = text.Line(line)
	}
	return strings.Join(lines, "\n")
}

// An exitStatus ends a command with this exit code, after the command has reported the error itself.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// arguments checks the number of arguments; its error shows the usage of the command.
func arguments(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		what := "there are too many arguments"
		switch {
		case len(args) < least:
			what = "an argument is missing"
		case len(args) <= most && len(args) > 0 && args[0] == "":
			what = "the first argument is empty"
		case len(args) <= most:
			return nil
		}
		return usageError(what + ": write " + strings.TrimSuffix(cmd.UseLine(), " [flags]"))
	}
}

// A usageError is a mistake in the command line that only a command's own code finds.
type usageError string

func (e usageError) Error() string { return string(e) }

func checkCommand() *cobra.Command {
	var format string
	var receivers bool
	cmd := &cobra.Command{
		Use:   "check [CONFIG]",
		Short: "Report every problem of a configuration",
		Long: `Check reads a configuration file as serve does and reports every problem: as text on stderr,
with file:line:col, what is wrong, what would be right, and an excerpt of the file; or on
stdout, as a JSON array or as annotations for GitHub Actions. It exits with 1 if there are any.
Warnings, which are not part of the JSON, are about things that may well be right: a program
that is missing on this machine, an argument that another program would run as code.

With --notify it also shows what each receiver of alerts would be sent, without what is secret. Nothing
is sent: tidewire notify test does that.

CONFIG defaults to ./tidewire.yaml; "-" reads stdin.`,
		Example:           "  tidewire check tidewire.yaml\n  tidewire check --format github tidewire.yaml\n  generate | tidewire check -",
		Args:              arguments(0, 1),
		ValidArgsFunction: completeConfig(nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != formatText && format != formatJSON && format != formatGitHub {
				return usageError(fmt.Sprintf("--format %s is not text, json or github", format))
			}
			if receivers && format != formatText {
				return usageError("--notify is for people: leave --format out")
			}
			name, _, err := configFirst(cmd, args, 0)
			if err != nil {
				return err
			}
			cfg, _, err := openConfig(cmd, name)
			var problems config.Problems
			if err != nil && (format == formatText || !errors.As(err, &problems)) {
				return err
			}
			switch format {
			case formatText:
				return showValid(cmd, name, cfg, receivers)
			case formatJSON:
				if err := writeJSON(cmd.OutOrStdout(), problems); err != nil {
					return err
				}
			case formatGitHub:
				writeGitHub(cmd.OutOrStdout(), "error", problems)
				if cfg != nil {
					writeGitHub(cmd.OutOrStdout(), "warning", cfg.Warnings)
				}
			}
			if problems != nil {
				return exitStatus(exitFailure)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&format, "format", formatText, "`format` of the report: text, json or github")
	cmd.Flags().BoolVar(&receivers, "notify", false, "show what each receiver of alerts would be sent")
	choices(cmd, "format", formatText, formatJSON, formatGitHub)
	return cmd
}

// showValid says that a configuration is valid and, with receivers, what these would be sent.
func showValid(cmd *cobra.Command, name string, cfg *config.Config, receivers bool) error {
	writeWarnings(cmd.ErrOrStderr(), cfg.Warnings)
	fmt.Fprintf(cmd.OutOrStdout(), "%s is valid: %s, %s\n", name, count(len(cfg.Sources), "source"), count(len(cfg.Jobs), "job"))
	if receivers {
		return showNotify(cmd.OutOrStdout(), cfg)
	}
	return nil
}

func schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of configurations",
		Long: `Schema prints a JSON Schema (draft 2020-12) that editors use to complete and explain the keys of
a configuration. It finds fewer mistakes than check does.`,
		Example: "  tidewire schema > tidewire.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(config.Schema())
			return err
		},
	}
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Long: `Version prints the version of Tidewire, the commit it was built from, if known, and the version
of Go.`,
		Example: "  tidewire version",
		Args:    cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintln(cmd.OutOrStdout(), "tidewire", version())
		},
	}
}

// release is the version set by a build without the repository, such as that of an image, with -ldflags "-X
// main.release=v1.2.3".
var release string

// version returns the module's version and the commit that it was built from, as far as the build recorded them, or
// release.
func version() string {
	if release != "" {
		return release + " " + runtime.Version()
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			v += " " + s.Value[:12]
		}
	}
	return v + " " + info.GoVersion
}

// count returns n and a noun in singular or plural.
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
