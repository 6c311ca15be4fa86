package config_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	const runs = "a configuration says what is to run; the gateway runs it"
	deptest.Check(t, deptest.Forbidden{
		"github.com/tidewire/tidewire/smartpoll":             runs,
		"github.com/tidewire/tidewire/sse":                   runs,
		"github.com/tidewire/tidewire/snapshot":              runs,
		"github.com/tidewire/tidewire/internal/subscription": runs,
		"github.com/tidewire/tidewire/internal/gateway":      "imports point down",
		"github.com/spf13/cobra":                             "commands are the program's",
	})
}
