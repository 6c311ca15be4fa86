// Package reconcile leads from what is at work to what a new configuration wants.
//
// A program is made of parts: its sources, its jobs, its upstreams. Each part works out
// its own [Change]; [All] makes one of them, so that a configuration takes effect as a
// whole or not at all:
//
//	prepare every part   may wait and may fail; nobody sees anything of it
//	apply                at one moment, and without waiting for anything
//	finish               gives up what has been removed
//
// [Of] is the comparison that the parts have in common: by name, which things stay, which
// are replaced, which are new and which are removed.
//
// Nothing here starts a goroutine. Changes belong to one goroutine at a time.
package reconcile

import (
	"context"
	"slices"
)

// A Change leads a part from what is at work to what a configuration wants. Whoever
// prepared it calls either Apply and then Finish, or Withdraw, once each.
type Change interface {
	// Difference is what the change adds, replaces and removes.
	Difference() Difference

	// Apply puts the change to work. It neither waits nor fails.
	Apply()

	// Finish gives up what was removed. It may wait for a store until ctx ends.
	Finish(ctx context.Context)

	// Withdraw gives up what was prepared.
	Withdraw(ctx context.Context)
}

// A Difference is what distinguishes two configurations, by the keys of the things in them.
type Difference struct {
	Added     []string
	Changed   []string
	Removed   []string
	Unchanged int
	Restart   []string // keys whose new values count only after a restart

	Reordered bool // what both have stands in another order
}

// Any reports whether there is anything that a page has to show differently.
func (d Difference) Any() bool {
	return d.Reordered || len(d.Added)+len(d.Changed)+len(d.Removed) > 0
}

// plus is the sum of two differences, whose lists are never nil.
func (d Difference) plus(e Difference) Difference {
	return Difference{
		Added:     append(append([]string{}, d.Added...), e.Added...),
		Changed:   append(append([]string{}, d.Changed...), e.Changed...),
		Removed:   append(append([]string{}, d.Removed...), e.Removed...),
		Restart:   slices.Concat(d.Restart, e.Restart),
		Unchanged: d.Unchanged + e.Unchanged,
		Reordered: d.Reordered || e.Reordered,
	}
}

// All is the change of several parts. Apply goes through them in their order, Finish and
// Withdraw in the opposite one: what others use is given up after them.
type All []Change

// Difference is what all of them change.
func (all All) Difference() Difference {
	sum := Difference{}.plus(Difference{})
	for _, c := range all {
		sum = sum.plus(c.Difference())
	}
	return sum
}

// Apply puts all of them to work.
func (all All) Apply() {
	for _, c := range all {
		c.Apply()
	}
}

// Finish gives up what all of them have removed.
func (all All) Finish(ctx context.Context) {
	for _, c := range slices.Backward(all) {
		c.Finish(ctx)
	}
}

// Withdraw gives up what all of them have prepared.
func (all All) Withdraw(ctx context.Context) {
	for _, c := range slices.Backward(all) {
		c.Withdraw(ctx)
	}
}

// A Thing is one named thing at work, such as a source. Its key tells it from all others.
type Thing interface {
	comparable
	Key() string
}

// A Diff is what a list of things has to become.
type Diff[T Thing] struct {
	Next  []T // all that the configuration wants, in its order
	Fresh []T // in Next and made for it
	Gone  []T // at work, and not wanted any more

	Difference

	replaced map[T]T
}

// Replaced returns the thing that fresh takes the place of, if it does that.
func (d *Diff[T]) Replaced(fresh T) (before T, ok bool) {
	before, ok = d.replaced[fresh]
	return before, ok
}

// Of compares the things at work with those that a configuration wants, whose keys are
// what key says. A thing stays if same reports that it already is what is wanted; otherwise
// create makes a new one.
func Of[T Thing, C any](atWork []T, wanted []C, key func(C) string, same func(T, C) bool, create func(C) T) Diff[T] {
	d := Diff[T]{replaced: map[T]T{}}
	left := make(map[string]T, len(atWork))
	for _, thing := range atWork {
		left[thing.Key()] = thing
	}
	for _, want := range wanted {
		k := key(want)
		before, known := left[k]
		delete(left, k)
		if known && same(before, want) {
			d.Next = append(d.Next, before)
			d.Unchanged++
			continue
		}
		fresh := create(want)
		if known {
			d.Changed = append(d.Changed, k)
			d.replaced[fresh] = before
		} else {
			d.Added = append(d.Added, k)
		}
		d.Fresh = append(d.Fresh, fresh)
		d.Next = append(d.Next, fresh)
	}
	for _, thing := range atWork {
		if _, gone := left[thing.Key()]; gone {
			d.Gone = append(d.Gone, thing)
			d.Removed = append(d.Removed, thing.Key())
		}
	}
	d.Reordered = !slices.EqualFunc(atWork, d.Next, func(a, b T) bool { return a.Key() == b.Key() })
	return d
}
