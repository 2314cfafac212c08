package daemon

import (
	"cmp"
	"context"
	"strings"

	"breakwater/internal/address"
	"breakwater/internal/archive"
	"breakwater/internal/classify"
	"breakwater/internal/rules"
	"breakwater/internal/storm"
)

// absorb puts a message into the archive for those recipients who do not get it.
func (d *Daemon) absorb(ctx context.Context, j rules.Judgement) error {
	_, err := d.archive.PutAll(ctx, copies(j), j.Message.Raw)
	if err == nil && d.digester != nil {
		d.digester.Wake()
	}
	return err
}

// copies makes an entry of the archive: the message is kept once, whatever the number of its
// recipients' domains, each of which has its own retention. Copies of one incident are alike.
func copies(j rules.Judgement) []archive.Entry {
	m := j.Message
	e := archive.Entry{Copy: archive.Copy{
		At: m.At, QueueID: m.QueueID, Client: m.Client, Helo: m.Helo, AuthUser: m.AuthUser, ReversePath: m.ReversePath,
		From: m.From, Subject: cut(m.Subject, maxSubject), Failures: failures(j.Verdict),
	}}
	for _, dec := range j.Absorbed() {
		e.Family = cmp.Or(e.Family, storm.IncidentOf(dec.Storm))
		e.Recipients = append(e.Recipients, archive.Recipient{
			Addr:  cmp.Or(dec.To, dec.Recipient.Addr), // without our tag: whom digests and releases are for
			Class: string(dec.Class), Reason: dec.Reason, Rule: dec.Rule.String(), Storm: dec.Storm, Tell: string(dec.Tell),
			Domain: address.DomainOf(dec.Recipient.Addr),
		})
	}
	return []archive.Entry{e}
}

// What the archive notes of a message beside its bytes, for lists and digests.
const (
	maxSubject  = 200 // bytes
	maxFailures = 50
	maxAddress  = 320
)

// failures are the recipients of whom a delivery report speaks.
func failures(v classify.Verdict) []archive.Failure {
	if v.Class != classify.DSN || v.Report == nil {
		return nil
	}
	var fs []archive.Failure
	for _, rcpt := range v.Report.Recipients[:min(len(v.Report.Recipients), maxFailures)] {
		fs = append(fs, archive.Failure{Recipient: cut(rcpt.Final, maxAddress), Action: string(rcpt.Action), Status: cut(rcpt.Status, 20)})
	}
	return fs
}

// cut is at most n bytes of valid UTF-8.
func cut(s string, n int) string { return strings.ToValidUTF8(s[:min(len(s), n)], "") }
