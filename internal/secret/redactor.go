// Package secret removes secrets of servers, programs and people from texts that are shown to others: errors, logs,
// traces, output and results of jobs.
//
// # What is secret
//
// The caller decides: a [Redactor] is made of the secrets themselves. [OfHeader] and [OfQuery] find them in a request.
//
// # Spellings
//
// A secret is found in any spelling: unchanged, as shown by a terminal, and with any of its characters escaped as in
// JSON (also in JSON within JSON), in the path or query of an address, in HTML, or in a quoted string of Go, Python or
// a shell. Each character may be spelled differently, with hexadecimal digits of either case, and escapes may be
// nested.
//
// Of a secret of several lines each line is hidden too, and of an address the password. Of a secret of more than 32
// bytes, the first 32 bytes are hidden wherever they occur, because an answer may have been cut off.
//
// # The least length
//
// A text of fewer than [Least] characters cannot be hidden, because it occurs in too many other texts. So it is never
// searched for, and code that accepts secrets must refuse one that is [TooShort].
package secret

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/text"
)

const (
	// Least is the minimum number of characters of a secret.
	Least = 4
	// Mask stands for a secret.
	Mask = "***"

	enough    = 32 // bytes of a secret that are hidden even without the rest
	leastLine = 8  // characters from which on a line is hidden even without the other lines

	// costs bounds how many units are read for each byte of a text. Ordinary texts take a few. A text that consists of
	// escapes may take thousands, if the secret also consists of such characters; beyond the bound, all of it is
	// hidden.
	costs = 64
)

// TooShort reports whether s cannot be hidden.
func TooShort(s string) bool { return utf8.RuneCountInString(s) < Least }

// A Redactor hides its secrets in texts. It is immutable: any number of goroutines may use it. A nil Redactor has no
// secrets.
type Redactor struct {
	secrets []string   // sorted and distinct, each at least Least characters long
	first   [257]int32 // by byte: the index of the first secret that starts with it
	pairs   [16]uint64 // a bit for the first two bytes of each secret; different pairs may share a bit
	stars   bool       // a secret contains *, so a mask may become a part of one
}

// starting returns the range of the secrets that start with a byte.
func (r *Redactor) starting(c byte) (from, to int) { return int(r.first[c]), int(r.first[int(c)+1]) }

// pair returns the bit for two bytes.
func pair(a, b byte) (word int, bit uint64) {
	n := (uint(a)*31 + uint(b)) % 1024
	return int(n / 64), 1 << (n % 64)
}

// New returns a Redactor of secrets, nil if there are none. Those that are [TooShort] are
// left out.
func New(secrets ...string) *Redactor {
	return (*Redactor)(nil).With(secrets...)
}

// With returns a Redactor of r's secrets and of more: r itself if there are no more.
func (r *Redactor) With(secrets ...string) *Redactor {
	more := new(Redactor)
	if r != nil {
		more.secrets = slices.Clone(r.secrets)
	}
	seen := map[string]bool{}
	for _, s := range more.secrets {
		seen[s] = true
	}
	add := func(s string, least int) {
		if utf8.RuneCountInString(s) >= least && !seen[s] {
			seen[s] = true
			more.secrets = append(more.secrets, s)
		}
	}
	for _, s := range secrets {
		for _, password := range passwords(s) {
			add(password, Least)
		}
		trimmed := strings.TrimSpace(s)
		for _, shown := range []string{s, trimmed, strings.ToValidUTF8(trimmed, "\uFFFD"), text.Plain(trimmed), text.Line(trimmed), text.Words(s)} {
			add(shown, Least)
		}
		if strings.ContainsAny(trimmed, "\r\n") {
			for line := range strings.FieldsFuncSeq(trimmed, func(c rune) bool { return c == '\r' || c == '\n' }) {
				add(text.Words(line), leastLine)
			}
		}
	}
	if r != nil && len(more.secrets) == len(r.secrets) || len(more.secrets) == 0 {
		return r
	}
	slices.Sort(more.secrets)
	for _, s := range more.secrets {
		more.first[int(s[0])+1]++
		word, bit := pair(s[0], s[1])
		more.pairs[word] |= bit
		more.stars = more.stars || strings.Contains(s, "*")
	}
	for c := range 256 {
		more.first[c+1] += more.first[c]
	}
	return more
}

// Text returns s with [Mask] in place of each secret. A text without a secret is returned unchanged. The time is
// proportional to the length of s: a text whose search would take longer is hidden as a whole.
func (r *Redactor) Text(s string) string { return r.redact(s, false) }

// Cut is Text for a text whose end was cut off: at its end it also hides the beginning of a secret, from [Least] bytes
// on.
func (r *Redactor) Cut(s string) string { return r.redact(s, true) }

func (r *Redactor) redact(s string, cut bool) string {
	if r == nil || len(r.secrets) == 0 {
		return s
	}
	for {
		now, found := r.once(s, cut)
		if !found || !r.stars {
			return now
		}
		s = now // shorter than before, so this ends
	}
}

// once replaces the secrets in s. Overlapping ones get one mask.
func (r *Redactor) once(s string, cut bool) (redacted string, found bool) {
	m := matcher{r: r, s: s, cut: cut, budget: costs * (len(s) + enough)}
	var out strings.Builder
	kept, begin, end := 0, 0, 0 // s[:kept] is in out; s[begin:end] must be hidden
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !lead[c] {
			if r.first[c] == r.first[int(c)+1] {
				continue
			}
			if i+1 < len(s) && !lead[s[i+1]] {
				if word, bit := pair(c, s[i+1]); r.pairs[word]&bit == 0 {
					continue
				}
			}
		}
		to := m.at(i)
		if m.budget < 0 {
			return Mask, true
		}
		if to < 0 {
			continue
		}
		if i >= end { // otherwise it overlaps the previous one
			if end > begin {
				out.WriteString(s[kept:begin] + Mask)
				kept = end
			}
			begin = i
		}
		end = max(end, to)
	}
	if end == begin {
		return s, false
	}
	out.WriteString(s[kept:begin] + Mask + s[end:])
	return out.String(), true
}

// A matcher finds secrets in one text.
type matcher struct {
	r   *Redactor
	s   string
	cut bool // s was cut off at its end

	budget   int    // how many more units may be read
	ways     []unit // see read
	branches int
	known    map[place]int // results of rest where there were several ways to read
}

// A place is a position in a secret and one in the text.
type place struct{ secret, in, at int }

// manyBranches is the number of branches from which on it pays to remember their results.
const manyBranches = 64

// at returns the end of the longest secret that begins at i, -1 if none does.
func (m *matcher) at(i int) (end int) {
	end = -1
	if c := m.s[i]; !lead[c] {
		for secret, to := m.r.starting(c); secret < to; secret++ {
			end = max(end, m.rest(secret, 1, i+1))
		}
		return end
	}
	base := m.read(i)
	for k, n := base, len(m.ways); k < n; k++ {
		u := m.ways[k]
		for secret, to := m.r.starting(u.text[0]); secret < to; secret++ {
			if u.begins(m.r.secrets[secret]) {
				end = max(end, m.rest(secret, u.size, u.end))
			}
		}
	}
	m.ways = m.ways[:base]
	return end
}

// rest returns the end of a secret whose first k bytes are spelled before i, -1 if it does not continue there.
func (m *matcher) rest(secret, k, i int) (end int) {
	s := m.r.secrets[secret]
	end = -1
	for k < len(s) && m.budget >= 0 {
		m.budget--
		if k >= enough {
			end = i
		}
		switch {
		case i == len(m.s), m.cut && k >= Least && m.broken(i):
			if m.cut && k >= Least {
				return len(m.s)
			}
			return end
		case !lead[m.s[i]]:
			if m.s[i] != s[k] {
				return end
			}
			k, i = k+1, i+1
			continue
		}
		base := m.read(i)
		fits := base
		for _, u := range m.ways[base:] {
			if u.begins(s[k:]) {
				m.ways[fits] = u
				fits++
			}
		}
		m.ways = m.ways[:fits]
		if fits == base+1 { // the usual case
			k, i = k+m.ways[base].size, m.ways[base].end
			m.ways = m.ways[:base]
			continue
		}
		end = max(end, m.branch(place{secret, k, i}, base))
		m.ways = m.ways[:base]
		return end
	}
	return i
}

// branch tries the ways to read on from base.
func (m *matcher) branch(at place, base int) (end int) {
	if known, ok := m.known[at]; ok {
		return known
	}
	end = -1
	for k, n := base, len(m.ways); k < n; k++ {
		end = max(end, m.rest(at.secret, at.in+m.ways[k].size, m.ways[k].end))
	}
	if m.branches++; m.branches > manyBranches {
		if m.known == nil {
			m.known = map[place]int{}
		}
		m.known[at] = end
	}
	return end
}

// broken reports whether the rest of a text that was cut off may be an incomplete character.
func (m *matcher) broken(i int) bool {
	rest := m.s[i:]
	return rest == "\uFFFD" || len(rest) < longest && lead[rest[0]] && !strings.ContainsAny(rest, " \n")
}

// Error returns err if its text contains no secret, and otherwise an error with a redacted text, which wraps err.
func (r *Redactor) Error(err error) error {
	if err == nil {
		return nil
	}
	if shown := r.Text(err.Error()); shown != err.Error() {
		return &redacted{shown, err}
	}
	return err
}

type redacted struct {
	text string
	err  error
}

func (e *redacted) Error() string { return e.text }
func (e *redacted) Unwrap() error { return e.err }
