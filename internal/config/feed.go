package config

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/jq"
)

// maxChoices bounds the choices that a source gives.
const maxChoices = 1000

// A Feed is where an argument gets its choices: what an expression makes of the newest value of a source.
type Feed struct {
	Source string
	JQ     *jq.Program // as it is written; nil: the value itself
	all    *jq.Program // the results of JQ as one list
}

// Choices returns the choices that a value of the source gives, in order and each once: at most 1000, of at most 1024 bytes.
// A text that no argument may have, or that a program could take for an option, is not among them.
func (f *Feed) Choices(ctx context.Context, value any) ([]string, error) {
	result, err := f.all.Run(ctx, value)
	if err != nil {
		return nil, err
	}
	list, _ := result.([]any)
	if len(list) == 1 {
		if inner, ok := list[0].([]any); ok {
			list = inner
		}
	}
	if len(list) > maxChoices {
		return nil, fmt.Errorf("there are %d, and at most %d are offered", len(list), maxChoices)
	}
	choices, known := make([]string, 0, len(list)), make(map[string]bool, len(list))
	for i, v := range list {
		if v == nil {
			continue
		}
		text, ok := argText(v)
		if !ok {
			return nil, fmt.Errorf("number %d is no text: take a field of it, as in .[].id", i+1)
		}
		if isChoice(text) && !known[text] {
			known[text] = true
			choices = append(choices, text)
		}
	}
	return choices, nil
}

// isChoice reports whether a source may give a text as a choice.
func isChoice(text string) bool {
	return text != "" && !strings.HasPrefix(text, "-") && (&Arg{}).text(text) == nil
}

func (r *reader) feedKeys(f *Feed) grammar.Keys {
	return grammar.Keys{
		grammar.Func("from",
			"a source whose newest value gives the choices",
			grammar.ALine, func(v *grammar.Node) {
				f.Source, _ = r.sourceOrRow(v, false)
			}).Also("source").Need("devices"),
		grammar.JQ("jq", "what makes the choices of the value of `from`: results that are texts or numbers, or a list of them", &f.JQ).
			Also("pick expression").Default("."),
	}
}

// readFeed reads where an argument gets its choices.
func (r *reader) readFeed(n *grammar.Node, where string) *Feed {
	f := &Feed{}
	n.Read("values of "+where, r.feedKeys(f))
	source := "."
	if f.JQ != nil {
		source = f.JQ.String()
	}
	f.all, _ = jq.Compile("[" + source + "\n]") // what compiles does so in brackets, too, where a comment ends with its line
	return f
}

// feedShape is a list of choices, or where they come from.
func feedShape() grammar.Shape {
	return grammar.Either(grammar.DistinctTexts, grammar.Object((&reader{}).feedKeys(&Feed{})))
}

// Feeds returns the sources that give arguments of j their choices.
func (j *Job) Feeds() (sources []string) {
	for _, a := range j.Args {
		if a.Feed != nil && !slices.Contains(sources, a.Feed.Source) {
			sources = append(sources, a.Feed.Source)
		}
	}
	return sources
}
