package debug_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/smartpoll/debug"
)

// TestPolicy: the page's own style and script are admitted, to the byte, and nothing
// else is.
func TestPolicy(t *testing.T) {
	s, err := smartpoll.New(smartpoll.WithDynamic())
	if err != nil {
		t.Fatal(err)
	}
	w := get(t, debug.Handler(s, nil), "/", 200)
	page, policy := w.Body.String(), w.Header().Get("Content-Security-Policy")
	for _, element := range []string{"style", "script"} {
		found := regexp.MustCompile("(?s)<"+element+"[^>]*>(.*?)</"+element+">").FindAllStringSubmatch(page, -1)
		if len(found) != 1 {
			t.Fatalf("%d %s elements, want 1", len(found), element)
		}
		sum := sha256.Sum256([]byte(found[0][1]))
		if want := element + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "';"; !strings.Contains(policy, want) {
			t.Errorf("policy %s, want %s", policy, want)
		}
	}
	if !strings.HasPrefix(policy, "default-src 'none';") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
		t.Errorf("policy %s, want nothing by default and nothing unsafe", policy)
	}
	if found := regexp.MustCompile(`\s(style|on\w+)="`).FindString(page); found != "" {
		t.Errorf("the page has%s, which its policy forbids", found)
	}
	if !strings.Contains(page, "There are no tasks.") {
		t.Errorf("page %s, want it to say that there are no tasks", page)
	}
}

// TestHostileText: keys, errors and what is asked for are text.
func TestHostileText(t *testing.T) {
	const evil = `</style></script><img src=x onerror=alert(1)>"'`
	run(t, func(t *testing.T, s *smartpoll.Scheduler, h http.Handler) {
		s.Schedule(evil, 0)
		synctest.Wait()
		for _, target := range []string{"/", "/?q=%3C/script%3E%3Cimg%20src=x%3E", "/?show=%3Cimg%3E", "/?format=%3Cimg%3E"} {
			code := 200
			if strings.Contains(target, "=%3Cimg%3E") {
				code = 400
			}
			page := get(t, h, target, code).Body.String()
			if strings.Contains(page, "<img") || strings.Contains(page, `onerror=alert(1)>"`) {
				t.Errorf("GET %s has markup of others", target)
			}
		}
		page := get(t, h, "/", 200).Body.String()
		if got := strings.Count(page, "&lt;img src=x onerror=alert(1)&gt;"); got < 2 {
			t.Errorf("the key and the error are shown %d times, want at least 2", got)
		}
	}, smartpoll.WithTask(evil, func(context.Context) (smartpoll.TaskHook, error) { return nil, errors.New(evil) },
		smartpoll.Retry(smartpoll.Backoff{})))
}

func TestManyTasks(t *testing.T) {
	s, err := smartpoll.New(smartpoll.WithDynamic())
	if err != nil {
		t.Fatal(err)
	}
	for n := range debug.MaxRows + 7 {
		if err := s.Add(fmt.Sprintf("task %04d", n), takes(0)); err != nil {
			t.Fatal(err)
		}
	}
	s.Pause("task 0306")
	h := debug.Handler(s, &debug.Options{Title: "Plant & co"})
	page := get(t, h, "/", 200).Body.String()
	if got := strings.Count(page, "<tbody"); got != debug.MaxRows {
		t.Errorf("%d rows, want %d", got, debug.MaxRows)
	}
	for _, want := range []string{"7 more tasks are not listed", "<b>307</b> all", "<b>1</b> paused", "<title>Plant &amp; co</title>"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	page = get(t, h, "/?show=paused&q=task", 200).Body.String()
	for _, want := range []string{">task 0306<", `href="?q=task&amp;show=failing"`, `id="show-paused" href="?q=task&amp;show=paused" aria-current="true"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page of what is paused lacks %q", want)
		}
	}
	if got := strings.Count(page, "<tbody"); got != 1 {
		t.Errorf("%d rows, want 1", got)
	}
	if page = get(t, h, "/?q=none", 200).Body.String(); !strings.Contains(page, "Show all 307") {
		t.Error("a page without rows does not lead back to all tasks")
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "< 1 µs", 0: "< 1 µs", 999 * time.Microsecond: "999 µs", 1500 * time.Microsecond: "1.5 ms",
		999 * time.Millisecond: "999 ms", time.Second: "1.0 s", 9990 * time.Millisecond: "9.9 s", 59 * time.Second: "59 s",
		time.Minute: "1 min 0 s", time.Hour - 1: "59 min 59 s", 25 * time.Hour: "1 d 1 h",
	} {
		if got := debug.Span(d); got != want {
			t.Errorf("span(%v) = %q, want %q", d, got, want)
		}
	}
}
