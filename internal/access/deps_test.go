package access_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	deptest.Check(t, deptest.Forbidden{
		"github.com/tidewire/tidewire/sse":              "what users may do does not depend on how it is sent",
		"github.com/tidewire/tidewire/smartpoll":        "nothing happens here by itself",
		"github.com/tidewire/tidewire/internal/gateway": "imports point down",
		"github.com/tidewire/tidewire/internal/web":     "the gateway answers",
		"github.com/spf13/cobra":                        "commands are the program's",
	})
	deptest.CheckImports(t, deptest.Forbidden{
		"os/exec": "who is asking is found out in process",
		"github.com/tidewire/tidewire/internal/command": "who is asking is found out in process",
	})
}
