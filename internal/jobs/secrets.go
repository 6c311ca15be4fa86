package jobs

import (
	"net/url"
	"slices"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/secret"
)

// secretsOf is what nobody is shown of a job, whatever its arguments are. A text that has
// an argument in it was written for people, but for what references gave.
func secretsOf(j *config.Job) *secret.Redactor {
	all := slices.Clone(j.Given)
	all = append(all, secret.OfProgram(j.Exec, j.Env)...)
	if h := j.HTTP; h != nil {
		all = append(all, h.Upstream.Secrets().Said...)
		header, query := h.Header.Clone(), url.Values{}
		for name, values := range header {
			header[name] = slices.DeleteFunc(values, secret.HasPlaceholder)
		}
		for _, p := range h.Query {
			if !secret.HasPlaceholder(p.Value) {
				query.Add(p.Name, p.Value)
			}
		}
		all = append(all, secret.OfHeader(header)...)
		all = append(all, secret.OfQuery(query)...)
		all = append(all, secret.OfBody(h.Header.Get("Content-Type"), h.Body)...)
	}
	return secret.New(all...)
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
