// Package report prints what a client sees, as lines of JSON on stdout.
package report

import (
	"encoding/json"
	"io"
	"os"
	"sync"
)

var out struct {
	mu sync.Mutex // guards the encoder
	*json.Encoder
}

func init() {
	out.Encoder = json.NewEncoder(os.Stdout)
	go func() { // the process ends with its stdin
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
}

func say(line map[string]string) {
	out.mu.Lock()
	defer out.mu.Unlock()
	_ = out.Encode(line) // nobody reads any more
}

// Open reports that a stream has begun.
func Open() { say(map[string]string{"kind": "open"}) }

// Event reports an event; no type is message.
func Event(id, typ, data string) {
	if typ == "" {
		typ = "message"
	}
	say(map[string]string{"kind": "event", "id": id, "type": typ, "data": data})
}

// Error reports that a connection has ended or failed.
func Error(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	say(map[string]string{"kind": "error", "text": text})
}

// End reports that the client has given up, and waits for the end of the process.
func End() {
	say(map[string]string{"kind": "end"})
	select {}
}
