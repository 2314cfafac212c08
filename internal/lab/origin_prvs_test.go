package lab

import (
	"strings"
	"testing"
	"time"

	"breakwater/internal/classify"
	"breakwater/internal/origin"
)

// TestOriginPrvs wants tags in the prvs form: mail leaves without them until the mail server takes
// mail to such addresses.
func TestOriginPrvs(t *testing.T) {
	t.Parallel()
	h := newHome(t, time.Now(), "postfix")
	const prvs = "[batv]\nform = \"prvs\"\n[origin]\nproofs = [\"tag\", \"message-id\"]\n"
	bounced := func(id, rcpt, proof, addressed string) {
		t.Helper()
		before := h.count(origin.Genuine)
		h.submit("nobody@postfix.far.example", "", letter(id, stamp(time.Now()), id+"@example.org", "Hello."))
		if line := h.decided(origin.Genuine, before, 1)[0]; !strings.Contains(line, "to="+rcpt) || !strings.Contains(line, proof) {
			t.Errorf("%s: %s", id, line)
		}
		h.mta.Drained(t)
		for _, m := range h.arrived() {
			if r := classify.Classify(m).Report; r != nil && r.Original.Subject == id && !strings.Contains(m.Header.Get("To"), addressed) {
				t.Errorf("%s: the bounce is for %s, want %s", id, m.Header.Get("To"), addressed)
			}
		}
	}
	h.again(prvs, nil)
	h.logged("mail leaves without tags: the mail server does not take mail")
	bounced("unprepared", "ann@example.org ", "we sent Message-ID", "ann@example.org")
	setupPostfix(t, h.mta, h.d.listen, "--prvs", "example.org")
	h.again(prvs, nil)
	h.logged("mail leaves with tags\" domain=example.org form=prvs")
	bounced("prepared", "ann+prvs-", "tag of key", "prvs=")
	if n := len(h.arrived()); n != 2 {
		t.Errorf("%d arrived, want 2", n)
	}
}
