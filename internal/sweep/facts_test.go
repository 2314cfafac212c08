package sweep

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"breakwater/internal/message"
	"breakwater/internal/notes"
	"breakwater/internal/rules"
	"breakwater/internal/store/badgerdb"
	"breakwater/internal/storm"
	"breakwater/internal/sweep/session"
)

func TestArrived(t *testing.T) {
	now := monday.AddDate(0, 1, 0)
	internal := monday.Add(time.Hour)
	tests := []struct {
		header   string
		migrated bool
		want     time.Time
		ok       bool
	}{
		{"Received: from a by b; Mon, 2 Mar 2026 08:10:00 +0000\nReceived: from c by d; Mon, 2 Mar 2026 08:00:00 +0000\n", false, monday.Add(10 * time.Minute), true},
		{"Received: from a by b; Mon, 2 Mar 2062 08:10:00 +0000\nReceived: from c by d; Mon, 2 Mar 2026 08:00:00 +0000\n", true, monday, true},
		{"Received: from a by b; Thu, 1 Jan 1970 00:00:00 +0000\n", false, internal, true},
		{"Received: from a by b\nSubject: x\n", false, internal, true},
		{"Subject: x\n", true, internal, false},
	}
	for _, tt := range tests {
		m := message.Parse(message.Envelope{}, time.Time{}, []byte(tt.header+"\nText\n"))
		if at, ok := arrived(m, internal, now, tt.migrated); !at.Equal(tt.want) || ok != tt.ok {
			t.Errorf("%q: %v %v", tt.header, at, ok)
		}
	}
}

func TestRebuild(t *testing.T) {
	tests := []struct{ header, rcpt, from string }{
		{"Return-Path: <a@example.net>\nX-Original-To: sales@example.test\nDelivered-To: u1@example.test\nReceived: x\n", "sales@example.test", "a@example.net"},
		{"Return-Path: <>\nDelivered-To: u1+x@example.test\nReceived: x\n", "u1+x@example.test", ""},
		{"Received: x\nDelivered-To: other@example.net\nReturn-Path: <b@example.net>\n", "box@example.test", ""}, // what others wrote
		{"Subject: x\n", "box@example.test", ""},
	}
	for _, tt := range tests {
		h, _, _ := message.ParseHeader([]byte(tt.header + "\n"))
		env := rebuild(h, "box@example.test")
		if env.Recipients[0].Addr != tt.rcpt || env.ReversePath != tt.from || !env.Rebuilt {
			t.Errorf("%q: %+v", tt.header, env)
		}
	}
}

func TestExempt(t *testing.T) {
	all := []session.Folder{
		{Name: "INBOX", Delim: "/"}, {Name: "Gesendet", Delim: "/", Uses: []string{`\sent`}}, {Name: "Gesendet/2025", Delim: "/"},
		{Name: "Work", Delim: "/"}, {Name: "Trash", Delim: "/"}, {Name: "INBOX/Spam", Delim: "/"}, {Name: "Breakwater/Absorbed", Delim: "/"},
		{Name: "Breakwater/Absorbed/x", Delim: "/"}, {Name: "Archive", Delim: "/"}, {Name: "Archived orders", Delim: "/"}, {Name: "All", Delim: "/", Uses: []string{`\all`}},
		{Name: "Wichtig", Delim: "/", Uses: []string{`\important`}},
	}
	var swept []string
	for _, f := range all {
		if exempt(f, all, []string{"Breakwater/Absorbed"}) == "" {
			swept = append(swept, f.Name)
		}
	}
	if want := []string{"INBOX", "Work", "Archived orders"}; !slices.Equal(swept, want) {
		t.Errorf("swept %q, want %q", swept, want)
	}
}

func TestPerishes(t *testing.T) {
	all := []session.Folder{
		{Name: "INBOX", Delim: "/"}, {Name: "Papierkorb", Delim: "/", Uses: []string{`\trash`}}, {Name: "Archiv", Delim: "/", Uses: []string{`\archive`}},
	}
	for name, want := range map[string]string{
		"Breakwater/Absorbed": "", "Archiv": "", "Archiv/Storm": "", "Archive/Storm": "",
		"Papierkorb": `\trash`, "Papierkorb/Storm": `\trash`, "Junk": "called junk", "Trash/Storm": "called trash",
	} {
		if got := perishes(name, all); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	b := memory(t, withMove)
	b.fill("INBOX", copies(10))
	s := b.sweep("[sweep]\nabsorb = \"Trash\"")
	err := s.Run(t.Context(), "run1", func(*Plan) (bool, error) { return true, nil })
	if err == nil || !strings.Contains(err.Error(), "folder Trash may be deleted, since it is called trash") {
		t.Errorf("got %v", err)
	}
}

// TestExchange has copies of which better ones came later; and one that may not go for another,
// since it is also a copy of something else.
func TestExchange(t *testing.T) {
	key := func(n byte) storm.Key { return storm.Key{Kind: storm.Text, Hash: [8]byte{n}} }
	gone := &rules.Decision{Action: rules.Absorb, Storm: key(1).String()}
	other := &rules.Decision{Action: rules.Absorb, Storm: key(2).String()}
	c := func(uid uint32, d *rules.Decision, protected string, keys ...storm.Key) *candidate {
		return &candidate{uid: uid, at: monday.Add(time.Duration(uid) * time.Minute), keys: keys, decision: d, about: &about{}, protected: protected}
	}
	all := []*candidate{
		c(1, nil, "", key(1)), c(2, nil, "", key(1), key(2)), c(3, nil, "", key(1)),
		c(4, gone, "", key(1)), c(5, gone, `\flagged`, key(1)), c(6, gone, "", key(1)), c(7, other, "", key(2)),
	}
	all[5].flags = []string{`\Seen`}
	exchange(all)
	var stay []uint32
	for _, m := range all {
		if m.decision == nil {
			stay = append(stay, m.uid)
		}
	}
	// The flagged one takes the place of 3, the newest; the read one that of 1, since 2 is also
	// what stays of another storm.
	if want := []uint32{2, 5, 6}; !slices.Equal(stay, want) {
		t.Errorf("%v stay, want %v", stay, want)
	}
}

// TestDaemonKnows lets what rages at the daemon not leak away here.
func TestDaemonKnows(t *testing.T) {
	ctx := context.Background()
	daemon, err := badgerdb.Open("", badgerdb.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	defer daemon.Close()
	limit := storm.Limit{Copies: 3, Window: 24 * time.Hour, Calm: 48 * time.Hour, Keep: 48 * time.Hour}
	count := storm.Count{Key: storm.Key{Kind: storm.ID, Hash: [8]byte{1}}, Limit: limit}
	for n := range 300 {
		sg := storm.Sighting{At: monday.Add(time.Duration(n) * time.Hour / 2), Transfer: uint64(n + 1), Counts: []storm.Count{count}}
		if _, err := daemon.Observe(ctx, sg); err != nil {
			t.Fatal(err)
		}
	}
	held := func(s *scratch) (n int) {
		for i := range 12 { // one in twelve hours: it leaks away as fast as it comes
			ts, err := s.Observe(ctx, storm.Sighting{At: monday.Add(time.Duration(i)*12*time.Hour + time.Minute), Counts: []storm.Count{count}})
			if err != nil {
				t.Fatal(err)
			}
			if ts[0].Storm != nil && !ts[0].Through {
				n++
			}
		}
		return n
	}
	if n := held(newScratch(nil)); n != 0 {
		t.Errorf("without the daemon %d are held", n)
	}
	if n := held(newScratch(daemon)); n != 9 {
		t.Errorf("with the daemon %d are held, not 9", n)
	}
	if _, err := daemon.Observe(ctx, storm.Sighting{}); err != nil {
		t.Error(err)
	}
}

func TestState(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.state")
	s, err := readState(name)
	if err != nil || len(s) != 0 {
		t.Fatal(s, err)
	}
	tally := storm.Add(storm.Tally{}, storm.Sighting{At: monday}, storm.Count{Key: storm.Key{Kind: storm.ID}, Limit: storm.Limit{Copies: 3, Window: time.Hour, Calm: 2 * time.Hour, Keep: 2 * time.Hour}})
	note := notes.Add(notes.Note{}, monday, notes.Entry{Key: storm.Key{Kind: 32}, Keep: time.Hour, Bits: 5})
	kept := newScratch(nil)
	kept.tallies[tally.Key], kept.notes[note.Key] = tally, note
	f := &folderState{UIDValidity: 7, UIDNext: 100}
	if err := f.keep(kept, monday); err != nil {
		t.Fatal(err)
	}
	s["INBOX"] = f
	if err := s.restored("INBOX", 7, []uint32{120, 5, 121}); err != nil {
		t.Fatal(err)
	}
	if err := s.write(name); err != nil {
		t.Fatal(err)
	}
	got, err := readState(name)
	if err != nil || !reflect.DeepEqual(got, s) || got["INBOX"].Restored != "5,120:121" {
		t.Fatal(got, err)
	}
	again := newScratch(nil)
	if err := got["INBOX"].restore(again, monday); err != nil || again.tallies[tally.Key].Seen != 1 || again.notes[note.Key] != note || len(again.tallies)+len(again.notes) != 2 {
		t.Error(again, err)
	}
	early := monday.AddDate(-10, 0, 0) // the clock was ahead then
	again = newScratch(nil)
	err = got["INBOX"].restore(again, early)
	if last := again.tallies[tally.Key].Last; err != nil || last.After(early) || again.notes[note.Key].Last.After(early) {
		t.Errorf("last seen %v, it is %v: %v", last, early, err)
	}
	if err := f.keep(again, early.Add(3*time.Hour)); err != nil || len(f.Tallies) != 0 {
		t.Errorf("kept for ever: %x, %v", f.Tallies, err)
	}
	if other := got.of("INBOX", session.State{UIDValidity: 8}); other.UIDNext != 0 {
		t.Error("the state of another folder was taken")
	}
}

// TestSets cuts UIDs into what servers can read: nothing is left out, and no set is too long.
func TestSets(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, step := range []uint32{1, 2, 3, 50, 100_000} {
		var uids, all []uint32
		for uid, n := uint32(1), 0; n < 20_000; n++ {
			uids = append(uids, uid)
			uid += 1 + rng.Uint32N(step)
		}
		sets := 0
		for set := range session.Sets(uids) {
			if text := session.FormatUIDs(set); len(text) > 7000 {
				t.Errorf("steps up to %d: a set of %d bytes", step, len(text))
			}
			all = append(all, set...)
			sets++
		}
		if !slices.Equal(all, uids) {
			t.Errorf("steps up to %d: %d of %d UIDs", step, len(all), len(uids))
		}
		if most := len(session.FormatUIDs(uids))/6900 + 1; sets > most {
			t.Errorf("steps up to %d: %d sets, not %d", step, sets, most)
		}
	}
}

func TestJournalCutOff(t *testing.T) {
	name := filepath.Join(t.TempDir(), "runs", "r", "a.jsonl")
	j, err := createJournal(name, record{Run: "r", Account: "a"})
	if err != nil {
		t.Fatal(err)
	}
	plan := &Plan{Folders: []FolderPlan{{batches: []batch{{Folder: "INBOX", UIDValidity: 1, To: "B", Messages: []entry{{UID: 5}, {UID: 6}}}}}}}
	if err := j.plan(plan); err != nil {
		t.Fatal(err)
	}
	if err := j.write(record{Op: opBegin, N: 1, Of: "5:6", UIDs: "5:6", UIDValidity: 9, UIDNext: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := j.f.WriteString(`{"op":"done","n":1,"of":"5:`); err != nil {
		t.Fatal(err)
	}
	j.Close()
	j, err = openJournal(name)
	if err != nil || len(j.batches) != 1 || j.batches[0].forth.pending == nil || !j.planned {
		t.Fatalf("%+v, %v", j, err)
	}
	if err := j.write(record{Op: opDone, N: 1, Of: "6,5", UIDs: "31:32", UIDValidity: 9}); err != nil {
		t.Fatal(err)
	}
	j.Close()
	j, err = openJournal(name)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if got := fmt.Sprint(j.batches[0].forth.moved); got != "[{6 31 9} {5 32 9}]" || j.batches[0].forth.pending != nil {
		t.Error(got)
	}
}

func FuzzJournal(f *testing.F) {
	f.Add(`{"op":"batch","batch":{"n":1,"folder":"INBOX","messages":[{"uid":1,"hash":"00112233445566778899aabbccddeeff"}]}}` + "\n" + `{"op":"begin","n":1,"of":"1"}` + "\n" + `{"op":"done","n":1,"of":"1","uids":"5"}` + "\n")
	f.Add(`{"op":"done","n":1,"of":"1:99999999"}`)
	f.Fuzz(func(t *testing.T, text string) {
		j := &journal{}
		for line := range strings.Lines(text) {
			var rec record
			if json.Unmarshal([]byte(line), &rec) != nil || len(rec.Of) > 20 || len(rec.UIDs) > 20 {
				return
			}
			if j.take(rec) != nil {
				return
			}
		}
		for _, p := range j.batches {
			for _, back := range []bool{false, true} {
				if n := len(p.rest(back)); n > len(p.Messages) {
					t.Errorf("%d of %d messages are left", n, len(p.Messages))
				}
			}
		}
	})
}

func FuzzUIDs(f *testing.F) {
	f.Add([]byte{1, 2, 3, 9, 7, 8})
	f.Fuzz(func(t *testing.T, b []byte) {
		var uids []uint32
		for _, c := range b {
			uids = append(uids, uint32(c)+1)
		}
		got, err := session.ParseUIDs(session.FormatUIDs(uids))
		if err != nil || !slices.Equal(got, uids) {
			t.Errorf("%v became %v, %v", uids, got, err)
		}
	})
}

func FuzzTallies(f *testing.F) {
	f.Add([]byte{3, 1, 2, 3})
	f.Fuzz(func(_ *testing.T, b []byte) {
		_ = (&folderState{Tallies: b}).restore(newScratch(nil), monday) // it must not panic
	})
}
