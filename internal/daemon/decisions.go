package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"

	"breakwater/internal/address"
	"breakwater/internal/archive"
	"breakwater/internal/message"
	"breakwater/internal/milterd"
	"breakwater/internal/rules"
)

// maxLines bounds the log lines of one message: one for each of its first recipients. Of the rest one line
// says how many they are, by action. A message may have thousands.
const maxLines = 20

// done writes the log lines of a message, and counts it.
func (d *Daemon) done(o milterd.Outcome) {
	d.metrics.record(o)
	if !o.AtRCPT {
		d.records.Message(o.Judgement, o.Connection)
	}
	m := o.Message
	if o.Err != nil {
		d.log.Error("on_error", "qid", m.QueueID, "err", o.Err)
	}
	sent := d.engine.Site.SentByUs(m, d.rules.Load())
	if sent {
		d.noteSender(m)
	}
	told := o.Decisions[:min(len(o.Decisions), maxLines)]
	for _, dec := range told {
		if dec.Unseen {
			d.log.Warn("a good token proves mail that the index does not know, so its domain learns anew; if another host with the same keys sends its mail, remove all_mail_leaves_here from its rule file",
				"qid", m.QueueID, "domain", address.DomainOf(dec.Recipient.Addr), "proof", d.hidden(dec.Proof))
		}
		d.log.LogAttrs(context.Background(), slog.LevelInfo, "decision", d.decision(m, dec, sent)...)
	}
	if rest := o.Decisions[len(told):]; len(rest) > 0 {
		d.log.LogAttrs(context.Background(), slog.LevelInfo, "decisions for more recipients", byAction(m.QueueID, rest)...)
	}
}

// countedAfter reports whether a message that failed with err is counted all the same. One that the archive had no room for
// was judged, or whoever fills the archive would have nothing be forged.
func countedAfter(err error) bool {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return !slices.ContainsFunc(joined.Unwrap(), func(err error) bool { return !countedAfter(err) })
	}
	return err == nil || errors.Is(err, archive.ErrFull) || errors.Is(err, archive.ErrStalled)
}

// decision is what the log tells of one decision.
func (d *Daemon) decision(m *message.Message, dec rules.Decision, sent bool) []slog.Attr {
	attrs := []slog.Attr{
		slog.String("qid", m.QueueID), slog.String("client", clientName(m)), slog.String("from", d.address(m.ReversePath)),
		slog.String("to", d.address(dec.Recipient.Addr)), slog.String("class", string(dec.Class)), slog.String("action", string(dec.Action)),
		slog.String("rule", dec.Rule.String()), slog.String("reason", dec.Reason),
	}
	if dec.Storm != "" {
		attrs = append(attrs, slog.String("storm", dec.Storm))
	}
	if dec.Origin != "" {
		attrs = append(attrs, slog.String("origin", string(dec.Origin)), slog.String("proof", d.hidden(dec.Proof)))
	}
	if dec.Wanted != "" {
		attrs = append(attrs, slog.String("wanted", string(dec.Wanted)))
	}
	if sent {
		attrs = append(attrs, slog.Bool("sent", true))
	}
	return attrs
}

// byAction is how many decisions there are, and of each action.
func byAction(queueID string, ds []rules.Decision) []slog.Attr {
	count := map[rules.Action]int{}
	for _, dec := range ds {
		count[dec.Action]++
	}
	attrs := []slog.Attr{slog.String("qid", queueID), slog.Int("recipients", len(ds))}
	for _, a := range rules.Actions {
		if n := count[a]; n > 0 {
			attrs = append(attrs, slog.Int(string(a), n))
		}
	}
	return attrs
}

// address is an address as the log shows it.
func (d *Daemon) address(addr string) string {
	local, domain, ok := address.Split(addr)
	switch {
	case !ok || local == "" || d.cfg.Log.Addresses == "full":
		return addr
	case d.cfg.Log.Addresses == "domain":
		return "*@" + domain
	}
	owner := d.engine.Hasher.Key(address.Mailbox(addr), 0, "").Owner
	return fmt.Sprintf("%x@%s", owner[:4], domain)
}

var (
	addressIn   = regexp.MustCompile(`[^\s<>"]+@[^\s<>";,]+`)
	messageIDIn = regexp.MustCompile(`<[^>]*>`)
)

// hidden is a text with the addresses in it as the log shows them. Where it does not show them whole, it
// shows nothing of Message-IDs, in which programs write addresses as they like.
func (d *Daemon) hidden(text string) string {
	if d.cfg.Log.Addresses == "full" {
		return text
	}
	return addressIn.ReplaceAllStringFunc(messageIDIn.ReplaceAllString(text, "<...>"), d.address)
}

func clientName(m *message.Message) string {
	if !m.Client.IsValid() {
		return "unknown"
	}
	return m.Client.String()
}
