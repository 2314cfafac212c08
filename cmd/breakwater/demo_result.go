package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"breakwater/internal/control"
	"breakwater/internal/stormgen"
)

// demoResult is what a demo found out, also as JSON. Mails are counted once for each
// recipient.
type demoResult struct {
	Seed      uint64              `json:"seed"`
	Mailshots int                 `json:"mailshots"`
	Seconds   float64             `json:"seconds"`
	Span      time.Duration       `json:"-"`
	Kinds     map[string]*demoRow `json:"kinds"`     // by stormgen.Kind
	Absorbed  map[string]int      `json:"absorbed"`  // by class
	Mailboxes map[string]*demoRow `json:"mailboxes"` // by address
	Servers   []demoServer        `json:"servers"`   // that sent what was absorbed, most first
	Incidents []control.Incident  `json:"incidents"`
	Most      int                 `json:"most_of_one"` // copies of one mailshot that arrived at one mailbox
	Touched   []string            `json:"touched"`     // ordinary mail that did not arrive as it was
	Archived  int64               `json:"archive_bytes"`
	Kept      string              `json:"kept,omitempty"`

	columns [demoColumns]demoRow // the span in equal parts
	arrived map[string]int       // by group and mailbox
}

// demoRow is how much came and what became of it.
type demoRow struct {
	Came     int `json:"came"`
	Arrived  int `json:"arrived"`
	Ordinary int `json:"ordinary,omitempty"` // of what arrived
}

// demoServer is a server and what was taken out of its mail.
type demoServer struct {
	Client string `json:"client"`
	Helo   string `json:"helo"`
	Kind   string `json:"kind"`
	Copies int    `json:"copies"`
}

const (
	demoColumns = 60 // of the picture
	demoRows    = 7
	demoTop     = 8 // rows of a table that may be long
)

func newDemoResult(o stormgen.Options) *demoResult {
	r := &demoResult{Seed: o.Seed, Span: o.Span, Kinds: map[string]*demoRow{}, Absorbed: map[string]int{}, Mailboxes: map[string]*demoRow{}, Touched: []string{}, arrived: map[string]int{}}
	for _, k := range stormgen.Kinds {
		r.Kinds[k.String()] = &demoRow{}
	}
	return r
}

// add counts one item. fates says of each recipient whether the item arrived there; altered
// that it did not arrive as it was.
func (r *demoResult) add(it stormgen.Item, start time.Time, fates []bool, altered bool) {
	column := &r.columns[min(demoColumns-1, max(0, int(it.At.Sub(start)*demoColumns/r.Span)))]
	for i, rcpt := range it.Envelope.Recipients {
		box := r.Mailboxes[rcpt.Addr]
		if box == nil {
			box = &demoRow{}
			r.Mailboxes[rcpt.Addr] = box
		}
		for _, row := range []*demoRow{r.Kinds[it.Kind.String()], box, column} {
			row.Came++
			if fates[i] {
				row.Arrived++
			}
		}
		switch {
		case it.Kind == stormgen.Ordinary && (!fates[i] || altered):
			r.Touched = append(r.Touched, fmt.Sprintf("%s to %s at %s", it.Group, rcpt.Addr, it.At.Format(time.TimeOnly)))
		case it.Kind == stormgen.Ordinary:
			box.Ordinary++
		case fates[i]:
			key := it.Group + "\x00" + rcpt.Addr
			if r.arrived[key]++; it.Kind == stormgen.Original || it.Kind == stormgen.Copy {
				r.Most = max(r.Most, r.arrived[key])
			}
		default:
			r.blame(it)
		}
	}
}

// blame counts an absorbed message for the server that sent it.
func (r *demoResult) blame(it stormgen.Item) {
	client, kind := it.Envelope.Client.String(), it.Kind.String()
	i := slices.IndexFunc(r.Servers, func(s demoServer) bool { return s.Client == client && s.Kind == kind })
	if i < 0 {
		i = len(r.Servers)
		r.Servers = append(r.Servers, demoServer{Client: client, Helo: it.Envelope.Helo, Kind: kind})
	}
	r.Servers[i].Copies++
}

// finish sorts what was counted.
func (r *demoResult) finish(took time.Duration) {
	r.Seconds = took.Seconds()
	slices.SortFunc(r.Servers, func(a, b demoServer) int {
		return cmp.Or(cmp.Compare(b.Copies, a.Copies), cmp.Compare(a.Client, b.Client))
	})
	slices.Sort(r.Touched)
}

func (r *demoResult) total() (sum demoRow) {
	for _, k := range r.Kinds {
		sum.Came += k.Came
		sum.Arrived += k.Arrived
	}
	return sum
}

// print writes the result for people, 80 columns wide: of long tables all rows or the top.
func (r *demoResult) print(w io.Writer, all bool) error {
	top := demoTop
	if all {
		top = math.MaxInt
	}
	p := &printer{w: w}
	p.line("")
	p.line("%d mailshots went out with everybody in Cc. Three servers sent each copy that", r.Mailshots)
	p.line("they got to everybody in Cc again, full mailboxes bounced, and programs answered")
	p.line("for people who are away. Ordinary mail came in between.")
	p.line("")
	r.printKinds(p)
	r.printPicture(p)
	r.printMailboxes(p, top)
	r.printServers(p, top)
	r.printIncidents(p, top)
	r.printVerdict(p)
	return p.err
}

func (r *demoResult) printKinds(p *printer) {
	p.line("  %-24s %10s %10s %10s", "", "CAME", "ARRIVED", "ABSORBED")
	row := func(name string, d demoRow) {
		p.line("  %-24s %10s %10s %10s", name, thousands(d.Came), thousands(d.Arrived), thousands(d.Came-d.Arrived))
	}
	for _, k := range stormgen.Kinds {
		row(demoNames[k], *r.Kinds[k.String()])
	}
	p.line("  %s", strings.Repeat("─", 57))
	row("all", r.total())
	p.line("")
}

var demoNames = map[stormgen.Kind]string{
	stormgen.Original: "mailshots", stormgen.Copy: "copies of mailshots", stormgen.Bounce: "bounces of copies",
	stormgen.AutoReply: "auto-replies to copies", stormgen.Ordinary: "ordinary mail",
}

// printPicture draws what came and, solid, what arrived of it.
func (r *demoResult) printPicture(p *printer) {
	highest := 0
	for _, c := range r.columns {
		highest = max(highest, c.Came)
	}
	if highest == 0 {
		return
	}
	p.line("  Mails in %s (░ came, █ arrived)", short(r.Span/demoColumns))
	for row := demoRows - 1; row >= 0; row-- {
		label := ""
		if row == demoRows-1 {
			label = thousands(highest)
		}
		var cells strings.Builder
		for _, c := range r.columns {
			cells.WriteRune(cell(c, row, highest))
		}
		p.line("  %7s │%s", label, strings.TrimRight(cells.String(), " "))
	}
	half := demoColumns/2 - 1
	p.line("  %7s └%s", "0", strings.Repeat("─", demoColumns))
	p.line("  %7s  0%*s%*s", "", half+2, short(r.Span/2), half-1, short(r.Span))
	p.line("")
}

// cell is the character of one column at one height, counted from the bottom.
func cell(c demoRow, row, highest int) rune {
	eighths := func(n int) int { return (n*demoRows*8+highest-1)/highest - row*8 }
	if n := eighths(c.Arrived); n > 0 {
		return []rune("▁▂▃▄▅▆▇█")[min(n, 8)-1]
	}
	if eighths(c.Came) >= 4 {
		return '░'
	}
	return ' '
}

func (r *demoResult) printMailboxes(p *printer, top int) {
	boxes := slices.SortedFunc(maps.Keys(r.Mailboxes), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.Mailboxes[b].Came, r.Mailboxes[a].Came), strings.Compare(a, b))
	})
	const form = "  %-28s %10s %14s %10s %10s"
	p.line(form, "MAILBOX", "CAME", "STORM ARRIVED", "ORDINARY", "ABSORBED")
	row := func(name string, d demoRow) {
		p.line(form, clip(name, 28), thousands(d.Came), thousands(d.Arrived-d.Ordinary), thousands(d.Ordinary), thousands(d.Came-d.Arrived))
	}
	var rest demoRow
	for i, b := range boxes {
		if d := *r.Mailboxes[b]; i < top {
			row(b, d)
		} else {
			rest = demoRow{rest.Came + d.Came, rest.Arrived + d.Arrived, rest.Ordinary + d.Ordinary}
		}
	}
	if more := len(boxes) - top; more > 0 {
		row(fmt.Sprintf("%d more", more), rest)
	}
	p.line("")
}

func (r *demoResult) printServers(p *printer, top int) {
	if len(r.Servers) == 0 {
		return
	}
	p.line("  %-28s %-24s %-10s %10s", "SENT BY", "ADDRESS", "WHAT", "ABSORBED")
	for _, s := range r.Servers[:min(len(r.Servers), top)] {
		p.line("  %-28s %-24s %-10s %10s", clip(s.Helo, 28), s.Client, s.Kind, thousands(s.Copies))
	}
	p.line("")
}

func (r *demoResult) printIncidents(p *printer, top int) {
	if len(r.Incidents) == 0 {
		return
	}
	p.line("  %-16s %-10s %9s %10s  %s", "STORM", "CLASS", "MAILBOXES", "COPIES", "SUBJECT")
	for _, i := range r.Incidents[:min(len(r.Incidents), top)] {
		p.line("  %-16s %-10s %9d %10s  %s", i.ID, i.Class, i.Mailboxes, thousands(int(i.Copies)), clip(i.Subject, 27))
	}
	if more := len(r.Incidents) - top; more > 0 {
		p.line("  and %d more", more)
	}
	p.line("")
}

func (r *demoResult) printVerdict(p *printer) {
	sum := r.total()
	p.line("%s mails in %.1f s, %s a second.", thousands(sum.Came), r.Seconds, thousands(int(float64(sum.Came)/r.Seconds)))
	if classes := r.classes(); classes != "" {
		p.line("Absorbed, by class: %s.", classes)
	}
	p.line("Of each mailshot at most %d arrived at any mailbox: the first three, and one from", r.Most)
	p.line("each further server or in each further wording.")
	p.line("The archive has every absorbed mail byte for byte, in %.1f MB.", float64(r.Archived)/1e6)
	if r.Kept != "" {
		p.line("Store, archive and log are kept in %s.", r.Kept)
	}
	if len(r.Touched) == 0 {
		p.line("All %s ordinary mails arrived as they were.", thousands(r.Kinds[stormgen.Ordinary.String()].Came))
		return
	}
	p.line("TOUCHED: %d ordinary mails did not arrive as they were:", len(r.Touched))
	for _, what := range r.Touched[:min(len(r.Touched), 20)] {
		p.line("  %s", what)
	}
}

func (r *demoResult) classes() string {
	var list []string
	for _, c := range slices.SortedFunc(maps.Keys(r.Absorbed), func(a, b string) int { return cmp.Compare(r.Absorbed[b], r.Absorbed[a]) }) {
		list = append(list, c+" "+thousands(r.Absorbed[c]))
	}
	return strings.Join(list, ", ")
}

// printer writes lines and remembers the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintln(p.w, strings.TrimRight(fmt.Sprintf(format, args...), " "))
	}
}

// short is a duration without units that are zero.
func short(d time.Duration) string {
	s := d.Round(time.Second).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
