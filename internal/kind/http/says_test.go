package http_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/internal/secret"
)

// A health endpoint answers 503 with what is wrong.
func TestAnswersOfAcceptedStatusesAreParsed(t *testing.T) {
	status := 503
	h := serve(t, "/health", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("ETag", `"1"`)
		w.WriteHeader(status)
		fmt.Fprint(w, `{"status": "DOWN", "db": {"up": false}}`)
	})
	h.Statuses = []int{200, 503}
	v, known, err := h.FetchIf(t.Context(), nil)
	if fmt.Sprint(v) != "map[db:map[up:false] status:DOWN]" || err != nil {
		t.Errorf("503 gives %v, %v, want its JSON", v, err)
	}
	if known != nil {
		t.Error("an answer 503 is remembered, want those of 200 alone")
	}
	for _, status = range []int{201, 404} { // only what is listed counts
		if _, err := h.Fetch(t.Context()); err == nil {
			t.Errorf("%d is accepted, want 200 and 503 alone", status)
		}
	}
}

func TestErrorsSayWhatTheBodySays(t *testing.T) {
	for _, tt := range []struct{ kind, body, want string }{
		{"text/plain; charset=utf-8", "the disk\nis \x1b[31mfull\x00\n", ": the disk is full"},
		{"", "plain", ": plain"},
		{"application/problem+json", `{"title": "Busy", "detail": "three jobs are running", "status": 503}`, ": three jobs are running"},
		{"application/json", `{"error": {"code": 7, "message": "quota used up"}}`, ": quota used up"},
		{"application/json", `{"errors": [{"message": "first"}, {"message": "second"}]}`, ": first"},
		{"application/json", `{"status": "DOWN"}`, `: {"status": "DOWN"}`},
		{"application/json", `"no"`, ": no"},
		{"application/json", `{"broken`, `: {"broken`},
		{"text/plain; charset=iso-8859-1", "zu hei\xdf", ": zu heiß"},
		{"text/html", "<html><body>502 Bad Gateway", ""},
		{"image/png", "\x89PNG", ""},
		{"text/plain", "", ""},
		{"application/json", `{"message": "token pa55wörd-1234 is wrong"}`, ": token *** is wrong"},
		{"application/json", `{"message": "token pa55w\u00f6rd-1234 is wrong"}`, ": token *** is wrong"},
		{"text/plain", strings.Repeat("é", 100_000), ": " + strings.Repeat("é", 159) + "…"},
	} {
		h := serve(t, "/", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", tt.kind)
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(503)
			fmt.Fprint(w, tt.body)
		})
		h.Header = http.Header{"X-Token": {"pa55wörd-1234"}}
		h.Secrets = secret.New("pa55wörd-1234")
		_, err := h.Fetch(t.Context())
		var status *httpkind.StatusError
		if !errors.As(err, &status) || status.After != 7*time.Second {
			t.Fatalf("%s: the error is %v, want one of the status with its Retry-After", tt.kind, err)
		}
		if want := "GET " + h.URL.String() + ": 503 Service Unavailable" + tt.want; err.Error() != want {
			t.Errorf("%s %.50q: the error is %q, want %q", tt.kind, tt.body, err, want)
		}
	}
}

func TestTheCharsetOfAnAnswerCounts(t *testing.T) {
	for _, tt := range []struct{ parse, kind, body, want, err string }{
		{"text", "text/plain; charset=iso-8859-1", "21 \xb0C", "21 °C", ""},
		{"json", "application/json; charset=ISO-8859-1", "\"21 \xb0C\"", "21 °C", ""},
		{"text", "text/csv; charset=\"windows-1252\"", "\x80", "€", ""},
		{"text", "text/plain; charset=utf-16le", "a\x00\xe4\x00", "aä", ""},
		{"text", "text/plain; charset=shift_jis", "\x93\x8c\x8b\x9e", "東京", ""},
		{"text", "text/plain; charset=UTF-8", "°", "°", ""},
		{"text", "text/plain; charset=klingon", "fine", "fine", ""},
		{"text", "text/plain; charset=klingon", "\xff", "", `the answer's charset, "klingon", is not known: want utf-8 or another name of the WHATWG's Encoding standard`},
		{"text", "text/plain", "\xb0", "\uFFFD", ""},
	} {
		h := serve(t, "/", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", tt.kind)
			w.Header().Set("ETag", `"1"`)
			fmt.Fprint(w, tt.body)
		})
		h.Parse.Name = tt.parse
		v, _, err := h.FetchIf(t.Context(), nil)
		switch {
		case tt.err == "" && (v != tt.want || err != nil):
			t.Errorf("%s: %v, %v, want %s", tt.kind, v, err, tt.want)
		case tt.err != "" && (err == nil || !strings.HasSuffix(err.Error(), tt.err)):
			t.Errorf("%s: %v, %v, want the error %s", tt.kind, v, err, tt.err)
		}
	}
}

// What is said is one line of UTF-8 that no terminal acts upon, whatever the server sends.
func FuzzSays(f *testing.F) {
	f.Add("text/plain", []byte("the disk\nis full"))
	f.Add("application/json", []byte(`{"error": {"message": "no"}}`))
	f.Add("text/plain; charset=utf-16", []byte("\xff\xfea\x00"))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		said := httpkind.Says(http.Header{"Content-Type": {kind}}, body, nil)
		if !utf8.ValidString(said) || strings.ContainsFunc(said, func(r rune) bool { return r < ' ' || r == 0x7f }) || len(said) > 200 {
			t.Errorf("Says(%q, %q) = %q, want one short line", kind, body, said)
		}
	})
}
