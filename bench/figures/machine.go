package figures

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// Machine describes the machine that this process runs on.
func Machine() (string, error) {
	kernel, err := Output("uname", "-sr")
	return fmt.Sprintf(
		"%s, %d cores, %s/%s, %s", processor(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, kernel,
	), err
}

// Commit is the commit of the repository around the working directory, and whether files differ from it.
func Commit() (string, error) {
	return Output("git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
}

// Modules are the versions of modules of bench/, without the host's name.
func Modules(paths ...string) (string, error) {
	text, err := Output("go", append([]string{"list", "-m", "-f", "{{.Path}} {{.Version}}"}, paths...)...)
	return strings.ReplaceAll(strings.ReplaceAll(text, "github.com/", ""), "\n", ", "), err
}

// processor is the model of the processor, as the kernel calls it.
func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// Load is the load average of the last minute.
func Load() string {
	text, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// Range is from the least to the greatest of several loads.
func Range(loads []string) string {
	least, most := math.Inf(1), math.Inf(-1)
	for _, l := range loads {
		if v, err := strconv.ParseFloat(l, 64); err == nil {
			least, most = min(least, v), max(most, v)
		}
	}
	return fmt.Sprintf("%.1f to %.1f", least, most)
}

// Output runs a command and returns what it prints.
func Output(name string, args ...string) (string, error) {
	text, err := exec.Command(name, args...).Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(slices.Insert(args, 0, name), " "), err, exit.Stderr)
	}
	return strings.TrimSpace(string(text)), err
}
