package jq_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	deptest.StandardOnly(t, "this package is the one place for the jq interpreter, and for nothing else",
		"github.com/itchyny/gojq", "github.com/itchyny/timefmt-go", "github.com/tidewire/tidewire/internal/text")
	deptest.Check(t, deptest.Forbidden{
		"net/http": "an expression reaches nothing but its input",
		"os/exec":  "an expression starts nothing",
	})
}
