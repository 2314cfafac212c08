package incident

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"breakwater/internal/message"
	"breakwater/internal/storm"
)

var morning = time.Date(2026, 3, 2, 8, 15, 0, 0, time.UTC)

// shelf is a book in a folder of its own.
type shelf struct {
	t   testing.TB
	dir string
	at  time.Time // the newest
	*Book
}

func newShelf(t testing.TB) *shelf {
	s := &shelf{t: t, dir: filepath.Join(t.TempDir(), "incidents"), at: morning}
	s.open()
	t.Cleanup(func() { s.lock.Close() })
	return s
}

func (s *shelf) open() {
	s.t.Helper()
	b, err := Open(s.dir, s.at, Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.Book = b
}

func (s *shelf) restart() {
	s.t.Helper()
	if err := s.Close(s.at); err != nil {
		s.t.Fatal(err)
	}
	s.open()
}

// kill ends the book as kill -9 does.
func (s *shelf) kill() {
	s.t.Helper()
	s.lock.Close()
	s.open()
}

func (s *shelf) flush() {
	s.t.Helper()
	if err := s.Flush(s.at); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shelf) one() Incident {
	s.t.Helper()
	all := s.Incidents()
	if len(all) != 1 {
		s.t.Fatalf("there are %d incidents: %+v", len(all), all)
	}
	return all[0]
}

func client(text string) Client { return Host(netip.MustParseAddr(text)) }

func print(k storm.Kind, n int) Print {
	p := Print{Kind: k}
	binary.BigEndian.PutUint64(p.Hash[:], uint64(n))
	return p
}

func ref(n int) Ref { return Ref(print(0, n).Hash) }

// copies are n messages of a mailing, of which the first three are let through and the rest is absorbed.
func copies(mailing, n int, from string, at time.Time) []*Member {
	var all []*Member
	for i := range n {
		m := &Member{
			At: at.Add(time.Duration(i) * time.Second), Client: client(from), Class: "personal", Prints: []Print{print(storm.Text, mailing)},
			Self: []Ref{ref(mailing)}, Subject: "Offer", Bytes: 1000, Fates: []Fate{{"deliver", 1}},
		}
		if i >= 3 {
			m.Storms, m.Fates = []string{fmt.Sprintf("text-%010x", mailing)}, []Fate{{"absorb", 1}}
		}
		all = append(all, m)
	}
	return all
}

func signed(all []*Member) []*Member {
	for _, m := range all {
		m.Signs = storm.Connector
	}
	return all
}

func reports(mailing, n int, class string, at time.Time) []*Member {
	var all []*Member
	for i := range n {
		all = append(all, &Member{
			At: at.Add(time.Duration(i) * time.Second), Client: client("192.0.2.200"), Class: class, About: []Ref{ref(mailing)},
			Prints: []Print{print(storm.DSN, 1000*mailing+i)}, Bytes: 100, Fates: []Fate{{"deliver", 1}},
		})
	}
	return all
}

func (s *shelf) add(all ...*Member) {
	for _, m := range all {
		s.at = later(s.at, m.At)
		s.Add(m)
	}
}

func TestFirstCopiesCount(t *testing.T) {
	s := newShelf(t)
	s.add(copies(1, 50, "203.0.113.77", morning)...)
	i := s.one()
	if want := (Sum{Came: 50, Delivered: 3, Absorbed: 47}); i.Copies != want {
		t.Errorf("counted are %+v, want %+v", i.Copies, want)
	}
	if !strings.HasPrefix(i.ID, "I-20260302-0815-") || len(i.ID) != len("I-20260302-0815-7f3a") {
		t.Errorf("the ID is %s", i.ID)
	}
	if !i.First.Equal(morning) || !i.Last.Equal(morning.Add(49*time.Second)) || i.State != "open" || i.Subject != "Offer" || i.Class != "personal" || !slices.Equal(i.Kinds, []string{"text"}) {
		t.Errorf("the incident is %+v", i)
	}
}

func TestNoStormNoIncident(t *testing.T) {
	s := newShelf(t)
	s.add(copies(1, 3, "203.0.113.77", morning)...)
	if all := s.Incidents(); len(all) > 0 {
		t.Errorf("three copies are %+v", all)
	}
}

func TestTooLongAgo(t *testing.T) {
	s := newShelf(t)
	all := copies(1, 5, "203.0.113.77", morning)
	all[0].At = morning.Add(-ringSpan - time.Minute)
	s.add(all...)
	if got := s.one().Copies.Came; got != 4 {
		t.Errorf("of five copies, one of which came long before, %d are counted", got)
	}
}

func TestActions(t *testing.T) {
	s := newShelf(t)
	s.add(&Member{At: morning, Client: client("192.0.2.1"), Class: "personal", Prints: []Print{print(storm.Text, 1)}, Storms: []string{"text-0000000001"}, Bytes: 10,
		Fates: []Fate{{"deliver", 2}, {"tag", 1}, {"absorb", 4}, {"quarantine", 8}, {"tempfail", 16}, {"reject", 32}}})
	if got, want := s.one().Copies, (Sum{Came: 63, Delivered: 3, Absorbed: 4, Other: 56}); got != want {
		t.Errorf("counted are %+v, want %+v", got, want)
	}
}

func TestConnections(t *testing.T) {
	s := newShelf(t)
	all := copies(1, 12, "203.0.113.77", morning)
	for i, m := range all {
		m.Connection = uint64(1 + i%3)
	}
	s.add(all...)
	if got := s.one().Servers[0]; got.Connections != 3 || got.Messages != 12 || got.Bytes != 12_000 {
		t.Errorf("of three connections, twelve messages are counted as %+v", got)
	}
}

// interleave merges what comes at the same time.
func interleave(lists ...[]*Member) []*Member {
	all := slices.Concat(lists...)
	slices.SortStableFunc(all, func(a, b *Member) int { return a.At.Compare(b.At) })
	return all
}

func TestTwoStormsAtOnceAreTwo(t *testing.T) {
	s := newShelf(t)
	s.add(interleave(signed(copies(1, 60, "203.0.113.77", morning)), signed(copies(2, 80, "198.51.100.23", morning)))...)
	all := s.Incidents()
	if len(all) != 2 {
		t.Fatalf("there are %d incidents", len(all))
	}
	got := map[int64]string{}
	for _, i := range all {
		got[i.Copies.Came] = i.Servers[0].Client.String()
	}
	if want := map[int64]string{60: "203.0.113.77", 80: "198.51.100.23"}; !reflect.DeepEqual(got, want) {
		t.Errorf("they are %v, want %v", got, want)
	}
}

// Mailings that the same servers send again with the same sign are one event.
func TestSameServers(t *testing.T) {
	s := newShelf(t)
	var lists [][]*Member
	for mailing := range 20 {
		for n, server := range []string{"203.0.113.77", "198.51.100.23", "2001:db8:77::25"} {
			lists = append(lists, signed(copies(mailing+1, 10+n, server, morning.Add(time.Duration(mailing)*time.Minute))))
		}
	}
	s.add(interleave(lists...)...)
	i := s.one()
	if i.Copies.Came != 20*33 || len(i.Servers) != 3 || i.Servers[0].Copies.Came != 20*12 || i.Servers[2].Copies.Came != 20*10 {
		t.Errorf("counted are %+v of %+v", i.Copies, i.Servers)
	}
	if len(i.Parts) != 19 || !strings.HasPrefix(i.Parts[0].Why, "servers:") {
		t.Errorf("the parts are %+v", i.Parts)
	}
}

// What does not make one event of two: the same subject, the same servers without a sign or long after, a
// server that sent a little of the other.
func TestNotJoined(t *testing.T) {
	samples := []struct {
		name string
		b    []*Member
	}{
		{"no sign", copies(2, 60, "203.0.113.77", morning.Add(time.Minute))},
		{"seven hours later", signed(copies(2, 60, "203.0.113.77", morning.Add(7*time.Hour)))},
		{"other servers", signed(copies(2, 60, "192.0.2.9", morning.Add(time.Minute)))},
	}
	for _, sample := range samples {
		t.Run(sample.name, func(t *testing.T) {
			s := newShelf(t)
			s.add(signed(copies(1, 60, "203.0.113.77", morning))...)
			s.add(sample.b...)
			if all := s.Incidents(); len(all) != 2 {
				t.Errorf("there are %d incidents", len(all))
			}
		})
	}
	t.Run("a server that takes a small part", func(t *testing.T) {
		s := newShelf(t)
		s.add(signed(copies(1, 60, "203.0.113.77", morning))...)
		s.add(signed(copies(1, 4, "192.0.2.9", morning.Add(time.Minute)))...) // who got the mail, sends it back
		s.add(signed(copies(2, 60, "192.0.2.9", morning.Add(2*time.Minute)))...)
		if all := s.Incidents(); len(all) != 2 {
			t.Errorf("there are %d incidents", len(all))
		}
	})
}

// Who has got two mails can make one that looks like both. One is not enough to make them one event.
func TestForgedBridge(t *testing.T) {
	s := newShelf(t)
	s.add(interleave(copies(1, 300, "203.0.113.77", morning), copies(2, 300, "198.51.100.23", morning))...)
	bridge := func(n int) {
		for i := range n {
			s.add(&Member{At: morning.Add(6*time.Minute + time.Duration(i)*time.Second), Client: client("192.0.2.66"), Class: "personal",
				Prints: []Print{print(storm.Text, 1), print(storm.Text, 2)}, Storms: []string{"text-0000000001", "text-0000000002"}, Fates: []Fate{{"absorb", 1}}})
		}
	}
	bridge(25)
	if all := s.Incidents(); len(all) != 2 {
		t.Fatalf("25 forged messages made %d incidents of two storms of 300", len(all))
	}
	bridge(40)
	i := s.one()
	if i.Copies.Came != 665 || !strings.HasPrefix(i.Parts[0].Why, "copies:") {
		t.Errorf("where a tenth are copies of both, counted are %+v in %+v", i.Copies, i.Parts)
	}
}

func TestConsequences(t *testing.T) {
	s := newShelf(t)
	all := interleave(copies(1, 50, "203.0.113.77", morning), reports(1, 30, "dsn", morning), reports(1, 20, "auto-reply", morning), reports(9, 5, "dsn", morning))
	s.add(all...)
	i := s.one()
	if i.Copies.Came != 50 || i.Consequences != (Sum{Came: 50, Delivered: 50}) {
		t.Errorf("counted are %+v and as consequences %+v", i.Copies, i.Consequences)
	}
	for _, server := range i.Servers {
		if server.Client == client("192.0.2.200") && (server.Copies.Came != 0 || server.Consequences.Came != 50) {
			t.Errorf("who reports is counted as %+v", server)
		}
	}
}

// A storm of bounces begins, before anybody can know of what.
func TestConsequencesBefore(t *testing.T) {
	s := newShelf(t)
	bounces := reports(1, 10, "dsn", morning)
	for _, m := range bounces {
		m.Storms = []string{"dsn-00000000aa"}
	}
	s.add(bounces...)
	id := s.one().ID
	s.add(copies(1, 50, "203.0.113.77", morning.Add(time.Minute))...)
	i := s.one()
	if i.Copies.Came != 50 || i.Consequences.Came != 10 || i.ID != id || !strings.HasPrefix(i.Parts[0].Why, "consequences:") {
		t.Errorf("the incident %s is %s: %+v, %+v, %+v", id, i.ID, i.Copies, i.Consequences, i.Parts)
	}
}

// Reports on mail that we did not send, of one domain, are one incident however they differ, and none of another domain.
func TestBackscatter(t *testing.T) {
	s := newShelf(t)
	for n := range 60 {
		for _, domain := range []string{"example.org", "example.info"} {
			if domain == "example.info" && n >= 10 {
				continue
			}
			s.add(&Member{At: morning.Add(time.Duration(n) * time.Second), Client: Host(netip.AddrFrom4([4]byte{198, 18, byte(n), 1})), Class: "dsn",
				About: []Ref{ref(5000 + n + 1000*len(domain))}, Domain: domain, Fates: []Fate{{"absorb", 1}}})
		}
	}
	i := s.one()
	if i.Domain != "example.org" || i.Consequences.Came != 60 || len(i.Servers) != 60 {
		t.Errorf("the incident is of %s, with %+v of %d servers", i.Domain, i.Consequences, len(i.Servers))
	}
}

// A stray report on a domain that has backscatter does not make it part of another event.
func TestBackscatterIsNotJoined(t *testing.T) {
	s := newShelf(t)
	s.add(copies(1, 50, "203.0.113.77", morning)...)
	for n := range 60 {
		s.add(&Member{At: morning.Add(time.Minute + time.Duration(n)*time.Second), Client: client("198.18.0.1"), Class: "dsn", About: []Ref{ref(5000 + n)}, Domain: "example.org", Fates: []Fate{{"absorb", 1}}})
	}
	stray := reports(1, 1, "dsn", morning.Add(3*time.Minute))
	stray[0].Domain = "example.org"
	s.add(stray...)
	all := s.Incidents()
	if len(all) != 2 {
		t.Fatalf("there are %d incidents", len(all))
	}
}

func TestOperatorJoinsAndSplits(t *testing.T) {
	s := newShelf(t)
	s.add(copies(1, 50, "203.0.113.77", morning)...)
	s.add(copies(2, 50, "198.51.100.23", morning.Add(time.Minute))...)
	all := s.Incidents()
	newer, older := all[0].ID, all[1].ID
	if err := s.Join(s.at, newer, older, "ann"); err != nil {
		t.Fatal(err)
	}
	i := s.one()
	if i.ID != older || i.Copies.Came != 100 || i.Parts[0] != (Joined{newer, "the operator: ann"}) {
		t.Errorf("joined, %s is %+v", i.ID, i.Parts)
	}
	if got, err := Named(s.Incidents(), newer); err != nil || got.ID != older {
		t.Errorf("the ID %s leads to %s, %v", newer, got.ID, err)
	}
	if err := s.Join(s.at, newer, older, "ann"); err == nil {
		t.Error("they were joined twice")
	}
	if err := s.Split(s.at, older, "ann"); err == nil {
		t.Error("the part that gives the ID was split off")
	}
	if err := s.Split(s.at, newer, "ann"); err != nil {
		t.Fatal(err)
	}
	s.restart()
	// Nothing joins again what was taken apart, but the operator.
	for n := range 200 {
		s.add(&Member{At: s.at, Client: client("192.0.2.66"), Class: "personal", Prints: []Print{print(storm.Text, 1), print(storm.Text, 2)}, Storms: []string{"text-0000000001", "text-0000000002"}, Fates: []Fate{{"absorb", n % 2}}})
	}
	if all := s.Incidents(); len(all) != 2 {
		t.Errorf("split, there are %d", len(all))
	}
	if err := s.Join(s.at, older, newer, "ann"); err != nil {
		t.Fatal(err)
	}
	s.one()
	if err := s.Join(s.at, older, "I-20260302-0815-zzzz", "ann"); err == nil {
		t.Error("it was joined with nothing")
	}
}

// The ID stays the same when the storm calms and begins again, over restarts and kills; after a week it is another one.
func TestIDStays(t *testing.T) {
	s := newShelf(t)
	s.add(copies(1, 50, "203.0.113.77", morning)...)
	id := s.one().ID
	s.restart()
	s.at = morning.Add(30 * time.Hour)
	s.add(copies(1, 10, "203.0.113.77", s.at)...)
	s.flush()
	s.kill()
	if i := s.one(); i.ID != id || i.Copies.Came != 60 || i.State != "open" {
		t.Errorf("after 30 hours it is %s, %s, %+v", i.ID, i.State, i.Copies)
	}
	s.at = s.at.Add(49 * time.Hour)
	if ended := s.Tick(s.at); !slices.Equal(ended, []string{id}) || s.one().State != "ended" {
		t.Errorf("ended are %v", ended)
	}
	s.flush()
	s.restart()
	s.at = s.at.Add(5 * 24 * time.Hour)
	s.add(copies(1, 10, "203.0.113.77", s.at)...)
	if i := s.one(); i.ID != id || i.Copies.Came != 70 || i.State != "open" || !i.Ended.IsZero() {
		t.Errorf("begun again, it is %s, %s, %+v", i.ID, i.State, i.Copies)
	}
	s.at = s.at.Add(50 * time.Hour)
	s.Tick(s.at)
	s.at = s.at.Add(8 * 24 * time.Hour)
	s.Tick(s.at)
	s.flush()
	s.add(copies(1, 10, "203.0.113.77", s.at)...)
	if i := s.one(); i.ID == id || i.Copies.Came != 10 {
		t.Errorf("a week later it is %s with %+v", i.ID, i.Copies)
	}
	s.flush()
	all, err := ReadAll(s.dir)
	if err != nil || len(all) != 2 || all[1].ID != id || all[1].Copies.Came != 70 {
		t.Errorf("kept are %+v, %v", all, err)
	}
	if err := s.Note(id, Note{At: s.at, By: "ann", Text: "a year later"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Note("../../x", Note{At: s.at}); err == nil {
		t.Error("a note was written somewhere")
	}
	if all, _ := ReadAll(s.dir); len(all[1].Notes) != 1 {
		t.Errorf("the notes are %+v", all[1].Notes)
	}
}

// A consequence does not keep an incident from ending, nor does it begin it again.
func TestConsequencesEnd(t *testing.T) {
	s := newShelf(t)
	s.add(copies(1, 50, "203.0.113.77", morning)...)
	s.add(reports(1, 5, "dsn", morning.Add(47*time.Hour))...)
	s.Tick(morning.Add(49 * time.Hour))
	s.add(reports(1, 5, "dsn", morning.Add(50*time.Hour))...)
	if i := s.one(); i.State != "ended" || i.Consequences.Came != 10 {
		t.Errorf("it is %s, with %+v", i.State, i.Consequences)
	}
}

func TestHold(t *testing.T) {
	s := newShelf(t)
	s.add(copies(1, 50, "203.0.113.77", morning)...)
	id := s.one().ID
	if err := s.Hold(s.at, id, true, "ann"); err != nil {
		t.Fatal(err)
	}
	s.restart()
	s.Tick(morning.Add(60 * 24 * time.Hour))
	s.flush()
	if i := s.one(); !i.Hold || !s.Held("text-0000000001") {
		t.Errorf("the incident is %+v", i)
	}
	if err := s.Hold(s.at, id, false, "ann"); err != nil {
		t.Fatal(err)
	}
	s.Tick(morning.Add(61 * 24 * time.Hour))
	s.flush()
	if all := s.Incidents(); len(all) != 0 || s.Held("text-0000000001") {
		t.Errorf("on hold no longer, there are %+v", all)
	}
	// Also what is over for good can be put on hold, as long as its copies are there.
	if err := s.Hold(s.at, id, true, "ann"); err != nil {
		t.Fatal(err)
	}
	s.restart()
	if i := s.one(); i.ID != id || !i.Hold || i.Copies.Came != 50 || !s.Held("text-0000000001") {
		t.Errorf("held again, it is %+v", i)
	}
}

// Ten thousand servers, the busiest last: it is named, with what it sent.
func TestManyClients(t *testing.T) {
	samples := []struct {
		name    string
		busiest netip.Addr
		around  int64 // clients beside it
	}{
		{"in a network of its own", netip.MustParseAddr("203.0.113.77"), 0},
		{"in a network with others", netip.MustParseAddr("198.18.0.255"), 255},
	}
	for _, sample := range samples {
		t.Run(sample.name, func(t *testing.T) {
			s := newShelf(t)
			send := func(a netip.Addr) {
				s.add(&Member{At: s.at, Client: Host(a), Class: "personal", Prints: []Print{print(storm.Text, 1)}, Storms: []string{"text-0000000001"}, Fates: []Fate{{"absorb", 1}}})
			}
			for n := range 10_000 {
				send(netip.AddrFrom4([4]byte{198, 18, byte(n / 255), byte(n % 255)}))
				if n%997 == 0 {
					s.at = s.at.Add(time.Minute)
					s.flush()
				}
			}
			for range 10_000 {
				send(sample.busiest)
			}
			check := func(i Incident) {
				t.Helper()
				first := i.Servers[0]
				if i.Copies.Came != 20_000 || first.Client != Host(sample.busiest) || first.Copies.Came != 10_000 || first.Uncertain > sample.around {
					t.Errorf("of %d copies the busiest is %+v", i.Copies.Came, first)
				}
				if len(i.Servers) > maxClients+2*maxClients/8+100 {
					t.Errorf("there are %d servers", len(i.Servers))
				}
			}
			check(s.one())
			s.restart()
			check(s.one())
		})
	}
}

// A law of tables: nothing is lost, and each client has sent what is counted, and at most what is uncertain more.
func TestTable(t *testing.T) {
	for _, wide := range []int{1, 16, 255} {
		var table, half Table
		truth := map[Client]int64{}
		var sum int64
		for n := range 12_000 {
			c := Host(netip.AddrFrom4([4]byte{10, byte(n * 7 % wide), byte(n * 31 % wide), byte(n)}))
			if n%17 == 0 {
				c = Login(fmt.Sprint("user", n%5000))
			}
			copies := int64(1 + n%3)
			truth[c] += copies
			sum += copies
			table.Add(Row{Client: c, Class: "personal", Action: "absorb"}, Cell{Copies: copies})
			if n == 6000 {
				half.Merge(&table)
				table = Table{}
			}
		}
		half.Merge(&table)
		got, _ := half.Sums()
		if got.Came != sum || got.Absorbed != sum || half.sum != sum {
			t.Fatalf("%d copies are counted as %+v", sum, got)
		}
		var servers int64
		for _, s := range half.Servers() {
			servers += s.Copies.Came
			if s.Client.Single() && (s.Copies.Came > truth[s.Client] || truth[s.Client] > s.Copies.Came+s.Uncertain) {
				t.Fatalf("%v sent %d, and is counted as %+v", s.Client, truth[s.Client], s)
			}
		}
		if servers != sum {
			t.Fatalf("%d copies are %d by server", sum, servers)
		}
	}
}

// drawMember is any message.
func drawMember(r *rapid.T, at time.Time) *Member {
	mailing := rapid.IntRange(1, 5).Draw(r, "mailing")
	m := &Member{
		At: at, Client: Host(netip.AddrFrom4([4]byte{198, 18, byte(rapid.IntRange(0, 3).Draw(r, "network")), 1})), Connection: rapid.Uint64Range(0, 3).Draw(r, "connection"),
		Class: rapid.SampledFrom([]string{"personal", "dsn", "auto-reply"}).Draw(r, "class"), Signs: storm.Signs(rapid.IntRange(0, 3).Draw(r, "signs")), Bytes: 10,
	}
	for range rapid.IntRange(1, 2).Draw(r, "actions") {
		m.Fates = append(m.Fates, Fate{rapid.SampledFrom([]string{"deliver", "absorb", "reject"}).Draw(r, "action"), rapid.IntRange(1, 4).Draw(r, "recipients")})
	}
	if m.consequence() {
		m.About, m.Prints = []Ref{ref(mailing)}, []Print{print(storm.DSN, mailing)}
	} else {
		m.Self, m.Prints = []Ref{ref(mailing)}, []Print{print(storm.Text, mailing), print(storm.ID, rapid.IntRange(1, 50).Draw(r, "id"))}
	}
	if rapid.IntRange(0, 3).Draw(r, "storm") == 0 {
		m.Storms = []string{fmt.Sprintf("%v-%010x", m.Prints[0].Kind, mailing)}
	}
	return m
}

// Laws of a book: rows are totals; came is delivered, absorbed and other; what is on disk is what is in memory; no ID goes.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := newShelf(t)
		ids := map[string]bool{}
		for range rapid.IntRange(1, 30).Draw(r, "steps") {
			switch rapid.IntRange(0, 9).Draw(r, "step") {
			case 0:
				s.flush()
			case 1:
				s.restart()
			case 2:
				s.at = s.at.Add(time.Duration(rapid.IntRange(1, 80).Draw(r, "hours")) * time.Hour)
				s.Tick(s.at)
			case 3:
				if all := s.Incidents(); len(all) > 1 {
					s.Join(s.at, all[0].ID, all[1].ID, "ann")
				}
			default:
				s.at = s.at.Add(time.Duration(rapid.IntRange(0, 100).Draw(r, "seconds")) * time.Second)
				s.add(drawMember(r, s.at))
			}
			for _, i := range s.Incidents() {
				ids[i.ID] = true
				var copies, consequences, rows int64
				for _, server := range i.Servers {
					copies += server.Copies.Came
					consequences += server.Consequences.Came
				}
				for _, c := range i.Rows().Rows() {
					rows += c.Copies
				}
				if copies != i.Copies.Came || consequences != i.Consequences.Came || rows != copies+consequences {
					r.Fatalf("rows have %d copies, servers %d and %d, all %+v and %+v", rows, copies, consequences, i.Copies, i.Consequences)
				}
				for _, sum := range []Sum{i.Copies, i.Consequences} {
					if sum.Came != sum.Delivered+sum.Absorbed+sum.Other {
						r.Fatalf("%+v does not add up", sum)
					}
				}
			}
		}
		if err := s.Close(s.at); err != nil {
			r.Fatal(err)
		}
		all, err := ReadAll(s.dir)
		if err != nil {
			r.Fatal(err)
		}
		for id := range ids {
			if _, err := Named(all, id); err != nil {
				r.Fatalf("the ID is gone: %v", err)
			}
		}
		s.open()
		for _, i := range s.Incidents() {
			kept, err := Named(all, i.ID)
			if err != nil || kept.Copies != i.Copies || kept.Consequences != i.Consequences || !reflect.DeepEqual(kept.Servers, i.Servers) || !reflect.DeepEqual(kept.Claims, i.Claims) {
				r.Fatalf("in memory is\n%+v, on disk\n%+v", i, kept)
			}
		}
		s.lock.Close()
	})
}

// A crash that cuts the file anywhere costs what was behind, and no more.
func TestCutFile(t *testing.T) {
	s := newShelf(t)
	s.add(copies(1, 50, "203.0.113.77", morning)...)
	s.flush()
	id := s.one().ID
	name := filepath.Join(s.dir, id+fileExt)
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	s.add(copies(1, 50, "203.0.113.77", morning.Add(5*time.Minute))...)
	s.flush()
	more, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for cut := len(whole); cut <= len(more); cut += 41 {
		if err := os.WriteFile(name, more[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		s.kill()
		i := s.one()
		if i.ID != id || i.Copies.Came < 50 || i.Copies.Came > 100 || i.Damaged != 0 || len(i.Gaps) == 0 {
			t.Fatalf("cut at %d, it is %s with %+v, %d damaged, gaps %v", cut, i.ID, i.Copies, i.Damaged, i.Gaps)
		}
		s.add(copies(1, 1, "203.0.113.77", morning.Add(10*time.Minute))...)
		s.flush()
		if got, err := ReadAll(s.dir); err != nil || len(got) != 1 || got[0].Copies.Came != i.Copies.Came+1 {
			t.Fatalf("cut at %d, it does not go on: %+v, %v", cut, got, err)
		}
	}
	more[len(whole)/2] ^= 1
	if err := os.WriteFile(name, more, 0o600); err != nil {
		t.Fatal(err)
	}
	if all, err := ReadAll(s.dir); err == nil && (len(all) != 1 || all[0].Damaged != 1) {
		t.Errorf("with a bit flipped it is %+v", all)
	}
}

// After kill -9 what was absorbed is counted anew from the archive, and not twice.
func TestRebuild(t *testing.T) {
	for _, written := range []int{0, 4, 30, 50} {
		t.Run(fmt.Sprint(written), func(t *testing.T) {
			s := newShelf(t)
			all := copies(1, 50, "203.0.113.77", morning)
			var archived []Absorbed
			for n, m := range all {
				s.add(m)
				if len(m.Storms) > 0 {
					archived = append(archived, Absorbed{At: m.At, Client: m.Client, Bytes: m.Bytes, Recipients: []AbsorbedRecipient{{"personal", m.Storms[0]}}})
				}
				if n+1 == written {
					s.flush()
				}
			}
			before := s.one().ID
			s.kill()
			missing := s.Rebuild(s.at, archived)
			i := s.one()
			if want := int64(50 - max(written, 3)); i.Copies.Absorbed != 47 || missing != want {
				t.Errorf("absorbed were 47; counted are %+v, of these %d anew, want %d", i.Copies, missing, want)
			}
			if written > 0 && (i.ID != before || len(i.Gaps) == 0) {
				t.Errorf("%s became %s, with the gaps %v", before, i.ID, i.Gaps)
			}
			if i.Servers[0].Messages != i.Copies.Came || i.Servers[0].Bytes != 1000*i.Copies.Came {
				t.Errorf("the server is %+v", i.Servers[0])
			}
			s.flush()
			s.kill()
			if again := s.Rebuild(s.at, archived); again != 0 || s.one().Copies.Absorbed != 47 {
				t.Errorf("counted once more, %d are missing", again)
			}
		})
	}
}

// Who makes storms without end makes few incidents of them, and pushes no others out.
func TestWithoutEnd(t *testing.T) {
	s := newShelf(t)
	s.add(copies(1_000_000, 100, "203.0.113.77", morning)...)
	victim := s.one().ID
	for n := range 500 {
		s.add(copies(n+1, 5, "192.0.2.66", morning.Add(2*time.Minute+time.Duration(n)*10*time.Second))...)
	}
	if all := s.Incidents(); len(all) != 1+maxNetwork {
		t.Errorf("500 storms of one network are %d incidents", len(all)-1)
	}
	var sum int64
	for _, i := range s.Incidents() {
		if i.ID != victim {
			sum += i.Copies.Came
		}
	}
	// The first three of a storm that is counted to another one are in no storm yet, and come in with the fourth.
	if sum != 2500 {
		t.Errorf("of 2,500 copies %d are counted", sum)
	}
	for n := range maxParts + 20 {
		m := copies(10_000+n, 4, fmt.Sprintf("2001:db8:%x::1", n), s.at)
		s.add(m...)
	}
	s.flush()
	if got := len(s.parts); got > maxParts+1 {
		t.Errorf("%d parts are in memory", got)
	}
	if _, err := Named(s.Incidents(), victim); err != nil {
		t.Errorf("the storm of somebody else is gone: %v", err)
	}
}

// Who sends much mail cannot have it forgotten what others sent in the last ten minutes.
func TestRingIsShared(t *testing.T) {
	s := newShelf(t)
	all := copies(1, 10, "203.0.113.77", morning)
	s.add(all[:3]...)
	for n := range maxRing + 1000 {
		s.add(&Member{At: morning.Add(3 * time.Second), Client: client("192.0.2.66"), Class: "personal", Prints: []Print{print(storm.Text, 100+n)}, Fates: []Fate{{"deliver", 1}}})
	}
	if s.ring.living > maxRingShare+3 || len(s.ring.index) > maxRingShare+10 {
		t.Errorf("%d messages of one network are remembered, under %d keys", s.ring.living, len(s.ring.index))
	}
	s.add(all[3:]...)
	if i := s.one(); i.Copies.Came != 10 || len(i.Gaps) != 1 {
		t.Errorf("of ten copies %d are counted; gaps %v", i.Copies.Came, i.Gaps)
	}
}

// What new IDs there are on each way does not push out what tells the copies.
func TestManyIDs(t *testing.T) {
	s := newShelf(t)
	s.add(copies(1, 5, "203.0.113.77", morning)...)
	for n := range 3 * maxKeys {
		s.add(&Member{At: s.at, Client: client("203.0.113.77"), Class: "personal", Prints: []Print{print(storm.ID, n), print(storm.Text, 1)}, Self: []Ref{ref(100 + n)}, Fates: []Fate{{"absorb", 1}}})
	}
	s.add(&Member{At: s.at, Client: client("203.0.113.77"), Class: "personal", Prints: []Print{print(storm.Near, 7), print(storm.Text, 1)}, Fates: []Fate{{"absorb", 1}}})
	s.add(&Member{At: s.at, Client: client("203.0.113.77"), Class: "personal", Prints: []Print{print(storm.Near, 7)}, Fates: []Fate{{"absorb", 1}}})
	if got := s.one().Copies.Came; got != 5+3*maxKeys+2 {
		t.Errorf("%d copies are counted", got)
	}
	for id, p := range s.parts {
		if len(p.keys) > maxKeys {
			t.Errorf("%s is known by %d keys", id, len(p.keys))
		}
	}
}

func TestSubjectIsCut(t *testing.T) {
	s := newShelf(t)
	m := copies(1, 4, "203.0.113.77", morning)[3]
	m.Subject = strings.Repeat("ä", 500) + "\xff"
	s.add(m)
	s.flush()
	if all, err := ReadAll(s.dir); err != nil || len(all) != 1 || len(all[0].Subject) > maxSubject {
		t.Errorf("kept is %+v, %v", all, err)
	}
}

func TestNewerFormat(t *testing.T) {
	s := newShelf(t)
	if err := os.WriteFile(filepath.Join(s.dir, "FORMAT"), []byte("breakwater incidents 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.lock.Close()
	if _, err := Open(s.dir, s.at, Options{}); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("Open says %v", err)
	}
	if _, err := ReadAll(s.dir); err == nil {
		t.Error("ReadAll reads a newer format")
	}
}

func TestOneBook(t *testing.T) {
	s := newShelf(t)
	if _, err := Open(s.dir, s.at, Options{}); err == nil {
		t.Error("two have the same folder")
	}
}

func parsed(received ...string) *message.Message {
	var b bytes.Buffer
	for _, f := range received {
		fmt.Fprintf(&b, "Received: %s\r\n", f)
	}
	b.WriteString("Subject: x\r\n\r\nx\r\n")
	return message.Parse(message.Envelope{Client: netip.MustParseAddr("192.0.2.10"), Helo: "relay.example.net"}, morning, b.Bytes())
}

// Whatever the fields say, nothing of them is proof. What the server wrote that handed the mail to us is its statement, and all else claims.
func TestForgedChain(t *testing.T) {
	forged := "from mx.example.org (mx.example.org [203.0.113.1]) by mx.example.org (Postfix) with ESMTP id 1; Mon, 2 Mar 2026 08:00:00 +0000"
	m := parsed("by relay.example.net; Mon, 2 Mar 2026 08:10:00 +0000", forged, forged)
	c := ReadChain(m, m.Client)
	if want := (Statement{"relay.example.net", "relay.example.net"}); c.Statement != want {
		t.Errorf("the statement is %+v, want %+v", c.Statement, want)
	}
	if len(c.Claims) != 3 || c.Claims[1].By != "mx.example.org" || c.Claims[1].Addr != netip.MustParseAddr("203.0.113.1") {
		t.Errorf("the claims are %+v", c.Claims)
	}
	s := newShelf(t)
	for n := range 5 {
		s.add(&Member{At: morning, Client: Host(m.Client), Class: "personal", Prints: []Print{print(storm.Text, 1)}, Storms: []string{"text-0000000001"}, Fates: []Fate{{"absorb", 1 + n}}, Chain: c})
	}
	i := s.one()
	if len(i.Servers) != 1 || i.Servers[0].Client.String() != "192.0.2.10" {
		t.Errorf("under proof are %+v", i.Servers)
	}
	var twice bool
	for _, g := range i.Claims.Generations {
		twice = twice || g.By == "mx.example.org" && g.Passes[2] == 5
	}
	if !twice {
		t.Errorf("copies that passed a server twice are shown as %+v", i.Claims.Generations)
	}
	for _, h := range i.Claims.Hops {
		if h.Messages > 0 && !slices.Equal(h.Clients, []Client{Host(m.Client)}) {
			t.Errorf("the hop %+v was said by others than who handed it to us", h)
		}
	}
}

// Behind a relay of ours the fields that it wrote are no claims, and what the outer client said of itself is its statement.
func TestBehindRelay(t *testing.T) {
	m := parsed("from outer.example.com (outer.example.com [198.51.100.23]) by backup.example.org (Postfix) with ESMTP id 2; Mon, 2 Mar 2026 08:12:00 +0000",
		"from inner.example.com by outer.example.com; Mon, 2 Mar 2026 08:11:00 +0000")
	c := ReadChain(m, netip.MustParseAddr("198.51.100.23"))
	if c.Statement != (Statement{"outer.example.com", "outer.example.com"}) || len(c.Claims) != 1 || c.Claims[0].From != "inner.example.com" {
		t.Errorf("the chain is %+v", c)
	}
}

func TestHopChecks(t *testing.T) {
	m := parsed("from b by c;\r\n\tMon,  2 Mar 2026 09:12:00 +0100 (CET)", "from a by b; Mon, 2 Mar 2026 08:11:00 +0000", "from x by y; 2 Mar 2026 09:00:00 +0000")
	var g graph
	g.add(Host(m.Client), ReadChain(m, m.Client))
	_, claimed := g.export()
	got := map[string]Hop{}
	for _, h := range claimed.Hops {
		got[h.From+">"+h.By] = h
	}
	if h := got["b>c"]; h.Fits != 1 || h.Rises != 1 {
		t.Errorf("a hop that fits is %+v", h)
	}
	if h := got["a>b"]; h.Fits != 0 || h.Rises != 0 {
		t.Errorf("a hop that does not fit is %+v", h)
	}
}

// Whoever invents hops makes the graph no larger than it may be.
func TestInventedHops(t *testing.T) {
	var g graph
	for n := range 5000 {
		m := parsed(fmt.Sprintf("from a%d by b%d; x", n, n))
		g.add(Host(netip.AddrFrom4([4]byte{198, 18, byte(n / 256), byte(n)})), ReadChain(m, m.Client))
	}
	said, claimed := g.export()
	if len(claimed.Hops) > maxEdges || len(claimed.Generations) > maxPlaces || len(said) > maxSigned*8 || claimed.Others != 5000-maxEdges {
		t.Errorf("there are %d hops, %d others, %d servers, %d statements", len(claimed.Hops), claimed.Others, len(claimed.Generations), len(said))
	}
}

func TestClientText(t *testing.T) {
	for _, c := range []Client{{}, client("192.0.2.1"), client("2001:db8::1"), client("192.0.2.1").wider(), client("192.0.2.1").wider().wider(), client("2001:db8::1").wider(), Login("ann"), Login("*"), Login("x").wider()} {
		b, err := c.MarshalText()
		var back Client
		if err == nil {
			err = back.UnmarshalText(b)
		}
		if err != nil || back != c {
			t.Errorf("%v is written %q and read %v, %v", c, b, back, err)
		}
	}
}

func FuzzParsePart(f *testing.F) {
	s := newShelf(f)
	all := copies(1, 10, "203.0.113.77", morning)
	all[5].Chain = ReadChain(parsed("from a by b; Mon, 2 Mar 2026 08:12:00 +0000"), netip.MustParseAddr("192.0.2.10"))
	s.add(all...)
	id := s.one().ID
	s.Note(id, Note{At: morning, Text: "x"})
	s.Cost(id, Cost{At: morning, Hours: 2, Rate: 80})
	s.Close(s.at)
	b, err := os.ReadFile(filepath.Join(s.dir, id+fileExt))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:len(b)/2])
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parsePart(b, id, 0)
		if err != nil {
			return
		}
		i := views([]*part{p})[0]
		for _, sum := range []Sum{i.Copies, i.Consequences} {
			if sum.Came != sum.Delivered+sum.Absorbed+sum.Other {
				t.Errorf("%+v does not add up", sum)
			}
		}
	})
}

func FuzzReadChain(f *testing.F) {
	f.Add("from a (a [192.0.2.1]) by b; Mon, 2 Mar 2026 08:12:00 +0000")
	f.Add("by \x1b[31m <script> \u202e; x")
	f.Fuzz(func(t *testing.T, field string) {
		m := &message.Message{Received: []string{field, field}}
		m.Client = netip.MustParseAddr("192.0.2.10")
		c := ReadChain(m, m.Client)
		for _, claim := range c.Claims {
			for _, text := range []string{claim.From, claim.By} {
				if len(text) > maxName || strings.ContainsAny(text, "<>\"'&\x1b\n\u202e") {
					t.Errorf("a name is %q", text)
				}
			}
		}
	})
}
