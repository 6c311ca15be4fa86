package api_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	const (
		path = "github.com/tidewire/tidewire/"
		down = "imports point down"
	)
	deptest.Check(t, deptest.Forbidden{
		path + "internal/gateway":             down,
		path + "internal/metrics":             "what answers /metrics is handed in",
		path + "natsstore":                    "answers come from topics, wherever their store is",
		"modernc.org/sqlite":                  "answers come from topics, wherever their store is",
		"github.com/prometheus/client_golang": "what answers /metrics is handed in",
		"github.com/spf13/cobra":              "commands are the program's",
		"github.com/labstack/echo":            "the API is one of net/http",
	})
}
