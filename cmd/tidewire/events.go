package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidewire/tidewire/internal/events"
	"github.com/tidewire/tidewire/internal/terminal"
	"github.com/tidewire/tidewire/internal/text"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse"
)

// maxPage is how many events the gateway answers with at once, at most.
const maxPage = 1000

func eventsCommand() *cobra.Command {
	var address, tokenFile, since string
	var follow bool
	e := &eventLister{query: url.Values{}}
	var kinds, sources, jobs []string
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Show what happened: states, alerts, runs, reloads, sign-ins",
		Long: `Events shows what happened, the newest last: changes of sources, alerts, who was told of them, runs,
reloads, the starts and stops of the gateway, what became of its store and of its replicas; who did it,
and who signed in, if the token is that of an admin. It shows the newest 100, or all since the time or
age that --since names. With --follow it goes on with what follows until Ctrl-C, and reconnects by itself.

With --json it prints a line for each event: the event as in the API.`,
		Example: `  tidewire events
  tidewire events --since 24h --kind state,alert --source tank
  tidewire events --since 24h --kind told       # who was told of which alerts, and when
  tidewire events --since 2026-11-21T18:40:00Z --json | jq -r .text
  tidewire events --follow --kind run`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			gw, err := newRemote(address, tokenFile)
			if err != nil {
				return err
			}
			e.gw, e.out, e.notes = gw, cmd.OutOrStdout(), cmd.ErrOrStderr()
			for name, values := range map[string][]string{"kind": kinds, "source": sources, "job": jobs} {
				if len(values) > 0 {
					e.query.Set(name, strings.Join(values, ","))
				}
			}
			if since != "" {
				e.query.Set("since", since)
				e.query.Set("limit", strconv.Itoa(maxPage))
			}
			if follow {
				return gw.explained(e.follow(cmd.Context()))
			}
			return gw.ended(cmd.Context(), e.list(cmd.Context()))
		},
	}
	urlFlag(cmd, &address)
	tokenFlag(cmd, &tokenFile)
	cmd.Flags().StringVar(&since, "since", "", "show all since that `time`, such as 2026-11-21T18:40:00Z, or for that long, such as 24h or 7d")
	cmd.Flags().StringSliceVar(&kinds, "kind", nil, "only these `kinds`: "+strings.Join(events.Kinds, ", "))
	cmd.Flags().StringSliceVar(&sources, "source", nil, "only what happened to these `sources`")
	cmd.Flags().StringSliceVar(&jobs, "job", nil, "only what happened to these `jobs`")
	cmd.Flags().BoolVar(&follow, "follow", false, "go on with what follows")
	cmd.Flags().BoolVar(&e.json, "json", false, "print a line of JSON for each event")
	choices(cmd, "kind", events.Kinds...)
	_ = cmd.RegisterFlagCompletionFunc("source", completeSource) // cannot fail: the flag exists
	_ = cmd.RegisterFlagCompletionFunc("job", completeJob)
	return cmd
}

// An eventLister shows the events of a gateway.
type eventLister struct {
	gw    *remote
	query url.Values
	out   io.Writer
	notes io.Writer // gets messages about connections
	json  bool
}

// list shows what has happened.
func (e *eventLister) list(ctx context.Context) error {
	var all []sent[wire.Event] // newest first
	for {
		var page struct {
			Events []sent[wire.Event]
			Next   *string
		}
		if _, err := e.gw.query(ctx, &page, e.query, "events"); err != nil {
			return err
		}
		all = append(all, page.Events...)
		if page.Next == nil || !e.query.Has("since") {
			break
		}
		e.query.Set("cursor", *page.Next)
	}
	slices.Reverse(all)
	return e.show(all, true)
}

// follow shows what has happened and what follows, until ctx ends.
func (e *eventLister) follow(ctx context.Context) error {
	req, err := e.gw.request(ctx, "events")
	if err != nil {
		return err
	}
	req.URL.RawQuery = e.query.Encode()
	req.Header.Set("Accept", "text/event-stream")
	following, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	broken, reached := false, false
	client := &sse.Client{
		HTTP:    &http.Client{Transport: e.gw.dial},
		Silence: silence,
		OnConnect: func(*http.Response) {
			if broken {
				fmt.Fprintf(e.notes, "tidewire: connected to %s again\n", e.gw)
			}
			broken, reached = false, true
		},
		OnRetry: func(err error, _ time.Duration) {
			if !reached { // the URL may be wrong
				giveUp(err)
			} else if !broken {
				fmt.Fprintf(e.notes, "tidewire: the connection to %s broke (%s); trying again\n", e.gw, text.Line(err.Error()))
			}
			broken = true
		},
	}
	first := true
	for ev, err := range client.Events(following, req) {
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil: // also the cause of giving up
			return err
		}
		if ev.Name == "gap" {
			fmt.Fprintln(e.notes, "tidewire: some events are missing here")
		}
		if ev.Name != "" {
			continue
		}
		var row sent[wire.Event]
		if err := json.Unmarshal(ev.Data, &row); err != nil {
			return fmt.Errorf("read the stream: %w", err)
		}
		if err := e.show([]sent[wire.Event]{row}, first); err != nil {
			return err
		}
		first = false
	}
	if ctx.Err() != nil {
		return nil
	}
	return errors.New("the gateway has ended the stream: there is nothing more to follow")
}

// eventWidths are the least widths of the columns of a table whose further rows are not known yet.
var eventWidths = []int{len(time.DateTime), 8, 12, 8}

// show prints events, as a table with its head if that is wanted.
func (e *eventLister) show(rows []sent[wire.Event], head bool) error {
	if e.json {
		if err := printSent(e.out, rows); err != nil {
			return fmt.Errorf("write the output: %w", err)
		}
		return nil
	}
	var cells [][]string
	if head {
		cells = append(cells, []string{"TIME", "KIND", "WHAT", "WHO", "EVENT"})
	}
	for _, row := range values(rows) {
		cells = append(cells, []string{
			row.Time.Local().Format(time.DateTime), row.Kind, text.Line(row.Source + row.Job), cmp.Or(text.Line(row.Who), "–"),
			text.Line(row.Text),
		})
	}
	widths := slices.Clone(eventWidths)
	for _, row := range cells {
		for i := range widths {
			widths[i] = max(widths[i], min(terminal.Width(row[i]), 32))
		}
	}
	screen := terminal.Open(e.out)
	for n, row := range cells {
		line := ""
		for i := range widths {
			line += terminal.Pad(terminal.Cut(row[i], widths[i]), widths[i]) + "  "
		}
		line += row[len(widths)]
		if screen != nil && head && n == 0 {
			line = screen.Paint(terminal.Bold, line)
		}
		if _, err := fmt.Fprintln(e.out, line); err != nil {
			return fmt.Errorf("write the output: %w", err)
		}
	}
	return nil
}
