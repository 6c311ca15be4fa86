package value_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	const why = "it is a leaf that everything may use"
	deptest.Check(t, deptest.Forbidden{
		"github.com/tidewire/tidewire/internal/grammar": why,
		"github.com/tidewire/tidewire/internal/jq":      why,
		"github.com/tidewire/tidewire/internal/kind":    why,
	})
}
