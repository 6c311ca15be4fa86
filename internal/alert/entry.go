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
	repeat   config.Repeat
	notify   []string // the receivers to tell
	changed  func()   // may be nil

	is       *situation // nil: clear
	episode  *episode   // nil: it does not fire
	silenced *wire.Silenced
	acked    *wire.Acknowledged // of the episode
	shown    *wire.Alert        // how it is, for others; replaced, never modified; nil: clear
	accounts map[string]*account
	member   string // the group in which it is counted; empty: none

	reading Reading      // the newest
	ended   *notify.Item // how the last episode was at its end; nil: it is not known
	last    string       // the last episode
	seen    seen         // of a job
}

// A situation is how an alert is that is not clear. It is replaced, never modified.
type situation struct {
	word   string     // wire.AlertPending, wire.AlertFiring or wire.AlertUnknown
	since  *time.Time // as people are shown it
	reason string     // of a job
	run    string     // of a job
	err    *string    // why a condition cannot be evaluated
}

func (s *situation) firing() bool { return s != nil && s.word == wire.AlertFiring }

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
		e = &entry{accounts: map[string]*account{}}
		s.entries[of.Key] = e
	}
	e.subject = of
	return e
}

// own has an alert be defined by owner from now on.
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

// joinLocked counts an alert in a group.
func (s *Service) joinLocked(e *entry, group string) {
	if e.member == group {
		return
	}
	if s.members[e.member]--; s.members[e.member] <= 0 {
		delete(s.members, e.member)
	}
	if e.member = group; group != "" {
		s.members[group]++
	}
}

// aloneLocked reports whether no other alert can be told together with this one.
func (s *Service) aloneLocked(e *entry) bool {
	return e.subject.Upstream == "" || s.members[e.group()] <= 1
}

// put has the alert be as is says. What a receiver is told of it is made of item when it fires for the first time, or for
// another reason, or is over.
func (s *Service) putLocked(e *entry, is *situation) {
	was := e.is
	e.is = is
	switch fires, fired := is.firing(), was.firing(); {
	case fires && !fired:
		e.silenced = s.silencedLocked(e)
		e.episode = &episode{id: e.newEpisode(is), item: e.item(notify.Firing)}
		s.tellFiringLocked(e)
	case fires && is.reason != was.reason:
		e.episode = &episode{id: e.episode.id, item: e.item(notify.Firing)}
		s.tellFiringLocked(e)
	case fired && !fires:
		e.is = was // what is over is told as it was
		item := e.item(notify.Resolved)
		item.Until = s.deps.Clock.People(s.deps.Clock.Now())
		e.is, e.ended = is, item
		e.episode, e.acked = nil, nil
		s.deps.Log.Info("alert resolved", e.attr())
		s.deps.Changed(e.subject.Key, notify.Resolved, "")
	}
	s.showLocked(e)
	s.settleLocked(e, false)
	s.saveLocked(e, is.firing() != was.firing())
	s.deps.Published()
}

// tellFiringLocked has the log and others know that an alert fires.
func (s *Service) tellFiringLocked(e *entry) {
	log := s.deps.Log.With(e.attr())
	if e.is.reason != "" {
		log = log.With("reason", e.is.reason)
	}
	log.Warn("alert firing")
	s.deps.Changed(e.subject.Key, notify.Firing, e.is.reason)
}

// newEpisode names an episode: after a restart, what begins in the same way at the same time has the same name.
func (e *entry) newEpisode(is *situation) string {
	name := func(more string) string { return idOf(e.subject.Key, is.since.Format(time.RFC3339Nano), is.run, more) }
	id := name("")
	for i := 1; id == e.last; i++ {
		id = name(fmt.Sprint(i))
	}
	e.last = id
	return id
}

// idOf makes an ID of what there cannot be twice.
func idOf(of ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(of, "\x00")))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:10]))
}

// showLocked has others see the alert as it is now.
func (s *Service) showLocked(e *entry) {
	e.shown = nil
	if e.is == nil {
		return
	}
	e.shown = &wire.Alert{
		State: e.is.word, Since: e.is.since, Severity: e.severity, Reason: e.is.reason, Run: e.is.run, Error: e.is.err,
		Silenced: e.silenced,
	}
	if e.episode != nil {
		e.shown.Acknowledged = e.acked
	}
}

// settleLocked has every receiver be told what it has to know. A receiver that knows that the alert fires is told again if
// that is over which has silenced it.
func (s *Service) settleLocked(e *entry, unsilenced bool) {
	if e.episode != nil {
		for _, to := range e.notify {
			if e.accounts[to] == nil && s.receivers[to] != nil {
				e.accounts[to] = &account{entry: e, to: to}
			}
		}
	}
	for to, a := range e.accounts {
		s.settleAccountLocked(a, unsilenced)
		if a.told == nil && len(a.queue) == 0 && (e.episode == nil || !slices.Contains(e.notify, to)) {
			delete(e.accounts, to)
		}
		s.enlistLocked(a)
	}
	if len(e.accounts) == 0 {
		e.ended = nil
	}
	if e.owner == nil && e.is == nil && len(e.accounts) == 0 {
		delete(s.entries, e.subject.Key)
	}
}

func (s *Service) settleAccountLocked(a *account, unsilenced bool) {
	e := a.entry
	if e.silenced != nil {
		a.withdraw()
		return
	}
	wanted := slices.Contains(e.notify, a.to)
	if !wanted {
		a.withdrawFiring()
	}
	switch knows := a.finally(); {
	case e.episode == nil && knows != nil:
		s.oweLocked(a, notify.Resolved, "", knows.episode)
	case e.episode == nil || !wanted:
	case knows == nil:
		s.oweLocked(a, notify.Firing, "", e.episode.id)
	case knows.episode != e.episode.id || unsilenced && len(a.queue) == 0:
		s.oweLocked(a, notify.Firing, notify.Unsilenced, e.episode.id)
	case knows.reason != e.is.reason:
		s.oweLocked(a, notify.Firing, notify.Changed, e.episode.id)
	}
}

// oweLocked has a receiver be told something.
func (s *Service) oweLocked(a *account, state, again, episode string) {
	e, now := a.entry, s.deps.Clock.Now()
	item := e.ended
	switch {
	case state == notify.Firing && again == "":
		item = e.episode.item
	case state == notify.Firing:
		item = e.item(notify.Firing)
	case item == nil:
		item = e.item(notify.Resolved)
	}
	id := []string{a.to, episode, state}
	if again != "" {
		id = append(id, again, rand.Text())
	}
	a.owe(&owed{
		id: idOf(id...), state: state, again: again, episode: episode, item: item, first: now, at: now,
	})
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
	if e.is != nil {
		i.Since, i.Reason, i.Run = e.is.since, e.is.reason, e.is.run
	}
	if v := e.reading.Value; len(v) <= notify.MaxValue {
		i.Value, i.Headline = v, headlineOf(e.subject.Headline, v)
	}
	return i
}
