// Package file opens files whose names come from a configuration or a flag.
//
// Such a name may be anything: a pipe that nobody writes to, a device that never ends. Whoever opens it must not wait for
// it. So files are opened without blocking, and only regular ones are used; what is read has a bound.
//
// What no program can bound from outside is a file system that does not answer, such as that of a network server which is
// away: opening, reading and closing then wait for the system, which says when it gives up (for NFS the mount options soft
// and timeo).
package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// ErrNotRegular says that a name is that of a directory, a pipe, a device or a socket.
var ErrNotRegular = errors.New("it is not a regular file")

// A TooLargeError says that a file has more bytes than its reader wants.
type TooLargeError struct{ Most int64 }

func (e *TooLargeError) Error() string { return fmt.Sprintf("it has more than %d bytes", e.Most) }

// Open opens a regular file as [os.OpenFile] does, without ever waiting for it. Its error is a [*fs.PathError], which wraps
// [ErrNotRegular] for anything else.
func Open(name string, flag int, perm fs.FileMode) (*os.File, error) {
	f, err := os.OpenFile(name, flag|nonBlocking, perm)
	if err != nil {
		if info, errStat := os.Stat(name); errStat == nil && !info.Mode().IsRegular() && !info.IsDir() {
			err = &fs.PathError{Op: "open", Path: name, Err: ErrNotRegular} // rather than what the system says of a pipe
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

// patience bounds the wait for a file that is regular by its mode alone.
const patience = time.Second

// Read reads a regular file of at most so many bytes. Its error is a [*fs.PathError], which wraps [ErrNotRegular] or a
// [*TooLargeError]. A file that has to be waited for, such as /proc/kmsg, is not regular whatever its mode says: it is
// given up after a second.
func Read(name string, most int64) ([]byte, error) {
	f, err := Open(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	_ = f.SetReadDeadline(time.Now().Add(patience))    // fails if nothing can be waited for, as in every file on a disk
	data, err := io.ReadAll(io.LimitReader(f, most+1)) // the size that the system tells may be wrong, as below /proc
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, &fs.PathError{Op: "read", Path: name, Err: ErrNotRegular}
	}
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > most {
		return nil, &fs.PathError{Op: "read", Path: name, Err: &TooLargeError{most}}
	}
	return data, nil
}
