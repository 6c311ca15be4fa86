package problem_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
	"github.com/tidewire/tidewire/internal/problem"
)

func TestDependencies(t *testing.T) {
	deptest.StandardOnly(t, "libraries and program answer with it")
}

func TestWrite(t *testing.T) {
	for _, test := range []struct {
		problem          problem.Problem
		body, retryAfter string
	}{
		{
			problem.Problem{Status: 404, Detail: "there is no run", Instance: "/runs/1"},
			`{"type":"about:blank","title":"Not Found","status":404,"detail":"there is no run","instance":"/runs/1"}`, "",
		},
		{
			problem.Problem{Type: problem.KeyReused, Status: 422, Errors: []problem.Part{{Pointer: "#/a", Detail: "no"}}},
			`{"type":"https://github.com/tidewire/tidewire/problems/idempotency-key-reused",` +
				`"title":"The Idempotency-Key was used for something else","status":422,"errors":[{"pointer":"#/a","detail":"no"}]}`, "",
		},
		{
			problem.Problem{Type: "unheard-of", Status: 503, RetryAfter: 5},
			`{"type":"about:blank","title":"Service Unavailable","status":503,"retry_after":5}`, "5",
		},
	} {
		w := httptest.NewRecorder()
		problem.Write(w, test.problem)
		h := w.Header()
		if got := strings.TrimSpace(w.Body.String()); w.Code != test.problem.Status || got != test.body || h.Get("Retry-After") != test.retryAfter {
			t.Errorf("%+v is answered as %d %v\n%s, want\n%s", test.problem, w.Code, h, got, test.body)
		}
		if h.Get("Content-Type") != "application/problem+json" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("the headers are %v", h)
		}
	}
}
