package api_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
)

// get returns the status and the body of a page.
func get(t *testing.T, h http.Handler, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "http://localhost"+path, nil))
	return w.Code, w.Body.String()
}

// The page of a source has what the API knows of it, and says what cannot be read.
func TestThePageOfASource(t *testing.T) {
	s, h := newServices(t)
	now := time.Now()
	s.spans.Enter("a", now.Add(-3*time.Hour), "ok", "")
	for i, state := range []string{"firing", "resolved", "firing"} {
		at := now.Add(time.Duration(i-3) * 10 * time.Minute)
		s.events.Add(archive.Event{ID: int64(i + 1), At: at, Kind: "alert", Source: "a", Data: []byte(`{"state":"` + state + `"}`)})
	}
	status, page := get(t, h, "/sources/a")
	for _, want := range []string{
		`data-follow="source/a alerts"`, `data-source="a"`, "Value over 1 h: 1.5 throughout. The alert fired 2 times, for 20 min in all.",
		`{&#34;at&#34;:90,&#34;text&#34;:&#34;alert above 90&#34;`, `<a href="?over=1h&amp;view=table">`, "Computed from", "Answer and what was picked", "&lt;b&gt;", "Last poll<", "100 %",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not have %q", want)
		}
	}
	if status != 200 || strings.Contains(page, `<b>&#34;`) {
		t.Errorf("the page is %d:\n%s", status, page)
	}
	if status, page := get(t, h, "/sources/a?view=table&over=1h"); status != 200 || !strings.Contains(page, `<td class="n">1.5</td>`) || strings.Contains(page, `class="plot"`) {
		t.Errorf("the table is %d:\n%s", status, page)
	}
	if status, page := get(t, h, "/sources/a?field=nothing"); status != 200 || !strings.Contains(page, "has no numbers in field") {
		t.Errorf("a field that is not there: %d\n%s", status, page)
	}
	s.plain = true
	if status, page := get(t, h, "/sources/a"); status != 200 || !strings.Contains(page, "stale or failing") {
		t.Errorf("a source whose alert has no condition of its own is %d:\n%s", status, page)
	}
	if status, page := get(t, h, "/sources/gone"); status != 404 || !strings.Contains(page, "There is no source “gone”") {
		t.Errorf("a source that is gone is %d:\n%s", status, page)
	}
	s.past = errors.New("the disk is gone")
	if status, page := get(t, h, "/sources/a"); status != 200 || !strings.Contains(page, "The past of this source cannot be read now.") ||
		!strings.Contains(page, "The numbers of this source cannot be read now.") {
		t.Errorf("without its past the page is %d:\n%s", status, page)
	}
}

// A chart is over a day, but over an hour as long as no more is known: a line at the edge of an empty day tells nothing.
func TestAChartOfLittleIsOverAnHour(t *testing.T) {
	for known, want := range map[time.Duration]string{3 * time.Hour: "Value over 24 h: ", 5 * time.Minute: "Value over 1 h: "} {
		s, h := newServices(t)
		s.kept = 24 * time.Hour
		s.spans.Enter("a", time.Now().Add(-known), "ok", "")
		if _, page := get(t, h, "/sources/a"); !strings.Contains(page, want) {
			t.Errorf("the page of a source that is known for %v does not have %q", known, want)
		}
		if _, page := get(t, h, "/sources/a?over=24h"); !strings.Contains(page, "Value over 24 h: ") {
			t.Errorf("the page of a source that is known for %v does not do as its address says", known)
		}
	}
}
