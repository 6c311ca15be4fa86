package e2e_test

import (
	"fmt"
	"os"
	"sync"
)

// axe is the source of axe-core (https://github.com/dequelabs/axe-core), which finds what keeps people from using a page:
// too little contrast, controls without names, and so on.
var axe = sync.OnceValues(func() (string, error) {
	data, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	if err != nil {
		err = fmt.Errorf("axe-core is missing: run `npm ci --ignore-scripts` in e2e, as ci/e2e.sh does: %w", err)
	}
	return string(data), err
})

// accessible checks that what the page shows now violates none of axe's rules.
func (p *page) accessible(what string) {
	p.t.Helper()
	p.axe(what, "")
}

// contrasting checks the rule about colours alone.
func (p *page) contrasting(what string) {
	p.t.Helper()
	p.axe(what, `, runOnly: ["color-contrast"]`)
}

func (p *page) axe(what, only string) {
	p.t.Helper()
	source, err := axe()
	if err != nil {
		p.t.Fatal(err)
	}
	if !eval[bool](p, "Boolean(window.axe)") { // what the debugger evaluates is not subject to the policy of the page
		eval[bool](p, source+"; true")
	}
	violations := eval[[]string](p, `axe.run(document, { resultTypes: ["violations"]`+only+` }).then(({ violations }) => violations.flatMap(({ id, nodes }) =>
		nodes.slice(0, 3).map(({ html, any }) => id + ": " + html.slice(0, 160) + " " + (any[0]?.message ?? ""))))`)
	for _, violation := range violations {
		p.t.Errorf("%s: axe: %s", what, violation)
	}
}
