package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/explore"
	"github.com/tidewire/tidewire/internal/jq"
)

const (
	mostPicked = 8     // by itself
	aTime      = 1.0e9 // numbers from here on are times, or count something nobody looks at
)

// choose has the draft pick what the flags say, or what somebody says, or what moves.
func (e *explorer) choose() error {
	if len(e.leaves) == 0 && e.draft.Parse == "html" && len(e.picks) == 0 {
		return errors.New("the page has no text: choose another address, or say with --pick NAME=SELECTOR what to take of it")
	}
	if len(e.leaves) == 1 && len(e.leaves[0].Names) == 0 && len(e.picks) == 0 { // the value itself
		if path := e.leaves[0].Path; path != "." {
			e.draft.Picks = []explore.Pick{{Expression: path}}
		}
		return nil
	}
	if len(e.picks) > 0 {
		var all []explore.Pick
		for _, word := range e.picks {
			some, err := e.chosen(word, all)
			if err != nil {
				return usageError("--pick: " + err.Error())
			}
			all = append(all, some...)
		}
		e.draft.Picks = all
		return nil
	}
	usual := e.usual()
	for e.ask != nil {
		var numbers []string
		for _, i := range usual {
			numbers = append(numbers, strconv.Itoa(i+1))
		}
		e.note("")
		line, err := e.ask.line("What to pick: numbers, NAME=NUMBER, NAME=EXPRESSION, or all", strings.Join(numbers, " "))
		if err != nil {
			return err
		}
		var all []explore.Pick
		words, err := splitWords(line)
		for _, word := range words {
			var some []explore.Pick
			if err == nil {
				some, err = e.chosen(word, all)
			}
			all = append(all, some...)
		}
		if err == nil {
			e.draft.Picks = all
			return nil
		}
		e.note("%s", harmless(err))
	}
	for _, i := range usual {
		e.draft.Picks = append(e.draft.Picks, pickOf(e.leaves[i], "", e.draft.Picks))
	}
	return nil
}

// usual returns the indices of the leaves that are picked unless somebody says otherwise: numbers that move, or else the first
// numbers, or else everything, if that is not much. With --unit those come first that have this unit.
func (e *explorer) usual() (indices []int) {
	defer func() { indices = e.ofUnit(indices) }()
	for _, moves := range []bool{true, false} {
		for i, l := range e.leaves {
			_, moved := e.moved[l.Way()]
			if e.draft.Split != nil && l.Path == e.draft.Split.Name {
				continue // it is the same for ever
			}
			if x, ok := l.Value.(float64); ok && x < aTime && (moved || !moves) && len(indices) < mostPicked {
				indices = append(indices, i)
			}
		}
		if indices != nil {
			return indices
		}
	}
	for i := range e.leaves[:min(len(e.leaves), mostPicked)] {
		indices = append(indices, i)
	}
	return indices
}

// ofUnit returns indices of leaves that are picked, those with the unit of --unit first, which are picked in any case.
func (e *explorer) ofUnit(indices []int) (first []int) {
	if e.unit == "" {
		return indices
	}
	for i, l := range e.leaves {
		if l.Unit == e.unit && len(first) < mostPicked {
			first = append(first, i)
		}
	}
	for _, i := range indices {
		if !slices.Contains(first, i) && len(first) < mostPicked {
			first = append(first, i)
		}
	}
	return first
}

// pickOf picks a leaf under a name; empty: under one that none of others has.
func pickOf(l explore.Leaf, name string, others []explore.Pick) explore.Pick {
	if name == "" {
		name = l.Name(func(name string) bool { return hasPick(others, name) })
	}
	return explore.Pick{Name: name, Expression: l.Path, Selector: l.Selector}
}

// hasPick reports whether one of the picks has a name.
func hasPick(picks []explore.Pick, name string) bool {
	return slices.ContainsFunc(picks, func(p explore.Pick) bool { return p.Name == name })
}

var (
	named   = regexp.MustCompile(`^([\pL_][\pL\pN_ -]*)=(.+)$`)
	numbers = regexp.MustCompile(`^([0-9]+)(-([0-9]+))?$`)
)

// chosen returns what a word picks, beside others: 3, 3-5, all, NAME=3, NAME=EXPRESSION, or EXPRESSION.
func (e *explorer) chosen(word string, others []explore.Pick) (picks []explore.Pick, err error) {
	name := ""
	if m := named.FindStringSubmatch(word); m != nil {
		name, word = m[1], m[2]
	}
	first, last := 1, len(e.leaves)
	if m := numbers.FindStringSubmatch(word); m != nil {
		first, _ = strconv.Atoi(m[1])
		if last = first; m[3] != "" {
			last, _ = strconv.Atoi(m[3])
		}
		if first < 1 || last > len(e.leaves) || last < first {
			return nil, fmt.Errorf("there is no %s in the list, which has %s", word, count(len(e.leaves), "value"))
		}
	} else if word != "all" {
		pick, err := e.expressed(name, word, others)
		return []explore.Pick{pick}, err
	}
	if first != last {
		name = ""
	}
	for _, l := range e.leaves[first-1 : last] {
		picks = append(picks, pickOf(l, name, slices.Concat(others, picks)))
	}
	return picks, nil
}

// expressed picks what an expression gives, which is tried on the newest answer.
func (e *explorer) expressed(name, expression string, others []explore.Pick) (explore.Pick, error) {
	if i := slices.IndexFunc(e.leaves, func(l explore.Leaf) bool { return l.Way() == expression }); i >= 0 {
		return pickOf(e.leaves[i], name, others), nil
	}
	if e.draft.Parse == "html" {
		return pickOf(explore.Leaf{Selector: expression, Names: []string{expression}}, name, others), nil
	}
	p, err := jq.Compile(expression)
	if err != nil {
		return explore.Pick{}, fmt.Errorf("%s is not valid jq: %w", expression, err)
	}
	if _, err := p.Run(e.ctx, e.value); err != nil {
		return explore.Pick{}, errors.New(strings.TrimPrefix(err.Error(), "jq: "))
	}
	path := strings.FieldsFunc(expression, func(r rune) bool {
		return !strings.ContainsRune("_", r) && !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9')
	})
	return pickOf(explore.Leaf{Path: expression, Names: path}, name, others), nil
}

// splitWords splits a line at spaces and commas outside quotes, which are left out.
func splitWords(line string) (words []string, err error) {
	var word strings.Builder
	quote, open := rune(0), false
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"' && !strings.Contains(word.String(), "["): // as in .["a b"]
			quote, open = r, true
		case r == ' ' || r == ',' || r == '\t':
			if open || word.Len() > 0 {
				words = append(words, word.String())
			}
			word.Reset()
			open = false
		default:
			word.WriteRune(r)
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("there is a %c without an end", quote)
	}
	if open || word.Len() > 0 {
		words = append(words, word.String())
	}
	return words, nil
}

// describe asks for all else that a source has, unless the flags say it.
func (e *explorer) describe() error {
	if e.ask != nil {
		if err := e.where(); err != nil {
			return err
		}
	}
	d := e.draft
	d.Title, d.Unit, d.Every, d.Show = e.title, e.unit, e.every, e.show
	if d.Show == "" {
		d.Show = e.headline()
	} else if !hasPick(d.Picks, d.Show) {
		return usageError("--show: nothing is picked under the name " + d.Show)
	}
	if e.ask == nil {
		d.Unit = cmp.Or(d.Unit, e.unitOf(d.Show))
		if d.IsNumber = e.isNumber(d.Show); d.Every == "" {
			d.Every = usualPause
		}
		return nil
	}
	if e.name == "" {
		if err := e.ask.until("Name of the source", &d.Name, e.checkName); err != nil {
			return err
		}
	}
	if e.show == "" && len(d.Picks) > 1 {
		if err := e.ask.until("Shown large", &d.Show, func(name string) error {
			if name != "" && !hasPick(d.Picks, name) {
				return errors.New("that is none of the names")
			}
			return nil
		}); err != nil {
			return err
		}
	}
	if d.IsNumber = e.isNumber(d.Show); d.IsNumber && e.unit == "" {
		d.Unit = e.unitOf(d.Show)
		if err := e.ask.until("Its unit, such as °C or %", &d.Unit, nil); err != nil {
			return err
		}
	}
	if d.Every == "" {
		d.Every = usualPause
		return e.ask.until("How often, such as 10s or 5m", &d.Every, func(text string) error {
			if every, err := time.ParseDuration(text); err != nil || every < time.Millisecond {
				return errors.New("that is not a duration: write one such as 10s")
			}
			return nil
		})
	}
	return nil
}

// where asks where to write the source. In a file there may be an upstream for it, and others of its name.
func (e *explorer) where() error {
	if e.write != "" {
		return nil
	}
	write := stdinConfig
	return e.ask.until("Write it into a file such as "+usualConfig+", or - to print it", &write, func(name string) error {
		if name == stdinConfig {
			return nil
		}
		before := *e
		e.write = name
		err := e.openFile()
		if err == nil {
			err = e.target(e.args, e.isCommand)
		}
		if err != nil {
			*e = before
			return err
		}
		e.draft.Parse, e.draft.Split, e.draft.Picks = before.draft.Parse, before.draft.Split, before.draft.Picks
		return nil
	})
}

// usualPause is how often a source is polled unless somebody says otherwise.
const usualPause = "10s"

// headline returns the name of the first pick that is a number, or else of the first one; empty if the value is one as a whole.
func (e *explorer) headline() string {
	for _, p := range e.draft.Picks {
		if e.isNumber(p.Name) {
			return p.Name
		}
	}
	if len(e.draft.Picks) > 0 {
		return e.draft.Picks[0].Name
	}
	return ""
}

// unitOf returns the unit that stood behind the number that the pick of a name takes, empty if there was none.
func (e *explorer) unitOf(name string) string {
	for _, p := range e.draft.Picks {
		for _, l := range e.leaves {
			if p.Name == name && l.Path == p.Expression && l.Selector == p.Selector {
				return l.Unit
			}
		}
	}
	return ""
}

// isNumber reports whether the pick of a name is a number, or without picks the value as a whole.
func (e *explorer) isNumber(name string) bool {
	v := e.value
	for _, p := range e.draft.Picks {
		if p.Name != name {
			continue
		}
		if p.Selector != "" {
			return strings.HasSuffix(p.Expression, "tonumber")
		}
		program, err := jq.Compile(p.Expression)
		if err == nil {
			v, err = program.Run(e.ctx, e.value)
		}
		if err != nil {
			return false
		}
	}
	switch v.(type) {
	case float64, int, json.Number:
		return true
	}
	return false
}
