package gateway

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// maxPause bounds the pause between two snapshots of a key that a stream may ask for.
const maxPause = time.Minute

// stream sends the newest snapshot of every source and job, or of those that the query
// names, and each change; or the newest ones alone to who asks for JSON.
func (g *gateway) stream(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	topics, err := g.chosen(query)
	if err != nil {
		fail(w, r, http.StatusNotFound, err.Error())
		return
	}
	pause, err := pauseOf(query)
	if err != nil {
		fail(w, r, http.StatusBadRequest, err.Error())
		return
	}
	if wantsState(r) {
		g.serveState(w, r, func() (state, bool) {
			now, err := g.chosen(query)
			if err != nil { // removed meanwhile
				fail(w, r, http.StatusNotFound, err.Error())
				return state{}, false
			}
			return stateOf(map[string]any{"snapshots": newest(now)}), true
		}, topics...)
		return
	}
	w.Header().Add("Vary", "Accept")
	if err := g.hub.With(sse.StreamOptions{HandOff: true, Pause: pause}).ServeAll(w, r, topics...); err != nil {
		failStream(w, r)
	}
}

// clientAddr is the address that counts for the streams that one client may have. This
// machine's own is not bounded: behind it may be everybody who comes through a proxy.
func (g *gateway) clientAddr(r *http.Request) netip.Addr {
	if addr := g.guard.Address(r); !addr.IsLoopback() {
		return addr
	}
	return netip.Addr{}
}

// failStream answers for a stream that could not begin; the hub has logged why.
func failStream(w http.ResponseWriter, r *http.Request) {
	fail(w, r, http.StatusInternalServerError, "this server cannot stream; its log says why")
}

// chosen is the topics that `sources` and `jobs` of a query name, each a list of names
// or * for all; those of everything if there is neither.
func (g *gateway) chosen(query url.Values) ([]*sse.Topic, error) {
	if !query.Has("sources") && !query.Has("jobs") {
		return g.everything(), nil
	}
	p := g.plan.Load()
	sources, err := choose("source", query["sources"], p.sourceTopics())
	if err != nil {
		return nil, err
	}
	jobs, err := choose("job", query["jobs"], p.jobTopics())
	return slices.Concat(sources, jobs), err
}

// choose is those of the topics of a kind that lists of names name.
func choose(kind string, lists []string, all []*sse.Topic) ([]*sse.Topic, error) {
	var topics []*sse.Topic
	for _, list := range lists {
		for name := range strings.SplitSeq(list, ",") {
			name = strings.TrimSpace(name)
			i := slices.IndexFunc(all, func(t *sse.Topic) bool { return t.Name() == kind+"/"+name })
			switch {
			case name == "*":
				topics = append(topics, all...)
			case i >= 0:
				topics = append(topics, all[i])
			case name != "": // an empty list names none
				return nil, fmt.Errorf("there is no %s %q", kind, name)
			}
		}
	}
	return topics, nil
}

// pauseOf is the least pause between two snapshots of a key that a query asks for by `min`.
func pauseOf(query url.Values) (time.Duration, error) {
	text := query.Get("min")
	if text == "" {
		return 0, nil
	}
	pause, err := time.ParseDuration(text)
	if err != nil || pause < 0 || pause > maxPause {
		return 0, fmt.Errorf("min=%s is not a pause: write a duration such as 500ms, at most %v", text, maxPause)
	}
	return pause, nil
}
