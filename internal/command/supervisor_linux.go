package command

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// On Linux a command is started by a supervisor: another process of this program, one for each command. Orphans of the
// command, whatever their session, become the supervisor's children (PR_SET_CHILD_SUBREAPER), so the supervisor can end
// them. It needs no privilege, no cgroup and no other program.
//
// Run and the supervisor share a socket, descriptor 3 of the latter. The supervisor writes two words of four bytes: why
// the command did not start (an errno, 0 if it did), and how it ended (a wait status). Run writes the single bytes
// below. The end of the socket means that this process has died, in whatever way, and is handled like killAll.
const (
	supervisorName = "tidewire-supervisor" // its argv[0]

	terminate = 'T' // TERM to the group
	killGroup = 'G' // KILL to the group, and the supervisor exits: processes that left the group are separate services
	killAll   = 'K' // KILL to everything that the command has started, and the supervisor exits
)

func init() {
	if len(os.Args) > 0 && os.Args[0] == supervisorName { // nothing else of this program may run in the supervisor
		supervise(os.Args[1], os.Args[2:])
	}
}

// A child is a command with its supervisor.
type child struct {
	cmd    *exec.Cmd // the supervisor
	socket *os.File
	status *syscall.WaitStatus // of the command, once wait has returned; nil: unknown, the supervisor is dead
}

func (c *child) launch(cmd *exec.Cmd) error {
	if cmd.Err != nil {
		return cmd.Err
	}
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	c.cmd, c.socket = cmd, os.NewFile(uintptr(pair[0]), "supervisor")
	theirs := os.NewFile(uintptr(pair[1]), "command")
	cmd.Args = append([]string{supervisorName, cmd.Path}, cmd.Args...)
	cmd.Path = "/proc/self/exe" // this program, even if its file has been replaced
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		c.socket.Close()
		return err
	}
	errno, err := readWord(c.socket)
	if err == nil && errno != 0 {
		err = syscall.Errno(errno)
	}
	if err != nil {
		c.socket.Close()
		_ = cmd.Wait()
	}
	return err
}

// wait returns when the first process has exited.
func (c *child) wait() {
	if status, err := readWord(c.socket); err == nil {
		c.status = (*syscall.WaitStatus)(&status)
	}
}

func (c *child) terminate() { c.tell(terminate) }
func (c *child) kill()      { c.tell(killAll) }

// finish kills the rest of the group.
func (c *child) finish() { c.tell(killGroup) }

// tell sends an order to the supervisor. If that is dead, so is the command.
func (c *child) tell(order byte) { _, _ = c.socket.Write([]byte{order}) }

// end is called once, after finish or kill, and when wait has returned.
func (c *child) end() ending {
	_ = c.cmd.Wait() // it was ended by finish or kill
	c.socket.Close()
	if c.status == nil {
		return ending{code: -1, signal: syscall.SIGKILL.String()}
	}
	return endingOf(*c.status)
}

// supervise is the main function of the supervisor. It never returns.
func supervise(path string, argv []string) {
	runtime.LockOSThread() // the parent-death signal of the command depends on this thread
	syscall.CloseOnExec(3)
	socket := os.NewFile(3, "socket")
	// A signal sent to all processes named like the program is meant for the gateway, which ends its commands in order.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT)
	const subreaper = 36 // PR_SET_CHILD_SUBREAPER
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, subreaper, 1, 0); errno != 0 {
		fail(socket, errno)
	}
	pid, err := syscall.ForkExec(path, argv, &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{0, 1, 2},
		Sys:   &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		fail(socket, err)
	}
	writeWord(socket, 0)
	if null, err := syscall.Open(os.DevNull, syscall.O_RDWR|syscall.O_CLOEXEC, 0); err == nil {
		for fd := range 3 { // the outputs must end with the processes that write to them
			_ = syscall.Dup3(null, fd, 0)
		}
	}
	reported := make(chan struct{})
	go func() {
		writeWord(socket, uint32(awaitExit(pid)))
		close(reported)
	}()
	for order := []byte{0}; ; {
		if _, err := socket.Read(order); err != nil {
			order[0] = killAll
		}
		switch order[0] {
		case terminate:
			_ = syscall.Kill(-pid, syscall.SIGTERM)
		case killGroup:
			_ = syscall.Kill(-pid, syscall.SIGKILL) // the number cannot have been reused: the process is not reaped
			<-reported
			_, _ = syscall.Wait4(pid, nil, 0, nil)
			if syscall.Kill(-pid, 0) != syscall.ESRCH {
				killChildren(pid)
			}
			syscall.Exit(0)
		case killAll:
			_ = syscall.Kill(-pid, syscall.SIGKILL)
			killChildren(0) // including the command
			<-reported
			syscall.Exit(0)
		}
	}
}

// fail reports why the command did not start, and exits. syscall.Exit, unlike os.Exit, does not wait for the race
// detector.
func fail(socket *os.File, err error) {
	errno := syscall.EIO
	errors.As(err, &errno)
	writeWord(socket, uint32(errno))
	syscall.Exit(1)
}

// awaitExit returns the exit status of the process, without reaping it: as long as it is a zombie, the number of its
// group is not reused, so the rest of the group can be killed without hitting another process. Orphans that end before
// are reaped.
func awaitExit(pid int) syscall.WaitStatus {
	const (
		pAll    = 0
		wNoWait = 0x01000000
		exited  = 1 // CLD_EXITED: all others mean an end by a signal
	)
	var info struct { // siginfo_t
		signo, errno, code int32
		_                  [unsafe.Sizeof(uintptr(0)) / 8]int32
		pid, uid, status   int32
		_                  [128]byte
	}
	for {
		_, _, errno := syscall.Syscall6(
			syscall.SYS_WAITID, pAll, 0, uintptr(unsafe.Pointer(&info)), syscall.WEXITED|wNoWait, 0, 0)
		switch {
		case errno == syscall.EINTR:
		case errno != 0:
			return syscall.WaitStatus(syscall.SIGKILL) // killChildren was first
		case int(info.pid) != pid:
			_, _ = syscall.Wait4(int(info.pid), nil, 0, nil)
		case info.code == exited:
			return syscall.WaitStatus(info.status << 8)
		default:
			return syscall.WaitStatus(info.status)
		}
	}
}

// killChildren kills and reaps the children of this process until none is left: those of a group, or, with 0, all. The
// children of processes that die become its own. That may happen while the list is read, so no child is left only if
// none was found twice in a row. Processes of other users, which it may not kill, are left alone.
//
// The caller has killed the group of the command, and most commands leave nothing else behind. So it waits a moment
// before it reads the list: that is of all processes, and many supervisors may be doing this at once.
func killChildren(group int) {
	for pause := time.Millisecond; pause < 20*time.Millisecond; pause *= 2 {
		if !reap() {
			return
		}
		time.Sleep(pause)
	}
	pause := time.Millisecond
	for nothing := 0; nothing < 2 && reap(); pause = min(2*pause, 50*time.Millisecond) {
		killed := 0
		for _, child := range children(group) {
			if syscall.Kill(child, syscall.SIGKILL) == nil {
				killed++
			}
		}
		nothing++
		if killed > 0 {
			nothing = 0
		}
		time.Sleep(pause)
	}
	reap()
}

// reap reaps the children that have ended, and reports whether there are others.
func reap() (left bool) {
	for {
		switch pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); {
		case err == syscall.EINTR:
		case err != nil: // ECHILD
			return false
		case pid == 0:
			return true
		}
	}
}

// children returns the children of this process that are alive.
func children(group int) (pids []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		data, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		// PID (NAME) STATE PARENT GROUP ...: the name may contain anything.
		fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
		if len(fields) < 3 || fields[0] == "Z" || fields[1] != strconv.Itoa(os.Getpid()) ||
			group != 0 && fields[2] != strconv.Itoa(group) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

func readWord(r io.Reader) (uint32, error) {
	var word [4]byte
	if _, err := io.ReadFull(r, word[:]); err != nil {
		return 0, fmt.Errorf("the supervisor is dead: %w", err)
	}
	return uint32(word[0]) | uint32(word[1])<<8 | uint32(word[2])<<16 | uint32(word[3])<<24, nil
}

func writeWord(w io.Writer, v uint32) {
	// An error does not matter: the end of the socket follows.
	_, _ = w.Write([]byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)})
}

func endingOf(status syscall.WaitStatus) ending {
	if status.Signaled() {
		return ending{code: -1, signal: status.Signal().String()}
	}
	return ending{code: status.ExitStatus()}
}
