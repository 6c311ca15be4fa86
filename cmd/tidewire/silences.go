package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/terminal"
	"github.com/tidewire/tidewire/internal/text"
	"github.com/tidewire/tidewire/internal/wire"
)

func silenceCommand() *cobra.Command {
	var address, tokenFile string
	var body wire.NewSilence
	cmd := &cobra.Command{
		Use:   "silence KEY",
		Short: "Silence alerts for a time",
		Long: `Silence keeps a gateway from telling anybody of some alerts for a time: of source/NAME, of job/NAME, of
section/PATH, which is all that stands in it or below it, of upstream/NAME, which is all that belongs to it, or of all.
Of one that still fires at the end it tells then. The alerts stay visible meanwhile.

--for takes a duration such as 30m, 2h or 7d; --until a time: 18:00, the next one; 2026-11-21 18:00; or with a
zone, 2026-11-21T18:00:00Z. Unsilence ends a silence before its time.`,
		Example: `  tidewire silence source/tank --for 2h --reason 'pump is serviced'
  tidewire silence 'section/Plant/Line 1' --until 18:00 --reason 'new cameras'
  tidewire silence upstream/plant --until 18:00
  tidewire silence all --for 30m`,
		Args:              arguments(1, 1),
		ValidArgsFunction: completeSubject,
		RunE: func(cmd *cobra.Command, args []string) error {
			if (body.For == "") == (body.Until == "") {
				return usageError("for how long? write --for 1h, or --until 18:00")
			}
			until, err := untilOf(body.Until, time.Now())
			if err != nil {
				return err
			}
			gw, err := newRemote(address, tokenFile)
			if err != nil {
				return err
			}
			body.Of, body.Until = args[0], until
			var made wire.Silence
			if err := gw.post(cmd.Context(), &made, body, "silences"); err != nil {
				return gw.ended(cmd.Context(), err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is silenced until %s; to end that: tidewire unsilence %s\n",
				subjectOf(made.Of), made.Until.Local().Format(time.DateTime), text.Line(made.ID))
			return nil
		},
	}
	urlFlag(cmd, &address)
	tokenFlag(cmd, &tokenFile)
	cmd.Flags().StringVar(&body.For, "for", "", "for how long: a `duration` such as 30m, 2h or 7d")
	cmd.Flags().StringVar(&body.Until, "until", "", "until that `time`, such as 18:00")
	cmd.Flags().StringVar(&body.Reason, "reason", "", "why, a `text` that others see")
	return cmd
}

func unsilenceCommand() *cobra.Command {
	var address, tokenFile string
	cmd := &cobra.Command{
		Use:   "unsilence ID|KEY",
		Short: "End a silence before its time",
		Long: `Unsilence ends a silence by its ID, or all silences of source/NAME, job/NAME, section/PATH, upstream/NAME or all.
Of alerts that still fire and are not silenced otherwise, the gateway tells then.`,
		Example:           "  tidewire unsilence source/tank",
		Args:              arguments(1, 1),
		ValidArgsFunction: completeSilence,
		RunE: func(cmd *cobra.Command, args []string) error {
			gw, err := newRemote(address, tokenFile)
			if err != nil {
				return err
			}
			return gw.ended(cmd.Context(), endSilences(cmd.Context(), gw, args[0], cmd.OutOrStdout()))
		},
	}
	urlFlag(cmd, &address)
	tokenFlag(cmd, &tokenFile)
	return cmd
}

func silencesCommand() *cobra.Command {
	var address, tokenFile string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "silences",
		Short: "List the silences of a gateway",
		Long: `Silences lists the silences that have not ended, the oldest first: of what, until when, by whom and why.
Among them are the quiet times of the configuration that have begun, which have no ID. With --json it prints
a line for each: the silence as in the API.`,
		Example: "  tidewire silences",
		Args:    arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			gw, err := newRemote(address, tokenFile)
			if err != nil {
				return err
			}
			return gw.ended(cmd.Context(), listSilences(cmd.Context(), gw, asJSON, cmd.OutOrStdout()))
		},
	}
	urlFlag(cmd, &address)
	tokenFlag(cmd, &tokenFile)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a line of JSON for each silence")
	return cmd
}

// theConfiguration is who made a silence that nobody made.
const theConfiguration = "the configuration"

// endSilences ends the silence of an ID, or all of a key.
func endSilences(ctx context.Context, gw *remote, what string, out io.Writer) error {
	ids := []string{what}
	if strings.Contains(what, "/") || what == wire.SilenceAll {
		var all wire.Silences
		if _, err := gw.get(ctx, &all, "silences"); err != nil {
			return err
		}
		ids = nil
		for _, s := range all.Silences {
			if s.Of == what && s.ID != "" {
				ids = append(ids, s.ID)
			}
		}
		if ids == nil {
			return fmt.Errorf("there is no silence of %s: tidewire silences lists those that there are", what)
		}
	}
	for _, id := range ids {
		if err := gw.send(ctx, http.MethodDelete, nil, nil, "silences", id); err != nil {
			return err
		}
		fmt.Fprintf(out, "silence %s has ended\n", text.Line(id))
	}
	return nil
}

// listSilences prints the silences.
func listSilences(ctx context.Context, gw *remote, asJSON bool, out io.Writer) error {
	var all struct{ Silences []sent[wire.Silence] }
	if _, err := gw.get(ctx, &all, "silences"); err != nil {
		return err
	}
	if asJSON {
		return printSent(out, all.Silences)
	}
	if len(all.Silences) == 0 {
		fmt.Fprintln(out, "nothing is silenced")
		return nil
	}
	g := grid{
		cells: [][]string{{"SILENCE", "OF", "UNTIL", "BY", "REASON"}}, limits: []int{16, 40, 19, 24, math.MaxInt},
		painted: 1, colour: func(int) terminal.Colour { return terminal.Bold },
	}
	for _, s := range values(all.Silences) {
		g.cells = append(g.cells, []string{
			cmp.Or(text.Line(s.ID), "–"), text.Line(s.Of), s.Until.Local().Format(time.DateTime),
			text.Line(cmp.Or(s.By, theConfiguration)), text.Line(s.Reason),
		})
	}
	return g.print(out)
}

// untilOf returns a time of the command line as RFC 3339 has it. Empty stays empty.
func untilOf(s string, now time.Time) (string, error) {
	if s == "" {
		return "", nil
	}
	if _, err := time.Parse(time.RFC3339, s); err == nil {
		return s, nil
	}
	for _, layout := range []string{"2006-01-02 15:04", time.DateTime, "2006-01-02T15:04"} {
		if at, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return at.Format(time.RFC3339), nil
		}
	}
	clock, err := time.Parse("15:04", s)
	if err != nil {
		return "", usageError(fmt.Sprintf("--until %s is not a time: write one such as 18:00, \"2026-11-21 18:00\" or 2026-11-21T18:00:00Z", s))
	}
	year, month, day := now.Date()
	at := time.Date(year, month, day, clock.Hour(), clock.Minute(), 0, 0, time.Local)
	if !at.After(now) {
		at = time.Date(year, month, day+1, clock.Hour(), clock.Minute(), 0, 0, time.Local)
	}
	return at.Format(time.RFC3339), nil
}

// subjectOf is a key for people.
func subjectOf(key string) string {
	if key == wire.SilenceAll {
		return "everything"
	}
	return text.Line(key)
}

// completeSubject completes what can be silenced.
func completeSubject(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var sources wire.Sources
	var jobs wire.Jobs
	address, _ := cmd.Flags().GetString("url")
	if len(args) > 0 || !ask(cmd, address, &sources, "sources") || !ask(cmd, address, &jobs, "jobs") {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	found := []cobra.Completion{wire.SilenceAll}
	var sections []string
	for _, s := range sources.Sources {
		sections = append(sections, s.Section)
		found = append(found, cobra.CompletionWithDesc(s.Key, text.Line(s.Title)))
	}
	for _, j := range jobs.Jobs {
		sections = append(sections, j.Section)
		found = append(found, cobra.CompletionWithDesc(wire.JobKey(j.Name), text.Line(j.Title)))
	}
	for _, path := range config.AllSections(sections) {
		found = append(found, text.Line(wire.SectionKey(path)))
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

// completeSilence completes the ID of a silence.
func completeSilence(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var all wire.Silences
	address, _ := cmd.Flags().GetString("url")
	if len(args) > 0 || !ask(cmd, address, &all, "silences") {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var found []cobra.Completion
	for _, s := range all.Silences {
		if s.ID == "" {
			continue
		}
		about := text.Words(s.Of + " until " + s.Until.Local().Format(time.DateTime) + " " + s.Reason)
		found = append(found, cobra.CompletionWithDesc(text.Line(s.ID), about))
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}
