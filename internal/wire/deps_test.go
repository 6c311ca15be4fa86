package wire_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	deptest.Check(t, deptest.Forbidden{
		"github.com/tidewire/tidewire/internal/config":  "clients read these types and no configuration",
		"github.com/tidewire/tidewire/internal/gateway": "imports point down",
		"github.com/tidewire/tidewire/smartpoll":        "these are types, nothing of theirs polls",
	})
}
