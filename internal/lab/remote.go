package lab

import (
	"fmt"
	"path/filepath"
	"testing"
)

// Remotes are the kinds of mail servers of other sites.
var Remotes = []string{"postfix", "sendmail", "exim", "opensmtpd", "courier"}

// Remote starts the mail server of another site, of a kind. What it gets for its domain,
// KIND.far.example, it hands on to a wall, which refuses it; the bounces that it then makes go back
// to a host on loopback, as do its other mails to example.org. Exim answers mail to
// away@box.exim.far.example, and to stranger.away. It ends with the test.
func Remote(t testing.TB, kind string, wall, back int) *Server {
	t.Helper()
	s := prepare(t, kind)
	domain := kind + ".far.example"
	file := func(name, text string) { write(t, filepath.Join(s.Dir, name), text) }
	args := []string{"host=mail." + domain}
	switch kind {
	case "postfix":
		file("transport", fmt.Sprintf("%s smtp:[127.0.0.1]:%d\nexample.org smtp:[127.0.0.1]:%d\n", domain, wall, back))
		args = []string{"domain=unused.example", "set=myhostname=mail." + domain + ";relay_domains=" + domain}
	case "sendmail":
		file("mailertable", fmt.Sprintf("%s lablmtp:[127.0.0.1]\nexample.org labsmtp:[127.0.0.1]\n", domain))
		file("relay-domains", domain+"\nexample.org\n")
		args = append(args, fmt.Sprint("lmtp=", wall), fmt.Sprint("nexthop=", back))
	case "exim":
		file("routes", fmt.Sprintf("%s: 127.0.0.1::%d\nexample.org: 127.0.0.1::%d\n", domain, wall, back))
		file("users", "away: 10M\nstranger.away: 10M\n")
		args = append(args, "domain=box."+domain)
	case "opensmtpd":
		file("routes", domain+"\n")
		args = append(args, "domain=box."+domain, fmt.Sprint("nexthop=", wall), fmt.Sprint("back=", back))
	case "courier":
		file("routes", fmt.Sprintf("%s:[127.0.0.1],%d\nexample.org:[127.0.0.1],%d\n", domain, wall, back))
		args = append(args, "domain=box."+domain)
	}
	s.start(t, args...)
	return s
}
