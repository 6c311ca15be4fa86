//go:build linux

package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// readerMain reads a stream of everything until stdin ends, and prints how old each changed value was when it came: the
// seconds from the change in the upstream to the event in the reader.
func readerMain(url string) error {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1))
		cancel()
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	begun := time.Now()
	seen := map[string]int64{} // when the newest value of a source that came has changed
	var ages []float64
	for ev, err := range new(sse.Client).Events(ctx, req) {
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return err
		}
		now := time.Now()
		var snap struct {
			Name  string
			Value struct{ Changed int64 }
		}
		if err := json.Unmarshal(ev.Data, &snap); err != nil || snap.Value.Changed == 0 {
			continue // another kind of key
		}
		if changed := snap.Value.Changed; seen[snap.Name] != changed {
			seen[snap.Name] = changed
			if at := time.UnixMilli(changed); at.After(begun) { // else it was there already
				ages = append(ages, now.Sub(at).Seconds())
			}
		}
	}
	return json.NewEncoder(os.Stdout).Encode(ages)
}
