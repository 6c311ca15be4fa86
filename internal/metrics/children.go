package metrics

import "sync"

// children are metrics by the name that labels them. Finding an existing one costs neither an allocation nor a
// contended lock.
type children[T any] struct {
	make func(name string) T

	all sync.Map // name -> T
}

// of returns the child with the given name.
func (c *children[T]) of(name string) T {
	if child, ok := c.all.Load(name); ok {
		return child.(T)
	}
	child, _ := c.all.LoadOrStore(name, c.make(name))
	return child.(T)
}

// keep drops the children whose names are not in names, and calls drop for each.
func (c *children[T]) keep(names map[string]bool, drop func(name string)) {
	for name := range c.all.Range {
		if !names[name.(string)] {
			c.drop(name.(string), drop)
		}
	}
}

// drop drops one child, and calls drop for it.
func (c *children[T]) drop(name string, drop func(name string)) {
	if _, was := c.all.LoadAndDelete(name); was {
		drop(name)
	}
}
