// Package jq compiles jq expressions when a configuration is loaded and runs
// them within bounds when values arrive.
//
//	p, err := jq.Compile(".main.temp | round")   // a *SyntaxError says where and what
//	temp, err := p.Run(ctx, value)               // exactly one result
//
// # Results
//
// An expression gives exactly one result: none, several, a jq error and halt
// are errors of that run. Results are what encoding/json can encode: nil, bool,
// int, float64, [json.Number], string, []any and map[string]any. As in jq's own
// output, NaN becomes null and an infinite number the largest finite one.
//
// # Bounds
//
// An expression has at most [MaxSource] bytes. A run costs at most its [Budget], whatever its input is: steps of the
// interpreter are counted, and so is the data that a single step reads and creates. It ends with its ctx. Its input and
// its result have at most [MaxSize] bytes and [MaxDepth] levels, and a panic in the interpreter is an error. Expensive
// runs execute one at a time in the whole process.
//
// # Variables
//
// The caller of Compile may name variables, such as $status, whose values it gives to each run. [Program.Uses] says which
// of them an expression uses, so that only these have to be made.
//
// # What is left out
//
// The environment is empty, and import, include, input, inputs, debug and
// stderr do not compile: a result depends on the input, and at most on the
// clock.
//
// # Concurrency
//
// A [Program] is immutable: any number of goroutines may run it, even on the same value, which is never modified.
// Results may share memory with the input, so treat both as immutable.
package jq

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/itchyny/gojq"
)

// maxCounted bounds how many surplus results are counted for the error.
const maxCounted = 1000

// A Program is a compiled expression, made by [Compile] and safe for
// concurrent use.
type Program struct {
	src  string
	code *gojq.Code
	path []string // the path, if the expression is only a path
	uses []Use    // the variables that it uses, in the order in which they are bound

	deletes bool // without a copy it would write to its input
	regexps regexps
}

// A Use is a variable of [Compile] that an expression uses.
type Use struct {
	Name   string // with its dollar sign
	Offset int    // of its first use, in characters from the start of the expression
}

// String returns the source text.
func (p *Program) String() string { return p.src }

// Uses returns the variables of [Compile] that p uses, nil if there are none. It must not be changed.
func (p *Program) Uses() []Use { return p.uses }

// Run evaluates p on v and returns its one result. v is a value as decoded by encoding/json; any other Go value is
// first encoded as JSON. Run returns [context.Cause] of ctx, wrapped, if ctx ends before the run. Variables are null.
func (p *Program) Run(ctx context.Context, v any) (result any, err error) {
	return p.RunWith(ctx, v, nil)
}

// RunWith is [Program.Run] with the values of variables, by their names with the dollar sign. One that has no value is
// null. The values are as v is.
func (p *Program) RunWith(ctx context.Context, v any, variables map[string]any) (result any, err error) {
	defer func() {
		if r := recover(); r != nil {
			result, err = nil, fmt.Errorf("jq: the interpreter panicked: %s", brief(fmt.Sprint(r)))
		}
	}()
	if p.path != nil && ctx.Err() == nil {
		if found, ok := follow(p.path, v); ok {
			return p.result(found)
		}
	}
	var first [1]any
	results, count, err := p.run(ctx, v, variables, first[:0])
	if err != nil {
		return nil, err
	}
	switch count {
	case 0:
		return nil, fmt.Errorf(
			"jq: %s gives no result, want exactly one: (...) // null gives null instead", brief(p.src))
	case 1:
		return p.result(results[0])
	case maxCounted:
		return nil, fmt.Errorf(
			"jq: %s gives %d results or more, want exactly one: take first(...), or collect them with [...]",
			brief(p.src),
			count,
		)
	default:
		return nil, fmt.Errorf(
			"jq: %s gives %d results, want exactly one: collect them with [...], or take first(...)",
			brief(p.src),
			count,
		)
	}
}

// All evaluates p on v, as [Program.RunWith] does, and returns its results, of which there may be any number up to most.
func (p *Program) All(ctx context.Context, v any, variables map[string]any, most int) (results []any, err error) {
	defer func() {
		if r := recover(); r != nil {
			results, err = nil, fmt.Errorf("jq: the interpreter panicked: %s", brief(fmt.Sprint(r)))
		}
	}()
	results, count, err := p.run(ctx, v, variables, make([]any, 0, most))
	switch {
	case err != nil:
		return nil, err
	case count > most:
		return nil, fmt.Errorf("jq: %s gives more than %d results", brief(p.src), most)
	}
	for i, v := range results {
		if results[i], err = p.result(v); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// run evaluates p on v. It appends the results to kept, as far as that has room, and counts them, up to maxCounted or
// one more than there is room for.
func (p *Program) run(ctx context.Context, v any, variables map[string]any, kept []any) (results []any, count int, err error) {
	in, err := plain(v, 2*MaxDepth)
	if err != nil {
		return nil, 0, fmt.Errorf("jq: input: %w", err)
	}
	if p.deletes {
		in = clone(in)
	}
	m := &meter{Context: ctx, left: budget, regexps: &p.regexps}
	defer m.end()
	bound, err := p.bind(m, variables)
	if err != nil {
		return nil, 0, err
	}
	iter := p.code.RunWithContext(m, in, bound...)
	for most := max(maxCounted, cap(kept)+1); count < most; count++ {
		v, ok := iter.Next()
		if !ok {
			break
		}
		if e, ok := v.(error); ok {
			return nil, count, p.failed(m, e)
		}
		if len(kept) < cap(kept) {
			kept = append(kept, v)
		}
	}
	return kept, count, nil
}

// bind returns the values of the variables of the code, in their order.
func (p *Program) bind(m *meter, variables map[string]any) ([]any, error) {
	bound := make([]any, 1, 1+len(p.uses))
	bound[0] = m
	for _, use := range p.uses {
		value, err := plain(variables[use.Name], 2*MaxDepth)
		if err != nil {
			return nil, fmt.Errorf("jq: %s: %w", use.Name, err)
		}
		if p.deletes {
			value = clone(value)
		}
		bound = append(bound, value)
	}
	return bound, nil
}

// result converts v to the result of a run.
func (p *Program) result(v any) (any, error) {
	v, err := plain(v, MaxDepth)
	if err != nil {
		return nil, fmt.Errorf("jq: result of %s: %w", brief(p.src), err)
	}
	return v, nil
}

// failed explains why a run ended with err. The end of a context counts only if it stopped the interpreter, not if it
// merely happened meanwhile.
func (p *Program) failed(m *meter, err error) error {
	var halt *gojq.HaltError
	switch ended := m.Context.Err(); {
	case m.left < 0 && ended == nil:
		return fmt.Errorf("jq: %s exceeds its budget: it loops, or its input is too large for it", brief(p.src))
	case ended != nil && (errors.Is(err, ended) || m.left < 0):
		return fmt.Errorf("jq: %s: %w", brief(p.src), context.Cause(m.Context))
	case errors.As(err, &halt):
		return fmt.Errorf("jq: %s halts, want a result: use error(...) to fail", brief(p.src))
	}
	text := ""
	if value, ok := errors.AsType[gojq.ValueError](err); ok && !isText(value.Value()) {
		text = gojq.Preview(value.Value()) // the whole value as text may have any size
	} else {
		text = err.Error()
	}
	return fmt.Errorf("jq: %s: %s", brief(p.src), brief(strings.TrimPrefix(text, "error: ")))
}
