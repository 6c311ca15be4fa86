package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/creack/pty"
)

var errEmptyArgv = errors.New("empty argv")

// A startError is a sentence that explains the error err.
type startError struct {
	text string
	err  error
}

func (e *startError) Error() string { return "command: " + e.text }
func (e *startError) Unwrap() error { return e.err }

// startError explains why the command did not start. It names only the program and the directory: arguments may be
// secret.
func (c *Command) startError(err error) error {
	say := func(format string, args ...any) error { return &startError{fmt.Sprintf(format, args...), err} }
	if err == errEmptyArgv {
		return say("the argv is empty, want a program and its arguments")
	}
	name := c.Argv[0]
	if errors.Is(err, pty.ErrUnsupported) {
		return say("%s cannot have a terminal on this system: remove tty", name)
	}
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(c.Dir, path)
	}
	if c.Dir != "" {
		if info, err := os.Stat(c.Dir); err != nil {
			return say("%s: the working directory %s does not exist or cannot be read", name, c.Dir)
		} else if !info.IsDir() {
			return say("%s: the working directory %s is not a directory", name, c.Dir)
		}
	}
	info, statErr := os.Stat(path)
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return say("%s is not found in PATH: install it, or write its whole path", name)
	case errors.Is(err, exec.ErrDot):
		return say("%s is in the current directory, not in PATH: write ./%[1]s", name)
	case errors.Is(err, fs.ErrNotExist) && statErr != nil:
		return say("%s does not exist, want the path of a program", path)
	case errors.Is(err, fs.ErrNotExist):
		return say("%s names an interpreter in its first line that does not exist", path)
	case errors.Is(err, fs.ErrPermission) && statErr == nil && info.IsDir():
		return say("%s is a directory, want the path of a program", path)
	case errors.Is(err, fs.ErrPermission):
		return say("%s is not executable, want chmod +x", path)
	case errors.Is(err, syscall.ENOEXEC):
		return say("%s is neither a program nor a script with a #! line", path)
	case errors.Is(err, syscall.E2BIG):
		return say("the arguments of %s are longer than the system takes", name)
	case errors.Is(err, syscall.EINVAL):
		return say("an argument or a variable of %s has a NUL character, which no program can be given", name)
	}
	return say("%s does not start: %v", name, err)
}
