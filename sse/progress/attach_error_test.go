package progress_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/sse/progress"
)

// An error of Attach names the URL once, whatever has failed.
func TestAttachNamesTheURLOnce(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	defer gone.Close()
	nameless := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer nameless.Close()
	down := httptest.NewServer(nil)
	down.Close()
	for _, at := range []string{gone.URL, nameless.URL, down.URL} {
		at += "/job?run=a1"
		_, err := (&progress.Client{URL: at}).Attach(t.Context(), at)
		if err == nil || strings.Count(err.Error(), at) != 1 {
			t.Errorf("Attach = %v, want an error that names %s once", err, at)
		}
	}
}
