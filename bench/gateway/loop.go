//go:build linux

package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

// A loopResult is the work done by a loop of plain requests, and the processor time it took.
type loopResult struct {
	Requests int
	CPU      time.Duration
}

// each is the processor time of a request.
func (r loopResult) each() time.Duration { return r.CPU / time.Duration(max(r.Requests, 1)) }

// add runs a loop in a separate process, and adds its work.
func (r *loopResult) add(ctx context.Context, self, url string, length, pause time.Duration) error {
	p, err := start(ctx, self, "loop", url, length.String(), pause.String())
	if err != nil {
		return err
	}
	var more loopResult
	if err := p.finish(&more); err != nil {
		return err
	}
	r.Requests += more.Requests
	r.CPU += more.CPU
	return nil
}

// loopMain makes plain requests for the given duration, one after the other on one connection, decodes each answer, and
// prints how many there were. If pause is not 0, it begins one each pause.
func loopMain(url, duration, pause string) error {
	length, err := time.ParseDuration(duration)
	if err != nil {
		return err
	}
	each, err := time.ParseDuration(pause)
	if err != nil {
		return err
	}
	var n int
	begun := time.Now()
	for ; time.Since(begun) < length; n++ {
		time.Sleep(time.Until(begun.Add(time.Duration(n) * each)))
		resp, err := http.Get(url + "/tank/tank-" + strconv.Itoa(n%1000))
		if err != nil {
			return err
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return err
		}
		var v any
		if err := json.Unmarshal(body, &v); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(loopResult{n, cpuTime()})
}
