package web

import "net/http"

// A Notice is a page with a single message.
type Notice struct {
	Title, Text string
	Link        *Link // what else the person can do; nil: only the way back to the overview
}

// A Link leads somewhere below the root of the gateway, or away from it.
type Link struct {
	Text string
	To   string // below the root
	Away string // or the address of another server
}

// Message answers a person's request with a notice, with a link back to the overview. Title and texts are shown literally.
func Message(w http.ResponseWriter, r *http.Request, status int, notice Notice) {
	w.Header().Set("Cache-Control", "no-store")
	Draw(w, r, status, "message", Page{Title: notice.Title, Body: notice})
}
