package rules

import (
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"reflect"
	"regexp/syntax"
	"slices"
	"strings"
	"sync"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/optimizer"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"

	"breakwater/internal/tomlfile"
)

// maxNodes bounds how long a condition may be, in names, values and operators.
const maxNodes = 200

// maxWhen bounds its text, in bytes: brackets are no nodes, but parsing them takes stack.
const maxWhen = 16 << 10

// maxRegexp bounds the regular expressions of a condition, in steps that each character of a text may
// cost: a repetition such as (x?){1000} is a thousand of them. With maxFact it bounds how long a
// condition takes.
const maxRegexp = 2000

// maxText bounds a reply, in bytes: with its codes it must fit a line of RFC 5321 §4.5.3.1.5.
const maxText = 400

// functions that conditions may use besides the facts.
var functions = []string{"len", "lower", "upper", "trim", "hasPrefix", "hasSuffix", "min", "max"}

// condition is the `when` of a rule, compiled: terms that must all hold, in their order. It is safe
// for concurrent use.
type condition []*term

// term is a part of a condition. Many conditions have the same.
type term struct {
	program *vm.Program
	asks    factSet
	rare    *rare // of a term that is `fact matches "…"`; nil for others
	uses    int   // conditions that have it
	memo    int   // its place among those that several have, from 1; 0 if one alone has it, or there are too many
}

// maxMemo bounds the terms whose outcome is remembered for the rest of a decision.
const maxMemo = 4096

// factSet has a bit for each of AllFacts, in their order.
type factSet uint64

// environment is what one decision needs to try conditions.
type environment struct {
	vm     vm.VM
	known  factSet
	facts  map[string]any // the known ones
	folded []string       // facts as folded makes them, by their place in AllFacts; "" if none asked for it
	memo   []outcome      // of terms, by their place
}

type outcome byte

const (
	untried outcome = iota
	holds
	fails
)

var environments = sync.Pool{New: func() any { return newEnvironment() }}

func newEnvironment() *environment {
	return &environment{facts: map[string]any{}, folded: make([]string, len(AllFacts))}
}

// forget makes e ready for another decision.
func (e *environment) forget() {
	clear(e.facts)
	clear(e.memo)
	clear(e.folded)
	e.known = 0
}

// ask has e know facts.
func (e *environment) ask(facts factSet, p *Policy, f *Facts) {
	for missing := facts &^ e.known; missing != 0; missing &= missing - 1 {
		fact := AllFacts[bits.TrailingZeros64(uint64(missing))]
		e.facts[fact.Name] = fact.of(p, f)
	}
	e.known |= facts
}

// holds tries a condition. It fails where a value cannot be worked with, as in a division by zero.
func (c condition) holds(e *environment, p *Policy, f *Facts) (bool, error) {
	for _, t := range c {
		ok, err := t.holds(e, p, f)
		if err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

func (t *term) holds(e *environment, p *Policy, f *Facts) (bool, error) {
	if t.memo == 0 {
		return t.run(e, p, f)
	}
	if t.memo >= len(e.memo) {
		e.memo = append(e.memo, make([]outcome, t.memo+1-len(e.memo))...)
	}
	if known := e.memo[t.memo]; known != untried {
		return known == holds, nil
	}
	ok, err := t.run(e, p, f)
	if err == nil {
		e.memo[t.memo] = fails
		if ok {
			e.memo[t.memo] = holds
		}
	}
	return ok, err
}

func (t *term) run(e *environment, p *Policy, f *Facts) (bool, error) {
	e.ask(t.asks, p, f)
	if t.rare != nil && !t.rare.in(e) {
		return false, nil
	}
	out, err := e.vm.Run(t.program, e.facts)
	if err != nil {
		var at *file.Error
		if errors.As(err, &at) {
			err = errors.New(strings.TrimPrefix(at.Message, "runtime error: "))
		}
		return false, err
	}
	return out.(bool), nil
}

// options are those of every condition: the types of the facts, and no loops.
var options = sync.OnceValue(func() []expr.Option {
	env := map[string]any{}
	for _, f := range AllFacts {
		env[f.Name] = f.zero
	}
	o := []expr.Option{expr.Env(env), expr.AsBool(), expr.MaxNodes(maxNodes), expr.DisableAllBuiltins()}
	for _, name := range functions {
		o = append(o, expr.EnableBuiltin(name))
	}
	return o
})

// configs are options as the steps of expr.Compile want them. They are made once, and each is
// used by one goroutine at a time.
var configs = sync.Pool{New: func() any {
	c := conf.CreateNew()
	for _, option := range options() {
		option(c)
	}
	maps.DeleteFunc(c.Builtins, func(name string, _ *builtin.Function) bool { return c.Disabled[name] })
	return c
}}

// inspector looks at all nodes of a condition: what facts it asks for, and what is denied.
type inspector struct {
	asks    factSet
	regexps int // steps of all regular expressions
	denied  *file.Error
}

func (i *inspector) deny(n ast.Node, format string, args ...any) {
	if i.denied == nil {
		i.denied = &file.Error{Location: n.Location(), Message: fmt.Sprintf(format, args...)}
	}
}

// Visit is ast.Visitor's.
func (i *inspector) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.PredicateNode, *ast.PointerNode:
		i.deny(n, "loops are not allowed in a condition")
	case *ast.IdentifierNode:
		k := factAt(n.Value)
		if n.Value == "$env" {
			i.deny(n, "$env is not allowed in a condition")
		} else if k >= 0 {
			i.asks |= 1 << k
		}
	case *ast.BinaryNode:
		if text, constant := n.Right.(*ast.StringNode); n.Operator == "matches" && constant {
			i.regexp(text)
		} else if n.Operator == "matches" {
			i.deny(n.Right, "what matches compares with must be written out")
		}
		if n.Operator == ".." {
			i.deny(n, "ranges are not allowed in a condition; compare with < and >")
		}
	case *ast.CallNode:
		i.call(n)
	}
}

// regexp bounds the regular expressions of the condition.
func (i *inspector) regexp(n *ast.StringNode) {
	re, err := syntax.Parse(n.Value, syntax.Perl)
	if err != nil {
		return // the compiler says so
	}
	if p, err := syntax.Compile(re.Simplify()); err == nil {
		i.regexps += len(p.Inst)
	}
	if i.regexps > maxRegexp {
		i.deny(n, "the regular expressions of this condition are too large, since each repetition such as {100} counts as if it were written out; make several rules of it")
	}
}

// noLongTexts denies texts that are put together, which could be of any length. The types of nodes are known.
type noLongTexts struct{ inspector }

// Visit is ast.Visitor's.
func (i *noLongTexts) Visit(node *ast.Node) {
	if b, ok := (*node).(*ast.BinaryNode); ok && b.Operator == "+" && b.Type() != nil && b.Type().Kind() == reflect.String {
		i.deny(b, "texts can not be put together in a condition; compare each of them")
	}
}

// factAt is the place of a fact in AllFacts; -1 if there is none of that name.
func factAt(name string) int {
	return slices.IndexFunc(AllFacts, func(f *Fact) bool { return f.Name == name })
}

func (i *inspector) call(n *ast.CallNode) {
	name, ok := n.Callee.(*ast.IdentifierNode)
	if !ok || name.Value != "client_in" || len(n.Arguments) != 1 {
		return
	}
	s, ok := n.Arguments[0].(*ast.StringNode)
	if !ok {
		i.deny(n.Arguments[0], "the network must be written out")
	} else if _, err := network(s.Value); err != nil {
		i.deny(s, "%q is no network; write it like 192.0.2.0/24, 2001:db8::/32 or 192.0.2.1", s.Value)
	}
}

// conditions compiles each text once, however many files have it, and lets conditions share
// what they have in common: terms, names, values and code come again and again, and what many
// share stays in the processor's cache.
type conditions struct {
	mu    sync.Mutex // never held while something is compiled: files are read beside each other
	known map[string]condition
	terms map[string]*term
	memos int
	texts map[string]any         // names and values
	codes map[string]*vm.Program // by bytecode and its arguments
}

func newConditions() *conditions {
	return &conditions{known: map[string]condition{}, terms: map[string]*term{}, texts: map[string]any{}, codes: map[string]*vm.Program{}}
}

// compile compiles a condition. Its error has a place in the text.
func (cs *conditions) compile(text string) (condition, error) {
	cs.mu.Lock()
	c := cs.known[text]
	cs.mu.Unlock()
	if c != nil {
		return c, nil
	}
	if len(text) > maxWhen {
		return nil, fmt.Errorf("the condition is longer than %d bytes; make several rules of it", maxWhen)
	}
	cfg := configs.Get().(*conf.Config)
	defer configs.Put(cfg)
	tree, err := parser.ParseWithConfig(text, cfg)
	if err != nil {
		return nil, err
	}
	// What is denied may be why the types do not fit, and is told first.
	i := &inspector{}
	if ast.Walk(&tree.Node, i); i.denied != nil {
		return nil, i.denied.Bind(tree.Source)
	}
	if _, err := checker.Check(tree, cfg); err != nil {
		return nil, err
	}
	long := &noLongTexts{}
	if ast.Walk(&tree.Node, long); long.denied != nil {
		return nil, long.denied.Bind(tree.Source)
	}
	for _, part := range conjuncts(tree.Node) {
		t, err := cs.term(part, cfg)
		if err != nil {
			return nil, err
		}
		c = append(c, t)
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.known[text] == nil {
		cs.keep(text, c)
	}
	return cs.known[text], nil
}

// keep notes a condition, and which of its terms others have, too.
func (cs *conditions) keep(text string, c condition) {
	for _, t := range c {
		if t.uses++; t.uses == 2 && cs.memos < maxMemo {
			cs.memos++
			t.memo = cs.memos
		}
	}
	cs.known[text] = c
}

// term compiles a term of a condition, or finds it.
func (cs *conditions) term(part ast.Node, cfg *conf.Config) (*term, error) {
	text := part.String()
	cs.mu.Lock()
	t := cs.terms[text]
	cs.mu.Unlock()
	if t != nil {
		return t, nil
	}
	i := &inspector{}
	ast.Walk(&part, i)
	t = &term{asks: i.asks, rare: rarely(part)}
	if err := optimizer.Optimize(&part, cfg); err != nil {
		return nil, err
	}
	var err error
	if t.program, err = compiler.Compile(&parser.Tree{Node: part}, cfg); err != nil {
		return nil, err
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.terms[text] == nil {
		cs.share(t)
		cs.terms[text] = t
	}
	return cs.terms[text], nil
}

func (cs *conditions) share(t *term) {
	p := t.program
	for i, v := range p.Constants {
		if s, ok := v.(string); ok {
			p.Constants[i] = cs.text(s)
		}
	}
	if t.rare != nil {
		for i, s := range t.rare.texts {
			t.rare.texts[i] = cs.text(s).(string)
		}
	}
	code := fmt.Sprint(p.Bytecode, p.Arguments)
	if cs.codes[code] == nil {
		cs.codes[code] = p
	}
	p.Bytecode, p.Arguments = cs.codes[code].Bytecode, cs.codes[code].Arguments
}

// text is s, a string, in the one place where it is kept.
func (cs *conditions) text(s string) any {
	if cs.texts[s] == nil {
		cs.texts[s] = s
	}
	return cs.texts[s]
}

// Rule is one [[rule]].
type Rule struct {
	Name   string
	When   string
	Action Action
	Text   string // for reject and tempfail, what to tell the peer
	Digest Notify // who is told of what it absorbs; "" leaves that to [digest]
	At     Source

	when condition
}

// compile fills in the domain's own rules.
func (f *loaded) compile(cs *conditions) (wrong []*tomlfile.Error) {
	names := map[string]int{}
	for i, r := range f.said.Rules {
		key := fmt.Sprintf("rule[%d]", i)
		if r.Name == "" || r.When == "" {
			wrong = append(wrong, f.empty(key, r)...)
			continue
		}
		if before, twice := names[r.Name]; twice {
			wrong = append(wrong, f.doc.WrongValue(key+".name", "a rule in line %d has the same name", f.doc.Line(fmt.Sprintf("rule[%d]", before))))
		}
		names[r.Name] = i
		if strings.ContainsAny(r.Text, "\r\n") || len(r.Text) > maxText {
			wrong = append(wrong, f.doc.WrongValue(key+".text", "the text must be one line of at most %d bytes", maxText))
		}
		c, err := cs.compile(r.When)
		if err != nil {
			wrong = append(wrong, f.wrongCondition(key+".when", err))
		}
		f.domain.rules = append(f.domain.rules, &Rule{
			Name: r.Name, When: r.When, Action: r.Action, Text: r.Text, Digest: r.Digest, At: Source{f.doc.Name, f.doc.Line(key)}, when: c,
		})
	}
	return wrong
}

// empty tells of a rule that has a name or a condition without any letters. Decoding has
// told of one that has none.
func (f *loaded) empty(key string, r fileRule) (wrong []*tomlfile.Error) {
	for name, v := range map[string]string{"name": r.Name, "when": r.When} {
		if v == "" && f.doc.Line(key+"."+name) > 0 {
			wrong = append(wrong, f.doc.WrongValue(key+"."+name, "%s is empty", name))
		}
	}
	return wrong
}

// wrongCondition puts an error of a condition at its place in the file.
func (f *loaded) wrongCondition(key string, err error) *tomlfile.Error {
	var at *file.Error
	if !errors.As(err, &at) {
		if made, ok := strings.CutPrefix(err.Error(), "expected bool, but got "); ok {
			return f.doc.WrongValue(key, "the condition is of type %s; it must be true or false, as in copies > 3", made)
		}
		return f.doc.WrongValue(key, "%v", err)
	}
	what := at.Message
	switch name, unknown := strings.CutPrefix(what, "unknown name "); {
	case strings.Contains(what, "exceeds maximum allowed nodes"):
		return f.doc.WrongValue(key, "the condition has more than %d names, values and operators; make several rules of it", maxNodes)
	case what == "unexpected token EOF":
		what = "the condition ends before it is complete"
	case what == `unexpected token Operator("=")`:
		what = "one = compares nothing; write =="
	case unknown:
		what += unknownName(name)
	}
	return f.doc.WrongIn(key, at.Line, at.Column+1, at.To-at.From, what)
}

// unknownName says what could be meant.
func unknownName(name string) string {
	var facts []string
	for _, f := range AllFacts {
		facts = append(facts, f.Name)
	}
	if hint := tomlfile.DidYouMean(name, slices.Concat(facts, functions)); hint != "" {
		return hint
	}
	return fmt.Sprintf("; a text stands in quotes; facts are %s; functions are %s", strings.Join(facts, ", "), strings.Join(functions, ", "))
}
