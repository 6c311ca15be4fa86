package http_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	httpkind "github.com/tidewire/tidewire/internal/kind/http"
)

// A file is what servers of files answer with: its time and size name its versions.
type file struct {
	body          string
	modified, now time.Time
	tags          bool
	full          int // answers that were not 304
}

func (f *file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", f.now.UTC().Format(http.TimeFormat))
	if f.tags {
		w.Header().Set("ETag", fmt.Sprintf(`"%x-%x"`, f.modified.Unix(), len(f.body)))
	}
	if r.Header.Get("If-None-Match")+r.Header.Get("If-Modified-Since") == "" {
		f.full++
	}
	http.ServeContent(w, r, "", f.modified, strings.NewReader(f.body))
}

func TestAChangeWithinTheSameSecondIsSeen(t *testing.T) {
	for _, tags := range []bool{false, true} {
		f := &file{body: `{"v": 10}`, modified: time.Unix(1_790_000_000, 0), now: time.Unix(1_790_000_000, 0), tags: tags}
		h := serve(t, "/", f.ServeHTTP)
		var known *httpkind.Stored
		fetch := func(want string) {
			t.Helper()
			v, now, err := h.FetchIf(t.Context(), known)
			if err != nil || fmt.Sprint(v) != want {
				t.Errorf("tags %v, %v after the change: %v, %v, want %s", tags, f.now.Sub(f.modified), v, err, want)
			}
			known = now
		}
		fetch("map[v:10]")
		f.body = `{"v": 11}`
		fetch("map[v:11]")
		f.now = f.now.Add(time.Second)
		fetch("map[v:11]")
		if full := f.full; full != 3 {
			t.Errorf("tags %v: %d answers in full, want all 3: none is known to be the last of its second", tags, full)
		}
		f.now = f.now.Add(time.Second)
		fetch("map[v:11]")
		fetch("map[v:11]")
		if full := f.full; full != 4 {
			t.Errorf("tags %v: %d answers in full, want 4: the last request can be conditional", tags, full)
		}
	}
}

// An entity tag is unique for its address alone (RFC 9110 §8.8.3).
func TestARedirectToAnotherVersionIsSeen(t *testing.T) {
	to := ""
	h := serve(t, "/latest", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/latest" && to != "" {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		if r.Header.Get("If-None-Match") == `"1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("ETag", `"1"`)
		fmt.Fprintf(w, "%q", r.URL.Path)
	})
	var known *httpkind.Stored
	for _, want := range []string{"/latest", "/a", "/b", "/latest"} {
		if to = want; to == "/latest" {
			to = ""
		}
		v, now, err := h.FetchIf(t.Context(), known)
		if v != want || err != nil {
			t.Errorf("FetchIf = %v, %v, want %s", v, err, want)
		}
		known = now
	}
}

// A source that makes its requests conditional itself is answered about its own version.
func TestAConditionOfTheConfigurationIsNotAboutWhatIsKnown(t *testing.T) {
	tag := `"1"`
	h := serve(t, "/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", tag)
		fmt.Fprint(w, 1)
	})
	h.Header = http.Header{"if-none-match": {`"0"`}}
	if _, known, err := h.FetchIf(t.Context(), nil); known != nil || err != nil {
		t.Errorf("FetchIf = %v, %v, want that nothing is remembered", known, err)
	}
}

func TestALargeAnswerIsNotKept(t *testing.T) {
	for size, want := range map[int]bool{httpkind.MaxStored: true, httpkind.MaxStored + 1: false} {
		h := serve(t, "/", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"1"`)
			fmt.Fprintf(w, "%q", strings.Repeat("x", size-2))
		})
		if _, known, err := h.FetchIf(t.Context(), nil); (known != nil) != want || err != nil {
			t.Errorf("%d bytes are remembered: %v, %v, want %v", size, known != nil, err, want)
		}
	}
}

func TestAnAnswerThatHasNotChangedIsNotTransferred(t *testing.T) {
	tests := []struct {
		name  string
		known httpkind.Validator
		sent  map[string]string
	}{
		{"tag", httpkind.Validator{ETag: `"7"`}, map[string]string{"If-None-Match": `"7"`}},
		{"date", httpkind.Validator{LastModified: "Wed, 21 Oct 2026 07:28:00 GMT"}, map[string]string{"If-Modified-Since": "Wed, 21 Oct 2026 07:28:00 GMT"}},
		{"both", httpkind.Validator{ETag: `"8"`, LastModified: "Wed, 21 Oct 2026 07:28:00 GMT"},
			map[string]string{"If-None-Match": `"8"`, "If-Modified-Since": "Wed, 21 Oct 2026 07:28:00 GMT"}},
	}
	for _, tt := range tests {
		var got *http.Request
		changed := true
		h := serve(t, "/x", func(w http.ResponseWriter, r *http.Request) {
			got = r
			if !changed {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			w.Header().Set("Date", "Wed, 21 Oct 2026 07:28:02 GMT")
			for _, kv := range [][2]string{{"ETag", tt.known.ETag}, {"Last-Modified", tt.known.LastModified}} {
				if kv[1] != "" {
					w.Header().Set(kv[0], kv[1])
				}
			}
			fmt.Fprint(w, "1")
		})
		v, known, err := h.FetchIf(t.Context(), nil)
		if v != 1.0 || known == nil || known.Validator != tt.known || err != nil {
			t.Fatalf("%s: FetchIf = %v, %v, %v, want 1 and %v", tt.name, v, known, err, tt.known)
		}
		if got.Header.Get("If-None-Match")+got.Header.Get("If-Modified-Since") != "" {
			t.Errorf("%s: the first request is conditional: %v", tt.name, got.Header)
		}
		changed = false
		if v, now, err := h.FetchIf(t.Context(), known); v != 1.0 || now != known || err != nil {
			t.Errorf("%s: FetchIf = %v, %v, %v, want 1, as it is known", tt.name, v, now, err)
		}
		for name := range map[string]bool{"If-None-Match": true, "If-Modified-Since": true} {
			if got := got.Header.Get(name); got != tt.sent[name] {
				t.Errorf("%s: %s = %q, want %q", tt.name, name, got, tt.sent[name])
			}
		}
	}
}

// Only what names one version, and can be sent back, is remembered.
func TestValidatorOf(t *testing.T) {
	const date, soon, later = "Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 2026 07:28:01 GMT", "Wed, 21 Oct 2026 07:28:02 GMT"
	tests := []struct {
		tag, modified, sent string
		want                httpkind.Validator
	}{
		{`"a"`, date, later, httpkind.Validator{ETag: `"a"`, LastModified: date}},
		{`"a"`, date, soon, httpkind.Validator{}},
		{`"a"`, date, date, httpkind.Validator{}},
		{`"a"`, date, "", httpkind.Validator{}},
		{`"a"`, date, "today", httpkind.Validator{}},
		{`"a"`, later, date, httpkind.Validator{}}, // of a clock that is ahead
		{"", date, later, httpkind.Validator{LastModified: date}},
		{`"a"`, "", "", httpkind.Validator{ETag: `"a"`}},
		{`"é"`, "", "", httpkind.Validator{ETag: `"é"`}},
		{`W/"a"`, "", "", httpkind.Validator{}},
		{`W/"a"`, date, soon, httpkind.Validator{}},
		{`W/"a"`, date, later, httpkind.Validator{ETag: `W/"a"`, LastModified: date}},
		{`W/"a-b_c é"`, "", "", httpkind.Validator{}}, // a blank is not in the grammar
		{`""`, "", "", httpkind.Validator{ETag: `""`}},
		{`"`, "", "", httpkind.Validator{}},
		{`a`, "yesterday", later, httpkind.Validator{}},
		{`"a"`, "yesterday", later, httpkind.Validator{}}, // the tag may be made of it
		{`w/"a"`, "", "", httpkind.Validator{}},
		{`"a"b"`, "", "", httpkind.Validator{}},
		{"\"a\x7f\"", date + "\x01", later, httpkind.Validator{}},
		{`"` + strings.Repeat("x", 1022) + `"`, "", "", httpkind.Validator{ETag: `"` + strings.Repeat("x", 1022) + `"`}},
		{`"` + strings.Repeat("x", 1023) + `"`, "", "", httpkind.Validator{}},
	}
	for _, tt := range tests {
		header := http.Header{"Etag": {tt.tag}, "Last-Modified": {tt.modified}, "Date": {tt.sent}}
		if got := httpkind.ValidatorOf(header); got != tt.want {
			t.Errorf("ValidatorOf(%.40q) = %.40q, want %.40q", header, got, tt.want)
		}
	}
}

// Only an answer that was read to its end is known: one that cannot be parsed would otherwise count as unchanged.
func TestABadAnswerIsNotRemembered(t *testing.T) {
	h := serve(t, "/x", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		fmt.Fprint(w, "{")
	})
	if _, known, err := h.FetchIf(t.Context(), nil); err == nil || known != nil {
		t.Errorf("FetchIf = %v, %v, want an error and no validator", known, err)
	}
}
