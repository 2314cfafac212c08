package sweep

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"

	"breakwater/internal/engine"
	"breakwater/internal/fingerprint"
	"breakwater/internal/rules"
	"breakwater/internal/store"
	"breakwater/internal/sweep/session"
	shipped "breakwater/rules"
)

// mailbox is where tests put mail and look for it: a server, and how to get there.
type mailbox struct {
	t       testing.TB
	options session.Options
}

// caps that the library's memory server has.
var (
	withMove     = imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapMove: {}, imap.CapUIDPlus: {}, imap.CapNamespace: {}, imap.CapSpecialUse: {}}
	withUIDPlus  = imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapUIDPlus: {}}
	withMoveOnly = imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapMove: {}}
	withNothing  = imap.CapSet{imap.CapIMAP4rev1: {}}
)

// memory is a memory server with some capabilities.
func memory(t testing.TB, caps imap.CapSet) *mailbox {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ms, u := imapmemserver.New(), imapmemserver.NewUser("u1@example.test", "pw")
	for _, name := range []string{"INBOX", "Trash"} {
		if err := u.Create(name, nil); err != nil {
			t.Fatal(err)
		}
	}
	ms.AddUser(u)
	srv := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return ms.NewSession(), nil, nil
		},
		Caps: caps, InsecureAuth: true, Logger: log.New(io.Discard, "", 0),
	})
	go srv.Serve(ln)
	t.Cleanup(func() { srv.Close() })
	return &mailbox{t, session.Options{Server: "imap+plain://" + ln.Addr().String(), User: "u1@example.test", Password: "pw"}}
}

func (b *mailbox) session() *session.Session {
	b.t.Helper()
	s, err := session.Dial(context.Background(), b.options)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// mail is a message to be put into a mailbox.
type mail struct {
	raw      string
	internal time.Time
	flags    []string
}

// fill appends messages to a folder.
func (b *mailbox) fill(folder string, mails []mail) {
	b.t.Helper()
	s := b.session()
	defer s.Close()
	if err := s.Create(context.Background(), folder); err != nil {
		b.t.Fatal(err)
	}
	for _, m := range mails {
		if err := s.Append(context.Background(), folder, []byte(m.raw), m.internal, m.flags...); err != nil {
			b.t.Fatal(err)
		}
	}
}

// contents is what is in a mailbox, by folder: each message by its bytes, flags and date.
func (b *mailbox) contents() map[string][]string {
	b.t.Helper()
	s := b.session()
	defer s.Close()
	ctx := context.Background()
	folders, err := s.List(ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	all := map[string][]string{}
	for _, f := range folders {
		if _, err := s.Select(ctx, f.Name, true); err != nil {
			b.t.Fatal(err)
		}
		err := s.FetchFrom(ctx, 1, session.Whole, 64<<20, func(m session.Message) error {
			flags := slices.DeleteFunc(m.Flags, func(f string) bool { return f == `\Recent` })
			slices.Sort(flags)
			sum := sha256.Sum256(m.Raw)
			all[f.Name] = append(all[f.Name], fmt.Sprint(hex.EncodeToString(sum[:8]), " ", m.InternalDate.Unix(), " ", flags, " ", queueID(m.Raw)))
			return nil
		})
		if err != nil {
			b.t.Fatal(err)
		}
		slices.Sort(all[f.Name])
	}
	return all
}

// absorbed is the server's name of the folder for what is absorbed.
func (b *mailbox) absorbed() string {
	s := b.session()
	defer s.Close()
	if _, err := s.List(context.Background()); err != nil {
		b.t.Fatal(err)
	}
	return s.Name("Breakwater/Absorbed")
}

// same fails the test where the mailbox is not as it was, apart from empty folders.
func (b *mailbox) same(before map[string][]string) {
	b.t.Helper()
	now := b.contents()
	for name := range now {
		if len(now[name]) == 0 && len(before[name]) == 0 {
			delete(now, name)
		}
	}
	for name, list := range before {
		if len(list) > 0 && !slices.Equal(list, now[name]) {
			b.t.Errorf("%s has %d messages, not the %d it had\n%s\nbefore:\n%s", name, len(now[name]), len(list), some(now[name]), some(list))
		}
		delete(now, name)
	}
	for name, list := range now {
		b.t.Errorf("%s has %d messages left", name, len(list))
	}
}

func some(list []string) string { return strings.Join(list[:min(len(list), 8)], "\n") }

// count is how many messages there are in all folders.
func count(contents map[string][]string) (n int) {
	for _, list := range contents {
		n += len(list)
	}
	return n
}

// sweep is a sweep of the mailbox by shipped rules, with lines over them.
func (b *mailbox) sweep(lines string) *Sweep {
	b.t.Helper()
	def, err := shipped.Files.ReadFile(rules.DefaultFile)
	if err != nil {
		b.t.Fatal(err)
	}
	set, err := rules.Load(fstest.MapFS{rules.DefaultFile: {Data: def}, "example.test.toml": {Data: []byte(lines)}})
	if err != nil {
		b.t.Fatal(err)
	}
	hasher := fingerprint.New([]byte("0123456789abcdef"))
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("SWEEP_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return &Sweep{
		Account: "u1@example.test", Mailbox: "u1@example.test", Server: b.options, Dir: b.t.TempDir(),
		Engine: func(s store.Store) *engine.Engine {
			return &engine.Engine{Store: s, Rules: func() *rules.Set { return set }, Hasher: hasher}
		},
		Rules: set.For("example.test").Sweep(), Backoff: time.Millisecond, Pause: 100 * time.Millisecond, Log: log,
	}
}

// applied sweeps, and returns the plan.
func applied(t testing.TB, s *Sweep, run string) *Plan {
	t.Helper()
	var plan *Plan
	err := s.Run(context.Background(), run, func(p *Plan) (bool, error) {
		plan = p
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// planned sweeps without applying.
func planned(t testing.TB, s *Sweep) *Plan {
	t.Helper()
	var plan *Plan
	err := s.Run(context.Background(), "", func(p *Plan) (bool, error) {
		plan = p
		return false, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// manage does what no sweep does.
func (b *mailbox) manage(user, password string, do func(*imapclient.Client) error) {
	b.t.Helper()
	c, err := imapclient.DialInsecure(strings.TrimPrefix(b.options.Server, "imap+plain://"), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	defer c.Close()
	if err := errors.Join(c.Login(user, password).Wait(), do(c)); err != nil {
		b.t.Error(err)
	}
}

// rename gives a folder another name.
func (b *mailbox) rename(from, to string) {
	b.t.Helper()
	b.manage(b.options.User, b.options.Password, func(c *imapclient.Client) error { return c.Rename(from, to, nil).Wait() })
}

// uids are those of the messages in a folder.
func (b *mailbox) uids(folder string) string {
	b.t.Helper()
	s := b.session()
	defer s.Close()
	if _, err := s.Select(context.Background(), folder, true); err != nil {
		b.t.Fatal(err)
	}
	var uids []uint32
	err := s.FetchFrom(context.Background(), 1, session.Nothing, 0, func(m session.Message) error {
		uids = append(uids, m.UID)
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	slices.Sort(uids)
	return session.FormatUIDs(uids)
}
