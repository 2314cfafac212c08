package stormgen

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"iter"
	"mime"
	"mime/multipart"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"
)

// digest is a hash of all that Generate gives.
func digest(o Options) string { return digestOf(Generate(o)) }

func digestOf(items iter.Seq[Item]) string {
	h := sha256.New()
	for it := range items {
		fmt.Fprintf(h, "%v\x00%s\x00%v\x00%v\x00%s\x00", it.Kind, it.Group, it.At, it.Envelope, it.Raw)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

func TestRepeatable(t *testing.T) {
	o := Options{Seed: 7, Messages: 1000}
	first := digest(o)
	items := Generate(o)
	for range 2 {
		if digestOf(items) != first {
			t.Error("the same options give other bytes")
		}
	}
	for name, other := range map[string]Options{
		"seed": {Seed: 8, Messages: 1000}, "habit": {Seed: 7, Messages: 1000, Body: Mixed}, "start": {Seed: 7, Messages: 1000, Start: time.Unix(1e9, 0)},
	} {
		if digest(other) == first {
			t.Errorf("another %s gives the same bytes", name)
		}
	}
}

func TestShares(t *testing.T) {
	tests := []struct {
		o    Options
		want [Ordinary + 1]int // storm: by recipient; Ordinary: by transaction
	}{
		{Options{}, [...]int{Original: 800, Copy: 16_788, Bounce: 1602, AutoReply: 810, Ordinary: 2000}},
		{Options{Messages: 2000, Ordinary: 300}, [...]int{Original: 80, Copy: 1679, Bounce: 160, AutoReply: 81, Ordinary: 300}},
		{Options{Messages: -1, Ordinary: 50}, [...]int{Ordinary: 50}},
		{Options{Messages: 1, Ordinary: -1}, [...]int{Original: 1, Ordinary: 0}},
		{Options{Messages: 100, Mailshots: 3, Mailboxes: 7, Ordinary: -1}, [...]int{Original: 21, Copy: 70, Bounce: 6, AutoReply: 3, Ordinary: 0}},
	}
	for _, tt := range tests {
		var got [Ordinary + 1]int
		for it := range Generate(tt.o) {
			if it.Kind == Ordinary {
				got[Ordinary]++
			} else {
				got[it.Kind] += len(it.Envelope.Recipients)
			}
		}
		if got != tt.want {
			t.Errorf("%+v: got %v, want %v", tt.o, got, tt.want)
		}
	}
}

// TestThreeOfEach says that no group is too small to be cut to three.
func TestThreeOfEach(t *testing.T) {
	copies := map[string]int{}
	for it := range Generate(Options{}) {
		for _, rcpt := range it.Envelope.Recipients {
			if it.Kind == Original || it.Kind == Copy {
				copies[it.Group+rcpt.Addr]++
			}
		}
	}
	if len(copies) != 800 {
		t.Fatalf("%d pairs of mailshot and mailbox", len(copies))
	}
	for pair, n := range copies {
		if n < 4 {
			t.Errorf("%s: %d copies", pair, n)
		}
	}
}

// TestWellFormed reads every message as strictly as RFC 5322 and MIME have it.
func TestWellFormed(t *testing.T) {
	addresses := map[string]bool{}
	for _, a := range (Options{}).Addresses() {
		addresses[a] = true
	}
	var last time.Time
	for it := range Generate(Options{Body: Mixed, MessageID: Mixed, Gateways: true, Ordinary: 4000}) {
		if it.At.Before(last) {
			t.Fatalf("%s comes before %s", it.At, last)
		}
		last = it.At
		if n := len(it.Envelope.Recipients); n < 1 || n > 5 || !it.Envelope.Client.IsValid() || it.Envelope.Helo == "" || it.Envelope.QueueID == "" {
			t.Fatalf("envelope %+v", it.Envelope)
		}
		for _, rcpt := range it.Envelope.Recipients {
			if !addresses[rcpt.Addr] {
				t.Fatalf("%s is none of the addresses", rcpt.Addr)
			}
		}
		checkLines(t, it.Raw)
		m, err := mail.ReadMessage(bytes.NewReader(it.Raw))
		if err != nil {
			t.Fatalf("%v\n%s", err, it.Raw)
		}
		checkFields(t, m)
		checkParts(t, m.Header.Get("Content-Type"), m.Body)
		if t.Failed() {
			t.Fatalf("%s %q:\n%s", it.Kind, it.Group, it.Raw)
		}
	}
}

func checkLines(t *testing.T, raw []byte) {
	if bytes.Count(raw, []byte("\r\n")) != bytes.Count(raw, []byte("\n")) || bytes.Count(raw, []byte("\r\n")) != bytes.Count(raw, []byte("\r")) {
		t.Error("a bare CR or LF")
	}
	if !bytes.HasSuffix(raw, []byte("\r\n")) {
		t.Error("the last line has no end")
	}
	for line := range bytes.SplitSeq(raw, []byte("\r\n")) {
		if len(line) > 998 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	header, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	if bytes.IndexFunc(header, func(r rune) bool { return r > 126 }) >= 0 {
		t.Error("8 bits in the header")
	}
}

func checkFields(t *testing.T, m *mail.Message) {
	for _, name := range []string{"From", "Date"} {
		if n := len(m.Header[name]); n != 1 {
			t.Errorf("%d fields %s", n, name)
		}
	}
	for _, name := range []string{"From", "To", "Cc"} {
		if m.Header.Get(name) == "" {
			continue
		}
		if _, err := m.Header.AddressList(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := m.Header.Date(); err != nil {
		t.Error(err)
	}
	if len(m.Header["Message-Id"]) > 1 || len(m.Header["Subject"]) != 1 || len(m.Header["Mime-Version"]) > 1 || len(m.Header["Content-Type"]) > 1 {
		t.Error("a field twice")
	}
	if _, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil {
		t.Error(err)
	}
}

func checkParts(t *testing.T, contentType string, body io.Reader) {
	if contentType == "" {
		return
	}
	typ, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		t.Errorf("%s: %v", contentType, err)
		return
	}
	if !strings.HasPrefix(typ, "multipart/") {
		return
	}
	r := multipart.NewReader(body, params["boundary"])
	n := 0
	for {
		p, err := r.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Errorf("part %d: %v", n, err)
			return
		}
		n++
		checkParts(t, p.Header.Get("Content-Type"), p)
	}
	if n < 2 {
		t.Errorf("%d parts", n)
	}
}

// TestHops looks at the Received fields: every transfer of a copy has its own, and copies
// gather them. The transfers of an original are those of one message.
func TestHops(t *testing.T) {
	newest, deepest := map[string]bool{}, 0
	for it := range Generate(Options{}) {
		received := received(t, it.Raw)
		if it.Kind == Ordinary {
			continue
		}
		if len(received) == 0 || newest[received[0]] && it.Kind != Original {
			t.Fatalf("no newest Received of its own: %q", received)
		}
		newest[received[0]] = true
		if it.Kind == Copy && (len(received) < 4 || len(received) > 50) {
			t.Fatalf("%d Received fields in a copy", len(received))
		}
		all := slices.Clone(received)
		slices.Sort(all)
		if len(slices.Compact(all)) != len(received) {
			t.Fatalf("a hop twice: %q", received)
		}
		deepest = max(deepest, len(received))
		if it.Kind == Copy && strings.HasPrefix(it.Envelope.Helo, "sbs.") && !bytes.Contains(it.Raw, []byte("<mspop3connector.")) {
			t.Fatalf("no mark of the connector:\n%s", it.Raw)
		}
	}
	if deepest < 30 {
		t.Errorf("the longest chain has %d Received fields", deepest)
	}
}

func received(t *testing.T, raw []byte) []string {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return m.Header["Received"]
}

// face is what copies of a message share.
type face struct{ from, date, subject, list, body string }

// TestHabits counts what the copies of each mailshot share.
func TestHabits(t *testing.T) {
	tests := []struct {
		id, body         Habit
		oneID, sameTexts bool
	}{
		{Keep, Keep, true, true}, {Change, Keep, false, true}, {Mixed, Keep, false, true},
		{Keep, Change, true, false}, {Keep, Mixed, true, false}, {Change, Change, false, false},
	}
	for _, tt := range tests {
		ids, texts, from := map[string]map[string]bool{}, map[string]map[string]bool{}, map[string]map[string]bool{}
		for it := range Generate(Options{Messages: 4000, Ordinary: -1, MessageID: tt.id, Body: tt.body}) {
			if it.Kind != Original && it.Kind != Copy {
				continue
			}
			h, body := split(t, it.Raw)
			add(ids, it.Group, h.Get("Message-Id"))
			add(texts, it.Group, h.Get("Subject")+body)
			add(from, it.Group, h.Get("From")+h.Get("Date"))
		}
		for group := range ids {
			if (len(ids[group]) == 1) != tt.oneID || (len(texts[group]) == 1) != tt.sameTexts || len(from[group]) != 1 {
				t.Errorf("Message-ID %v, body %v, %s: %d Message-IDs, %d texts, %d times From and Date", tt.id, tt.body, group, len(ids[group]), len(texts[group]), len(from[group]))
			}
		}
	}
}

func add(m map[string]map[string]bool, group, value string) {
	if m[group] == nil {
		m[group] = map[string]bool{}
	}
	m[group][value] = true
}

func split(t *testing.T, raw []byte) (mail.Header, string) {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(m.Body)
	return m.Header, string(body)
}

// TestOrdinaryIsNoCopy holds ordinary mail to its promise: nothing in it is a copy, and few
// things are said often.
func TestOrdinaryIsNoCopy(t *testing.T) {
	for _, span := range []time.Duration{time.Second, 30 * time.Minute} {
		ids, texts, said, sorts := map[string]int{}, map[face]int{}, map[face]int{}, map[string]int{}
		for it := range Generate(Options{Messages: -1, Ordinary: 10_000, Span: span}) {
			h, body := split(t, it.Raw)
			sorts[it.Group]++
			for _, rcpt := range it.Envelope.Recipients {
				ids[strings.Join([]string{rcpt.Addr, h.Get("From"), h.Get("Date"), h.Get("Message-Id"), h.Get("List-Id"), it.Group}, "\x00")]++
				f := face{rcpt.Addr + h.Get("From"), h.Get("Date"), h.Get("Subject"), h.Get("List-Id"), body}
				texts[f]++
				f.date = ""
				said[f]++
			}
		}
		for id, n := range ids {
			if n > 1 && !strings.HasSuffix(id, "\x00no Message-ID") {
				t.Errorf("%d times %q", n, id)
			}
		}
		for f, n := range texts {
			if n > 1 {
				t.Errorf("%d times with one Date: %q", n, f)
			}
		}
		for f, n := range said {
			if n > same {
				t.Errorf("said %d times: %q", n, f)
			}
		}
		if len(sorts) < 18 {
			t.Errorf("sorts: %v", sorts)
		}
	}
}

func BenchmarkGenerate(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		size, n := 0, 0
		for it := range Generate(Options{Messages: 2000}) {
			size, n = size+len(it.Raw), n+1
		}
		b.SetBytes(int64(size))
		b.ReportMetric(float64(n), "items/op")
	}
}
