package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/tidewire/tidewire/internal/negotiate"
	"github.com/tidewire/tidewire/sse"
)

// maxWait bounds what `Prefer: wait=N` can ask for.
const maxWait = time.Minute

// A state is what a GET answers: JSON, and the entity tag that names this version of it.
type state struct {
	body [][]byte // in pieces, which share the memory of the topics and are not modified
	tag  string   // quoted, as RFC 9110 §8.8.3 has it
}

// stateOf returns v as JSON, with a tag made of its content.
func stateOf(v any) state {
	body, _ := json.Marshal(v) // everything here encodes
	return state{[][]byte{body}, tagOf(sha256.Sum256(body))}
}

func tagOf(sum [sha256.Size]byte) string { return `"` + hex.EncodeToString(sum[:8]) + `"` }

// newestOf returns the newest snapshot of a topic, with the id of its event as the tag: that of a run that is over ends
// in -end, like the id that ends its stream.
func (a *API) newestOf(topic *sse.Topic) state {
	latest, _ := a.deps.Latest(topic)
	return state{[][]byte{latest.Data}, `"` + latest.ID + `"`}
}

// newestOfAll returns an object with one member, a list of the newest snapshots of topics. Its tag is made of the
// snapshots' ids, so neither the answer nor finding out whether it has changed depends on the size of the snapshots.
func (a *API) newestOfAll(member string, topics []*sse.Topic) state {
	body := make([][]byte, 0, 2*len(topics)+1)
	versions := sha256.New()
	separator := []byte(`{"` + member + `":[`)
	for _, topic := range topics {
		if latest, ok := a.deps.Latest(topic); ok {
			body = append(body, separator, latest.Data)
			separator = []byte(",")
			fmt.Fprintf(versions, "%s %s\n", topic.Name(), latest.ID)
		}
	}
	if len(body) == 0 {
		body = append(body, separator)
	}
	return state{append(body, []byte("]}")), tagOf([sha256.Size]byte(versions.Sum(nil)))}
}

// serveState answers with the current state of something that changes with topics: with 304 (RFC 9110 §15.4.5) if the
// client has it. With `Prefer: wait=N` (RFC 7240 §4.3) it waits for a change then, for N seconds at most. If there is
// nothing to answer with any more, current answers itself and returns false.
//
// The wait is a stream of the hub, so it ends with the request, with the drain and with the hub, and costs what a
// stream costs: no goroutine but the request's own.
func (a *API) serveState(w http.ResponseWriter, r *http.Request, current func() (state, bool), topics ...*sse.Topic) {
	now, ok := current()
	prefer := negotiate.PreferWait(r.Header, maxWait)
	if r.Header.Get("If-None-Match") != "" && ok {
		isNewest := negotiate.HasTag(r.Header, now.tag)
		if (prefer.Waits || !isNewest) && a.deps.Behind(r.Context(), !isNewest) {
			w.Header().Set("Connection", "close") // or a balancer of connections would bring the client here again
			failForNow(w, r, http.StatusServiceUnavailable,
				"this replica cannot find out what the others do, which may be newer than what it knows", replicaAgain)
			return
		}
		if !isNewest {
			now, ok = current() // which has found out
		}
	}
	if ok && prefer.Waits && negotiate.HasTag(r.Header, now.tag) {
		known, took := now.tag, time.Duration(0)
		ctx, cancel := context.WithTimeout(r.Context(), prefer.Duration)
		defer cancel()
		// A flush means that there may be a new snapshot; after the first one, none is missed.
		watch := wakeup{header: http.Header{}, wake: func() {
			if !ok {
				return // it has answered
			}
			if !pauseAfter(ctx, took) {
				return
			}
			begun := time.Now()
			if now, ok = current(); !ok || now.tag != known {
				cancel() // also for a client that claims to have every version
			}
			took = time.Since(begun)
		}}
		_ = a.deps.Hub.ServeAll(watch, r.WithContext(ctx), topics...) // a wakeup can do all that a stream needs
		if !a.revalidate(w, r, view, nil) {
			return
		}
	}
	if !ok {
		return
	}
	h := w.Header()
	h.Add("Vary", "Accept, Prefer")
	h.Set("ETag", now.tag)
	prefer.Apply(h)
	if negotiate.HasTag(r.Header, now.tag) {
		h.Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	answerJSON(w, http.StatusOK, now.body...)
}

// pauseAfter waits until what took that long has had a tenth of the time: a client who waits for a list to change may have
// chosen what does not, while the list is long and its topics change all the time. It reports false if ctx ends before.
func pauseAfter(ctx context.Context, took time.Duration) bool {
	if took < time.Millisecond {
		return true
	}
	select {
	case <-time.After(min(9*took, time.Second)):
		return true
	case <-ctx.Done():
		return false
	}
}

// A wakeup is the writer of a stream that nobody reads: it calls wake instead of flushing.
type wakeup struct {
	header http.Header
	wake   func()
}

func (u wakeup) Header() http.Header              { return u.header }
func (u wakeup) WriteHeader(int)                  {}
func (u wakeup) Write(p []byte) (int, error)      { return len(p), nil }
func (u wakeup) Flush()                           { u.wake() }
func (u wakeup) SetWriteDeadline(time.Time) error { return nil }

// everything returns the topics of all sources and jobs, and what concerns them all.
func (a *API) everything() []*sse.Topic {
	return slices.Concat(a.general(), a.deps.Sources.Topics(), a.deps.Jobs.Topics())
}

// general returns the topics of the configuration, of the alerts, and of the replicas if there can be any.
func (a *API) general() []*sse.Topic {
	topics := []*sse.Topic{a.deps.ConfigTopic, a.deps.AlertsTopic}
	if a.deps.ReplicasTopic != nil {
		topics = append(topics, a.deps.ReplicasTopic)
	}
	return topics
}
