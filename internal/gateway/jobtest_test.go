package gateway_test

import (
	"net/http/httptest"
	"testing"

	"github.com/tidewire/tidewire/internal/gateway"
	"github.com/tidewire/tidewire/internal/jobtest"
)

// The runs of the gateway are answered as those of a [progress.Handler], whose clients are told that they are the same.
func TestRunsAreAnsweredAsOthers(t *testing.T) {
	jobtest.Test(t, func(t *testing.T) jobtest.API {
		script := newScript(t)
		g := gateway.NewGateway(t, t.Context(), load(t, script.scan()), gateway.Options{})
		server := httptest.NewServer(g.Handler())
		t.Cleanup(server.Close)
		t.Cleanup(server.CloseClientConnections)
		t.Cleanup(g.StopJobs)
		return jobtest.API{
			Start: server.URL + runs, First: `{}`, Second: `{"args":{"fast":true}}`,
			Run:    func(id string) string { return server.URL + "/api/v1/runs/" + id + "/events" },
			Cancel: func(id string) (method, url string) { return "POST", server.URL + "/api/v1/runs/" + id + "/cancel" },
			Begun: func() (finish func()) {
				p := script.Begun()
				return func() { p.Exit(0) }
			},
			Stop: g.StopJobs,
		}
	})
}
