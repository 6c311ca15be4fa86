package grammar_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	deptest.Check(t, deptest.Forbidden{
		"os/exec":                                        "reading a file starts nothing",
		"net/http":                                       "a grammar is about no protocol",
		"github.com/tidewire/tidewire/smartpoll":         "a grammar knows nothing of what a configuration is about",
		"github.com/tidewire/tidewire/sse":               "a grammar knows nothing of what a configuration is about",
		"github.com/tidewire/tidewire/snapshot":          "a grammar knows nothing of what a configuration is about",
		"github.com/tidewire/tidewire/internal/config":   "imports point down",
		"github.com/tidewire/tidewire/internal/kind":     "imports point down",
		"github.com/tidewire/tidewire/internal/gateway":  "imports point down",
		"github.com/tidewire/tidewire/internal/template": "placeholders are those of a part of a configuration",
	})
}
