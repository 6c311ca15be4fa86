package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/negotiate"
	"github.com/tidewire/tidewire/internal/network"
	"github.com/tidewire/tidewire/sse"
)

// maxPause bounds the pause between two snapshots of a key that a stream may ask for.
const maxPause = time.Minute

// maxNames bounds the names of a query, repeated ones included. * stands for all names.
const maxNames = 1000

// stream sends the newest snapshot of every source and job, or of those that the query names, and each change. If JSON
// is asked for, it answers with the newest ones.
func (a *API) stream(w http.ResponseWriter, r *http.Request) {
	a.letEmbed(w.Header(), r)
	query := r.URL.Query()
	topics, err := a.chosen(query)
	if errors.Is(err, errTooManyNames) {
		fail(w, r, http.StatusBadRequest, err.Error())
		return
	}
	if err != nil {
		fail(w, r, http.StatusNotFound, err.Error())
		return
	}
	pause, err := pauseOf(query)
	if err != nil {
		fail(w, r, http.StatusBadRequest, err.Error())
		return
	}
	if negotiate.WantsJSON(r) {
		a.serveState(w, r, func() (state, bool) {
			now, err := a.chosen(query)
			if err != nil { // removed meanwhile
				fail(w, r, http.StatusNotFound, err.Error())
				return state{}, false
			}
			return a.newestOfAll("snapshots", now), true
		}, topics...)
		return
	}
	w.Header().Add("Vary", "Accept")
	if err := a.deps.Hub.With(sse.StreamOptions{HandOff: true, Pause: pause}).ServeAll(w, r, topics...); err != nil {
		failStream(w, r)
	}
}

// letEmbed lets scripts of the origins in page.embed read an answer (Fetch §3.3.5). Browsers send it no credentials, so they read what
// anonymous callers may view.
func (a *API) letEmbed(h http.Header, r *http.Request) {
	origins := a.deps.Config().Page.Embed
	if len(origins) == 0 {
		return
	}
	h.Add("Vary", "Origin")
	if origin := r.Header.Get("Origin"); slices.Contains(origins, origin) {
		h.Set("Access-Control-Allow-Origin", origin)
	}
}

// Quota returns a quota of that many streams for each network from which clients come, and for each user there, so that
// unknown clients of a network cannot use up the streams of its users. Those from this machine are not bounded, since a
// proxy that is not configured as such may be in front of everybody. It is for [sse.HubOptions].
func Quota(guard *access.Guard, streams int) sse.Quota {
	type key struct {
		network netip.Addr
		user    access.Identity // one and the same for all that are not identified
	}
	return func(r *http.Request) (any, int) {
		addr := guard.Address(r)
		if !addr.IsValid() || addr.IsLoopback() {
			return nil, 0
		}
		return key{network.Of(addr), userOf(r).ID}, streams
	}
}

// failStream answers when a stream could not begin. The hub has logged why.
func failStream(w http.ResponseWriter, r *http.Request) {
	fail(w, r, http.StatusInternalServerError, "this server cannot stream; the reason is in its log")
}

// errTooManyNames is why a query with more than maxNames is refused.
var errTooManyNames = fmt.Errorf("sources and jobs have more than %d names: * stands for all of them", maxNames)

// chosen returns the topics that `sources` and `jobs` of a query name, each a list of names or *; all topics if there
// is neither. No topic is in it twice.
func (a *API) chosen(query url.Values) ([]*sse.Topic, error) {
	if !query.Has("sources") && !query.Has("jobs") {
		return a.everything(), nil
	}
	sources, jobs := namesIn(query["sources"]), namesIn(query["jobs"])
	if len(sources)+len(jobs) > maxNames {
		return nil, errTooManyNames
	}
	chosen, err := choose("source", sources, a.deps.Sources.Topics())
	if err != nil {
		return nil, err
	}
	more, err := choose("job", jobs, a.deps.Jobs.Topics())
	return append(chosen, more...), err
}

// namesIn returns the names in lists of them, at most one more than maxNames. An empty list has none.
func namesIn(lists []string) (names []string) {
	for _, list := range lists {
		for name := range strings.SplitSeq(list, ",") {
			if name = strings.TrimSpace(name); name == "" {
				continue
			}
			if names = append(names, name); len(names) > maxNames {
				return names
			}
		}
	}
	return names
}

// choose returns the topics of a kind that have one of the names, in the order of the names, each once.
func choose(kind string, names []string, all []*sse.Topic) ([]*sse.Topic, error) {
	left := make(map[string]*sse.Topic, len(all)) // not chosen yet; nil: chosen
	for _, topic := range all {
		left[topic.Name()] = topic
	}
	var chosen []*sse.Topic
	for _, name := range names {
		if name == "*" {
			for _, topic := range all {
				if left[topic.Name()] != nil {
					left[topic.Name()] = nil
					chosen = append(chosen, topic)
				}
			}
			continue
		}
		topic, ok := left[kind+"/"+name]
		if !ok {
			return nil, fmt.Errorf("there is no %s %q", kind, name)
		}
		if topic != nil {
			left[topic.Name()] = nil
			chosen = append(chosen, topic)
		}
	}
	return chosen, nil
}

// pauseOf returns the minimum pause between two snapshots of a key that a query asks for by `min`.
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
