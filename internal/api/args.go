package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/tidewire/tidewire/internal/wire"
)

// startOf reads the body of a start: JSON, or the arguments as the fields of a form. JSON needs its Content-Type: pages of other
// sites can send plain text without asking, but not JSON. After an answer of its own, ok is false.
func startOf(w http.ResponseWriter, r *http.Request) (start wire.Start, isForm, ok bool) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err == nil && media == jsonType:
		start, ok = jsonStart(w, r)
		return start, false, ok
	case err == nil && media == formType:
		start.Args, ok = formArgs(w, r)
		return start, true, ok
	case r.ContentLength == 0:
		w.Header().Set("Accept", jsonType)
		fail(w, r, http.StatusUnsupportedMediaType, `there is no body: send {"args":{…}} with Content-Type: `+
			`application/json, or {} to start with the defaults, as curl --json '{}' does`)
		return start, false, false
	}
	failMedia(w, r)
	return start, false, false
}

func jsonStart(w http.ResponseWriter, r *http.Request) (body wire.Start, ok bool) {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil && err != io.EOF {
		failBody(w, r, err)
		return body, false
	}
	if _, err := decoder.Token(); err != io.EOF {
		fail(w, r, http.StatusBadRequest, "the body goes on after its JSON value")
		return body, false
	}
	return body, true
}

func formArgs(w http.ResponseWriter, r *http.Request) (map[string]any, bool) {
	if err := r.ParseForm(); err != nil {
		if errors.As(err, new(*http.MaxBytesError)) {
			failBody(w, r, err)
		} else {
			fail(w, r, http.StatusBadRequest, "the body is not a form: a field has a bad escape")
		}
		return nil, false
	}
	args := map[string]any{}
	for name, values := range r.PostForm {
		if strings.HasPrefix(name, "{") { // as curl -d sends it
			w.Header().Set("Accept", jsonType)
			fail(w, r, http.StatusUnsupportedMediaType,
				"the body is JSON that is called a form: send Content-Type: application/json, as curl --json does")
			return nil, false
		}
		args[name] = values[0]
		if len(values) > 1 {
			fail(w, r, http.StatusBadRequest, fmt.Sprintf("the form has the field %q twice", name))
			return nil, false
		}
	}
	return args, true
}
