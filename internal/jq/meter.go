package jq

import (
	"context"
	"errors"
	"fmt"

	"github.com/itchyny/gojq"
)

// Budget bounds what a run costs. A step of the interpreter costs stepCost; a function whose cost is not constant also
// costs the bytes that it reads and creates. So a run lasts some 200 ms on one processor and takes about as much memory
// as its budget, and neither depends on how busy the machine is.
const (
	Budget   = 32 << 20
	stepCost = 8
	// heavy is the cost from which on runs are serialised: a run that costs more waits for other such runs.
	heavy = 1 << 20
)

// budget is Budget, except in tests.
var budget = Budget

// errBudget ends a run that has cost too much.
var errBudget = errors.New("the budget of the run is used up")

// heavyRun is held by the one run that costs more than heavy.
var heavyRun = make(chan struct{}, 1)

// always is a closed channel.
var always = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// A meter is the context of a run: it ends when the run has cost too much, or with its parent context. Only the
// goroutine of the run uses it.
type meter struct {
	context.Context
	left    int // may be below 0: then the run is over
	isHeavy bool
	regexps *regexps
}

// Done is called by the interpreter before each step.
func (m *meter) Done() <-chan struct{} {
	if !m.spend(stepCost) {
		return always
	}
	return m.Context.Done()
}

func (m *meter) Err() error {
	if err := m.Context.Err(); err != nil || m.left >= 0 {
		return err
	}
	return errBudget
}

// spend takes n from the budget, and reports whether that was possible. After a failure every further call fails.
func (m *meter) spend(n int) bool {
	if m.left < 0 || n < 0 || n > m.left {
		m.left = -1
		return false
	}
	m.left -= n
	if !m.isHeavy && m.left < budget-heavy {
		select {
		case heavyRun <- struct{}{}:
			m.isHeavy = true
		case <-m.Context.Done():
			m.left = -1
			return false
		}
	}
	return true
}

// end lets the next expensive run proceed.
func (m *meter) end() {
	if m.isHeavy {
		m.isHeavy = false
		<-heavyRun
	}
}

// An owner remembers which arrays and objects an assignment has paid to copy: it copies each once.
type owner struct{ paid map[uintptr]bool }

// options returns the compiler options for a rewritten expression with variables.
func options(variables []string) []gojq.CompilerOption {
	return []gojq.CompilerOption{
		gojq.WithVariables(append([]string{meterName}, variables...)),
		gojq.WithFunction(payName, 2, 8, func(v any, args []any) any {
			m := args[0].(*meter)
			price, ok := prices[args[1].(string)]
			if !ok {
				return fmt.Errorf("%v has no price", args[1])
			}
			cost, err := price(m, v, args[2:])
			if err != nil {
				return err
			}
			if !m.spend(cost) {
				return errBudget
			}
			return v
		}),
		gojq.WithFunction(ownerName, 0, 0, func(any, []any) any { return &owner{paid: map[uintptr]bool{}} }),
		gojq.WithFunction(pathName, 3, 3, func(path any, args []any) any {
			m := args[0].(*meter)
			cost, err := priceOfPath(m, path, args[2], args[1].(*owner))
			if err != nil {
				return err
			}
			if !m.spend(cost) {
				return errBudget
			}
			return path
		}),
		gojq.WithFunction(matchName, 4, 4, func(v any, args []any) any {
			return args[0].(*meter).match(v, args[1], args[2], args[3] == true)
		}),
		gojq.WithFunction(partsName, 3, 3, func(v any, args []any) any {
			return args[0].(*meter).pieces(v, args[1], args[2])
		}),
	}
}
