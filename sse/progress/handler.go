package progress

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/idempotency"
	"github.com/tidewire/tidewire/internal/negotiate"
	"github.com/tidewire/tidewire/internal/problem"
	"github.com/tidewire/tidewire/sse"
)

// HandlerOptions are the options of [Handler]. Work is required; the other fields have defaults.
type HandlerOptions struct {
	// Topic names the topic of a request, from its path, query or user; requests of one topic share a run. For "" the
	// answer is 404. Nil means the request's path.
	Topic func(*http.Request) string

	// Work does the work that a POST asks for, see [Job.Run]; it is called once per run. ctx is the [Job.Context],
	// which outlives the request. r is the request that began the run, with ctx as its context and its body already
	// read into memory.
	Work func(ctx context.Context, report *Reporter, r *http.Request) (result any, err error)

	// JoinEnded makes a POST join a run that has ended and is retained, as [Tracker.StartOrJoin] does.
	JoinEnded bool

	// MaxBody bounds the body of a POST, in bytes. Zero or less means 64 KiB.
	MaxBody int64

	// MaxWait bounds the wait that `Prefer: wait=N` can ask for. Zero or less means 60 seconds.
	MaxWait time.Duration

	// Streams are the options of streams, whose connections are handed off where possible, as if HandOff were set, unless
	// KeepConnection is.
	Streams sse.StreamOptions
}

// Handler serves the jobs of tracker to clients that start, watch and cancel them:
//
//   - POST starts a run, or joins the one that is running: 202, with the run's own URL in Location and an object {id,
//     coalesced, events, snapshot}. With `Prefer: wait=N` (RFC 7240) the answer waits up to N seconds for the end, and
//     is 200 if the run has ended by then. With an Idempotency-Key, the same key on the same topic leads to the same
//     run, as long as that is kept; the answer is 422 if the body differs, and 409 if another run has taken its place, or
//     its end was not kept ([Job.Retain]) or was forgotten ([Tracker.Forget]).
//   - GET streams as [Tracker.Serve] does, and may hand the connection off ([sse.StreamOptions]). If Accept prefers
//     application/json to text/event-stream, the answer is the newest snapshot, with the event's id as ETag. With
//     If-None-Match the answer is 304 while nothing has changed, and with `Prefer: wait=N` it waits for a change.
//   - DELETE asks the run to stop, in whatever process it is: 202, or 200 if it is over.
//
// GET and DELETE apply to the topic's current run, or, at a run's own URL, only to that run. Errors are problems (RFC
// 9457); 404 means that the run does not exist, or is no longer kept. Handler does not authorise requests: wrap it in a
// check of the user, and of the origin ([http.CrossOriginProtection]) if browsers are among the clients. Pages of the
// hub's [sse.HubOptions].AllowedOrigins can read every answer (CORS); the hook [sse.HubOptions].OnSubscribe is called
// for each GET, and only for GET. Idempotency keys are kept in the process.
//
// Handler panics if Work is nil.
func Handler(tracker *Tracker, opts HandlerOptions) http.Handler {
	if opts.Work == nil {
		panic("progress: Handler needs HandlerOptions.Work")
	}
	if opts.Topic == nil {
		opts.Topic = func(r *http.Request) string { return r.URL.Path }
	}
	if opts.MaxBody <= 0 {
		opts.MaxBody = 64 << 10
	}
	if opts.MaxWait <= 0 {
		opts.MaxWait = time.Minute
	}
	opts.Streams.HandOff = true
	return &handler{
		HandlerOptions: opts,
		tracker:        tracker,
		keys: idempotency.New[struct{}](idempotency.Options[*Job]{
			Known:  func(job *Job) bool { return !job.forgotten() },
			MaxOwn: math.MaxInt, // Handler does not know the owner of a key
		}),
	}
}

type handler struct {
	HandlerOptions
	tracker *Tracker
	keys    *idempotency.Keys[struct{}, *Job]
}

// cors lists what pages of other origins may use of a Handler, if the hub allows those origins.
var cors = sse.CORS{
	Methods: "DELETE, GET, HEAD, POST",
	Headers: "Authorization, Cache-Control, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Prefer",
	Expose:  "ETag, Location, Preference-Applied, Retry-After",
}

// ServeHTTP implements [http.Handler].
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.tracker.hub.AllowOrigin(w, r, cors) {
		return
	}
	topic := h.Topic(r)
	if topic == "" {
		fail(w, r, http.StatusNotFound, "this resource does not exist")
		return
	}
	switch r.Method {
	case http.MethodPost:
		h.post(w, r, topic)
	case http.MethodGet, http.MethodHead:
		h.get(w, r, topic)
	case http.MethodDelete:
		h.delete(w, r, topic)
	default:
		w.Header().Set("Allow", cors.Methods)
		fail(w, r, http.StatusMethodNotAllowed, r.Method+" is not allowed here")
	}
}

// post starts or joins a run.
func (h *handler) post(w http.ResponseWriter, r *http.Request, topic string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.MaxBody))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		fail(w, r, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", tooLarge.Limit))
		return
	}
	if err != nil {
		fail(w, r, http.StatusBadRequest, "the body broke off")
		return
	}
	var job *Job
	var isNew, isRepeated bool // isRepeated: an earlier request with the key has led to job
	start := func() (*Job, bool, error) {
		isRepeated = false
		return h.start(r, topic, body)
	}
	switch key, wrong := negotiate.IdempotencyKey(r.Header); {
	case wrong != nil:
		fail(w, r, http.StatusBadRequest, wrong.Error())
		return
	case key != "":
		isRepeated = true
		job, isNew, err = h.startOnce(r.Context(), idempotency.Key[struct{}]{Scope: topic, Key: key}, body, start)
	default:
		job, isNew, err = start()
	}
	switch {
	case err == idempotency.ErrReused:
		problem.Write(w, problem.Problem{
			Type: problem.KeyReused, Status: http.StatusUnprocessableEntity, Instance: r.URL.Path,
			Detail: "this Idempotency-Key was used with another body: use a new one for each start", Run: idOf(job),
		})
		return
	case errors.Is(err, ErrEnded):
		failForNow(w, r, "the service is stopping and starts no more runs")
		return
	case err != nil:
		h.tracker.log.Error("run not started", "topic", topic, "err", err)
		failForNow(w, r, "no run can be started at present")
		return
	}
	if _, ok := h.find(topic, job.run); !ok && isRepeated {
		fail(
			w,
			r,
			http.StatusConflict,
			fmt.Sprintf("run %s, which this request started before, is over and no longer kept", job.run),
		)
		return
	}
	h.answerStart(w, r, topic, job, isNew)
}

// answerStart answers a request that has led to job, after the wait that it prefers.
func (h *handler) answerStart(w http.ResponseWriter, r *http.Request, topic string, job *Job, isNew bool) {
	status := http.StatusAccepted
	prefer := negotiate.Prefer(r.Header, h.MaxWait)
	prefer.Apply(w.Header())
	var newest sse.Event
	isOver := false
	if prefer.Waits {
		newest, isOver = h.await(
			w, r, topic, job.run, prefer.Duration, func(ev sse.Event) bool { return sse.IsTerminalID(ev.ID) })
	}
	if isOver { // and perhaps forgotten since
		status = http.StatusOK
	} else {
		newest, _ = h.newest(topic, job.run)
	}
	at := runURL(r, job.run)
	w.Header().Set("Location", at)
	if !sse.IsTerminalID(newest.ID) {
		w.Header().Set("Retry-After", "1")
	}
	writeJSON(w, status, answer{job.run, !isNew, at, newest.Data})
}

// startOnce returns the job that an earlier request with key started or joined, or else that of start.
func (h *handler) startOnce(
	ctx context.Context, key idempotency.Key[struct{}], body []byte, start func() (*Job, bool, error),
) (job *Job, isNew bool, err error) {
	job, _, err = h.keys.Do(ctx, key, idempotency.Of(body), func() (job *Job, err error) {
		job, isNew, err = start()
		return job, err
	})
	return job, isNew, err
}

// start starts or joins a run for r.
func (h *handler) start(r *http.Request, topic string, body []byte) (*Job, bool, error) {
	job, isNew, err := h.tracker.StartAs(r.Context(), topic, StartOptions{KeepFinal: h.JoinEnded})
	if !isNew {
		return job, false, err
	}
	report := newReporter(job) // before the answer, which contains the first snapshot
	r = r.Clone(job.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	go report.do(func(ctx context.Context, report *Reporter) (any, error) { return h.Work(ctx, report, r) })
	return job, true, nil
}

// get streams a run, or answers with its newest snapshot.
func (h *handler) get(w http.ResponseWriter, r *http.Request, topic string) {
	w.Header().Add("Vary", "Accept")
	run := r.URL.Query().Get("run")
	if !negotiate.WantsJSON(r) {
		h.stream(w, r, topic, run)
		return
	}
	rec, ok := h.tracker.find(r.Context(), topic, run)
	if !ok {
		failGone(w, r)
		return
	}
	if h.tracker.hub.MayRead(r, rec.topic) != nil {
		failForbidden(w, r)
		return
	}
	newest, ok := h.newest(topic, rec.run)
	prefer := negotiate.PreferWait(r.Header, h.MaxWait)
	if known := tag(newest); prefer.Waits && (newest.ID == "" || negotiate.HasTag(r.Header, known)) {
		// The first change ends the wait, even for a client that sends If-None-Match: *.
		seen, changed := h.await(w, r, topic, rec.run, prefer.Duration, func(ev sse.Event) bool { return tag(ev) != known })
		if newest, ok = h.newest(topic, rec.run); !ok && changed { // forgotten since
			newest, ok = seen, true
		}
	}
	if !ok {
		failGone(w, r)
		return
	}
	head := w.Header()
	head.Add("Vary", "Prefer")
	prefer.Apply(head)
	if !sse.IsTerminalID(newest.ID) {
		head.Set("Retry-After", "1")
	}
	if newest.ID != "" {
		head.Set("ETag", tag(newest))
		if negotiate.HasTag(r.Header, tag(newest)) {
			head.Set("Cache-Control", "no-store")
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	writeJSON(w, http.StatusOK, json.RawMessage(newest.Data))
}

// stream streams topic, or only the given run of it if run is not "".
func (h *handler) stream(w http.ResponseWriter, r *http.Request, topic, run string) {
	err := sse.ErrGone
	if rec, ok := h.tracker.find(r.Context(), topic, run); ok {
		err = h.tracker.hub.With(h.Streams).ServeRun(w, r, rec.topic, run)
	}
	switch {
	case err == nil:
	case errors.Is(err, sse.ErrForbidden):
		failForbidden(w, r)
	case errors.Is(err, sse.ErrGone):
		if !sse.ServeGone(w, r) {
			failGone(w, r)
		}
	default: // the hub has logged it
		fail(w, r, http.StatusInternalServerError, "this server cannot stream; the reason is in its log")
	}
}

// delete asks a run to stop.
func (h *handler) delete(w http.ResponseWriter, r *http.Request, topic string) {
	rec, ok := h.tracker.find(r.Context(), topic, r.URL.Query().Get("run"))
	switch {
	case !ok:
		failGone(w, r)
	case rec.job != nil && rec.job.requestCancel(ErrCancelled):
		h.answer(w, r, http.StatusAccepted, topic, rec.run, true)
	case rec.topic.Ended():
		h.answer(w, r, http.StatusOK, topic, rec.run, true)
	default: // of another process
		if err := h.tracker.cancelRun(r.Context(), topic, rec); err != nil {
			h.tracker.log.Error("run not asked to stop", "topic", topic, "err", err)
			failForNow(w, r, "the process that has the run cannot be asked to stop it")
			return
		}
		h.answer(w, r, http.StatusAccepted, topic, rec.run, true)
	}
}

// find returns the record of topic, if it has the given run; "" means any run.
func (h *handler) find(topic, run string) (record, bool) {
	rec, ok := h.tracker.lookup(topic)
	return rec, ok && (run == "" || run == rec.run)
}

// newest returns the newest snapshot of a run, or null without an ID if there is none yet, and whether topic still has
// that run.
func (h *handler) newest(topic, run string) (sse.Event, bool) {
	rec, ok := h.find(topic, run)
	if ok {
		if ev, ok := rec.topic.Latest(); ok && ofRun(ev, run) {
			return ev, true
		}
	}
	return sse.Event{Data: []byte("null")}, ok
}

// await returns the first snapshot of a run for which enough returns true, and whether it came within d and before the
// end of the request.
func (h *handler) await(
	w http.ResponseWriter, r *http.Request, topic, run string, d time.Duration, enough func(sse.Event) bool,
) (sse.Event, bool) {
	rec, ok := h.find(topic, run)
	if !ok {
		return sse.Event{}, false
	}
	extend(w, d)
	ctx, cancel := context.WithTimeout(r.Context(), d)
	defer cancel()
	for ev := range rec.topic.WatchRun(ctx, run) {
		if !ofRun(ev, run) {
			break
		}
		if enough(ev) {
			return ev, true
		}
	}
	return sse.Event{}, false
}

// extend lets an answer come d later than the server's WriteTimeout allows. A writer without deadlines needs no
// extension.
func extend(w http.ResponseWriter, d time.Duration) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(d + timeToAnswer))
}

// timeToAnswer is the time allowed for the answer itself after a wait.
const timeToAnswer = 10 * time.Second

// ofRun reports whether ev is a snapshot of run.
func ofRun(ev sse.Event, run string) bool { return strings.HasPrefix(ev.ID, run+"-") }

// tag returns the entity tag of a snapshot.
func tag(ev sse.Event) string { return `"` + ev.ID + `"` }

// runURL returns the path and query that address only the run of a request, as the client sees them.
func runURL(r *http.Request, run string) string {
	u, err := url.ParseRequestURI(r.RequestURI) // handlers around this one may have changed r.URL
	if err != nil {
		u = r.URL
	}
	query := u.Query()
	query.Set("run", run)
	return "/" + strings.TrimLeft(u.EscapedPath(), "/") + "?" + query.Encode() // one slash: two would name another host
}

// answer answers with the state of a run.
func (h *handler) answer(w http.ResponseWriter, r *http.Request, status int, topic, run string, coalesced bool) {
	newest, _ := h.newest(topic, run)
	writeJSON(w, status, answer{run, coalesced, runURL(r, run), newest.Data})
}
