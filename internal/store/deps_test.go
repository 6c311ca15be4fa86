package store_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	const path, reason = "github.com/tidewire/tidewire/", "a store knows neither what its records mean nor who asks for them"
	forbidden := deptest.Forbidden{}
	for _, name := range []string{"smartpoll", "sse", "internal/config", "internal/jobs", "internal/sources", "internal/gateway"} {
		forbidden[path+name] = reason
	}
	deptest.Check(t, forbidden)
}
