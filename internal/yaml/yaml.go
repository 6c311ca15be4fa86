// Package yaml reads YAML: into the nodes of its library, which configurations are made of, and into values, which answers
// of sources are. No other package imports the library.
//
// Nodes and the loader are those of go.yaml.in/yaml/v4. What it refuses by itself, nesting deeper than 10,000 levels and
// aliases that expand to most of a document, is bounded for both.
package yaml

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v4"
)

// What the library makes of a text.
type (
	Node      = yaml.Node
	Loader    = yaml.Loader
	LoadError = yaml.LoadError
)

// The kinds of a [Node].
const (
	MappingNode  = yaml.MappingNode
	SequenceNode = yaml.SequenceNode
	AliasNode    = yaml.AliasNode
	ScalarNode   = yaml.ScalarNode
)

// The styles of a [Node].
const (
	TaggedStyle       = yaml.TaggedStyle
	SingleQuotedStyle = yaml.SingleQuotedStyle
	DoubleQuotedStyle = yaml.DoubleQuotedStyle
	LiteralStyle      = yaml.LiteralStyle
	FoldedStyle       = yaml.FoldedStyle
	FlowStyle         = yaml.FlowStyle
)

// NewLoader returns a loader of the documents in data.
func NewLoader(data []byte) *Loader {
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		panic(fmt.Sprintf("yaml: the library refuses no options: %v", err))
	}
	return loader
}
