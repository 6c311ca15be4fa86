package source_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	deptest.StandardOnly(t, "a source turns bytes into values: when, how often and what to pick is up to the gateway",
		"github.com/tidewire/tidewire/internal/command",
		"github.com/tidewire/tidewire/internal/httpclient")
}
