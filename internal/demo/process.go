package demo

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"
)

const (
	announceTimeout = 30 * time.Second // for the first line of a process; a loaded machine starts one in far less
	stopGrace       = 2 * time.Second  // between the end of a process's stdin and its kill
)

// A process is an upstream, kept running: when it dies it is started again
// after delay. The goroutine that calls supervise owns it.
type process struct {
	name  string
	exe   string
	args  func(addr string) []string // addr is where it served before, "" the first time
	delay time.Duration
	log   *slog.Logger

	mu  sync.Mutex // guards the fields below
	url string     // its address, once known
	pid int        // 0 while it is not running
}

func newProcess(name string, o Options, args func(addr string) []string) *process {
	return &process{name: name, exe: o.Executable, args: args, delay: o.RestartDelay, log: o.Logger}
}

// supervise keeps the process running until ctx ends, then ends it and waits for it. It calls ready once: with nil when
// the process has announced its address, or with the reason why the first attempt failed, and then returns.
func (p *process) supervise(ctx context.Context, ready func(error)) {
	// The death signal of Linux is tied to the thread that started a process,
	// so this goroutine keeps its thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	up := false
	for {
		err := p.run(ctx, func(url string) {
			if up {
				_, pid := p.status()
				p.log.Info("upstream is back", "upstream", p.name, "url", url, "pid", pid)
				return
			}
			up = true
			ready(nil)
		})
		if !up {
			ready(fmt.Errorf("start %s: %w", p.name, err))
			return
		}
		if ctx.Err() != nil {
			return
		}
		p.log.Warn("upstream died", "upstream", p.name, "err", err, "restart_in", p.delay)
		if !pause(ctx, p.delay) {
			return
		}
	}
}

// run runs the process once, until it ends or ctx does, and returns why it
// ended. It calls announced with the process's URL when that is known.
func (p *process) run(ctx context.Context, announced func(url string)) error {
	url, _ := p.status()
	cmd := exec.Command(p.exe, p.args(strings.TrimPrefix(url, "http://"))...)
	var stderr lastLine
	cmd.Stderr = &stderr
	cmd.SysProcAttr = sysProcAttr()
	cmd.WaitDelay = stopGrace
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer p.stopped()

	line := make(chan string, 1)
	ended := make(chan error, 1)
	go func() {
		r := bufio.NewReader(stdout)
		if first, err := r.ReadString('\n'); err == nil {
			line <- strings.TrimSuffix(first, "\n")
		}
		io.Copy(io.Discard, r)
		ended <- stderr.explain(cmd.Wait())
	}()
	timeout := time.NewTimer(announceTimeout)
	defer timeout.Stop()
	for {
		select {
		case url := <-line:
			timeout.Stop()
			p.started(url, cmd.Process.Pid)
			announced(url)
		case err := <-ended:
			return err
		case <-timeout.C:
			cmd.Process.Kill()
			<-ended
			return fmt.Errorf("announced no address within %v", announceTimeout)
		case <-ctx.Done():
			stdin.Close()
			kill := time.AfterFunc(stopGrace, func() { cmd.Process.Kill() })
			defer kill.Stop()
			<-ended
			return context.Cause(ctx)
		}
	}
}

// status returns the last URL of the process and its id.
func (p *process) status() (url string, pid int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.url, p.pid
}

// started records that the process serves.
func (p *process) started(url string, pid int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.url, p.pid = url, pid
}

// stopped records that the process is gone.
func (p *process) stopped() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pid = 0
}

// lastLine is a writer that keeps the last line, to explain why a process ended. It may be read once the process has
// been waited for.
type lastLine struct{ line []byte }

func (l *lastLine) Write(b []byte) (int, error) {
	const most = 1 << 10
	l.line = append(l.line, b...)
	if i := bytes.LastIndexByte(bytes.TrimRight(l.line, "\n"), '\n'); i >= 0 {
		l.line = l.line[i+1:]
	}
	l.line = l.line[:min(len(l.line), most)]
	return len(b), nil
}

// explain adds the line to err. A process that ended without an error is one here too, since it was not asked to end.
func (l *lastLine) explain(err error) error {
	if err == nil {
		err = errors.New("exit status 0")
	}
	if line := bytes.TrimSpace(l.line); len(line) > 0 {
		return fmt.Errorf("%w: %s", err, line)
	}
	return err
}
