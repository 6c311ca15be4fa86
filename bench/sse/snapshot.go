//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"time"
)

// snapshot is a progress report such as a scan would publish: ten fields, some 200 bytes of JSON. TS is "~" and the
// 19 digits of the moment at which it was published, in nanoseconds.
type snapshot struct {
	TS        string  `json:"ts"`
	Status    string  `json:"status"`
	Percent   float64 `json:"percent"`
	Stage     string  `json:"stage"`
	Message   string  `json:"message"`
	Found     int     `json:"found"`
	Scanned   int     `json:"scanned"`
	Total     int     `json:"total"`
	StartedAt string  `json:"started_at"`
}

// encode returns the snapshot of number n as of now.
func encode(n int) []byte {
	data, err := json.Marshal(snapshot{
		TS: fmt.Sprintf(
			"~%019d", time.Now().UnixNano(),
		),
		Status:    "running",
		Percent:   float64(n%1000) / 10,
		Stage:     "scan",
		Message:   "probing 127.0.0.42 on port 502",
		Found:     n / 100,
		Scanned:   n,
		Total:     1 << 20,
		StartedAt: "2026-01-02T15:04:05Z",
	})
	if err != nil {
		panic(err)
	}
	return data
}
