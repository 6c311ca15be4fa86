package lifecycle_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	const reason = "what runs is up to whoever starts it"
	forbidden := deptest.Forbidden{}
	for _, path := range []string{"smartpoll", "sse", "snapshot", "internal/config", "internal/gateway"} {
		forbidden["github.com/tidewire/tidewire/"+path] = reason
	}
	deptest.Check(t, forbidden)
}
