package alert_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	const path = "github.com/tidewire/tidewire/"
	deptest.Check(t, deptest.Forbidden{
		path + "internal/gateway": "imports point down",
		path + "internal/sources": "imports point down: a source has an alert",
		path + "internal/jobs":    "an alert is about a value",
	})
}
