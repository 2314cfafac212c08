package rules

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"sync"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"

	"breakwater/internal/tomlfile"
)

// maxNodes bounds how long a condition may be, in names, values and operators.
const maxNodes = 200

// maxText bounds a reply, in bytes: with its codes it must fit a line of RFC 5321 §4.5.3.1.5.
const maxText = 400

// functions that conditions may use besides the facts.
var functions = []string{"len", "lower", "upper", "trim", "hasPrefix", "hasSuffix", "min", "max"}

// condition is the `when` of a rule, compiled: terms that must all hold, in their order. It is safe
// for concurrent use.
type condition struct{ terms []*term }

// term is a part of a condition. Many conditions have the same.
type term struct {
	program *vm.Program
	asks    factSet
	uses    int // conditions that have it
	memo    int // its place among those that several have, from 1; 0 if one alone has it, or there are too many
}

// maxMemo bounds the terms whose outcome is remembered for the rest of a decision.
const maxMemo = 4096

// factSet has a bit for each of AllFacts, in their order.
type factSet uint64

// environment is what one decision needs to try conditions.
type environment struct {
	vm    vm.VM
	known factSet
	facts map[string]any // the known ones
	memo  []outcome      // of terms, by their place
}

type outcome byte

const (
	untried outcome = iota
	holds
	fails
)

var environments = sync.Pool{New: func() any { return &environment{facts: map[string]any{}} }}

// forget makes e ready for another decision.
func (e *environment) forget() {
	clear(e.facts)
	clear(e.memo)
	e.known = 0
}

// holds tries a condition. It fails where a value cannot be worked with, as in a division by zero.
func (c *condition) holds(e *environment, p *Policy, f *Facts) (bool, error) {
	for _, t := range c.terms {
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
	for missing := t.asks &^ e.known; missing != 0; missing &= missing - 1 {
		fact := AllFacts[bits.TrailingZeros64(uint64(missing))]
		e.facts[fact.Name] = fact.of(p, f)
	}
	e.known |= t.asks
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

// compile compiles a condition, or a term of one. Its error has a place in the text.
func compile(text string) (*term, error) {
	i := &inspector{c: &term{}}
	program, err := expr.Compile(text, append(slices.Clip(options()), expr.Patch(i))...)
	if i.denied != nil { // it came first, and may be why compiling failed
		return nil, i.denied.Bind(file.NewSource(text))
	}
	if err != nil {
		return nil, err
	}
	i.c.program = program
	return i.c, nil
}

// inspector looks at all nodes of a condition: what facts it asks for, and what is denied.
type inspector struct {
	c      *term
	denied *file.Error
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
		k := slices.IndexFunc(AllFacts, func(f *Fact) bool { return f.Name == n.Value })
		if n.Value == "$env" {
			i.deny(n, "$env is not allowed in a condition")
		} else if k >= 0 {
			i.c.asks |= 1 << k
		}
	case *ast.BinaryNode:
		if _, constant := n.Right.(*ast.StringNode); n.Operator == "matches" && !constant {
			i.deny(n.Right, "what matches compares with must be written out")
		}
		if n.Operator == ".." {
			i.deny(n, "ranges are not allowed in a condition; compare with < and >")
		}
	case *ast.CallNode:
		i.call(n)
	}
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
	mu    sync.Mutex
	known map[string]*condition
	terms map[string]*term
	memos int
	texts map[string]any         // constants
	codes map[string]*vm.Program // by bytecode and its arguments
}

func newConditions() *conditions {
	return &conditions{known: map[string]*condition{}, terms: map[string]*term{}, texts: map[string]any{}, codes: map[string]*vm.Program{}}
}

func (cs *conditions) compile(text string) (*condition, error) {
	cs.mu.Lock()
	c := cs.known[text]
	cs.mu.Unlock()
	if c != nil {
		return c, nil
	}
	whole, err := compile(text)
	if err != nil {
		return nil, err
	}
	tree, err := parser.Parse(text)
	if err != nil {
		return nil, err
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if c := cs.known[text]; c != nil {
		return c, nil
	}
	c = &condition{}
	parts := conjuncts(tree.Node)
	for _, part := range parts {
		t := whole
		if len(parts) > 1 {
			if t, err = cs.term(part.String()); err != nil {
				return nil, err
			}
		}
		c.terms = append(c.terms, t)
	}
	if len(parts) == 1 {
		cs.share(whole.program)
	}
	cs.known[text] = c
	return c, nil
}

// term compiles a term, or finds it.
func (cs *conditions) term(text string) (*term, error) {
	t := cs.terms[text]
	if t == nil {
		var err error
		if t, err = compile(text); err != nil {
			return nil, err
		}
		cs.share(t.program)
		cs.terms[text] = t
	}
	if t.uses++; t.uses == 2 && cs.memos < maxMemo {
		cs.memos++
		t.memo = cs.memos
	}
	return t, nil
}

func (cs *conditions) share(p *vm.Program) {
	for i, v := range p.Constants {
		s, ok := v.(string)
		if !ok {
			continue
		}
		if cs.texts[s] == nil {
			cs.texts[s] = v
		}
		p.Constants[i] = cs.texts[s]
	}
	code := fmt.Sprint(p.Bytecode, p.Arguments)
	if cs.codes[code] == nil {
		cs.codes[code] = p
	}
	p.Bytecode, p.Arguments = cs.codes[code].Bytecode, cs.codes[code].Arguments
}

// Rule is one [[rule]].
type Rule struct {
	Name   string
	When   string
	Action Action
	Text   string // for reject and tempfail, what to tell the peer
	Digest Teller // who is told of what it absorbs; "" leaves that to [digest]
	At     Source

	when *condition
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
		return f.doc.WrongValue(key, "%v", err)
	}
	what := at.Message
	if strings.Contains(what, "exceeds maximum allowed nodes") {
		return f.doc.WrongValue(key, "the condition has more than %d names, values and operators; make several rules of it", maxNodes)
	}
	if name, ok := strings.CutPrefix(what, "unknown name "); ok {
		var names []string
		for _, f := range AllFacts {
			names = append(names, f.Name)
		}
		if hint := tomlfile.DidYouMean(name, append(names, functions...)); hint != "" {
			what += hint
		} else {
			what += "; there are " + strings.Join(names, ", ")
		}
	}
	return f.doc.WrongIn(key, at.Line, at.Column+1, at.To-at.From, what)
}
