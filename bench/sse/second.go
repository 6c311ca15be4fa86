//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// second is the readers' process, as the server's sees it.
type second struct {
	cmd    *exec.Cmd
	orders *json.Encoder
	input  io.Closer
	counts *json.Decoder
}

// startSecond starts the readers. They end when this process does, for then their input ends.
func startSecond() (*second, error) {
	cmd := exec.Command("/proc/self/exe", "readers")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &second{cmd, json.NewEncoder(in), in, json.NewDecoder(out)}, cmd.Start()
}

// do has an order obeyed.
func (s *second) do(o order) (counts, error) {
	var c counts
	if err := s.orders.Encode(o); err != nil {
		return c, fmt.Errorf("readers: %w", err)
	}
	if err := s.counts.Decode(&c); err != nil {
		return c, fmt.Errorf("readers: %s: %w", o.Do, err)
	}
	if c.Error != "" {
		return c, errors.New("readers: " + o.Do + ": " + c.Error)
	}
	return c, nil
}

// rest waits until no more frames come, 10 s at most.
func (s *second) rest() (counts, error) {
	var last counts
	for began, since := time.Now(), time.Now(); time.Since(since) < 150*time.Millisecond && time.Since(began) < 10*time.Second; {
		c, err := s.do(order{Do: "count"})
		if err != nil {
			return c, err
		}
		if c.Bytes != last.Bytes {
			since = time.Now()
		}
		last = c
		time.Sleep(20 * time.Millisecond)
	}
	return last, nil
}

// stop ends the readers and waits for that.
func (s *second) stop() {
	_ = s.input.Close()
	_ = s.cmd.Wait()
}
