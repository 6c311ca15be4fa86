// Package sse speaks Server-Sent Events (WHATWG HTML §9.2): it encodes and decodes events, and serves topics that keep
// their newest events as streams that slow readers cannot hurt.
package sse
