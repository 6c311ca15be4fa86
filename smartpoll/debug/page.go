package debug

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"time"

	"github.com/tidewire/tidewire/internal/theme"
)

var (
	//go:embed page.html
	pageText string
	//go:embed page.css
	ownStyle  string
	pageStyle = theme.CSS + "\n" + ownStyle
	//go:embed page.js
	pageScript string

	pageTemplate = template.Must(template.New("page").Parse(pageText))
)

// policy admits the style and the script of the page by their hashes. With nonces, browsers would refuse the style of
// the pages that the script fetches.
var policy = "default-src 'none'; style-src " + digest(pageStyle) + "; script-src " + digest(pageScript) +
	"; img-src data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// digest returns a hash-source of CSP 3, 2.3.1.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// maxRows is how many tasks the page lists. With more tasks, people search.
const maxRows = 300

// view is the data for the template.
type view struct {
	Style    template.CSS
	Script   template.JS
	Title    string
	ReadOnly bool
	Problem  string

	Loop    loop
	Filter  filter
	Filters []link
	Total   int // tasks
	Rows    []tableRow
	More    int  // rows that are left out
	Timed   bool // there is an Observer
}

// link is a filter to choose.
type link struct {
	Name    string
	Glyph   string
	Count   int
	URL     string
	Current bool
}

// tableRow is a task in the words of the page.
type tableRow struct {
	task
	at time.Time
}

// page answers with the page, which shows problem unless it is empty.
func (h *handler) page(w http.ResponseWriter, code int, s status, f filter, problem string) {
	v := view{
		Style: template.CSS(pageStyle), Script: template.JS(pageScript),
		Title: h.title, ReadOnly: h.readOnly, Problem: problem,
		Loop: s.Loop, Filter: f, Filters: links(s.Tasks, f), Total: len(s.Tasks),
	}
	for _, t := range f.apply(s.Tasks) {
		if len(v.Rows) == maxRows {
			v.More++
			continue
		}
		v.Rows = append(v.Rows, tableRow{t, s.At})
		v.Timed = v.Timed || t.Took > 0
	}
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, v); err != nil {
		panic("smartpoll/debug: " + err.Error())
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Frame-Options", "DENY") // for browsers older than frame-ancestors
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	w.WriteHeader(code)
	w.Write(b.Bytes()) // a client that is gone needs no answer
}

// links returns the views with the number of tasks in each.
func links(tasks []task, f filter) []link {
	var all []link
	for _, view := range views {
		l := link{Name: view.Name, Glyph: view.Name, Current: view.Name == f.Show}
		query := url.Values{}
		if l.Name == "" {
			l.Name, l.Glyph = "all", ""
		} else {
			query.Set("show", view.Name)
		}
		if f.Text != "" {
			query.Set("q", f.Text)
		}
		l.URL = "?" + query.Encode()
		for _, t := range tasks {
			if f.matches(t) && view.Has(t) {
				l.Count++
			}
		}
		all = append(all, l)
	}
	return all
}

// HookSince returns for how long the hook has held the loop at most.
func (v view) HookSince() string { return span(time.Since(v.Loop.Hook.Since)) }

// Word returns the state of the task in words.
func (r tableRow) Word() string {
	switch {
	case r.State == "hook":
		return "in its hook"
	case r.Running() || !r.task.Paused:
		return r.State
	}
	return "paused"
}

// Tone returns the colour of the word, and the glyph before it.
func (r tableRow) Tone() string {
	switch {
	case r.Running():
		return "running"
	case r.task.Paused:
		return "paused"
	case r.IsLate():
		return "late"
	case r.Failures > 0:
		return "failing"
	case r.State == "idle":
		return "idle"
	}
	return "ok"
}

// When returns when the task runs next.
func (r tableRow) When() string {
	if r.Next.IsZero() {
		return "–"
	}
	d := r.Next.Sub(r.at)
	switch {
	case d >= 100*time.Millisecond:
		return "in " + span(d)
	case r.IsLate():
		return "due for " + span(-d)
	}
	return "now"
}

// Last returns when the task last ran.
func (r tableRow) Last() string {
	switch {
	case r.Runs == 0:
		return "never"
	case r.Running():
		return "for " + span(r.at.Sub(r.Started))
	}
	return r.ago(r.Started)
}

// ErrorAgo returns how long ago the last error was.
func (r tableRow) ErrorAgo() string { return r.ago(r.ErrorAt) }

func (r tableRow) ago(t time.Time) string {
	if d := r.at.Sub(t); d >= time.Second {
		return span(d) + " ago"
	}
	return "just now"
}

// TookText, LateText and HeldText return durations, if they are known.
func (r tableRow) TookText() string { return known(r.Took > 0, r.Took) }
func (r tableRow) LateText() string { return known(r.Took > 0 || r.Late > 0, r.Late) }
func (r tableRow) HeldText() string { return span(time.Duration(r.Held)) }

func known(is bool, d millis) string {
	if !is {
		return "–"
	}
	return span(time.Duration(d))
}

// NextExact, StartedExact and ErrorExact return the exact times.
func (r tableRow) NextExact() string    { return exact(r.Next) }
func (r tableRow) StartedExact() string { return exact(r.Started) }
func (r tableRow) ErrorExact() string   { return exact(r.ErrorAt) }

func exact(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}

// span returns d in one or two units.
func span(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Microsecond:
		return "< 1 µs"
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Truncate(100*time.Millisecond).Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%d d %d h", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}
