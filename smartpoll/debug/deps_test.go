package debug_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	deptest.StandardOnly(t, "whoever schedules must be able to look, at no price",
		"github.com/tidewire/tidewire/smartpoll", "github.com/tidewire/tidewire/internal/theme", "golang.org/x/time/rate")
}
