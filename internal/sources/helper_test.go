package sources_test

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/sources"
	"github.com/tidewire/tidewire/snapshot/snapshottest"
)

type object = map[string]any

// TestMain runs everything twice: over a store that tells its followers at once, and over one that tells them late.
func TestMain(m *testing.M) { os.Exit(snapshottest.Twice(m, sources.BeLate)) }

// decode reads a snapshot.
func decode(t *testing.T, data []byte) (v object) {
	t.Helper()
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("%v in %q", err, data)
	}
	return v
}

// at reads a time of a snapshot.
func at(t *testing.T, v any) time.Time {
	t.Helper()
	text, _ := v.(string)
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil || parsed.Location() != time.UTC {
		t.Fatalf("time %v is not RFC 3339 in UTC", v)
	}
	return parsed
}
