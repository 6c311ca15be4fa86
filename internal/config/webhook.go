package config

import (
	"fmt"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/notify"
)

// checkWebhookPlaceholders checks that the placeholders in n are fields of an alert.
func checkWebhookPlaceholders(n *grammar.Node, where string) {
	all := placeholders(n)
	if where == "query" || where == "headers" {
		all = append(condition(n), all...)
	}
	for _, p := range all {
		if !notify.IsField(p.name) && !p.foreign {
			n.ProblemAt(p.at, fmt.Sprintf("%s: there is no %s of a message", where, p.text),
				grammar.Suggest(p.name, "placeholders", notify.Fields))
		}
	}
}
