package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidewire/tidewire/internal/terminal"
	"github.com/tidewire/tidewire/internal/text"
	"github.com/tidewire/tidewire/internal/wire"
)

func replicasCommand() *cobra.Command {
	var address, tokenFile string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "replicas",
		Short: "List the gateways that share a store, and what each does",
		Long: `Replicas lists the gateways that share a store in NATS, as the one that answers sees them: how many sources
each of them polls, of how many jobs it starts the runs, which ones are silent, and which ones have another
configuration. "tidewire events --kind replica" shows when replicas joined, left and died.

With --json it prints a line for each replica, as in the API.`,
		Example: `  tidewire replicas
  tidewire replicas --json | jq -r 'select(.same_config | not) | .name'`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			gw, err := newRemote(address, tokenFile)
			if err != nil {
				return err
			}
			return gw.ended(cmd.Context(), listReplicas(cmd.Context(), gw, asJSON, cmd.OutOrStdout()))
		},
	}
	urlFlag(cmd, &address)
	tokenFlag(cmd, &tokenFile)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a line of JSON for each replica")
	return cmd
}

// listReplicas prints the replicas.
func listReplicas(ctx context.Context, gw *remote, asJSON bool, out io.Writer) error {
	var all struct{ Replicas []sent[wire.Replica] }
	if _, err := gw.get(ctx, &all, "replicas"); err != nil {
		return err
	}
	if asJSON {
		return printSent(out, all.Replicas)
	}
	if len(all.Replicas) == 0 {
		fmt.Fprintln(out, "this gateway shares its store with no other")
		return nil
	}
	rows := values(all.Replicas)
	g := grid{
		cells:  [][]string{{"REPLICA", "STATE", "SOURCES", "JOBS", "SINCE", "VERSION", "NOTE"}},
		limits: []int{40, 8, 7, 5, 19, 24, math.MaxInt}, painted: 1,
		colour: func(row int) terminal.Colour { return replicaLooks(rows[row]).colour },
	}
	for _, r := range rows {
		g.cells = append(g.cells, []string{
			text.Line(r.Name), replicaLooks(r).glyph + " " + text.Line(r.State), strconv.Itoa(r.Sources), strconv.Itoa(r.Jobs),
			r.Since.Local().Format(time.DateTime), text.Line(r.Version), replicaNote(r),
		})
	}
	return g.print(out)
}

// replicaLooks is the mark of a replica.
func replicaLooks(r wire.Replica) statusLook {
	switch {
	case r.State != wire.ReplicaOK:
		return statusLook{"✖", terminal.Red}
	case !r.SameConfig:
		return statusLook{"●", terminal.Yellow}
	}
	return statusLook{"●", terminal.Green}
}

// replicaNote says what is special about a replica.
func replicaNote(r wire.Replica) string {
	var notes []string
	if r.Self {
		notes = append(notes, "answers you")
	}
	if r.SilentSince != nil {
		notes = append(notes, "silent since "+r.SilentSince.Local().Format(time.DateTime))
	}
	if r.State == wire.ReplicaAway {
		notes = append(notes, "does no work: it has lost the store, or is stopping")
	}
	switch {
	case r.OtherZone:
		notes = append(notes, "another local time zone")
	case !r.SameConfig:
		notes = append(notes, "another configuration")
	}
	return strings.Join(notes, "; ")
}
