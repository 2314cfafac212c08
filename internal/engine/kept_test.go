package engine

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"breakwater/internal/message"
	"breakwater/internal/origin"
	"breakwater/internal/rules"
	"breakwater/internal/store/badgerdb"
)

const keptRules = leavesHere + "[batv]\nform = \"subaddress\"\nrefuse = true\nexempt = [\"example.com\"]\n"

// history has an engine send mail for ten days, and see a storm and a gateway that numbers mail.
func history(t *testing.T, e *Engine) {
	t.Helper()
	now := start.Add(10 * day)
	minutes(t, e, start, start.Add(time.Hour))
	judged(t, e, bounce(start.Add(2*day), "ann@example.org", never(start.Add(30*time.Minute), "learning"), "x@example.net"))
	minutes(t, e, now.Add(-3*day), now.Add(-3*day).Add(time.Hour))
	send(t, e, submitted(now.Add(-2*day), dated(now.Add(-2*day), "1@mail.example"), "bob@example.net"))
	send(t, e, submitted(now.Add(-2*day), dated(now.Add(-2*day), "2@mail.example"), "robot@example.com")) // exempt: it leaves without a tag
	for n := range 10 {
		reason(t, e, 3*3600*n, form{client: "198.51.100.7", from: "bot@example.com", minute: n, subject: fmt.Sprintf("Order of %c%c", 'a'+n, 'n'+n), text: scanned(letterText(n), n)})
	}
	for n := range 30*3 + 60 {
		reason(t, e, 1000+n, form{id: "one", trace: "4XkT2c9WzQ", to: fmt.Sprintf("u%d@example.test", 2+n%30)})
	}
}

// scanned is a text with the number of a gateway.
func scanned(text string, n int) string {
	return fmt.Sprintf("Dear Ann,\n\n%s\n\nScan-ID: 8f14e45f%04d\n", text, n)
}

// remembers checks what an engine knows of what was played.
func remembers(t *testing.T, e *Engine) {
	t.Helper()
	now := start.Add(10 * day)
	for name, m := range map[string]*message.Message{
		"message-id":     bounce(now, "ann@example.org", dated(now.Add(-2*day), "1@mail.example"), "x@example.net"),
		"correspondents": bounce(now, "ann@example.org", "Subject: Hello\r\n", "bob@example.net"),
	} {
		expect(t, name, judged(t, e, m), rules.Deliver, origin.Genuine, "")
	}
	expect(t, "covered", judged(t, e, bounce(now, "ann@example.org", never(now.Add(-3*day).Add(30*time.Minute), "forged"), "x@example.net")), rules.Absorb, origin.Forged, "saw all mail of that time")
	expect(t, "not covered", judged(t, e, bounce(now, "ann@example.org", never(now.Add(-4*day), "gap"), "x@example.net")), rules.Deliver, origin.Unknown, "did not see all")
	all, err := e.Learning(context.Background(), now)
	if err != nil || len(all) != 1 || !all[0].Since.Equal(start.Add(time.Minute)) || all[0].Excused == 0 {
		t.Errorf("learned: %+v, %v", all, err)
	}
	for rcpt, want := range map[string]bool{"ann@example.org": false, "carl@example.org": true} {
		if _, refused, err := e.Refuse(context.Background(), now, message.Envelope{Client: bounce(now, rcpt, "", "").Client}, message.Recipient{Addr: rcpt}); refused != want || err != nil {
			t.Errorf("%s is refused: %v, %v", rcpt, refused, err)
		}
	}
	for n := range 5 {
		f := form{minute: n + 1, client: "192.0.2.1", more: "In-Reply-To: <one@example.net>\n"}
		if why := reason(t, e, 1500+n, f); n >= 3 && !strings.Contains(why, "server in a storm") {
			t.Errorf("copy %d of the storm, all but the words anew: %q", n, why)
		}
	}
	last := ""
	for n := range 5 {
		last = reason(t, e, 4*24*3600+n, form{client: "198.51.100.7", id: "offer", trace: "4XkT2c9WzX", text: scanned(letterText(50), 100+n)})
	}
	if last == "" {
		t.Error("copies are told apart by the number of a gateway that is known for it")
	}
	one := 0
	for n := range 3 {
		if reason(t, e, 1600+n, form{id: "one", trace: "4XkT2c9WzQ", to: "late@example.test"}) == "" {
			one++
		}
	}
	if one != 1 {
		t.Errorf("%d copies arrive at one mailbox more, want 1", one)
	}
}

// TestKept: what this version wrote is remembered, in a store that goes on.
func TestKept(t *testing.T) {
	e := newOriginEngine(t, keptRules)
	history(t, e)
	remembers(t, e)
}

// TestKeptBefore: so is what the version before it wrote, key by key and value by value as it was on
// disk.
func TestKeptBefore(t *testing.T) {
	dir := t.TempDir()
	restore(t, dir, "testdata/store-3.gz")
	s, err := badgerdb.Open(dir, badgerdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	e := newOriginEngine(t, keptRules)
	e.Store = s
	remembers(t, e)
}

// restore makes a store of pairs in a file: a key of 17 bytes, and a value with its length.
func restore(t *testing.T, dir, name string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	db, err := badger.Open(badger.DefaultOptions(dir).WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	pairs := 0
	batch := db.NewWriteBatch()
	for r := bufio.NewReader(z); ; pairs++ {
		key := make([]byte, 17)
		if _, err := io.ReadFull(r, key); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		n, err := binary.ReadUvarint(r)
		if err != nil {
			t.Fatal(err)
		}
		value := make([]byte, n)
		if _, err := io.ReadFull(r, value); err != nil {
			t.Fatal(err)
		}
		// What stays for ever is taken for that of a clock that was ahead.
		if err := batch.SetEntry(badger.NewEntry(key, value).WithTTL(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil || pairs < 300 {
		t.Fatalf("%d pairs, %v", pairs, err)
	}
}
