package natsstoretest_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// steppedClock is added to package clock of [steppedProgram].
const steppedClock = `package clock

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// stepped has signals set the wall clock ahead by a minute, or back.
func stepped(c *Clock) *Clock {
	set := make(chan os.Signal, 1)
	signal.Notify(set, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() {
		for s := range set {
			if s == syscall.SIGUSR1 {
				c.Step(time.Minute)
			} else {
				c.Step(-time.Minute)
			}
		}
	}()
	return c
}
`

// steppedProgram builds the gateway, once, as it is but for one line: SIGUSR1 sets its wall clock ahead by a minute, SIGUSR2
// back.
var steppedProgram = sync.OnceValues(func() (string, error) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		return "", err
	}
	dir := filepath.Dir(serverPath)
	clock := filepath.Join(root, "internal", "clock", "clock.go")
	text, err := os.ReadFile(clock)
	if err != nil {
		return "", err
	}
	const made = "return &Clock{base: time.Now()}"
	if strings.Count(string(text), made) != 1 {
		return "", fmt.Errorf("%s does not have %q once", clock, made)
	}
	added := filepath.Join(filepath.Dir(clock), "stepped.go")
	files := map[string]string{clock: filepath.Join(dir, "clock.go"), added: filepath.Join(dir, "stepped.go")}
	overlay, err := json.Marshal(map[string]any{"Replace": files})
	if err != nil {
		return "", err
	}
	for name, content := range map[string]string{
		files[clock]: strings.Replace(string(text), made, "return stepped(&Clock{base: time.Now()})", 1),
		files[added]: steppedClock, filepath.Join(dir, "overlay.json"): string(overlay),
	} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			return "", err
		}
	}
	path := filepath.Join(dir, "tidewire-stepped")
	build := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", path, "./cmd/tidewire")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build tidewire with a clock that is set: %w\n%s", err, out)
	}
	return path, nil
})
