package forward_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	const reason = "it takes states and hands them on"
	forbidden := deptest.Forbidden{}
	for _, path := range []string{"smartpoll", "internal/config", "internal/gateway", "internal/kind", "internal/sources", "internal/jobs"} {
		forbidden["github.com/tidewire/tidewire/"+path] = reason
	}
	deptest.Check(t, forbidden)
}
