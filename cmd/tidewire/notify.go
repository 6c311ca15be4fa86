package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/notify"
	"github.com/tidewire/tidewire/internal/text"
)

func notifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "notify",
		Short: "Try the receivers of alerts",
		Long:  "Notify tries the receivers that a configuration has below notify.",
		Example: `  tidewire notify test ops             # send a test message
  tidewire check --notify              # show what would be sent`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(notifyTestCommand())
	return cmd
}

func notifyTestCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "test [CONFIG] NAME",
		Short: "Send a test message to a receiver",
		Long: `Test sends two messages to a receiver of a configuration: that an alert begins, and that it is over. It
prints what the receiver answers. If one cannot be sent, the error is on stderr, the exit code is 1, and
the second is not sent. Nothing is tried again. CONFIG is as for check.`,
		Example:           "  tidewire notify test ops\n  tidewire notify test tidewire.yaml ops",
		Args:              arguments(1, 2),
		ValidArgsFunction: completeConfig(receiverNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, args, err := configFirst(cmd, args, 1)
			if err != nil {
				return err
			}
			cfg, _, err := openConfig(cmd, name)
			if err != nil {
				return err
			}
			to, err := cfg.Receiver(args[0])
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			for _, state := range []string{notify.Firing, notify.Resolved} {
				if err := tellTest(cmd.Context(), cmd.OutOrStdout(), to, state, linkOf(cfg)); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// receiverNames returns the receivers of a configuration with their kinds.
func receiverNames(cfg *config.Config) (names []cobra.Completion) {
	for _, to := range cfg.Notify {
		names = append(names, cobra.CompletionWithDesc(to.Name, to.Receiver.Kind()))
	}
	return names
}

// linkOf is the address of the page, if there is a public one.
func linkOf(cfg *config.Config) string {
	if cfg.PublicURL == nil {
		return ""
	}
	return cfg.PublicURL.String()
}

// tellTest sends a test message, and prints what came of it.
func tellTest(ctx context.Context, out io.Writer, to *config.Notify, state, link string) error {
	var answer bytes.Buffer
	client, end, err := to.Client()
	if err != nil {
		return fmt.Errorf("%s was not told (%s): %w", to.Name, state, err)
	}
	defer end()
	start := time.Now()
	err = to.Receiver.Send(
		kind.WithTrace(ctx, kind.NewTrace(&answer, nil)), client, notify.Test(to.Name, state, link, start.UTC()))
	if failed, ok := errors.AsType[*notify.Error](err); ok && failed.After > 0 {
		return fmt.Errorf("%s was not told (%s): %w; it wants to be left alone for %s", to.Name, state, err, clock.Words(failed.After))
	}
	if err != nil {
		return fmt.Errorf("%s was not told (%s): %w", to.Name, state, err)
	}
	_, err = fmt.Fprintf(out, "%s was told by %s (%s) after %s: %s\n", to.Name, to.Receiver.Kind(), state,
		clock.Words(time.Since(start).Round(time.Millisecond)), strings.TrimSpace(answer.String()))
	return err
}

// showNotify prints what each receiver of a configuration would be sent.
func showNotify(out io.Writer, cfg *config.Config) error {
	m := notify.Sample
	m.Link = linkOf(cfg)
	for _, to := range cfg.Notify {
		shown, err := to.Receiver.Show(m)
		if err != nil {
			return fmt.Errorf("%s: %w", to.Name, err)
		}
		indented := strings.ReplaceAll(strings.TrimRight(text.Plain(shown), "\n"), "\n", "\n  ")
		fmt.Fprintf(out, "\n%s would be sent by %s, as an example:\n  %s\n", to.Name, to.Receiver.Kind(),
			strings.ReplaceAll(indented, "\n  \n", "\n\n"))
	}
	return nil
}
