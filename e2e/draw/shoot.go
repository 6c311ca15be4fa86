package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdpruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// A shooting says which pictures to take.
type shooting struct {
	from, to, only, widths, schemes, axe string
	fold                                 bool   // only what one screen has
	at                                   int    // which begins that far down
	as                                   string // print, or forced colours
}

// measure returns what is wrong with the page that is shown, as a list of sentences.
const measure = `(() => {
  const wrong = [], wide = document.documentElement;
  if (wide.scrollWidth > wide.clientWidth) {
    wrong.push("scrolls sideways by " + (wide.scrollWidth - wide.clientWidth) + " px");
    for (const e of document.querySelectorAll("body *")) if (e.getBoundingClientRect().right > wide.clientWidth + 1) {
      wrong.push("  " + e.tagName + "." + e.className + " ends at " + Math.round(e.getBoundingClientRect().right)); break;
    }
  }
  for (const e of document.querySelectorAll(".card, .row, .tile, .job, .attention > li"))
    if (e.offsetHeight > 480) wrong.push(e.className + " is " + e.offsetHeight + " px high");
  const small = [...document.querySelectorAll("a, button, summary, input")].filter(e => {
    if (e.closest("label") || e.matches("p a, td a, dd a, li > a:not(.title), .log a, nav a, summary, .skip") || e.closest(".kiosk")) return false; // within a line of text
    if (getComputedStyle(e, "::after").position == "absolute") return false; // its whole card is the target
    const b = e.getBoundingClientRect(); return b.width > 0 && Math.min(b.width, b.height) < 24;
  });
  if (small.length) wrong.push(small.length + " targets are under 24 px, such as " + small[0].outerHTML.slice(0, 90));
  return [document.querySelectorAll("*").length + " nodes, " + wide.scrollHeight + " px", ...wrong];
})()`

// violations runs axe and returns a sentence for each rule that is violated.
const violations = `axe.run(document, {resultTypes: ["violations"]}).then(r => r.violations.map(v =>
  "axe " + v.id + ": " + v.nodes.length + " x " + v.nodes[0].html.slice(0, 120) + " " + (v.nodes[0].any[0]?.message ?? "").slice(0, 160)))`

// shoot takes the pictures with one browser, one after the other.
func shoot(s shooting) error {
	if err := os.MkdirAll(s.to, 0o755); err != nil {
		return err
	}
	var axe []byte
	if s.axe != "" {
		var err error
		if axe, err = os.ReadFile(s.axe); err != nil {
			return err
		}
	}
	from, err := filepath.Abs(s.from)
	if err != nil {
		return err
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(cmp.Or(os.Getenv("TIDEWIRE_CHROMIUM"), "chromium")), chromedp.Flag("disable-gpu", true), chromedp.Flag("hide-scrollbars", true), chromedp.Flag("no-sandbox", os.Geteuid() == 0))...)
	defer stop()
	ctx, quit := chromedp.NewContext(allocator)
	defer quit()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	for _, v := range views() {
		if !chosen(s.only, v.name) {
			continue
		}
		for width := range strings.SplitSeq(s.widths, ",") {
			for scheme := range strings.SplitSeq(s.schemes, ",") {
				w, err := strconv.Atoi(width)
				if err != nil {
					return err
				}
				if v.width != 0 && v.width != w && s.only == "" {
					continue
				}
				name := fmt.Sprintf("%s-%s-%s", v.name, width, scheme)
				if s.as != "" {
					name += "-" + s.as
				}
				if s.fold {
					name += fmt.Sprintf("-at-%d", s.at)
				}
				if err := picture(ctx, "file://"+path.Join(from, v.name+".html"), filepath.Join(s.to, name+".png"), int64(w), scheme, v.fits || s.fold, axe, name, s.at, s.as); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
		}
	}
	return nil
}

func chosen(patterns, name string) bool {
	for pattern := range strings.SplitSeq(patterns, ",") {
		if ok, _ := path.Match(pattern, name); ok || patterns == "" {
			return true
		}
	}
	return false
}

// picture takes one picture, and prints what was measured. A view that fits the screen is not longer than it.
func picture(ctx context.Context, url, file string, width int64, scheme string, fits bool, axe []byte, name string, at int, as string) error {
	heights := map[int64]int64{320: 640, 390: 844, 1080: 1920, 1280: 720, 1440: 900, 1920: 1080, 3840: 2160}
	height := max(heights[width], 600)
	full := chromedp.FullScreenshot(100)
	if fits {
		full = chromedp.CaptureScreenshot()
	}
	media := chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
			{Name: "forced-colors", Value: map[bool]string{true: "active", false: "none"}[as == "forced"]}},
			Media: map[bool]string{true: "print", false: "screen"}[as == "print"]})
		return err
	})
	if err := chromedp.Do(ctx, media, chromedp.EmulateViewport(width, height), chromedp.Navigate(url)); err != nil {
		return err
	}
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[int](fmt.Sprintf("scrollTo(0, %d), 0", at))); err != nil {
		return err
	}
	found, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](measure))
	if err != nil {
		return err
	}
	if axe != nil {
		_, err := chromedp.Run(ctx, chromedp.Evaluate[json.RawMessage](string(axe)+";0"))
		broken, err2 := chromedp.Run(ctx, chromedp.Evaluate[[]string](violations, func(p *cdpruntime.EvaluateParams) { p.AwaitPromise = new(true) }))
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		found = append(found, broken...)
	}
	fmt.Println(name+":", strings.Join(found, "\n    "))
	data, err := chromedp.Run(ctx, full)
	if err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o644)
}
