package release

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"breakwater/internal/archive"
	"breakwater/internal/mailfile"
	"breakwater/internal/mark"
	"breakwater/internal/message"
	"breakwater/internal/submit"
)

var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// filled is an archive with ten copies a minute apart: for ann and bob, of two storms, and
// the last of none.
func filled(t *testing.T) (dir string, r *archive.Reader, ids []string) {
	t.Helper()
	dir = t.TempDir()
	a, err := archive.Open(dir, archive.Options{MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		c := archive.Copy{At: start.Add(time.Duration(i) * time.Minute), ReversePath: "shop@example.net", Domain: "example.org"}
		storm := fmt.Sprintf("id-%010d-aaaa", i%2)
		if i == 9 {
			storm = ""
		}
		for _, addr := range []string{"ann@example.org", "Bob@example.org"} {
			c.Recipients = append(c.Recipients, archive.Recipient{Addr: addr, Storm: storm})
		}
		id, err := a.Put(context.Background(), c, raw(i))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	r, err = archive.OpenReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir, r, ids
}

func raw(i int) []byte {
	return fmt.Appendf(nil, "From: shop@example.net\r\nSubject: %d\r\n\r\n.dot\r\nFrom here %d\r\n", i, i)
}

func only(addr string) func(string) bool {
	return func(a string) bool { return strings.EqualFold(a, addr) }
}

func TestLook(t *testing.T) {
	_, r, ids := filled(t)
	for _, tt := range []struct {
		name string
		s    Selection
		want Count
	}{
		{"all", Selection{}, Count{Copies: 10, Deliveries: 20, Mailboxes: 2}},
		{"a mailbox", Selection{Mailbox: only("bob@example.org")}, Count{Copies: 10, Deliveries: 10, Mailboxes: 1}},
		{"a copy", Selection{IDs: ids[3:4]}, Count{Copies: 1, Deliveries: 2, Mailboxes: 2}},
		{"a storm", Selection{IDs: []string{"id-0000000001-aaaa"}}, Count{Copies: 4, Deliveries: 8, Mailboxes: 2}},
		{"an incident", Selection{IDs: []string{"id-0000000000"}}, Count{Copies: 5, Deliveries: 10, Mailboxes: 2}},
		{"several", Selection{IDs: append([]string{"id-0000000001"}, ids[9])}, Count{Copies: 5, Deliveries: 10, Mailboxes: 2}},
		{"a time", Selection{Since: start.Add(2 * time.Minute), Until: start.Add(5 * time.Minute)}, Count{Copies: 3, Deliveries: 6, Mailboxes: 2}},
		{"all at once", Selection{IDs: []string{"id-0000000000"}, Mailbox: only("ann@example.org"), Since: start.Add(5 * time.Minute)}, Count{Copies: 2, Deliveries: 2, Mailboxes: 1}},
		{"nothing", Selection{IDs: []string{"dsn-1"}}, Count{}},
	} {
		got, err := Look(context.Background(), r, tt.s)
		if got.Bytes = 0; err != nil || fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%s: %+v, want %+v; %v", tt.name, got, tt.want, err)
		}
	}
}

// TestWholeIDs: the beginning of an ID picks nothing, and what it may mean is told.
func TestWholeIDs(t *testing.T) {
	_, r, ids := filled(t)
	for _, tt := range []struct {
		id    string
		meant []string
	}{
		{"id-", []string{"id-0000000000", "id-0000000001"}},
		{"id-0000000000-a", []string{"id-0000000000-aaaa"}},
		{"20", ids},
		{"id-0000000000", nil}, {"id-0000000000-aaaa", nil}, {ids[3], nil}, {"dsn", nil}, {"", nil},
	} {
		n, err := Look(context.Background(), r, Selection{IDs: []string{tt.id}})
		if err != nil || tt.meant != nil && n.Copies != 0 {
			t.Errorf("%q picks %+v, %v", tt.id, n, err)
		}
		meant, err := Meant(context.Background(), r, []string{"id-0000000001", tt.id})
		if err != nil || !slices.Equal(meant[tt.id], tt.meant) || len(meant) > 1 {
			t.Errorf("%q: %q, %v; want %q", tt.id, meant, err, tt.meant)
		}
	}
}

var marks = mark.New([]byte("secret"))

func deliverer(dir string, r *archive.Reader, to submit.Target) *Deliverer {
	return &Deliverer{Dir: dir, Reader: r, Marks: marks, Target: to, Wait: []time.Duration{time.Millisecond, time.Millisecond}}
}

func quiet(int) {}

// TestDeliver delivers everything in its order, with marks that hold, and nothing twice.
func TestDeliver(t *testing.T) {
	dir, r, ids := filled(t)
	s, target := serve(t)
	s.drop = 2 // and is tried again
	d := deliverer(dir, r, target)
	n := 0
	res, err := d.Deliver(context.Background(), Selection{Mailbox: only("ann@example.org")}, func(k int) { n += k })
	if err != nil || res.Deliveries != 10 || n != 10 || len(res.Refused) != 0 {
		t.Fatalf("%+v, %d, %v", res, n, err)
	}
	for i, got := range s.got {
		field, rest, _ := strings.Cut(strings.TrimPrefix(got, "shop@example.net>ann@example.org: "), "\r\n")
		if rest != string(raw(i)) {
			t.Errorf("copy %d arrived as %q", i, got)
		}
		m := message.Parse(message.Envelope{}, start, []byte(field+"\r\n"+rest))
		if id, ok := marks.Released(m); !ok || id != ids[i] {
			t.Errorf("copy %d has the mark %q", i, field)
		}
	}
	s.got = nil
	if res, err := d.Deliver(context.Background(), Selection{}, quiet); err != nil || res.Deliveries != 10 || len(s.got) != 10 {
		t.Errorf("the rest: %+v, %v", res, err)
	}
	if slices.ContainsFunc(s.got, func(got string) bool { return strings.Contains(got, ">ann@") }) {
		t.Error("ann got something twice")
	}
	if res, err := d.Deliver(context.Background(), Selection{}, quiet); err != nil || res.Deliveries != 0 {
		t.Errorf("nothing is left: %+v, %v", res, err)
	}
	d.Serial = "+1"
	if res, err := d.Deliver(context.Background(), Selection{Again: true, IDs: ids[:1]}, quiet); err != nil || res.Deliveries != 2 || !strings.Contains(s.got[11], ids[0]+"+1 ") {
		t.Errorf("again: %+v, %v", res, err)
	}
}

// TestNoMarkArrives: where the server takes envelope IDs, or no milter can be on the way, every byte arrives as it
// came.
func TestNoMarkArrives(t *testing.T) {
	for name, as := range map[string]func(*smtp.Server){
		"SMTP": func(s *smtp.Server) { s.EnableDSN = true },
		"LMTP": func(s *smtp.Server) { s.LMTP, s.EnableDSN = true, true },
	} {
		dir, r, ids := filled(t)
		s, target := serveAs(t, as)
		d := deliverer(dir, r, target)
		d.Serial = "+1700000000"
		res, err := d.Deliver(context.Background(), Selection{Mailbox: only("ann@example.org")}, quiet)
		if err != nil || res.Deliveries != 10 || len(s.got) != 10 {
			t.Fatalf("%s: %+v, %v", name, res, err)
		}
		for i, got := range s.got {
			if got != "shop@example.net>ann@example.org: "+string(raw(i)) {
				t.Errorf("%s: copy %d arrived as %q", name, i, got)
			}
			if name == "LMTP" {
				if s.ids[i] != "" {
					t.Errorf("LMTP: copy %d has the envelope ID %q", i, s.ids[i])
				}
				continue
			}
			m := message.Parse(message.Envelope{EnvelopeID: s.ids[i]}, start, raw(i))
			if id, ok := marks.Released(m); !ok || id != ids[i]+"+1700000000" {
				t.Errorf("copy %d has the envelope ID %q", i, s.ids[i])
			}
		}
	}
}

// TestRefused has a server that refuses one mailbox, for good and for now, and one sender.
func TestRefused(t *testing.T) {
	dir, r, _ := filled(t)
	s, target := serve(t)
	s.answer = func(_, to string) error {
		if to == "Bob@example.org" {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
		}
		return nil
	}
	d := deliverer(dir, r, target)
	res, err := d.Deliver(context.Background(), Selection{}, quiet)
	if err != nil || res.Deliveries != 10 || len(res.Refused) != 10 || res.Refused[0].Addr != "Bob@example.org" || !strings.Contains(res.Refused[0].Err.Error(), "no such user") {
		t.Fatalf("%+v, %v", res, err)
	}
	tries := 0
	s.answer = func(string, string) error {
		tries++
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "later"}
	}
	res, err = d.Deliver(context.Background(), Selection{Since: start.Add(8 * time.Minute)}, quiet)
	if err != nil || res.Deliveries != 0 || len(res.Refused) != 2 || tries != 3+1 {
		t.Errorf("for now: %+v, %d tries, %v", res, tries, err)
	}
	s.answer = nil
	if res, err = d.Deliver(context.Background(), Selection{}, quiet); err != nil || res.Deliveries != 10 {
		t.Errorf("at last: %+v, %v", res, err)
	}
}

// TestTroubledCopies: a copy that the server never takes keeps none behind it from being
// delivered, and a mailbox that is full is waited for once.
func TestTroubledCopies(t *testing.T) {
	dir := t.TempDir()
	a, err := archive.Open(dir, archive.Options{MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	for i, from := range []string{"a@example.net", "later@example.net", "b@example.net", "x\r\ny@example.net", "c@example.net"} {
		c := archive.Copy{At: start, ReversePath: from, Domain: "example.org", Recipients: []archive.Recipient{{Addr: "ann@example.org"}}}
		if _, err := a.Put(context.Background(), c, raw(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	s, target := serve(t)
	s.sender = func(from string) error {
		if from == "later@example.net" {
			return &smtp.SMTPError{Code: 450, EnhancedCode: smtp.EnhancedCode{4, 1, 8}, Message: "Domain not found"}
		}
		return nil
	}
	d := deliverer(dir, &archive.Reader{}, target)
	if d.Reader, err = archive.OpenReadOnly(dir); err != nil {
		t.Fatal(err)
	}
	res, err := d.Deliver(context.Background(), Selection{}, quiet)
	if err != nil || res.Deliveries != 3 || len(res.Refused) != 2 || len(s.got) != 3 {
		t.Errorf("%+v, %v", res, err)
	}
	full, r, _ := filled(t)
	tries := 0
	s.answer = func(string, string) error {
		tries++
		return &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 2, 2}, Message: "over quota"}
	}
	if res, err := deliverer(full, r, target).Deliver(context.Background(), Selection{Mailbox: only("ann@example.org")}, quiet); err != nil || len(res.Refused) != 10 || tries != 3+9 {
		t.Errorf("over quota: %+v, %d tries, %v", res, tries, err)
	}
}

// TestTwoReleases: one at a time.
func TestTwoReleases(t *testing.T) {
	dir, r, _ := filled(t)
	done, err := archive.LockReleases(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, target := serve(t)
	if _, err := deliverer(dir, r, target).Deliver(context.Background(), Selection{}, quiet); err == nil || !strings.Contains(err.Error(), "another release is running") {
		t.Error(err)
	}
	done()
	if res, err := deliverer(dir, r, target).Deliver(context.Background(), Selection{}, quiet); err != nil || res.Deliveries != 20 {
		t.Error(res, err)
	}
}

// TestStopped is stopped while the server thinks: what it takes then is noted.
func TestStopped(t *testing.T) {
	dir, r, _ := filled(t)
	s, target := serve(t)
	ctx, stop := context.WithCancel(context.Background())
	s.data = func() {
		stop()
		time.Sleep(50 * time.Millisecond)
	}
	res, err := deliverer(dir, r, target).Deliver(ctx, Selection{}, quiet)
	if !errors.Is(err, context.Canceled) || res.Deliveries != 2 {
		t.Errorf("%+v, %v", res, err)
	}
	s.data = nil
	if res, err := deliverer(dir, r, target).Deliver(context.Background(), Selection{}, quiet); err != nil || res.Deliveries != 18 || len(s.got) != 20 {
		t.Errorf("%+v, %v, %d", res, err, len(s.got))
	}
}

// TestServerAway: it ends with an error that says so, and nothing is noted as released.
func TestServerAway(t *testing.T) {
	dir, r, _ := filled(t)
	target, err := submit.Parse("smtp://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	res, err := deliverer(dir, r, target).Deliver(context.Background(), Selection{}, quiet)
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") || res.Deliveries != 0 {
		t.Errorf("%+v, %v", res, err)
	}
	if n, err := Look(context.Background(), r, Selection{}); err != nil || n.Deliveries != 20 {
		t.Errorf("%+v, %v", n, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := deliverer(dir, r, target).Deliver(ctx, Selection{}, quiet); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

// TestExport reads back what is written, and finds the envelope.
func TestExport(t *testing.T) {
	_, r, _ := filled(t)
	dir := t.TempDir()
	maildir, err := mailfile.CreateMaildir(filepath.Join(dir, "Maildir"))
	if err != nil {
		t.Fatal(err)
	}
	mbox, err := mailfile.CreateMbox(filepath.Join(dir, "box.mbox"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		box interface {
			Box
			Close() error
		}
		path string
		ends string
	}{{maildir, filepath.Join(dir, "Maildir"), "\r\n"}, {mbox, filepath.Join(dir, "box.mbox"), "\n"}} {
		for range 2 { // a Maildir takes each message once
			if res, err := Export(context.Background(), tt.box, r, Selection{Again: true}, quiet); err != nil || res.Deliveries != 20 {
				t.Fatalf("%+v, %v", res, err)
			}
			if tt.box == mbox {
				break
			}
		}
		if err := tt.box.Close(); err != nil {
			t.Fatal(err)
		}
		n := 0
		for f, err := range mailfile.Walk([]string{tt.path}, nil) {
			if err != nil {
				t.Fatal(err)
			}
			env := f.Envelope()
			want := bytes.ReplaceAll(raw(n/2), []byte("\r\n"), []byte(tt.ends))
			if env.ReversePath != "shop@example.net" || !strings.EqualFold(env.Recipients[0].Addr, []string{"ann@example.org", "bob@example.org"}[n%2]) || !bytes.Contains(f.Raw, want) {
				t.Errorf("%s: %+v, %q", f.Path, env, f.Raw)
			}
			n++
		}
		if n != 20 {
			t.Errorf("%s has %d messages", tt.path, n)
		}
	}
}

func TestForget(t *testing.T) {
	dir, r, _ := filled(t)
	res, err := Forget(context.Background(), dir, r, Selection{Again: true, Mailbox: only("ann@example.org")}, quiet)
	if err != nil || res.Deliveries != 10 {
		t.Fatalf("%+v, %v", res, err)
	}
	if n, err := Look(context.Background(), r, Selection{Again: true}); err != nil || n.Deliveries != 10 || n.Mailboxes != 1 {
		t.Errorf("%+v, %v", n, err)
	}
}
