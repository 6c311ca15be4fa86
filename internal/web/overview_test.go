package web_test

import (
	"html"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/web"
	"github.com/tidewire/tidewire/internal/web/fixture"
	"github.com/tidewire/tidewire/internal/web/view"
	"github.com/tidewire/tidewire/internal/wire"
)

// drawOverview draws the overview of a plant.
func drawOverview(set fixture.Set, f view.Filter, density string) string {
	var sources []wire.Source
	for _, s := range set.Sources {
		sources = append(sources, s.Source)
	}
	o := view.Look{Now: set.Now, Operate: true}.Overview(sources, set.Jobs, f, density)
	w := httptest.NewRecorder()
	web.Draw(w, httptest.NewRequest("GET", "/", nil), 200, "overview", web.Page{Tab: "overview", Me: set.Me, Now: set.Now, Body: o})
	return w.Body.String()
}

// The first paint has what there is to know, without any script.
func TestTheOverviewIsWhole(t *testing.T) {
	page := drawOverview(fixture.Plant(13), view.Filter{}, "")
	for _, want := range []string{
		`<b data-text="n">2</b> <span data-text="text">alerts</span>`, "5 of 13 sources ok", "Exit status 3: No space left on device",
		`data-key="section/Plant/Line 1"`, `<a class="title" href="sources/tank"`, `<b data-text="value" dir="auto">93.4</b>`, "Poll now",
		`action="sources/labeller/refresh"`, `<a class="title" href="jobs/backup"`, `<template id="card">`, `name="like" value="K3V9ZT2Q01M4"`,
		`max="100" value="37"`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the overview does not have %s", want)
		}
	}
	for f, want := range map[view.Filter]bool{{}: true, {Q: "x"}: false} {
		if bare, _, _ := strings.Cut(drawOverview(fixture.Set{Now: fixture.Now}, f, ""), "<template"); strings.Contains(bare, "No source is configured") != want {
			t.Errorf("whether the page of no sources, searched for %q, says so, is not %v", f.Q, want)
		}
	}
	if calm := drawOverview(fixture.Calm(13), view.Filter{}, ""); !strings.Contains(calm, ">All is well</span>") {
		t.Error("the overview of a calm plant does not say so")
	}
}

// What the address asks for is what the page shows.
func TestTheOverviewIsFiltered(t *testing.T) {
	keys := regexp.MustCompile(`<li class="(?:card|row|tile|job)" data-key="([^"]+)"`)
	for _, c := range []struct {
		f    view.Filter
		want string
	}{
		{view.Filter{Section: "Plant/Line 1"}, "source/tank source/filler-1 source/oee/1 source/labeller job/labels job/recipe job/restart-labeller"},
		{view.Filter{State: "failing", Section: "Plant/Line 1"}, "source/labeller job/labels job/recipe job/restart-labeller"},
		{view.Filter{Q: " TANK "}, "source/tank"},
		{view.Filter{Q: "nowhere"}, ""},
	} {
		var got []string
		page, _, _ := strings.Cut(drawOverview(fixture.Plant(13), c.f, ""), "<template")
		for _, m := range keys.FindAllStringSubmatch(page, -1) {
			got = append(got, m[1])
		}
		if got := strings.Join(got, " "); got != c.want {
			t.Errorf("%+v shows %s, want %s", c.f, got, c.want)
		}
	}
	if page := drawOverview(fixture.Plant(13), view.Filter{Q: "a&b", State: "stale"}, ""); !strings.Contains(page, `href="?density=rows&amp;q=a%26b&amp;state=stale"`) {
		t.Error("a density has an address without the filter")
	}
}

// Hostile values are texts.
func TestHostileValuesAreTexts(t *testing.T) {
	for _, density := range []string{view.Cards, view.Rows, view.Tiles} {
		page := drawOverview(fixture.Hostile(), view.Filter{}, density)
		if strings.Contains(page, "<script>alert") || strings.Contains(page, "<b>Markup") || len(page) > 200_000 {
			t.Errorf("as %s the page has markup of values, or %d bytes", density, len(page))
		}
	}
}

// A first paint of 500 sources takes less than 10 ms on a quiet machine.
func BenchmarkOverview(b *testing.B) {
	for _, density := range []string{view.Tiles, view.Cards} {
		b.Run(density, func(b *testing.B) {
			set := fixture.Plant(500)
			b.ReportAllocs()
			for b.Loop() {
				drawOverview(set, view.Filter{}, density)
			}
		})
	}
}

// The address of a section stands for itself, whatever characters its name has.
func TestSectionsHaveAddresses(t *testing.T) {
	r, w := httptest.NewRequest("GET", "/sources/a", nil), httptest.NewRecorder()
	web.Draw(w, r, 200, "source", web.Page{Body: view.SourcePage{Path: []view.Crumb{{Name: "B?x=1#+z", Path: "A & 50%/B?x=1#+z"}}}})
	_, rest, _ := strings.Cut(w.Body.String(), `href="../?`)
	href, _, _ := strings.Cut(rest, `"`)
	query, err := url.ParseQuery(html.UnescapeString(href))
	if got := query.Get("section"); err != nil || got != "A & 50%/B?x=1#+z" {
		t.Errorf("the section has the address %q: %q, %v", href, got, err)
	}
}
