package jq

import (
	"context"

	"github.com/itchyny/gojq"
)

// Results gives each result of an expression, as the interpreter does.
func Results(ctx context.Context, src string, v any) (func() (any, bool), error) {
	q, err := gojq.Parse(src)
	if err != nil {
		return nil, err
	}
	q, _ = rewrite(q)
	code, err := gojq.Compile(q, options(nil)...)
	if err != nil {
		return nil, err
	}
	m := &meter{Context: ctx, left: Budget, regexps: new(regexps)}
	return code.RunWithContext(m, v, m).Next, nil
}

// Known reports whether a function has a price or is written in jq.
func Known(name string) bool {
	_, isBuiltin := builtins()[name]
	_, isPriced := prices[name]
	return isBuiltin || isPriced
}

// TakeTurn takes the heavyRun of the runs that cost much, until release is called.
func TakeTurn() (release func()) {
	heavyRun <- struct{}{}
	return func() { <-heavyRun }
}

// SetBudget changes the budget of every run, until restore is called.
func SetBudget(n int) (restore func()) {
	budget = n
	return func() { budget = Budget }
}
