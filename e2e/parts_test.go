package e2e_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// modules serves the modules of the page as they are written, and a page with nothing but what body has. The page's zone is
// UTC, whatever that of the machine.
func modules(t *testing.T, body string) string {
	mux := http.NewServeMux()
	mux.Handle("/static/", http.StripPrefix("/static/", http.FileServer(http.Dir("../internal/web/static"))))
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, `<!doctype html><link rel="icon" href="data:,"><title>A page</title><body>`+body)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	return server.URL + "/"
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
