package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/wire"
)

// startOf reads the body of a start: JSON, or the arguments as the fields of a form. JSON needs its Content-Type: pages of other
// sites can send plain text without asking, but not JSON. After an answer of its own, ok is false.
func (a *API) startOf(w http.ResponseWriter, r *http.Request, j *config.Job) (start wire.Start, isForm, ok bool) {
	defer a.boundStart(w, r, j)()
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err == nil && media == jsonType:
		ok = decodeJSON(w, r, &start, startBody)
		return start, false, ok
	case err == nil && media == formType:
		start.Args, ok = formArgs(w, r)
		return start, true, ok
	case err == nil && media == fileType:
		start.Args, ok = fileArgs(w, r)
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

// boundStart bounds the body of a start of j, and those of all starts with files together until done is called. Files in JSON are a
// third larger.
func (a *API) boundStart(w http.ResponseWriter, r *http.Request, j *config.Job) (done func()) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody+j.MaxGiven()*4/3)
	return a.uploads.limit(r, j)
}

// fileArgs reads the arguments of a form that may have files. It reports false after an answer of its own.
func fileArgs(w http.ResponseWriter, r *http.Request) (map[string]any, bool) {
	values, files, err := readFiles(r)
	if err != nil {
		failForm(w, r, err)
		return nil, false
	}
	args, ok := fieldArgs(w, r, values)
	for name, f := range files {
		args[name] = f
	}
	return args, ok
}

// fieldArgs returns the fields of a form as arguments. It reports false after an answer of its own.
func fieldArgs(w http.ResponseWriter, r *http.Request, fields url.Values) (args map[string]any, ok bool) {
	args = make(map[string]any, len(fields))
	for name, values := range fields {
		if args[name] = values[0]; len(values) > 1 {
			fail(w, r, http.StatusBadRequest, fmt.Sprintf("the form has the field %q twice", name))
			return args, false
		}
	}
	return args, true
}

// failForm answers with the reason why a form cannot be read.
func failForm(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, errUploads) || errors.As(err, new(*http.MaxBytesError)) {
		failBody(w, r, err, startBody)
		return
	}
	fail(w, r, http.StatusBadRequest, "the body is not a form: "+strings.TrimPrefix(err.Error(), "multipart: "))
}

// Bounds of a form with files.
const (
	maxFields = 200
	maxField  = 4 << 10 // bytes of a field that is no file
)

// readFiles reads a form with files, whose body is bounded. A file without a name is a field of a browser in which none was
// chosen: it is not there.
func readFiles(r *http.Request) (url.Values, map[string]*config.File, error) {
	reader, err := r.MultipartReader()
	if err != nil {
		return nil, nil, err
	}
	values, files := url.Values{}, map[string]*config.File{}
	for range maxFields {
		part, err := reader.NextPart()
		if err == io.EOF {
			return values, files, nil
		}
		if err != nil {
			return nil, nil, err
		}
		_, params, _ := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
		name, isFile := params["filename"]
		field := part.FormName()
		if !isFile {
			text, err := io.ReadAll(io.LimitReader(part, maxField+1))
			if err != nil {
				return nil, nil, err
			}
			if len(text) > maxField {
				return nil, nil, fmt.Errorf("the field %q has more than %d bytes", field, maxField)
			}
			values.Add(field, string(text))
			continue
		}
		data, err := io.ReadAll(part)
		switch {
		case err != nil:
			return nil, nil, err
		case name == "" && len(data) == 0:
		case files[field] != nil:
			return nil, nil, fmt.Errorf("the field %q has two files", field)
		default:
			files[field] = config.NewFile(name, part.Header.Get("Content-Type"), data)
		}
	}
	return nil, nil, fmt.Errorf("it has more than %d fields", maxFields)
}

func formArgs(w http.ResponseWriter, r *http.Request) (map[string]any, bool) {
	if err := r.ParseForm(); err != nil {
		if errors.Is(err, errUploads) || errors.As(err, new(*http.MaxBytesError)) {
			failBody(w, r, err, startBody)
		} else {
			fail(w, r, http.StatusBadRequest, "the body is not a form: a field has a bad escape")
		}
		return nil, false
	}
	for name := range r.PostForm {
		if strings.HasPrefix(name, "{") { // as curl -d sends it
			w.Header().Set("Accept", jsonType)
			fail(w, r, http.StatusUnsupportedMediaType,
				"the body is JSON that is called a form: send Content-Type: application/json, as curl --json does")
			return nil, false
		}
	}
	return fieldArgs(w, r, r.PostForm)
}
