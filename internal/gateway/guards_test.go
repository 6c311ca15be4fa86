package gateway_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/gateway"
)

// What changed while it was read may have been read in part: the loader waits until it is settled. Whoever asks for
// a reload has said that it is.
func TestAConfigurationThatChangesWhileItIsReadIsNotPutToWork(t *testing.T) {
	s := func(name string) []byte {
		return []byte("version: 1\nsources:\n  " + name + ": {exec: ['true'], every: 1h}\n")
	}
	file := filepath.Join(t.TempDir(), "tidewire.yaml")
	write := func(name string) {
		t.Helper()
		if err := os.WriteFile(file, s(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a")
	cfg, files, err := config.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	g := gateway.NewGateway(t, ctx, cfg, gateway.Options{Files: files})
	over := g.Start(ctx)
	defer func() { cancel(); <-over }()
	for _, tt := range []struct {
		reads, then string
		settled     bool
		want        string // the source that is at work
		err         error
	}{
		{"b", "c", true, "a", gateway.ErrUnsettled},
		{"c", "c", true, "c", nil},
		{"d", "e", false, "d", nil},
	} {
		write(tt.reads)
		if err := g.LoadWhile(t.Context(), tt.settled, func() { write(tt.then) }); !errors.Is(err, tt.err) {
			t.Errorf("%s became %s while it was read: %v, want %v", tt.reads, tt.then, err, tt.err)
		}
		if g.Newest("source/"+tt.want) == "" || !contains(g.Newest("config"), `"error":null`) {
			t.Errorf("%s became %s while it was read: topics %v, %s, want source %s at work and no error", tt.reads, tt.then, g.Topics(), g.Newest("config"), tt.want)
		}
	}
}
