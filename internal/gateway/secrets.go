package gateway

import (
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/secret"
)

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
