package command

import (
	"os/exec"
	"syscall"
	"unsafe"
)

func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// awaitExit returns when the process has exited, without reaping it: as long as
// it is a zombie, the number of its group is not given to another, so the rest
// of the group can be killed without hitting a stranger.
func awaitExit(cmd *exec.Cmd) {
	const (
		pPID    = 1
		wNoWait = 0x01000000
	)
	var info [128]byte // siginfo_t, unused; the kernel writes it all
	for {
		_, _, err := syscall.Syscall6(syscall.SYS_WAITID, pPID, uintptr(cmd.Process.Pid),
			uintptr(unsafe.Pointer(&info)), syscall.WEXITED|wNoWait, 0, 0)
		if err != syscall.EINTR {
			return
		}
	}
}
