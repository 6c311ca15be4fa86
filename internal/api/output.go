package api

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/negotiate"
	"github.com/tidewire/tidewire/internal/wire"
)

const (
	// outputPiece bounds the memory of an answer with output, in bytes.
	outputPiece = 64 << 10
	// pieceWithin bounds the time that a client may take to read a piece. Any other answer may take so long in all.
	pieceWithin = 2 * time.Minute
)

// runOutput answers with what a run has printed: all that is kept of it; what comes from an offset on, for which a
// client may wait with `Prefer: wait=N`; or a range of bytes (RFC 9110 §14). Its lines with their numbers and times are another
// representation of that, which has no ranges. Offsets, and those of ranges, are places in
// all that was ever printed, whatever of it is kept.
func (a *API) runOutput(w http.ResponseWriter, r *http.Request) {
	run, ok := a.findRun(w, r)
	if !ok {
		return
	}
	query := r.URL.Query()
	offset, err := offsetOf(query)
	if err != nil {
		fail(w, r, http.StatusBadRequest, err.Error())
		return
	}
	prefer := negotiate.PreferWait(r.Header, maxWait)
	part, more, ok := a.awaitOutput(w, r, run.Run, offset, prefer)
	if !ok {
		return
	}
	if more == nil && !run.Status.Ended() { // it may have ended meanwhile
		if run, ok = a.findRun(w, r); !ok {
			return
		}
	}
	h := w.Header()
	beginOutput(h, run.Run, query.Has("download"))
	asLines := negotiate.Accept(r.Header, "text/plain", linesType) == linesType
	over := run.Status.Ended() && part.Size >= run.OutputBytes // also while the archive still waits for a disk
	tag := ""
	if over && !query.Has("from") && !asLines {
		tag = fmt.Sprintf(`"%s-%d-%d"`, run.ID, part.Begin, part.Size)
		h.Set("ETag", tag)
	}
	prefer.Apply(h)
	if tag != "" && negotiate.HasTag(r.Header, tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if asLines {
		placeLines(h, part.Size, part.Begin > offset, over)
		if r.Method != http.MethodHead {
			a.writeLines(w, r, run.Run, part.Begin, part.Size)
		}
		return
	}
	status, begin, end := http.StatusOK, part.Begin, part.Size
	if wanted, ok := rangeOf(r, tag, part.Size); ok && !query.Has("from") {
		status, begin, end = http.StatusPartialContent, max(wanted.begin, part.Begin), min(wanted.end, part.Size)
		if begin >= end {
			h.Del("ETag")
			a.failRange(w, r, part)
			return
		}
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%s", begin, end-1, lengthOf(part.Size, over)))
		offset = wanted.begin
	}
	placeOutput(h, begin, end, begin > offset, over && end == part.Size)
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		a.writeOutput(w, r, run.Run, begin, end)
	}
}

// beginOutput says what an answer with output is.
func beginOutput(h http.Header, run wire.Run, download bool) {
	h.Add("Vary", "Accept")
	h.Set("Accept-Ranges", "bytes")
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if download {
		h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", run.Job+"-"+run.ID+".txt"))
	}
}

// placeOutput says which part of an output is answered.
func placeOutput(h http.Header, begin, end int64, cut, isEnd bool) {
	h.Set("Content-Length", strconv.FormatInt(end-begin, 10))
	h.Set("Tidewire-Next", strconv.FormatInt(end, 10))
	if cut {
		h.Set("Tidewire-Truncated", "true")
	}
	if isEnd {
		h.Set("Tidewire-End", "true")
	}
}

// offsetOf returns the offset that a query asks for by `from`. The error says what is wrong with the query.
func offsetOf(query url.Values) (int64, error) {
	if download := query.Get("download"); query.Has("download") && download != "1" {
		return 0, fmt.Errorf("download=%q is not valid: write download=1 to get a file", download)
	}
	from := query.Get("from")
	if from == "" {
		return 0, nil
	}
	offset, err := strconv.ParseInt(from, 10, 64)
	if err != nil || offset < 0 {
		return 0, fmt.Errorf("from=%q is not an offset: give the Tidewire-Next of the answer before", from)
	}
	return offset, nil
}

// awaitOutput returns where the output of a run from an offset on begins, and how much there is. If that is nothing, and
// the client prefers to wait, it waits. If it fails, or if the caller may not view it afterwards, it answers itself, and
// ok is false.
func (a *API) awaitOutput(
	w http.ResponseWriter, r *http.Request, run wire.Run, offset int64, prefer negotiate.Preferences,
) (part archive.Output, more <-chan struct{}, ok bool) {
	part, more, err := a.outputOf(r, run, offset, 0)
	if err == nil && prefer.Waits && part.Begin == part.Size && !run.Status.Ended() {
		wait := prefer.Duration
		if more == nil {
			wait = min(wait, elsewherePause)
		}
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-more:
		case <-timer.C:
		case <-r.Context().Done():
		}
		if !a.revalidate(w, r, view, nil) {
			return part, nil, false
		}
		part, more, err = a.outputOf(r, run, offset, 0)
	}
	if err != nil {
		a.failPast(w, r, err)
		return part, nil, false
	}
	return part, more, true
}

// outputOf returns what a run has printed from an offset on. If the archive has cut more of it than is in the record of
// the run, it comes from there.
func (a *API) outputOf(r *http.Request, run wire.Run, from int64, most int) (archive.Output, <-chan struct{}, error) {
	part, more, err := a.deps.Runs.Output(r.Context(), run.ID, from, most)
	if err != nil || !run.Status.Ended() {
		return part, more, err
	}
	begin := min(max(from, run.OutputBytes-int64(len(run.Output))), run.OutputBytes)
	if part.Size == run.OutputBytes && part.Begin <= begin {
		return part, more, nil
	}
	text := run.Output[len(run.Output)-int(run.OutputBytes-begin):]
	return archive.Output{Text: []byte(text[:min(len(text), most)]), Begin: begin, Size: run.OutputBytes}, nil, nil
}

// writeOutput writes a part of what a run has printed. If it is not kept any more, the client gets less than was
// announced, and notices.
func (a *API) writeOutput(w http.ResponseWriter, r *http.Request, run wire.Run, begin, end int64) {
	connection := http.NewResponseController(w)
	for begin < end {
		part, _, err := a.outputOf(r, run, begin, int(min(end-begin, outputPiece)))
		if err != nil || part.Begin != begin || len(part.Text) == 0 {
			return
		}
		_ = connection.SetWriteDeadline(time.Now().Add(pieceWithin)) // otherwise that of the server holds
		if _, err := w.Write(part.Text); err != nil {
			return // the client is gone
		}
		begin += int64(len(part.Text))
	}
}

// elsewherePause is how long a client waits for output of a run in progress of which another process would be told first.
const elsewherePause = time.Second

// A byteRange is a range of offsets, without its end.
type byteRange struct{ begin, end int64 }

// rangeOf returns the range that a request is for. It reports false if the whole is to be answered: without a range,
// with several, with one in another unit or that is not valid; if it is only wanted of another version than tag, which is
// empty while the output grows; for a method other than GET, which has no ranges (RFC 9110 §14.2); and for the end of
// what is empty, of which no part can be named.
func rangeOf(r *http.Request, tag string, size int64) (byteRange, bool) {
	if condition := r.Header.Get("If-Range"); condition != "" && (tag == "" || condition != tag) {
		return byteRange{}, false
	}
	unit, spec, ok := strings.Cut(r.Header.Get("Range"), "=")
	first, last, found := strings.Cut(strings.TrimSpace(spec), "-")
	if r.Method != http.MethodGet || !ok || !found || !strings.EqualFold(unit, "bytes") {
		return byteRange{}, false
	}
	if first == "" {
		n, ok := position(last)
		return byteRange{max(0, size-n), size}, ok && (n == 0 || size > 0)
	}
	wanted := byteRange{end: math.MaxInt64}
	if wanted.begin, ok = position(first); ok && last != "" {
		wanted.end, ok = position(last)
		wanted.end++
	}
	return wanted, ok && wanted.end > wanted.begin
}

// position reads a number of a range (RFC 9110 §14.1.2). One that is larger than any offset is as good as the largest.
func position(text string) (int64, bool) {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		n = math.MaxInt64
	}
	return min(n, math.MaxInt64-1), true
}

// lengthOf is the length of an output in Content-Range: unknown while the run may print more.
func lengthOf(size int64, over bool) string {
	if over {
		return strconv.FormatInt(size, 10)
	}
	return "*"
}

// failRange answers a range of which nothing is kept (RFC 9110 §15.5.17).
func (a *API) failRange(w http.ResponseWriter, r *http.Request, part archive.Output) {
	w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", part.Size))
	w.Header().Del("Content-Disposition")
	detail := fmt.Sprintf("there is nothing in this range: the run has printed %d bytes", part.Size)
	if part.Begin > 0 {
		detail += fmt.Sprintf(", and those from %d on are kept", part.Begin)
	}
	fail(w, r, http.StatusRequestedRangeNotSatisfiable, detail)
}
