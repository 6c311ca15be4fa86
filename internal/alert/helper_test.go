package alert_test

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/smartpoll"
)

// A lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// running lets a scheduler run in a bubble until end is called, which waits for it.
func running(t *testing.T, scheduler *smartpoll.Scheduler) (end func()) {
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() { defer close(over); _ = scheduler.Run(ctx) }()
	synctest.Wait()
	return func() { cancel(); <-over }
}

func contains(s, part string) bool { return strings.Contains(s, part) }

func load(t testing.TB, yaml string) *config.Config {
	t.Helper()
	cfg, problems := config.Load("test.yaml", []byte("version: 1\n"+yaml))
	if len(problems) > 0 {
		t.Fatalf("the configuration is not valid:\n%v", problems)
	}
	return cfg
}
