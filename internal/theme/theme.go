// Package theme has the common style of all pages of Tidewire: the live page of the gateway and the debug page of a
// scheduler.
package theme

import _ "embed"

// CSS is the beginning of the style of each page: colours, type, and the base of controls.
//
//go:embed tokens.css
var CSS string
