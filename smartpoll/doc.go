// Package smartpoll decides when: it runs a control loop over any number of
// polling tasks and commits their results one at a time, so that state they
// touch needs no lock. Its API is that of joeycumines/go-smartpoll.
//
// A [Scheduler] is configured with [Task] values, each under a key, and optionally with hooks. A task has two stages.
// The first stage runs beside everything else and does the slow work. It returns the second stage, a [TaskHook], which
// is synchronised with the main loop: it stores the result and decides when the task, or another one, runs next.
// [WithHook] adds a hook for a channel, [WithRunHook] one for the start of a Run.
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
// A key has one schedule: nothing runs unless it was scheduled, a schedule is consumed by the start of its run, and
// scheduling again replaces it, or, with the Sooner methods, only advances it. At most one invocation of a key is in
// progress, its hook included. A key that becomes due meanwhile is started once afterwards, however often it was
// scheduled. The time of the next run usually counts from the hook, that is, from completion.
//
// A task never starts before its time. Tasks that are due at the same instant
// start in no particular order, but none waits forever while others are busy.
// Times are kept on the monotonic clock unless they have no monotonic reading,
// such as times made from a date: these follow the wall clock when it is set,
// and are due within 30 seconds after the process was suspended.
//
// [On] schedules a task by a [Schedule]: one made by [Every], or one from a cron library; [Missed] chooses what happens
// to missed times. [Overlap] chooses what happens when a task becomes due while it runs. Add, Remove, SetSchedule,
// Pause, Resume and Cancel change the tasks during a Run.
//
// Pause keeps one task from being started, [Group.Pause] the members of a group, PauseAll all tasks. Each pause has a
// reason, and only Resume with that reason lifts it: what is paused for two reasons runs again when both are lifted.
//
// # Limits
//
// [Group] limits how many tasks run at once and how many start per second, including work that is not a task and calls
// [Scheduler.Admit]; [Group.SetLimit] changes its limits while it is in use. [WithMaxRunning] limits how many run in
// all, and [Timeout] how long one may take. Tasks wait in the order of their due times, which [HeadStart] shifts by a
// bounded amount, so no task starves.
//
// # Hooks and visibility
//
// All hooks of a Run, of all four kinds, form one sequence: each happens before
// the next, the last one before Run returns, and the first one after all of an
// earlier Run. State that only hooks touch needs no lock. Tasks start only
// between hooks, so everything that a hook writes before it returns, even after
// its Schedule(key, 0), is visible to that run of key, and everything that a
// task has done is visible to its hook. A hook that blocks holds up all other
// hooks, and all starts.
//
// A goroutine may call several tasks, one after the other, and hooks of any task in between. A task that blocks delays
// no other one: another goroutine calls those that are due meanwhile. A send to an unbuffered channel of a [Hook] may
// complete while another hook runs; the value reaches its hook in any case.
//
// # Concurrency
//
// All methods except Run, on [Internal] and on [Scheduler], may be called from
// any goroutine, and each is atomic. Between two Runs they prepare the next
// one. [Scheduler.Do] runs a func as a hook; it may be called from any
// goroutine except within a hook. Tasks and Info answer at any time, even while
// a hook or a task does not return.
//
// No lock of the package is held while user code runs, not even the String
// method of a key or a method of an error. Keys are hashed and compared by the
// runtime.
//
// A method that takes a key panics if no task has it, except for Info and
// Remove, which report it, and Add. A removed key is remembered until the hook
// in progress and its task have returned: until then calls with it do nothing.
//
// # Errors
//
// The first error of a task or hook ends Run, which returns the identical value: polling is over, and the caller
// decides how to proceed. [Retry] keeps a task's errors from being fatal, all of them or up to a number in a row,
// [OnError] handles each one, [Poll] passes them to the function that commits the result. A run that was cancelled,
// removed or replaced has no error.
//
// A panic in a task or its hook ends the process, one in the hook of a channel
// or of a Run reaches the caller of Run; [WithRecover] turns all of them into
// errors. A panic in an [OnError], a [Schedule] or an [Observer] always becomes
// an error: a [*TaskError], which ends Run.
//
// # Shutdown
//
// Run ends with its context or with the first error. It waits for the hook in
// progress and cancels the contexts of running tasks, but waits for the tasks
// only with [WithDrain]; the next Run waits for them in any case. A result that
// arrives after the end is dropped. All schedules are cleared after the hooks
// of [WithEndHook] have run; pauses remain. A Run that waited for its tasks
// leaves no goroutine and no timer behind.
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
// task that ignores its context cannot be ended: it occupies its key, and
// nothing else. Metrics and logs are up to an [Observer].
package smartpoll
