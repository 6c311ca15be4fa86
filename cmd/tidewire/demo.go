package main

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/demo"
	"github.com/tidewire/tidewire/internal/gateway"
)

func demoCommand() *cobra.Command {
	var listen string
	var restart time.Duration
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show a live page with small upstreams on this machine",
		Long: `Demo starts three weather services, a tank and a network of devices, each as its
own process on loopback, and serves a configuration that polls and scans them. It needs
nothing else. Ctrl-C ends everything.`,
		Example: "  tidewire demo\n  tidewire demo --listen 127.0.0.1:0",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log := logger(cmd)
			d, err := demo.Start(cmd.Context(), &demo.Options{RestartDelay: restart, Logger: log})
			if err != nil {
				return err
			}
			defer d.Close()
			cfg, problems := config.Load("demo.yaml", d.Config())
			if len(problems) > 0 {
				return problems
			}
			return serve(
				cmd, cfg, listen, &gateway.Options{Logger: log}, func() { fmt.Fprint(cmd.OutOrStdout(), hints(d)) },
			)
		},
	}
	listenFlag(cmd, &listen)
	cmd.Flags().
		DurationVar(&restart, "restart-after", 10*time.Second, "`time` after which a killed upstream is started again")
	return cmd
}

// hints tells what to try with a running demo.
func hints(d *demo.Demo) string {
	var b strings.Builder
	b.WriteString("\nOpen it, in two browsers if you like, and press Run.\n")
	b.WriteString("Kill an upstream and watch its card; it is started again after a while:\n")
	for _, u := range d.Upstreams() {
		fmt.Fprintf(&b, "  kill %-8d # %s, %s\n", u.PID, u.Name, u.URL)
	}
	if exe, err := os.Executable(); err == nil {
		fmt.Fprintf(&b, "Add a device, which the next scan finds:\n  %s device %s\n", exe, d.SpareDevice())
	}
	b.WriteString("Ctrl-C ends everything.\n\n")
	return b.String()
}

// upstreamCommands are the subcommands that the demo starts as processes. They are hidden: the demo prints the ones
// that are useful.
func upstreamCommands() []*cobra.Command {
	var commands []*cobra.Command
	for _, c := range demo.Commands() {
		commands = append(commands, &cobra.Command{
			Use:                c.Name + " " + c.Args,
			Short:              c.Short,
			Hidden:             true,
			DisableFlagParsing: true, // the command reads its own flags
			RunE: func(cmd *cobra.Command, args []string) error {
				return c.Run(cmd.Context(), args, cmd.InOrStdin(), cmd.OutOrStdout())
			},
		})
	}
	return commands
}

// logger returns a logger to stderr. A command has only one: two would write at the same time.
func logger(cmd *cobra.Command) *slog.Logger {
	return slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
}
