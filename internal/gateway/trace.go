package gateway

import (
	"context"
	"encoding/json"
	"io"

	"github.com/tidewire/tidewire/internal/config"
)

// PollOnce polls one source of cfg once, without its limit, and returns its value as JSON.
// What it is computed from is polled first. If trace is not nil, each step is written
// there for people, with *** for the values of headers and queries; the error is that of
// the poll, and is not. It neither uses nor changes the state of a gateway that is at work.
func PollOnce(ctx context.Context, cfg *config.Config, name string, trace io.Writer) (json.RawMessage, error) {
	own := *cfg
	own.Audit = ""                 // nobody does anything that concerns it
	own.Store, own.NATS = nil, nil // they are those of a gateway, and replicas would leave work to this one
	live, end := context.WithCancel(ctx)
	defer end()
	g, err := open(live, &own, "", Options{})
	if err != nil {
		return nil, err
	}
	defer g.client.CloseIdleConnections()
	defer g.upstreams.Close()
	defer g.sources.Stop(live)
	return g.sources.PollOnce(ctx, name, trace)
}
