package web

import (
	"encoding/json"
	"net/http"
)

// Manifest answers with what browsers need to put the page among the programs of a phone or a computer (W3C, Web Application
// Manifest), at the root of the gateway: addresses in it are relative to its own. It is public, since browsers fetch it without
// cookies, and says only the title of the page.
func Manifest(w http.ResponseWriter, r *http.Request, title string) {
	type icon struct {
		Src     string `json:"src"`
		Sizes   string `json:"sizes"`
		Type    string `json:"type"`
		Purpose string `json:"purpose,omitempty"`
	}
	plain := files().plain
	data, _ := json.Marshal(struct { // strings encode
		Name       string `json:"name"`
		ShortName  string `json:"short_name"`
		StartURL   string `json:"start_url"`
		Scope      string `json:"scope"`
		Display    string `json:"display"`
		Theme      string `json:"theme_color"`
		Background string `json:"background_color"`
		Icons      []icon `json:"icons"`
	}{
		Name: title, ShortName: title, StartURL: "./", Scope: "./", Display: "standalone", Theme: "#131923", Background: "#0b0f15",
		Icons: []icon{
			{"static/" + plain["icon.svg"].name, "any", "image/svg+xml", ""},
			{"static/" + plain["icon-192.png"].name, "192x192", "image/png", "any maskable"},
		},
	})
	harden(w.Header())
	serveRevalidated(w, r, &asset{name: "manifest.webmanifest", data: data, digest: digest(data)})
}
