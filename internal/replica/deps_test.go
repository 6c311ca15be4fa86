package replica_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	const path = "github.com/tidewire/tidewire/"
	deptest.Check(t, deptest.Forbidden{
		path + "natsstore":        "a store is handed in",
		path + "sse":              "who reads along is no matter of replicas",
		path + "internal/config":  "units are names",
		path + "internal/sources": "units are names",
		path + "internal/jobs":    "units are names",
	})
}
