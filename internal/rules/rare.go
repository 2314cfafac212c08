package rules

import (
	"regexp/syntax"
	"strings"
	"unicode"

	"github.com/expr-lang/expr/ast"
)

// rare is what must stand in a fact for a regular expression to match it: one of some texts. To
// look for them is far quicker than to match, and most rules do not match most mail.
type rare struct {
	fact  int // its place in AllFacts
	texts []string
}

// in reports whether one of the texts is there. e knows the fact.
func (r *rare) in(e *environment) bool {
	s := e.folded[r.fact]
	if s == "" {
		s = folded(e.facts[AllFacts[r.fact].Name].(string))
		e.folded[r.fact] = s
	}
	for _, t := range r.texts {
		if strings.Contains(s, t) {
			return true
		}
	}
	return false
}

// rarely looks for texts in a term that is `fact matches "…"`; nil if it is something else, or
// matches what has no text in common.
func rarely(n ast.Node) *rare {
	b, ok := n.(*ast.BinaryNode)
	if !ok || b.Operator != "matches" {
		return nil
	}
	name, isName := b.Left.(*ast.IdentifierNode)
	text, isText := b.Right.(*ast.StringNode)
	if !isName || !isText {
		return nil
	}
	k := factAt(name.Value)
	if k < 0 || AllFacts[k].Type() != "string" {
		return nil
	}
	re, err := syntax.Parse(text.Value, syntax.Perl) // as regexp.Compile does
	if err != nil {
		return nil
	}
	texts := needed(re)
	if len(texts) == 0 {
		return nil
	}
	return &rare{k, texts}
}

// needed are texts, folded, of which one stands in all that a regular expression matches; nil if
// there are none such.
func needed(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		return []string{folded(string(re.Rune))}
	case syntax.OpCapture, syntax.OpPlus:
		return needed(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return needed(re.Sub[0])
		}
	case syntax.OpConcat:
		var best []string
		for _, sub := range re.Sub {
			if texts := needed(sub); shortest(texts) > shortest(best) {
				best = texts
			}
		}
		return best
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			texts := needed(sub)
			if len(texts) == 0 {
				return nil
			}
			all = append(all, texts...)
		}
		return all
	}
	return nil
}

// shortest is the length of the shortest of some texts; 0 if there are none.
func shortest(texts []string) int {
	n := 0
	for i, t := range texts {
		if i == 0 || len(t) < n {
			n = len(t)
		}
	}
	return n
}

// folded is a text in which letters that (?i) takes for the same are the same.
func folded(s string) string { return strings.Map(fold, s) }

// fold is the first of the letters that are r but for their case.
func fold(r rune) rune {
	if r < unicode.MaxASCII {
		if 'a' <= r && r <= 'z' {
			r -= 'a' - 'A'
		}
		return r
	}
	first := r
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		first = min(first, other)
	}
	return first
}
