package audit_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	const path = "github.com/tidewire/tidewire/internal/"
	deptest.StandardOnly(t, "it writes lines, whoever acts and whatever they do", path+"clock", path+"file", path+"flood")
	deptest.Check(t, deptest.Forbidden{"net/http": "who makes a request is up to those who answer it"})
}
