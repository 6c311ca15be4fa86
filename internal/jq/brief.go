package jq

import shown "github.com/tidewire/tidewire/internal/text"

// brief returns s shortened to a line of a page.
func brief(s string) string { return shown.Cut(shown.Words(s), 120) }
