package jobs_test

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
		path + "internal/api":     down,
		path + "internal/sources": "what refreshes a source is handed in",
		path + "internal/gateway": down,
		path + "internal/metrics": "an Observer counts",
		path + "internal/web":     "the API answers",
		path + "natsstore":        "a store is handed in",
		"modernc.org/sqlite":      "a store is handed in",
		"github.com/spf13/cobra":  "commands are the program's",
	})
}
