package message

import (
	"bytes"
	"strings"

	"golang.org/x/net/html"
)

// markup is how many times as long as its text HTML is expected to be at most.
const markup = 8

// Text returns the text of m as UTF-8, of all its text parts, at most limit bytes of it. Of
// HTML it is what a reader sees, with the lines that it has.
func (m *Message) Text(limit int) string {
	var b strings.Builder
	for _, p := range m.Parts() {
		left := limit - b.Len()
		if !strings.HasPrefix(p.Type, "text/") || left <= 0 || p.Type == "text/rfc822-headers" {
			continue
		}
		if p.Type == "text/html" {
			left *= markup
		}
		s, _ := p.read(left)
		b.Grow(len(s) + 1)
		b.WriteString(s)
		b.WriteByte('\n')
	}
	s := b.String()
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "")
	}
	return s
}

// Read returns the text of a text part as UTF-8. Of HTML it is what a reader sees, with the
// lines that it has, and apart from it, a line each, where its links and forms lead, which
// pictures it shows and what stands in their place, and what is in the fields of its forms.
func (p Part) Read() (text, links string) { return p.read(len(p.Content)) }

func (p Part) read(limit int) (text, links string) {
	text = toUTF8(p.Content[:min(len(p.Content), limit)], p.Params["charset"])
	if p.Type == "text/html" {
		return textOf(text)
	}
	return text, ""
}

// textOf returns the text between the tags of HTML, and what its tags say to a reader.
func textOf(s string) (text, links string) {
	var b, to strings.Builder
	unseen := false
	for z := html.NewTokenizer(strings.NewReader(s)); ; {
		switch z.Next() {
		case html.ErrorToken:
			return b.String(), to.String()
		case html.TextToken:
			if !unseen {
				b.Write(z.Text())
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			name, attrs := z.TagName()
			for attrs {
				var key, value []byte
				key, value, attrs = z.TagAttr()
				switch string(key) {
				case "href", "src", "action", "background", "alt", "value":
					if !bytes.HasPrefix(value, []byte("cid:")) { // what is attached has a name that is often new
						to.Write(append(value, '\n'))
					}
				}
			}
			switch string(name) {
			case "style", "script":
				unseen = true
			case "br":
				b.WriteByte('\n')
			case "td", "th":
				b.WriteByte(' ')
			}
		case html.EndTagToken:
			unseen = false
			if name, _ := z.TagName(); endsLine(string(name)) {
				b.WriteByte('\n')
			}
		}
	}
}

// endsLine reports whether a line ends with an element.
func endsLine(name string) bool {
	switch name {
	case "br", "p", "div", "tr", "li", "h1", "h2", "h3", "h4", "h5", "h6":
		return true
	}
	return false
}
