package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// figure is one thing that is measured: a benchmark's name is workload/series/n=…, or hooks=… for Hooks.
type figure struct {
	workload, series string
	n                int
}

// results are those of all rounds.
type results struct {
	facts  map[string][]string
	values map[figure]map[string][]float64 // by unit
}

// parse reads what go test -bench prints.
func parse(in io.Reader) (*results, error) {
	r := &results{facts: map[string][]string{}, values: map[figure]map[string][]float64{}}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		line := lines.Text()
		name, ok := strings.CutPrefix(line, "Benchmark")
		if !ok {
			if key, value, ok := strings.Cut(line, ": "); ok {
				r.facts[key] = append(r.facts[key], value)
			}
			continue
		}
		fields := strings.Fields(name)
		if len(fields) < 4 || len(fields)%2 != 0 {
			return nil, fmt.Errorf("not a result: %q", line)
		}
		f, err := parseFigure(fields[0])
		if err != nil {
			return nil, err
		}
		if r.values[f] == nil {
			r.values[f] = map[string][]float64{}
		}
		for i := 2; i < len(fields); i += 2 { // after the name and the number of iterations
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("not a result: %q", line)
			}
			r.values[f][fields[i+1]] = append(r.values[f][fields[i+1]], v)
		}
	}
	return r, lines.Err()
}

// parseFigure reads the name of a result, such as "Schedule/go-quartz/n=10-2".
func parseFigure(name string) (figure, error) {
	parts := strings.Split(name, "/")
	if len(parts) != 3 {
		return figure{}, fmt.Errorf("not workload/series/n: %q", name)
	}
	_, size, ok := strings.Cut(parts[2], "=")
	size, _, _ = strings.Cut(size, "-") // GOMAXPROCS
	n, err := strconv.Atoi(size)
	if !ok || err != nil {
		return figure{}, fmt.Errorf("no size: %q", name)
	}
	return figure{parts[0], parts[1], n}, nil
}

// fact is what is known about the run under a key.
func (r *results) fact(key string) string {
	if len(r.facts[key]) == 0 {
		return "unknown"
	}
	return r.facts[key][0]
}

// at returns the median over the rounds, and NaN for what was not measured.
func (r *results) at(workload, series string, n int, unit string) float64 {
	values := slices.Sorted(slices.Values(r.values[figure{workload, series, n}][unit]))
	if len(values) == 0 {
		return math.NaN()
	}
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}

// sizes returns those of a workload, ascending.
func (r *results) sizes(workload string) []int {
	var sizes []int
	for f := range r.values {
		if f.workload == workload && !slices.Contains(sizes, f.n) {
			sizes = append(sizes, f.n)
		}
	}
	slices.Sort(sizes)
	return sizes
}
