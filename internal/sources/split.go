package sources

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/jq"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/smartpoll"
)

// A source that is split has a child for each row of what it gets, a source of its own. A poll of the split source tells
// each child its row: from there that takes the road of every value. What a poll finds new, or has not found for long, is
// the gateway's to add and to remove, by Deps.Rows, as a change of the configuration that concerns nothing else. So children
// are in the store, and outlive the process as their values do.

// A row is what a split source tells one of its children.
type row struct {
	config.Row
	value     any
	variables map[string]any // of the answer, see [kind.Result]
}

// rowsOf returns the rows of what a poll of the split source s got, and what is wrong with some of them: one that cannot be
// named is left out. It fails if none is left, and if two have one name: nobody knew which of them the source is.
func (s *poller) rowsOf(ctx context.Context, answer kind.Result) (rows []row, wrong string, err error) {
	values, err := s.Split.Each.All(ctx, answer.Value, answer.Variables, config.MaxRows)
	if err != nil {
		return nil, "", fmt.Errorf("split: each: %w", err)
	}
	if len(values) == 1 {
		if _, isList := values[0].([]any); isList {
			return nil, "", fmt.Errorf("split: each: %s gives one list: write [] behind it for what is in that", s.Split.Each)
		}
	}
	rows = make([]row, 0, len(values))
	first := make(map[string]int, len(values)) // by name
	var problem error
	at, more := 0, 0
	for i, value := range values {
		r := row{value: value, variables: answer.Variables}
		if r.Row, err = s.rowOf(ctx, value, answer.Variables); err != nil {
			if ctx.Err() != nil {
				return nil, "", err
			}
			if problem == nil {
				problem, at = err, i
			} else {
				more++
			}
		}
		if r.Name == "" {
			continue
		}
		if before, ok := first[r.Name]; ok {
			long := ""
			if len(r.Name) == config.MaxRowName {
				long = fmt.Sprintf(", which is cut after %d characters: name them by something shorter", config.MaxRowName)
			}
			return nil, "", fmt.Errorf("split: rows %d and %d have the same name %s%s", before+1, i+1, r.Name, long)
		}
		first[r.Name] = i
		rows = append(rows, r)
	}
	if problem == nil {
		return rows, "", nil
	}
	err = fmt.Errorf("split: row %d%s: %w", at+1, s.pointerTo(ctx, answer, at), problem)
	if more > 0 {
		err = fmt.Errorf("%w (and %d more rows)", err, more)
	}
	if len(rows) == 0 {
		return nil, "", err
	}
	return rows, s.secrets.Text(err.Error()), nil
}

// pointerTo is where a row is in the answer, in brackets; empty if the row is made of several parts of that.
func (s *poller) pointerTo(ctx context.Context, answer kind.Result, row int) string {
	var variables []string
	for _, use := range s.Split.Each.Uses() {
		variables = append(variables, use.Name)
	}
	paths, err := jq.Compile("path("+s.Split.Each.String()+")", variables...)
	if err != nil {
		return ""
	}
	all, err := paths.All(ctx, answer.Value, answer.Variables, config.MaxRows)
	if err != nil || row >= len(all) {
		return ""
	}
	path, _ := all[row].([]any)
	pointer := ""
	for _, step := range path {
		text, ok := textOf(step)
		if !ok {
			return "" // a slice
		}
		pointer += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(text)
	}
	if pointer == "" {
		return ""
	}
	return " (" + brief([]byte(s.inValues.Text(pointer))) + ")"
}

// rowOf returns which source a row is: with an error none if its name is empty, or else one without what cannot be computed.
func (s *poller) rowOf(ctx context.Context, v any, variables map[string]any) (r config.Row, err error) {
	said, err := s.Split.Name.RunWith(ctx, v, variables)
	if err != nil {
		return r, fmt.Errorf("name: %w", err)
	}
	name, ok := textOf(said)
	if !ok {
		data, _ := json.Marshal(said) // what jq gives encodes
		return r, fmt.Errorf("name: %s is neither a text nor a number", brief(data))
	}
	if r.Name = config.RowName(name); r.Name == "" {
		return r, fmt.Errorf("name: %s has no letter from a to z and no digit", brief(strconv.AppendQuote(nil, name)))
	}
	title, err := s.shown(ctx, "title", s.Split.Title, v, variables)
	section, failed := s.shown(ctx, "section", s.Split.Section, v, variables)
	r.Title, r.Section = config.RowTitle(title), config.RowSection(section)
	return r, cmp.Or(err, failed)
}

// shown returns what a key of the split makes of a row for people, empty if the key is not there or makes no text.
func (s *poller) shown(ctx context.Context, key string, by *jq.Program, v any, variables map[string]any) (string, error) {
	if by == nil {
		return "", nil
	}
	said, err := by.RunWith(ctx, v, variables)
	if err != nil {
		return "", fmt.Errorf("%s: %w", key, err)
	}
	text, _ := textOf(said)
	return s.inValues.Text(text), nil
}

// textOf returns a text or a number as text.
func textOf(v any) (s string, ok bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case int:
		return strconv.Itoa(v), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case json.Number:
		return v.String(), true
	}
	return "", false
}

// brief is a value in an error.
func brief(data []byte) string {
	const most = 60
	if len(data) > most {
		return strings.ToValidUTF8(string(data[:most]), "") + "..."
	}
	return string(data)
}

// join makes s, which is new at work, what it is among the sources of a split, within a hook: all of these come after it.
func (s *poller) join(sources map[string]*poller) {
	if s.Split != nil {
		s.children, s.tellings = map[string]*poller{}, 0
	}
	if s.SplitFrom == "" {
		return
	}
	if s.parent = sources[s.SplitFrom]; s.parent != nil {
		s.uses = []*poller{s.parent} // which is watched if s is
		s.parent.children[s.RowOf()] = s
		if s.telling {
			s.parent.tellings++
		}
	}
}

// origin is the source that gets the values of s from outside: its parent, if it has one, or itself.
func (s *poller) origin() *poller {
	if s.parent != nil {
		return s.parent
	}
	return s
}

// tellRow puts a message into the slot of s, a child that this process owns, and has it taken.
func (s *poller) tellRow(internal *smartpoll.Internal, message kind.FetchFunc) {
	s.subscription.Tell(message)
	internal.Schedule(s.key, 0)
	s.setTelling(true)
}

// endPoll is the end of a hook of a poll of s: a child has taken its row then, unless it was told another one meanwhile.
func (s *poller) endPoll(internal *smartpoll.Internal) {
	if s.telling && internal.Next(s.key).IsZero() {
		s.setTelling(false)
	}
	s.settle()
}

func (s *poller) setTelling(on bool) {
	if s.telling == on || s.parent == nil {
		return
	}
	if s.telling = on; on {
		s.parent.tellings++
		return
	}
	s.parent.tellings--
	s.parent.settle()
}

// isTelling reports whether some rows of the newest answer of s, which is split, have not been taken yet.
func (s *poller) isTelling() bool { return s.tellings > 0 || len(s.untaken) > 0 }

// settle tells those who wait for it if all rows of the newest answer of s have been taken, or s is over.
func (s *poller) settle() {
	if s.Split == nil || s.isTelling() && !s.removed {
		return
	}
	if s.settled != nil {
		close(s.settled)
		s.settled = nil
	}
	s.svc.deps.Scheduler.Schedule(changedKey{}, 0) // some may be held
}

// settling is closed when all rows of the newest answer of s have been taken, or s is over; nil: that is so already.
func (s *poller) settling() <-chan struct{} {
	if !s.isTelling() || s.removed {
		return nil
	}
	if s.settled == nil {
		s.settled = make(chan struct{})
	}
	return s.settled
}

// takeRow has s, a child that this process begins to own, begin with the row that was found before it was there, if any.
// What it was told when it was owned before is not of now.
func (s *poller) takeRow() {
	s.subscription.Tell(nil)
	if s.parent == nil {
		return
	}
	if r, ok := s.parent.untaken[s.RowOf()]; ok {
		s.subscription.Tell(r.message())
		s.setTelling(true)
		delete(s.parent.untaken, s.RowOf())
	}
}

// message is what a child is told of its row.
func (r row) message() kind.FetchFunc {
	return func(context.Context) (kind.Result, error) {
		return kind.Result{Value: r.value, Variables: r.variables}, nil
	}
}

// split is a part of the hook of a poll of s, which is split: it tells each child its row. Children whose row is missing are
// stale; those for which it has been for long enough go, and children come for rows that have none.
func (s *poller) split(internal *smartpoll.Internal, now time.Time, rows []row) {
	next := make([]config.Row, 0, max(len(rows), len(s.children)))
	isRow := make(map[string]bool, len(rows))
	isSame := true
	s.untaken = nil
	for _, r := range rows {
		isRow[r.Name] = true
		next = append(next, r.Row)
		child := s.children[r.Name]
		switch {
		case child == nil || !child.isRow(r.Row):
			isSame = false
			fallthrough
		case child.claim == nil: // it is being taken over, or is another's for a moment
			if s.untaken == nil {
				s.untaken = map[string]row{}
			}
			s.untaken[r.Name] = r
		default:
			child.missing = time.Time{}
			child.tellRow(internal, r.message())
		}
	}
	var left []*poller // those that may stay without a row
	for name, child := range s.children {
		if isRow[name] {
			continue
		}
		if child.missing.IsZero() {
			child.missing = now
		}
		if s.renamed || now.Sub(child.missing) >= s.Split.Forget {
			isSame = false
			continue
		}
		left = append(left, child)
		if child.claim != nil && !child.saysMissing() {
			child.tellRow(internal, missing(s.Name))
		}
	}
	s.renamed = false
	if room := config.MaxRows - len(rows); len(left) > room { // names that never come again
		slices.SortFunc(left, func(a, b *poller) int { return b.missing.Compare(a.missing) })
		left, isSame = left[:room], false
	}
	if isSame {
		return
	}
	for _, child := range left {
		next = append(next, config.Row{Name: child.RowOf(), Title: child.Title, Section: child.Section})
	}
	if s.svc.deps.Rows != nil {
		s.svc.deps.Rows(s.Name, next)
	}
}

// splitFailed is a part of the hook of a poll of s that failed: no child has a value of now.
func (s *poller) splitFailed(internal *smartpoll.Internal, err error) {
	s.untaken = nil
	for _, child := range s.children {
		if child.claim != nil && !child.saysMissing() { // which says more
			child.tellRow(internal, func(context.Context) (kind.Result, error) { return kind.Result{}, err })
		}
	}
}

// isRow reports whether s, a child, is already as a row says.
func (s *poller) isRow(r config.Row) bool {
	title, section := s.parent.Shown(r)
	return s.Title == title && s.Section == section
}

// LeftRows decides when a row that has left is gone for good, so that its past is forgotten. Its methods do not block.
type LeftRows interface {
	// Leave tells that a row has left whose source is named, of a source that is split.
	Leave(split, source string)
	// Return tells that there is a source of that name, a row or not.
	Return(source string)
}

// rowLeft tells that a source has left that is a row of split, if it is one.
func (svc *Service) rowLeft(split, source string) {
	if split != "" && svc.deps.LeftRows != nil {
		svc.deps.LeftRows.Leave(split, source)
	}
}

// A missingError is why a child has no value: the answer of its parent has no such row.
type missingError string

func (e missingError) Error() string { return "not among the rows of " + string(e) + " any more" }

func missing(parent string) kind.FetchFunc {
	return func(context.Context) (kind.Result, error) { return kind.Result{}, missingError(parent) }
}

// leftBecause is why s, which leaves, does so; empty: the configuration has it no more.
func (s *poller) leftBecause() string {
	if s.missing.IsZero() {
		return ""
	}
	return missingError(s.SplitFrom).Error()
}

// saysMissing reports whether people are told already that the row of s is missing.
func (s *poller) saysMissing() bool {
	return s.published.Error != nil && *s.published.Error == missingError(s.SplitFrom).Error()
}

// isRenamed reports whether s calls its rows otherwise than before did, so that those which are missing do not come again.
func (s *poller) isRenamed(before *poller) bool {
	return s.Split != nil && before.Split != nil &&
		(s.Split.Name.String() != before.Split.Name.String() || s.Split.Each.String() != before.Split.Each.String())
}
