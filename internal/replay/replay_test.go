package replay

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"breakwater/internal/archive"
)

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestOrder mixes files, an mbox and an archive.
func TestOrder(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/mail/a.eml", "Received: from x ([IPv6:2001:db8::7]) by y; Mon, 2 Mar 2026 08:05:00 +0000\r\nReceived: by z; Mon, 2 Mar 2026 07:00:00 +0000\r\nSubject: 5\r\n\r\n")
	write(t, dir+"/mail/b.eml", "Date: Mon, 2 Mar 2026 09:01:00 +0100\nDelivered-To: bob@example.org\nSubject: 1\n\n")
	write(t, dir+"/mail/box.mbox", "From x\nDate: Mon, 2 Mar 2026 08:06:00 +0000\nSubject: 6\n\n>From here.\n\nFrom x\nDate: Mon, 2 Mar 2026 08:02:00 +0000\nTo: c@example.org\nCc: d@example.org\nSubject: 2\n\ntext\n")
	write(t, dir+"/mail/none.eml", "From: a@example.org\nX-A: 1\nSubject: 0\n\n")
	if err := os.Chtimes(dir+"/mail/none.eml", time.Time{}, time.Date(2026, 3, 2, 7, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	a, err := archive.Open(dir+"/archive", archive.Options{MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		c := archive.Copy{At: time.Date(2026, 3, 2, 8, 3+i, 0, 0, time.UTC), Client: netip.MustParseAddr("192.0.2.1"), ReversePath: "s@example.net", Recipients: []archive.Recipient{{Addr: "e@example.org"}, {Addr: "f@example.org"}}}
		if _, err := a.Put(context.Background(), c, fmt.Appendf(nil, "Subject: %d\r\n\r\n", 3+i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	n := 0
	plan, err := Scan(t.Context(), []string{dir + "/mail", dir + "/missing", dir + "/archive"}, func(k int) { n += k })
	if err != nil || plan.Total != 7 || n != 5 || len(plan.Errors) != 1 {
		t.Fatal(plan, n, err)
	}
	var got []string
	for m, err := range plan.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		var to []string
		for _, r := range m.Message.Recipients {
			to = append(to, strings.TrimSuffix(r.Addr, "@example.org"))
		}
		got = append(got, fmt.Sprintf("%s %s %v %s", m.Message.Subject, m.Message.At.Format("15:04"), to, m.Message.Client))
		if strings.HasSuffix(m.Path, "box.mbox#1") != (m.Message.Subject == "6") || m.Message.Subject == "6" && string(m.Message.Body) != "From here.\n\n" {
			t.Errorf("%s: %q", m.Path, m.Message.Body)
		}
	}
	want := "0 07:00 [] invalid IP|1 08:01 [bob] invalid IP|2 08:02 [c d] invalid IP|3 08:03 [e f] 192.0.2.1|4 08:04 [e f] 192.0.2.1|5 08:05 [] 2001:db8::7|6 08:06 [] invalid IP"
	if s := strings.Join(got, "|"); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

// TestGone has files that go away between the two looks at them.
func TestGone(t *testing.T) {
	dir := t.TempDir()
	for i := range 3 {
		write(t, fmt.Sprintf("%s/%d.eml", dir, i), "Subject: a\n\n")
	}
	plan, err := Scan(t.Context(), []string{dir}, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(dir + "/1.eml")
	good, bad := 0, 0
	for _, err := range plan.All(t.Context()) {
		if err != nil {
			bad++
		} else {
			good++
		}
	}
	if good != 2 || bad != 1 {
		t.Errorf("%d good, %d bad", good, bad)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range plan.All(ctx) {
		cancel()
	}
	if _, err := Scan(ctx, []string{dir}, func(int) {}); err == nil {
		t.Error("a scan that was cancelled has no error")
	}
}
