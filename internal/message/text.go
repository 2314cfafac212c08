package message

import (
	"html"
	"regexp"
	"strings"
)

// Text returns the text of m as UTF-8, of all its text parts, at most limit bytes of it. Of
// HTML it is what stands between the tags.
func (m *Message) Text(limit int) string {
	var b strings.Builder
	for _, p := range m.Parts() {
		if !strings.HasPrefix(p.Type, "text/") || b.Len() >= limit || p.Type == "text/rfc822-headers" {
			continue
		}
		raw := p.Content[:min(len(p.Content), limit-b.Len())]
		s := toUTF8(raw, p.Params["charset"])
		if p.Type == "text/html" {
			s = html.UnescapeString(tags.ReplaceAllString(breaks.ReplaceAllString(s, "\n"), ""))
		}
		b.WriteString(s)
		b.WriteByte('\n')
	}
	s := b.String()
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "")
	}
	return s
}

var (
	breaks = regexp.MustCompile(`(?i)<(br|/p|/div|/tr|/li|/h[1-6])\b[^>]*>`)
	tags   = regexp.MustCompile(`(?is)<(style|script)\b.*?</(style|script)>|<!--.*?-->|<[^>]*>`)
)
