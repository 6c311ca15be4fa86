package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidewire/tidewire/internal/terminal"
	"github.com/tidewire/tidewire/internal/text"
	"github.com/tidewire/tidewire/internal/wire"
)

func alertsCommand() *cobra.Command {
	var address, tokenFile string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "alerts",
		Short: "List what fires, who was told, and what is silenced",
		Long: `Alerts lists the alerts of a gateway's sources and jobs that are not clear: since when, who was told, why, and
until when and by whom they are silenced. Receivers that cannot be told are named on stderr.
Who was told of alerts that are over is among the events: tidewire events --kind told.

With --json it prints a line for each: the alert as in the API.`,
		Example: `  tidewire alerts
  tidewire alerts --json | jq -r 'select(.state == "firing") | .key'`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			gw, err := newRemote(address, tokenFile)
			if err != nil {
				return err
			}
			return gw.ended(cmd.Context(), listAlerts(cmd.Context(), gw, asJSON, cmd.OutOrStdout(), cmd.ErrOrStderr()))
		},
	}
	urlFlag(cmd, &address)
	tokenFlag(cmd, &tokenFile)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a line of JSON for each alert")
	return cmd
}

func acknowledgeCommand() *cobra.Command {
	var address, tokenFile string
	var body wire.Acknowledge
	cmd := &cobra.Command{
		Use:     "acknowledge KEY",
		Aliases: []string{"ack"},
		Short:   "Acknowledge an alert that fires",
		Long: `Acknowledge says that somebody takes care of the alert of source/NAME or job/NAME, which fires: nobody is
told of it again, except that it is resolved, or that a job fires for another reason. The next time it fires, it is
told as usual.`,
		Example:           "  tidewire acknowledge source/tank --reason 'on my way'",
		Args:              arguments(1, 1),
		ValidArgsFunction: completeFiring,
		RunE: func(cmd *cobra.Command, args []string) error {
			gw, err := newRemote(address, tokenFile)
			if err != nil {
				return err
			}
			body.Of = args[0]
			var now wire.AlertObject
			if err := gw.post(cmd.Context(), &now, body, "alerts", "acknowledge"); err != nil {
				return gw.ended(cmd.Context(), err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is acknowledged\n", text.Line(now.Key))
			return nil
		},
	}
	urlFlag(cmd, &address)
	tokenFlag(cmd, &tokenFile)
	cmd.Flags().StringVar(&body.Reason, "reason", "", "why, a `text` that others see")
	return cmd
}

// listAlerts prints the alerts, and on notes the receivers that fail.
func listAlerts(ctx context.Context, gw *remote, asJSON bool, out, notes io.Writer) error {
	var all struct {
		Alerts    []sent[wire.AlertObject]
		Receivers []wire.Receiver
	}
	if _, err := gw.get(ctx, &all, "alerts"); err != nil {
		return err
	}
	slices.SortStableFunc(all.Alerts, func(a, b sent[wire.AlertObject]) int { return cmp.Compare(urgency(a.is), urgency(b.is)) })
	switch {
	case asJSON:
		if err := printSent(out, all.Alerts); err != nil {
			return err
		}
	case len(all.Alerts) == 0:
		fmt.Fprintln(out, "nothing fires")
	default:
		if err := alertsGrid(values(all.Alerts)).print(out); err != nil {
			return err
		}
	}
	for _, r := range all.Receivers {
		if r.FailingSince != nil && r.Error != nil {
			fmt.Fprintf(notes, "tidewire: %s cannot be told since %s: %s\n",
				text.Line(r.Name), r.FailingSince.Local().Format(time.DateTime), text.Line(*r.Error))
		}
	}
	return nil
}

// urgency orders alerts: those that fire first, and of them those that nobody knows of.
func urgency(a wire.AlertObject) int {
	switch {
	case a.State != wire.AlertFiring:
		return 2
	case a.Silenced != nil || a.Acknowledged != nil:
		return 1
	}
	return 0
}

// alertsGrid is a table of alerts.
func alertsGrid(rows []wire.AlertObject) grid {
	g := grid{
		cells:  [][]string{{"ALERT", "STATE", "SEVERITY", "SINCE", "TOLD", "WHAT"}},
		limits: []int{40, 10, 8, 19, 30, math.MaxInt}, painted: 1,
		colour: func(row int) terminal.Colour { return alertLooks(rows[row]).colour },
	}
	for _, a := range rows {
		since := "–"
		if a.Since != nil {
			since = a.Since.Local().Format(time.DateTime)
		}
		var told []string
		for _, t := range a.Told {
			name := text.Line(t.To)
			switch t.State {
			case wire.ToldWaiting:
				name += " (waits)"
			case wire.ToldGivenUp:
				name += " (given up)"
			}
			told = append(told, name)
		}
		g.cells = append(g.cells, []string{
			text.Line(a.Key), alertLooks(a).glyph + " " + text.Line(a.State), text.Line(a.Severity), since,
			cmp.Or(strings.Join(told, ", "), "–"), whatOf(a),
		})
	}
	return g
}

// alertLooks is the mark of an alert.
func alertLooks(a wire.AlertObject) statusLook {
	switch {
	case a.State != wire.AlertFiring:
		return statusLook{"○", terminal.Faint}
	case a.Silenced != nil || a.Acknowledged != nil:
		return statusLook{"●", terminal.Faint}
	case a.Severity == wire.SeverityCritical:
		return statusLook{"✖", terminal.Red}
	}
	return statusLook{"●", terminal.Yellow}
}

// whatOf tells why an alert fires, and what people did about it.
func whatOf(a wire.AlertObject) string {
	var said []string
	why := strings.ReplaceAll(a.Reason, "_", " ")
	if why != "" && a.About != "" {
		why += ": "
	}
	if why += a.About; why != "" {
		said = append(said, why)
	}
	if a.Run != "" {
		said = append(said, "run "+a.Run)
	}
	if a.Error != nil {
		said = append(said, *a.Error)
	}
	if s := a.Silenced; s != nil {
		said = append(said, "silenced until "+s.Until.Local().Format(time.DateTime)+by(cmp.Or(s.By, theConfiguration), s.Reason))
	}
	if s := a.Acknowledged; s != nil {
		said = append(said, "acknowledged"+by(s.By, s.Reason))
	}
	for _, t := range a.Told {
		if t.Error != nil {
			said = append(said, t.To+": "+*t.Error)
		}
	}
	return text.Line(strings.Join(said, "; "))
}

// by says who did something and why.
func by(who, why string) string {
	said := " by " + who
	if why != "" {
		said += ": " + why
	}
	return said
}

// completeFiring completes the key of an alert that fires.
func completeFiring(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var all wire.Alerts
	address, _ := cmd.Flags().GetString("url")
	if len(args) > 0 || !ask(cmd, address, &all, "alerts") {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var found []cobra.Completion
	for _, a := range all.Alerts {
		if a.State == wire.AlertFiring {
			found = append(found, cobra.CompletionWithDesc(a.Key, text.Line(a.Title)))
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}
