package sweep

import (
	"cmp"
	"context"
	"maps"
	"net/url"
	"slices"

	"breakwater/internal/digest"
	"breakwater/internal/sweep/session"
)

// digest puts a message into INBOX that says what the run has done.
func (s *Sweep) digest(ctx context.Context, in *session.Session, j *journal) error {
	counts := map[digest.Move]int{}
	for _, p := range j.batches {
		counts[digest.Move{From: p.Folder, To: p.To, Keyword: p.Keyword}] += len(p.forth.moved)
	}
	n := digest.Notice{
		News: digest.Swept, To: s.Mailbox, Language: s.Language, Date: s.Now(), Run: j.head.Run,
		MessageID: j.head.Run + "." + url.QueryEscape(s.Account) + "@breakwater.invalid", // a second digest of one run is a copy
	}
	for _, m := range slices.SortedFunc(maps.Keys(counts), func(a, b digest.Move) int { return cmp.Compare(a.From+a.To, b.From+b.To) }) {
		n.Moves = append(n.Moves, digest.Move{From: m.From, To: m.To, Keyword: m.Keyword, Messages: counts[m]})
	}
	raw, err := (&digest.Composer{Host: s.Host, From: s.Mailbox}).Notice(n)
	if err != nil {
		return err
	}
	return in.Append(ctx, "INBOX", raw, n.Date)
}
