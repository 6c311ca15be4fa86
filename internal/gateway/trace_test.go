package gateway_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/gateway"
)

// To poll a source once takes no store, and leaves that of the gateway alone: it does not become one of the replicas, to
// which the others leave sources.
func TestPollOnceUsesNoStore(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "1") }))
	defer s.Close()
	dir := filepath.Join(t.TempDir(), "data")
	for _, store := range []string{`{nats: "nats://127.0.0.1:1"}`, "{dir: " + dir + "}"} {
		cfg := load(t, "store: "+store+"\nupstreams: {up: {http: \""+s.URL+"\"}}\nsources: {a: {http: {upstream: up, path: /}}}\n")
		polled := make(chan error, 1)
		go func() {
			_, err := gateway.PollOnce(t.Context(), cfg, "a", nil)
			polled <- err
		}()
		select {
		case err := <-polled:
			if err != nil {
				t.Errorf("%s: %v", store, err)
			}
		case <-time.After(20 * time.Second):
			t.Errorf("%s: the source is not polled", store)
		}
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the store was opened")
	}
}
