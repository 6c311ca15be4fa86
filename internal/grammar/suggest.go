package grammar

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Suggest returns a suggestion for the unknown word got, for a message: the nearest of known, or all of them when none
// is near. What is the plural for them, for example "keys here".
func Suggest(got, what string, known []string) string {
	const most = 20 // words listed
	near := nearest(got, known)
	several := slices.IndexFunc(known, func(k string) bool { return strings.HasPrefix(k, got+"/") })
	switch {
	case several >= 0:
		return "it is several: write one of them such as " + strconv.Quote(known[several])
	case near != "":
		return DidYouMean(near)
	case len(known) == 0:
		return "there are no " + what
	case len(known) == 1:
		return "the only one is " + strconv.Quote(known[0])
	case len(known) > most:
		known = append(known[:most:most], fmt.Sprintf("%d more", len(known)-most))
	}
	return "the " + what + " are " + List(known, "and")
}

// DidYouMean returns a suggestion of one word, for a message.
func DidYouMean(word string) string { return "did you mean " + strconv.Quote(word) + "?" }

// nearest returns the one of known that is probably meant by got, or "".
func nearest(got string, known []string) string {
	const longest, most = 64, 300 // of a word compared, words compared
	best, least := "", (len(got)+1)/3+1
	for _, k := range known[:min(len(known), most)] {
		if len(got) > longest || len(k) > longest {
			continue
		}
		if d := utf8.RuneCountInString(got) - utf8.RuneCountInString(k); max(d, -d) >= least {
			continue // the distance is at least that
		}
		if d := distance(strings.ToLower(got), k); d < least {
			best, least = k, d
		}
	}
	return best
}

// List returns words as "a, b and c", with the given word for "and".
func List(words []string, and string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " " + and + " " + words[last]
}

// distance returns the number of characters to insert, remove, replace or swap with their neighbour to turn a into b
// (optimal string alignment).
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	rows := make([][]int, len(s)+1)
	for i := range rows {
		rows[i] = make([]int, len(t)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(s); i++ {
		for j := 1; j <= len(t); j++ {
			replaced := rows[i-1][j-1]
			if s[i-1] != t[j-1] {
				replaced++
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, replaced)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(s)][len(t)]
}
