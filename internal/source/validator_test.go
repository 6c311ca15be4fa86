package source_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/source"
)

func TestAnAnswerThatHasNotChangedIsNotTransferred(t *testing.T) {
	tests := []struct {
		name  string
		known source.Validator
		sent  map[string]string
	}{
		{"tag", source.Validator{ETag: `W/"7"`}, map[string]string{"If-None-Match": `W/"7"`}},
		{"date", source.Validator{LastModified: "Wed, 21 Oct 2026 07:28:00 GMT"}, map[string]string{"If-Modified-Since": "Wed, 21 Oct 2026 07:28:00 GMT"}},
		{"both", source.Validator{ETag: `"8"`, LastModified: "Wed, 21 Oct 2026 07:28:00 GMT"},
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
			for _, kv := range [][2]string{{"ETag", tt.known.ETag}, {"Last-Modified", tt.known.LastModified}} {
				if kv[1] != "" {
					w.Header().Set(kv[0], kv[1])
				}
			}
			fmt.Fprint(w, "1")
		})
		v, known, err := h.FetchIf(t.Context(), source.Validator{})
		if v != 1.0 || known != tt.known || err != nil {
			t.Errorf("%s: FetchIf = %v, %v, %v, want 1 and %v", tt.name, v, known, err, tt.known)
		}
		if got.Header.Get("If-None-Match")+got.Header.Get("If-Modified-Since") != "" {
			t.Errorf("%s: the first request is conditional: %v", tt.name, got.Header)
		}
		changed = false
		if v, _, err := h.FetchIf(t.Context(), known); v != nil || !errors.Is(err, source.ErrNotModified) {
			t.Errorf("%s: FetchIf = %v, %v, want ErrNotModified", tt.name, v, err)
		}
		for name := range map[string]bool{"If-None-Match": true, "If-Modified-Since": true} {
			if got := got.Header.Get(name); got != tt.sent[name] {
				t.Errorf("%s: %s = %q, want %q", tt.name, name, got, tt.sent[name])
			}
		}
	}
}

// What could not be sent back, or is no name of a version, is not remembered.
func TestValidatorOf(t *testing.T) {
	const date = "Wed, 21 Oct 2026 07:28:00 GMT"
	tests := []struct {
		tag, modified string
		want          source.Validator
	}{
		{`"a"`, date, source.Validator{ETag: `"a"`, LastModified: date}},
		{`W/"a-b_c é"`, "", source.Validator{}}, // a blank is not in the grammar
		{`W/"é"`, "", source.Validator{ETag: `W/"é"`}},
		{`""`, "", source.Validator{ETag: `""`}},
		{`"`, "", source.Validator{}},
		{`a`, "yesterday", source.Validator{}},
		{`w/"a"`, "", source.Validator{}},
		{`"a"b"`, "", source.Validator{}},
		{"\"a\x7f\"", date + "\x01", source.Validator{}},
		{`"` + strings.Repeat("x", 1022) + `"`, "", source.Validator{ETag: `"` + strings.Repeat("x", 1022) + `"`}},
		{`"` + strings.Repeat("x", 1023) + `"`, "", source.Validator{}},
	}
	for _, tt := range tests {
		if got := source.ValidatorOf(http.Header{"Etag": {tt.tag}, "Last-Modified": {tt.modified}}); got != tt.want {
			t.Errorf("ValidatorOf(%.40q, %q) = %.40q, want %.40q", tt.tag, tt.modified, got, tt.want)
		}
	}
}

// Only an answer that was read to its end is known: one that cannot be parsed would otherwise count as unchanged.
func TestABadAnswerIsNotRemembered(t *testing.T) {
	h := serve(t, "/x", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		fmt.Fprint(w, "{")
	})
	if _, known, err := h.FetchIf(t.Context(), source.Validator{}); err == nil || known != (source.Validator{}) {
		t.Errorf("FetchIf = %v, %v, want an error and no validator", known, err)
	}
}
