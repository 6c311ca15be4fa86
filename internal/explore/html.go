package explore

import (
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Elements lists the elements of a page of HTML that have a text of their own, with the CSS selectors that find them, at most
// [MaxLeaves]. A text that is a number, or begins with one, has it as its value.
func Elements(page string) (leaves []Leaf, more int) {
	root, err := html.Parse(strings.NewReader(page))
	if err != nil { // as the nesting is too deep
		return nil, 0
	}
	for n := range root.Descendants() {
		text := ownText(n)
		if text == "" || n.Type != html.ElementNode || unseen[n.DataAtom] {
			continue
		}
		if len(leaves) == MaxLeaves {
			more++
			continue
		}
		leaves = append(leaves, elementLeaf(n, text))
	}
	return leaves, more
}

// unseen are elements whose text nobody reads.
var unseen = map[atom.Atom]bool{
	atom.Script: true, atom.Style: true, atom.Noscript: true, atom.Template: true, atom.Option: true, atom.Textarea: true,
}

// ownText is the text that is directly in an element, in one line.
func ownText(n *html.Node) string {
	var b strings.Builder
	for c := range n.ChildNodes() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

var leading = regexp.MustCompile(`^(-?[0-9]+(?:\.[0-9]+)?)( ?[^0-9.,:/ -][^0-9]{0,9})?$`)

// elementLeaf is the leaf of an element with a text.
func elementLeaf(n *html.Node, text string) Leaf {
	l := Leaf{Selector: selector(n), Value: text, Names: []string{label(n)}}
	m := leading.FindStringSubmatch(text)
	if m == nil {
		return l
	}
	x, err := strconv.ParseFloat(m[1], 64)
	if err != nil || !decimal.MatchString(m[1]) {
		return l
	}
	l.Value, l.Path = x, "tonumber"
	if m[2] != "" {
		l.Path = `capture("^(?<n>-?[0-9.]+)").n | tonumber`
		if unit := strings.TrimSpace(m[2]); len(unit) <= 5 && isWord(unit) {
			l.Unit = unit
		}
	}
	return l
}

// selector is the shortest way to an element: its id, or its place below the nearest element that has one.
func selector(n *html.Node) string {
	var steps []string
	for ; n != nil && n.Type == html.ElementNode; n = n.Parent {
		if id := attribute(n, "id"); identifier.MatchString(id) {
			steps = append(steps, "#"+id)
			break
		}
		step := n.Data
		if !tag.MatchString(n.Data) { // such as o:p
			step = ":nth-child(" + strconv.Itoa(child(n)) + ")"
		} else if at, of := position(n); of > 1 {
			step += ":nth-of-type(" + strconv.Itoa(at) + ")"
		}
		steps = append(steps, step)
		if n.DataAtom == atom.Body {
			break
		}
	}
	var b strings.Builder
	for i := len(steps) - 1; i >= 0; i-- {
		if b.Len() > 0 {
			b.WriteString(" > ")
		}
		b.WriteString(steps[i])
	}
	return b.String()
}

// tag matches what can stand in a selector for the elements of that name.
var tag = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// child returns which of its parent's elements n is.
func child(n *html.Node) int {
	at := 1
	for c := n.PrevSibling; c != nil; c = c.PrevSibling {
		if c.Type == html.ElementNode {
			at++
		}
	}
	return at
}

// position returns which of the elements of its kind n is among its siblings, and how many there are.
func position(n *html.Node) (at, of int) {
	if n.Parent == nil {
		return 1, 1
	}
	for c := range n.Parent.ChildNodes() {
		if c.Type == html.ElementNode && c.Data == n.Data {
			if of++; c == n {
				at = of
			}
		}
	}
	return at, of
}

// label is what an element is called: by its id, by what stands before it, or by its class.
func label(n *html.Node) string {
	if id := attribute(n, "id"); id != "" {
		return id
	}
	for before := n.PrevSibling; before != nil; before = before.PrevSibling {
		if before.Type == html.ElementNode {
			if text := ownText(before); text != "" && len(text) <= 40 && !decimal.MatchString(text) {
				return text
			}
			break
		}
	}
	if class := strings.Fields(attribute(n, "class")); len(class) > 0 {
		return class[0]
	}
	return n.Data
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
