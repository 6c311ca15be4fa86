package alert

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/notify"
	"github.com/tidewire/tidewire/internal/wire"
)

// An entry is what the Service knows of the alert of one subject. It outlives the definition of the alert until every
// receiver that was told that it fires knows that it is over.
type entry struct {
	subject  Subject
	owner    any // the [Monitor] or [JobMonitor] at work; nil: the alert is not configured any more
	severity string
	when     string        // the condition of a source, as configured
	holds    time.Duration // how long that must hold
	repeat   config.Repeat
	notify   []string // the receivers to tell
	changed  func()   // may be nil

	status    *status  // nil: clear
	episode   *episode // nil: it does not fire
	silenced  *wire.Silenced
	acked     *wire.Acknowledged // of the episode
	shown     *wire.Alert        // how it is, for others; replaced, never modified; nil: clear
	outboxes  map[string]*outbox
	countedIn string // the group in which it is counted; empty: none

	reading Reading      // the newest
	ended   *notify.Item // how the last episode was at its end; nil: it is not known
	last    string       // the last episode
	seen    seen         // of a job
}

// A status is how an alert is that is not clear. It is replaced, never modified.
type status struct {
	word   string     // wire.AlertPending, wire.AlertFiring or wire.AlertUnknown
	since  *time.Time // as people are shown it
	reason string     // of a job
	run    string     // of a job
	err    *string    // why a condition cannot be evaluated
}

func (s *status) firing() bool { return s != nil && s.word == wire.AlertFiring }

// statusOf is the status that others are shown as a; nil: clear.
func statusOf(a *wire.Alert) *status {
	if a == nil {
		return nil
	}
	return &status{word: a.State, since: a.Since, reason: a.Reason, run: a.Run, err: a.Error}
}

// An episode is from when an alert begins to fire until it is resolved.
type episode struct {
	id   string
	item *notify.Item // how the alert was when it began to fire, or changed
}

// A seen is the newest end of a run of a job that is known.
type seen struct {
	Run      string    `json:"run"`
	Finished time.Time `json:"finished"`
}

// group is what the messages of alerts that are told together have in common. That a job did not go well is not the outage
// of its upstream, which the sources of that tell.
func (e *entry) group() string {
	if e.subject.Upstream == "" || strings.HasPrefix(e.subject.Key, wire.JobKey("")) {
		return e.subject.Key
	}
	return wire.UpstreamKey(e.subject.Upstream)
}

// attr is the subject in the log.
func (e *entry) attr() slog.Attr {
	if name, ok := strings.CutPrefix(e.subject.Key, wire.JobKey("")); ok {
		return slog.String("job", name)
	}
	return slog.String("source", e.subject.Name)
}

// entryLocked returns the entry of a subject, which is at work from now on.
func (s *Service) entryLocked(of Subject) *entry {
	e := s.entries[of.Key]
	if e == nil {
		e = &entry{outboxes: map[string]*outbox{}}
		s.entries[of.Key] = e
	}
	e.subject = of
	return e
}

// ownLocked has an alert be defined by owner from now on.
func (s *Service) ownLocked(e *entry, owner any, severity config.Severity, repeat config.Repeat, to []*config.Notify) {
	e.owner, e.severity, e.repeat = owner, cmp.Or(string(severity), wire.SeverityWarning), repeat
	e.notify = e.notify[:0:0]
	for _, n := range to {
		e.notify = append(e.notify, n.Name)
		s.receiverLocked(n)
	}
	e.silenced = s.silencedLocked(e)
	s.joinLocked(e, e.group())
}

// joinLocked counts an alert in a group; empty: in none.
func (s *Service) joinLocked(e *entry, group string) {
	if e.countedIn == group {
		return
	}
	if s.groupSizes[e.countedIn]--; s.groupSizes[e.countedIn] <= 0 {
		delete(s.groupSizes, e.countedIn)
	}
	if e.countedIn = group; group != "" {
		s.groupSizes[group]++
	}
}

// aloneLocked reports whether no other alert can be told together with that of an outbox.
func (s *Service) aloneLocked(box *outbox) bool {
	group := box.group()
	return !strings.HasPrefix(group, wire.UpstreamKey("")) || group == box.entry.group() && s.groupSizes[group] <= 1
}

// setStatusLocked has the alert be as is says, and everybody know of it. It begins an episode, or ends it.
func (s *Service) setStatusLocked(e *entry, is *status) {
	was := e.status
	e.status = is
	switch fires, fired := is.firing(), was.firing(); {
	case fires && !fired:
		e.silenced = s.silencedLocked(e)
		e.episode = &episode{id: e.newEpisode(is), item: e.item(notify.Firing)}
		s.tellFiringLocked(e)
	case fires && is.reason != was.reason:
		e.episode = &episode{id: e.episode.id, item: e.item(notify.Firing)}
		s.tellFiringLocked(e)
	case fired && !fires:
		e.status = was // the end is told with the status that has ended
		item := e.item(notify.Resolved)
		item.Until = s.deps.Clock.People(s.deps.Clock.Now())
		e.status, e.ended = is, item
		e.episode, e.acked = nil, nil
		s.deps.Log.Info("alert resolved", e.attr())
		s.deps.Changed(e.subject.Key, notify.Resolved, "")
	}
	s.showLocked(e)
	s.reconcileLocked(e, false)
	s.saveLocked(e, is.firing() != was.firing())
	s.deps.ListChanged()
}

// tellFiringLocked has the log and others know that an alert fires.
func (s *Service) tellFiringLocked(e *entry) {
	log := s.deps.Log.With(e.attr())
	if e.status.reason != "" {
		log = log.With("reason", e.status.reason)
	}
	log.Warn("alert firing")
	s.deps.Changed(e.subject.Key, notify.Firing, e.status.reason)
}

// newEpisode names an episode: after a restart, what begins in the same way at the same time has the same name.
func (e *entry) newEpisode(is *status) string {
	name := func(more string) string { return idOf(e.subject.Key, is.since.Format(time.RFC3339Nano), is.run, more) }
	id := name("")
	for i := 1; id == e.last; i++ {
		id = name(fmt.Sprint(i))
	}
	e.last = id
	return id
}

// idOf makes an ID of texts that together occur once.
func idOf(of ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(of, "\x00")))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:10]))
}

// showLocked has others see the alert as it is now.
func (s *Service) showLocked(e *entry) {
	e.shown = nil
	if e.status == nil {
		return
	}
	e.shown = &wire.Alert{
		State: e.status.word, Since: e.status.since, Severity: e.severity, Reason: e.status.reason, Run: e.status.run,
		If: e.when, For: wire.Span(e.holds), Error: e.status.err, Silenced: e.silenced,
	}
	if e.episode != nil {
		e.shown.Acknowledged = e.acked
	}
}

// reconcileLocked has every receiver be told what leads from what it knows to how the alert is. If the alert is not
// silenced any more, a receiver that knows that it fires is told so again, unless somebody takes care of it.
func (s *Service) reconcileLocked(e *entry, unsilenced bool) {
	if e.episode != nil {
		for _, to := range e.notify {
			if e.outboxes[to] == nil && s.receivers[to] != nil {
				e.outboxes[to] = &outbox{entry: e, to: to}
			}
		}
	}
	for to, box := range e.outboxes {
		s.reconcileOutboxLocked(box, unsilenced)
		if box.told == nil && len(box.queue) == 0 && (e.episode == nil || !slices.Contains(e.notify, to)) {
			delete(e.outboxes, to)
		}
		s.enlistLocked(box)
	}
	if len(e.outboxes) == 0 {
		e.ended = nil
	}
	if e.owner == nil && e.status == nil && len(e.outboxes) == 0 {
		delete(s.entries, e.subject.Key)
	}
}

func (s *Service) reconcileOutboxLocked(box *outbox, unsilenced bool) {
	e := box.entry
	if e.silenced != nil {
		box.withdraw()
		return
	}
	wanted := slices.Contains(e.notify, box.to)
	if !wanted {
		box.withdrawFiring()
	}
	switch knows := box.knownAfterAll(); {
	case e.episode == nil && knows != nil:
		s.enqueueLocked(box, notify.Resolved, "", knows.episode)
	case e.episode == nil || !wanted:
	case knows == nil:
		s.enqueueLocked(box, notify.Firing, "", e.episode.id)
	case knows.episode != e.episode.id || unsilenced && e.acked == nil && len(box.queue) == 0:
		s.enqueueLocked(box, notify.Firing, notify.Unsilenced, e.episode.id)
	case knows.reason != e.status.reason:
		s.enqueueLocked(box, notify.Firing, notify.Changed, e.episode.id)
	}
}

// enqueueLocked puts a notice into an outbox.
func (s *Service) enqueueLocked(box *outbox, state, again, episode string) {
	e, now := box.entry, s.deps.Clock.Now()
	item := e.ended
	switch {
	case state == notify.Firing && again == "":
		item = e.episode.item
	case state == notify.Firing:
		item = e.item(notify.Firing)
	case item == nil:
		item = e.item(notify.Resolved)
	}
	id := []string{box.to, episode, state}
	if again != "" {
		id = append(id, again, rand.Text())
	}
	box.add(&notice{id: idOf(id...), state: state, again: again, episode: episode, item: item, at: now, first: now})
}

// item is how the alert is now, for receivers.
func (e *entry) item(state string) *notify.Item {
	i := &notify.Item{
		Key: e.subject.Key, Title: e.subject.Title, State: state, Severity: e.severity, Error: e.reading.Error,
	}
	if name, ok := strings.CutPrefix(e.subject.Key, wire.JobKey("")); ok {
		i.Job = name
	} else {
		i.Source = e.subject.Name
	}
	if e.status != nil {
		i.Since, i.Reason, i.Run = e.status.since, e.status.reason, e.status.run
	}
	if v := e.reading.Value; len(v) <= notify.MaxValue {
		i.Value, i.Headline = v, headlineOf(e.subject.Headline, v)
	}
	return i
}
