package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidewire/tidewire/internal/terminal"
	"github.com/tidewire/tidewire/internal/text"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse/progress"
)

const (
	defaultRuns = 20
	mostRuns    = 100_000
	pageOfRuns  = 200 // as many as a gateway lists at once
)

func runsCommand() *cobra.Command {
	var address, tokenFile string
	q := runsQuery{}
	cmd := &cobra.Command{
		Use:   "runs [JOB]",
		Short: "List the runs of a gateway's jobs",
		Long: `Runs lists the runs of a job, or of all jobs: in progress, waiting, and over for as long as they are
kept. The newest come first. With --json it prints a line for each: the run as in the API.`,
		Example: `  tidewire runs
  tidewire runs backup --since 24h
  tidewire runs --status failed,timed_out,lost --limit 100
  tidewire runs backup --json | jq -r '[.created_at, .status] | @tsv'`,
		Args:              arguments(0, 1),
		ValidArgsFunction: completeJobName,
		RunE: func(cmd *cobra.Command, args []string) error {
			if q.limit < 1 || q.limit > mostRuns {
				return usageError(fmt.Sprintf("--limit %d is not a number from 1 to %d", q.limit, mostRuns))
			}
			gw, err := newRemote(address, tokenFile)
			if err != nil {
				return err
			}
			if len(args) > 0 {
				q.job = args[0]
			}
			return listRuns(cmd.Context(), gw, q, cmd.OutOrStdout())
		},
	}
	urlFlag(cmd, &address)
	tokenFlag(cmd, &tokenFile)
	cmd.Flags().StringVar(&q.status, "status", "", "only runs with this `status`, or with one of several, separated by commas")
	cmd.Flags().StringVar(&q.since, "since", "", "only runs that were created since this `time`, or for this long, such as 24h or 7d")
	cmd.Flags().IntVar(&q.limit, "limit", defaultRuns, "how many at most")
	cmd.Flags().BoolVar(&q.json, "json", false, "print a line of JSON for each run")
	choices(cmd, "status", "queued", "running", "cancelling", "succeeded", "failed", "cancelled", "timed_out", "lost", "warned")
	return cmd
}

// A runsQuery says which runs are listed, and how.
type runsQuery struct {
	job, status, since string
	limit              int
	json               bool
}

// listRuns prints the runs that q asks for, with --json page by page.
func listRuns(ctx context.Context, gw *remote, q runsQuery, out io.Writer) error {
	var rows []wire.Run
	found := 0
	for cursor := ""; found < q.limit; {
		var page struct {
			Runs []sent[wire.Run]
			Next *string
		}
		if err := gw.runs(ctx, &page, q, min(q.limit-found, pageOfRuns), cursor); err != nil {
			return startError(ctx, gw, err)
		}
		found += len(page.Runs)
		if !q.json {
			rows = append(rows, values(page.Runs)...)
		} else if err := printSent(out, page.Runs); err != nil {
			return err
		}
		if page.Next == nil || len(page.Runs) == 0 {
			break
		}
		cursor = *page.Next
	}
	if q.json {
		return nil
	}
	if len(rows) == 0 {
		_, err := fmt.Fprintln(out, "there are no such runs")
		return err
	}
	return runsGrid(rows, q.job == "", time.Now()).print(out)
}

// runs gets a page of runs into v.
func (r *remote) runs(ctx context.Context, v any, q runsQuery, limit int, cursor string) error {
	path := []string{"runs"}
	if q.job != "" {
		path = []string{"jobs", q.job, "runs"}
	}
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	for name, value := range map[string]string{"status": q.status, "since": q.since, "cursor": cursor} {
		if value != "" {
			query.Set(name, value)
		}
	}
	_, err := r.query(ctx, v, query, path...)
	return err
}

// runsGrid is a table of runs, with their jobs if they are of several.
func runsGrid(rows []wire.Run, withJob bool, now time.Time) grid {
	g := grid{
		cells: [][]string{{"RUN", "STATUS", "CREATED", "TOOK", "MESSAGE"}}, limits: []int{26, 14, 19, 9, math.MaxInt},
		painted: 1, colour: func(row int) terminal.Colour { return statusLooks[progress.Status(rows[row].Outcome())].colour },
	}
	if withJob {
		g.cells[0], g.limits, g.painted = slices.Insert(g.cells[0], 1, "JOB"), slices.Insert(g.limits, 1, 32), 2
	}
	for _, r := range rows {
		glyph := "●"
		if look, ok := statusLooks[progress.Status(r.Outcome())]; ok {
			glyph = look.glyph
		}
		took, message := "–", r.Message
		if r.StartedAt != nil {
			end := now
			if r.FinishedAt != nil {
				end = *r.FinishedAt
			}
			took = stopwatch(max(0, end.Sub(*r.StartedAt)))
		}
		if r.Error != nil {
			message = *r.Error
		}
		cells := []string{
			text.Line(r.ID), glyph + " " + strings.ReplaceAll(text.Line(r.Outcome()), "_", " "),
			r.CreatedAt.Local().Format(time.DateTime), took, text.Line(message),
		}
		if withJob {
			cells = slices.Insert(cells, 1, text.Line(r.Job))
		}
		g.cells = append(g.cells, cells)
	}
	return g
}

// A statusLook is the mark of a status.
type statusLook struct {
	glyph  string
	colour terminal.Colour
}

// statusLooks maps the statuses of runs to their marks.
var statusLooks = map[progress.Status]statusLook{
	progress.StatusQueued:     {"○", terminal.Faint},
	progress.StatusRunning:    {"●", terminal.Bold},
	progress.StatusCancelling: {"●", terminal.Yellow},
	progress.StatusSucceeded:  {"✔", terminal.Green},
	progress.StatusFailed:     {"✖", terminal.Red},
	progress.StatusCancelled:  {"✖", terminal.Faint},
	progress.StatusTimedOut:   {"✖", terminal.Red},
	progress.StatusLost:       {"✖", terminal.Yellow},
	wire.StatusWarned:         {"!", terminal.Yellow},
}
