package metrics_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	deptest.Check(t, deptest.Forbidden{
		"github.com/spf13/cobra":                     "metrics know nothing of the command line",
		"github.com/tidewire/tidewire/cmd":           "imports point down",
		"github.com/tidewire/tidewire/internal/demo": "metrics are those of the gateway alone",
	})
}
