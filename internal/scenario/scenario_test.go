package scenario

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"breakwater/internal/golden"
	"breakwater/internal/message"
	"breakwater/internal/rules"
)

// thrice lets three of each Message-ID pass to each recipient.
func thrice() Judge {
	seen := map[string]int{}
	return func(_ context.Context, m *message.Message) (rules.Judgement, error) {
		var ds []rules.Decision
		for _, r := range m.Recipients {
			d := rules.Decision{Recipient: r, Action: rules.Deliver, Reason: "first", Rule: rules.Source{File: "x.toml", Line: 3}}
			if seen[r.Addr+m.MessageID]++; seen[r.Addr+m.MessageID] > 3 {
				d.Action, d.Reason = rules.Absorb, "again"
			}
			ds = append(ds, d)
		}
		return rules.Judgement{Message: m, Decisions: ds}, nil
	}
}

// TestFiles loads and plays each testdata/*.toml; x.want is what is wrong with it.
func TestFiles(t *testing.T) {
	golden.Each(t, "testdata/*.toml", func(t *testing.T, _ string, text []byte) string {
		return play(t, fstest.MapFS{"a.toml": {Data: text}, "a.eml": {Data: []byte("Subject: a\r\n\r\nfile\r\n")}})
	})
}

func play(t *testing.T, fsys fstest.MapFS) string {
	t.Helper()
	tests, err := Load(fsys)
	if err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	for _, tt := range tests {
		n, err := tt.Run(t.Context(), thrice())
		fmt.Fprintf(&b, "%s: %d messages\n", tt.Name, n)
		if err != nil {
			fmt.Fprintln(&b, err)
		}
	}
	return b.String()
}

// TestReadme loads the test that the README shows.
func TestReadme(t *testing.T) {
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(b), "```toml\n[[test]]")
	text, _, ok := strings.Cut(text, "```")
	tests, err := Load(fstest.MapFS{"a.toml": {Data: []byte("[[test]]" + text)}})
	if !ok || err != nil || len(tests) != 1 {
		t.Error(tests, err)
	}
}

// TestMessages looks at the messages that are made.
func TestMessages(t *testing.T) {
	tests, err := Load(fstest.MapFS{"a.toml": {Data: []byte(`
[[test]]
name = "a"
[[test.send]]
times = 2
copies = 2
every = "1m"
from = "s{{.N}}@example.net"
to = ["r{{.N}}@example.test", "x@example.test"]
client = "2001:db8:{{.N}}::{{.Copy}}"
helo = "mx.example.com"
login = "ann"
message = "Subject: {{.N}} {{.Copy}}\n\n{{.Date}}\n{{.Now}}\n"
total = { deliver = 8 }
[[test.send]]
copies = 2
retry = true
after = "1h"
message = "Message-ID: <x@example.net>\nFrom: a@example.net\n\n"
expect = ["deliver"]
[[test.send]]
direct = true
without = ["Message-ID", "Date"]
message = "Subject: x\n\n{{base64 (data 100 7)}}{{repeat 3 \"x\"}}{{add 1 2}}{{mul 3 4}}{{div 9 2}}{{mod 9 2}}"
expect = ["deliver"]
[[test.send]]
file = "a.eml"
expect = ["deliver"]
`)}, "a.eml": {Data: []byte("Subject: file\r\n\r\nas it is\r\n")}})
	if err != nil {
		t.Fatal(err)
	}
	var got []*message.Message
	n, err := tests[0].Run(t.Context(), func(ctx context.Context, m *message.Message) (rules.Judgement, error) {
		got = append(got, m)
		return thrice()(ctx, m)
	})
	if err != nil || n != 8 {
		t.Fatal(n, err)
	}
	m := got[3] // the second copy of the second
	if m.Subject != "2 2" || m.ReversePath != "s2@example.net" || m.From != m.ReversePath || m.Recipients[0].Addr != "r2@example.test" || m.Client.String() != "2001:db8:2::2" ||
		m.Helo != "mx.example.com" || m.AuthUser != "ann" || !m.At.Equal(Start.Add(3*time.Minute)) || !m.Date.Equal(Start.Add(time.Minute)) {
		t.Errorf("%+v", m)
	}
	if body := string(m.Body); body != Start.Add(time.Minute).Format(time.RFC1123Z)+"\r\n"+Start.Add(3*time.Minute).Format(time.RFC1123Z)+"\r\n" {
		t.Errorf("%q", body)
	}
	if got[1].MessageID != m.MessageID || got[0].MessageID == m.MessageID || got[1].Received[0] == m.Received[0] {
		t.Error("copies have one Message-ID, and each a transfer of its own")
	}
	if got[4].Received[0] != got[5].Received[0] || got[4].MessageID != "x@example.net" || !got[4].At.Equal(Start.Add(63*time.Minute)) {
		t.Errorf("a retry: %+v", got[5])
	}
	direct := got[6]
	if len(direct.Received) != 0 || direct.MessageID != "" || !direct.Date.IsZero() || !strings.HasSuffix(string(direct.Body), "xxx31241") {
		t.Errorf("%s", direct.Raw)
	}
	if file := string(got[7].Raw); !strings.HasSuffix(file, "Subject: file\r\n\r\nas it is\r\n") || got[7].MessageID != "" {
		t.Error(file)
	}
}

func TestJudgeFails(t *testing.T) {
	tests, err := Load(os.DirFS("testdata"))
	if err == nil || tests == nil {
		t.Fatal("the folder has good and bad files")
	}
	broken := errors.New("disk on fire")
	_, err = tests[0].Run(t.Context(), func(context.Context, *message.Message) (rules.Judgement, error) { return rules.Judgement{}, broken })
	if !errors.Is(err, broken) {
		t.Error(err)
	}
	if tests, err := Load(os.DirFS("testdata/missing")); err != nil || tests != nil {
		t.Error("a folder that is not there has no tests", err)
	}
}

func FuzzLoad(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.toml")
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		tests, err := Load(fstest.MapFS{"a.toml": {Data: b}})
		if err != nil {
			return
		}
		for _, tt := range tests {
			few := 0
			judge := thrice()
			_, _ = tt.Run(t.Context(), func(ctx context.Context, m *message.Message) (rules.Judgement, error) {
				if few++; few > 50 {
					return rules.Judgement{}, errors.New("enough")
				}
				return judge(ctx, m)
			})
		}
	})
}
