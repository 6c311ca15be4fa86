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
		ok = decodeJSON(w, r, &start, startBody)
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

// startBody is the shape of the body of a start.
const startBody = `{"args":{…}}`

// readJSON reads a body that has to be JSON with the members of v. What it says when it is not shows a right one. It reports
// false after an answer of its own.
func readJSON(w http.ResponseWriter, r *http.Request, v any, right string) bool {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != jsonType {
		w.Header().Set("Accept", jsonType) // RFC 9110 §15.5.16
		fail(w, r, http.StatusUnsupportedMediaType, fmt.Sprintf("the body must be JSON such as %s, with Content-Type: %s", right, jsonType))
		return false
	}
	return decodeJSON(w, r, v, right)
}

// decodeJSON is readJSON of a body whose type is known.
func decodeJSON(w http.ResponseWriter, r *http.Request, v any, right string) bool {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil && err != io.EOF {
		failBody(w, r, err, right)
		return false
	}
	if _, err := decoder.Token(); err != io.EOF {
		fail(w, r, http.StatusBadRequest, "the body goes on after its JSON value")
		return false
	}
	return true
}

func formArgs(w http.ResponseWriter, r *http.Request) (map[string]any, bool) {
	if err := r.ParseForm(); err != nil {
		if errors.As(err, new(*http.MaxBytesError)) {
			failBody(w, r, err, startBody)
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
