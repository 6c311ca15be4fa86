package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestEventsCommand(t *testing.T) {
	event := func(id, rest string) string {
		return fmt.Sprintf(`{"id":"%s","time":"2026-11-21T18:40:02.113Z",%s,"data":{}}`, id, rest)
	}
	newest := event("3", `"kind":"run","job":"scan","run":"R","who":"ann","text":"started\u001b[31m"`)
	middle := event("2", `"kind":"state","source":"a-source-with-a-name","text":"stale: no route"`)
	oldest := event("1", `"kind":"start","text":"started"`)
	var asked []string
	gw := fake(t, map[string]http.HandlerFunc{"GET /api/v1/events": func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RawQuery)
		switch {
		case r.Header.Get("Accept") == "text/event-stream":
			w.Header().Set("Content-Type", "text/event-stream")
			if r.Header.Get("Last-Event-ID") == "" {
				fmt.Fprintf(w, "retry: 1\n\nid: 1\ndata: %s\n\nid: 2\ndata: %s\n\n", oldest, middle)
				return
			}
			if r.Header.Get("Last-Event-ID") == "2" {
				fmt.Fprintf(w, "event: gap\ndata:\n\nid: 3\ndata: %s\n\n", newest)
				return
			}
			w.WriteHeader(http.StatusNoContent)
		case r.FormValue("cursor") == "2":
			fmt.Fprintf(w, `{"events":[%s],"next":null}`, oldest)
		default:
			fmt.Fprintf(w, `{"events":[%s,%s],"next":"2"}`, newest, middle)
		}
	}})
	const table = `
TIME                 KIND      WHAT                  WHO       EVENT
2026-11-21 18:40:02  start                           –         started
2026-11-21 18:40:02  state     a-source-with-a-name  –         stale: no route
2026-11-21 18:40:02  run       scan                  ann       started
`
	header, lines, _ := strings.Cut(table[1:], "\n")
	_, lastTwo, _ := strings.Cut(lines, "\n")
	followed := strings.ReplaceAll(header+"\n"+lines, "                  WHO", "          WHO")
	followed = strings.ReplaceAll(strings.ReplaceAll(followed, "                           –", "                   –"), "scan                  ann", "scan          ann")
	for _, tt := range []struct {
		args   []string
		query  string
		stdout string
		stderr string
		code   int
	}{
		{nil, "", header + "\n" + lastTwo, "", 0},
		{[]string{"--since", "24h"}, "cursor=2&limit=1000&since=24h", header + "\n" + lines, "", 0},
		{[]string{"--kind", "run,state", "--kind", "alert", "--source", "a", "--job", "b", "--json"}, "job=b&kind=run%2Cstate%2Calert&source=a", middle + "\n" + newest + "\n", "", 0},
		{[]string{"--follow"}, "", followed, "some events are missing here", 1},
		{[]string{"--follow", "--json"}, "", oldest + "\n" + middle + "\n" + newest + "\n", "there is nothing more to follow", 1},
	} {
		asked = nil
		code, stdout, stderr := tidewire(t, append([]string{"events", "--url", gw}, tt.args...)...)
		if code != tt.code || stdout != tt.stdout || !strings.Contains(stderr, tt.stderr) {
			t.Errorf("events %q = %d,\n%s%s\nwant %d,\n%s%s", tt.args, code, stdout, stderr, tt.code, tt.stdout, tt.stderr)
		}
		if got := asked[len(asked)-1]; got != tt.query {
			t.Errorf("events %q asks for %s, want %s", tt.args, got, tt.query)
		}
	}
}
