package api

import (
	"net/http"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/web"
)

// A brand is how the configuration has pages look.
type brand struct {
	web.Brand
	of    *config.Config
	files []*web.File
}

// brand returns that of the configuration in effect.
func (a *API) brand() *brand {
	of := a.deps.Config()
	if b := a.branded.Load(); b != nil && b.of == of {
		return b
	}
	b := &brand{Brand: web.Brand{Title: of.Page.Title}, of: of}
	file := func(name string, f *config.PageFile) string {
		if f == nil {
			return ""
		}
		served := web.NewFile(name, f.Type, f.Data)
		b.files = append(b.files, served)
		return served.Path()
	}
	b.Logo, b.Style = file("logo", of.Page.Logo), file("style", of.Page.CSS)
	a.branded.Store(b)
	return b
}

// theme answers with a file that the configuration names for pages.
func (a *API) theme(w http.ResponseWriter, r *http.Request) {
	for _, file := range a.brand().files {
		if file.Path() == "theme/"+r.PathValue("name") {
			file.Serve(w, r)
			return
		}
	}
	http.NotFound(w, r)
}
