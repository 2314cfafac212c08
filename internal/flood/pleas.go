package flood

import (
	"fmt"
	"strings"

	"breakwater/internal/address"
	"breakwater/internal/classify"
	"breakwater/internal/message"
	"breakwater/internal/origin"
	"breakwater/internal/storm"
)

// Limits of what is a plea to all.
const (
	pleaWords = 25      // at most, of its writer's own
	pleaText  = 2 << 10 // bytes that are read of it
	crowd     = 50      // recipients in To and Cc
)

// pleads tells short answers to a list, or to fifty and more, that ask to be left alone. What a thread says
// else is never part of it, nor what goes to who keeps the list, or to the address by which one leaves it.
func (f *Message) pleads(q *Question, c Case) {
	if f.v.Class != classify.Bulk && f.v.Class != classify.Personal || f.auto {
		return
	}
	audience := f.audience()
	if audience == "" || desk(c.Addr) || f.m.Header.Has("X-Bugzilla-Type", "X-GitHub-Reason") {
		return
	}
	own := ownLines(f.m.Own(pleaText))
	if n := len(strings.Fields(own)); n == 0 || n > pleaWords || !pleas.in(plain(own)) {
		return
	}
	q.part(Part{Key: f.key(c, storm.Plea, audience), Evidence: fmt.Sprintf("pleas to all of %s to be left alone", audience)})
}

// audience is whom a message goes to besides the mailbox: a list, or the many in To and Cc; "" if neither.
func (f *Message) audience() string {
	if id := f.m.Header.Get("List-Id"); id != "" {
		if open := strings.LastIndexByte(id, '<'); open >= 0 {
			id = id[open:]
		}
		return strings.ToLower(strings.TrimSpace(id))
	}
	to := f.m.Header.Get("To") + "," + f.m.Header.Get("Cc")
	if strings.Count(to, "@") < crowd {
		return ""
	}
	all := message.Addresses(to)
	if len(all) < crowd {
		return ""
	}
	_, _, thread := nest(f.m.Subject)
	for {
		rest, ok := message.CutReply(thread)
		if !ok {
			return fmt.Sprintf("%d recipients, about %q", len(all)/crowd*crowd, skeleton(thread))
		}
		thread = strings.TrimSpace(rest)
	}
}

// desk reports whether an address is one at which pleas are wanted: of who keeps a list, or by which one
// leaves it.
func desk(addr string) bool {
	local := address.Local(addr)
	for _, s := range []string{"-unsubscribe", "-leave", "-request", "-owner", "-admin", "-bounces"} {
		if strings.HasSuffix(local, s) {
			return true
		}
	}
	return origin.Role(addr) || strings.HasPrefix(local, "unsubscribe") || strings.HasPrefix(local, "owner-")
}

// ownLines is a text without its signature, and without what a list writes below it.
func ownLines(s string) string {
	var own []string
	for line := range strings.Lines(s) {
		line = strings.TrimSpace(line)
		if line == "--" || strings.HasPrefix(line, "_____") || strings.HasPrefix(line, "-----") {
			break
		}
		lower := strings.ToLower(line)
		if line == "" || line[0] == '>' || strings.HasPrefix(lower, "to unsubscribe") || strings.HasPrefix(lower, "you can unsubscribe") || strings.HasPrefix(lower, "unsubscribe:") || strings.Contains(lower, "://") {
			continue
		}
		own = append(own, line)
	}
	return strings.Join(own, "\n")
}
