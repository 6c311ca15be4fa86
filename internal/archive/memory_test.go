package archive_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/archive/archivetest"
)

func TestMemorySamples(t *testing.T) {
	archivetest.RunSamples(t, func(*testing.T) archive.Samples { return archive.NewMemorySamples() })
}

func TestMemorySpans(t *testing.T) {
	archivetest.RunSpans(t, func(*testing.T) archive.Spans { return archive.NewMemorySpans() })
}

// heap returns how many bytes are in use.
func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

func TestPollsAreBounded(t *testing.T) {
	m, before := archive.NewMemorySamples(), heap()
	const n = 100
	for i := range 100 * n {
		m.Add(fmt.Sprint(i%n), archive.Sample{Poll: archive.Poll{At: epoch.Add(time.Duration(i) * time.Second), State: "ok"}})
	}
	if each := (heap() - before) / n; each > 2000 {
		t.Errorf("the polls of a source take %d bytes, want at most 2,000", each)
	}
	runtime.KeepAlive(m)
}

func TestSpansAreBounded(t *testing.T) {
	m, before := archive.NewMemorySpans(), heap()
	for i := range 10_000 {
		m.Enter("tank", epoch.Add(time.Duration(i)*time.Second), []string{"ok", "stale"}[i%2], "no route")
	}
	if all := heap() - before; all > 100_000 {
		t.Errorf("the states of a source take %d bytes, want at most 100,000", all)
	}
	runtime.KeepAlive(m)
}
