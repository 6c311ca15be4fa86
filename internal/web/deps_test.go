package web_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	deptest.Check(t, deptest.Forbidden{
		"github.com/tidewire/tidewire/internal/config": "pages are drawn from answers of the API, and from no configuration",
		"github.com/tidewire/tidewire/internal/api":    "imports point down",
	})
}
