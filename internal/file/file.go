// Package file opens files whose names come from a configuration or a flag.
//
// Such a name may be that of anything: a pipe without a writer, a device that never ends. Opening it must not block. So
// files are opened without blocking, only regular ones are used, and the size that is read is bounded.
//
// A program cannot bound the wait for a file system that does not answer, such as that of a network server that is
// down: opening, reading and closing then wait until the system gives up (for NFS see the mount options soft and
// timeo).
package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// ErrNotRegular means that a name is that of a directory, a pipe, a device or a socket.
var ErrNotRegular = errors.New("it is not a regular file")

// A TooLargeError means that a file has more bytes than its reader accepts.
type TooLargeError struct{ Most int64 }

func (e *TooLargeError) Error() string { return fmt.Sprintf("it has more than %d bytes", e.Most) }

// Open opens a regular file as [os.OpenFile] does, without ever blocking. Its error is a [*fs.PathError], which wraps
// [ErrNotRegular] for anything else.
func Open(name string, flag int, perm fs.FileMode) (*os.File, error) {
	f, err := os.OpenFile(name, flag|nonBlocking, perm)
	if err != nil {
		if info, errStat := os.Stat(name); errStat == nil && !info.Mode().IsRegular() && !info.IsDir() {
			err = &fs.PathError{Op: "open", Path: name, Err: ErrNotRegular} // rather than the system's error for a pipe
		}
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: ErrNotRegular}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// patience bounds the wait for a file that only claims to be regular.
const patience = time.Second

// Read reads a regular file of at most the given number of bytes. Its error is a [*fs.PathError], which wraps
// [ErrNotRegular] or a [*TooLargeError]. A file that blocks, such as /proc/kmsg, does not count as regular whatever its
// mode: Read gives up after a second.
func Read(name string, most int64) ([]byte, error) {
	data, _, err := ReadModified(name, most)
	return data, err
}

// ReadModified is [Read] with the time at which the file was last modified before it was read. Both are of one file,
// also if another one takes its name meanwhile.
func ReadModified(name string, most int64) (data []byte, modified time.Time, err error) {
	f, err := Open(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, time.Time{}, err
	}
	_ = f.SetReadDeadline(time.Now().Add(patience))   // fails for files that never block, such as all files on a disk
	data, err = io.ReadAll(io.LimitReader(f, most+1)) // the size from the system may be wrong, as below /proc
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, time.Time{}, &fs.PathError{Op: "read", Path: name, Err: ErrNotRegular}
	}
	if err != nil {
		return nil, time.Time{}, err
	}
	if int64(len(data)) > most {
		return nil, time.Time{}, &fs.PathError{Op: "read", Path: name, Err: &TooLargeError{most}}
	}
	return data, info.ModTime(), nil
}
