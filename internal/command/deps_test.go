package command_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	deptest.StandardOnly(t, "running a program needs the operating system and a terminal", "github.com/creack/pty")
	deptest.Check(t, deptest.Forbidden{
		"net/http":      "commands talk through pipes",
		"encoding/json": "what lines mean is up to the caller",
	})
}
