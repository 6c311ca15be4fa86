package config_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	deptest.Check(t, deptest.Forbidden{
		"os/exec":                                         "checking a file starts nothing",
		"github.com/tidewire/tidewire/smartpoll":          "a configuration says what is to run; the gateway runs it",
		"github.com/tidewire/tidewire/sse":                "a configuration says what is to run; the gateway runs it",
		"github.com/tidewire/tidewire/snapshot":           "a configuration says what is to run; the gateway runs it",
		"github.com/tidewire/tidewire/internal/command":   "a configuration says what is to run; the gateway runs it",
		"github.com/tidewire/tidewire/internal/kind/http": "a configuration says what is to run; the gateway runs it",
		"github.com/tidewire/tidewire/internal/gateway":   "imports point down",
		"github.com/spf13/cobra":                          "commands are the program's",
	})
}
