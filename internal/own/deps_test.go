package own_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	const reason = "what the states mean is up to those who write them"
	forbidden := deptest.Forbidden{}
	for _, path := range []string{"smartpoll", "sse/progress", "internal/config", "internal/gateway", "internal/wire"} {
		forbidden["github.com/tidewire/tidewire/"+path] = reason
	}
	deptest.Check(t, forbidden)
}
