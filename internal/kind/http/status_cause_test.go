package http_test

import (
	"fmt"
	"testing"

	"github.com/tidewire/tidewire/internal/kind"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
)

func TestTheCauseOfAStatusIsNotTheRequest(t *testing.T) {
	err := fmt.Errorf("%w", &httpkind.StatusError{Method: "GET", URL: "http://x/now", Status: "429 Too Many Requests", Said: "quota used up"})
	if got, want := kind.Cause(err), "429 Too Many Requests: quota used up"; got != want {
		t.Errorf("Cause(%v) = %q, want %q", err, got, want)
	}
}
