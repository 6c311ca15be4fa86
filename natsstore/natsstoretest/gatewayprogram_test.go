package natsstoretest_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// steppedMain is added to the main package of [steppedProgram].
const steppedMain = `package main

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Signals set the wall clock ahead by a minute, or back.
func init() {
	set := make(chan os.Signal, 1)
	signal.Notify(set, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() {
		for s := range set {
			if s == syscall.SIGUSR1 {
				time.Step(60)
			} else {
				time.Step(-60)
			}
		}
	}()
}
`

// steppedTime is added to package time of [steppedProgram].
const steppedTime = `package time

import "sync/atomic"

var stepped atomic.Int64

// Step sets the wall clock of this process ahead.
func Step(seconds int64) { stepped.Add(seconds) }
`

// steppedProgram builds the gateway, once, as it is, with a wall clock that SIGUSR1 sets ahead by a minute, and SIGUSR2 back:
// that of package time, so that all of the program follows it. The monotonic clock is not changed.
var steppedProgram = sync.OnceValues(func() (string, error) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		return "", err
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	dir := filepath.Dir(serverPath)
	timeDir := filepath.Join(strings.TrimSpace(string(goroot)), "src", "time")
	now := filepath.Join(timeDir, "time.go")
	text, err := os.ReadFile(now)
	if err != nil {
		return "", err
	}
	const reads = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	if strings.Count(string(text), reads) != 1 {
		return "", fmt.Errorf("%s of %s does not have %q once", now, runtime.Version(), reads)
	}
	replace := map[string]string{}
	for name, content := range map[string]string{
		now:                                  strings.Replace(string(text), reads, reads+"\tsec += stepped.Load()\n", 1),
		filepath.Join(timeDir, "stepped.go"): steppedTime,
		filepath.Join(root, "cmd", "tidewire", "stepped.go"): steppedMain,
	} {
		replace[name] = filepath.Join(dir, fmt.Sprintf("overlay%d.go", len(replace)))
		if err := os.WriteFile(replace[name], []byte(content), 0o600); err != nil {
			return "", err
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "tidewire-stepped")
	build := exec.Command("go", "build", "-overlay", file, "-o", path, "./cmd/tidewire")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build tidewire with a clock that is set: %w\n%s", err, out)
	}
	return path, nil
})
