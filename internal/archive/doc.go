// Package archive keeps what has happened: runs that have ended and what they have printed, and whatever else is asked
// for after the state that it changed has long been replaced. The newest state of things is not here but in package
// snapshot.
//
// Each subject is a small interface of its own, such as [Runs], with one implementation in memory here, which is bounded,
// and one on disk in package store. Both pass the suite in package archivetest.
//
// The archive knows neither jobs nor sources. A record is opaque JSON, and beside it are the few columns by which it is
// searched.
//
// # Errors
//
// Whoever asks an archive on disk may get its error: that is neither an empty answer nor one that nothing was found. What
// is not there has an error of its own, such as [ErrNotFound].
//
// # Concurrency
//
// All methods may be called from any goroutine. Bytes that are passed to an archive belong to it from then on, and those
// that it returns are shared: neither are modified.
package archive

import "errors"

var (
	// ErrNotFound is why nothing is returned that the archive never had, as far as it knows.
	ErrNotFound = errors.New("archive: there is no such record")
	// ErrForgotten is why nothing is returned that the archive had, and has forgotten by its bounds.
	ErrForgotten = errors.New("archive: the record was forgotten")
)
