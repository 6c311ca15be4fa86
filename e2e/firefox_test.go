package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"
)

// A firefox is the one Firefox that all tests share, driven by WebDriver BiDi (https://www.w3.org/TR/webdriver-bidi/). It
// is started by the first test that needs it, and killed after the last one. One goroutine reads what it says; it ends when
// the connection does.
type firefox struct {
	cmd  *exec.Cmd
	conn *websocket.Conn
	home string // with its profile

	mu      sync.Mutex              // guards the fields below
	last    int                     // the id of the newest command
	answers map[int]chan foxMessage // of commands that are not answered yet
	tabs    map[string]*fox         // by their browsing contexts
	gone    error                   // why the connection ended; nil: it lasts
}

// A fox is one tab of it, with cookies and storage of its own, looking at a gateway.
type fox struct {
	t   *testing.T
	of  *firefox
	tab string // its browsing context

	complaint []string         // what the console said that it should not; guarded by of.mu
	expected  []*regexp.Regexp // what it may say
}

// A foxMessage is an answer to a command, or an event.
type foxMessage struct {
	ID      int             `json:"id"`
	Type    string          `json:"type"` // success, error or event
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
	Result  json.RawMessage `json:"result"`
	Error   string          `json:"error"`
	Message string          `json:"message"`
}

// listening is the line in which Firefox says where it can be driven.
var listening = regexp.MustCompile(`WebDriver BiDi listening on (ws://\S+)`)

// findFirefox returns the path of a Firefox, or an error that says how to get one.
func findFirefox() (string, error) {
	for _, name := range []string{os.Getenv("TIDEWIRE_FIREFOX"), "firefox-esr", "firefox"} {
		if name == "" {
			continue
		}
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("e2e: no Firefox found: install it (Debian: apt-get install firefox-esr), or set TIDEWIRE_FIREFOX to the path of one")
}

// shared is the Firefox of all tests. [run] ends it.
var (
	shared      = sync.OnceValues(startFirefox)
	firefoxUsed atomic.Bool // a test has asked for it
)

// startFirefox starts a Firefox with a profile of its own.
func startFirefox() (*firefox, error) {
	path, err := findFirefox()
	if err != nil {
		return nil, err
	}
	home, err := os.MkdirTemp("", "firefox")
	if err != nil {
		return nil, err
	}
	// Without these it asks servers of its maker for news, which nobody here answers.
	prefs := `user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("app.update.disabledForTesting", true);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("browser.safebrowsing.malware.enabled", false);
user_pref("browser.safebrowsing.phishing.enabled", false);
user_pref("services.settings.server", "data:,#remote-settings-dummy/v1");
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.startup.homepage_override.mstone", "ignore");
user_pref("ui.prefersReducedMotion", 1);
`
	if err := os.WriteFile(filepath.Join(home, "user.js"), []byte(prefs), 0o600); err != nil {
		return nil, err
	}
	f := &firefox{home: home, answers: map[int]chan foxMessage{}, tabs: map[string]*fox{}}
	f.cmd = exec.Command(path, "--headless", "--no-remote", "--profile", home, "--remote-debugging-port", "0", "about:blank")
	f.cmd.Env = append(os.Environ(), "HOME="+home, "MOZ_CRASHREPORTER_DISABLE=1")
	out, err := f.cmd.StderrPipe()
	if err == nil {
		err = f.cmd.Start()
	}
	if err != nil {
		return nil, err
	}
	url, err := address(out)
	if err == nil {
		f.conn, _, err = websocket.Dial(context.Background(), url+"/session", nil)
	}
	if err != nil {
		f.end()
		return nil, fmt.Errorf("e2e: %s cannot be driven: %w", path, err)
	}
	f.conn.SetReadLimit(1 << 26) // pictures are long
	go f.read()
	for _, command := range []struct {
		method string
		params map[string]any
	}{
		{"session.new", map[string]any{"capabilities": map[string]any{}}},
		{"session.subscribe", map[string]any{"events": []string{"log.entryAdded"}}},
		{"script.addPreloadScript", map[string]any{"functionDeclaration": "() => {" + strings.ReplaceAll(helpers, "var ", "window.") + "}"}},
	} {
		if _, err := f.do(command.method, command.params); err != nil {
			f.end()
			return nil, err
		}
	}
	return f, nil
}

// end kills it and removes its profile.
func (f *firefox) end() {
	_ = f.cmd.Process.Kill()
	_ = f.cmd.Wait() // it was killed
	_ = os.RemoveAll(f.home)
}

// openFirefox looks at url in a tab of Firefox until the test ends.
func openFirefox(t *testing.T, url string) *fox {
	t.Helper()
	firefoxUsed.Store(true)
	of, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	f := &fox{t: t, of: of}
	var user struct{ UserContext string }
	f.do("browser.createUserContext", map[string]any{}, &user)
	var tab struct{ Context string }
	f.do("browsingContext.create", map[string]any{"type": "tab", "userContext": user.UserContext}, &tab)
	f.tab = tab.Context
	of.mu.Lock()
	of.tabs[f.tab] = f
	of.mu.Unlock()
	t.Cleanup(func() {
		f.finish()
		f.do("browser.removeUserContext", map[string]any{"userContext": user.UserContext}, nil)
	})
	f.size(1280, 900)
	f.goTo(url)
	return f
}

// address returns where the Firefox that writes to out can be driven, and reads on until out ends.
func address(out io.Reader) (string, error) {
	found := make(chan string, 1)
	go func() {
		defer close(found)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if m := listening.FindStringSubmatch(lines.Text()); m != nil {
				found <- m[1]
			}
		}
	}()
	if url, ok := <-found; ok {
		return url, nil
	}
	return "", errors.New("it has ended")
}

// read takes what Firefox says until the connection ends.
func (f *firefox) read() {
	for {
		_, data, err := f.conn.Read(context.Background())
		f.mu.Lock()
		if err != nil {
			f.gone = err
			for id, answer := range f.answers {
				close(answer)
				delete(f.answers, id)
			}
			f.mu.Unlock()
			return
		}
		f.hear(data)
		f.mu.Unlock()
	}
}

// hear takes a message. f.mu is held.
func (f *firefox) hear(data []byte) {
	var m foxMessage
	if err := json.Unmarshal(data, &m); err != nil {
		return // it always says JSON
	}
	if answer := f.answers[m.ID]; answer != nil && m.Type != "event" {
		delete(f.answers, m.ID)
		answer <- m
		return
	}
	var entry struct {
		Level, Text string
		Source      struct{ Context string }
	}
	if m.Method != "log.entryAdded" || json.Unmarshal(m.Params, &entry) != nil || entry.Level != "error" && entry.Level != "warn" {
		return
	}
	if tab := f.tabs[entry.Source.Context]; tab != nil {
		tab.complaint = append(tab.complaint, entry.Level+": "+entry.Text)
	}
}

// do has Firefox carry out a command, and returns the result.
func (f *firefox) do(method string, params any) (json.RawMessage, error) {
	f.mu.Lock()
	f.last++
	id, answer, err := f.last, make(chan foxMessage, 1), f.gone
	if err == nil {
		f.answers[id] = answer
	}
	f.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err == nil {
		data, _ := json.Marshal(map[string]any{"id": id, "method": method, "params": params})
		err = f.conn.Write(ctx, websocket.MessageText, data)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	select {
	case m, ok := <-answer:
		if !ok {
			return nil, fmt.Errorf("%s: the connection to Firefox has ended", method)
		}
		if m.Type == "error" {
			return nil, fmt.Errorf("%s: %s: %s", method, m.Error, m.Message)
		}
		return m.Result, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: no answer", method)
	}
}

// do has Firefox carry out a command, and takes its result if there is room for it.
func (f *fox) do(method string, params, result any) {
	f.t.Helper()
	answer, err := f.of.do(method, params)
	if err == nil && result != nil {
		err = json.Unmarshal(answer, result)
	}
	if err != nil {
		f.t.Fatalf("%v; the console says %q", err, f.complaints())
	}
}

func (f *fox) size(width, height int) {
	f.t.Helper()
	f.do("browsingContext.setViewport", map[string]any{"context": f.tab, "viewport": map[string]int{"width": width, "height": height}}, nil)
}

func (f *fox) goTo(url string) {
	f.t.Helper()
	f.do("browsingContext.navigate", map[string]any{"context": f.tab, "url": url, "wait": "complete"}, nil)
}

// eval gives the value of a JavaScript expression, in JSON, to into.
func (f *fox) eval(expression string, into any) {
	f.t.Helper()
	var answer struct {
		Type             string
		Result           struct{ Type, Value string }
		ExceptionDetails struct{ Text string }
	}
	f.do("script.evaluate", map[string]any{
		"expression": "(async () => JSON.stringify(await (" + expression + ") ?? null))()", "awaitPromise": true,
		"target": map[string]string{"context": f.tab},
	}, &answer)
	if answer.Type != "success" {
		f.t.Fatalf("evaluating %s: %s", expression, answer.ExceptionDetails.Text)
	}
	if err := json.Unmarshal([]byte(answer.Result.Value), into); err != nil {
		f.t.Fatalf("evaluating %s: %s: %v", expression, answer.Result.Value, err)
	}
}

// await waits until the condition, a JavaScript expression, holds.
func (f *fox) await(condition string) {
	f.t.Helper()
	var is bool
	f.eval(fmt.Sprintf(`Promise.race([holds(() => (%s)), new Promise((done) => setTimeout(() => done(false), %d))])`, condition, patience.Milliseconds()-1000), &is)
	if !is {
		var shown string
		f.eval("document.body.innerText", &shown)
		f.t.Fatalf("waiting for %s; the console says %q, the page\n%s", condition, f.complaints(), shown)
	}
}

// press presses keys one after the other, each given by its character or by its code in WebDriver.
func (f *fox) press(keys ...string) {
	f.t.Helper()
	var actions []map[string]string
	for _, key := range keys {
		actions = append(actions, map[string]string{"type": "keyDown", "value": key}, map[string]string{"type": "keyUp", "value": key})
	}
	f.do("input.performActions", map[string]any{"context": f.tab, "actions": []any{map[string]any{"type": "key", "id": "keyboard", "actions": actions}}}, nil)
}

// Keys in the words of WebDriver.
const (
	foxTab    = "\ue004"
	foxEnter  = "\ue007"
	foxEscape = "\ue00c"
)

// click presses the mouse in the middle of the first element that selector selects.
func (f *fox) click(selector string) {
	f.t.Helper()
	f.await(fmt.Sprintf("document.querySelector(%q)", selector))
	var at [2]float64
	f.eval(fmt.Sprintf(`(() => {
		const node = document.querySelector(%q);
		node.scrollIntoView({ block: "nearest", behavior: "instant" });
		const box = node.getBoundingClientRect();
		return [Math.round(box.x + box.width / 2), Math.round(box.y + box.height / 2)];
	})()`, selector), &at)
	f.do("input.performActions", map[string]any{"context": f.tab, "actions": []any{map[string]any{
		"type": "pointer", "id": "mouse", "actions": []map[string]any{
			{"type": "pointerMove", "x": at[0], "y": at[1]}, {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0},
		},
	}}}, nil)
}

// expect says that complaints of the console which match pattern are part of the test.
func (f *fox) expect(pattern string) {
	f.of.mu.Lock()
	defer f.of.mu.Unlock()
	f.expected = append(f.expected, regexp.MustCompile(pattern))
}

// complaints returns what the console said that it should not.
func (f *fox) complaints() (list []string) {
	f.of.mu.Lock()
	defer f.of.mu.Unlock()
complaints:
	for _, said := range f.complaint {
		for _, pattern := range f.expected {
			if pattern.MatchString(said) {
				continue complaints
			}
		}
		list = append(list, said)
	}
	return list
}

// finish checks what holds for every page at the end of every test.
func (f *fox) finish() {
	if f.t.Failed() {
		return
	}
	var size [2]int
	f.eval("[document.documentElement.scrollWidth, innerWidth]", &size)
	if size[0] > size[1] {
		f.t.Errorf("the page is %d pixels wide in a window of %d", size[0], size[1])
	}
	for _, said := range f.complaints() {
		f.t.Errorf("the browser complains: %s", said)
	}
}
