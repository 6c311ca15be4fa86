package pid1_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/pid1"
)

// TestMain lets the test binary be the first process of a container.
func TestMain(m *testing.M) {
	if os.Getenv("PID1_TEST") == "" {
		os.Exit(m.Run())
	}
	code, was, err := pid1.Become()
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(99)
	case was:
		os.Exit(code)
	}
	os.Exit(service())
}

// service is the second process: it leaves an orphan behind, says when that is gone, and
// ends at SIGTERM.
func service() int {
	terminate := make(chan os.Signal, 1)
	signal.Notify(terminate, syscall.SIGTERM)
	fmt.Println("pid", os.Getpid(), "parent", os.Getppid())
	// The shell ends at once; what it left writes its number, and ends when it may.
	out, err := exec.Command("sh", "-c", `setsid sh -c 'echo $$; exec 1>&-; read x <&3' 3<&0 &`).Output()
	if err != nil {
		fmt.Println(err)
		return 98
	}
	orphan := strings.TrimSpace(string(out))
	for ; ; time.Sleep(time.Millisecond) { // a zombie has an entry until somebody takes note of its end
		if syscall.Kill(atoi(orphan), 0) == syscall.ESRCH {
			break
		}
	}
	fmt.Println("gone")
	<-terminate
	return 7
}

func atoi(s string) (n int) { fmt.Sscan(s, &n); return n }

func TestBecome(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PID1_TEST=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skip("a name space of processes cannot be made here: ", err)
	}
	defer cmd.Process.Kill()
	lines := bufio.NewScanner(stdout)
	for _, want := range []string{"pid ", "gone"} {
		if !lines.Scan() || !strings.HasPrefix(lines.Text(), want) {
			t.Fatalf("the service says %q, want %q…", lines.Text(), want)
		}
		if want == "pid " && !strings.HasSuffix(lines.Text(), " parent 1") {
			t.Errorf("the service is %q, want a child of process 1", lines.Text())
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 7 {
		t.Errorf("process 1 ended with %v, want the service's exit status 7", err)
	}
}

func TestOrdinaryProcess(t *testing.T) {
	if code, was, err := pid1.Become(); code != 0 || was || err != nil {
		t.Errorf("Become() = %d, %v, %v, want nothing", code, was, err)
	}
}
