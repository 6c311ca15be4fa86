package e2e_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// A browser has six connections for a host on HTTP/1.1: with a stream a tab, the sixth
// tab would leave none for anything else.
func TestSevenTabsShareOneStream(t *testing.T) {
	plant := newUpstream(t, `{"level": 41}`)
	f := newFront(t, serve(t, tank(plant.url)).url)
	small := view{width: 480, height: 640}
	home := open(t, f.url+"tidewire.js", small)
	home.expect("favicon")
	tabs := []*page{home.tab(f.url, small)}
	tabs[0].await(`connection() === "live"`)
	for range 6 {
		tabs = append(tabs, home.tab(f.url, small))
	}
	for _, p := range tabs {
		p.await(`connection() === "live" && value("tank") === "41.0"`)
	}
	plant.say(`{"level": 42}`)
	for _, p := range tabs {
		p.await(`value("tank") === "42.0"`)
	}
	f.await("one stream in all", func(f *front) bool { return len(f.streams) == 1 && f.open == 1 })

	// The tab that has the stream is the first one. When it is closed, another takes over.
	tabs[0].close()
	begun := time.Now()
	f.await("another tab's stream", func(f *front) bool { return len(f.streams) == 2 && f.open == 1 })
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("another tab took over after %v, want within 2 s", took)
	}
	if id := f.stream(2).Query().Get("last_event_id"); id == "" {
		t.Error("the other tab began anew, want it to go on after the last id")
	}
	plant.say(`{"level": 43}`)
	for _, p := range tabs[1:] {
		p.await(`connection() === "live" && value("tank") === "43.0"`)
	}
	f.await("still one stream", func(f *front) bool { return len(f.streams) == 2 && f.open == 1 })
}

// A leading tab that has come to a halt keeps its lock, and answers nobody.
func TestATabTakesOverFromOneThatHangs(t *testing.T) {
	t.Parallel() // it waits most of the time
	plant := newUpstream(t, `{"level": 41}`)
	f := newFront(t, serve(t, tank(plant.url)).url)
	first := open(t, f.url, view{before: `
		var hanging = false; // then other tabs are not heard, and hear nothing
		window.BroadcastChannel = class extends BroadcastChannel {
			set onmessage(f) { super.onmessage = (e) => hanging || f(e); }
			postMessage(message) { hanging || super.postMessage(message); }
		};`})
	first.await(`connection() === "live"`)
	eval[bool](first, `hanging = true`)
	second := first.tab(f.url, view{})
	second.await(`connection() === "live" && value("tank") === "41.0"`)
	f.await("the second tab's stream alone", func(f *front) bool { return len(f.streams) == 2 && f.open == 1 })
	plant.say(`{"level": 42}`)
	second.await(`value("tank") === "42.0"`)
	eval[bool](first, `(hanging = false, true)`) // it follows now
	first.await(`value("tank") === "42.0"`)
}

// hidden is JavaScript with which hide(true) hides a page, and its minute is over sooner.
const hidden = `
	var away = false;
	Object.defineProperty(document, "hidden", { get: () => away });
	var hide = (now) => { away = now; document.dispatchEvent(new Event("visibilitychange")); return true; };`

func TestAHiddenTabGivesItsStreamBack(t *testing.T) {
	plant := newUpstream(t, `{"level": 41}`)
	f := newFront(t, serve(t, tank(plant.url)).url)
	p := open(t, f.url, view{before: hidden + sooner(60_000, 50)})
	p.await(`connection() === "live" && value("tank") === "41.0"`)
	eval[bool](p, `hide(true)`)
	f.await("the end of the stream", func(f *front) bool { return f.open == 0 })
	plant.say(`{"level": 42}`)
	eval[bool](p, `hide(false)`)
	p.await(`connection() === "live" && value("tank") === "42.0"`)
	f.await("a second stream", func(f *front) bool { return len(f.streams) == 2 && f.open == 1 })
}

// Who did not listen has not lost anything: the values are old until there is news, and nothing is said.
func TestATabThatWasHiddenReportsNoLoss(t *testing.T) {
	plant := newUpstream(t, `{"level": 41}`)
	f := newFront(t, serve(t, tank(plant.url)).url)
	p := open(t, f.url, view{before: hidden + sooner(60_000, 50) + hurried})
	p.await(`connection() === "live" && value("tank") === "41.0"`)
	eval[bool](p, `hide(true)`)
	f.await("the end of the stream", func(f *front) bool { return f.open == 0 })
	seen := make(chan struct{})
	f.instead(func(_ int, _ http.ResponseWriter, r *http.Request) bool {
		select {
		case <-seen:
		case <-r.Context().Done():
		}
		return false
	})
	eval[bool](p, `hurry(120_000) && hide(false)`)
	p.await(`connection() === "connecting" && document.querySelector('[data-key="source/tank"]').innerText.includes("stale")`)
	close(seen)
	p.await(`connection() === "live" && !band()`)
	if got := eval[string](p, `document.getElementById("announcer").textContent`); got != "" {
		t.Errorf("the page says %q, want nothing", got)
	}
}

func TestAPageComesBackFromTheBackForwardCache(t *testing.T) {
	plant := newUpstream(t, `{"level": 41}`)
	f := newFront(t, serve(t, tank(plant.url)).url)
	p := open(t, f.url, view{before: `
		var back = 0;
		addEventListener("pageshow", (e) => { if (e.persisted) back++; });`})
	p.await(`connection() === "live" && value("tank") === "41.0"`)
	eval[bool](p, `(window.mark = "the same page", true)`)
	p.expect("favicon")
	p.do(chromedp.Navigate(f.url + "tidewire.js"))
	f.await("the end of the stream", func(f *front) bool { return f.open == 0 })
	plant.say(`{"level": 42}`)
	eval[bool](p, `(history.back(), true)`)
	p.await(`back === 1 && mark === "the same page"`)
	p.await(`connection() === "live" && value("tank") === "42.0"`)
	f.await("a second stream", func(f *front) bool { return len(f.streams) == 2 && f.open == 1 })
}
