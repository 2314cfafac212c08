package demo

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
	"breakwater/internal/show"
	"breakwater/internal/stormgen"
)

// Result is what a demo found out, also as JSON. Mails are counted once for each
// recipient.
type Result struct {
	Seed      uint64             `json:"seed"`
	Mailshots int                `json:"mailshots"`
	Seconds   float64            `json:"seconds"`
	Span      time.Duration      `json:"-"`
	Kinds     map[string]*Row    `json:"kinds"`     // by stormgen.Kind
	Absorbed  map[string]int     `json:"absorbed"`  // by class
	Mailboxes map[string]*Row    `json:"mailboxes"` // by address
	Servers   []Server           `json:"servers"`   // that sent what was absorbed, most first
	Incidents []control.Incident `json:"incidents"`
	Most      int                `json:"most_of_one"` // copies of one mailshot that arrived at one mailbox
	Touched   []string           `json:"touched"`     // ordinary mail that did not arrive as it was
	Archived  int64              `json:"archive_bytes"`
	Kept      string             `json:"kept,omitempty"`

	columns [pictureColumns]Row // the span in equal parts
	arrived map[string]int      // by group and mailbox
}

// Row is how much came and what became of it.
type Row struct {
	Came     int `json:"came"`
	Arrived  int `json:"arrived"`
	Ordinary int `json:"ordinary,omitempty"` // of what arrived
}

// Server is a server and what was taken out of its mail.
type Server struct {
	Client string `json:"client"`
	Helo   string `json:"helo"`
	Kind   string `json:"kind"`
	Copies int    `json:"copies"`
}

const (
	pictureColumns = 60 // of the picture
	pictureRows    = 7
	topRows        = 8 // rows of a table that may be long
)

func newResult(o stormgen.Options) *Result {
	r := &Result{Seed: o.Seed, Span: o.Span, Kinds: map[string]*Row{}, Absorbed: map[string]int{}, Mailboxes: map[string]*Row{}, Touched: []string{}, arrived: map[string]int{}}
	for _, k := range stormgen.Kinds {
		r.Kinds[k.String()] = &Row{}
	}
	return r
}

// add counts one item. fates says of each recipient whether the item arrived there; altered
// that it did not arrive as it was.
func (r *Result) add(it stormgen.Item, start time.Time, fates []bool, altered bool) {
	column := &r.columns[min(pictureColumns-1, max(0, int(it.At.Sub(start)*pictureColumns/r.Span)))]
	for i, rcpt := range it.Envelope.Recipients {
		box := r.Mailboxes[rcpt.Addr]
		if box == nil {
			box = &Row{}
			r.Mailboxes[rcpt.Addr] = box
		}
		for _, row := range []*Row{r.Kinds[it.Kind.String()], box, column} {
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
func (r *Result) blame(it stormgen.Item) {
	client, kind := it.Envelope.Client.String(), it.Kind.String()
	i := slices.IndexFunc(r.Servers, func(s Server) bool { return s.Client == client && s.Kind == kind })
	if i < 0 {
		i = len(r.Servers)
		r.Servers = append(r.Servers, Server{Client: client, Helo: it.Envelope.Helo, Kind: kind})
	}
	r.Servers[i].Copies++
}

// finish sorts what was counted.
func (r *Result) finish(took time.Duration) {
	r.Seconds = took.Seconds()
	slices.SortFunc(r.Servers, func(a, b Server) int {
		return cmp.Or(cmp.Compare(b.Copies, a.Copies), cmp.Compare(a.Client, b.Client))
	})
	slices.Sort(r.Touched)
}

func (r *Result) total() (sum Row) {
	for _, k := range r.Kinds {
		sum.Came += k.Came
		sum.Arrived += k.Arrived
	}
	return sum
}

// Print writes the result for people, 80 pictureColumns wide: of long tables all rows or the top.
func (r *Result) Print(w io.Writer, all bool) error {
	top := topRows
	if all {
		top = math.MaxInt
	}
	p := &show.Lines{W: w}
	p.Line("")
	p.Line("%d mailshots went out with everybody in Cc. Three servers sent each copy that", r.Mailshots)
	p.Line("they got to everybody in Cc again, full mailboxes bounced, and programs answered")
	p.Line("for people who are away. Ordinary mail came in between.")
	p.Line("")
	r.printKinds(p)
	r.printPicture(p)
	r.printMailboxes(p, top)
	r.printServers(p, top)
	r.printIncidents(p, top)
	r.printVerdict(p)
	return p.Err
}

func (r *Result) printKinds(p *show.Lines) {
	p.Line("  %-24s %10s %10s %10s", "", "CAME", "ARRIVED", "ABSORBED")
	row := func(name string, d Row) {
		p.Line("  %-24s %10s %10s %10s", name, show.Thousands(d.Came), show.Thousands(d.Arrived), show.Thousands(d.Came-d.Arrived))
	}
	for _, k := range stormgen.Kinds {
		row(names[k], *r.Kinds[k.String()])
	}
	p.Line("  %s", strings.Repeat("─", 57))
	row("all", r.total())
	p.Line("")
}

var names = map[stormgen.Kind]string{
	stormgen.Original: "mailshots", stormgen.Copy: "copies of mailshots", stormgen.Bounce: "bounces of copies",
	stormgen.AutoReply: "auto-replies to copies", stormgen.Ordinary: "ordinary mail",
}

// printPicture draws what came and, solid, what arrived of it.
func (r *Result) printPicture(p *show.Lines) {
	highest := 0
	for _, c := range r.columns {
		highest = max(highest, c.Came)
	}
	if highest == 0 {
		return
	}
	p.Line("  Mails in %s (░ came, █ arrived)", short(r.Span/pictureColumns))
	for row := pictureRows - 1; row >= 0; row-- {
		label := ""
		if row == pictureRows-1 {
			label = show.Thousands(highest)
		}
		var cells strings.Builder
		for _, c := range r.columns {
			cells.WriteRune(cell(c, row, highest))
		}
		p.Line("  %7s │%s", label, strings.TrimRight(cells.String(), " "))
	}
	half := pictureColumns/2 - 1
	p.Line("  %7s └%s", "0", strings.Repeat("─", pictureColumns))
	p.Line("  %7s  0%*s%*s", "", half+2, short(r.Span/2), half-1, short(r.Span))
	p.Line("")
}

// cell is the character of one column at one height, counted from the bottom.
func cell(c Row, row, highest int) rune {
	eighths := func(n int) int { return (n*pictureRows*8+highest-1)/highest - row*8 }
	if n := eighths(c.Arrived); n > 0 {
		return []rune("▁▂▃▄▅▆▇█")[min(n, 8)-1]
	}
	if eighths(c.Came) >= 4 {
		return '░'
	}
	return ' '
}

func (r *Result) printMailboxes(p *show.Lines, top int) {
	boxes := slices.SortedFunc(maps.Keys(r.Mailboxes), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.Mailboxes[b].Came, r.Mailboxes[a].Came), strings.Compare(a, b))
	})
	const form = "  %-28s %10s %14s %10s %10s"
	p.Line(form, "MAILBOX", "CAME", "STORM ARRIVED", "ORDINARY", "ABSORBED")
	row := func(name string, d Row) {
		p.Line(form, show.Clip(name, 28), show.Thousands(d.Came), show.Thousands(d.Arrived-d.Ordinary), show.Thousands(d.Ordinary), show.Thousands(d.Came-d.Arrived))
	}
	var rest Row
	for i, b := range boxes {
		if d := *r.Mailboxes[b]; i < top {
			row(b, d)
		} else {
			rest = Row{rest.Came + d.Came, rest.Arrived + d.Arrived, rest.Ordinary + d.Ordinary}
		}
	}
	if more := len(boxes) - top; more > 0 {
		row(fmt.Sprintf("%d more", more), rest)
	}
	p.Line("")
}

func (r *Result) printServers(p *show.Lines, top int) {
	if len(r.Servers) == 0 {
		return
	}
	p.Line("  %-28s %-24s %-10s %10s", "SENT BY", "ADDRESS", "WHAT", "ABSORBED")
	for _, s := range r.Servers[:min(len(r.Servers), top)] {
		p.Line("  %-28s %-24s %-10s %10s", show.Clip(s.Helo, 28), s.Client, s.Kind, show.Thousands(s.Copies))
	}
	p.Line("")
}

func (r *Result) printIncidents(p *show.Lines, top int) {
	if len(r.Incidents) == 0 {
		return
	}
	p.Line("  %-16s %-10s %9s %10s  %s", "STORM", "CLASS", "MAILBOXES", "COPIES", "SUBJECT")
	for _, i := range r.Incidents[:min(len(r.Incidents), top)] {
		p.Line("  %-16s %-10s %9d %10s  %s", i.ID, i.Class, i.Mailboxes, show.Thousands(int(i.Copies)), show.Clip(i.Subject, 27))
	}
	if more := len(r.Incidents) - top; more > 0 {
		p.Line("  and %d more", more)
	}
	p.Line("")
}

func (r *Result) printVerdict(p *show.Lines) {
	sum := r.total()
	p.Line("%s mails in %.1f s, %s a second.", show.Thousands(sum.Came), r.Seconds, show.Thousands(int(float64(sum.Came)/r.Seconds)))
	if classes := r.classes(); classes != "" {
		p.Line("Absorbed, by class: %s.", classes)
	}
	p.Line("Of each mailshot at most %d arrived at any mailbox: the first three, and one from", r.Most)
	p.Line("each further server or in each further wording.")
	p.Line("The archive has every absorbed mail byte for byte, in %.1f MB.", float64(r.Archived)/1e6)
	if r.Kept != "" {
		p.Line("Store, archive and log are kept in %s.", r.Kept)
	}
	if len(r.Touched) == 0 {
		p.Line("All %s ordinary mails arrived as they were.", show.Thousands(r.Kinds[stormgen.Ordinary.String()].Came))
		return
	}
	p.Line("TOUCHED: %d ordinary mails did not arrive as they were:", len(r.Touched))
	for _, what := range r.Touched[:min(len(r.Touched), 20)] {
		p.Line("  %s", what)
	}
}

func (r *Result) classes() string {
	var list []string
	for _, c := range slices.SortedFunc(maps.Keys(r.Absorbed), func(a, b string) int { return cmp.Compare(r.Absorbed[b], r.Absorbed[a]) }) {
		list = append(list, c+" "+show.Thousands(r.Absorbed[c]))
	}
	return strings.Join(list, ", ")
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
