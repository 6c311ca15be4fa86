package grammar

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tidewire/tidewire/internal/file"
)

// PathOf is the type of file that a path must lead to.
type PathOf int

// The values of [PathOf].
const (
	Anything        PathOf = iota // even if it does not exist
	Directory                     // that exists
	ReadableFile                  // regular, and readable now
	FileToAppend                  // regular, or none yet in a directory that exists
	DirectoryToMake               // that exists, or nothing of that name
)

// Path reads a path relative to n's file, and returns the absolute path.
func (n *Node) Path(what string, is PathOf) string {
	s := n.Line(what)
	if s == "" {
		return ""
	}
	path, err := filepath.Abs(n.Beside(s))
	if err != nil {
		n.Problem(fmt.Sprintf("%s: %s cannot be found: %v", what, Quote(s), err), "write an absolute path")
		return ""
	}
	var wrong, want string
	switch is {
	case Directory:
		wrong, want = noDirectory(path, s)
	case ReadableFile:
		wrong, want = notReadable(path, s)
	case FileToAppend:
		wrong, want = notAppendable(path, s)
	case DirectoryToMake:
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			wrong, want = Quote(s)+" is not a directory", "name a directory; it is made if it does not exist"
		}
	}
	if wrong != "" {
		n.Problem(what+": "+wrong, want)
		return ""
	}
	return path
}

const createDirectory = "create it or correct its name; it is relative to this file"

func noDirectory(path, s string) (wrong, want string) {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return "there is no directory " + Quote(s), createDirectory
	}
	return "", ""
}

func notReadable(path, s string) (wrong, want string) {
	want = "name a file that this user can read, relative to this file"
	f, err := file.Open(path, os.O_RDONLY, 0)
	switch {
	case errors.Is(err, file.ErrNotRegular):
		return Quote(s) + " is not a regular file", want
	case err != nil:
		return Quote(s) + " cannot be read: " + reason(err), want
	}
	f.Close()
	return "", ""
}

func notAppendable(path, s string) (wrong, want string) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		wrong = Quote(s) + " is not a regular file"
		if info.IsDir() {
			wrong = Quote(s) + " is a directory"
		}
		return wrong, "name a file such as audit.jsonl; it is created if it does not exist"
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return "there is no directory for " + Quote(s), createDirectory
	}
	return "", ""
}
