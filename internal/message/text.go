package message

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
)

// markup is how many times as long as its text HTML is expected to be at most.
const markup = 8

// Text returns the text of m as UTF-8, of all its text parts, at most limit bytes of it. Of
// HTML it is what a reader sees, with the lines that it has.
func (m *Message) Text(limit int) string { return m.texts(limit, Part.text) }

// text is what a reader sees of a text part.
func (p Part) text(limit int) string {
	if p.Type == "text/html" {
		return textOf(p.decoded(limit * markup)).Text
	}
	return p.decoded(limit)
}

// decoded is a text part as UTF-8, of its first bytes.
func (p Part) decoded(limit int) string {
	return toUTF8(p.Content[:min(len(p.Content), limit)], p.Params["charset"])
}

// texts joins what read says of each text part, but of returned headers: at most limit bytes.
func (m *Message) texts(limit int, read func(p Part, left int) string) string {
	var b strings.Builder
	for _, p := range m.Parts() {
		left := limit - b.Len()
		if !strings.HasPrefix(p.Type, "text/") || left <= 0 || p.Type == "text/rfc822-headers" {
			continue
		}
		s := read(p, left)
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

// Reading is what a text part says to a reader, as UTF-8.
type Reading struct {
	Text  string // of HTML what a reader sees, with the lines that it has
	Links string // of HTML, a line each, where links and forms lead, which pictures it shows and what stands in their place, and what is in the fields of its forms
	Whole string // Text; of HTML with all that may change what a reader sees: attributes, styles, what is struck out
}

// Read reads a text part.
func (p Part) Read() Reading {
	text := p.decoded(len(p.Content))
	r := Reading{Text: text, Whole: text}
	if p.Type == "text/html" {
		r = textOf(text)
	}
	if strings.ContainsRune(text, utf8.RuneError) { // somebody's program may make more of it
		r.Whole += string(p.Content)
	}
	return r
}

// textOf reads the text between the tags of HTML, and what its tags say to a reader.
func textOf(s string) Reading {
	var b, to, whole strings.Builder
	whole.Grow(len(s))
	unseen := false
	for z := html.NewTokenizer(strings.NewReader(s)); ; {
		switch z.Next() {
		case html.ErrorToken:
			return Reading{b.String(), to.String(), whole.String()}
		case html.CommentToken:
			if raw := z.Raw(); bytes.HasPrefix(raw, []byte("<!--[if")) { // some programs show it
				whole.Write(raw)
			}
		case html.TextToken:
			text := z.Text()
			if !unseen {
				b.Write(text)
			}
			whole.Write(text)
		case html.StartTagToken, html.SelfClosingTagToken:
			raw := z.Raw()
			name, attrs := z.TagName()
			if attrs || tells(string(name)) {
				whole.Write(raw)
			}
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
				whole.WriteByte('\n')
			case "td", "th":
				b.WriteByte(' ')
				whole.WriteByte(' ')
			}
		case html.EndTagToken:
			unseen = false
			name, _ := z.TagName()
			if tells(string(name)) {
				whole.WriteString("</")
				whole.Write(name)
			}
			if endsLine(string(name)) {
				b.WriteByte('\n')
				whole.WriteString("\n\n")
			}
		}
	}
}

// tells reports whether an element without attributes changes what its text says: the others
// are layout.
func tells(name string) bool {
	switch name {
	case "html", "head", "body", "p", "div", "span", "br", "hr", "blockquote", "b", "strong", "i", "em", "u", "font", "center", "pre", "tt", "code", "small", "big",
		"table", "tbody", "thead", "tr", "td", "th", "ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6", "a", "img", "meta":
		return false
	}
	return true
}

// endsLine reports whether a line ends with an element.
func endsLine(name string) bool {
	switch name {
	case "br", "p", "div", "tr", "li", "h1", "h2", "h3", "h4", "h5", "h6":
		return true
	}
	return false
}
