package sweep

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"breakwater/internal/lab"
	"breakwater/internal/stormgen"
)

// hit is a mailbox that a storm has hit: what its messages are, by their queue IDs.
type hit struct {
	mails []mail
	items map[string]stormgen.Item
}

// storms are what re-relaying servers do to the copies.
type storms []stormgen.Options

// halves are two storms: one changes Message-IDs, one adds disclaimers and changes encodings.
var halves = storms{{MessageID: stormgen.Change}, {Body: stormgen.Change}}

// others are storms that the keys of a message alone do not tell: of the first no two copies
// have the Message-ID or the content; of the second a part has neither.
var others = map[string]storms{
	"both changed": {{MessageID: stormgen.Change, Body: stormgen.Change}},
	"by server":    {{MessageID: stormgen.Mixed, Body: stormgen.Mixed}},
}

// hitBy makes a mailbox of so many messages, of which a fiftieth is ordinary mail.
func hitBy(all storms, messages, mailshots int) *hit {
	h := &hit{items: map[string]stormgen.Item{}}
	for i, o := range all {
		o.Seed, o.Mailboxes = uint64(i+1), 1
		o.Messages, o.Mailshots, o.Ordinary = messages/len(all), mailshots/len(all), messages/len(all)/50
		o.Start = monday.Add(time.Duration(i) * 12 * time.Hour)
		o.Span = 6 * time.Hour
		for it := range stormgen.Generate(o) {
			it.Group = fmt.Sprint(i, it.Group)
			h.add(it)
		}
	}
	return h
}

func (h *hit) add(it stormgen.Item) {
	id := fmt.Sprintf("Q%06d", len(h.mails))
	h.items[id] = it
	flags := [][]string{nil, {`\Seen`}, {`\Seen`, "$NotJunk"}}[len(h.mails)%3]
	h.mails = append(h.mails, mail{
		raw: fmt.Sprintf("Return-Path: <%s>\r\nX-Original-To: %s\r\nDelivered-To: u1@example.test\r\nReceived: from %s by mx.example.test with ESMTP id %s; %s\r\n%s",
			it.Envelope.ReversePath, it.Envelope.Recipients[0].Addr, it.Envelope.Helo, id, it.At.Format(time.RFC1123Z), it.Raw),
		internal: it.At, flags: flags,
	})
}

// kinds counts what is in a folder.
func (h *hit) kinds(t testing.TB, folder []string) (n map[stormgen.Kind]int, groups map[string]int) {
	t.Helper()
	n, groups = map[stormgen.Kind]int{}, map[string]int{}
	for _, line := range folder {
		id := line[strings.LastIndexByte(line, ' ')+1:]
		it, ok := h.items[id]
		if !ok {
			t.Fatalf("unknown message %q", line)
		}
		n[it.Kind]++
		groups[it.Kind.String()+it.Group]++
		if it.Kind == stormgen.Original || it.Kind == stormgen.Copy {
			groups[it.Group]++
		}
	}
	return n, groups
}

// queueID is what a message is known by.
func queueID(raw []byte) string {
	_, after, _ := strings.Cut(string(raw[:min(len(raw), 1000)]), "ESMTP id ")
	id, _, _ := strings.Cut(after, ";")
	return id
}

// maildir puts mail into a folder of a Dovecot without asking it.
func maildir(t testing.TB, s *lab.Server, user string, mails []mail) {
	t.Helper()
	home := filepath.Join(s.Dir, "mail", user)
	dir := filepath.Join(home, "Maildir")
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var keywords []string
	for i, m := range mails {
		name := fmt.Sprintf("%d.M%06dP1.lab,S=%d,W=%d:2,", m.internal.Unix(), i, len(m.raw), len(m.raw))
		letters := ""
		for _, f := range m.flags {
			switch f {
			case `\Seen`:
				letters = "S" + letters
			case `\Flagged`:
				letters = "F" + letters
			default:
				k := -1
				for j, known := range keywords {
					if known == f {
						k = j
					}
				}
				if k < 0 {
					k = len(keywords)
					keywords = append(keywords, f)
				}
				letters += string(rune('a' + k))
			}
		}
		file := filepath.Join(dir, "cur", name+letters)
		if err := os.WriteFile(file, []byte(m.raw), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, m.internal, m.internal); err != nil {
			t.Fatal(err)
		}
	}
	var list strings.Builder
	for i, k := range keywords {
		fmt.Fprintf(&list, "%d %s\n", i, k)
	}
	if err := os.WriteFile(filepath.Join(dir, "dovecot-keywords"), []byte(list.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(home, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, 5000, 5000)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// size is that of mailboxes in tests, and of how many mailshots: small, or as in real life.
func size(small int) (messages, mailshots int) {
	if os.Getenv("BREAKWATER_SOAK") != "" {
		return 49_020, 20
	}
	return small, 4
}

// TestStorm sweeps a mailbox that was hit, and takes it back.
func TestStorm(t *testing.T) {
	t.Parallel()
	lab.Need(t, "dovecot", "cyrus")
	messages, mailshots := size(3_000)
	h := hitBy(halves, messages, mailshots)
	t.Run("Dovecot", func(t *testing.T) {
		t.Parallel()
		s := lab.Dovecot(t, lab.Mailboxes{})
		maildir(t, s, "u1@example.test", h.mails)
		sweepStorm(t, real(t, s), h)
	})
	t.Run("Cyrus", func(t *testing.T) {
		t.Parallel()
		b := real(t, lab.Cyrus(t, lab.Mailboxes{}))
		b.fill("INBOX", h.mails)
		sweepStorm(t, b, h)
	})
	if os.Getenv("BREAKWATER_SOAK") == "" {
		return // TestApplyAndUndo has them all, and few messages
	}
	for name, caps := range map[string]imap.CapSet{"memory server": withMove, "memory server without MOVE": withUIDPlus} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := memory(t, caps)
			b.fill("INBOX", h.mails)
			sweepStorm(t, b, h)
		})
	}
}

func sweepStorm(t *testing.T, b *mailbox, h *hit) {
	before := b.contents()
	s := b.sweep("")
	begun := time.Now()
	plan := applied(t, s, "run1")
	took := time.Since(begun)
	begun = time.Now()
	if again := planned(t, s); looked(again) != 0 || again.Move() != 0 {
		t.Errorf("a second sweep: %+v", again.Folders)
	}
	second := time.Since(begun)
	after := b.contents()
	stay, groups := h.kinds(t, after["INBOX"])
	gone, _ := h.kinds(t, after[b.absorbed()])
	total := map[stormgen.Kind]int{}
	wanted := map[string]bool{}
	for _, it := range h.items {
		total[it.Kind]++
		if it.Kind == stormgen.Original || it.Kind == stormgen.Copy {
			wanted[it.Group] = true
		}
	}
	bytes := 0
	for _, m := range h.mails {
		bytes += len(m.raw)
	}
	t.Logf("%d messages, %d MiB, %d moved, in %v; a second sweep takes %v", len(h.mails), bytes>>20, plan.Move(), took, second)
	for _, k := range stormgen.Kinds {
		t.Logf("%12s: %6d, of these %6d stay", k, total[k], stay[k])
		if stay[k]+gone[k] != total[k] {
			t.Errorf("%d of %d %s messages are anywhere", stay[k]+gone[k], total[k], k)
		}
	}
	if stay[stormgen.Ordinary] != total[stormgen.Ordinary] {
		t.Errorf("%d of %d ordinary messages stay", stay[stormgen.Ordinary], total[stormgen.Ordinary])
	}
	if share := float64(gone[stormgen.Copy]) / float64(total[stormgen.Copy]); share < 0.99 {
		t.Errorf("%.2f%% of the copies moved", 100*share)
	}
	for _, line := range after[b.absorbed()] {
		if it := h.items[line[strings.LastIndexByte(line, ' ')+1:]]; it.Kind == stormgen.Ordinary {
			t.Errorf("moved: %s\n%.1500s", it.At, it.Raw)
		}
	}
	for g := range wanted {
		if n := groups[g]; n < 1 || n > 6 { // three, and one for each server and each change of the text
			t.Errorf("of mailshot %s %d stay", g, n)
		}
	}
	if u, err := s.Undo(t.Context(), "run1"); err != nil || u.Missing != 0 || u.Back != plan.Move() {
		t.Errorf("undo: %+v, %v", u, err)
	}
	b.same(before)
}

// TestOtherStorms tells what goes of storms that are harder to know: never anything ordinary, and
// of each mailshot something stays.
func TestOtherStorms(t *testing.T) {
	t.Parallel()
	lab.Need(t, "dovecot")
	messages, mailshots := size(1_000)
	for name, o := range others {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := hitBy(o, messages, mailshots)
			s := lab.Dovecot(t, lab.Mailboxes{})
			maildir(t, s, "u1@example.test", h.mails)
			sweepOther(t, real(t, s), h)
		})
	}
}

func sweepOther(t *testing.T, b *mailbox, h *hit) {
	before := b.contents()
	s := b.sweep("")
	applied(t, s, "run1")
	after := b.contents()
	stay, groups := h.kinds(t, after["INBOX"])
	gone, _ := h.kinds(t, after[b.absorbed()])
	t.Logf("of %d copies %d go, of %d bounces %d, of %d auto-replies %d", stay[stormgen.Copy]+gone[stormgen.Copy], gone[stormgen.Copy],
		stay[stormgen.Bounce]+gone[stormgen.Bounce], gone[stormgen.Bounce], stay[stormgen.AutoReply]+gone[stormgen.AutoReply], gone[stormgen.AutoReply])
	if gone[stormgen.Ordinary] > 0 {
		t.Errorf("%d ordinary messages went", gone[stormgen.Ordinary])
	}
	for _, it := range h.items {
		if it.Kind == stormgen.Original && groups[it.Group] == 0 {
			t.Errorf("nothing stays of %s", it.Group)
		}
	}
	if count(after) != count(before) {
		t.Errorf("%d messages became %d", count(before), count(after))
	}
	if u, err := s.Undo(t.Context(), "run1"); err != nil || u.Missing != 0 {
		t.Errorf("undo: %+v, %v", u, err)
	}
	b.same(before)
}
