package config

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"

	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/internal/template"
)

// Request returns j.HTTP with each {arg} replaced by its value, escaped for its place ([template.Template]), and each
// expression by its result. If the job has no body and the method has one, the body is the arguments as JSON. Values come
// from [Job.Bind].
//
// A parameter or a header whose value begins with {arg?} is left out when the argument is empty or false. An argument that would
// change the structure of the path, such as "..", is an [*ArgError].
func (j *Job) Request(ctx context.Context, values map[string]any) (*httpkind.Filled, error) {
	h := j.HTTP
	asked := h.Request
	file, isFile := j.bodyFile()
	if isFile {
		asked.Body = ""
	}
	r, err := asked.Fill(ctx, values, func(name string) (any, bool) { return j.value(name, values), values[name] != nil })
	if wrong, ok := errors.AsType[*template.SegmentError](err); ok {
		want := "write a name"
		if wrong.Segment == "" {
			want = "give it one"
		}
		return nil, &ArgError{wrong.Name, wrong.Error(), want}
	}
	if err != nil {
		return nil, err
	}
	if isFile {
		if f, given := values[file].(*File); given {
			f.setBody(r)
		}
		return r, nil
	}
	if h.Body == "" && !isBodiless(h.Method) {
		r.Body, _ = json.Marshal(values) // cannot fail for texts, numbers and booleans
		if r.Header.Get("Content-Type") == "" {
			r.Header.Set("Content-Type", "application/json")
		}
	}
	return r, nil
}

// text replaces each {arg} of a text without structure by its value. Braces around anything else are text.
func (j *Job) text(text string, values map[string]any) string {
	parsed, _ := template.Parse(text, template.Text, func(name string) bool { return values[name] != nil })
	filled, _ := parsed.Render(func(name string) any { return j.value(name, values) }) // neither fails in plain text
	return filled
}

// value returns the value of an argument in the form for a program or a request.
func (j *Job) value(name string, values map[string]any) any {
	if v, ok := values[name].(string); ok && v != "" {
		if at := slices.IndexFunc(j.Args, func(a Arg) bool { return a.Name == name && a.Type == ArgPath }); at >= 0 {
			return filepath.Join(j.Args[at].Under, v)
		}
	}
	return values[name]
}
