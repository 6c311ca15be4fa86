//go:build unix && !linux

package command

import (
	"os/exec"
	"syscall"
)

func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// awaitExit reaps the process: the rest of its group is signalled after that,
// by a number that, in theory, is another's by then.
func awaitExit(cmd *exec.Cmd) { _ = cmd.Wait() }
