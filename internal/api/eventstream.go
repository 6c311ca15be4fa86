package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse"
)

// streamEvents sends the newest events, up to the limit, and then each that follows. A client that comes back with the ID
// of an event gets all after that one; or, if there are too many, or some are not kept any more, an event named gap and
// the newest 1000.
//
// The stream is one of the hub, on a topic whose newest event has the ID of the newest event and no data: it tells only
// that there is something to read. What there is comes from the archive, so no event can be missed or come twice, however
// late the stream is.
func (a *API) streamEvents(w http.ResponseWriter, r *http.Request, asked eventQuery) {
	if asked.cursor != 0 || r.URL.Query().Has("until") {
		fail(w, r, http.StatusBadRequest, "a stream goes on with what follows: it has neither a cursor nor an until")
		return
	}
	if asked.since != nil {
		since := asked.since(time.Now())
		asked.since = func(time.Time) time.Time { return since }
	}
	s := &eventStream{ResponseWriter: w, api: a, request: r, asked: asked}
	if err := s.begin(sse.RequestLastEventID(r)); err != nil { // an answer can tell so only before the stream begins
		a.failPast(w, r, err)
		return
	}
	if err := a.deps.Hub.With(sse.StreamOptions{KeepConnection: true}).Serve(s, r, a.deps.EventsTopic); err != nil {
		failStream(w, r)
	}
}

// An eventStream is the writer of a stream of events. In place of the topic's events, which have only an ID, it writes
// those of the archive up to that ID; comments and control events pass.
type eventStream struct {
	http.ResponseWriter
	api     *API
	request *http.Request
	asked   eventQuery

	after int64 // the ID of the last event that the client has, or was not to get
	limit int   // how many events are written at once; those before are a gap, or were not asked for
	fresh bool  // nothing was written yet, and the client has no ID
	lost  bool  // the client has missed events
}

// Unwrap is for [http.ResponseController].
func (s *eventStream) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// begin finds out where the stream begins, given the ID that the client has. The error is that of the archive.
func (s *eventStream) begin(last string) error {
	s.limit, s.fresh = s.asked.limit, last == ""
	oldest, err := s.api.deps.Events.Oldest(s.request.Context())
	if err != nil || s.fresh {
		return err
	}
	latest, _ := s.api.deps.EventsTopic.Latest()
	newest, _ := strconv.ParseInt(latest.ID, 10, 64)
	id, err := strconv.ParseInt(last, 10, 64)
	s.after, s.limit = id, maxEvents
	newest = max(newest, s.api.deps.Clock.Wall().UnixMicro()) // which another replica may have had before this one
	if err != nil || id < oldest || id > newest {             // of another gateway, or what it had then is not kept any more
		s.after, s.lost = 0, true
	}
	return nil
}

// Write implements [http.ResponseWriter]. The hub writes each event with one call.
func (s *eventStream) Write(p []byte) (int, error) {
	line, ok := bytes.CutPrefix(p, []byte("id: "))
	if !ok {
		return s.ResponseWriter.Write(p)
	}
	id, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 10, 64)
	if err != nil {
		return s.ResponseWriter.Write(p) // a control event
	}
	out, err := s.read(id)
	if err != nil {
		s.api.logPast(s.request, err)
		return 0, errors.New("what happened cannot be read") // the client comes back with the ID that it has
	}
	if _, err := s.ResponseWriter.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// read encodes the events that the client should get when the newest one has the given ID, or a later one.
func (s *eventStream) read(newest int64) ([]byte, error) {
	f := s.asked.filter(time.Now())
	f.After = s.after
	found, err := s.api.events(s.request, f, s.limit+1)
	if err != nil {
		return nil, err
	}
	var out []byte
	if s.lost || len(found) > s.limit && !s.fresh {
		out = append(out, "event: gap\ndata:\n\n"...)
	}
	for _, e := range slices.Backward(found[:min(len(found), s.limit)]) {
		out = appendEvent(out, e)
		s.after, _ = strconv.ParseInt(e.ID, 10, 64)
	}
	if s.after < newest { // what the client did not ask for need not be looked at again when it comes back
		s.after = newest
		out, _ = sse.Event{ID: strconv.FormatInt(newest, 10)}.AppendTo(out)
	}
	s.fresh, s.lost, s.limit = false, false, maxEvents
	return out, nil
}

// appendEvent appends an event as a stream has it.
func appendEvent(out []byte, e wire.Event) []byte {
	data, _ := json.Marshal(e)                             // everything in it encodes
	out, _ = sse.Event{ID: e.ID, Data: data}.AppendTo(out) // a number is an ID
	return out
}
