package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/tidewire/tidewire/internal/scripttest"
)

// browser is the context of the one browser that all tests share; each page has
// a browser context of its own in it, with its own cache and cookies.
var browser context.Context

// TestMain starts the browser. The test binary also stands in for the commands
// that jobs run, see scripttest.
func TestMain(m *testing.M) {
	beGateway()
	scripttest.Main()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	path, err := findChromium()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("ignore-certificate-errors", true), // those of httptest's servers
		// Containers let nobody but root set up Chromium's sandbox, and root may not
		// use it. The pages are our own.
		chromedp.Flag("no-sandbox", os.Geteuid() == 0),
	)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	defer stop()
	ctx, quit := chromedp.NewContext(allocator)
	defer quit()
	if err := chromedp.Do(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "e2e: %s does not start: %v\n", path, err)
		return 1
	}
	browser = ctx
	defer func() {
		if firefoxUsed.Load() {
			if f, err := shared(); err == nil {
				f.end()
			}
		}
	}()
	return m.Run()
}

// findChromium returns the path of a Chromium, or an error that says how to get one.
func findChromium() (string, error) {
	if path := os.Getenv("TIDEWIRE_CHROMIUM"); path != "" {
		if _, err := exec.LookPath(path); err != nil {
			return "", fmt.Errorf("e2e: TIDEWIRE_CHROMIUM: %w", err)
		}
		return path, nil
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("e2e: no Chromium found: install it (Debian, Ubuntu: apt-get install chromium; " +
		"macOS: brew install --cask chromium), or set TIDEWIRE_CHROMIUM to the path of one")
}
