// Package grammar reads configurations: strict YAML, whose mappings are declared as tables of keys. It does not depend
// on the subject of a configuration.
//
// A package with a section of a configuration declares its keys once, in a table that is bound to the value that they
// fill:
//
//	func (r *request) keys() grammar.Keys {
//		return grammar.Keys{
//			grammar.Line("path", "begins with `/`", &r.Path).Need("/v1/now"),
//			grammar.Duration("timeout", "the bound of a request", &r.Timeout).Also("deadline").Default("5s"),
//			grammar.Func("accept", "the statuses that count", statuses, r.readAccept),
//		}
//	}
//
// [Node.Read] reads a mapping by such a table, [Object] makes a JSON Schema of it and [Explain] tells where its values
// are written. A key cannot be declared without its reader. Functions such as [Line], [Duration], [OneOf] and [JQ] make
// keys of common types, [Section] is a mapping within a mapping, and [Func] takes a [Shape] and a function for anything
// else, which uses the methods of its [Node].
//
// The reader of a key reports what is wrong with its value. Rules for several keys are checked after Read: [Node.Get]
// returns the value of a key, and [Node.Problem] reports at its place.
//
// # Problems
//
// A [Problem] is one line, in words that the author of the file knows: keys and values of the file, never Go types. One
// pass finds all of them: a reader that reports one returns the zero value, and reading continues. Places are lines and
// characters as an editor counts them; within a jq or regular expression they are those of the offending token, where
// the file has the scalar's characters unchanged.
//
// # Credentials
//
// Messages and excerpts never show a possible credential: values of keys that are [Key.Secret], values of references,
// and anything in a place that is not in a table. A reader that quotes a value of another mapping, whose keys are not
// in a table, has to be sure that it is not a credential, and calls [Node.Reveal].
//
// # References and files
//
// "${env:NAME}", "${env:NAME:-default}" and "${file:PATH}" are expanded in the scalars of the parsed file, so that a
// value never becomes syntax. Their values are secrets: [Node.Given] returns them. A file may include others
// ([Options.Include]), whose mappings are merged with its own. [Files] is everything that the result depends on.
//
// # Many alike
//
// [Node.Multiply] replaces an entry with rows by one for each of them, before it is read. So readers see only what they would
// see if each were written by itself, and a problem is reported at the row that it comes from, or once where the entry is written.
//
// # Concurrency
//
// One goroutine at a time may use a [Reader] and its nodes. Shapes and [Problems] are not changed.
package grammar
