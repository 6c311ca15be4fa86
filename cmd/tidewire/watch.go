package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidewire/tidewire/internal/lifecycle"
	"github.com/tidewire/tidewire/internal/terminal"
	"github.com/tidewire/tidewire/internal/text"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse"
)

func watchCommand() *cobra.Command {
	var address, tokenFile string
	var once, asJSON bool
	cmd := &cobra.Command{
		Use:   "watch [URL] [SOURCE ...]",
		Short: "Show the sources of a gateway live",
		Long: `Watch shows the sources of a gateway, all of them or those named: in a terminal as a table that
follows every change until Ctrl-C, else with a line for each change. It reconnects by itself. The
first argument, if it is a URL, or else --url names the gateway.

With --json it prints a line for each change: the source as in the API.

The exit code is 0; with --once it is 1 if a source shown is stale or failing.`,
		Example: `  tidewire watch
  tidewire watch --token-file ~/.tidewire-token https://tidewire.plant tank disk
  tidewire watch --once tank || echo "tank is not ok"
  tidewire watch --json --url http://127.0.0.1:8480 | jq .value`,
		ValidArgsFunction: completeSource,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && isAddress(args[0]) {
				if cmd.Flags().Changed("url") {
					return usageError("the gateway is given twice: by --url and as " + args[0])
				}
				address, args = args[0], args[1:]
			}
			gw, err := newRemote(address, tokenFile)
			if err != nil {
				return err
			}
			w := &watcher{gw: gw, only: args, out: cmd.OutOrStdout(), notes: cmd.ErrOrStderr(), json: asJSON}
			if once {
				return w.once(cmd.Context())
			}
			return w.watch(cmd.Context())
		},
	}
	urlFlag(cmd, &address)
	tokenFlag(cmd, &tokenFile)
	cmd.Flags().BoolVar(&once, "once", false, "print the current state and exit")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a line of JSON for each source, and for each change of it")
	return cmd
}

// isAddress reports whether an argument is a URL: names of sources contain no colon.
func isAddress(arg string) bool { return strings.Contains(arg, ":") }

// A watcher follows the sources of a gateway. It is for one goroutine.
type watcher struct {
	gw     *remote
	only   []string // the names of the sources to show; none: all
	out    io.Writer
	notes  io.Writer // gets messages about connections if there is no screen
	json   bool
	table  sourceTable
	broken bool              // the connection; reported already
	late   bool              // the sources have changed and could not be loaded yet
	last   map[string]string // the last line printed for each source, if there is no screen
}

// once prints the current state.
func (w *watcher) once(ctx context.Context) error {
	if err := w.load(ctx); err != nil {
		return w.gw.explained(err)
	}
	if w.json {
		if err := w.print(); err != nil {
			return err
		}
	} else {
		columns := 0
		screen := terminal.Open(w.out)
		if screen != nil {
			columns, _ = screen.Size()
		}
		for _, line := range w.table.lines(screen, columns, time.Now()) {
			if _, err := fmt.Fprintln(w.out, line); err != nil {
				return fmt.Errorf("write the output: %w", err)
			}
		}
	}
	if w.table.bad() {
		return exitStatus(exitFailure)
	}
	return nil
}

// load gets all sources, and the difference between the clocks.
func (w *watcher) load(ctx context.Context) error {
	var list struct{ Sources []sourceRow }
	header, err := w.gw.get(ctx, &list, "sources")
	if err != nil {
		return err
	}
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		if skew := time.Since(
			date,
		); skew.Abs() > 2*time.Second { // a smaller one is within the resolution of the header
			w.table.skew = skew
		}
	}
	return w.table.reset(list.Sources, w.only)
}

// A watchEvent is a source's new state, a change of the set of sources, a connection that was made or has broken, or
// the reason why nothing more follows.
type watchEvent struct {
	source    *sourceRow
	others    bool
	connected bool
	retryAt   time.Time // of a broken connection: the time of the next attempt
	broke     error     // why
	err       error
}

// watch shows the table until ctx ends.
func (w *watcher) watch(ctx context.Context) error {
	if err := w.load(ctx); err != nil {
		return w.gw.explained(err)
	}
	screen := terminal.Open(w.out)
	if w.json {
		screen = nil
	}
	if screen != nil {
		screen.Enter()
		defer func() { // the last state stays visible
			screen.Leave()
			columns, _ := screen.Size()
			fmt.Fprintln(w.out, strings.Join(w.table.lines(screen, columns, time.Now()), "\n"))
		}()
	}
	events := make(chan watchEvent)
	follow := lifecycle.Loop(ctx, func(ctx context.Context) { w.follow(ctx, events) })
	defer follow.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	dirty, drawn := true, time.Time{}
	if screen == nil {
		if err := w.print(); err != nil {
			return err
		}
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case ev := <-events:
			if err := w.take(ctx, ev); ctx.Err() != nil {
				return nil
			} else if err != nil {
				return err
			}
			if screen == nil {
				w.note(ev)
				if err := w.print(); err != nil {
					return err
				}
			}
			dirty = true
		case now := <-tick.C: // at most ten times a second, and once a second to update ages
			if screen != nil && (dirty || now.Sub(drawn) >= time.Second) {
				w.draw(screen, now)
				dirty, drawn = false, now
			}
		}
	}
}

// take processes an event.
func (w *watcher) take(ctx context.Context, ev watchEvent) error {
	switch {
	case ev.err != nil:
		return w.gw.explained(ev.err)
	case !ev.retryAt.IsZero():
		w.table.retryAt = ev.retryAt
	case ev.source != nil:
		w.table.put(*ev.source)
	case ev.connected:
		w.table.retryAt = time.Time{}
	case ev.others:
		w.late = true
	}
	if !w.late {
		return nil
	}
	err := w.load(ctx)
	if w.late = errors.As(err, new(*url.Error)); w.late {
		return nil // the gateway is unreachable again: retried when it is back
	}
	return w.gw.explained(err)
}

// draw shows the table on a screen.
func (w *watcher) draw(screen *terminal.Screen, now time.Time) {
	columns, rows := screen.Size()
	lines := append([]string{w.headline(screen, columns, now), ""}, w.table.lines(screen, columns, now)...)
	if len(lines) > rows {
		hidden := 0
		for _, line := range lines[rows-1:] {
			if !strings.HasPrefix(line, continued) {
				hidden++
			}
		}
		lines = append(lines[:rows-1], terminal.Cut(fmt.Sprintf("and %d more", hidden), columns))
	}
	screen.Fill(lines[:min(len(lines), rows)])
}

// headline returns the gateway, the counts of states, and whether the table is live.
func (w *watcher) headline(screen *terminal.Screen, columns int, now time.Time) string {
	state, colour := "live", terminal.Green
	if !w.table.retryAt.IsZero() {
		state, colour = "reconnecting", terminal.Yellow
		if wait := w.table.retryAt.Sub(now); wait > 0 {
			state += " in " + stopwatch(wait+time.Second/2)
		}
	}
	left := fmt.Sprintf("%s  %s", w.gw, w.table.counts())
	return terminal.Pad(
		terminal.Cut(left, max(0, columns-len(state)-2)), columns-len(state)-2,
	) + "  " + screen.Paint(
		colour, state,
	)
}

// note reports on stderr, once, that the connection broke, and that it is back.
func (w *watcher) note(ev watchEvent) {
	switch {
	case ev.broke != nil && !w.broken:
		w.broken = true
		fmt.Fprintf(
			w.notes, "tidewire: the connection to %s broke (%s); trying again\n", w.gw, text.Line(ev.broke.Error()),
		)
	case ev.connected && w.broken:
		w.broken = false
		fmt.Fprintf(w.notes, "tidewire: connected to %s again\n", w.gw)
	}
}

// print prints a line for each source that has changed since it was last printed, if there is no screen.
func (w *watcher) print() error {
	if w.last == nil {
		w.last = make(map[string]string)
	}
	for _, s := range w.table.rows {
		line := fmt.Sprintf("%-7s  %s", s.condition(), s.reading())
		if failure := s.failure(); failure != "" {
			line += "  (" + failure + ")"
		}
		shown := fmt.Sprintf("%s  %s  %s\n", time.Now().Format(time.TimeOnly), text.Line(s.Name), line)
		if w.json {
			line = string(s.raw)
			shown = line + "\n"
		}
		if w.last[s.Name] == line {
			continue
		}
		w.last[s.Name] = line
		if _, err := io.WriteString(w.out, shown); err != nil {
			return fmt.Errorf("write the output: %w", err)
		}
	}
	return nil
}

// follow sends events until ctx ends; its last event is the reason why it cannot continue.
func (w *watcher) follow(ctx context.Context, events chan<- watchEvent) {
	tell := func(ev watchEvent) {
		select {
		case events <- ev:
		case <-ctx.Done():
		}
	}
	client := &sse.Client{
		HTTP:      &http.Client{Transport: w.gw.dial},
		Silence:   silence,
		OnConnect: func(*http.Response) { tell(watchEvent{connected: true}) },
		OnRetry: func(err error, wait time.Duration) {
			tell(watchEvent{retryAt: time.Now().Add(wait), broke: err})
		},
	}
	for ctx.Err() == nil {
		err := w.stream(ctx, client, tell)
		switch {
		case ctx.Err() != nil:
			return
		case err == errOthers:
			tell(watchEvent{others: true})
		case err == nil:
			tell(watchEvent{err: errors.New("the gateway has ended the stream: there is nothing more to watch")})
			return
		default:
			tell(watchEvent{err: err})
			return
		}
	}
}

// errOthers means that the set of sources has changed, so that the stream has to be opened anew.
var errOthers = errors.New("the set of sources has changed")

// stream reads one stream, and those that replace it when it breaks.
func (w *watcher) stream(ctx context.Context, client *sse.Client, tell func(watchEvent)) error {
	req, err := w.gw.request(ctx, "stream")
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	version := -1
	for ev, err := range client.Events(ctx, req) {
		if err != nil {
			return err
		}
		if ev.Name == "reset" { // another process answers, and it may have other sources
			tell(watchEvent{others: true})
		}
		if ev.Name != "" {
			continue
		}
		var object struct {
			Key     string
			Version int
		}
		if err := json.Unmarshal(ev.Data, &object); err != nil {
			return fmt.Errorf("read the stream: %w", err)
		}
		switch {
		case strings.HasPrefix(object.Key, wire.SourceKey("")):
			s := new(sourceRow)
			if err := json.Unmarshal(ev.Data, s); err != nil {
				return fmt.Errorf("read the stream: %w", err)
			}
			tell(watchEvent{source: s})
		case object.Key == wire.ConfigKey:
			if version >= 0 && version != object.Version {
				return errOthers
			}
			version = object.Version
		}
	}
	return nil
}
