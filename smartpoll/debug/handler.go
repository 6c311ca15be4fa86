package debug

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/tidewire/tidewire/smartpoll"
)

// Options are the settings of [Handler]. The zero value is the default.
type Options struct {
	// Title is the heading of the page. Empty means "Tasks".
	Title string

	// ReadOnly makes the page show everything and change nothing: a POST is answered with 405.
	ReadOnly bool
}

// Handler returns a handler that shows the tasks of s and acts on them, see the package documentation. It is safe for
// concurrent use, and owns no goroutine. opts may be nil; Handler panics if s is nil.
func Handler(s *smartpoll.Scheduler, opts *Options) http.Handler {
	if s == nil {
		panic("smartpoll/debug: Handler needs a scheduler")
	}
	var o Options
	if opts != nil {
		o = *opts
	}
	h := &handler{
		scheduler: s,
		title:     cmp.Or(o.Title, "Tasks"),
		readOnly:  o.ReadOnly,
		ids:       ids{run: rand.Text()[:8], byKey: map[any]string{}},
	}
	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.fail(w, r, http.StatusForbidden, "tasks are changed from this page only, not from another site's")
	}))
	return origin.Handler(h)
}

type handler struct {
	scheduler *smartpoll.Scheduler
	title     string
	readOnly  bool
	ids       ids
}

// maxForm bounds the body of a POST, in bytes.
const maxForm = 4 << 10

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Vary", "Accept")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	switch f := r.URL.Query().Get("format"); f {
	case "", "json", "html":
	default:
		h.fail(w, r, http.StatusBadRequest, "format "+quoted(f)+" is unknown, use json or html")
		return
	}
	switch {
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		h.show(w, r)
	case r.Method == http.MethodPost && !h.readOnly:
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		h.post(w, r)
	default:
		allow, detail := "GET, HEAD, POST", "a task is changed by POST, and looked at by GET"
		if h.readOnly {
			allow, detail = "GET, HEAD", "this page shows tasks, and changes none"
		}
		header.Set("Allow", allow)
		h.fail(w, r, http.StatusMethodNotAllowed, detail)
	}
}

// show answers with the state of the tasks.
func (h *handler) show(w http.ResponseWriter, r *http.Request) {
	s, f := h.status(r.Context()), filterOf(r)
	if !f.known() {
		h.fail(w, r, http.StatusBadRequest, "show "+quoted(f.Show)+" is unknown, use running, failing, late or paused")
		return
	}
	if wantsJSON(r) {
		s.Tasks = f.apply(s.Tasks)
		writeJSON(w, "application/json", http.StatusOK, s)
		return
	}
	h.page(w, http.StatusOK, s, f, "")
}

// post acts on a task.
func (h *handler) post(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		h.fail(w, r, http.StatusBadRequest, "the form cannot be read: "+err.Error())
		return
	}
	// Only from the body: a link must not be enough.
	id := r.PostForm.Get("task")
	key, ok := h.ids.key(id)
	if !ok {
		h.fail(w, r, http.StatusNotFound, "task "+quoted(id)+" is not there, or not any more")
		return
	}
	if status, detail := act(h.scheduler, key, r.PostForm.Get("action")); detail != "" {
		h.fail(w, r, status, detail)
		return
	}
	if wantsJSON(r) {
		info, ok := h.scheduler.Info(key)
		if !ok {
			h.fail(w, r, http.StatusNotFound, gone(key))
			return
		}
		writeJSON(w, "application/json", http.StatusOK, newTask(id, keyText(key), info, now()))
		return
	}
	// Relative, since the handler does not know the path where it is mounted. The filter stays.
	w.Header().Set("Location", "?"+r.URL.RawQuery)
	w.WriteHeader(http.StatusSeeOther)
}

// A problem is an error answer (RFC 9457).
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

// fail answers with an error, for people on the page itself.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, status int, detail string) {
	if wantsJSON(r) {
		writeJSON(w, "application/problem+json", status, problem{http.StatusText(status), status, detail})
		return
	}
	f := filterOf(r)
	if !f.known() {
		f.Show = ""
	}
	h.page(w, status, h.status(r.Context()), f, strings.ToUpper(detail[:1])+detail[1:]+".")
}

// wantsJSON reports whether the client asks for JSON.
func wantsJSON(r *http.Request) bool {
	if f := r.URL.Query().Get("format"); f != "" {
		return f == "json"
	}
	accept := strings.Join(r.Header.Values("Accept"), ",")
	return strings.Contains(accept, "application/json") && !strings.Contains(accept, "text/html")
}

func writeJSON(w http.ResponseWriter, contentType string, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		panic("smartpoll/debug: " + err.Error()) // cannot happen for strings, numbers and times
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	w.Write(append(data, '\n')) // an error means that the client has left
}
