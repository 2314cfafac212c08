package sweep

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"breakwater/internal/lab"
	"breakwater/internal/sweep/session"
)

// everywhere are mailboxes of users of one memory server each, and of one Dovecot and one Cyrus.
func everywhere(t *testing.T, users int) map[string][]*mailbox {
	t.Helper()
	lab.Need(t, "dovecot", "cyrus")
	var all []lab.Account
	for i := range users {
		all = append(all, lab.Account{User: fmt.Sprintf("u%d@example.test", i), Password: "pw"})
	}
	dovecot, cyrus := lab.Dovecot(t, lab.Mailboxes{Accounts: all}), lab.Cyrus(t, lab.Mailboxes{Accounts: all})
	boxes := map[string][]*mailbox{}
	for _, a := range all {
		d, c := real(t, dovecot), real(t, cyrus)
		d.options.User, c.options.User = a.User, a.User
		boxes["memory"], boxes["Dovecot"], boxes["Cyrus"] = append(boxes["memory"], memory(t, withMove)), append(boxes["Dovecot"], d), append(boxes["Cyrus"], c)
	}
	return boxes
}

// stay sweeps a hundred messages of each kind on all servers, and undoes it. Of each want stay.
func stay(t *testing.T, want int, kinds map[string]func(n int) (header, body string)) {
	boxes := everywhere(t, len(kinds))
	for i, kind := range slices.Sorted(maps.Keys(kinds)) {
		var mails []mail
		for n := range 100 {
			header, body := kinds[kind](n)
			mails = append(mails, letter(n, header, body))
		}
		for server, all := range boxes {
			t.Run(kind+"/"+server, func(t *testing.T) {
				b := &mailbox{t, all[i].options}
				b.fill("INBOX", mails)
				before := b.contents()
				s := b.sweep("")
				applied(t, s, "run1")
				after := b.contents()
				if len(after["INBOX"]) != want || count(after) != 100 {
					t.Errorf("%d of 100 stay, not %d; %d are anywhere", len(after["INBOX"]), want, count(after))
				}
				if want == 100 {
					return
				}
				if _, err := s.Undo(t.Context(), "run1"); err != nil {
					t.Error(err)
				}
				b.same(before)
			})
		}
	}
}

// TestLookAlikes has mails that other tools take for copies: all stay.
func TestLookAlikes(t *testing.T) {
	t.Parallel()
	stay(t, 100, map[string]func(n int) (header, body string){
		"cron: From, To, Subject and Date are the same": func(n int) (string, string) {
			return "From: root@db1.example.org\nTo: u1@example.test\nSubject: Cron report\nDate: Mon, 2 Mar 2026 07:00:00 +0000\nMessage-ID: <" + fmt.Sprint(n) + "@db1.example.org>", fmt.Sprintf("job %d done", n)
		},
		"one Message-ID, all else differs": func(n int) (string, string) {
			return fmt.Sprintf("From: app@example.org\nSubject: Order %d\nDate: %s\nMessage-ID: <same@example.org>", n, monday.Add(time.Duration(n)*time.Second).Format(time.RFC1123Z)), fmt.Sprintf("Order %d", n)
		},
		"one Message-ID, no Date": func(n int) (string, string) {
			return fmt.Sprintf("From: app@example.org\nSubject: Order %d\nMessage-ID: <same@example.org>", n), fmt.Sprintf("Order %d", n)
		},
		"no Message-ID": func(n int) (string, string) {
			return fmt.Sprintf("From: scan@example.org\nSubject: Scan\nDate: %s", monday.Add(time.Duration(n)*time.Second).Format(time.RFC1123Z)), fmt.Sprintf("page %d", n)
		},
	})
}

// TestCopies has copies that other tools do not know again: as many stay as the rules say.
func TestCopies(t *testing.T) {
	t.Parallel()
	stay(t, 3, map[string]func(n int) (header, body string){
		"another Message-ID": func(n int) (string, string) {
			return "From: ann@example.net\nSubject: Offer\nDate: Mon, 2 Mar 2026 07:59:00 +0000\nMessage-ID: <" + fmt.Sprint(n) + "@relay.example.com>", "Good day."
		},
		"another encoding, and a Message-ID of its own": func(n int) (string, string) {
			if n%2 == 0 {
				return "From: ann@example.net\nSubject: Offer\nDate: Mon, 2 Mar 2026 07:59:00 +0000\nMessage-ID: <" + fmt.Sprint(n) + "@relay.example.com>\nContent-Type: text/plain\nContent-Transfer-Encoding: base64", "R29vZCBkYXku"
			}
			return "From: ann@example.net\nSubject: Offer\nDate: Mon, 2 Mar 2026 07:59:00 +0000\nMessage-ID: <" + fmt.Sprint(n) + "@relay.example.com>\nContent-Type: text/plain\nContent-Transfer-Encoding: quoted-printable", "Good=20day."
		},
		"a disclaimer more each time": func(n int) (string, string) {
			return "Received: from pc by mail.example.net with ESMTP id 4Fq7Xz2s1Tz; Mon, 2 Mar 2026 07:59:10 +0000\nFrom: ann@example.net\nSubject: Offer\nDate: Mon, 2 Mar 2026 07:59:00 +0000\nMessage-ID: <offer@example.net>", "Good day." + strings.Repeat("\nThis mail is confidential.", n)
		},
		"Message-ID, Date and a tag in Subject": func(n int) (string, string) {
			return fmt.Sprintf("Received: from pc by mail.example.net with ESMTP id 4Fq7Xz2s1Tz; Mon, 2 Mar 2026 07:59:10 +0000\nFrom: ann@example.net\nSubject: %sOffer for the summer\nDate: %s\nMessage-ID: <%d@relay.example.com>",
					[]string{"", "[EXT] ", "WG: ", "[SPAM?] "}[n%4], monday.Add(time.Duration(n)*time.Second).Format(time.RFC1123Z), n), "Dear customers,\nthe summer is coming, and with it our new list of prices for garden furniture,\n" +
					"parasols and everything else that you need to spend a long evening outside.\nWe are looking forward to your orders, which we deliver within three days.\nYours, Ann"
		},
	})
}

// TestPlaces has a hundred messages in two folders each, as labels of a server have them, and sweeps
// folders that are given twice: nothing goes, since no folder has more copies than may be.
func TestPlaces(t *testing.T) {
	t.Parallel()
	for server, boxes := range everywhere(t, 1) {
		b := boxes[0]
		for _, folder := range []string{"INBOX", "Label"} {
			b.fill(folder, plainMail(100))
		}
		before := b.contents()
		s := b.sweep("")
		s.Folders = []string{"INBOX", "Label", "inbox", "INBOX", "Label"}
		if p := applied(t, s, "run1"); len(p.Folders) != 2 || p.Move() != 0 {
			t.Errorf("%s: %+v", server, p.Folders)
		}
		b.same(before)
	}
}

// TestFolders sweeps copies that are in several folders: each has its own count, and those in an
// exempt one are no copies that stay.
func TestFolders(t *testing.T) {
	b := memory(t, withMove)
	for n := range 5 {
		b.fill(fmt.Sprint("Label", n), copies(2))
	}
	b.fill("Trash", copies(50))
	b.fill("INBOX", copies(10))
	p := applied(t, b.sweep(""), "run1")
	got := b.contents()
	if p.Move() != 7 || len(got["INBOX"]) != 3 || len(got["Trash"]) != 50 || len(got["Label0"]) != 2 {
		t.Errorf("moved %d; INBOX %d, Trash %d, Label0 %d", p.Move(), len(got["INBOX"]), len(got["Trash"]), len(got["Label0"]))
	}
}

// TestWhichStay has copies that people have done something with.
func TestWhichStay(t *testing.T) {
	b := memory(t, withMove)
	mails := copies(40)
	flags := map[int][]string{
		10: {`\Flagged`}, 11: {`\Answered`, `\Seen`}, 12: {`\Draft`}, 13: {"important"}, 14: {`\Deleted`}, // protected
		20: {"$NotJunk"}, 21: {"Junk"}, 22: {"$MDNSent"}, 23: {"$Breakwater"}, // say nothing
	}
	for n, f := range flags {
		mails[n].flags = f
	}
	b.fill("INBOX", mails)
	s := b.sweep("")
	p := applied(t, s, "run1")
	inbox := strings.Join(b.contents()["INBOX"], "\n")
	f := p.Folders[slicesIndex(p.Folders, "INBOX")]
	if f.Move != 35 || f.Protected[`\flagged`] != 1 && !strings.Contains(inbox, `\Flagged`) {
		t.Errorf("%+v\n%s", f, inbox)
	}
	for _, want := range []string{`\Flagged`, `\Answered`, `\Draft`, "important", `\Deleted`} {
		if !strings.Contains(strings.ToLower(inbox), strings.ToLower(want)) {
			t.Errorf("the one with %s went:\n%s", want, inbox)
		}
	}
}

// TestDeletedDoNotStay has copies that are marked to be expunged: they are not those that are kept.
// When the marks of some are taken off, these are copies like others.
func TestDeletedDoNotStay(t *testing.T) {
	b := memory(t, withMove)
	mails := copies(20)
	for i := range 5 {
		mails[i].flags = []string{`\Deleted`}
	}
	b.fill("INBOX", mails)
	s := b.sweep("[sweep]\nmax_share = 0.9")
	stay := func(want string) {
		t.Helper()
		in := b.session()
		defer in.Close()
		if _, err := in.Select(t.Context(), "INBOX", false); err != nil {
			t.Fatal(err)
		}
		if got := b.uids("INBOX"); got != want {
			t.Errorf("%s stay, not %s", got, want)
		}
		if err := in.Store(t.Context(), []uint32{2, 3}, session.Remove, 0, `\Deleted`); err != nil {
			t.Error(err)
		}
	}
	applied(t, s, "run1")
	stay("1:8")
	applied(t, s, "run2")
	stay("1:6")
}

func slicesIndex(folders []FolderPlan, name string) int {
	for i, f := range folders {
		if f.Folder == name {
			return i
		}
	}
	return -1
}

// TestSeenStays has a copy that was read: it stays, and the oldest of the others.
func TestSeenStays(t *testing.T) {
	b := memory(t, withMove)
	mails := copies(20)
	mails[15].flags = []string{`\Seen`}
	b.fill("INBOX", mails)
	applied(t, b.sweep(""), "run1")
	if got := b.uids("INBOX"); got != "1:2,16" {
		t.Errorf("%s stay", got)
	}
}

// TestLater sweeps again when more has come.
func TestLater(t *testing.T) {
	b := memory(t, withMove)
	b.fill("INBOX", append(copies(20), plainMail(20)...))
	s := b.sweep("[sweep]\nmin_age = \"1h\"")
	s.Now = func() time.Time { return monday.Add(10 * time.Hour) }
	applied(t, s, "run1")
	late := copies(30)[20:]
	for i := range late {
		late[i].internal = monday.Add(10*time.Hour + time.Duration(i)*time.Minute)
	}
	b.fill("INBOX", late)
	p := planned(t, s)
	if f := p.Folders[slicesIndex(p.Folders, "INBOX")]; f.Young != 10 || f.Move != 0 || f.Looked != 0 {
		t.Errorf("too young: %+v", f)
	}
	applied(t, s, "run2")
	s.Now = func() time.Time { return monday.Add(12 * time.Hour) }
	// The storm still rages: none of the new copies stays, though the old ones are gone.
	p = applied(t, s, "run3")
	if f := p.Folders[slicesIndex(p.Folders, "INBOX")]; f.Looked != 10 || f.Move != 10 {
		t.Errorf("later: %+v", f)
	}
	if n := len(b.contents()["INBOX"]); n != 23 {
		t.Errorf("%d in INBOX", n)
	}
}

// TestMigrated has a mailbox whose INTERNALDATEs are one day, without Received fields: what
// says the same each day is no storm.
func TestMigrated(t *testing.T) {
	var mails []mail
	for n := range 200 {
		m := mail{internal: monday.Add(time.Duration(n) * time.Second)}
		m.raw = fmt.Sprintf("From: root@db1.example.org\r\nSubject: Cron report\r\nDate: %s\r\nMessage-ID: <%d@db1.example.org>\r\n\r\nnothing to do\r\n",
			monday.AddDate(0, 0, n-300).Format(time.RFC1123Z), n)
		mails = append(mails, m)
	}
	b := memory(t, withMove)
	b.fill("INBOX", mails)
	if p := applied(t, b.sweep(""), "run1"); p.Move() != 0 {
		t.Errorf("%+v", p.Folders)
	}
}

// TestUnreadable has messages that the server can not read, and shows empty: they look the same, and
// are no copies.
func TestUnreadable(t *testing.T) {
	b := memory(t, withMove)
	mails := plainMail(50)
	for i := range mails {
		mails[i].internal = monday.Add(time.Duration(i) * time.Second)
	}
	b.fill("INBOX", mails)
	s := b.sweep("[sweep]\nmax_share = 0.9")
	body := regexp.MustCompile(`(?s)BODY\[\]<0> \{\d+\}\r\n.*?\r\n\r\n.*?\r\n`)
	var unreadable atomic.Int64
	s.Server.Server = meddle(t, b.options.Server, nil, func(said string) string {
		unreadable.Add(int64(len(body.FindAllString(said, -1))))
		return body.ReplaceAllString(said, "BODY[]<0> NIL")
	})
	p := planned(t, s)
	if f := p.Folders[slicesIndex(p.Folders, "INBOX")]; f.Move != 0 || f.Looked != 50-int(unreadable.Load()) || unreadable.Load() < 20 {
		t.Errorf("%d are unreadable: %+v", unreadable.Load(), f)
	}
}

// TestFreed has a copy that stays because it is flagged. When the flag is gone, it goes with the
// next sweep; as long as it is there, nothing is looked at.
func TestFreed(t *testing.T) {
	t.Parallel()
	lab.Need(t, "dovecot", "cyrus")
	boxes := map[string]func(testing.TB) *mailbox{
		"no CONDSTORE": func(t testing.TB) *mailbox { return memory(t, withMove) },
		"Dovecot":      servers["Dovecot"], "Cyrus": servers["Cyrus"],
	}
	for name, start := range boxes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := start(t)
			mails := append(copies(20), plainMail(20)...)
			for _, i := range []int{9, 10, 11, 12} {
				mails[i].flags = []string{`\Flagged`}
			}
			b.fill("INBOX", mails)
			s := b.sweep("[sweep]\nmax_share = 0.9")
			ctx := context.Background()
			flag := func(what session.Change, uid uint32, flags ...string) {
				t.Helper()
				in := b.session()
				defer in.Close()
				if _, err := in.Select(ctx, "INBOX", false); err != nil {
					t.Fatal(err)
				}
				if err := in.Store(ctx, []uint32{uid}, what, 0, flags...); err != nil {
					t.Fatal(err)
				}
			}
			inbox := func(what string, p *Plan, looked, move int) {
				t.Helper()
				if f := p.Folders[slicesIndex(p.Folders, "INBOX")]; f.Looked != looked || f.Move != move {
					t.Errorf("%s: looked at %d, moves %d, want %d and %d", what, f.Looked, f.Move, looked, move)
				}
			}
			inbox("first", applied(t, s, "run1"), 40, 16)
			inbox("nothing has changed", applied(t, s, "run2"), 0, 0)
			flag(session.Add, 30, `\Seen`)
			inbox("another was read", applied(t, s, "run3"), 0, 0)
			inbox("nothing has changed since", applied(t, s, "run4"), 0, 0)
			flag(session.Remove, 13, `\Flagged`)
			inbox("a flag was taken off", applied(t, s, "run5"), 24, 1)
			inbox("and now nothing", applied(t, s, "run6"), 0, 0)
			b.fill("INBOX", copies(25)[20:]) // UIDs from 41
			err := s.Run(ctx, "run7", func(p *Plan) (bool, error) {
				inbox("more have come", p, 5, 5)
				flag(session.Add, 42, `\Flagged`)
				return true, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			inbox("one was flagged just before it was to go", applied(t, s, "run8"), 0, 0)
			flag(session.Remove, 42, `\Flagged`)
			inbox("that flag was taken off", applied(t, s, "run9"), 24, 1)
		})
	}
}
