package natsstore_test

import (
	"os"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

// Nothing of this module can link a server of NATS: neither the program, nor who imports the store.
func TestNoServer(t *testing.T) {
	for _, file := range []string{"../go.mod", "../go.sum"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "nats-io/nats-server") {
			t.Errorf("%s names nats-server, which only the module natsstoretest may have", file)
		}
	}
}

func TestDeps(t *testing.T) {
	const own = "it has a package of its own; this one adapts NATS and nothing else"
	deptest.Check(t, deptest.Forbidden{
		"github.com/nats-io/nats-server":         "users of the store run servers, they do not link them",
		"github.com/tidewire/tidewire/sse":       "a store does not know what its entries are for",
		"github.com/tidewire/tidewire/smartpoll": "a store does not know what its entries are for",
		"github.com/tidewire/tidewire/internal":  "whoever imports a library gets no part of the program",
		"github.com/labstack/echo":               own,
		"github.com/itchyny/gojq":                own,
		"github.com/prometheus":                  own,
		"github.com/spf13":                       own,
		"go.yaml.in":                             own,
	})
}
