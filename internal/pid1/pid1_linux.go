// Package pid1 is what the first process of a container has to be: parent of every process
// that has lost its own. A command of a job may leave such processes behind, and once they
// end, somebody has to take note.
package pid1

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// forwarded are the signals that mean something to a service.
var forwarded = []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2}

// Become turns the first process of a container into two. The second one is this program
// again; for it, and for a process that is not the first, Become returns false. The first
// one hands on signals, takes note of the end of every orphan, and returns the exit code
// of the second one, and true.
//
// One process cannot be both: waiting for any child takes the end of a command away from
// the goroutine that waits for that command.
func Become() (code int, was bool, err error) {
	if os.Getpid() != 1 {
		return 0, false, nil
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, forwarded...)
	attr := &syscall.SysProcAttr{}
	if _, err := unix.IoctlGetTermios(0, unix.TCGETS); err == nil {
		// The terminal's Ctrl-C is for the second process alone, or it would come twice.
		attr.Setpgid, attr.Foreground, attr.Ctty = true, true, 0
	}
	exe, err := os.Executable()
	if err != nil {
		return 0, true, fmt.Errorf("start as a child of process 1: %w", err)
	}
	child, err := os.StartProcess(exe, os.Args, &os.ProcAttr{Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}, Sys: attr})
	if err != nil {
		return 0, true, fmt.Errorf("start as a child of process 1: %w", err)
	}
	go func() { // ends with the process
		for s := range signals {
			_ = syscall.Kill(child.Pid, s.(syscall.Signal)) // it may have ended
		}
	}()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return 0, true, fmt.Errorf("wait for children: %w", err)
		case pid != child.Pid:
		case status.Signaled():
			return 128 + int(status.Signal()), true, nil
		default:
			return status.ExitStatus(), true, nil
		}
	}
}
