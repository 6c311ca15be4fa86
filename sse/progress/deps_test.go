package progress_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	deptest.Check(t, deptest.Forbidden{
		"github.com/labstack/echo/v4":                   "handlers are net/http's here; package echosse is for users of Echo",
		"github.com/nats-io":                            "a store outside the process comes through the snapshot.Store interface",
		"go.yaml.in/yaml/v4":                            "configuration is the gateway's",
		"github.com/prometheus/client_golang":           "metrics stay outside the libraries",
		"github.com/tidewire/tidewire/internal/gateway": "imports point down",
	})
}
