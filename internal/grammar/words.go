package grammar

// A Word is one of a few that may stand somewhere.
type Word struct {
	Word string
	Doc  string // what it means, in Markdown
}

// wordsOf returns the words alone.
func wordsOf(words []Word) []string {
	var all []string
	for _, w := range words {
		all = append(all, w.Word)
	}
	return all
}

// ListWords returns the words as "a, b and c", with another word for "and" if so wanted.
func ListWords(words []Word, and string) string { return List(wordsOf(words), and) }
