package value

import (
	"context"
	"strings"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"
)

// The library matches a selector in one call, which nothing ends: "a ~ b ~ c ~ d" can take as long as the third power of the number of
// siblings, and "a b c d e" as that of the depth. So a selector is taken apart at its combinators, and the library matches the parts.

// An alternation is a list of chains, of which one matches.
type alternation []chain

// A chain is a list of compounds with combinators between them: ' ', '>', '+' or '~'.
type chain struct {
	compounds []compound
	by        []byte // by[i] is between compounds[i] and compounds[i+1]
}

// A compound is a list of conditions of one element.
type compound []condition

// A condition is one of an element.
type condition struct {
	leaf cascadia.Matcher // nil: it is about others
	name string           // ":not", ":has" or ":haschild"
	of   alternation
}

// A cut is a text that is cut in two, with what the library makes of both.
type cut struct {
	left, right       string
	leftSel, rightSel cascadia.SelectorGroup
	at                byte
}

// cutAt cuts a selector at the last one of some characters where the library reads the parts on both sides as it reads them within the
// whole: the text of that, in its own words, is that of the parts with something between them. Drop is whether the character is no part.
func cutAt(css, chars string, drop bool, whole string, between func(at byte) string) (c cut, ok bool) {
	for i := len(css) - 1; i > 0; i-- {
		if !strings.ContainsRune(chars, rune(css[i])) {
			continue
		}
		c := cut{left: css[:i], right: css[i:], at: css[i]}
		if drop {
			c.right = css[i+1:]
		}
		var err1, err2 error
		c.leftSel, err1 = cascadia.ParseGroup(c.left)
		c.rightSel, err2 = cascadia.ParseGroup(c.right)
		if err1 == nil && err2 == nil && c.leftSel.String()+between(c.at)+c.rightSel.String() == whole {
			return c, true
		}
	}
	return cut{}, false
}

// alternationOf takes a selector apart that the library has read.
func alternationOf(css string, sel cascadia.SelectorGroup) alternation {
	if len(sel) == 1 {
		return alternation{chainOf(css, sel)}
	}
	c, ok := cutAt(css, ",", true, sel.String(), func(byte) string { return ", " })
	if !ok {
		return alternation{{compounds: []compound{{{leaf: sel}}}}}
	}
	return append(alternationOf(c.left, c.leftSel), alternationOf(c.right, c.rightSel)...)
}

const spaces = " \t\r\n\f"

func chainOf(css string, sel cascadia.SelectorGroup) chain {
	css = strings.Trim(css, spaces)
	combinator := func(at byte) byte {
		if strings.IndexByte(spaces, at) >= 0 {
			return ' '
		}
		return at
	}
	c, ok := cutAt(css, spaces+">+~", true, sel.String(), func(at byte) string { return " " + string(combinator(at)) + " " })
	if !ok {
		return chain{compounds: []compound{compoundOf(css, sel)}}
	}
	left := chainOf(c.left, c.leftSel)
	right := chainOf(c.right, c.rightSel)
	return chain{append(left.compounds, right.compounds...), append(append(left.by, combinator(c.at)), right.by...)}
}

func compoundOf(css string, sel cascadia.SelectorGroup) compound {
	if len(css) > 1 && css[0] == '*' && strings.IndexByte("#.[:", css[1]) >= 0 {
		css = css[1:] // the library drops it, too
	}
	c, ok := cutAt(css, "#.[:", false, sel.String(), func(byte) string { return "" })
	if !ok {
		return compound{conditionOf(css, sel)}
	}
	return append(compoundOf(c.left, c.leftSel), compoundOf(c.right, c.rightSel)...)
}

func conditionOf(css string, sel cascadia.SelectorGroup) condition {
	name, rest, ok := strings.Cut(css, "(")
	name = strings.ToLower(name)
	if inner, closes := strings.CutSuffix(rest, ")"); ok && closes && (name == ":not" || name == ":has" || name == ":haschild") {
		if of, err := cascadia.ParseGroup(inner); err == nil && name+"("+of.String()+")" == sel.String() {
			return condition{name: name, of: alternationOf(inner, of)}
		}
	}
	return condition{leaf: sel}
}

// A matching matches elements until its time is over.
type matching struct {
	ctx   context.Context
	steps int
	err   error // why it has ended; nil: it has not
}

// goesOn counts a step, and reports whether there is time for it.
func (m *matching) goesOn() bool {
	if m.steps++; m.err == nil && m.steps%16 == 0 && m.ctx.Err() != nil {
		m.err = context.Cause(m.ctx)
	}
	return m.err == nil
}

func (m *matching) alternation(of alternation, n *html.Node) bool {
	for i := range of {
		if m.chain(&of[i], len(of[i].compounds)-1, n) == matched {
			return true
		}
	}
	return false
}

// An outcome is what came of matching a chain, and if it does not match, which others need not be tried: a failure that is none of the
// sibling's own is the same for all before it, so each chain takes only as long as the document has siblings and ancestors.
type outcome int

const (
	matched       outcome = iota
	noSibling             // another sibling may match
	noAncestor            // no sibling matches, but an element further up may
	noneElsewhere         // nothing else matches
)

// chain matches the first compounds of c, of which n is the last one: compounds[i].
func (m *matching) chain(c *chain, i int, n *html.Node) outcome {
	switch {
	case !m.goesOn():
		return noneElsewhere
	case !m.compound(c.compounds[i], n):
		return noSibling
	case i == 0:
		return matched
	}
	by := c.by[i-1]
	for p := before(n, by); p != nil; p = before(p, by) {
		switch came := m.chain(c, i-1, p); {
		case came == matched || came == noneElsewhere || by == '+' || by == '~' && came == noAncestor:
			return came
		case by == '>':
			return noAncestor
		}
	}
	if by == '+' || by == '~' {
		return noAncestor
	}
	return noneElsewhere
}

// before is the next element that a combinator leads to from n; nil: there is none.
func before(n *html.Node, by byte) *html.Node {
	switch by {
	case ' ', '>':
		return n.Parent
	case '~':
		return n.PrevSibling
	}
	for n = n.PrevSibling; n != nil && (n.Type == html.TextNode || n.Type == html.CommentNode); n = n.PrevSibling {
	}
	return n
}

func (m *matching) compound(of compound, n *html.Node) bool {
	for i := range of {
		if !m.condition(&of[i], n) {
			return false
		}
	}
	return true
}

func (m *matching) condition(of *condition, n *html.Node) bool {
	switch {
	case of.leaf != nil:
		return of.leaf.Match(n)
	case n.Type != html.ElementNode:
		return false
	case of.name == ":not":
		return !m.alternation(of.of, n)
	case of.name == ":haschild":
		for child := range n.ChildNodes() {
			if m.alternation(of.of, child) {
				return true
			}
		}
		return false
	}
	for d := range n.Descendants() {
		if m.alternation(of.of, d) {
			return true
		}
	}
	return false
}
