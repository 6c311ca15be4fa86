package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tidewire/tidewire/sse"
)

// A contract compares what a gateway answers with what its description says, and keeps
// account of what it has seen. The description is taken strictly: what it does not have,
// a member, a header or a status, must not come.
//
// kin-openapi reads the description and judges parameters and headers. Bodies are judged by
// jsonschema, with JSON Schema 2020-12 as OpenAPI 3.1 wants it: kin-openapi falls back to the
// rules of 3.0 for schemas that use nothing newer, and these refuse null where any value may be.
type contract struct {
	t      *testing.T
	url    string // without a slash at its end
	doc    *openapi3.T
	bodies *jsonschema.Compiler
	seen   map[string]bool // by operation and status, such as "getRun 200"
	client *http.Client
	header http.Header // sent with each request that does not say otherwise
}

// newContract asks the gateway at a URL for its description.
func newContract(t *testing.T, base string) *contract {
	t.Helper()
	c := &contract{t: t, url: strings.TrimSuffix(base, "/"), seen: map[string]bool{}, header: http.Header{}}
	c.anonymously(func() {})
	response, err := http.Get(c.url + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var raw any
	if err := json.NewDecoder(response.Body).Decode(&raw); err != nil {
		t.Fatal(err)
	}
	closeObjects(raw)
	data, err := json.Marshal(raw)
	if err != nil {
		t.Fatal(err)
	}
	if c.doc, err = openapi3.NewLoader().LoadFromData(data); err != nil {
		t.Fatal(err)
	}
	if err := c.doc.Validate(t.Context()); err != nil {
		t.Fatalf("openapi.json is no OpenAPI document: %v", err)
	}
	c.bodies = jsonschema.NewCompiler()
	c.bodies.AssertFormat()
	if raw, err = jsonschema.UnmarshalJSON(bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	if err := c.bodies.AddResource("openapi.json", raw); err != nil {
		t.Fatal(err)
	}
	return c
}

// closeObjects allows objects only the members that are described.
func closeObjects(v any) {
	switch v := v.(type) {
	case []any:
		for _, v := range v {
			closeObjects(v)
		}
	case map[string]any:
		if _, ok := v["properties"].(map[string]any); ok && v["type"] == "object" && v["additionalProperties"] == nil {
			v["additionalProperties"] = false
		}
		for _, v := range v {
			closeObjects(v)
		}
	}
}

// anonymously does something as a new browser.
func (c *contract) anonymously(do func()) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	client, header := c.client, c.header
	c.client = &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	c.header = http.Header{}
	do()
	if client != nil {
		c.client, c.header = client, header
	}
}

// as does something with a token.
func (c *contract) as(token string, do func()) {
	header := c.header
	c.header = http.Header{"Authorization": {"Bearer " + token}}
	do()
	c.header = header
}

// find finds the operation that a request is one of.
func (c *contract) find(method, path string) *routers.Route {
	c.t.Helper()
	for _, template := range c.doc.Paths.InMatchingOrder() {
		item := c.doc.Paths.Value(template)
		if operation := item.GetOperation(method); operation != nil && parametersOf(template, path) != nil {
			return &routers.Route{Spec: c.doc, Path: template, PathItem: item, Method: method, Operation: operation}
		}
	}
	c.t.Fatalf("no operation is described for %s %s", method, path)
	return nil
}

// parametersOf is those of a path, nil if the template is not that of the path.
func parametersOf(template, path string) map[string]string {
	names, values := strings.Split(template, "/"), strings.Split(path, "/")
	if len(names) != len(values) {
		return nil
	}
	parameters := map[string]string{}
	for i, name := range names {
		switch {
		case strings.HasPrefix(name, "{"):
			parameters[strings.Trim(name, "{}")] = values[i]
		case name != values[i]:
			return nil
		}
	}
	return parameters
}

// request makes a request with a body, and with pairs of headers over those of c.
func (c *contract) request(ctx context.Context, method, path, body string, pairs []string) *http.Request {
	c.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header = c.header.Clone()
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(pairs); i += 2 {
		r.Header.Set(pairs[i], pairs[i+1])
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
	}
	return r
}

// do makes a request, wants a status, and compares the answer with the description.
func (c *contract) do(want int, method, path, body string, header ...string) (http.Header, string) {
	c.t.Helper()
	status, head, text := c.try(method, path, body, header...)
	if status != want {
		c.t.Errorf("%s %s = %d, want %d:\n%s", method, path, status, want, text)
	}
	return head, text
}

// object is the JSON of what do returns.
func (c *contract) object(want int, method, path, body string, header ...string) map[string]any {
	c.t.Helper()
	_, text := c.do(want, method, path, body, header...)
	var v map[string]any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		c.t.Fatalf("%s %s: %v in %s", method, path, err, text)
	}
	return v
}

// try makes a request and compares the answer with the description.
func (c *contract) try(method, path, body string, header ...string) (status int, head http.Header, text string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	response, err := c.client.Do(c.request(ctx, method, path, body, header))
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	c.compare(c.request(ctx, method, path, body, header), response, data)
	return response.StatusCode, response.Header, string(data)
}

// stream reads an event stream until an event satisfies enough, or to its end.
func (c *contract) stream(path string, enough func(map[string]any) bool, header ...string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	request := c.request(ctx, http.MethodGet, path, "", header)
	response, err := c.client.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	c.compare(request, response, nil)
	schema := "/components/schemas/Snapshot"
	if strings.Contains(path, "/runs/") {
		schema = "/components/schemas/Run"
	} else if strings.HasPrefix(path, "/api/v1/events") {
		schema = "/components/schemas/Event"
	}
	for event, err := range sse.Read(response.Body, nil) {
		if err != nil {
			c.t.Fatalf("GET %s: %v", path, err)
		}
		var value map[string]any
		if err := json.Unmarshal(event.Data, &value); err != nil {
			c.t.Fatalf("GET %s: %v in %s", path, err, event.Data)
		}
		if event.Name != "" {
			continue
		}
		if err := c.judge(schema, event.Data); err != nil {
			c.t.Errorf("GET %s has an event that is not as described: %v\n%s", path, err, event.Data)
		}
		if enough != nil && enough(value) {
			return
		}
	}
	if enough != nil {
		c.t.Fatalf("GET %s ends before what is wanted has come", path)
	}
}

// pointer is a JSON pointer (RFC 6901).
func pointer(tokens ...string) string {
	escaped := strings.NewReplacer("~", "~0", "/", "~1")
	var b strings.Builder
	for _, token := range tokens {
		b.WriteString("/" + escaped.Replace(token))
	}
	return b.String()
}

// judge compares JSON with the schema at a pointer into the description.
func (c *contract) judge(at string, data []byte) error {
	schema, err := c.bodies.Compile("openapi.json#" + url.PathEscape(at))
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// described are the headers of answers that belong to one operation or another: one that
// comes must be described there.
var described = []string{"Accept", "Allow", "ETag", "Location", "Operation-Location", "Preference-Applied", "Retry-After", "Set-Cookie", "WWW-Authenticate",
	"Tidewire-End", "Tidewire-Next", "Tidewire-Truncated"}

// compare compares an answer with the description, and if it is one of success the request, too.
func (c *contract) compare(r *http.Request, response *http.Response, body []byte) {
	c.t.Helper()
	route := c.find(r.Method, r.URL.Path)
	c.seen[fmt.Sprint(route.Operation.OperationID, " ", response.StatusCode)] = true
	where := fmt.Sprintf("%s %s = %d", r.Method, r.URL, response.StatusCode)
	input := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: parametersOf(route.Path, r.URL.Path), Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, MultiError: true},
	}
	if response.StatusCode < 400 {
		if err := openapi3filter.ValidateRequest(r.Context(), input); err != nil {
			c.t.Errorf("%s, but the request is not as described: %v", where, err)
		}
	}
	err := openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: response.StatusCode, Header: response.Header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true, ExcludeResponseBody: true, MultiError: true},
	})
	if err != nil {
		c.t.Errorf("%s is not as described: %v\n%s", where, err, body)
		return
	}
	answer := route.Operation.Responses.Status(response.StatusCode)
	if answer == nil { // those that ValidateResponse takes unseen
		c.t.Errorf("%s is not described", where)
		return
	}
	for _, name := range described {
		header := answer.Value.Headers[name]
		if _, came := response.Header[http.CanonicalHeaderKey(name)]; came && header == nil {
			c.t.Errorf("%s has %s, which is not described", where, name)
		} else if !came && header != nil && header.Value.Required {
			c.t.Errorf("%s has no %s", where, name)
		}
	}
	media, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	switch {
	case len(answer.Value.Content) == 0:
		if len(body) > 0 {
			c.t.Errorf("%s has a body, which is not described: %q", where, body)
		}
	case media == "" && len(body) == 0 && strings.Contains(*answer.Value.Description, "without a body"): // sometimes
	case answer.Value.Content[media] == nil && answer.Value.Content["*/*"] == nil:
		c.t.Errorf("%s is %q, which is not described", where, media)
	case strings.HasSuffix(media, "json") && answer.Value.Content[media] != nil:
		at := strings.TrimPrefix(answer.Ref, "#")
		if at == "" {
			at = pointer("paths", route.Path, strings.ToLower(r.Method), "responses", fmt.Sprint(response.StatusCode))
		}
		if err := c.judge(at+pointer("content", media, "schema"), body); err != nil {
			c.t.Errorf("%s is not as described: %v\n%s", where, err, body)
		}
	}
	c.examine(where, response.StatusCode, body)
}

// examine looks at what holds of every problem.
func (c *contract) examine(where string, status int, body []byte) {
	c.t.Helper()
	var problem struct {
		Title, Instance string
		Status          int
	}
	if status < 400 || json.Unmarshal(body, &problem) != nil || problem.Title == "" {
		return
	}
	if problem.Status != status || !strings.Contains(where, problem.Instance) {
		c.t.Errorf("%s: the problem says status %d and instance %q", where, problem.Status, problem.Instance)
	}
}

// each calls f for each operation that describes a status, with a path of it.
func (c *contract) each(status int, paths map[string]string, f func(method, path string)) {
	c.t.Helper()
	for _, template := range slices.Sorted(maps.Keys(c.doc.Paths.Map())) {
		for method, operation := range c.doc.Paths.Value(template).Operations() {
			if operation.Responses.Status(status) == nil {
				continue
			}
			path := template
			for name, value := range paths {
				path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(value))
			}
			f(method, path)
		}
	}
}

// complete says what is described and was not seen, but for what is excused.
func (c *contract) complete(excused map[string]string) {
	c.t.Helper()
	for _, item := range c.doc.Paths.Map() {
		for _, operation := range item.Operations() {
			for status := range operation.Responses.Map() {
				key := operation.OperationID + " " + status
				switch _, ok := excused[key]; {
				case ok && c.seen[key]:
					c.t.Errorf("%s is excused, but was seen", key)
				case !ok && !c.seen[key]:
					c.t.Errorf("%s is described, but was not seen", key)
				}
			}
		}
	}
	for name, schema := range c.doc.Components.Schemas {
		for _, example := range schema.Value.Examples {
			data, err := json.Marshal(example)
			if err == nil {
				err = c.judge(pointer("components", "schemas", name), data)
			}
			if err != nil {
				c.t.Errorf("an example of %s is none: %v", name, err)
			}
		}
	}
}
