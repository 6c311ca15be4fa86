//go:build unix

package command_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/command"
)

func ExampleCommand_Run() {
	c := &command.Command{
		Argv:   []string{"/bin/sh", "-c", "echo scanning; echo 'no route' >&2; exit 3"},
		Stdout: func(line string) { fmt.Println("out:", line) },
		Stderr: func(line string) { fmt.Println("err:", line) },
	}
	result, err := c.Run(context.Background())
	fmt.Println(result.ExitCode, err)
	// Unordered output:
	// out: scanning
	// err: no route
	// 3 command: exit status 3
}

func sh(script string) *command.Command {
	return &command.Command{Argv: []string{"/bin/sh", "-c", script}}
}

func TestResult(t *testing.T) {
	tests := []struct {
		script string
		stdout string
		code   int
		err    string
	}{
		{"true", "", 0, ""},
		{"printf 'a\nb'", "a\nb", 0, ""},
		{"echo a; exit 7", "a\n", 7, "command: exit status 7"},
		{"echo a; kill -SEGV $$", "a\n", -1, "command: ended by a signal (segmentation fault)"},
		{"kill -KILL $$", "", -1, "command: ended by a signal (killed)"},
	}
	for _, tt := range tests {
		r, err := sh(tt.script).Run(t.Context())
		if got := fmt.Sprint(err); string(r.Stdout) != tt.stdout || r.ExitCode != tt.code || got != tt.err && (err != nil || tt.err != "") {
			t.Errorf("%s = %q, %d, %v, want %q, %d, %s", tt.script, r.Stdout, r.ExitCode, err, tt.stdout, tt.code, tt.err)
		}
		if exit, ok := errors.AsType[*command.ExitError](err); ok && (exit.Code != tt.code || (exit.Signal != "") != (tt.code < 0)) {
			t.Errorf("%s: ExitError = %+v, want the code %d and a signal only with -1", tt.script, *exit, tt.code)
		}
	}
}

func TestArgumentsAreNotInterpreted(t *testing.T) {
	args := []string{"a b", "$HOME", "`id`", "*", "", "ä\n", "'\""}
	c := &command.Command{Argv: append([]string{"printf", "%s\\0"}, args...)}
	r, err := c.Run(t.Context())
	if want := strings.Join(args, "\x00") + "\x00"; err != nil || string(r.Stdout) != want {
		t.Errorf("printf got %q, %v, want %q", r.Stdout, err, want)
	}
}

func TestEnvironmentIsClean(t *testing.T) {
	t.Setenv("TIDEWIRE_CANARY", "secret")
	t.Setenv("LANG", "C")
	t.Setenv("TZ", "UTC")
	c := helper("env", "DECLARED=1", "TZ=Europe/Berlin")
	r, err := c.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	allowed := []string{"PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER", "ROLE", "GORACE", "DECLARED"}
	lines := strings.Split(strings.TrimSpace(string(r.Stdout)), "\n")
	for _, l := range lines {
		if k, _, _ := strings.Cut(l, "="); !slices.Contains(allowed, k) {
			t.Errorf("the command sees %s, want only %v", k, allowed)
		}
	}
	for _, want := range []string{"PATH=" + os.Getenv("PATH"), "LANG=C", "DECLARED=1", "TZ=Europe/Berlin"} {
		if !slices.Contains(lines, want) {
			t.Errorf("the command sees %q, want also %s", lines, want)
		}
	}
}

func TestDirectoryAndRelativeProgram(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "where.sh"), []byte("#!/bin/sh\npwd -P\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := (&command.Command{Argv: []string{"./where.sh"}, Dir: dir}).Run(t.Context())
	if got := strings.TrimSpace(string(r.Stdout)); err != nil || got != real {
		t.Errorf("./where.sh in %s = %q, %v, want %q", dir, got, err, real)
	}
}

func TestStdinIsEmpty(t *testing.T) {
	if r, err := sh("cat; echo end").Run(t.Context()); err != nil || string(r.Stdout) != "end\n" {
		t.Errorf("cat = %q, %v, want nothing read", r.Stdout, err)
	}
}

func TestLinesComeWhileTheCommandRuns(t *testing.T) {
	w := newWitness(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	why := errors.New("seen")
	c := helper("polite", w.env())
	c.Grace = time.Hour
	var lines []string
	c.Stdout = func(line string) {
		lines = append(lines, line)
		if line == "ready" {
			cancel(why)
		}
	}
	r, err := c.Run(ctx)
	if !errors.Is(err, why) {
		t.Errorf("Run = %v, want %v", err, why)
	}
	// TERM was enough: it said bye, and nobody waited for the grace.
	if want := []string{"ready", "bye"}; !reflect.DeepEqual(lines, want) || string(r.Tail) != "ready\nbye\n" {
		t.Errorf("lines = %q, tail = %q, want %q in both", lines, r.Tail, want)
	}
}

func TestKillAfterGrace(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := helper("stubborn")
	c.Grace = 50 * time.Millisecond
	var lines []string
	var heard time.Time
	c.Stdout = func(line string) {
		lines = append(lines, line)
		switch line {
		case "ready":
			heard = time.Now()
			cancel()
		}
	}
	r, err := c.Run(ctx)
	if took := time.Since(heard); took < c.Grace {
		t.Errorf("killed %v after TERM, want not before %v", took, c.Grace)
	}
	if !errors.Is(err, context.Canceled) || r.ExitCode != -1 {
		t.Errorf("Run = %d, %v, want -1 and %v", r.ExitCode, err, context.Canceled)
	}
	if len(lines) == 0 || lines[0] != "ready" {
		t.Errorf("lines = %q, want ready first", lines)
	}
}

func TestKillReachesGrandchildren(t *testing.T) {
	w := newWitness(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := helper("grandparent", "CHILD=stubborn", w.env())
	c.Grace = 10 * time.Millisecond
	c.Stdout = func(line string) {
		if line == "ready" {
			cancel()
		}
	}
	if _, err := c.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want %v", err, context.Canceled)
	}
	conn, _ := w.meet()
	w.dies(conn)
}

// The first process ends with TERM at once; its child has the grace too.
func TestChildrenHaveTheGrace(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := helper("parent", "CHILD=slow")
	c.Grace = time.Hour
	c.Stdout = func(line string) {
		if line == "ready" {
			cancel()
		}
	}
	r, err := c.Run(ctx)
	if !errors.Is(err, context.Canceled) || string(r.Tail) != "ready\nbye\n" {
		t.Errorf("Run = %q, %v, want the child's bye and %v", r.Tail, err, context.Canceled)
	}
}

func TestTheFirstProcessEndsTheCommand(t *testing.T) {
	t.Parallel()
	w := newWitness(t)
	over := make(chan error, 1)
	go func() {
		_, err := helper("leaver", w.env()).Run(context.Background())
		over <- err
	}()
	a, _ := w.meet()
	b, line := w.meet()
	if line != "leaver" {
		a, b = b, a
	}
	b.Close()
	if err := <-over; err != nil {
		t.Errorf("Run = %v, want none: the first process exited with 0", err)
	}
	w.dies(a)
}

// What a child writes just after the first process exited is not lost.
func TestLastWordsOfChildren(t *testing.T) {
	t.Parallel()
	w := newWitness(t)
	var r command.Result
	over := make(chan error, 1)
	go func() {
		c := helper("heir", w.env())
		var err error
		r, err = c.Run(context.Background())
		over <- err
	}()
	conn, _ := w.meet()
	w.dies(conn)
	if err := <-over; err != nil || string(r.Tail) != "ready\norphan\n" {
		t.Errorf("Run = %q, %v, want the words of the child", r.Tail, err)
	}
}

// A process that left the group keeps the outputs open.
func TestEscapedProcessDoesNotHoldRunUp(t *testing.T) {
	t.Parallel()
	w := newWitness(t)
	over := make(chan error, 1)
	go func() {
		_, err := helper("daemon", w.env()).Run(context.Background())
		over <- err
	}()
	a, _ := w.meet()
	b, line := w.meet()
	if line != "leaver" {
		a, b = b, a
	}
	b.Close()
	select {
	case err := <-over:
		if err != nil {
			t.Errorf("Run = %v, want none", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("Run hangs on the output of a process that left the group")
	}
	// It is not ours to kill: the end of the connection ends it.
	if err := a.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Error("the escaped process is dead:", err)
	}
	w.dies(a)
}

// A process that left the group does not survive a command that is stopped: it was part of the work.
func TestAStoppedCommandTakesEscapedProcessesWithIt(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has subreapers")
	}
	w := newWitness(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := helper("daemon", w.env())
	c.Grace = time.Nanosecond
	over := make(chan error, 1)
	go func() {
		_, err := c.Run(ctx)
		over <- err
	}()
	a, _ := w.meet()
	b, _ := w.meet()
	cancel()
	w.dies(a)
	w.dies(b)
	if err := <-over; !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want %v", err, context.Canceled)
	}
}

func TestParentDeathKills(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells children that their parent died")
	}
	w := newWitness(t)
	runner := helper("runner", w.env())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() {
		runner.Grace = time.Nanosecond // TERM and KILL reach the runner, whose command is another group
		_, _ = runner.Run(ctx)
	})
	conn, _ := w.meet()
	cancel()
	wg.Wait()
	w.dies(conn)
}

func TestOutputIsBounded(t *testing.T) {
	c := sh(`i=0; while [ $i -lt 3000 ]; do echo "line $i"; i=$((i+1)); done`)
	c.MaxOutput = 105
	n := 0
	c.Stdout = func(string) { n++ }
	r, err := c.Run(t.Context())
	if err != nil || n != 3000 {
		t.Fatalf("%d lines, %v, want 3000", n, err)
	}
	if len(r.Stdout) != c.MaxOutput || !r.Truncated || !bytes.HasPrefix(r.Stdout, []byte("line 0\nline 1\n")) {
		t.Errorf("Stdout = %q, %t, want the first %d bytes, truncated", r.Stdout, r.Truncated, c.MaxOutput)
	}
	var last strings.Builder // the whole lines of 10 bytes that fit
	for i := 2990; i < 3000; i++ {
		fmt.Fprintf(&last, "line %d\n", i)
	}
	if string(r.Tail) != last.String() {
		t.Errorf("Tail = %q, want the last whole lines in at most %d bytes", r.Tail, c.MaxOutput)
	}
}

func TestExactlyMaxOutputIsNotTruncated(t *testing.T) {
	c := sh("printf 12345")
	c.MaxOutput = 5
	if r, err := c.Run(t.Context()); err != nil || r.Truncated || string(r.Stdout) != "12345" {
		t.Errorf("Run = %q, %t, %v, want 12345, whole", r.Stdout, r.Truncated, err)
	}
}

func TestBigOutput(t *testing.T) {
	var n int
	c := &command.Command{Argv: []string{"/bin/sh", "-c", "head -c 20000000 /dev/zero | tr '\\0' 'x' | fold -w 999"}}
	c.Stdout = func(line string) { n += len(line) }
	r, err := c.Run(t.Context())
	if err != nil || n != 20000000 || !r.Truncated || len(r.Stdout) != 64<<10 {
		t.Errorf("Run = %d bytes in lines, %d kept, %v, want 20000000 and %d", n, len(r.Stdout), err, 64<<10)
	}
}

func TestEndlessOutputIsStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	c := &command.Command{Argv: []string{"yes"}, Grace: time.Hour, Stdout: func(string) {
		if n++; n == 1000 {
			cancel()
		}
	}}
	if _, err := c.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("yes = %v, want %v", err, context.Canceled)
	}
}

func TestContextAlreadyDone(t *testing.T) {
	why := errors.New("too late")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	// A program that does not exist: an attempt to start it would say so.
	r, err := (&command.Command{Argv: []string{"/no/such"}}).Run(ctx)
	if !errors.Is(err, why) || r.ExitCode != -1 {
		t.Errorf("Run = %+v, %v, want -1 and %v", r, err, why)
	}
}

// A callback that panics takes the whole group with it and reaches the caller.
func TestCallbackPanics(t *testing.T) {
	w := newWitness(t)
	c := helper("parent", "CHILD=stubborn", w.env())
	c.Stdout = func(string) { panic("mine") }
	func() {
		defer func() {
			if r := recover(); r != "mine" {
				t.Errorf("recovered %v, want the callback's panic", r)
			}
		}()
		_, _ = c.Run(t.Context())
	}()
	conn, _ := w.meet()
	w.dies(conn)
}

func TestStartErrors(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := file("plain", "echo hi", 0o644)
	noShebang := file("noshebang", "echo hi", 0o755)
	badShebang := file("badshebang", "#!/does/not/exist\n", 0o755)
	tests := []struct {
		c    command.Command
		want string
		is   error
	}{
		{command.Command{}, "command: the argv is empty, want a program and its arguments", nil},
		{command.Command{Argv: []string{"no-such-program"}}, "command: no-such-program is not found in PATH: install it, or write its whole path", nil},
		{command.Command{Argv: []string{"/no/such"}}, "command: /no/such does not exist, want the path of a program", syscall.ENOENT},
		{command.Command{Argv: []string{"./none"}, Dir: dir}, "command: " + dir + "/none does not exist, want the path of a program", syscall.ENOENT},
		{command.Command{Argv: []string{plain}}, "command: " + plain + " is not executable, want chmod +x", syscall.EACCES},
		{command.Command{Argv: []string{dir}}, "command: " + dir + " is a directory, want the path of a program", syscall.EACCES},
		{command.Command{Argv: []string{noShebang}}, "command: " + noShebang + " is neither a program nor a script with a #! line", syscall.ENOEXEC},
		{command.Command{Argv: []string{badShebang}}, "command: " + badShebang + " names an interpreter in its first line that does not exist", syscall.ENOENT},
		{command.Command{Argv: []string{"true"}, Dir: "/no/such"}, "command: true: the working directory /no/such does not exist or cannot be read", syscall.ENOENT},
		{command.Command{Argv: []string{"true"}, Dir: plain}, "command: true: the working directory " + plain + " is not a directory", syscall.ENOTDIR},
		{command.Command{Argv: []string{"true", strings.Repeat("x", 4<<20)}}, "command: the arguments of true are longer than the system takes", syscall.E2BIG},
		{command.Command{Argv: []string{"true", "a\x00b"}}, "command: an argument or a variable of true has a NUL character, which no program can be given", syscall.EINVAL},
	}
	for _, tt := range tests {
		r, err := tt.c.Run(t.Context())
		if err == nil || err.Error() != tt.want || tt.is != nil && !errors.Is(err, tt.is) || r.ExitCode != -1 {
			t.Errorf("Run(%.60q in %q) = %d, %v (%#v), want %s", tt.c.Argv, tt.c.Dir, r.ExitCode, err, errors.Unwrap(err), tt.want)
		}
	}
}

// Many starts, ends and stops at once leave no goroutine, file or process.
func TestStartStopStress(t *testing.T) {
	w := newWitness(t)
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 8 {
				ctx, cancel := context.WithCancel(context.Background())
				c := sh("echo a; echo b >&2; exit 0")
				switch (worker + i) % 4 {
				case 0:
					c = helper("stubborn", w.env())
					c.Grace = time.Millisecond
				case 1:
					c = sh("while :; do echo x; done")
				case 2:
					cancel() // as early as can be
				}
				c.Stdout = func(string) { cancel() }
				_, err := c.Run(ctx)
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Errorf("Run(%q) = %v, want none or %v", c.Argv, err, context.Canceled)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	for range 16 { // each stubborn one
		conn, _ := w.meet()
		w.dies(conn)
		conn.Close()
	}
	if got := openFiles(t); got > files {
		t.Errorf("%d files open, want %d as before", got, files)
	}
	// A goroutine is counted for a moment longer than it can be waited for.
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > goroutines && time.Now().Before(end); {
		runtime.Gosched()
	}
	if got := runtime.NumGoroutine(); got > goroutines {
		t.Errorf("%d goroutines, want %d as before", got, goroutines)
	}
}

func openFiles(t *testing.T) int {
	if runtime.GOOS != "linux" {
		return 0
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// A program that looks whether its output is a terminal sees one, of an ordinary size.
func TestTerminal(t *testing.T) {
	c := sh("test -t 1 && test -t 2 && echo both; stty size <&1; cat; echo error >&2; exit 3")
	c.TTY = true
	var lines []string
	c.Stdout = func(line string) { lines = append(lines, line) }
	r, err := c.Run(t.Context())
	if want := []string{"both", "24 120", "error"}; !slices.Equal(lines, want) || r.ExitCode != 3 || string(r.Tail) != "both\n24 120\nerror\n" {
		t.Errorf("Run = %q, %+v, %v, want %q and exit code 3", lines, r, err, want)
	}
}

// TestStdin: a command reads what it is given, all of it or none.
func TestStdin(t *testing.T) {
	big := strings.Repeat("x", 1<<20)
	for script, want := range map[string]string{"wc -c": "1048576", "head -c 1": "x", "exit 0": "", "exec 0<&-; echo closed": "closed"} {
		c := sh(script)
		c.Stdin = big
		if r, err := c.Run(t.Context()); err != nil || strings.TrimSpace(string(r.Stdout)) != want {
			t.Errorf("%s = %q, %v, want %q", script, r.Stdout, err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	c := sh("echo up; exec sleep 60")
	c.Stdin, c.Stdout = big, func(string) { cancel() }
	if _, err := c.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Run of what does not read = %v, want %v", err, context.Canceled)
	}
}

func TestExitCodesThatAreNoErrors(t *testing.T) {
	for _, tt := range []struct {
		script string
		ok     []int
		want   int // -2: no error
	}{
		{"exit 0", nil, -2}, {"exit 1", nil, 1}, {"exit 1", []int{0, 1}, -2}, {"exit 0", []int{1}, 0}, {"exit 2", []int{0, 1}, 2}, {"kill -9 $$", []int{0, 255}, -1},
	} {
		c := sh(tt.script)
		c.OKCodes = tt.ok
		r, err := c.Run(t.Context())
		got, exit := -2, new(command.ExitError)
		if errors.As(err, &exit) {
			got = exit.Code
		}
		if got != tt.want {
			t.Errorf("%s with %v = %+v, %v, want %d", tt.script, tt.ok, r, err, tt.want)
		}
	}
}
