package api

import (
	"encoding/json"
	"net/http"
	"path/filepath"

	"github.com/tidewire/tidewire/internal/web"
	"github.com/tidewire/tidewire/internal/wire"
)

// startExample is what the page of a gateway without sources and jobs tells people to try. It needs nothing but a Unix.
const startExample = `sources:
  disk:
    title: Disk of this machine
    exec: [df, --output=pcent, /]
    parse: lines
    pick: {used: '.[1] | rtrimstr("%") | tonumber'}
    show: {value: used, unit: "%"}
jobs:
  hello:
    title: Say hello
    exec: [echo, hello]`

// A emptyBody is what the template start shows.
type emptyBody struct {
	File    string // the name of the configuration; empty: it was not read from a file
	Example string // what can be added to it
}

// startPage answers with the overview of a gateway that has nothing to show.
func (a *API) startPage(w http.ResponseWriter, r *http.Request) {
	body := emptyBody{Example: startExample}
	var config wire.Config
	if latest, ok := a.deps.Latest(a.deps.ConfigTopic); ok && json.Unmarshal(latest.Data, &config) == nil && config.File != "" {
		body.File = filepath.Base(config.File)
	}
	a.draw(w, r, http.StatusOK, "start", web.Page{Tab: "overview", Script: "start.js", Body: body})
}
