package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience bounds every wait for something that must happen. It is never waited
// out where the code is right.
const patience = 30 * time.Second

// helpers are the words in which conditions on the document are written.
const helpers = `
	var card = (name) => [...document.querySelectorAll(".card, .row, .tile, .job")].find((n) => n.dataset.key.replace(/^\w+\//, "") === name) ?? null;
	var text = (name, part) => { const n = card(name).querySelector(part); return n.checkVisibility({ visibilityProperty: true }) ? n.textContent : ""; };
	var connection = () => document.querySelector(".connection").textContent.trim().toLowerCase();
	var value = (name) => text(name, ".value b");
	var band = () => document.querySelector(".band")?.innerText ?? "";
	var dialog = () => document.querySelector("dialog[open]");
	var holds = (condition) => new Promise((resolve) => {
		const check = () => { try { return condition(); } catch { return false; } };
		if (check()) return resolve(true);
		const observer = new MutationObserver(() => check() && (observer.disconnect(), resolve(true)));
		observer.observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
	});
`

// hurried is JavaScript after which hurry(ms) has the page's clock go ahead by so much.
const hurried = `
	var hurry = ((now) => (ms) => { Date.now = () => now() + ms; return true; })(Date.now);
`

// A page is one tab in a browser context of its own, looking at a gateway.
type page struct {
	t    testing.TB
	ctx  context.Context
	gone context.CancelFunc // closes the tab; nil once it is closed

	mu        sync.Mutex // guards the fields below
	complaint []string   // what the console said that it should not
	expected  []*regexp.Regexp
}

// A view is how a page is looked at. The zero value is a dark desktop.
type view struct {
	width, height int64  // in CSS pixels; 0: 1280 by 900
	scheme        string // "dark" or "light"; "": dark
	scale         float64
	before        string // JavaScript that runs before the page's own
	zone          string // time zone of the reader, such as UTC; "": that of the machine
}

// open looks at a page until the test ends.
func open(t testing.TB, url string, v view) *page {
	t.Helper()
	return show(t, browser, url, v, chromedp.WithNewBrowserContext())
}

// tab opens a page in another tab of the same browser, which ends with the tab that open opened.
func (p *page) tab(url string, v view) *page {
	p.t.Helper()
	return show(p.t, p.ctx, url, v)
}

// close closes the tab; nothing else can be done with it then.
func (p *page) close() {
	p.t.Helper()
	p.finish()
	p.gone()
	p.gone = nil
}

func show(t testing.TB, parent context.Context, url string, v view, options ...chromedp.ContextOption) *page {
	t.Helper()
	if v.width == 0 {
		v.width, v.height = 1280, 900
	}
	if v.scheme == "" {
		v.scheme = "dark"
	}
	if v.scale == 0 {
		v.scale = 1
	}
	p := &page{t: t}
	ctx, cancel := chromedp.NewContext(parent, append(options, chromedp.WithListener(p.listen))...)
	t.Cleanup(cancel)
	p.ctx, p.gone = ctx, cancel
	if v.zone != "" {
		p.do(call(emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: v.zone}))
	}
	p.do(
		inScheme(v.scheme),
		call(emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}),
		call(cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: helpers + v.before}),
		chromedp.EmulateViewport(v.width, v.height, chromedp.EmulateScale(v.scale)),
		chromedp.Navigate(url),
	)
	t.Cleanup(p.finish)
	return p
}

// inScheme has the page shown in a colour scheme, without motion.
func inScheme(scheme string) chromedp.Action[chromedp.Void] {
	return call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme},
		{Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

// goTo looks at another page in the same tab.
func (p *page) goTo(url string) {
	p.t.Helper()
	p.do(chromedp.Navigate(url))
}

// call makes an action of a protocol command whose result does not matter.
func call[P, R any](command cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, params)
		return err
	})
}

// listen collects what is wrong with the page. Violations of the policy are entries
// of the log.
func (p *page) listen(event any) {
	var said string
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		said = fmt.Sprintf("exception: %s", e.ExceptionDetails.Text)
		if e.ExceptionDetails.Exception != nil {
			said += " " + e.ExceptionDetails.Exception.Description
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type != "error" && e.Type != "warning" && e.Type != "assert" {
			return
		}
		said = fmt.Sprintf("console.%s:", e.Type)
		for _, arg := range e.Args {
			said += fmt.Sprintf(" %s%s", arg.Value, arg.Description)
		}
	case *cdplog.EventEntryAdded:
		if e.Entry.Level != "error" && e.Entry.Level != "warning" {
			return
		}
		said = fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL)
	default:
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.complaint = append(p.complaint, said)
}

// expect says that complaints of the console which match pattern are part of the test.
func (p *page) expect(pattern string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expected = append(p.expected, regexp.MustCompile(pattern))
}

// finish checks what holds for every page at the end of every test.
func (p *page) finish() {
	if p.t.Failed() || p.gone == nil {
		return
	}
	p.fits()
	p.mu.Lock()
	defer p.mu.Unlock()
complaints:
	for _, said := range p.complaint {
		for _, pattern := range p.expected {
			if pattern.MatchString(said) {
				continue complaints
			}
		}
		p.t.Errorf("the browser complains: %s", said)
	}
}

// do runs steps and fails the test when one of them fails.
func (p *page) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	// The first use of the context binds the tab's life to it: it must not have a deadline.
	if err := chromedp.Do(p.ctx); err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.fail("%v", err)
	}
}

// await waits until the condition, a JavaScript expression, holds.
func (p *page) await(condition string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`holds(() => (`+condition+`))`, awaitPromise)); err != nil {
		p.fail("waiting for %s: %v", condition, err)
	}
}

func awaitPromise(params *runtime.EvaluateParams) { params.AwaitPromise = new(true) }

// eval returns the value of a JavaScript expression.
func eval[T any](p *page, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	raw, err := chromedp.Run(ctx, chromedp.Evaluate[[]byte](expression, awaitPromise))
	if err != nil {
		p.fail("evaluating %s: %v", expression, err)
	}
	var value T
	if err := json.Unmarshal(raw, &value); err != nil {
		p.fail("evaluating %s: %s: %v", expression, raw, err)
	}
	return value
}

// text returns the visible text of a part of a card.
func (p *page) text(name, part string) string {
	p.t.Helper()
	return eval[string](p, fmt.Sprintf("text(%q, %q)", name, part))
}

// click presses the mouse in the middle of the element, once that can be pressed and stands still: what is shown above it may be
// growing. If it moves away under the mouse all the same, the page does not hear of the press, and the mouse is aimed anew.
func (p *page) click(selector string) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		eval[bool](p, fmt.Sprintf(`new Promise((done) => {
			const selector = %q;
			let before = "";
			const look = () => {
				const node = document.querySelector(selector);
				node?.scrollIntoView({ block: "nearest", behavior: "instant" });
				const box = node && !node.disabled ? JSON.stringify(node.getBoundingClientRect()) : "";
				if (box === "" || box !== before) {
					before = box;
					return setTimeout(look, 50);
				}
				window.aim?.abort();
				window.aim = new AbortController();
				window.hit = "nothing";
				for (const type of ["pointerdown", "mousedown", "pointerup", "mouseup", "click"]) addEventListener(type, (e) => {
					if (["pointerdown", "click"].includes(type)) hit = e.target.closest(selector) ? "" : e.target.outerHTML.slice(0, 120);
					if (type === "click") aim.abort();
					if (hit === "") return;
					e.stopImmediatePropagation();
					e.preventDefault();
				}, { capture: true, signal: aim.signal });
				done(true);
			};
			look();
		})`, selector))
		p.do(chromedp.Click(chromedp.CSS(selector)))
		hit, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](`window.hit ?? ""`))
		if err != nil || hit == "" { // an error: the press has led to another page
			return
		}
		if time.Now().After(deadline) {
			p.fail("the press on %s hits %s", selector, hit)
		}
	}
}

// press presses keys.
func (p *page) press(keys string) {
	p.t.Helper()
	p.do(chromedp.KeyEvent(keys))
}

// stroke presses the key of one character as a keyboard does: what the page does with
// the key decides whether the character is typed.
func (p *page) stroke(key, code string, virtual int64) {
	p.t.Helper()
	down := input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyDown, Key: key, Code: code, Text: key, WindowsVirtualKeyCode: virtual}
	up := down
	up.Type, up.Text = input.DispatchKeyEventTypeKeyUp, ""
	p.do(call(input.DispatchKeyEvent, down), call(input.DispatchKeyEvent, up))
}

// fill replaces what an input contains by typing.
func (p *page) fill(selector, value string) {
	p.t.Helper()
	eval[bool](p, fmt.Sprintf("document.querySelector(%q).select(), true", selector))
	p.press(value)
}

// fits checks that the page does not scroll sideways.
func (p *page) fits() {
	p.t.Helper()
	size := eval[[2]int](p, "[document.documentElement.scrollWidth, innerWidth]")
	if size[0] > size[1] {
		wide := eval[[]string](p, `[...document.querySelectorAll("body *")]
			.filter((n) => n.getBoundingClientRect().left + n.scrollWidth > innerWidth + 1 && !n.closest(".scroll, pre, .symbols"))
			.map((n) => n.outerHTML.slice(0, 120))`)
		p.t.Errorf("the page is %d pixels wide in a window of %d: %q", size[0], size[1], wide)
	}
}

// fail ends the test with what the page looks like.
func (p *page) fail(format string, args ...any) {
	p.t.Helper()
	shown, _ := chromedp.Run(p.ctx, chromedp.Evaluate[string]("document.body?.innerText"))
	p.mu.Lock()
	said := strings.Join(p.complaint, "\n")
	p.mu.Unlock()
	p.save(filepath.Join(p.t.ArtifactDir(), "failure.png"))
	p.t.Fatalf("%s\nconsole:\n%s\npage:\n%s", fmt.Sprintf(format, args...), said, shown)
}

// save writes a picture of what the window shows.
func (p *page) save(file string) {
	p.t.Helper()
	picture, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(file, picture, 0o644)
	}
	if err != nil {
		p.t.Errorf("no picture: %v", err)
	}
}
