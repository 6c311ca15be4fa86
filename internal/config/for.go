package config

import "github.com/tidewire/tidewire/internal/grammar"

// rowsOf is the key of an entry that stands for several.
const rowsOf = "for"

// rowsKey is the key of an upstream, a source or a job that stands for several. What reads them finds the several alone, see
// [spread].
func rowsKey() grammar.Key {
	return grammar.Func(rowsOf,
		"what it stands for: one for each row of a list of words or mappings, or of a CSV or YAML file that is named instead. See "+
			"[Many alike](#many-alike)",
		grammar.RowsShape, func(*grammar.Node) {}).Also("each for_each foreach rows matrix")
}

// spread replaces, in the file n, entries that stand for several by these, and names such as pump/* where others are listed by
// all that begin so.
func spread(n *grammar.Node) {
	names := map[string][]string{} // by section
	var keys []string              // as quiet has them
	for _, what := range []string{"upstream", "source", "job"} {
		section := what + "s"
		n.Get(section).Multiply(rowsOf, section)
		for k := range n.Get(section).Pairs() {
			names[section] = append(names[section], k.Value())
			keys = append(keys, what+"/"+k.Value())
		}
	}
	for _, source := range n.Get("sources").Pairs() {
		source.Get("from").Spread(names["sources"])
	}
	for _, job := range n.Get("jobs").Pairs() {
		for _, then := range []*grammar.Node{job.Get("then"), job.Get("then").Get("on_failure")} {
			then.Get("refresh").Spread(names["sources"])
			then.Get("run").Spread(names["jobs"])
		}
	}
	for _, token := range n.Get("access").Get("tokens").Pairs() {
		token.Get("jobs").Spread(names["jobs"])
		token.Get("push").Spread(names["sources"])
	}
	for _, quiet := range n.Get("quiet").Elements() {
		quiet.Get("of").Spread(keys)
	}
}
