package report

import (
	"cmp"
	"strings"

	"breakwater/internal/address"
	"breakwater/internal/message"
)

// standing is how surely a sender is a mail system.
type standing int

const (
	nobody  standing = iota
	caller           // it calls itself one, or has no address to answer to
	master           // its address may be a person's
	program          // its address is one that only programs have
)

// sender says by what m comes from a mail system, by its address, its name, or because it
// has no address to answer to. Shops have such addresses, too, but return no mail.
func sender(m *message.Message) (string, standing) {
	who, is := system(m)
	if is == nobody {
		who, is = calls(m)
	}
	if (is == caller || is == master) && !automatic(m) && person(m, is) {
		return "", nobody
	}
	return who, is
}

// calls says by what m calls itself one of a mail system, whatever its address.
func calls(m *message.Message) (string, standing) {
	if n := senders.Find(display(m)); n[0] != "" || n[1] != "" && automatic(m) {
		return "From: " + cmp.Or(n...), caller
	}
	if mark := machine(m); mark != "" {
		return mark, caller
	}
	switch {
	case m.From == "":
		return "From without an address", caller
	case mute(m.From) && m.Header.Get("List-Unsubscribe") == "" && returned(m) != nil:
		return "From: " + m.From, caller
	case m.NullPath():
		return "null reverse-path", caller
	}
	return "", nobody
}

// display is From as callings are written.
func display(m *message.Message) string {
	return message.Plain(dashes.Replace(message.DecodeWords(m.Header.Get("From"))))
}

// person reports whether m, which has the address or the name of a mail system, is of a person
// all the same: a mail program wrote it, it ends with a signature, a name that is no system's
// stands before the address, or it answers something. Some systems do that, too, but have no
// name.
func person(m *message.Message, is standing) bool {
	if m.Header.Get("User-Agent") != "" || agents.First(message.Plain(m.Header.Get("X-Mailer"))) != "" || signed(m.Text(maxWords)) {
		return true
	}
	name, _, _ := strings.Cut(display(m), "<")
	if name = strings.Trim(name, " \"'"); name == "" || address.In(name) {
		return false
	}
	return is == master && senders.First(name) == "" || m.Header.Get("In-Reply-To") != "" || m.Header.Get("References") != ""
}

// signed reports whether a text has the line above a signature, RFC 3676 §4.3.
func signed(text string) bool {
	return strings.Contains(text, "\n-- \n") || strings.Contains(text, "\n-- \r\n")
}

// system says by what m comes from the address of a mail system. What a list sent under its
// own address has the sender's in Reply-To.
func system(m *message.Message) (string, standing) {
	from := strings.TrimSpace(m.Header.Get("From"))
	if from == "<>" {
		return "From: <>", program
	}
	addr := m.From
	if addr == "" {
		addr = strings.Trim(from, "<>\" ")
	}
	if is := standingOf(addr); is != nobody {
		return "From: " + addr, is
	}
	if m.Header.Get("List-Id") != "" {
		for _, name := range []string{"Reply-To", "X-Original-From"} {
			if to := message.Addresses(m.Header.Get(name)); len(to) > 0 && standingOf(to[0]) != nobody {
				return name + ": " + to[0], standingOf(to[0])
			}
		}
	}
	return "", nobody
}

// standingOf tells what the local part of an address is.
func standingOf(addr string) standing {
	local := address.Local(strings.ToLower(addr))
	local, _, _ = strings.Cut(local, "+")
	switch {
	case message.IsDaemon(local):
		return program
	case masters.Has(local) || strings.HasPrefix(local, "postmaster") || strings.HasPrefix(local, "microsoftexchange"):
		return master
	}
	return nobody
}

// machine is the mark of a mail server or a gateway in a field that a person's program fills
// otherwise; "" if there is none.
func machine(m *message.Message) string {
	for _, name := range []string{"X-Mailer", "Content-Type"} {
		if mark := marked.First(lower(m.Header.Get(name))); mark != "" {
			return name + ": " + mark
		}
	}
	// A list server that refuses a post, which has no number in the list.
	if m.Header.Get("X-MLServer") != "" && m.Header.Get("X-ML-Count") == "" {
		return "X-MLServer"
	}
	return ""
}

// automatic reports whether m came as only programs send: with the null reverse-path or a
// field that says so, or from an address that is no person's.
func automatic(m *message.Message) bool {
	auto := strings.ToLower(strings.TrimSpace(m.Header.Get("Auto-Submitted")))
	return m.NullPath() || auto != "" && !strings.HasPrefix(auto, "no") || m.From == "" || mute(m.From) || m.Header.Get("X-Failed-Recipients") != "" || machine(m) != ""
}

// mute reports whether an address says that nobody reads what is sent to it.
func mute(addr string) bool {
	local := address.Local(strings.ToLower(addr))
	return mutes.Has(strings.ReplaceAll(dashes.Replace(local), " ", ""))
}
