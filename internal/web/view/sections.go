package view

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse/progress"
)

// A Section is a part of the plant, with its own sources and with what is below it.
type Section struct {
	Name    string     `json:"name"` // empty: of the sources that stand in no section
	Path    string     `json:"path"`
	Depth   int        `json:"depth"` // of its heading: 2 for those that are in no other
	State   string     `json:"state"` // of the worst that needs attention, or ok
	OK      int        `json:"ok"`
	Total   int        `json:"total"`
	Counts  []Count    `json:"counts"`  // of what is not ok
	Open    bool       `json:"open"`    // at first
	Sources []string   `json:"sources"` // the names of its own
	Parts   []*Section `json:"parts"`

	Cards []Card `json:"-"` // of its own sources
}

// manySources is from how many sources on sections begin closed: as rooms, with a dot for each source.
const manySources = 100

// deepestHeading is the last level of headings that HTML has.
const deepestHeading = 6

// Sections sorts sources into the sections that they name, in the order of the configuration.
func (l Look) Sections(all []wire.Source) []*Section {
	root := &Section{}
	for _, s := range all {
		at, path := root, ""
		for i, name := range strings.Split(s.Section, "/") {
			path = strings.TrimPrefix(path+"/"+name, "/")
			k := slices.IndexFunc(at.Parts, func(p *Section) bool { return p.Name == name })
			if k < 0 {
				k = len(at.Parts)
				at.Parts = append(at.Parts, &Section{
					Name: name, Path: path, Depth: min(i+2, deepestHeading), Sources: []string{}, Parts: []*Section{}, Counts: []Count{},
				})
			}
			at = at.Parts[k]
		}
		at.Cards = append(at.Cards, l.Card(s))
		at.Sources = append(at.Sources, s.Name)
	}
	for _, s := range root.Parts {
		s.roll(len(all) > manySources)
	}
	if root.Parts == nil {
		return []*Section{}
	}
	return root.Parts
}

// roll counts the states below s. With close, s begins closed if it has sources and nothing below it, and a name.
func (s *Section) roll(close bool) map[Badge]int {
	counts := map[Badge]int{}
	for _, c := range s.Cards {
		counts[c.Badge]++
	}
	for _, part := range s.Parts {
		for b, n := range part.roll(close) {
			counts[b] += n
		}
	}
	for b, n := range counts {
		if s.Total += n; b == ok {
			s.OK += n
		} else {
			s.Counts = append(s.Counts, countOf(b, n, b.Word, b.State))
		}
	}
	slices.SortFunc(s.Counts, func(a, b Count) int { return cmp.Or(a.Rank-b.Rank, strings.Compare(a.Word, b.Word)) })
	s.State = "ok"
	if len(s.Counts) > 0 && s.Counts[0].Needs {
		s.State = s.Counts[0].State
	}
	s.Open = !close || len(s.Cards) == 0 || len(s.Parts) > 0 || s.Name == ""
	return counts
}

// Of says how many of its sources are ok.
func (s *Section) Of() string {
	if s.OK == s.Total {
		return strconv.Itoa(s.Total) + " ok"
	}
	return fmt.Sprintf("%d of %d ok", s.OK, s.Total)
}

// In is the section that s is a part of; empty: none.
func (s *Section) In() string {
	in, _ := strings.CutSuffix(s.Path, s.Name)
	return strings.ReplaceAll(strings.TrimSuffix(in, "/"), "/", " / ")
}

// mostNamed is how many sources that are not ok a room names.
const mostNamed = 4

// Bad are the first cards of s that are not ok; Others counts the rest.
func (s *Section) Bad() []Card {
	bad := s.bad()
	return bad[:min(len(bad), mostNamed)]
}

// Others says how many cards of s are not ok besides those of [Section.Bad]; empty: none.
func (s *Section) Others() string {
	if n := len(s.bad()) - mostNamed; n > 0 {
		return strconv.Itoa(n) + " more"
	}
	return ""
}

func (s *Section) bad() (list []Card) {
	for _, c := range s.Cards {
		if c.State != "ok" {
			list = append(list, c)
		}
	}
	return list
}

// Leaves are the sections that have sources themselves.
func Leaves(all []*Section) (list []*Section) {
	for _, s := range all {
		if len(s.Cards) > 0 {
			list = append(list, s)
		}
		list = append(list, Leaves(s.Parts)...)
	}
	return list
}

// The densities of sources.
const (
	Cards = "cards"
	Rows  = "rows"
	Tiles = "tiles"
)

// DensityOf is how n sources are shown until somebody chooses.
func DensityOf(n int) string {
	switch {
	case n <= 30:
		return Cards
	case n <= manySources:
		return Rows
	}
	return Tiles
}

// A Filter is which sources and jobs are shown; the zero value shows all.
type Filter struct{ Q, State, Section string }

// On reports whether f leaves anything out.
func (f Filter) On() bool { return f != Filter{} }

// Matches reports whether a source or a job of that name, title, section and state is shown.
func (f Filter) Matches(name, title, section string, b Badge) bool {
	if f.Section != "" && section != f.Section && !strings.HasPrefix(section, f.Section+"/") {
		return false
	}
	switch {
	case f.State == "" || f.State == b.State || f.State == "attention" && b.Needs:
	case f.State == "failed" && b.Rank == statuses[progress.StatusFailed].Rank: // all runs that did not succeed
	default:
		return false
	}
	text := strings.ToLower(name + "\n" + title + "\n" + section)
	return strings.Contains(text, strings.TrimSpace(strings.ToLower(f.Q)))
}

// Words says what f shows.
func (f Filter) Words() string {
	var parts []string
	for _, part := range []string{strings.ReplaceAll(f.Section, "/", " / "), f.State} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if f.Q != "" {
		parts = append(parts, "“"+f.Q+"”")
	}
	return strings.Join(parts, ", ")
}

// With is the address of what f shows, in a density.
func (f Filter) With(density string) string {
	query := url.Values{"density": {density}}
	for name, value := range map[string]string{"q": f.Q, "state": f.State, "section": f.Section} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return "?" + query.Encode()
}
