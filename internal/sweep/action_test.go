package sweep

import (
	"strings"
	"testing"

	"breakwater/internal/sweep/session"
)

// TestMark tags what the rules tag.
func TestMark(t *testing.T) {
	b := memory(t, withMove)
	b.fill("INBOX", copies(10))
	before := b.contents()
	s := b.sweep("[limit.id]\naction = \"tag\"\n[limit.text]\naction = \"tag\"")
	if p := applied(t, s, "run1"); p.Mark() != 7 || p.Move() != 0 {
		t.Errorf("%+v", p)
	}
	if n := strings.Count(strings.ToLower(strings.Join(b.contents()["INBOX"], "\n")), "$breakwater"); n != 7 {
		t.Errorf("%d are marked", n)
	}
	if _, err := s.Undo(t.Context(), "run1"); err != nil {
		t.Fatal(err)
	}
	b.same(before)
}

// TestObserve changes nothing where rules only observe.
func TestObserve(t *testing.T) {
	b := memory(t, withMove)
	b.fill("INBOX", copies(10))
	p := applied(t, b.sweep("mode = \"observe\""), "run1")
	if f := p.Folders[slicesIndex(p.Folders, "INBOX")]; f.Observed != 7 || p.Move() != 0 {
		t.Errorf("%+v", f)
	}
}

func TestDigest(t *testing.T) {
	b := memory(t, withMove)
	b.fill("INBOX", copies(10))
	applied(t, b.sweep("[sweep]\ndigest = true"), "run1")
	s := b.session()
	defer s.Close()
	if _, err := s.Select(t.Context(), "INBOX", true); err != nil {
		t.Fatal(err)
	}
	found := false
	err := s.FetchFrom(t.Context(), 1, session.Whole, 1<<20, func(m session.Message) error {
		raw := string(m.Raw)
		found = found || strings.Contains(raw, "Auto-Submitted: auto-generated") && strings.Contains(raw, "Message-ID: <run1.u1%40example.test@breakwater.invalid>") && strings.Contains(raw, "7 messages from INBOX are in Breakwater/Absorbed") && strings.Contains(raw, "breakwater undo run1")
		return nil
	})
	if err != nil || !found {
		t.Errorf("no digest: %v", err)
	}
}

func TestGuard(t *testing.T) {
	tests := []struct {
		move, messages int
		share          float64
		refused        bool
	}{
		{0, 0, 0.5, false}, {10, 100, 0.5, false}, {60, 100, 0.5, true}, {60, 100, 0.7, false},
		{5, 5, 0.5, true}, {5, 6, 0.5, false}, {100, 100, 0.99, true}, {100, 100, 1, false},
	}
	for _, tt := range tests {
		p := &Plan{Folders: []FolderPlan{{Folder: "INBOX", Messages: tt.messages, Move: tt.move}}}
		if err := p.Guard(tt.share); (err != nil) != tt.refused {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}
