// Package pid1 implements the first process of a container, which is the parent of every orphan. A command of a job may
// leave orphans behind, and they must be reaped when they end.
package pid1

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// forwarded are the signals that are meaningful to a service.
var forwarded = []os.Signal{
	syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2,
}

// Become turns the first process of a container into two. The second one runs this program again; in it, and in a
// process that is not the first, Become returns false. The first one forwards signals, reaps orphans, and returns the
// exit code of the second one, and true.
//
// One process cannot do both: waiting for any child would reap a command before the goroutine that waits for that
// command.
func Become() (code int, was bool, err error) {
	if os.Getpid() != 1 {
		return 0, false, nil
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, forwarded...)
	attr := &syscall.SysProcAttr{}
	if _, err := unix.IoctlGetTermios(0, unix.TCGETS); err == nil {
		// Only the second process gets the terminal's Ctrl-C, or it would arrive twice.
		attr.Setpgid, attr.Foreground, attr.Ctty = true, true, 0
	}
	exe, err := os.Executable()
	if err != nil {
		return 0, true, fmt.Errorf("start as a child of process 1: %w", err)
	}
	child, err := os.StartProcess(
		exe, os.Args, &os.ProcAttr{Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}, Sys: attr})
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
