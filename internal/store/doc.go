// Package store keeps the state of a gateway in a directory, so that it survives the process: what
// `store: {dir: ./data}` names. It is the only package that knows SQLite.
//
//	dir, err := store.Open(ctx, "data", store.Options{Logger: log})
//	gateway uses dir.Snapshots() as its snapshot.Store
//	dir.Close(ctx)
//
// # Files
//
// The directory has one database, tidewire.db, with the -wal and -shm of SQLite beside it, and a file named lock. One process
// at a time has it open: the lock says so, and is gone with the process, however that ends. Directory and files are for
// their owner alone. A file that is damaged, that belongs to another program, or that a newer version has written is
// refused with a sentence that says what to do, and nothing is changed in it.
//
// # Writing
//
// One goroutine writes. What may be lost with the power (`soon`) is collected for 50 ms and written as one transaction
// that the system puts on disk in its own time; a process that is killed loses at most these 50 ms. What must stay, such
// as the end of a run (`now`), is written and synchronized at once, together with all that waits. Each of these is a
// function of a transaction, an op, which must be safe to run again: a transaction that the disk refuses is repeated as a
// whole.
//
// # A disk that fails
//
// A full, read-only or absent disk stops nothing else. The newest states go on in memory, ops wait in a bounded queue, what
// no longer fits is dropped and counted, and writing is tried again once a second. [Dir.Failing] says what is wrong
// meanwhile. If the database is removed while it is open, a new one is made of what is in memory; if another file has
// taken its name, that one is left alone.
//
// # Old rows
//
// A subject names its tables of what has happened as a past (pastOf, and Dir.trimmer.pasts when the Dir is opened). Rows
// older than [Options.Keep] are deleted, a few thousand a second at most, and the oldest share of each past if the database is
// larger than [Options.MaxSize]. Pages that are free are used again, and given back to the system when they are many.
//
// # A new subject
//
// A subject, such as the ended runs, is one file here: its tables as a constant that schema.go lists, ops that write them
// and queries that read them. Rows that are appended all the time belong into a table in the order of time (a rowid table,
// with as few indexes as possible): in the order of another key each row dirties a page of its own, which was measured to
// cost ten times as much.
package store
