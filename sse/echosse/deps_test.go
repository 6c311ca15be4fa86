package echosse_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDeps(t *testing.T) {
	const own = "it has a package of its own; this one adapts Echo and nothing else"
	deptest.Check(t, deptest.Forbidden{
		"github.com/tidewire/tidewire/internal/gateway": "a library of the module must not need its program",
		"github.com/tidewire/tidewire/internal/kind":    "a library of the module must not need its program",
		"github.com/tidewire/tidewire/internal/config":  "a library of the module must not need its program",
		"github.com/tidewire/tidewire/smartpoll":        "polling here is sse.Polling",
		"github.com/itchyny/gojq":                       own,
		"github.com/nats-io":                            own,
		"github.com/prometheus":                         own,
		"github.com/spf13":                              own,
		"go.yaml.in":                                    own,
	})
}
