package gateway

import (
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/secret"
)

// secretsOfSource is what nobody is shown of a source: what its references gave, and the
// credentials in its request.
func secretsOfSource(s *config.Source) *secret.Redactor {
	all := append(slices.Clone(s.Given), secret.OfProgram(s.Exec, s.Env)...)
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
	all := append(slices.Clone(s.Given), secret.OfProgram(s.Exec, s.Env)...)
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

// secretsOfWebhook is what nobody is shown of a webhook, whose address is often a credential
// as a whole.
func secretsOfWebhook(to *config.Notify) *secret.Redactor {
	all := append(slices.DeleteFunc(secret.OfHeader(to.Header), secret.HasPlaceholder), to.Given...)
	all = append(all, slices.DeleteFunc(secret.OfQuery(to.URL.Query()), secret.HasPlaceholder)...)
	all = append(all, to.URL.Path)
	all = append(all, slices.DeleteFunc(strings.Split(to.URL.Path, "/"), secret.HasPlaceholder)...)
	return secret.New(append(all, secret.OfBody(to.Header.Get("Content-Type"), to.Body)...)...)
}
