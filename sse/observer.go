package sse

import (
	"errors"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"syscall"
	"time"
)

// Observer receives events about the streams of a [Hub], for metrics. Nil fields cost nothing. The functions are
// called from many goroutines, some of which write to thousands of streams: they must not block, nor call the hub. A
// panic in one is logged and the stream continues.
type Observer struct {
	// Delivered is called for each event that a stream has passed on to the kernel, with the time since it was
	// published: how old a snapshot is when its reader gets it. Events that were there before the stream began, whose
	// age says nothing about the hub, do not count.
	Delivered func(age time.Duration)
	// Coalesced is called with the number of events that a stream skipped, because newer ones had replaced them before
	// it could take them.
	Coalesced func(n uint64)
	// Resumed is called for each request for a stream that is admitted, also for one that is answered with 204, since its
	// client has had the end: then it is ResumeEnded, and Opened is not called.
	Resumed func(Resume)
	// Opened is called when a stream has written its first bytes, with the engine that carries it from then on.
	Opened func(Engine)
	// Ended is called once for each Opened.
	Ended func(Ended)
	// Refused is called for each request that gets no stream because of a limit, since the hub's streams are ending, or
	// since [HubOptions].TurnAway says so, or is refused by [HubOptions].OnSubscribe. Not for topics that are left out of a stream ([StreamOptions].Partial).
	Refused func(Refused)
}

// Engine is a way to carry a stream: a word, fit for a metric's label.
type Engine string

// The engines.
const (
	EngineGoroutine Engine = "goroutine" // the server keeps the connection, and its ResponseWriter is written to
	EngineHandOff   Engine = "handoff"   // the hub's writers do, on a connection that was taken (see StreamOptions)
)

// Ended describes a stream that has ended.
type Ended struct {
	Engine   Engine
	Cause    Cause
	Subject  any   // what HubOptions.Subject has said of the request; nil without it
	Bytes    int64 // of the body that were written
	Duration time.Duration
}

// Refused describes a request that gets no stream.
type Refused struct {
	Cause   Cause
	Subject any // what HubOptions.Subject says of the request; nil without it
}

// Cause is why a stream ended or was refused: a word, fit for a metric's label.
type Cause string

// The causes. CauseDrained, CauseStopped and CauseForbidden are of ends and of refusals. Those above them are of ends
// alone, CauseStalled and CauseTimeout of them evictions; those between are of refusals alone.
const (
	CauseFinished  Cause = "finished"  // the run has had its terminal, or was removed
	CauseLeft      Cause = "left"      // the client closed
	CauseStalled   Cause = "stalled"   // a write made no progress for StallTimeout
	CauseTimeout   Cause = "timeout"   // the kernel gave up a peer that answers nothing
	CauseReset     Cause = "reset"     // a write failed otherwise: mostly, the client has left
	CauseDrained   Cause = "drained"   // the hub drains: the end of a stream, or no new one
	CauseStopped   Cause = "stopped"   // the hub's ctx, or Drain's, has ended: likewise
	CauseTotal     Cause = "total"     // refused by MaxStreams
	CauseQuota     Cause = "quota"     // refused by one of Quotas
	CauseTopic     Cause = "topic"     // refused by MaxStreamsPerTopic, or a Manager's MaxRequestTopics
	CauseElsewhere Cause = "elsewhere" // refused by TurnAway
	CauseForbidden Cause = "forbidden" // refused by OnSubscribe, or ended by Hub.End
)

// causeOf is why a write failed that nobody has cut off.
func causeOf(err error) Cause {
	if errors.Is(err, syscall.ETIMEDOUT) || errors.Is(err, os.ErrDeadlineExceeded) {
		return CauseTimeout
	}
	return CauseReset
}

// Resume is the result of resuming from a request's last event id: a word, fit for a metric's label.
type Resume string

// The results.
const (
	ResumeFresh    Resume = "fresh"    // there was none
	ResumeCurrent  Resume = "current"  // nothing was missed
	ResumeReplayed Resume = "replayed" // what was missed follows
	ResumeGap      Resume = "gap"      // a part of what was missed is lost, the rest follows
	ResumeResent   Resume = "resent"   // it says nothing here: the newest follows
	ResumeEnded    Resume = "ended"    // the run is over, and the client has had its terminal: 204
)

// contain is deferred around each callback that is told something, on whichever goroutine: a panic of the application's
// is logged, and ends neither a stream nor the process.
func contain(log *slog.Logger, callback string) {
	if v := recover(); v != nil {
		log.Error("callback panicked", "callback", callback, "panic", v, "stack", string(debug.Stack()))
	}
}

// refused tells the observer of r.
func (h *Hub) refused(r *http.Request, c Cause) {
	if f := h.opts.Observer.Refused; f != nil {
		subject := h.subjectOf(r)
		defer contain(h.opts.Logger, "Observer.Refused")
		f(Refused{Cause: c, Subject: subject})
	}
}

func (h *Hub) resumed(r Resume) {
	if f := h.opts.Observer.Resumed; f != nil {
		defer contain(h.opts.Logger, "Observer.Resumed")
		f(r)
	}
}

// engine is what carries st, once it has begun.
func (st *stream) engine() Engine {
	if st.taken {
		return EngineHandOff
	}
	return EngineGoroutine
}

// opened tells the observer, once.
func (st *stream) opened() {
	st.told = true
	if f := st.hub.opts.Observer.Opened; f != nil {
		defer contain(st.hub.opts.Logger, "Observer.Opened")
		f(st.engine())
	}
}

// ended tells the observer of the end of a stream that was opened.
func (st *stream) ended(why Cause) {
	if f := st.hub.opts.Observer.Ended; f != nil && st.told {
		defer contain(st.hub.opts.Logger, "Observer.Ended")
		f(Ended{
			Engine: st.engine(), Cause: why, Subject: st.subject,
			Bytes: st.bytes, Duration: time.Duration(st.hub.now() - st.begun),
		})
	}
}

// delivered tells the observer of events that the kernel has taken.
func (st *stream) delivered(events []due) {
	if f := st.hub.opts.Observer.Delivered; f != nil && len(events) > 0 {
		defer contain(st.hub.opts.Logger, "Observer.Delivered")
		now := st.hub.now()
		for _, ev := range events {
			if ev.born >= st.begun {
				f(time.Duration(now - ev.born))
			}
		}
	}
}

func (h *Hub) coalesced(n uint64) {
	if f := h.opts.Observer.Coalesced; f != nil && n > 0 {
		defer contain(h.opts.Logger, "Observer.Coalesced")
		f(n)
	}
}
