package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"golang.org/x/sys/unix"
)

// A pty is a terminal whose screen a test reads.
type pty struct {
	t    *testing.T
	user *os.File // where a person would type and look
	Tty  *os.File // where a program prints

	mu   sync.Mutex // guards seen
	seen string
	news chan struct{} // has one value if seen has grown
}

func newPty(t *testing.T, columns, rows uint16) *pty {
	t.Helper()
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("there are no pseudo-terminals here: ", err)
	}
	t.Cleanup(func() { user.Close() })
	n := -1
	control(t, user, func(fd int) error {
		if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
			return err
		}
		n, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		return err
	})
	p := &pty{t: t, user: user, news: make(chan struct{}, 1)}
	if p.Tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Tty.Close() })
	p.resize(columns, rows)
	go p.look()
	return p
}

func control(t *testing.T, f *os.File, do func(fd int) error) {
	t.Helper()
	conn, err := f.SyscallConn()
	if err == nil {
		other := conn.Control(func(fd uintptr) { err = do(int(fd)) })
		if err == nil {
			err = other
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (p *pty) resize(columns, rows uint16) {
	control(p.t, p.Tty, func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns})
	})
}

// look reads until the terminal is closed.
func (p *pty) look() {
	buf := make([]byte, 4096)
	for {
		n, err := p.user.Read(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		p.seen += string(buf[:n])
		p.mu.Unlock()
		select {
		case p.news <- struct{}{}:
		default:
		}
	}
}

// await waits for the terminal to have been sent what the pattern matches.
func (p *pty) await(pattern string) string {
	p.t.Helper()
	re, late := regexp.MustCompile(pattern), time.After(patience)
	for {
		p.mu.Lock()
		seen := p.seen
		p.mu.Unlock()
		if re.MatchString(seen) {
			return seen
		}
		select {
		case <-p.news:
		case <-late:
			p.t.Fatalf("the terminal was never sent %s, but %q", pattern, seen)
		}
	}
}

// ours is every sequence that a program here may send.
var ours = regexp.MustCompile(`\x1b\[(\d*[mK]|0m|H|J|\?25[hl]|\?1049[hl])`)

// unharmed fails the test if a terminal was sent anything else that could command it.
func unharmed(t *testing.T, seen string) {
	t.Helper()
	for _, r := range ours.ReplaceAllString(seen, "") {
		if r != '\n' && r != '\r' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf)) {
			t.Fatalf("%U is sent to the terminal in %q", r, seen)
		}
	}
}

func TestRunInATerminal(t *testing.T) {
	r := begin(t, "serve", "--listen", "127.0.0.1:0", file(t, `version: 1
jobs:
  fill:
    exec: [sh, -c, 'printf "::progress 50 \033[2J\033]0;owned\007half 水\n"; sleep 1; printf "\033[31mbroken\033[0m\n"; exit 7']
`))
	p := newPty(t, 60, 20)
	code := make(chan int, 1)
	go func() {
		code <- run(t.Context(), []string{"run", "--url", r.url, "fill"}, strings.NewReader(""), p.Tty, p.Tty)
	}()
	p.await(`\rfill  ████▌░░░░  50%  half 水 +.*0:00`)
	seen := p.await(`✖.* fill failed after 0:0\d: exit status 7\r\n.*  broken\r\n`)
	if got := <-code; got != 7 {
		t.Errorf("exit code %d, want that of the command, 7", got)
	}
	if !strings.Contains(seen, "Ctrl-C cancels it\r\n") {
		t.Errorf("what Ctrl-C does is not said in %q", seen)
	}
	unharmed(t, seen)
	for _, line := range strings.Split(seen, "\r") {
		if n := len([]rune(ours.ReplaceAllString(line, ""))); strings.Contains(line, "█") && n > 59 {
			t.Errorf("%q is %d columns wide in a terminal of 60", line, n)
		}
	}
}

// What a job has printed is shown in its colours on a terminal, and in no other way that it wanted.
func TestOutputInATerminal(t *testing.T) {
	r := begin(t, "serve", "--listen", "127.0.0.1:0", file(t, `version: 1
jobs:
  say: {exec: [sh, -c, 'printf "it \033[2J\033]0;owned\007\033[38;5;196;1mbroke\033[0m and\tmore\n"']}
`))
	for _, colours := range []bool{true, false} {
		shown := "it broke and"
		if colours {
			shown = `it \x1b\[91;1mbroke\x1b\[0m and`
		}
		p := newPty(t, 80, 20)
		if !colours {
			t.Setenv("NO_COLOR", "1")
		}
		if code := run(t.Context(), []string{"run", "--output", "--url", r.url, "say"}, strings.NewReader(""), p.Tty, p.Tty); code != 0 {
			t.Errorf("exit code %d", code)
		}
		seen := p.await(shown + ` more\r\n(?s:.*)✔`)
		id := regexp.MustCompile(`say: run (\w+)`).FindStringSubmatch(seen)[1]
		if code := run(t.Context(), []string{"output", "--url", r.url, id}, strings.NewReader(""), p.Tty, p.Tty); code != 0 {
			t.Errorf("exit code %d", code)
		}
		seen = p.await(shown + ` more\r\n(?s:.*)✔(?s:.*)` + shown + `\tmore\r\n`)
		if strings.Contains(seen, "owned") || strings.Contains(seen, "\x1b[2J") {
			t.Errorf("the terminal was sent %q", seen)
		}
	}
}

func TestWatchInATerminal(t *testing.T) {
	r := begin(t, "serve", "--listen", "127.0.0.1:0", file(t, `version: 1
sources:
  tank: {exec: [echo, '41.5'], parse: json, show: {unit: "%"}}
  evil: {exec: [sh, -c, 'printf "\033[2J\033]0;owned\007\033[31mred\302\2335n \342\200\256gnp \177\b水位"'], parse: text, show: {unit: "\u202e°"}}
  gone: {exec: [sh, -c, 'printf "\033[2Joops" >&2; exit 1']}
`))
	r.await("a failure", func(v map[string]any) bool { return v["name"] == "gone" && v["state"] == "failing" })
	p := newPty(t, 80, 8)
	ctx, cancel := contextWithCancel(t)
	code := make(chan int, 1)
	go func() { code <- run(ctx, []string{"watch", r.url}, strings.NewReader(""), p.Tty, p.Tty) }()
	p.await(`\x1b\[\?1049h.*\x1b\[H` + r.url + `  2 ok, 1 failing +.*live`)
	seen := p.await(`tank +.*● ok.* +41\.5 % .*`)
	if !strings.Contains(seen, "red5n \ufffdgnp 水位") {
		t.Errorf("the hostile text is not shown as harmless in %q", seen)
	}
	p.resize(30, 4) // the headline, an empty line, the table's, and what does not fit
	p.await(`\x1b\[H` + r.url[:18] + `.*\r\n.*\r\n.*SOURCE.*\r\nand 3 more`)
	cancel()
	if got := <-code; got != 0 {
		t.Errorf("exit code %d, want 0", got)
	}
	seen = p.await(`\x1b\[\?1049l(?s).*gone.*\r\n`)
	unharmed(t, seen)
	_, frame, _ := strings.Cut(seen, "and 3 more")
	_, after, _ := strings.Cut(frame, "\x1b[?1049l")
	for _, line := range strings.Split(after, "\r\n") {
		if n := len([]rune(ours.ReplaceAllString(line, ""))); n > 30 {
			t.Errorf("%q is %d columns wide in a terminal of 30", line, n)
		}
	}
}

// In a terminal a secret is asked for, and nobody sees what is typed.
func TestRunAgainAsksForSecrets(t *testing.T) {
	r := begin(t, "serve", "--listen", "127.0.0.1:0", file(t, `version: 1
jobs: {scan: {exec: [cat], stdin: '{token}', args: {token: {type: string, secret: true, title: Token}}}}
`))
	t.Setenv("TIDEWIRE_URL", r.url)
	tidewire(t, "run", "scan", "token=open-sesame")
	p := newPty(t, 80, 24)
	code := make(chan int, 1)
	go func() { code <- run(t.Context(), []string{"run", "scan", "--again"}, p.Tty, p.Tty, p.Tty) }()
	p.await("Token: ")
	if _, err := p.user.WriteString("not-to-be-seen\n"); err != nil {
		t.Fatal(err)
	}
	seen := p.await("succeeded")
	if got := <-code; got != 0 || strings.Contains(seen, "not-to-be-seen") {
		t.Errorf("the command = %d, and the terminal shows %q", got, seen)
	}
}

// In a terminal somebody chooses, and is asked again after a mistake; what is written works.
func TestExploreInATerminal(t *testing.T) {
	server := explorable(t)
	t.Chdir(t.TempDir())
	if err := os.WriteFile("mine.yaml", []byte("version: 1\nsources: {tank: {exec: [a]}} # old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := newPty(t, 90, 40)
	var stdout strings.Builder
	code := make(chan int, 1)
	go func() {
		code <- run(t.Context(), []string{"explore", server.URL + "/tank", "--wait", "10ms"}, p.Tty, &stdout, p.Tty)
	}()
	answer := func(pattern, text string) {
		t.Helper()
		p.await(pattern)
		if _, err := p.user.WriteString(text + "\n"); err != nil {
			t.Fatal(err)
		}
	}
	answer(`What to pick.* \[2\]: $`, "7")
	answer(`there is no 7 in the list, which has 5 values\r\n(?s).*What to pick.* \[2\]: $`, "level=2 4 'full=.level > 99'")
	answer(`or - to print it \[-\]: $`, "mine.yaml")
	answer(`Name of the source \[tank-2\]: $`, "tank")
	answer(`mine.yaml already has a source tank\r\nName of the source \[tank-2\]: $`, "t-101")
	answer(`Shown large \[level\]: $`, "")
	answer(`Its unit, such as °C or %: $`, "%")
	answer(`How often, such as 10s or 5m \[10s\]: $`, "never")
	answer(`that is not a duration.*\r\nHow often.*: $`, "30s")
	seen := p.await(`t-101 is .*, and is in mine.yaml\r\nrun it with: tidewire serve mine.yaml\r\n`)
	if got := <-code; got != 0 || stdout.String() != "" {
		t.Errorf("exit code %d, stdout %q", got, &stdout)
	}
	unharmed(t, seen)
	text, err := os.ReadFile("mine.yaml")
	want := `version: 1
sources: {t-101: {http: {upstream: local, path: /tank}, every: 30s, pick: {level: .level, flow: .pump.flow, full: ".level > 99"}, show: {value: level, unit: "%", history: 24h}}, tank: {exec: [a]}} # old

upstreams:
  local: {http: ` + server.URL + `}
`
	if err != nil || string(text) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, text, want)
	}
}

// In a terminal somebody is asked which field names a row, and picks from the first one.
func TestExploreSplitsInATerminal(t *testing.T) {
	server := explorable(t)
	t.Chdir(t.TempDir())
	p := newPty(t, 120, 40)
	code := make(chan int, 1)
	go func() {
		code <- run(t.Context(), []string{"explore", server.URL + "/devices", "--wait", "10ms"}, p.Tty, io.Discard, p.Tty)
	}()
	answer := func(pattern, text string) {
		t.Helper()
		p.await(pattern)
		if _, err := p.user.WriteString(text + "\n"); err != nil {
			t.Fatal(err)
		}
	}
	answer(`2 rows in .devices\[\]: each can be a source of its own.*\r\nThe field that names a row \(id, label\), or - for one source of all \[id\]: $`, "temp")
	answer(`temp does not tell the rows .*, but there is id, label\r\nThe field.* \[id\]: $`, "label")
	answer(`the first row, north:\r\n(?s).*What to pick.* \[3\]: $`, "3")
	answer(`or - to print it \[-\]: $`, "mine.yaml")
	answer(`Name of the source \[devices\]: $`, "")
	answer(`Its unit, such as °C or %: $`, "°C")
	answer(`How often.*: $`, "30s")
	p.await(`devices/north is .*, and is in mine.yaml\r\n`)
	text, err := os.ReadFile("mine.yaml")
	const want = `  devices:
    http: {upstream: local, path: /devices}
    every: 30s
    split: {each: ".devices[]", name: .label}
    pick: {temp: .temp}
    show: {value: temp, unit: °C, history: 24h}
`
	if got := <-code; got != 0 || err != nil || !strings.HasSuffix(string(text), want) {
		t.Errorf("exit code %d, %v\n%s\nwant\n%s", got, err, text, want)
	}
}

// Whoever leaves has nothing written.
func TestExploreCanBeLeft(t *testing.T) {
	server := explorable(t)
	t.Chdir(t.TempDir())
	p := newPty(t, 90, 40)
	var stdout strings.Builder
	code := make(chan int, 1)
	go func() {
		code <- run(t.Context(), []string{"explore", server.URL + "/tank", "--wait", "0", "--write", "mine.yaml"}, p.Tty, &stdout, p.Tty)
	}()
	p.await(`What to pick.*: $`)
	if _, err := p.user.WriteString("\x04"); err != nil { // Ctrl-D
		t.Fatal(err)
	}
	if got := <-code; got != exitInterrupted || stdout.String() != "" {
		t.Errorf("exit code %d, stdout %q", got, &stdout)
	}
	if _, err := os.Stat("mine.yaml"); err == nil {
		t.Error("a file was written")
	}
}
