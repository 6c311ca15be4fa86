// Package theme has what all pages of Tidewire look like: the live page of the gateway and
// the debug page of a scheduler.
package theme

import _ "embed"

// CSS is the beginning of the style of each page: colours, type, and the base of controls.
//
//go:embed tokens.css
var CSS string
