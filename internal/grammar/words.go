package grammar

// A Word is one of a few words that a value may be.
type Word struct {
	Word string
	Doc  string // its meaning, in Markdown
}

// wordsOf returns the words without their explanations.
func wordsOf(words []Word) []string {
	var all []string
	for _, w := range words {
		all = append(all, w.Word)
	}
	return all
}

// ListWords returns the words as "a, b and c", with the given word for "and".
func ListWords(words []Word, and string) string { return List(wordsOf(words), and) }
