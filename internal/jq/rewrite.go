package jq

import (
	_ "embed"
	"slices"
	"strconv"
	"sync"

	"github.com/itchyny/gojq"
)

// The interpreter does not bound the cost of a step, and checks its context only between steps. So an expression is
// rewritten before it is compiled: every operation whose cost is not constant is preceded by a call of %pay, which
// returns its input or ends the run. Names that begin with % can only be written by the rewriter.
const (
	payName   = "%pay"
	matchName = "%match"
	partsName = "%pieces"
	pathName  = "%path"
	ownerName = "%owner"
	meterName = "$__meter__"
)

//go:embed builtin.jq
var builtinSource string

// builtins are the functions that jq defines in jq, as text, by name and number of arguments.
var builtins = sync.OnceValue(func() map[string]string {
	q, err := gojq.Parse(builtinSource + " .")
	if err != nil {
		panic("jq: builtin.jq: " + err.Error())
	}
	defs := map[string]string{}
	for _, d := range q.FuncDefs {
		defs[signature(d.Name, len(d.Args))] = d.String()
	}
	return defs
})

func signature(name string, args int) string { return name + "/" + strconv.Itoa(args) }

// rewrite changes q, which must not be shared, so that its operations are paid. It reports whether q deletes: the
// interpreter then writes to the objects and arrays that it was given.
func rewrite(q *gojq.Query) (_ *gojq.Query, deletes bool) {
	r := rewriter{included: map[string]bool{}}
	q = r.query(q)
	q.FuncDefs = append(r.defs, q.FuncDefs...)
	return q, r.deletes
}

type rewriter struct {
	scope    []string        // signatures of the functions that the expression defines, innermost last
	defs     []*gojq.FuncDef // builtins that it needs
	included map[string]bool // their signatures
	names    int             // variables made so far
	deletes  bool            // it has |= or delpaths
}

// query rewrites an expression and what it defines.
func (r *rewriter) query(q *gojq.Query) *gojq.Query {
	if q == nil {
		return nil
	}
	outer := len(r.scope)
	defer func() { r.scope = r.scope[:outer] }()
	for _, d := range q.FuncDefs {
		r.scope = append(r.scope, signature(d.Name, len(d.Args)))
		r.funcDef(d)
	}
	defs := q.FuncDefs
	q.FuncDefs = nil
	if q.Term != nil {
		term := r.term(q.Term)
		q = &gojq.Query{Meta: q.Meta, Imports: q.Imports, Term: term}
	} else if q.Op != 0 {
		q = r.operation(q)
	}
	q.FuncDefs = append(defs, q.FuncDefs...)
	return q
}

// operators maps operators whose cost is not constant to their functions.
var operators = map[gojq.Operator]string{
	gojq.OpAdd: "_add",
	gojq.OpSub: "_subtract",
	gojq.OpMul: "_multiply",
	gojq.OpDiv: "_divide",
	gojq.OpMod: "_modulo",
	gojq.OpEq:  "_compare",
	gojq.OpNe:  "_compare",
	gojq.OpGt:  "_compare",
	gojq.OpLt:  "_compare",
	gojq.OpGe:  "_compare",
	gojq.OpLe:  "_compare",
}

// updates maps updating operators to the operators that they apply.
var updates = map[gojq.Operator]gojq.Operator{
	gojq.OpUpdateAdd: gojq.OpAdd, gojq.OpUpdateSub: gojq.OpSub, gojq.OpUpdateMul: gojq.OpMul,
	gojq.OpUpdateDiv: gojq.OpDiv, gojq.OpUpdateMod: gojq.OpMod, gojq.OpUpdateAlt: gojq.OpAlt,
}

func (r *rewriter) operation(q *gojq.Query) *gojq.Query {
	if op, ok := updates[q.Op]; ok { // R as $v | L |= (. op $v)
		v := r.variable()
		update := &gojq.Query{Left: identity(), Op: op, Right: call(v)}
		return bind(r.query(q.Right), v, r.assign(q.Left, gojq.OpModify, update))
	}
	switch q.Op {
	case gojq.OpAssign, gojq.OpModify:
		return r.assign(q.Left, q.Op, q.Right)
	case gojq.OpPipe, gojq.OpComma, gojq.OpAlt, gojq.OpAnd, gojq.OpOr:
		for _, p := range q.Patterns {
			r.pattern(p)
		}
		q.Left, q.Right = r.query(q.Left), r.query(q.Right)
		return q
	}
	a, b := r.variable(), r.variable() // the right side is evaluated first
	paid := pipe(pay(operators[q.Op], call(a), call(b)), &gojq.Query{Left: call(a), Op: q.Op, Right: call(b)})
	return bind(r.query(q.Right), b, bind(r.query(q.Left), a, paid))
}

// assign makes the assigned paths checked: . as $r | %owner as $o | getpath(path(L) | %path($o; $r)) = R
func (r *rewriter) assign(left *gojq.Query, op gojq.Operator, right *gojq.Query) *gojq.Query {
	r.deletes = r.deletes || op == gojq.OpModify
	root, owner := r.variable(), r.variable()
	paths := pipe(call("path", r.query(left)), call(pathName, call(meterName), call(owner), call(root)))
	update := &gojq.Query{Left: call("getpath", paths), Op: op, Right: r.query(right)}
	return bind(identity(), root, bind(call(ownerName), owner, update))
}

func (r *rewriter) funcDef(d *gojq.FuncDef) {
	outer := len(r.scope)
	for _, arg := range d.Args {
		if arg[0] == '$' {
			arg = arg[1:]
		}
		r.scope = append(r.scope, signature(arg, 0))
	}
	d.Body = pipe(pay("_call"), r.query(d.Body))
	r.scope = r.scope[:outer]
}

func (r *rewriter) pattern(p *gojq.Pattern) {
	if p == nil {
		return
	}
	for _, e := range p.Array {
		r.pattern(e)
	}
	for _, e := range p.Object {
		r.text(e.KeyString)
		if e.KeyQuery != nil {
			e.KeyQuery = pipe(r.query(e.KeyQuery), pay("_key"))
		}
		r.pattern(e.Val)
	}
}

// term rewrites a term. Suffixes that are paid become separate steps.
func (r *rewriter) term(t *gojq.Term) *gojq.Term {
	suffixes := t.SuffixList
	t.SuffixList = nil
	if t.Type == gojq.TermTypeIndex {
		suffixes = append([]*gojq.Suffix{{Index: t.Index}}, suffixes...)
		t = identity().Term
	} else {
		t = r.plainTerm(t)
	}
	for len(suffixes) > 0 {
		n := 1
		if len(suffixes) > 1 && suffixes[1].Optional {
			n = 2 // the ? applies to what it follows
		}
		t = r.suffix(t, suffixes[:n:n])
		suffixes = suffixes[n:]
	}
	return t
}

// suffix applies a suffix, which a ? may follow, to t.
func (r *rewriter) suffix(t *gojq.Term, s []*gojq.Suffix) *gojq.Term {
	index := s[0].Index
	last := &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeIdentity, SuffixList: s}}
	of := &gojq.Query{Term: t}
	switch {
	case s[0].Iter:
		return parens(pipe(of, pipe(pay("_iterate"), last)))
	case index == nil || index.Name != "" || index.Str != nil && index.Str.Queries == nil:
		t.SuffixList = append(t.SuffixList, s...)
		return t
	case index.Str != nil:
		r.text(index.Str)
		v := r.variable()
		key := &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeString, Str: index.Str}}
		s[0] = &gojq.Suffix{Index: &gojq.Index{Start: call(v)}}
		return parens(bind(key, v, pipe(of, last)))
	}
	start, end := r.variable(), r.variable() // the start is evaluated first
	paid := &gojq.Index{IsSlice: index.IsSlice}
	args := []*gojq.Query{}
	if index.Start != nil {
		paid.Start = call(start)
		args = append(args, call(start))
	}
	if index.End != nil {
		paid.End = call(end)
	}
	name := "_index"
	if index.IsSlice {
		name, args = "_slice", nil
	}
	s[0] = &gojq.Suffix{Index: paid}
	q := pipe(of, pipe(pay(name, args...), last))
	if index.End != nil {
		q = bind(r.query(index.End), end, q)
	}
	if index.Start != nil {
		q = bind(r.query(index.Start), start, q)
	}
	return parens(q)
}

// plainTerm rewrites a term without suffixes.
func (r *rewriter) plainTerm(t *gojq.Term) *gojq.Term {
	switch t.Type {
	case gojq.TermTypeRecurse:
		return r.function(&gojq.Func{Name: "recurse"})
	case gojq.TermTypeFunc:
		return r.function(t.Func)
	case gojq.TermTypeObject:
		for _, kv := range t.Object.KeyVals {
			r.text(kv.KeyString)
			kv.KeyQuery, kv.Val = r.query(kv.KeyQuery), r.query(kv.Val)
		}
		if n := len(t.Object.KeyVals); n > 0 {
			return parens(pipe(pay("_object", number(n)), &gojq.Query{Term: t}))
		}
	case gojq.TermTypeArray:
		t.Array.Query = r.query(t.Array.Query)
	case gojq.TermTypeUnary:
		t.Unary.Term = r.term(t.Unary.Term)
	case gojq.TermTypeFormat:
		if t.Str == nil {
			return parens(pipe(pay("_text", number(1)), &gojq.Query{Term: t}))
		}
		r.text(t.Str)
	case gojq.TermTypeString:
		r.text(t.Str)
	case gojq.TermTypeIf:
		t.If.Cond, t.If.Then, t.If.Else = r.query(t.If.Cond), r.query(t.If.Then), r.query(t.If.Else)
		for _, e := range t.If.Elif {
			e.Cond, e.Then = r.query(e.Cond), r.query(e.Then)
		}
	case gojq.TermTypeTry:
		t.Try.Body, t.Try.Catch = r.query(t.Try.Body), r.query(t.Try.Catch)
	case gojq.TermTypeReduce:
		f := t.Reduce
		f.Query, f.Start, f.Update = r.query(f.Query), r.query(f.Start), r.query(f.Update)
		for _, p := range f.Patterns {
			r.pattern(p)
		}
	case gojq.TermTypeForeach:
		f := t.Foreach
		f.Query, f.Start = r.query(f.Query), r.query(f.Start)
		f.Update, f.Extract = r.query(f.Update), r.query(f.Extract)
		for _, p := range f.Patterns {
			r.pattern(p)
		}
	case gojq.TermTypeLabel:
		t.Label.Body = r.query(t.Label.Body)
	case gojq.TermTypeQuery:
		t.Query = r.query(t.Query)
	}
	return t
}

// text makes values that are interpolated into a string paid, as often as they are copied: once for each piece of the
// string.
func (r *rewriter) text(s *gojq.String) {
	if s == nil {
		return
	}
	for i, e := range s.Queries {
		if e.Term == nil || e.Term.Str == nil {
			s.Queries[i] = &gojq.Query{Term: parens(pipe(r.query(e), pay("_text", number(len(s.Queries)))))}
		}
	}
}

// function rewrites a call: of a function of the expression, of one that is written in jq, or of one of the
// interpreter, whose arguments are then evaluated before it is paid.
func (r *rewriter) function(f *gojq.Func) *gojq.Term {
	called := signature(f.Name, len(f.Args))
	known := slices.Contains(r.scope, called)
	for i, arg := range f.Args {
		f.Args[i] = r.query(arg)
	}
	plain := &gojq.Term{Type: gojq.TermTypeFunc, Func: f}
	if known || r.include(called) {
		return plain
	}
	switch called {
	case "_match/3":
		return call(matchName, append([]*gojq.Query{call(meterName)}, f.Args...)...).Term
	case "_pieces/2":
		return call(partsName, append([]*gojq.Query{call(meterName)}, f.Args...)...).Term
	}
	if _, ok := prices[called]; !ok {
		return plain
	}
	r.deletes = r.deletes || called == "delpaths/1"
	args := make([]*gojq.Query, len(f.Args))
	names := make([]string, len(f.Args))
	for i := range f.Args {
		names[i] = r.variable()
		args[i] = call(names[i])
	}
	q := pipe(pay(called, args...), call(f.Name, args...))
	for i, arg := range f.Args { // the last one is evaluated first
		q = bind(arg, names[i], q)
	}
	return parens(q)
}

// include defines the builtin with the given signature before the expression, and reports whether there is one.
func (r *rewriter) include(called string) bool {
	text, ok := builtins()[called]
	if !ok || r.included[called] {
		return ok
	}
	r.included[called] = true
	q, err := gojq.Parse(text + " .")
	if err != nil {
		panic("jq: builtin.jq: " + err.Error())
	}
	scope := r.scope
	r.scope = []string{called}
	r.funcDef(q.FuncDefs[0])
	r.scope = scope
	r.defs = append(r.defs, q.FuncDefs[0])
	return true
}

func (r *rewriter) variable() string {
	r.names++
	return "$%" + strconv.Itoa(r.names)
}

func identity() *gojq.Query {
	return &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeIdentity}}
}

func number(n int) *gojq.Query {
	return &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeNumber, Number: strconv.Itoa(n)}}
}

func parens(q *gojq.Query) *gojq.Term { return &gojq.Term{Type: gojq.TermTypeQuery, Query: q} }

func pipe(a, b *gojq.Query) *gojq.Query { return &gojq.Query{Left: a, Op: gojq.OpPipe, Right: b} }

// bind returns a as $name | b.
func bind(a *gojq.Query, name string, b *gojq.Query) *gojq.Query {
	return &gojq.Query{Left: a, Op: gojq.OpPipe, Patterns: []*gojq.Pattern{{Name: name}}, Right: b}
}

// call returns a call of a function, or a reference to a variable.
func call(name string, args ...*gojq.Query) *gojq.Query {
	return &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeFunc, Func: &gojq.Func{Name: name, Args: args}}}
}

// pay returns a call of %pay for the named price.
func pay(price string, args ...*gojq.Query) *gojq.Query {
	name := &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeString, Str: &gojq.String{Str: price}}}
	return call(payName, append([]*gojq.Query{call(meterName), name}, args...)...)
}
