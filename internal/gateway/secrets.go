package gateway

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/secret"
)

// secretsOfSource is what nobody is shown of a source: what its references gave, and the
// credentials in its request.
func secretsOfSource(s *config.Source) *secret.Redactor {
	all := append(slices.Clone(s.Given), secretsOfProgram(s.Exec, s.Env)...)
	if s.HTTP != nil {
		all = append(all, secretsOfUpstream(s.HTTP.Upstream)...)
		all = append(all, secret.OfHeader(s.HTTP.Header)...)
		all = append(all, secret.OfQuery(s.HTTP.URL.Query())...)
	}
	return secret.New(all...)
}

// credentialsOfSource are those secrets that are surely credentials. They are hidden in values
// too, where a word such as a header's "X-Tenant: north" is left.
func credentialsOfSource(s *config.Source) *secret.Redactor {
	all := append(slices.Clone(s.Given), secretsOfProgram(s.Exec, s.Env)...)
	if h := s.HTTP; h != nil {
		all = append(all, h.Upstream.Given...)
		all = append(all, secret.OfNamed(h.Upstream.Header)...)
		all = append(all, secret.OfNamed(h.Header)...)
		all = append(all, secret.OfQuery(h.URL.Query())...)
	}
	return secret.New(all...)
}

func secretsOfUpstream(u *config.Upstream) []string {
	return append(secret.OfHeader(u.Header), u.Given...)
}

// secretsOfProgram is what is secret in the arguments and in the environment of a program.
func secretsOfProgram(argv, env []string) (all []string) {
	all = slices.DeleteFunc(secret.OfArguments(argv), hasArgument)
	for _, variable := range env {
		if name, value, _ := strings.Cut(variable, "="); secret.Is(name, value) && !hasArgument(value) {
			all = append(all, value)
		}
	}
	return all
}

// secretsOfWebhook is what nobody is shown of a webhook, whose address is often a credential
// as a whole.
func secretsOfWebhook(to *config.Notify) *secret.Redactor {
	all := append(slices.DeleteFunc(secret.OfHeader(to.Header), hasArgument), to.Given...)
	all = append(all, slices.DeleteFunc(secret.OfQuery(to.URL.Query()), hasArgument)...)
	all = append(all, to.URL.Path)
	all = append(all, slices.DeleteFunc(strings.Split(to.URL.Path, "/"), hasArgument)...)
	return secret.New(append(all, secretsOfBody(to.Header, to.Body)...)...)
}

// secretsOfJob is what nobody is shown of a job, whatever its arguments are. A text that has
// an argument in it was written for people, but for what references gave.
func secretsOfJob(j *config.Job) *secret.Redactor {
	all := slices.Clone(j.Given)
	all = append(all, secretsOfProgram(j.Exec, j.Env)...)
	if h := j.HTTP; h != nil {
		all = append(all, secretsOfUpstream(h.Upstream)...)
		header, query := h.Header.Clone(), url.Values{}
		for name, values := range header {
			header[name] = slices.DeleteFunc(values, hasArgument)
		}
		for _, p := range h.Query {
			if !hasArgument(p.Value) {
				query.Add(p.Name, p.Value)
			}
		}
		all = append(all, secret.OfHeader(header)...)
		all = append(all, secret.OfQuery(query)...)
		all = append(all, secretsOfBody(h.Header, h.Body)...)
	}
	return secret.New(all...)
}

func hasArgument(text string) bool { return strings.Contains(text, "{") }

// secretsOfBody is what is secret in the body of a request: the credentials in a form or in
// JSON, and of another body all of it.
func secretsOfBody(header http.Header, body string) (all []string) {
	if body == "" {
		return nil
	}
	if strings.HasPrefix(header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		if form, err := url.ParseQuery(body); err == nil {
			return slices.DeleteFunc(secret.OfQuery(form), hasArgument)
		}
	}
	var value any
	if json.Unmarshal([]byte(body), &value) != nil {
		return []string{body}
	}
	var walk func(name string, v any)
	walk = func(name string, v any) {
		switch v := v.(type) {
		case string:
			if secret.Is(name, v) && !hasArgument(v) {
				all = append(all, v)
			}
		case []any:
			for _, e := range v {
				walk(name, e)
			}
		case map[string]any:
			for k, e := range v {
				walk(k, e)
			}
		}
	}
	walk("", value)
	return all
}

// hasSecrets reports whether a job has arguments that are secret.
func hasSecrets(j *config.Job) bool {
	return slices.ContainsFunc(j.Args, func(a config.Arg) bool { return a.Secret })
}

// secretArgs are the values of the arguments of a job that are secret.
func secretArgs(j *config.Job, args map[string]any) (all []string) {
	for _, arg := range j.Args {
		if value, ok := args[arg.Name].(string); ok && arg.Secret && value != "" {
			all = append(all, value)
		}
	}
	return all
}
