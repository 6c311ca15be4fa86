// Package debug serves a page, also as JSON, that shows the tasks of a [smartpoll.Scheduler] and lets people pause,
// resume, run and cancel them.
//
//	http.Handle("/debug/smartpoll", debug.Handler(scheduler, nil))
//
// # Requests
//
// The handler serves any path and takes all parameters from the query, so it may be mounted anywhere, even behind
// [http.StripPrefix] or a proxy.
//
//	GET  ?format=json       the JSON below; so does Accept: application/json
//	GET                     the page
//	     &q=TEXT            only tasks whose key has TEXT in it
//	     &show=STATE        only running, failing, late or paused ones
//	POST task=ID&action=A   A is pause, resume, run (schedule for now) or cancel
//
// The pauses of this page have the reason "by hand". Resume lifts only those: a task that the program has paused,
// alone, with its group or with all others, stays paused until the program resumes it. The page and the JSON tell the
// reasons.
//
// A POST is answered with a 303 to the page, or, for a client that accepts
// JSON, with the new state of the task. An action that is not possible
// (cancelling a task that is not running, running a paused one) is answered
// with 409, a task that is gone with 404, and a request from another site with
// 403, see [http.CrossOriginProtection]. Clients that accept JSON get errors as
// problem documents (RFC 9457).
//
// # JSON
//
//	{"at": TIME, "loop": {"state": "running", "hook": null}, "tasks": [{
//	  "id": "Q5X3A-1", "key": "tank", "type": "string", "state": "waiting", "paused": true,
//	  "pauses": [{"of": "all", "reason": "standby"}],
//	  "next": TIME, "overdue_ms": 0, "started": TIME, "ended": TIME, "took_ms": 12.5, "late_ms": 0.3,
//	  "held_ms": 0, "runs": 42, "skipped": 0, "failures": 1, "error": "no route", "error_at": TIME}]}
//
// Times are RFC 3339 in UTC, and left out if unknown. The state of a task is that of [smartpoll.State]; a task that is
// running, or in its hook, has been since started. For the other states, started is described at [smartpoll.TaskInfo],
// as are ended, error and error_at. Ended, took, late and held are known if the Scheduler has an [smartpoll.Observer],
// which explains the last two. Overdue is how long a task has waited to be started.
//
// Pauses are those of the task, of its groups and of all tasks: of is task, group or all. Paused tells whether there
// are any.
//
// The loop is running, stopped (no Run is in progress, or it is ending) or busy: a hook has held it for 100 ms. Then
// hook is {"id", "key", "since"} of the task with that hook, which began no earlier than since: the time when the task
// returned or, without an Observer, when it was started. It is null for the hook of a channel or of a Run, and for a
// function passed to Do.
//
// Tasks come in the order of their keys. A task is named by its id, since keys may be any comparable values. An id
// belongs to one handler: after a restart it is unknown, and never names another task.
//
// # Concurrency
//
// All requests are served at any time, from any goroutine. A task or hook that never returns delays them by at most 100
// ms. Keys and errors are formatted by package fmt, so their String and Error methods must be safe for concurrent use;
// only the addresses of pointers are shown.
//
// # What it leaves to others
//
// Authorisation: keys and errors may be confidential, and cancel is for operators. Serve the page only where operators
// have access, and only for known host names (a site whose name resolves to a private address has the same origin for a
// browser), or set [Options.ReadOnly].
package debug
