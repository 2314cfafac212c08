package setup

import (
	"fmt"
	"regexp"
	"strings"
)

// CheckDomains returns an error that names the first of names which is no domain.
func CheckDomains(names []string) error {
	for _, n := range names {
		if !domainName.MatchString(n) {
			return fmt.Errorf("%q is no domain; write it like example.org", n)
		}
	}
	return nil
}

var domainName = regexp.MustCompile(`^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$`)

// PostfixPrvs is a table (pcre_table(5)) for domains whose mail leaves with tags in the prvs form.
// Mail servers refuse prvs=1234abcdef=ann@example.org as unknown before a milter is asked. For
// smtpd_command_filter it makes ann+prvs-1234abcdef@example.org of it, for which Postfix knows
// whether there is an ann; recipient_canonical_maps would make it take any name. Bounces of its
// own, which no SMTP command brings, cleanup has to take as mail to ann@example.org.
func PostfixPrvs(domains []string) string {
	var b strings.Builder
	b.WriteString("# breakwater: addresses with tags in the prvs form, prvs=1234abcdef=ann@example.org\n")
	for _, d := range domains {
		const tag = "([0-9]{4}[0-9a-f]{6})"
		d = regexp.QuoteMeta(d)
		fmt.Fprintf(&b, "/^(RCPT[ \\t]+TO:[ \\t]*<)prvs=%s=([^@>]+)@(%s>.*)$/ ${1}${3}+prvs-${2}@${4}\n", tag, d)
		fmt.Fprintf(&b, "/^prvs=%s=([^@]+)@(%s)$/ ${2}@${3}\n", tag, d)
	}
	return b.String()
}

// SendmailPrvs are the lines of sendmail.mc by which Sendmail takes mail to
// prvs=1234abcdef=ann@example.org as mail to ann+prvs-1234abcdef@example.org.
func SendmailPrvs(domains []string) string {
	return "LOCAL_CONFIG\n" +
		"C{BreakwaterPrvs}" + strings.Join(domains, " ") + "\n" +
		"Kbreakwater regex -s2,1 -d+prvs- ^prvs=([0-9]{4}[0-9a-f]{6})=(.+)\n" +
		"LOCAL_RULE_0\n" +
		"R$+ < @ $={BreakwaterPrvs} >\t\t$: $(breakwater $1 $: $1 $) < @ $2 >\n" +
		"R$+ < @ $={BreakwaterPrvs} . >\t\t$: $(breakwater $1 $: $1 $) < @ $2 . >\n"
}

// prvs says what to set so that p takes mail to addresses with tags in the prvs form.
func (p Postfix) prvs(w Options) (changes []Change, notes []string) {
	table, lines := "pcre:"+w.Table, PostfixPrvs(w.Prvs)
	if w.Now != lines {
		changes = append(changes, Change{File: w.Table, New: lines,
			Why: "addresses with tags in the prvs form are as good as those without; Debian has pcre in postfix-pcre"})
	}
	switch filter := p.Main["smtpd_command_filter"]; filter {
	case table:
	case "":
		changes = append(changes, Change{Name: "smtpd_command_filter", New: table, Why: "take mail to such addresses where there is a mailbox"})
	default:
		notes = append(notes, fmt.Sprintf("smtpd_command_filter is %s already, and has room for one table: put these lines into it, too\n%s", filter, lines))
	}
	if old := p.Main["recipient_delimiter"]; !strings.Contains(old, "+") {
		changes = append(changes, Change{Name: "recipient_delimiter", Old: old, New: old + "+", Why: "they become sub-addresses until breakwater takes the tag off"})
	}
	for _, s := range p.Services {
		maps, own := s.Overrides["recipient_canonical_maps"]
		if s.Name != "cleanup" || s.Type != "unix" || p.has(maps, table) {
			continue
		}
		if !own {
			maps = p.Main["recipient_canonical_maps"]
		}
		if strings.Contains(maps, "{") { // postconf -P takes no blanks
			notes = append(notes, "in master.cf, give cleanup by hand, for bounces that Postfix makes itself:\n  -o { recipient_canonical_maps = "+join(maps, table)+" }")
			continue
		}
		list := append(elements(maps), table)
		changes = append(changes, Change{Service: "cleanup/unix", Name: "recipient_canonical_maps", Old: maps, New: strings.Join(list, ","),
			Why: "for bounces that Postfix makes itself; in main.cf, it would take mail to any name with a tag"})
		if maps != "" && !own {
			notes = append(notes, "cleanup has a copy of recipient_canonical_maps then: what is changed in main.cf has to be changed there, too")
		}
	}
	return changes, notes
}
