package e2e_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/tidewire/tidewire/internal/web/fixture"
)

// modules serves the modules of the page as they are written, and a page with nothing but what body has, at /parts;
// others serve what else is asked for.
func modules(t *testing.T, body string, others ...http.Handler) string {
	mux := http.NewServeMux()
	for _, other := range others {
		mux.Handle("/", other)
	}
	mux.Handle("/static/", http.StripPrefix("/static/", http.FileServer(http.Dir("../internal/web/static"))))
	mux.HandleFunc("/parts", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, `<!doctype html><link rel="icon" href="data:,"><title>A page</title><body>`+body)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	return server.URL + "/parts"
}

// A view is written where the element says, and nothing else is touched.
func TestAViewFillsAnElement(t *testing.T) {
	p := open(t, modules(t, `
		<template id="field"><div><dt data-text="name"></dt><dd data-text="value"></dd></div></template>
		<ul><li id="card" data-attr="data-state:state hidden:gone"><a data-text="title" data-attr="href:href title:exact" href="old" title="old">Old</a>
			<b data-text="trend.low"></b><dl data-list="fields" data-item="field"></dl><i>kept</i></li></ul>`), view{})
	got := eval[[]string](p, `(async () => {
		const { fill } = await import("/static/fill.js");
		const card = document.getElementById("card"), said = [];
		const look = () => said.push(card.outerHTML.replace(/ data-(text|attr|list|item)="[^"]*"/g, "").replace(/\s*\n\s*/g, ""));
		fill(card, { state: "ok", title: "<b>Tank</b>", href: "sources/tank", exact: "", trend: { low: 0 }, fields: [{ key: "a", name: "a", value: "1" }, { key: "b", name: "b", value: "2" }] });
		look();
		const second = card.querySelector("dl").children[1];
		fill(card, { state: "ok", gone: true, title: "Tank", fields: [{ key: "b", name: "b", value: "3" }, { key: "c", name: "c" }] });
		look();
		said.push(String(second === card.querySelector("dl").children[0]));
		const observer = new MutationObserver(() => {});
		observer.observe(card, { subtree: true, childList: true, characterData: true, attributes: true });
		fill(card, { state: "ok", gone: true, title: "Tank", fields: [{ key: "b", name: "b", value: "3" }, { key: "c", name: "c" }] });
		said.push(String(observer.takeRecords().length));
		return said;
	})()`)
	want := []string{
		`<li id="card" data-state="ok"><a href="sources/tank">&lt;b&gt;Tank&lt;/b&gt;</a><b>0</b>` +
			`<dl><div data-key="a"><dt>a</dt><dd>1</dd></div><div data-key="b"><dt>b</dt><dd>2</dd></div></dl><i>kept</i></li>`,
		`<li id="card" data-state="ok" hidden=""><a>Tank</a><b></b>` +
			`<dl><div data-key="b"><dt>b</dt><dd>3</dd></div><div data-key="c"><dt>c</dt><dd></dd></div></dl><i>kept</i></li>`,
		"true", "0",
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("step %d gave\n%s, want\n%s", i, got[i], want[i])
		}
	}
}

// A band says why states are not forwarded, whatever the receiver answers, and is gone when they are.
func TestABandSaysWhyStatesAreNotForwarded(t *testing.T) {
	p := open(t, modules(t, `<template id="band"><div class="band" data-attr="data-state:state"><b data-text="text"></b><p data-text="more"></p><button data-text="act"></button></div></template><main id="main"></main>`), view{})
	got := eval[[]string](p, `(async () => {
		const { notice } = await import("/static/notices.js"), said = [];
		for (const [key, why] of [["config", "forward.http: POST https://hub: 503 Service Unavailable: <b>full</b>"], ["config", "forward.nats: no servers."], ["replicas"], ["config", null]]) {
			notice(key === "config" ? { key, forward_error: why } : { key, replicas: [] });
			said.push([...document.querySelectorAll(".band")].map((band) => [band.dataset.state, ...[...band.querySelectorAll("b, p")].map((e) => e.textContent)].join(" | ")).join(" || "));
		}
		return said;
	})()`)
	const nats = "stale | States are not forwarded | forward.nats: no servers. The newest ones will be as soon as that is possible."
	want := []string{"stale | States are not forwarded | forward.http: POST https://hub: 503 Service Unavailable: <b>full</b>. The newest ones will be as soon as that is possible.", nats, nats, ""}
	if !slices.Equal(got, want) {
		t.Errorf("the bands say\n%q, want\n%q", got, want)
	}
}

// What modules say of the plants is what package view says: both have testdata/views.json.
func TestModulesSayWhatTheServerSays(t *testing.T) {
	var sets []json.RawMessage
	for _, set := range []fixture.Set{fixture.Plant(13), fixture.Plant(60), fixture.Calm(13), fixture.Hostile(), fixture.Numbers()} {
		sets = append(sets, set.JSON())
	}
	data, err := json.Marshal(sets)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/sets.json", func(w http.ResponseWriter, r *http.Request) { w.Write(data) })
	mux.HandleFunc("/views.json", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, "../internal/web/view/testdata/views.json")
	})
	p := open(t, modules(t, "", mux), view{zone: "UTC"})
	got := eval[[]string](p, `(async () => {
		const { parse } = await import("/static/json.js");
		const { card, jobRow, sections, verdict } = await import("/static/view.js");
		const { recent } = await import("/static/recent.js");
		const [sets, wants] = await Promise.all(["/sets.json", "/views.json"].map(async (at) => parse(await (await fetch(at)).text())));
		const said = [];
		let compared = 0;
		const compare = (got, want, where) => {
			if (typeof want === "object" && want !== null) {
				for (const name of new Set([...Object.keys(want), ...Object.keys(got ?? {})])) compare(got?.[name], want[name], where + "." + name);
			} else {
				compared++;
				if (typeof want === "bigint") want = Number(want); // views are not JSON
				if ((got ?? null) !== (want ?? null)) said.push(where + " is " + got + ", want " + want);
			}
		};
		const named = (section) => ({ ...section, sources: section.sources.map(({ name }) => name), parts: section.parts.map(named) });
		for (const [i, { now, sources, jobs, events }] of sets.entries()) {
			const at = Date.parse(now), want = wants[i];
			compare(sources.map((source) => card(source, at)), want.cards, want.plant + ".cards");
			compare(jobs.map((job) => jobRow(job, at)), want.jobs, want.plant + ".jobs");
			compare(verdict(sources, jobs, { now: at, operate: true }), want.verdict, want.plant + ".verdict");
			compare(events.map((event) => recent(event, at)).filter(Boolean), want.recent, want.plant + ".recent");
			compare(sections(sources).map(named), want.sections, want.plant + ".sections");
		}
		if (compared < 3000) said.push("compared just " + compared);
		return said;
	})()`)
	for _, difference := range got[:min(len(got), 20)] {
		t.Error(difference)
	}
}
