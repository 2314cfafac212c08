package flood

import (
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"

	"breakwater/internal/classify"
	"breakwater/internal/message"
	"breakwater/internal/storm"
)

// programs tells programs that never stop: that report errors under exactly one subject, that send one state
// of an appointment again, or one attachment with the same text but for numbers.
//
// Alerts with subjects of their own are never part of it, nor is what names money. Orders and invoices may all
// have the same terms attached.
func (f *Message) programs(q *Question, c Case) {
	if f.v.Class != classify.Bulk && f.v.Class != classify.Personal {
		return
	}
	if !f.looked {
		f.looked, f.shared = true, f.again()
	}
	for _, p := range f.shared {
		p.Key.Owner = f.h.Key(c.Mailbox, p.Key.Kind, "").Owner
		q.part(p)
	}
}

// again are the parts of programs, without the mailbox.
func (f *Message) again() (parts []Part) {
	nowhere := Case{}
	if (errors.in(plain(f.m.Subject)) || f.m.Header.Has("X-Cron-Env")) && !f.read().pays() {
		parts = append(parts, Part{Key: f.key(nowhere, storm.Program, f.from, f.m.Subject), Evidence: fmt.Sprintf("errors that %s reports under one subject", f.writer())})
	}
	if f.m.Truncated {
		return parts
	}
	if state := f.event(); state != "" {
		parts = append(parts, Part{Key: f.key(nowhere, storm.Unchanged, "event", state), Evidence: "an appointment that has not changed"})
	}
	if files := f.files(); files != "" && !f.read().protects("") {
		parts = append(parts, Part{Key: f.key(nowhere, storm.Unchanged, "file", f.from, skeleton(f.m.Subject), skeleton(f.m.Text(message.MaxParse)), files), Evidence: "the same attachment, and the same text but for numbers"})
	}
	return parts
}

// moving are properties of an appointment that are new each time that it is sent (RFC 5545 §3.8).
var moving = []string{"DTSTAMP", "LAST-MODIFIED", "PRODID", "CREATED", "X-"}

// event is what the appointments in f say, without what is new each time; "" if there are none. Of a
// reply it is also who replied what.
func (f *Message) event() string {
	var state []string
	for _, p := range f.m.Parts() {
		if p.Type != "text/calendar" && p.Type != "application/ics" {
			continue
		}
		text := strings.NewReplacer("\r\n ", "", "\n ", "", "\r\n\t", "", "\n\t", "").Replace(string(p.Content)) // RFC 5545 §3.1
		if !strings.Contains(text, "BEGIN:VEVENT") {
			continue
		}
		reply := strings.Contains(text, "METHOD:REPLY")
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			if slices.ContainsFunc(moving, func(m string) bool { return strings.HasPrefix(line, m) }) || !reply && strings.HasPrefix(line, "ATTENDEE") {
				continue
			}
			state = append(state, line)
		}
	}
	return strings.Join(state, "\n")
}

// attached is the least size of an attachment that tells anything, in bytes.
const attached = 1 << 10

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// files is a check sum of all attachments of f, "" if there are none; pictures that stand in the text are none, such as a
// logo. The sums protect from accidents: the key has
// the sender and his network in it.
func (f *Message) files() string {
	if len(f.m.Body) > message.MaxParse {
		return "" // its end is not at hand as a part
	}
	var sums []string
	for _, p := range f.m.Parts() {
		shown := p.Header.Has("Content-ID") || strings.HasPrefix(p.Type, "image/") && !strings.HasPrefix(strings.ToLower(p.Header.Get("Content-Disposition")), "attachment")
		if !p.IsText() && !shown && p.Type != "text/calendar" && len(p.Content) >= attached {
			sums = append(sums, strconv.FormatUint(uint64(crc32.Checksum(p.Content, castagnoli)), 36)+"-"+strconv.Itoa(len(p.Content)))
		}
	}
	return strings.Join(sums, " ")
}
