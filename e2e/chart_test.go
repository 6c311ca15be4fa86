package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/tidewire/tidewire/internal/theme"
	"github.com/tidewire/tidewire/internal/wire"
)

// chartPage is a page with the chart of a source whose history is what answer says. Figure has further attributes.
func chartPage(t *testing.T, figure string, answer func(r *http.Request) wire.History) string {
	mux := http.NewServeMux()
	mux.Handle("/static/", http.StripPrefix("/static/", http.FileServer(http.Dir("../internal/web/static"))))
	mux.HandleFunc("/style.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css")
		io.WriteString(w, theme.CSS)
	})
	mux.HandleFunc("/api/v1/sources/{name}/history", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(answer(r))
	})
	mux.HandleFunc("/take.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		io.WriteString(w, `import { takeChart } from "./static/chart.js"; takeChart(document.querySelector(".chart"));`)
	})
	mux.HandleFunc("/chart", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; require-trusted-types-for 'script'; trusted-types 'none'")
		fmt.Fprintf(w, `<!doctype html><html lang="en" data-root=""><link rel="icon" href="data:,"><link rel="stylesheet" href="style.css"><link rel="stylesheet" href="static/page.css">
			<title>A chart</title><script type="module" src="take.js"></script>
			<main id="main" class="wide detail"><figure class="panel chart" aria-label="A level" data-source="tank" %s><div class="plot"></div><p class="readout"></p></figure></main>`, figure)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL + "/chart"
}

// attributes are those of a chart from one time to another.
func attributes(from, until time.Time, more string) string {
	return fmt.Sprintf(`data-field="level" data-from="%s" data-until="%s" data-unit="%%" %s`, from.Format(time.RFC3339), until.Format(time.RFC3339), more)
}

func TestAChartIsReadByKeyboard(t *testing.T) {
	until := time.Date(2026, 11, 29, 3, 12, 44, 0, time.UTC)
	from := until.Add(-24 * time.Hour)
	var asked string
	url := chartPage(t, attributes(from, until, `data-limits='[{"at":90,"text":"alert above 90 %","bad":true},{"at":1000,"text":"far away"}]' data-firing='[[`+fmt.Sprint(until.Add(-8*time.Hour).UnixMilli(), ",", until.Add(-6*time.Hour).UnixMilli())+`]]'`),
		func(r *http.Request) (h wire.History) {
			asked = r.URL.RawQuery
			for i := range 289 {
				v := 70 + 22*math.Sin(float64(i)/30)
				if i > 100 && i < 120 {
					v = math.NaN()
				}
				h.T = append(h.T, from.Add(time.Duration(i)*5*time.Minute).UnixMilli())
				h.V, h.Min, h.Max = append(h.V, v), append(h.Min, v-1), append(h.Max, v+1.5)
			}
			return h
		})
	p := open(t, url, view{})
	p.await(`document.querySelectorAll(".chart path.line").length === 1`)
	for _, want := range []string{"field=level", "since=2026-11-28T03%3A12%3A44Z", "points="} {
		if !strings.Contains(asked, want) {
			t.Errorf("asked for %s, want %s", asked, want)
		}
	}
	line := eval[string](p, `document.querySelector(".chart path.line").getAttribute("d")`)
	if n := strings.Count(line, "M"); n != 2 {
		t.Errorf("the line has %d parts, want 2: there is a gap", n)
	}
	axis := eval[string](p, `[...document.querySelectorAll(".axis")].map((text) => text.textContent).join(" ")`)
	for _, want := range []string{"40", "60", "80", "100", "alert above 90 %", "08:00", "29 Nov"} {
		if !strings.Contains(axis, want) {
			t.Errorf("the axes say %s, want %s", axis, want)
		}
	}
	if strings.Contains(axis, "far away") {
		t.Error("a limit that is far from all numbers has made the chart flat")
	}
	if got := eval[string](p, `document.querySelector(".firing").getAttribute("x") + " " + document.querySelector(".firing").getAttribute("width")`); got != "66.67% 8.33%" {
		t.Errorf("the alert is shown at %s", got)
	}
	said := func() string {
		return eval[string](p, `document.querySelector(".plot > div").getAttribute("aria-valuetext")`)
	}
	last := said()
	p.do(chromedp.Focus(".plot > div"))
	p.press(kb.ArrowLeft)
	before := said()
	p.press(kb.Home)
	if first := said(); before == last || !strings.HasSuffix(first, ": 70 %, between 69 and 71.5") || eval[string](p, `document.querySelector(".readout").textContent`) != first {
		t.Errorf("the last point is %q, the one before %q, the first %q", last, before, first)
	}
	if !eval[bool](p, `document.querySelector("circle.cursor").getAttribute("visibility") === "visible"`) {
		t.Error("the cursor is not seen")
	}
	p.press(kb.Escape)
	if said() != last {
		t.Errorf("without a cursor %q is said, want %q", said(), last)
	}
}

// What cannot be drawn is said, and numbers of any size have an axis.
func TestAChartOfAnyNumbers(t *testing.T) {
	until := time.Date(2026, 11, 29, 3, 12, 44, 0, time.UTC)
	for what, c := range map[string]struct {
		numbers []float64
		want    string
	}{
		"none":       {nil, "There are no numbers in this time."},
		"gaps":       {[]float64{math.NaN(), math.NaN()}, "There are no numbers in this time."},
		"huge":       {[]float64{1e308, -1e308}, "The numbers are too large to draw."},
		"one":        {[]float64{5}, "5 %"},
		"the same":   {[]float64{0, 0, 0}, "0 %"},
		"large":      {[]float64{1e15, 1e15 + 1, 1e15 + 2}, "1,000,000,000,000,002 %"},
		"very small": {[]float64{1e-9, 2e-9}, "2.00×10⁻⁹ %"},
		"negative":   {[]float64{-5, -3.25}, "−3.25 %"},
	} {
		url := chartPage(t, attributes(until.Add(-time.Hour), until, ""), func(*http.Request) (h wire.History) {
			h.T = []int64{}
			for i, v := range c.numbers {
				h.T, h.V, h.Min, h.Max = append(h.T, until.Add(time.Duration(i-len(c.numbers))*time.Minute).UnixMilli()), append(h.V, v), append(h.Min, v), append(h.Max, v)
			}
			return h
		})
		p := open(t, url, view{})
		p.await(`document.querySelector(".readout").textContent !== ""`)
		if got := eval[string](p, `document.querySelector(".readout").textContent`); !strings.HasSuffix(got, c.want) {
			t.Errorf("%s: %q, want %q", what, got, c.want)
		}
		if drawn := eval[string](p, `document.querySelector(".chart").innerHTML`); strings.Contains(drawn, "NaN") || strings.Contains(drawn, "Infinity") {
			t.Errorf("%s: %s", what, drawn)
		}
	}
}
