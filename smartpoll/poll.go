package smartpoll

import "context"

// Poll returns a [Task] for the common case: fetch gets a value in the
// background, commit handles it as the [TaskHook], synchronised with the main
// loop, whether the fetch succeeded or not. An error of fetch is not an error of
// the task: commit receives it, with whatever value fetch returned, and decides.
//
// Without [Retry], what commit returns is what counts: nil and Run goes on, any
// error ends it. So a commit that keeps failing sources alive schedules the next
// attempt itself and returns nil.
//
// With [Retry], a failed fetch counts as a failure of the task, and its key has
// been rescheduled by the time commit runs, unless it was scheduled already:
// [Internal.Next] tells for when, and commit may schedule it otherwise. If
// commit then returns nil or the very error it was given, the failure is
// handled; any other error ends Run. The failures in a row end with a fetch and
// a commit that both succeed.
//
// A fetch whose result arrives after Run's context has ended is not committed.
// Poll panics if fetch or commit is nil.
func Poll[T any](fetch func(context.Context) (T, error), commit func(context.Context, *Internal, T, error) error) Task {
	if fetch == nil || commit == nil {
		panic(`smartpoll: Poll needs both a fetch and a commit func`)
	}
	return func(ctx context.Context) (TaskHook, error) {
		value, err := fetch(ctx)
		return func(ctx context.Context, internal *Internal) error {
			retried := err != nil && internal.failed(internal.cur, err)
			committed := commit(ctx, internal, value, err)
			if retried && same(committed, err) {
				return nil
			}
			return committed
		}, nil
	}
}

// same tells whether a and b are the identical error.
func same(a, b error) (same bool) {
	// Comparing two values of one type that is not comparable panics: they may
	// well be the same one.
	defer func() {
		if recover() != nil {
			same = true
		}
	}()
	return a == b
}
