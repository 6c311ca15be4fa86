// Package smartpoll decides when: it runs a control loop over any number of
// polling tasks, whose results land where no lock is needed. Its interface is
// that of joeycumines/go-smartpoll.
//
// A [Scheduler] is configured with [Task] values, each under a key, and
// optionally with hooks. A task has two stages. The first one runs in a goroutine
// of its own and does what takes time; it returns the second one, a [TaskHook],
// which is synchronised with the main loop: it stores the result and decides when
// the task, or another one, runs next. Channels get a hook of their own by
// [WithHook], the start of a Run by [WithRunHook].
//
//	scheduler, err := smartpoll.New(
//		smartpoll.WithTask("tank", smartpoll.Poll(fetch, commit), smartpoll.Retry(smartpoll.Backoff{})),
//		smartpoll.WithRunHook(func(ctx context.Context, internal *smartpoll.Internal) error {
//			internal.Schedule("tank", 0)
//			return nil
//		}),
//	)
//	err = scheduler.Run(ctx)
//
// # Scheduling
//
// A key has one schedule: nothing runs unless it was scheduled, a schedule is
// consumed by the start of its run, and scheduling again replaces it, or advances
// it with the methods that say sooner. At most one invocation of a key is in
// progress, its hook included. A key that becomes due meanwhile is started once
// when that is over, however often it was scheduled. The time of the next run
// usually counts from the hook, that is from completion.
//
// A task runs at the earliest when its time has come; nothing is promised about
// the order of what is due at one instant, but nothing waits for ever while other
// things are busy. Times are kept on the monotonic clock, unless they have no
// reading of it, as those made of a date: these follow the wall clock when it is
// set, and are due within 30 seconds after the process was suspended.
//
// [On] schedules a task by a [Schedule]: one made by [Every], or one of a cron
// library, and [Missed] says what becomes of times that have passed. [Overlap] says
// what else may become of a task that is due while it runs. Add, Remove, Pause,
// Resume and Cancel change what is scheduled while it is.
//
// # Limits
//
// [Group] limits how many tasks run at once, and how many start per second, also
// together with work that is not a task and asks [Scheduler.Admit],
// [WithMaxRunning] how many run in all, and [Timeout] how long one may take. Who
// waits does so in the order of due times, which [HeadStart] moves by a time that
// is bounded, so nobody starves.
//
// # Hooks and visibility
//
// All hooks of a Run, of all four kinds, form one sequence: each happens before
// the next, the last one before Run returns, and the first one after all of an
// earlier Run. State that only hooks touch needs no lock. Tasks start between
// hooks only, so whatever a hook writes before it returns, also after its
// Schedule(key, 0), is visible to that run of key, and everything that a task has
// done is visible to its hook. A hook that blocks stops all others, and starts.
//
// A hook may run on the goroutine of any task. A send to an unbuffered channel of
// a [Hook] may complete while another hook runs; the value reaches its hook in any
// case.
//
// # Concurrency
//
// All methods but Run, on [Internal] and on [Scheduler], may be called from any
// goroutine, and are each atomic. Between two Runs they change what the next one
// finds. [Scheduler.Do] runs a func as a hook, from any goroutine but that of one.
// Tasks and Info answer at any time, also while a hook or a task does not return.
//
// No lock of the package is held while code of the user's runs, also not the String
// method of a key or a method of an error. Keys are hashed and compared by the runtime.
//
// A method that names a key panics if no task has it, but for Info and Remove,
// which say so, and Add. A key that was removed is remembered until the hook in
// progress, and the task, are over: until then calls do nothing.
//
// # Errors
//
// The first error of a task or hook ends Run, which returns the identical value:
// polling is over, and the caller decides. [Retry] keeps a task's errors from
// being fatal, [OnError] decides on each, [Poll] hands them to the function that
// commits the result. What was cancelled, removed or replaced has no error.
//
// A panic in a task or its hook ends the process, one in the hook of a channel or
// of a Run reaches the caller of Run; [WithRecover] makes all of them errors. A
// panic in an [OnError], a [Schedule] or an [Observer] always is one: a
// [*TaskError], which ends Run.
//
// # Shutdown
//
// Run ends with its context or with the first error. It waits for the hook in
// progress, and cancels the contexts of running tasks, but waits for them only if
// [WithDrain] says so; the next Run waits for them in any case. A result that comes
// after the end is dropped. Every schedule is cleared, when the hooks of [WithEndHook] have
// seen them; pauses remain. After a Run that waited for its tasks, no goroutine and no
// timer is left.
//
// # Testing
//
// There is no clock interface: everything works in a [testing/synctest] bubble,
// and a Run with a [Drain] leaves it clean.
//
// # What it leaves to others
//
// Schedules are not kept over restarts of the process, and nothing is shared
// between processes. Cron expressions are parsed by a library of your choice. A
// task that ignores its context cannot be ended: it keeps its key, and nothing
// else. Metrics and logs are for an [Observer] to write.
package smartpoll
