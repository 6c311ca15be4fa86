package events

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/audit"
	"github.com/tidewire/tidewire/internal/clock"
)

// Audited records what the audit log was told, if it is of one of the kinds of events. The records of the audit log are
// metered before, so that nobody can fill the journal by signing in.
func (j *Journal) Audited(r audit.Record) {
	said := attributes{}
	said.add(r.Who)
	said.add(r.Attrs)
	e := archive.Event{Job: said.text("job"), Run: said.text("run"), Who: said.text("user")}
	data := map[string]any{}
	switch r.Action {
	case "trigger":
		if said["coalesced"].Equal(slog.BoolValue(true)) {
			return // nothing began
		}
		e.Kind, e.Text = Run, "started"
		data["status"] = "queued"
	case "cancel":
		e.Kind, e.Text = Run, "asked to end"
		data["status"] = "cancelling"
	case "run-ended":
		e.Kind, e.Text = Run, said.text("status")
		if e.Text == lost && !j.noteLost(e.Run) {
			return
		}
		data["status"] = e.Text
		said.copy(data, "lane")
		if took, ok := said["seconds"]; ok {
			data["seconds"] = took.Float64()
			e.Text += " after " + clock.Words(time.Duration(took.Float64()*float64(time.Second)).Round(time.Millisecond))
		}
	case "silence", "end-silence", "acknowledge":
		e.Kind, e.Source, e.Text = Alert, said.text("source"), said.alert(r.Action, data)
	case "reload":
		e.Kind, e.Text = Reload, said.reload(data)
	case "sign-in":
		e.Kind, e.Text = SignIn, said.text("result")
		switch e.Text {
		case "ok":
			e.Text = "signed in"
		case "no role":
			e.Text = "refused: none of the groups has a role"
		}
		e.Who = said.text("as")
		said.copy(data, "result", "method", "address", "as_kind", "as_issuer", "as_subject")
	case "sign-out":
		e.Kind, e.Text = SignOut, "signed out"
		said.copy(data, "address")
	default:
		return
	}
	if more, ok := said["more"]; ok { // how many the audit log has left out
		e.Text = fmt.Sprintf("%d more times", more.Int64())
		data["more"] = more.Int64()
		said.copy(data, "kind", "issuer", "subject")
	}
	j.add(e, data)
}

// RunLost records that a run, of that lane, has ended as lost, because its process is gone. A run that is recorded as lost is not recorded
// again.
func (j *Journal) RunLost(job, run, lane string) {
	if !j.noteLost(run) {
		return
	}
	data := map[string]any{"status": lost}
	if lane != "" {
		data["lane"] = lane
	}
	j.add(archive.Event{Kind: Run, Job: job, Run: run, Who: "tidewire", Text: lost}, data)
}

// lost is the status of a lost run.
const lost = "lost"

const (
	// maxLost bounds the runs that are remembered as lost.
	maxLost = 10_000
	// maxRecalled bounds the events in which a new process looks for them: so many a store has in memory.
	maxRecalled = 2000
)

// recall takes note of the runs that are recorded as lost already: a process that was killed may have recorded that, and
// not have ended the run. Those are among the newest, as each process ends the runs of the one before when it starts.
func (j *Journal) recall(ctx context.Context) error {
	newest, err := j.deps.Archive.List(ctx, archive.EventFilter{}, maxRecalled)
	for _, e := range newest {
		if e.Kind == Run && e.Text == lost {
			j.lost[e.Run] = struct{}{}
		}
	}
	return err
}

// noteLost takes note of a lost run, and reports whether that is new.
func (j *Journal) noteLost(run string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, known := j.lost[run]; known {
		return false
	}
	if len(j.lost) >= maxLost {
		clear(j.lost)
	}
	j.lost[run] = struct{}{}
	return true
}

// attributes are those of a record, by name. Members of groups are attributes like others.
type attributes map[string]slog.Value

func (a attributes) add(attrs []slog.Attr) {
	for _, attr := range attrs {
		if attr.Value.Kind() == slog.KindGroup {
			a.add(attr.Value.Group())
			continue
		}
		a[attr.Key] = attr.Value
	}
}

// text returns a text, empty if there is none.
func (a attributes) text(name string) string {
	if v, ok := a[name]; ok {
		return v.String()
	}
	return ""
}

// copy copies texts that are not empty.
func (a attributes) copy(to map[string]any, names ...string) {
	for _, name := range names {
		if s := a.text(name); s != "" {
			to[name] = brief(s)
		}
	}
}

// alert returns what somebody did about alerts, and adds it to data.
func (a attributes) alert(action string, data map[string]any) string {
	var did string
	switch of := a.text("of"); action {
	case "silence":
		until := a["until"].Time().UTC().Format(time.RFC3339)
		data["state"], data["until"] = "silenced", until
		did = of + " silenced until " + until
	case "end-silence":
		data["state"], did = "unsilenced", "the silence of "+of+" was ended"
	default:
		data["state"], did = "acknowledged", "acknowledged"
	}
	a.copy(data, "of", "silence", "reason")
	if why := a.text("reason"); why != "" {
		did += ": " + why
	}
	return did
}

// maxListed is how many things of each kind the data of a reload names.
const maxListed = 20

// reload returns what a reload has come to, and adds it to data.
func (a attributes) reload(data map[string]any) string {
	if why := a.text("error"); why != "" {
		data["error"] = brief(why)
		first, _, _ := strings.Cut(why, "\n")
		return "refused: " + first
	}
	var said []string
	for _, name := range []string{"added", "changed", "removed"} {
		keys, _ := a[name].Any().([]string)
		if len(keys) == 0 {
			continue
		}
		said = append(said, fmt.Sprintf("%d %s", len(keys), name))
		data[name] = keys[:min(len(keys), maxListed)]
	}
	if said == nil {
		return "nothing changed"
	}
	return strings.Join(said, ", ")
}
