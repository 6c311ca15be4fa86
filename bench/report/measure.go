package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/tidewire/tidewire/bench/figures"
)

// firstLight is the last commit before smartpoll got its options: with them unused, the hot cycle must cost the same.
const firstLight = "1a81e71"

const module = "github.com/tidewire/tidewire"

// plan is how much is measured.
type plan struct {
	rounds, pairs int // pairs are those with the baseline
	sizes         []int
	time          string // of a figure, as -benchtime
	tenths        string // of a figure of Every10ms, in tenths of a second
}

var (
	fullPlan  = plan{rounds: 5, pairs: 40, sizes: []int{10, 100, 1000, 10_000, 50_000}, time: "100ms", tenths: "6x"}
	quickPlan = plan{rounds: 3, pairs: 20, sizes: []int{10, 1000, 10_000}, time: "20ms", tenths: "2x"}
)

// pairSizes are the numbers of tasks among which the hot cycle is compared with the baseline's.
var pairSizes = []int{10, 1000}

// measure runs the benchmarks and returns their output, with the facts about the run ahead of it as "key: value".
func measure(quick bool, baseline string) ([]byte, error) {
	p := fullPlan
	if quick {
		p = quickPlan
	}
	dir, err := os.MkdirTemp("", "report")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)

	var out bytes.Buffer
	if err := describe(&out, p); err != nil {
		return nil, err
	}
	now, err := build(dir, "now", "")
	if err != nil {
		return nil, err
	}
	var before string
	if baseline != "" {
		if before, err = build(dir, "before", baseline); err != nil {
			return nil, err
		}
		fmt.Fprintf(&out, "baseline: %s\n", baseline)
	}

	begin := time.Now()
	for round := range p.rounds {
		fmt.Fprintf(os.Stderr, "\rround %d of %d, %v ", round+1, p.rounds, time.Since(begin).Round(time.Second))
		fmt.Fprintf(&out, "load: %s\n", figures.Load())
		for _, w := range workloads {
			for _, f := range w.figures(p.sizes) {
				amount := p.time
				if w.tenths {
					amount = p.tenths
				}
				run(&out, exec.Command(now), f, amount, "")
			}
		}
	}
	for pair := range p.pairs {
		if before == "" {
			break
		}
		fmt.Fprintf(os.Stderr, "\rpair %d of %d, %v   ", pair+1, p.pairs, time.Since(begin).Round(time.Second))
		for _, n := range pairSizes {
			f := figure{"HotCycle", "smartpoll", n}
			for _, one := range []struct{ binary, name string }{{before, "Before"}, {now, "Now"}} {
				cmd := exec.Command(one.binary)
				cmd.Env = append(os.Environ(), "GOMAXPROCS=1") // less depends on what else the machine does
				run(&out, cmd, f, p.time, one.name)
			}
		}
	}
	fmt.Fprintf(os.Stderr, "\r%40s\r", "")
	fmt.Fprintf(&out, "took: %v\n", time.Since(begin).Round(time.Second))
	return out.Bytes(), nil
}

var resultLine = regexp.MustCompile(`(?m)^Benchmark(\w+)(/.*)$`)

// run appends the result of one figure to out, measured by the benchmarks that cmd starts, under another name of the
// workload if it is not empty. Some figures do not exist, and give no result; one that fails is a fact about the run.
func run(out *bytes.Buffer, cmd *exec.Cmd, f figure, amount, rename string) {
	pattern := "^Benchmark" + f.workload + "$/^" + regexp.QuoteMeta(
		f.series,
	) + "$/^" + fmt.Sprintf(
		"%s=%d", axis(f.workload), f.n,
	) + "$"
	cmd.Args = append(cmd.Args, "-test.run=^$", "-test.bench="+pattern, "-test.benchtime="+amount)
	text, err := cmd.CombinedOutput()
	if err != nil {
		fmt.Fprintf(os.Stderr, "\n%s: %v\n%s", pattern, err, text)
		fmt.Fprintf(out, "failed: %s of %s with %s\n", f.workload, title(f.series), figures.Count(float64(f.n)))
		return
	}
	for _, line := range resultLine.FindAllStringSubmatch(string(text), -1) {
		name := line[1]
		if rename != "" {
			name = rename
		}
		fmt.Fprintf(out, "Benchmark%s%s\n", name, line[2])
	}
}

// build compiles the benchmarks, against the repository as it is or as it was at a revision.
func build(dir, name, revision string) (binary string, err error) {
	binary = filepath.Join(dir, name+".test")
	args := []string{"test", "-c", "-o", binary}
	if revision != "" {
		tree := filepath.Join(dir, name)
		if err := os.Mkdir(tree, 0o755); err != nil {
			return "", err
		}
		archive := tree + ".tar"
		if _, err := figures.Output("git", "-C", "..", "archive", "-o", archive, revision); err != nil {
			return "", err
		}
		if _, err := figures.Output("tar", "-x", "-C", tree, "-f", archive); err != nil {
			return "", err
		}
		for _, file := range []string{"go.mod", "go.sum"} {
			text, err := os.ReadFile(file)
			if err != nil {
				return "", err
			}
			if err := os.WriteFile(tree+strings.TrimPrefix(file, "go"), text, 0o644); err != nil {
				return "", err
			}
		}
		if _, err := figures.Output("go", "mod", "edit", "-replace="+module+"="+tree, tree+".mod"); err != nil {
			return "", err
		}
		args = append(args, "-modfile="+tree+".mod", "-tags=baseline") // without what uses options
	}
	_, err = figures.Output("go", append(args, "./smartpoll")...)
	return binary, err
}

// describe writes what was measured, where, and when.
func describe(out *bytes.Buffer, p plan) error {
	machine, err := figures.Machine()
	if err != nil {
		return err
	}
	commit, err := figures.Commit()
	if err != nil {
		return err
	}
	peers, err := figures.Modules(
		"github.com/go-co-op/gocron/v2", "github.com/robfig/cron/v3", "github.com/reugn/go-quartz",
	)
	if err != nil {
		return err
	}
	for _, fact := range [][2]string{
		{"date", time.Now().UTC().Format(time.DateOnly)},
		{"machine", machine},
		{"go", runtime.Version()},
		{"commit", commit},
		{"peers", peers},
		{"rounds", fmt.Sprint(p.rounds)},
		{"pairs", fmt.Sprint(p.pairs)},
	} {
		fmt.Fprintf(out, "%s: %s\n", fact[0], fact[1])
	}
	return nil
}
