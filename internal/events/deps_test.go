package events_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	const path = "github.com/tidewire/tidewire/internal/"
	deptest.StandardOnly(t, "it is told what happened, by whatever part", path+"archive", path+"audit", path+"clock", path+"file", path+"flood", path+"text")
	deptest.Check(t, deptest.Forbidden{"net/http": "who may read it is up to those who answer"})
}
