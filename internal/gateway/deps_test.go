package gateway_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	const path = "github.com/tidewire/tidewire/"
	deptest.Check(t, deptest.Forbidden{
		path + "cmd":                          "imports point down",
		path + "internal/metrics":             "an Observer counts",
		path + "internal/demo":                "the demonstration is a configuration like any other",
		"github.com/prometheus/client_golang": "an Observer counts",
		"github.com/spf13/cobra":              "commands are the program's",
		"github.com/labstack/echo":            "the API is one of net/http",
	})
}
