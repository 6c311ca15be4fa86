package value

import (
	"context"
	"fmt"

	"golang.org/x/net/html"
)

// Found has the addresses of the elements below n that s finds.
func (s *Selector) Found(n *html.Node) []string {
	found := []string{}
	for match := range s.matches(&budget{ctx: context.Background()}, n) {
		found = append(found, fmt.Sprintf("%p", match))
	}
	return found
}
