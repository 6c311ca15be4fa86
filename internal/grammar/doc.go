// Package grammar reads configurations: strict YAML, whose mappings are declared as tables of keys. It knows nothing of
// what a configuration is about.
//
// A package that has a section of a configuration declares its keys once, in a table that is bound to the value which
// they fill:
//
//	func (r *request) keys() grammar.Keys {
//		return grammar.Keys{
//			grammar.Line("path", "begins with `/`", &r.Path).Need("/v1/now"),
//			grammar.Duration("timeout", "the bound of a request", &r.Timeout).Also("deadline").Default("5s"),
//			grammar.Func("accept", "the statuses that count", statuses, r.readAccept),
//		}
//	}
//
// [Node.Read] reads a mapping by such a table, [Object] makes a JSON Schema of it and [Explain] says where its values
// are written. A key cannot be declared without its reader. Keys with common types have functions of their own ([Line],
// [Duration], [OneOf], [JQ] and so on), [Section] is a mapping within a mapping, and [Func] takes a [Shape] and a
// function for anything else, which uses the methods of its [Node].
//
// What is wrong with the value of one key is reported by its reader. What follows from several keys is checked after
// Read: [Node.Get] returns the value of a key, at which [Node.Problem] then reports.
//
// # Problems
//
// A [Problem] is one line, in words that the writer of the file knows: keys and values of the file, never Go types. One
// pass finds all of them: a reader that reports one returns the zero value, and the reading goes on. Places are lines
// and characters as an editor counts them; inside of a jq or regular expression they are those of the offending token
// wherever the scalar's characters stand in the file as they are.
//
// # Credentials
//
// No message and no excerpt shows what may be a credential: values of keys that are [Key.Secret], what a reference
// gave, and whatever stands at a place that no table has. A reader that quotes a value of another mapping, whose keys
// are not in a table, has to know that it is none, and calls [Node.Reveal].
//
// # References and files
//
// "${env:NAME}", "${env:NAME:-default}" and "${file:PATH}" are expanded in the scalars of the parsed file, so that a
// value never becomes syntax. Their values are secrets: [Node.Given] returns them. A file may include others
// ([Options.Include]), whose mappings are merged with its own. [Files] is everything that the outcome depends on.
//
// # Concurrency
//
// One goroutine at a time may use a [Reader] and its nodes. Shapes and [Problems] are not changed.
package grammar
