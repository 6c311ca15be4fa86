package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/audit"
	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/flood"
	"github.com/tidewire/tidewire/internal/hook"
	"github.com/tidewire/tidewire/internal/idempotency"
	"github.com/tidewire/tidewire/internal/jobs"
	"github.com/tidewire/tidewire/internal/problem"
	"github.com/tidewire/tidewire/internal/value"
	"github.com/tidewire/tidewire/internal/wire"
)

const (
	// MaxDelivery bounds what is sent to a hook, in bytes.
	MaxDelivery = 1 << 20
	// smallDelivery bounds what is read beside any number of others.
	smallDelivery = 64 << 10
	// maxLarge bounds the larger ones that are read at the same time: who sends them is not known before their end.
	maxLarge = 16
	// deliveredWithin is how long a delivery may take to come: so long a large one keeps others out.
	deliveredWithin = 10 * time.Second
	// rememberFor is for how long a delivery is known that is sent again, and rememberMost how many of each hook are.
	rememberFor  = 24 * time.Hour
	rememberMost = 10_000
)

// isDelivery reports whether a request to a path is for a hook: the secret of that takes the place of everything else by which
// requests are guarded.
func isDelivery(path string) bool {
	name, ok := strings.CutPrefix(path, "/hooks/")
	return ok && name != "" && !strings.Contains(name, "/")
}

// deliveries are those to all hooks.
type deliveries struct {
	large places                               // of the large ones that are read
	known *idempotency.Keys[string, delivered] // by the hook
}

// delivered is what a delivery led to.
type delivered struct {
	counts bool      // as when says
	run    string    // empty: a source got it
	known  bool      // the run was there before, by the delivery: this process has not seen it, or has forgotten it
	at     time.Time // by the monotonic clock
}

func newDeliveries(deps Deps) deliveries {
	return deliveries{known: idempotency.New[string](idempotency.Options[delivered]{
		Known: func(d delivered) bool { return deps.Clock.Now().Sub(d.at) < rememberFor },
		Max:   10 * rememberMost, MaxOwn: rememberMost,
	})}
}

// takeDelivery does what a hook says if what was sent to it is genuine, once.
func (a *API) takeDelivery(w http.ResponseWriter, r *http.Request) {
	h := a.deps.Config().Hook(r.PathValue("hook"))
	if h == nil {
		fail(w, r, http.StatusNotFound, fmt.Sprintf("there is no hook %q", r.PathValue("hook")))
		return
	}
	check, err := h.Verify.Begin(r.Header, a.deps.Clock.Wall())
	if err != nil {
		a.refuseDelivery(w, r, h, err)
		return
	}
	d := delivery{Hook: h, check: check}
	var ok bool
	if d.Data, ok = a.readDelivery(w, r, check); !ok {
		return
	}
	if err := check.Verify(); err != nil {
		a.refuseDelivery(w, r, h, err)
		return
	}
	if now := a.deps.Config().Hook(h.Name); !config.Same(now, h) { // the body may have taken its time
		failForNow(w, r, http.StatusServiceUnavailable, "the hook was changed meanwhile", time.Second)
		return
	}
	ctx, done := value.WithAdmission(r.Context())
	defer done()
	if err := d.read(ctx, r); err != nil {
		fail(w, r, http.StatusUnprocessableEntity, "what was sent cannot be read: "+err.Error())
		return
	}
	if challenge, ok := d.challenge(); ok {
		answer(w, http.StatusOK, wire.Challenge{Challenge: challenge})
		return
	}
	a.deliver(ctx, w, r, d)
}

// refuseDelivery answers what is not genuine. It costs little, whoever sends how much.
func (a *API) refuseDelivery(w http.ResponseWriter, r *http.Request, h *config.Hook, err error) {
	a.clients.Warn("what was sent to a hook is refused", "hook", h.Name, flood.Address, a.addressOf(r), "err", err)
	a.recordMetered(r, "hook-refused", access.Identity{}, slog.String("hook", h.Name), slog.String("error", err.Error()))
	fail(w, r, http.StatusForbidden, "this is refused: "+err.Error())
}

// readDelivery reads the body of a delivery and writes it to what checks it. It reports false after an answer of its own.
func (a *API) readDelivery(w http.ResponseWriter, r *http.Request, check io.Writer) (body []byte, ok bool) {
	if r.ContentLength > MaxDelivery {
		fail(w, r, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", MaxDelivery))
		return nil, false
	}
	connection := http.NewResponseController(w)
	within := func(d time.Duration) { _ = connection.SetReadDeadline(time.Now().Add(d)) } // fails where there is no connection, as in a test
	free := func() (ended bool) { return false }
	if r.ContentLength < 0 || r.ContentLength > smallDelivery {
		got := a.hooks.large.take(a.deps.Guard.Address(r), a.deps.Clock.Now(), func() { within(-time.Second) })
		if got == nil {
			failForNow(w, r, http.StatusServiceUnavailable, tooMuch, time.Second)
			return nil, false
		}
		free = func() (ended bool) { return a.hooks.large.free(got) }
	}
	within(deliveredWithin)
	var buffer bytes.Buffer
	buffer.Grow(int(max(0, r.ContentLength)) + bytes.MinRead)
	_, err := buffer.ReadFrom(io.TeeReader(http.MaxBytesReader(w, r.Body, MaxDelivery), check))
	// After an error the time stays: the server waits for the rest of a body before it answers.
	switch ended := free(); {
	case ended:
		failForNow(w, r, http.StatusServiceUnavailable, tooMuch, time.Second)
	case errors.Is(err, os.ErrDeadlineExceeded):
		fail(w, r, http.StatusBadRequest, "the body did not come within "+clock.Words(deliveredWithin))
	case err != nil:
		failRead(w, r, err)
	default:
		_ = connection.SetReadDeadline(time.Time{})
		return buffer.Bytes(), true
	}
	return nil, false
}

// tooMuch is why a request has no place, or has to give it up.
const tooMuch = "too much is being sent to hooks at once"

// deliver starts the job of a hook, or sets its source, unless that was done for the delivery before.
func (a *API) deliver(ctx context.Context, w http.ResponseWriter, r *http.Request, d delivery) {
	when := sync.OnceValues(func() (bool, error) { return d.when(ctx) })
	begin := func(id string) (to delivered, err error) {
		to.at = a.deps.Clock.Now()
		if to.counts, err = when(); err != nil || !to.counts {
			return to, err
		}
		if d.Source != nil {
			return to, a.pushFor(ctx, d, id)
		}
		to.run, to.known, err = a.startFor(ctx, r, d, id)
		return to, err
	}
	if d.ID != nil { // of what does not count it may be missing, or be that of what does
		if holds, err := when(); err != nil || !holds {
			a.answerDelivery(w, r, d, delivered{}, true, err)
			return
		}
	}
	id, err := d.id(ctx, r)
	to, first := delivered{}, true
	switch {
	case err != nil:
	case id == "":
		to, err = begin("")
	default:
		// What did not count does not either when it is sent again with other headers, which nobody signs.
		key := idempotency.Key[string]{Caller: d.Name, Key: id}
		if d.When != nil {
			key.Scope = d.When.String() // another one may say something else
		}
		to, first, err = a.hooks.known.Do(ctx, key, idempotency.Fingerprint{}, func() (delivered, error) { return begin(id) })
	}
	a.answerDelivery(w, r, d, to, first, err)
}

// answerDelivery answers what is genuine.
func (a *API) answerDelivery(w http.ResponseWriter, r *http.Request, d delivery, to delivered, first bool, err error) {
	unusable, isUnusable := errors.AsType[unusableError](err)
	switch {
	case isUnusable:
		a.clients.Warn("what was sent to a hook cannot be used", "hook", d.Name, flood.Address, a.addressOf(r), "err", err)
		fail(w, r, http.StatusUnprocessableEntity, "what was sent cannot be used: "+unusable.Error())
	case errors.Is(err, errTooLarge):
		fail(w, r, http.StatusRequestEntityTooLarge, err.Error())
	case err != nil && d.Source != nil:
		a.failPush(w, r, d.Source.Name, err)
	case err != nil:
		a.failDelivery(w, r, d, err)
	case d.Verify.Scheme == hook.Slack: // which takes another status for an error, and shows people a body
		w.WriteHeader(http.StatusOK)
	case !to.counts || d.Source != nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Location", RunPath(a.deps.Config(), to.run))
		answer(w, http.StatusAccepted, wire.Delivery{Hook: d.Name, Job: d.Job.Name, Run: to.run, Repeated: !first || to.known})
	}
}

// An unusableError is why an expression of a hook makes nothing of what was sent.
type unusableError struct{ error }

// errTooLarge is why a source does not get what a job could.
var errTooLarge = fmt.Errorf("the body is larger than %d bytes", MaxPush)

// pushFor sends a delivery to the source of its hook.
func (a *API) pushFor(ctx context.Context, d delivery, key string) error {
	if len(d.Data) > MaxPush {
		return errTooLarge
	}
	_, err := a.deps.Sources.Push(ctx, d.Source.Name, d.Message, d.caller(), key)
	if errors.Is(err, idempotency.ErrReused) {
		return nil // the one that was sent first counts
	}
	return err
}

// errNoJob is why a start for a hook fails whose job was removed a moment ago.
var errNoJob = errors.New("its job is not there any more")

// startFor starts the job of a delivery, and returns the ID of the run, and whether the key has led to it before.
func (a *API) startFor(ctx context.Context, r *http.Request, d delivery, key string) (run string, known bool, err error) {
	given, err := d.arguments(ctx)
	if err != nil {
		return "", false, err
	}
	j := a.deps.Jobs.Job(d.Job.Name)
	if j == nil {
		return "", false, errNoJob
	}
	args, wrong := bound(ctx, j, given)
	if wrong != nil {
		return "", false, wrongArgs(wrong)
	}
	by, caller := "hook "+d.Name, d.caller()
	who := audit.Actor{slog.String("user", by), identityAttr("", caller), slog.String("address", a.addressOf(r))}
	var isNew atomic.Bool // the start has made a run, or joined one
	_, snap, err := a.deps.Jobs.Start(ctx, j, jobs.StartOptions{
		Trigger: wire.TriggerHook, Args: args, Caller: caller, By: by, Key: key,
		Audit: func(action string, attrs ...slog.Attr) {
			isNew.Store(true)
			a.deps.Audit.Record(who, action, attrs...)
		},
	})
	if refusal, ok := errors.AsType[*jobs.Refusal](err); ok && refusal.Code == jobs.KeyReused && refusal.Run != "" {
		return refusal.Run, true, nil // what was sent before was read in another way
	}
	return snap.ID, !isNew.Load(), err
}

// wrongArgs are why a job does not take the arguments of a hook.
type wrongArgs []*config.ArgError

func (wrongArgs) Error() string { return "the arguments are not valid" }

// failDelivery answers with why a delivery has not led to a run.
func (a *API) failDelivery(w http.ResponseWriter, r *http.Request, d delivery, err error) {
	wrong, isWrong := errors.AsType[wrongArgs](err)
	j := a.deps.Jobs.Job(d.Job.Name)
	switch {
	case isWrong && j != nil:
		a.clients.Warn("what was sent to a hook cannot be used", "hook", d.Name, flood.Address, a.addressOf(r), "err", err)
		failArgs(w, r, j.Job, wrong)
	case j == nil:
		problem.Write(w, problem.Problem{Status: http.StatusServiceUnavailable, Detail: errNoJob.Error(), Instance: instance(r), RetryAfter: 1})
	default: // the services that send do not all send again, and nobody reads their answers
		a.clients.Warn("what was sent to a hook has started nothing", "hook", d.Name, flood.Address, a.addressOf(r), "err", err)
		a.failStart(w, r, j, err)
	}
}
