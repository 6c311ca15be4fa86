package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/explore"
)

// oneSource is what somebody says who wants no source of each row.
const oneSource = "-"

// splitRows has the draft make a source of each row of the answer, if a flag or somebody says so. What is picked is picked of a row
// then.
func (e *explorer) splitRows() error {
	var found []explore.Rows
	switch e.draft.Parse {
	case "json", "yaml", "xml", "csv":
		found = lasting(explore.FindRows(e.value), explore.FindRows(e.was))
	}
	if e.split != "" {
		for _, rows := range found {
			if name := nameOf(rows, e.split); name != "" {
				e.splitBy(rows, name)
				return nil
			}
		}
		return usageError("--split: " + notApart(found, e.split).Error())
	}
	found = slices.DeleteFunc(found, func(r explore.Rows) bool { return !r.Obvious })
	if len(found) == 0 {
		return nil
	}
	rows := found[0]
	if e.ask == nil {
		if len(e.picks) == 0 {
			e.note("")
			e.note("%d rows in %s, each with another %s: --split %s makes a source of each", rows.Number, rows.Each, short(rows.Names[0]), short(rows.Names[0]))
		}
		return nil
	}
	e.note("")
	e.note("%d rows in %s: each can be a source of its own, with a card, a history and alerts", rows.Number, rows.Each)
	field, name := short(rows.Names[0]), ""
	err := e.ask.until("The field that names a row ("+strings.Join(shorts(rows.Names), ", ")+"), or "+oneSource+" for one source of all", &field, func(field string) error {
		if name = nameOf(rows, field); name == "" && field != oneSource {
			return notApart([]explore.Rows{rows}, field)
		}
		return nil
	})
	if err != nil || field == oneSource {
		return err
	}
	e.splitBy(rows, name)
	return nil
}

// lasting is what is found in an answer without the names that were others in an earlier one: a level does not name a row.
func lasting(found, before []explore.Rows) []explore.Rows {
	for i, rows := range found {
		earlier := slices.IndexFunc(before, func(r explore.Rows) bool { return r.Each == rows.Each })
		if earlier < 0 {
			continue
		}
		found[i].Names = slices.DeleteFunc(rows.Names, func(name string) bool {
			return rows.Value(name) != before[earlier].Value(name)
		})
		found[i].Obvious = rows.Obvious && len(found[i].Names) > 0 && found[i].Names[0] == rows.Names[0]
	}
	return slices.DeleteFunc(found, func(r explore.Rows) bool { return len(r.Names) == 0 })
}

// nameOf is the expression of a field that may name rows, empty if it may not.
func nameOf(rows explore.Rows, field string) string {
	for _, name := range rows.Names {
		if field == name || field == short(name) {
			return name
		}
	}
	return ""
}

// short is a field as people write it: id for .id.
func short(name string) string { return strings.TrimPrefix(name, ".") }

func shorts(names []string) []string {
	all := make([]string, min(len(names), 8))
	for i := range all {
		all[i] = short(names[i])
	}
	return all
}

// notApart says which fields tell rows apart, since another one does not.
func notApart(found []explore.Rows, field string) error {
	if len(found) == 0 {
		return errors.New("the answer has no rows that can be told apart: several objects in a list, each with another text or number in one field")
	}
	return fmt.Errorf("%s does not tell the rows in %s apart, but there is %s", safe(field, 60), found[0].Each, strings.Join(shorts(found[0].Names), ", "))
}

// splitBy makes a source of each row, and lists what is in the first one.
func (e *explorer) splitBy(rows explore.Rows, name string) {
	e.row = config.RowName(rows.Value(name))
	e.draft.Split = &explore.Split{Each: rows.Each, Name: name}
	if rows.Title != name {
		e.draft.Split.Title = rows.Title
	}
	e.value = rows.First
	var more int
	e.leaves, more = explore.Leaves(rows.First, e.draft.Parse)
	later := e.leaves
	for _, before := range explore.FindRows(e.was) {
		if before.Each == rows.Each {
			e.leaves, _ = explore.Leaves(before.First, e.draft.Parse)
		}
	}
	e.moved = explore.Moved(e.leaves, later)
	e.note("")
	e.note("the first row, %s:", e.row)
	e.showLeaves(more)
}
