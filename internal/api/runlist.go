package api

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/progress"
)

// maxRuns bounds the runs in one answer.
const maxRuns = 200

// statuses are all that a run can have, and warned, of which each is a success, too.
var statuses = []string{
	string(progress.StatusQueued), string(progress.StatusRunning), string(progress.StatusCancelling),
	string(progress.StatusSucceeded), string(progress.StatusFailed), string(progress.StatusCancelled),
	string(progress.StatusTimedOut), string(progress.StatusLost), wire.StatusWarned,
}

// listRuns answers with runs of all jobs, also of those that are not configured any more.
func (a *API) listRuns(w http.ResponseWriter, r *http.Request) {
	a.serveRuns(w, r, "", a.deps.Jobs.Topics())
}

// listJobRuns answers with runs of a job.
func (a *API) listJobRuns(w http.ResponseWriter, r *http.Request) {
	if j := a.findJob(w, r); j != nil {
		a.serveRuns(w, r, j.Name, []*sse.Topic{j.Topic})
	}
}

// serveRuns answers with the runs that a query asks for, of a job, or of all if that is empty.
func (a *API) serveRuns(w http.ResponseWriter, r *http.Request, job string, topics []*sse.Topic) {
	filterAt, err := runFilter(r.URL.Query())
	if err != nil {
		fail(w, r, http.StatusBadRequest, err.Error())
		return
	}
	a.serveState(w, r, func() (state, bool) {
		filter := filterAt(time.Now())
		filter.Job = job
		list, more, err := a.deps.Runs.Runs(r.Context(), filter)
		if err != nil {
			a.failPast(w, r, err)
			return state{}, false
		}
		return stateOfRuns(list, more), true
	}, append(topics, a.deps.Runs.Changed())...)
}

// stateOfRuns returns a page of runs, a [wire.Runs].
func stateOfRuns(list []archive.Run, more bool) state {
	body := [][]byte{[]byte(`{"runs":[`)}
	for i, run := range list {
		if i > 0 {
			body = append(body, []byte(","))
		}
		body = append(body, run.Data)
	}
	next := "null"
	if more {
		next = `"` + cursorOf(list[len(list)-1].Key()) + `"`
	}
	body = append(body, []byte(`],"next":`+next+"}"))
	sum := sha256.New()
	for _, piece := range body {
		sum.Write(piece)
	}
	return state{body, tagOf([sha256.Size]byte(sum.Sum(nil)))}
}

// cursorOf names a place in a list of runs.
func cursorOf(key archive.RunKey) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(key.Created.UnixMilli(), 10) + " " + key.ID))
}

// keyOf reads what cursorOf has returned.
func keyOf(cursor string) (*archive.RunKey, error) {
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	at, id, found := strings.Cut(string(text), " ")
	ms, bad := strconv.ParseInt(at, 10, 64)
	if err != nil || bad != nil || !found || id == "" || len(id) > maxID {
		return nil, fmt.Errorf("cursor=%.100q is not valid: give the next of the answer before", cursor)
	}
	return &archive.RunKey{Created: time.UnixMilli(ms), ID: id}, nil
}

// maxID bounds the id of a run.
const maxID = 40

// runFilter reads which runs a query asks for. Durations count back from the now that the filter is made for.
func runFilter(query url.Values) (func(now time.Time) archive.RunFilter, error) {
	filter := archive.RunFilter{Limit: archive.RunLimit}
	var since, before func(now time.Time) time.Time
	var err error
	for name, values := range query {
		text := values[0]
		if name != "status" && len(values) > 1 {
			return nil, fmt.Errorf("%s is given twice", name)
		}
		switch name {
		case "status":
			filter.Statuses, err = statusesOf(values)
		case "since":
			since, err = timeOf(name, text)
		case "before":
			before, err = timeOf(name, text)
		case "limit":
			if filter.Limit, err = strconv.Atoi(text); err != nil || filter.Limit < 1 || filter.Limit > maxRuns {
				err = fmt.Errorf("limit=%.100q is not a number from 1 to %d", text, maxRuns)
			}
		case "cursor":
			filter.After, err = keyOf(text)
		default:
			err = fmt.Errorf("there is no parameter %.100q: write status, since, before, limit or cursor", name)
		}
		if err != nil {
			return nil, err
		}
	}
	return func(now time.Time) archive.RunFilter {
		filter := filter
		if since != nil {
			filter.Since = since(now)
		}
		if before != nil {
			filter.Before = before(now)
		}
		return filter
	}, nil
}

// statusesOf returns the statuses in lists of them.
func statusesOf(lists []string) (all []string, err error) {
	for _, list := range lists {
		for status := range strings.SplitSeq(list, ",") {
			if !slices.Contains(statuses, status) {
				return nil, fmt.Errorf("status=%.100q is not valid: write %s, or several with commas", status,
					strings.Join(statuses[:len(statuses)-1], ", ")+" or "+statuses[len(statuses)-1])
			}
			if status == string(progress.StatusSucceeded) {
				all = append(all, wire.StatusWarned)
			}
			all = append(all, status)
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}
