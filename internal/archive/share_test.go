package archive

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestShares: who takes much is stopped while all others go on, and it is told who that is, before a
// restart and after.
func TestShares(t *testing.T) {
	dir := t.TempDir()
	network := func(c *Copy) []string {
		if !c.Client.IsValid() {
			return nil
		}
		p, _ := c.Client.Prefix(24)
		return []string{p.String()}
	}
	o := Options{MaxSize: 1 << 20, Shares: []Share{{"domain", 1, (*Copy).Domains}, {"network", .25, network}}}
	a := openTest(t, dir, o)
	put := func(domain, client string) error {
		c := Copy{Recipients: []Recipient{{Addr: "u@" + domain, Domain: domain}}}
		if client != "" {
			c.Client = netip.MustParseAddr(client)
		}
		_, err := a.Put(context.Background(), c, mail(10_000))
		return err
	}
	fill := func(domain, client string) {
		t.Helper()
		for n := 0; ; n++ {
			err := put(domain, client)
			if n > 1000 {
				t.Fatal("is never full")
			}
			if err != nil {
				if !errors.Is(err, ErrFull) {
					t.Fatal(err)
				}
				return
			}
		}
	}
	fill("a.test", "192.0.2.1")
	if n := a.Used(); n < 190_000 || n > 240_000 { // a fifth
		t.Errorf("one network takes %d bytes", n)
	}
	if full := a.FullShares(); !slices.Equal(full, []string{"network 192.0.2.0/24"}) {
		t.Errorf("full: %v", full)
	}
	if err := put("a.test", "192.0.2.99"); !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "192.0.2.0/24") {
		t.Errorf("the same network: %v", err)
	}
	noError(t, put("a.test", "198.51.100.1"))
	fill("a.test", "")
	if n := a.Used(); n < 500_000 || n > 560_000 { // half of it
		t.Errorf("one domain takes %d bytes", n)
	}
	noError(t, put("b.test", "198.51.100.1"))
	noError(t, a.Err())
	closeTest(t, a)
	a = openTest(t, dir, o)
	must(a.Expire(context.Background(), a.Now()))
	for _, err := range []error{put("a.test", ""), put("c.test", "192.0.2.7")} {
		if !errors.Is(err, ErrFull) {
			t.Errorf("after a restart: %v", err)
		}
	}
	noError(t, put("b.test", ""))
	sum := int64(0)
	for _, n := range a.sums.domains {
		sum += n
	}
	if diff := a.Used() - sum; diff < 0 || diff > 1000 { // marks, and what does not divide
		t.Errorf("%d bytes are charged to domains, %d are used", sum, a.Used())
	}
}

// TestManyNames: the sums stay small, and those who have most stay in them.
func TestManyNames(t *testing.T) {
	s := newSums()
	shares := []Share{{"storm", 1, func(c *Copy) []string { return []string{c.QueueID} }}}
	for n := range 3 * maxHeld {
		more := newSums()
		more.add(shares, &Copy{QueueID: fmt.Sprint(n)}, 300)
		more.add(shares, &Copy{QueueID: "big"}, 3000)
		s.take(more)
	}
	if len(s.held) > maxHeld || s.held["storm big"] != 3*maxHeld*3000 {
		t.Errorf("%d names, %d bytes", len(s.held), s.held["storm big"])
	}
}

// TestManyDomains stores a message for many domains once, and each domain keeps it as long as it likes.
func TestManyDomains(t *testing.T) {
	dir := t.TempDir()
	keep := func(domain string) Retention {
		return Retention{Keep: map[string]time.Duration{"d7.test": 10 * day}[domain]}
	}
	a := openTest(t, dir, Options{Retention: keep})
	var c Copy
	for n := range 100 {
		domain := fmt.Sprintf("d%d.test", n)
		c.Recipients = append(c.Recipients, Recipient{Addr: "u@" + domain, Domain: domain}, Recipient{Addr: "v@" + domain, Domain: domain})
	}
	raw := mail(1 << 20)
	id := mustPutAll(t, a, []Entry{{Copy: c}}, raw)[0]
	if n := a.Used(); n > 1<<20 {
		t.Errorf("%d bytes for a message of %d", n, len(raw))
	}
	if all := a.sums.domains; len(all) != 100 || a.sums.domains["d7.test"] > 1<<20/50 {
		t.Errorf("%d domains, %d bytes are one's", len(all), a.sums.domains["d7.test"])
	}
	if done := expire(t, a, a.Now().Add(11*day)); done.Copies != 1 {
		t.Errorf("%+v", done)
	}
	m := messages(t, dir)[id]
	if len(m.Recipients) != 198 || slices.ContainsFunc(m.Recipients, func(r Recipient) bool { return r.Domain == "d7.test" }) || len(m.Raw) != len(raw) {
		t.Errorf("%d recipients are left, %d bytes", len(m.Recipients), len(m.Raw))
	}
}
