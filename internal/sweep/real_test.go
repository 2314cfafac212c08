package sweep

import (
	"testing"

	"breakwater/internal/lab"
	"breakwater/internal/sweep/session"
)

// withoutMove is what a Dovecot may say that it can do.
const withoutMove = "IMAP4rev1 LITERAL+ UIDPLUS CONDSTORE NAMESPACE SPECIAL-USE AUTH=PLAIN"

// servers are those that tests with real mail run against.
var servers = map[string]func(t testing.TB) *mailbox{
	"Dovecot": func(t testing.TB) *mailbox { return real(t, lab.Dovecot(t, lab.Mailboxes{})) },
	"Dovecot without MOVE": func(t testing.TB) *mailbox {
		return real(t, lab.Dovecot(t, lab.Mailboxes{Capability: withoutMove, Separator: "."}))
	},
	"Cyrus": func(t testing.TB) *mailbox { return real(t, lab.Cyrus(t, lab.Mailboxes{})) },
	"Cyrus below INBOX": func(t testing.TB) *mailbox {
		return real(t, lab.Cyrus(t, lab.Mailboxes{Below: true, Separator: "."}))
	},
}

func real(t testing.TB, s *lab.Server) *mailbox {
	return &mailbox{t, session.Options{Server: "imap+plain://" + s.Addr(), User: "u1@example.test", Password: "pw"}}
}

func TestRealServers(t *testing.T) {
	t.Parallel()
	lab.Need(t, "dovecot", "cyrus")
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			applyAndUndo(t, start(t), true)
		})
	}
}
