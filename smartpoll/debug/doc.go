// Package debug is a page, and the same as JSON, that shows what the tasks of a
// [smartpoll.Scheduler] are about, and lets people pause, resume, run and cancel
// them.
//
//	http.Handle("/debug/smartpoll", debug.Handler(scheduler, nil))
//
// # Requests
//
// The handler serves any path, and puts all there is to say into the query, so it
// may be mounted anywhere, behind [http.StripPrefix] or a proxy too.
//
//	GET  ?format=json       the JSON below; so does Accept: application/json
//	GET                     the page
//	     &q=TEXT            only tasks whose key has TEXT in it
//	     &show=STATE        only running, failing, late or paused ones
//	POST task=ID&action=A   A is pause, resume, run (schedule for now) or cancel
//
// A POST is answered with the page by 303, or for a client that wants JSON with the
// task as it is then. What cannot be done is 409 (cancel what is not running, run
// what is paused), a task that is gone 404, and a request from another site 403, see
// [http.CrossOriginProtection]. Failures are problem documents (RFC 9457) for who
// wants JSON.
//
// # JSON
//
//	{"at": TIME, "loop": {"state": "running", "hook": null}, "tasks": [{
//	  "id": "Q5X3A-1", "key": "tank", "type": "string", "state": "waiting", "paused": false,
//	  "next": TIME, "overdue_ms": 0, "started": TIME, "ended": TIME, "took_ms": 12.5, "late_ms": 0.3,
//	  "runs": 42, "skipped": 0, "failures": 0, "error": ""}]}
//
// Times are RFC 3339 in UTC, and missing if there is none. The state of a task is
// that of [smartpoll.State]; one that is running, or in its hook, is so since
// started. What it means otherwise [smartpoll.TaskInfo] says. Ended, took and late
// are known if the Scheduler has an [smartpoll.Observer]; ended is missing while the
// task runs. Overdue is for how long a task has waited to be started.
//
// The loop is running, stopped (no Run is on, or it is ending) or busy: for 100 ms
// nobody has got its turn. Then hook is {"id", "key", "since"} of the task whose hook
// keeps it, begun no earlier than since, which is when the task returned, or without
// an Observer when it was started; or null, if it is the hook of a channel or of a
// Run, or a function passed to Do.
//
// Tasks come in the order of their keys. A task is named by its id, since keys may be
// anything that can be compared. An id belongs to one handler: after a restart it
// names nothing, never another task.
//
// # Concurrency
//
// All requests are served at any time, from any goroutine. Neither a task nor a hook
// that never returns keeps one waiting for more than 100 ms. Keys and errors are
// formatted by package fmt, so their String and Error methods must be safe for
// concurrent use; of pointers only the address is shown.
//
// # What it leaves to others
//
// Who may look and act: keys and errors may be confidential, and cancel is for
// operators. Serve it where they alone get to, and answer to known host names alone
// (a site whose name is made to resolve to a private address is the same origin to
// a browser), or set [Options.ReadOnly].
package debug
