package digest

import (
	"fmt"
	"time"
)

// News says what a notice tells.
type News string

// Kinds of news.
const (
	Full   News = "full"   // the archive takes nothing any more
	Shares News = "shares" // some have their whole share of the archive
	Swept  News = "swept"  // copies were moved out of a mailbox
)

// Notice is a mail that tells of one thing that has happened.
type Notice struct {
	News      News
	To        string // address
	Language  string // one of rules.Languages
	MessageID string // without angle brackets
	Date      time.Time

	OnError string   // of Full and Shares: what on_error says
	List    []string // of Full, why; of Shares, who
	Run     string   // of Swept, its name
	Moves   []Move   // of Swept
}

// Move is how many messages of a folder were moved or marked.
type Move struct {
	From, To string
	Keyword  string // with which they were marked; "" for those that were moved
	Messages int
}

// Notice writes a notice as a mail, in the form of a digest.
func (c *Composer) Notice(n Notice) ([]byte, error) {
	raw, err := c.compose(n.envelope(), func(v *viewer) view { return v.notice(n) })
	if err != nil {
		return nil, fmt.Errorf("compose notice for %s: %w", n.To, err)
	}
	return raw, nil
}

func (n Notice) envelope() envelope {
	return envelope{to: n.To, language: n.Language, messageID: n.MessageID, date: n.Date}
}

// notice is a notice in words.
func (v *viewer) notice(n Notice) view {
	about := struct {
		Notice
		Host string
	}{n, v.host}
	w := view{Language: n.Language}
	for _, p := range []struct {
		to  *string
		key string
	}{{&w.Subject, "subject."}, {&w.Title, "title."}, {&w.Advice, "advice."}} {
		*p.to = v.say(p.key+string(n.News), about)
	}
	w.Foot, w.Paragraphs = v.say("foot", about), []string{v.say("intro."+string(n.News), about)}
	for _, line := range n.List {
		w.Lines = append(w.Lines, clean(line))
	}
	for _, m := range n.Moves {
		key := "moved"
		if m.Keyword != "" {
			key = "marked"
		}
		w.Lines = append(w.Lines, v.say(key, m))
	}
	return w
}
