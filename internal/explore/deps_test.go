package explore_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	const reason = "it asks nobody: an answer comes by a poll of a draft"
	forbidden := deptest.Forbidden{}
	for _, path := range []string{"smartpoll", "sse", "internal/config", "internal/gateway", "internal/kind", "internal/sources", "internal/jobs"} {
		forbidden["github.com/tidewire/tidewire/"+path] = reason
	}
	deptest.Check(t, forbidden)
}
