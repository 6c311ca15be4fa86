package smartpoll

import "context"

// Poll returns a [Task] for the common case: fetch gets a value in the background, commit handles it as the [TaskHook],
// synchronised with the main loop, whether the fetch succeeded or not. An error of fetch is a failure of the task, for
// [TaskInfo] and the [Observer], but does not end Run by itself: commit receives it, with whatever value fetch
// returned, and decides. With [OnError], the func of that is called after commit, with the error of commit or else of
// fetch, and has the last word.
//
// Without [Retry], only the result of commit counts: after nil Run continues, any error ends it. So a commit that keeps
// failing sources alive schedules the next attempt itself and returns nil.
//
// With [Retry], the key of a failed fetch has been rescheduled by the time commit runs, unless it was scheduled
// already: [Internal.Next] returns the time, and commit may change the schedule. If commit then returns nil or the very
// error it was given, the failure is handled; any other error ends Run. The count of failures in a row is reset when a
// fetch and its commit both succeed.
//
// A fetch whose result arrives after Run's context has ended is not committed.
// Poll panics if fetch or commit is nil.
func Poll[T any](fetch func(context.Context) (T, error), commit func(context.Context, *Internal, T, error) error) Task {
	if fetch == nil || commit == nil {
		panic(`smartpoll: Poll needs both a fetch and a commit func`)
	}
	return func(ctx context.Context) (TaskHook, error) {
		value, err := fetch(ctx)
		if err != nil {
			if call, ok := ctx.Value(callKey{}).(*callCtx); ok {
				call.failed(err) // for the Observer
			}
		}
		return func(ctx context.Context, internal *Internal) error {
			retried := false
			if err != nil {
				retried = internal.fetchFailed(err)
			}
			committed := commit(ctx, internal, value, err)
			if retried && same(committed, err) {
				return nil
			}
			return committed
		}, nil
	}
}

// fetchFailed is called by the hook of a [Poll], which may also be called as something other than the hook of a task.
func (c *control) fetchFailed(err error) (retried bool) {
	c.lock()
	e := c.cur
	c.mu.Unlock()
	if e == nil {
		return false
	}
	retried, _ = c.failed(e, err)
	return retried
}

// same reports whether a and b are the identical error.
func same(a, b error) (same bool) {
	// Comparing two values of a type that is not comparable panics: they are taken for the same.
	defer func() {
		if recover() != nil {
			same = true
		}
	}()
	return a == b
}
