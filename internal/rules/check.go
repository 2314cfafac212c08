package rules

import (
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"

	"breakwater/internal/address"
	"breakwater/internal/classify"
	"breakwater/internal/message"
	"breakwater/internal/tomlfile"
)

// Check reads a folder as Load does, and tells also what is allowed but can not be meant:
// rules that never match, settings that contradict each other, files that nobody reads.
func Check(fsys fs.FS, allow ...Aliases) (s *Set, warnings []*tomlfile.Error, err error) {
	l, err := loadFolder(fsys, allow)
	if err != nil {
		return nil, nil, err
	}
	for _, f := range l.files {
		if f.err == nil {
			warnings = append(warnings, f.warnings()...)
		}
	}
	unread, err := unread(fsys)
	if err != nil {
		return nil, nil, err
	}
	s, err = l.set()
	return s, append(warnings, unread...), err
}

// unread tells of files that look like rules and are none.
func unread(fsys fs.FS) (warnings []*tomlfile.Error, err error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, fmt.Errorf("read rules: %w", err)
	}
	for _, e := range entries {
		name := e.Name()
		known := slices.Contains([]string{".toml", ".json", ".go", ".md"}, path.Ext(name))
		if e.IsDir() || known || strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") {
			continue
		}
		warnings = append(warnings, &tomlfile.Error{File: name, Line: 1, Column: 1, What: "this file is not read; the name of a rule file ends in .toml"})
	}
	return warnings, nil
}

func (f *loaded) warnings() (warnings []*tomlfile.Error) {
	warnings = append(f.ruleWarnings(), f.actionWarnings("", f.said.scope)...)
	if f.doc.Name == DefaultFile {
		for _, key := range lacking(f.doc) {
			warnings = append(warnings, f.doc.WrongKey("", "%s is missing, and so mail is delivered where it would decide; take it from the default.toml that is shipped", key))
		}
	}
	for name, s := range f.said.Mailbox {
		warnings = append(warnings, f.actionWarnings(tomlfile.Join("mailbox", name)+".", s)...)
	}
	for name, s := range f.said.Sender {
		warnings = append(warnings, f.actionWarnings(tomlfile.Join("sender", name)+".", s.scope)...)
	}
	for i, alias := range f.said.Aliases {
		name, _ := named(alias)
		others := set(f.domain.Names)
		delete(others, name)
		if _, ok := wildcard(others, name); ok {
			warnings = append(warnings, f.doc.WrongValue(fmt.Sprintf("aliases[%d]", i), "%s is one of the sub-domains that another alias names", alias))
		}
	}
	sorted, _ := tomlfile.Errors(tomlfile.Together(warnings))
	return sorted
}

func set(names []string) map[string]bool {
	all := map[string]bool{}
	for _, n := range names {
		all[n] = true
	}
	return all
}

// actionWarnings tells of actions that are never carried out as they stand.
func (f *loaded) actionWarnings(prefix string, s scope) (warnings []*tomlfile.Error) {
	warn := func(key, why string) { warnings = append(warnings, f.doc.WrongValue(prefix+key, "%s", why)) }
	for c, a := range s.Action {
		if c == "personal" && (a == Absorb || a == Quarantine) {
			warn("action."+string(c), fmt.Sprintf("nobody would get ordinary mail: this is for all of it that is in no storm, and the action is %s", a))
		}
		// Nothing but bounces comes with a null reverse-path as a rule.
		if a == Reject && (c == "personal" || c == "bulk") {
			warn("action."+string(c), "mail of this class comes from relays, which would bounce it: reject becomes absorb for all but those that send directly")
		}
	}
	for k, l := range s.Limit {
		all := map[string]Action{"limit." + string(k): l.Action}
		for c, v := range l.Class {
			all[fmt.Sprintf("limit.%s.%s", k, c)] = v.Action
		}
		for key, a := range all {
			if a == Tempfail {
				warn(key+".action", "a tempfail would feed the storm and becomes absorb; write absorb")
			}
		}
	}
	return warnings
}

// ruleWarnings tells of rules that never match or never come to be tried.
func (f *loaded) ruleWarnings() (warnings []*tomlfile.Error) {
	var before []conclusion
	for i, r := range f.said.Rules {
		key := fmt.Sprintf("rule[%d]", i)
		warn := func(name, format string, args ...any) {
			warnings = append(warnings, f.doc.WrongValue(key+"."+name, format, args...))
		}
		c := conclude(r.When, f.domain)
		for _, n := range c.never {
			before := string([]rune(r.When)[:n.offset])
			line := strings.Count(before, "\n")
			column := n.offset - len([]rune(before[:strings.LastIndexByte(before, '\n')+1]))
			warnings = append(warnings, f.doc.WrongIn(key+".when", line+1, column+1, n.width, n.why))
		}
		if k := slices.IndexFunc(before, func(b conclusion) bool { return b.covers(c) }); k >= 0 && len(c.never) == 0 {
			warn("when", "the rule never comes to be tried: %q in line %d matches all of this", f.said.Rules[k].Name, f.doc.Line(fmt.Sprintf("rule[%d]", k)))
		}
		if (r.Action == Absorb || r.Action == Quarantine) && i < len(f.domain.rules) && f.ordinary(f.domain.rules[i]) {
			warn("when", "the rule matches all ordinary mail: nobody would get any, and the action is %s; say which mail is meant, as in copies > 3", r.Action)
		}
		if r.Text != "" && r.Action != Reject && r.Action != Tempfail {
			warn("text", "nobody is told the text: it is for reject and tempfail, and the action is %s", r.Action)
		}
		if r.Digest != "" && (r.Action == Deliver || r.Action == Tag) {
			warn("digest", "nobody is told: digests are of absorbed mail, and the action is %s", r.Action)
		}
		before = append(before, c)
	}
	return warnings
}

// ordinary reports whether a rule matches mail that has nothing in common with other mail: two messages that
// differ in every fact but those of the recipient's domain, and of which no mailbox has had a copy.
func (f *loaded) ordinary(r *Rule) bool {
	for i, raw := range []string{
		"Received: from a.example by b.example; Mon, 2 Mar 2026 08:00:00 +0000\r\nFrom: q7x@kqzv.example\r\nMessage-ID: <vq1@kqzv.example>\r\nSubject: Wq zk\r\n\r\nJx.\r\n",
		"From: Zu <w3j@xujh.test>\r\nMessage-ID: <5.zz@xujh.test>\r\nSubject: Ojv ybd hm\r\nX-Mailer: 1\r\n\r\nPl vrg, uuh.\r\nTrr\r\n",
	} {
		domain := or(strings.TrimPrefix(f.domain.Name, "*."), "jqxw.example")
		rcpt := message.Recipient{Addr: address.Join([]string{"zqj7", "x4kv"}[i], domain)}
		env := message.Envelope{
			Client: netip.AddrFrom4([4]byte{192, 0, 2, byte(200 + i)}), Helo: fmt.Sprintf("h%d.example", i),
			ReversePath: fmt.Sprintf("r%d@e%d.example", i, i), Recipients: []message.Recipient{rcpt, {Addr: "y@y.example"}}[:1+i],
		}
		facts := Facts{Message: message.Parse(env, time.Time{}, []byte(raw)), Verdict: classify.Verdict{Class: "personal"}, Recipient: rcpt}
		e := newEnvironment()
		if ok, err := r.when.holds(e, f.domain.policy, &facts); err != nil || !ok {
			return false
		}
	}
	return true
}

// conclusion is what can be said of a condition without any mail.
type conclusion struct {
	terms []string // what && joins, as written
	never []impossible
}

// impossible is why a condition, or a part of it, never holds.
type impossible struct {
	offset, width int // in characters of the text
	why           string
}

// covers reports whether c holds wherever other holds: it asks for no more than that.
func (c conclusion) covers(other conclusion) bool {
	for _, t := range c.terms {
		if t != "true" && !slices.Contains(other.terms, t) {
			return false
		}
	}
	return true
}

// conclude looks at a condition that compiles.
func conclude(when string, d *Domain) conclusion {
	var c conclusion
	tree, err := parser.Parse(when)
	if err != nil {
		return c
	}
	v := &comparisons{domain: d}
	ast.Walk(&tree.Node, v)
	c.never = v.never
	equal := map[string]string{}
	for _, term := range conjuncts(tree.Node) {
		c.terms = append(c.terms, term.String())
		if b, ok := term.(*ast.BoolNode); ok && !b.Value {
			c.never = append(c.never, at(term, "the condition never holds"))
		}
		fact, value, ok := comparison(term)
		if before, twice := equal[fact]; ok && twice && before != value {
			c.never = append(c.never, at(term, fmt.Sprintf("the condition never holds: %s can not be %q and %q", fact, before, value)))
		}
		if ok {
			equal[fact] = value
		}
	}
	return c
}

func at(n ast.Node, why string) impossible {
	l := n.Location()
	return impossible{l.From, l.To - l.From, why}
}

// conjuncts are the terms that && joins.
func conjuncts(n ast.Node) []ast.Node {
	if b, ok := n.(*ast.BinaryNode); ok && (b.Operator == "&&" || b.Operator == "and") {
		return append(conjuncts(b.Left), conjuncts(b.Right)...)
	}
	return []ast.Node{n}
}

// comparison takes `fact == "value"` apart, either way round.
func comparison(n ast.Node) (fact, value string, ok bool) {
	b, ok := n.(*ast.BinaryNode)
	if !ok || b.Operator != "==" {
		return "", "", false
	}
	for _, side := range [][2]ast.Node{{b.Left, b.Right}, {b.Right, b.Left}} {
		name, isName := side[0].(*ast.IdentifierNode)
		text, isText := side[1].(*ast.StringNode)
		if isName && isText {
			return name.Value, text.Value, true
		}
	}
	return "", "", false
}

// comparisons looks for facts that are compared with what they can not be.
type comparisons struct {
	domain *Domain
	never  []impossible
}

// Visit is ast.Visitor's.
func (c *comparisons) Visit(node *ast.Node) {
	if fact, value, ok := comparison(*node); ok {
		c.compare(*node, fact, value)
	}
	b, ok := (*node).(*ast.BinaryNode)
	if !ok || b.Operator != "in" {
		return
	}
	name, isName := b.Left.(*ast.IdentifierNode)
	list, isList := b.Right.(*ast.ArrayNode)
	if isName && isList {
		for _, item := range list.Nodes {
			if text, ok := item.(*ast.StringNode); ok {
				c.compare(item, name.Value, text.Value)
			}
		}
	}
}

func (c *comparisons) compare(n ast.Node, name, value string) {
	i := slices.IndexFunc(AllFacts, func(f *Fact) bool { return f.Name == name })
	if i < 0 {
		return
	}
	f := AllFacts[i]
	switch {
	case f.Values != nil && !slices.Contains(f.Values, value):
		c.never = append(c.never, at(n, fmt.Sprintf("%s is never %q; it is one of %s%s", name, value, quoted(f.Values), tomlfile.DidYouMean(value, f.Values))))
	case f.lower && value != strings.ToLower(value):
		c.never = append(c.never, at(n, fmt.Sprintf("%s is never %q: it is in lower case", name, value)))
	case name == "to_domain" && c.domain.Name != "" && !c.domain.has(value):
		c.never = append(c.never, at(n, fmt.Sprintf("to_domain is never %q: this file is for %s", value, strings.Join(c.domain.Names, ", "))))
	}
}

// has reports whether a domain is one of d's.
func (d *Domain) has(domain string) bool {
	_, below := wildcard(set(d.Names), domain)
	return below || slices.Contains(d.Names, domain)
}

func quoted(all []string) string {
	var q []string
	for _, s := range all {
		q = append(q, fmt.Sprintf("%q", s))
	}
	return strings.Join(q, ", ")
}
