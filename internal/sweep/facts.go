package sweep

import (
	"crypto/sha256"
	"slices"
	"strings"
	"time"

	"breakwater/internal/message"
	"breakwater/internal/sweep/session"
)

// earliest is the year before which no date of a message is believed.
var earliest = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)

// arrived returns when a message came: the date of the newest Received field that has a believable one, since the mailbox's
// own server wrote it. Without one it returns the INTERNALDATE. ok is false where that says nothing of the message: after a
// migration all messages have the same day.
func arrived(m *message.Message, internal, now time.Time, migrated bool) (at time.Time, ok bool) {
	for _, field := range m.Received {
		date := field[strings.LastIndexByte(field, ';')+1:] // RFC 5321 §4.4
		if t := message.ParseDate(date); t.After(earliest) && t.Before(now.Add(24*time.Hour)) {
			return t, true
		}
	}
	return internal, !migrated
}

// rebuild makes an envelope from the header. It believes only the fields above the first Received field, which the
// delivering server wrote. mailbox is
// whose it is where nothing says so.
func rebuild(h message.Header, mailbox string) message.Envelope {
	env := message.Envelope{Rebuilt: true}
	if i := slices.IndexFunc(h, func(f message.Field) bool { return strings.EqualFold(f.Name, "Received") }); i >= 0 {
		h = h[:i]
	}
	env.ReversePath = strings.Trim(h.Get("Return-Path"), "<> ")
	for _, name := range []string{"X-Original-To", "Envelope-To", "Delivered-To"} {
		if to := message.Addresses(h.Get(name)); len(to) > 0 {
			env.Recipients = []message.Recipient{{Addr: to[0]}}
			return env
		}
	}
	env.Recipients = []message.Recipient{{Addr: mailbox}}
	return env
}

// parse parses a fetched message, with an envelope made from its header.
func parse(f session.Message, mailbox string) *message.Message {
	m := message.Parse(message.Envelope{Truncated: f.Truncated}, time.Time{}, f.Raw)
	m.Envelope = rebuild(m.Header, mailbox)
	m.Truncated = f.Truncated
	return m
}

// hashed is how much of a message its hash is made from: its header, and of most its text.
const hashed = 4 << 10

// beginning is the hash of how a message begins, by which it is known again.
func beginning(raw []byte) (h hash) {
	sum := sha256.Sum256(raw[:min(len(raw), hashed)])
	copy(h[:], sum[:])
	return h
}

// harmless keywords say nothing of a message that would make it dear: programs set them.
var harmless = []string{"$junk", "$notjunk", "junk", "nonjunk", "$mdnsent"}

// protected says why a message is left alone, by what somebody did to it; "" if nobody did.
// ours is our own keyword.
func protected(flags []string, ours string) string {
	for _, flag := range flags {
		switch f := strings.ToLower(flag); {
		case f == `\flagged`, f == `\answered`, f == `\draft`, f == `\deleted`:
			return f
		case strings.HasPrefix(f, `\`), strings.EqualFold(f, ours), slices.Contains(harmless, f):
		default:
			return "keyword " + flag
		}
	}
	return ""
}

func has(flags []string, flag string) bool {
	return slices.ContainsFunc(flags, func(f string) bool { return strings.EqualFold(f, flag) })
}

// exemptUses are the special uses of folders that are left alone (RFC 6154, RFC 8457): \All,
// \Flagged and \Important are views of other folders.
var exemptUses = []string{`\sent`, `\drafts`, `\trash`, `\junk`, `\archive`, `\all`, `\flagged`, `\important`}

// exemptNames are what such folders are called where the server does not say.
var exemptNames = []string{
	"sent", "sent items", "sent messages", "drafts", "trash", "deleted items", "deleted messages", "junk", "spam", "junk e-mail", "archive",
}

// exempt says why a folder is left alone; "" if it is not. ours are our own folders and those
// that the rules name, as the server has their names. The folders below one are exempt with it.
func exempt(f session.Folder, all []session.Folder, ours []string) string {
	for _, up := range all {
		below := f.Delim != "" && strings.HasPrefix(f.Name, up.Name+f.Delim) && session.Canonical(up.Name) != "INBOX"
		if up.Name != f.Name && !below {
			continue
		}
		if i := slices.IndexFunc(up.Uses, func(use string) bool { return slices.Contains(exemptUses, use) }); i >= 0 {
			return up.Uses[i]
		}
	}
	for _, name := range ours {
		if f.Name == name || f.Delim != "" && strings.HasPrefix(f.Name, name+f.Delim) {
			return "exempt by rule"
		}
	}
	path := strings.ToLower(f.Name)
	if f.Delim != "" {
		path = strings.TrimPrefix(path, "inbox"+f.Delim) // where all folders are below INBOX
		path, _, _ = strings.Cut(path, f.Delim)
	}
	if slices.Contains(exemptNames, path) {
		return "called " + path
	}
	return ""
}

// perishes says why what is put into a folder may not be there for long; "" if it may. The folder
// need not be there yet.
func perishes(name string, all []session.Folder) string {
	f := session.Folder{Name: name}
	if len(all) > 0 {
		f.Delim = all[0].Delim
	}
	for _, up := range all {
		if up.Name == name {
			f = up
		}
	}
	switch why := exempt(f, all, nil); why {
	case `\archive`, "called archive":
		return ""
	default:
		return why
	}
}
