package push_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	const reason = "a kind gets values: when, how often and what to pick is up to the runtime"
	forbidden := deptest.Forbidden{}
	for _, path := range []string{"smartpoll", "sse", "snapshot", "internal/config", "internal/gateway", "internal/access", "internal/web", "internal/command"} {
		forbidden["github.com/tidewire/tidewire/"+path] = reason
	}
	deptest.Check(t, forbidden)
}
