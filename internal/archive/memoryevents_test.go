package archive_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/archive/archivetest"
)

func TestMemoryEvents(t *testing.T) {
	archivetest.Events(t, func(_ *testing.T, bounds archive.EventBounds) (archive.Events, func()) {
		return archive.NewMemoryEvents(bounds), func() {}
	})
}
