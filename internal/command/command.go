// Package command runs an argv and everything that it starts, within bounds.
//
//	c := &command.Command{
//		Argv:   []string{"./discover.sh", "--subnet", "10.0.4.0/24"},
//		Stdout: func(line string) { fmt.Println(line) },
//	}
//	result, err := c.Run(ctx)
//
// # What a command gets
//
// There is no shell: each element of Argv is one argument, whatever it contains. Standard input is [Command.Stdin], or
// /dev/null. The environment consists of PATH, HOME, LANG, LC_ALL, TZ, TMPDIR and USER of this process, and of
// [Command.Env], so no secret of this process reaches a command by accident.
//
// # Output
//
// Lines of both outputs come through callbacks while the command runs: one at a time, on the goroutine that called Run,
// in order within each output. LF, CRLF and CR end a line, so a progress bar that returns to the start of its line
// yields a line each time. Invalid UTF-8 becomes U+FFFD and a line is cut after 64 KiB. A callback that blocks delays
// the command, and also the handling of ctx; one that panics ends the command before the panic reaches the caller of
// Run.
//
// # The end
//
// The command is over when its first process has exited and the outputs are closed. Processes that keep an output open
// after that have two seconds to finish; then the rest of the process group is killed. When ctx ends first, the group
// gets TERM, and KILL after [Command.Grace]. So no process of the group survives Run. A process that left the group
// (setsid) survives a command that ends by itself, and does not hold up Run: it is a separate service.
//
// On Linux such a process does not survive KILL after the grace either, and nothing that a command has started survives
// this process, however that dies, kill -9 included: each command has a supervisor, another process of this program,
// that ends them. On other systems such processes keep running. Without process groups (not Unix), only the first
// process is ended, with KILL.
//
// # Progress
//
// Programs report their progress to a terminal by the sequence OSC 9;4. [Command.Progress] gets it from either output,
// wherever it occurs in the lines.
package command

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"
)

const (
	defaultMaxOutput = 64 << 10
	defaultGrace     = 5 * time.Second

	// waitDelay bounds how long an output stays open after the first process exited or the group was killed: the
	// contents of the pipes (64 KiB each) are read in far less, even on a busy machine.
	waitDelay = 2 * time.Second

	chunkSize = 32 << 10
)

// A Command is an argv with its environment. Run does not modify it, and may be called from any number of goroutines.
type Command struct {
	Argv []string // the program, looked up in PATH unless it has a slash, and its arguments
	Dir  string   // working directory; empty: that of this process
	Env  []string // KEY=value, added to the clean environment

	Stdout func(line string) // called for each line of standard output; nil: ignored
	Stderr func(line string) // called for each line of standard error; nil: ignored

	Printed  func(line string, stderr bool)    // for each line of both outputs that a terminal would keep (CR)
	Progress func(percent float64, known bool) // called for each OSC 9;4 in either output: 0 to 100, if known; nil: ignored

	Stdin   string // standard input of the command
	TTY     bool   // one terminal for both outputs, read as standard output: programs do not buffer lines to a terminal
	OKCodes []int  // exit codes that mean success; nil: 0

	MaxOutput int           // bytes of Result.Stdout and of Result.Tail kept, each; 0: 64 KiB
	Grace     time.Duration // between TERM and KILL; 0: 5 s
}

// A Result is the outcome of a run. It is filled as far as the run got, even when Run returns an error.
type Result struct {
	Stdout    []byte // the first MaxOutput bytes of standard output, unchanged
	Truncated bool   // standard output was longer
	Tail      []byte // the last whole lines of both outputs as Printed, at most MaxOutput bytes
	ExitCode  int    // -1: not started, or ended by a signal
}

// An ExitError means that a command ended without success.
type ExitError struct {
	Code   int    // exit code, 1 to 255; -1: ended by a signal
	Signal string // for example "killed" or "segmentation fault"; empty: exited by itself
}

func (e *ExitError) Error() string {
	if e.Signal != "" {
		return fmt.Sprintf("command: ended by a signal (%s)", e.Signal)
	}
	return fmt.Sprintf("command: exit status %d", e.Code)
}

// Run starts the command and returns when it is over (see the package). Its
// error is an [*ExitError], the reason why the command did not start, or wraps
// [context.Cause] of ctx if that ended the command; then the exit code does not count.
func (c *Command) Run(ctx context.Context) (Result, error) {
	if ctx.Err() != nil {
		return Result{ExitCode: -1}, fmt.Errorf("command: not started: %w", context.Cause(ctx))
	}
	p, err := c.start()
	if err != nil {
		return Result{ExitCode: -1}, c.startError(err)
	}
	defer p.end(true) // for a callback that panics; otherwise it has been called

	out := newOutput(c)
	var (
		stopped      error // why the group was asked to stop
		done         = ctx.Done()
		exited       = p.exited
		grace, delay <-chan time.Time
	)
	for open := p.outputs(); open > 0 || exited != nil; {
		select {
		case k := <-p.chunks:
			if k.data == nil {
				open--
			}
			out.write(k)
		case <-done:
			done = nil
			stopped = context.Cause(ctx)
			p.terminate()
			grace = time.After(orDefault(c.Grace, defaultGrace))
		case <-grace:
			p.kill()
			delay = time.After(waitDelay)
		case <-exited:
			exited, done = nil, nil
			if stopped == nil { // otherwise the other processes have the rest of the grace
				delay = time.After(waitDelay)
			}
		case <-delay:
			if exited == nil {
				open = 0
			} else {
				delay = time.After(waitDelay)
			}
		}
	}
	out.end()
	end := p.end(stopped != nil)

	r := Result{Stdout: out.stdout, Truncated: out.truncated, Tail: out.tail.bytes(), ExitCode: end.code}
	if stopped != nil {
		return r, fmt.Errorf("command: stopped: %w", stopped)
	}
	if ok := c.OKCodes; end.signal != "" || end.code != 0 && ok == nil || ok != nil && !slices.Contains(ok, end.code) {
		return r, &ExitError{Code: end.code, Signal: end.signal}
	}
	return r, nil
}

func orDefault[T int | time.Duration](v, fallback T) T {
	if v <= 0 {
		return fallback
	}
	return v
}

// environment returns the variables that every command gets.
func environment() []string {
	env := []string{}
	for _, k := range []string{"PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER"} {
		if v, ok := os.LookupEnv(k); ok {
			env = append(env, k+"="+v)
		}
	}
	return env
}

// A process is a started command: the goroutine of Run owns it. Its three
// goroutines end before end returns: one for each output and one that waits for the exit.
type process struct {
	child                // the part that differs between systems
	stdout *os.File      // reading end
	stderr *os.File      // nil: both outputs come as one
	stdin  *os.File      // writing end; nil: no input
	chunks chan chunk    // unbuffered: a received chunk is valid until the next one of its output
	exited chan struct{} // closed when the first process has exited
	quit   chan struct{} // closed by end: chunks are no longer received
	wg     sync.WaitGroup
	ended  bool
	ending ending
}

// An ending is how the first process ended.
type ending struct {
	code   int    // -1: by a signal
	signal string // its name
}

// A chunk is a piece of an output; without data, its end.
type chunk struct {
	stderr bool
	data   []byte
}

func (c *Command) start() (*process, error) {
	if len(c.Argv) == 0 {
		return nil, errEmptyArgv
	}
	cmd := exec.Command(c.Argv[0], c.Argv[1:]...)
	cmd.Dir = c.Dir
	cmd.Env = append(environment(), c.Env...)

	p := &process{chunks: make(chan chunk), exited: make(chan struct{}), quit: make(chan struct{})}
	var files []*os.File
	pipe := func() (r, w *os.File, err error) {
		if r, w, err = os.Pipe(); err == nil {
			files = append(files, r, w)
		}
		return r, w, err
	}
	var inR, outW, errW *os.File
	var err error
	if c.TTY {
		if p.stdout, outW, err = openTerminal(); err == nil {
			files = append(files, p.stdout, outW)
			errW = outW
		}
	} else if p.stdout, outW, err = pipe(); err == nil {
		p.stderr, errW, err = pipe()
	}
	if c.Stdin != "" && err == nil {
		inR, p.stdin, err = pipe()
		cmd.Stdin = inR
	}
	if err == nil {
		cmd.Stdout, cmd.Stderr = outW, errW
		err = p.launch(cmd)
	}
	if err != nil {
		for _, f := range files {
			f.Close()
		}
		return nil, err
	}
	outW.Close()
	errW.Close() // for a terminal it is the same file
	if c.Stdin != "" {
		inR.Close()
		p.wg.Go(func() { // until everything is read, or end closes it
			_, _ = p.stdin.WriteString(c.Stdin)
			p.stdin.Close()
		})
	}
	p.wg.Go(func() { p.wait(); close(p.exited) })
	p.wg.Go(func() { p.read(p.stdout, false) })
	if p.stderr != nil {
		p.wg.Go(func() { p.read(p.stderr, true) })
	}
	return p, nil
}

// outputs returns how many outputs there are.
func (p *process) outputs() int {
	if p.stderr == nil {
		return 1
	}
	return 2
}

func (p *process) read(f *os.File, stderr bool) {
	// Run receives a chunk only after it has handled the previous one, so with two alternating buffers none is written
	// while it is read.
	buffers := [2][]byte{make([]byte, chunkSize), make([]byte, chunkSize)}
	for i := 0; ; i ^= 1 {
		n, err := f.Read(buffers[i])
		if n > 0 && !p.send(chunk{stderr, buffers[i][:n]}) {
			return
		}
		if err != nil {
			p.send(chunk{stderr, nil})
			return
		}
	}
}

func (p *process) send(k chunk) bool {
	select {
	case p.chunks <- k:
		return true
	case <-p.quit:
		return false
	}
}

// end kills what is left, everything or only the group, and waits for the goroutines.
func (p *process) end(all bool) ending {
	if p.ended {
		return p.ending
	}
	p.ended = true
	if all {
		p.kill()
	} else {
		p.finish()
	}
	<-p.exited
	p.ending = p.child.end()
	close(p.quit)
	for _, f := range []*os.File{p.stdin, p.stdout, p.stderr} {
		f.Close() // closing a nil file only returns an error
	}
	p.wg.Wait()
	return p.ending
}
