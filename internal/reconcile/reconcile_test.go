package reconcile_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/reconcile"
)

// A thing is a letter with a version: what is wanted is written "a1".
type thing struct{ text string }

func (t *thing) Key() string { return t.text[:1] }

func things(list string) (all []*thing) {
	for _, text := range strings.Fields(list) {
		all = append(all, &thing{text})
	}
	return all
}

func names(all []*thing) string {
	var texts []string
	for _, t := range all {
		texts = append(texts, t.text)
	}
	return strings.Join(texts, " ")
}

func TestOf(t *testing.T) {
	for _, tt := range []struct {
		atWork, wanted              string
		fresh, gone, added, changed string
		unchanged                   int
		reordered                   bool
	}{
		{"", "", "", "", "", "", 0, false},
		{"", "a1 b1", "a1 b1", "", "a b", "", 0, true},
		{"a1 b1", "a1 b1", "", "", "", "", 2, false},
		{"a1 b1", "b1 a1", "", "", "", "", 2, true},
		{"a1 b1", "a1 b2", "b2", "", "", "b", 1, false},
		{"a1 b1 c1", "c1", "", "a1 b1", "", "", 1, true},
		{"a1", "b1", "b1", "a1", "b", "", 0, true},
	} {
		atWork := things(tt.atWork)
		d := reconcile.Of(atWork, strings.Fields(tt.wanted),
			func(want string) string { return want[:1] },
			func(t *thing, want string) bool { return t.text == want },
			func(want string) *thing { return &thing{want} })
		got := fmt.Sprintf("%s|%s|%s|%s|%s|%d %v", names(d.Next), names(d.Fresh), names(d.Gone),
			strings.Join(d.Added, " "), strings.Join(d.Changed, " "), d.Unchanged, d.Reordered)
		want := fmt.Sprintf("%s|%s|%s|%s|%s|%d %v", tt.wanted, tt.fresh, tt.gone, tt.added, tt.changed, tt.unchanged, tt.reordered)
		if got != want {
			t.Errorf("Of(%q, %q) = %s, want %s", tt.atWork, tt.wanted, got, want)
		}
		for _, fresh := range d.Fresh {
			before, ok := d.Replaced(fresh)
			if changed := slices.Contains(d.Changed, fresh.Key()); ok != changed || ok && !slices.Contains(atWork, before) {
				t.Errorf("Of(%q, %q): Replaced(%s) = %v, %v", tt.atWork, tt.wanted, fresh.text, before, ok)
			}
		}
		for _, kept := range d.Next {
			if !slices.Contains(d.Fresh, kept) && !slices.Contains(atWork, kept) {
				t.Errorf("Of(%q, %q) made %s anew, want the one at work", tt.atWork, tt.wanted, kept.text)
			}
		}
	}
}

// A part notes what is asked of it.
type part struct {
	name  string
	notes *[]string
}

func (p part) note(what string) { *p.notes = append(*p.notes, what+" "+p.name) }

func (p part) Difference() reconcile.Difference {
	return reconcile.Difference{Added: []string{p.name}, Unchanged: 1}
}
func (p part) Apply()                   { p.note("apply") }
func (p part) Finish(context.Context)   { p.note("finish") }
func (p part) Withdraw(context.Context) { p.note("withdraw") }

func TestAll(t *testing.T) {
	var notes []string
	all := reconcile.All{part{"a", &notes}, part{"b", &notes}}
	all.Apply()
	all.Finish(t.Context())
	all.Withdraw(t.Context())
	if got, want := strings.Join(notes, ", "), "apply a, apply b, finish b, finish a, withdraw b, withdraw a"; got != want {
		t.Errorf("the parts were asked to %s, want %s", got, want)
	}
	d := all.Difference()
	if got, want := fmt.Sprint(d.Added, d.Changed, d.Removed, d.Unchanged, d.Any()), "[a b] [] [] 2 true"; got != want {
		t.Errorf("Difference() = %s, want %s", got, want)
	}
	if d := (reconcile.All{}).Difference(); d.Any() || d.Added == nil || d.Changed == nil || d.Removed == nil {
		t.Errorf("the difference of nothing = %#v, want empty lists", d)
	}
}
