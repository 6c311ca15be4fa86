package view

import (
	"net/url"
	"strings"
)

// SourceHref is the address of the page of a source, below the root of the gateway. A name is one segment of it, whatever is in it.
func SourceHref(name string) string { return "sources/" + url.PathEscape(name) }

// JobHref is the address of the page of a job, below the root of the gateway.
func JobHref(name string) string { return "jobs/" + url.PathEscape(name) }

// hrefOf is the address of the page of a source or a job, below the root of the gateway; empty: it has none.
func hrefOf(key string) string {
	kind, name, _ := strings.Cut(key, "/")
	switch kind {
	case "source":
		return SourceHref(name)
	case "job":
		return JobHref(name)
	}
	return ""
}
