package message

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
)

// maxBoundaries bounds how many multiparts of one message are looked into.
const maxBoundaries = 100

// WriteContent writes what m contains to w, all parts and attachments, from the first to the
// last byte of Body: transfer encodings are undone, lines end in LF, white space at the end
// of lines and parts is dropped, and behind each part stand its media type and its length.
// Boundaries, encodings and charsets do not show, so that copies that a gateway wrote anew
// give the same bytes; any other difference shows. It takes one pass, O(len(Body)) time and
// little memory, whatever the structure.
func (m *Message) WriteContent(w io.Writer) {
	c := content{w: w, boundaries: map[string]bool{}}
	c.begin(m.ContentType, m.Header.Get("Content-Transfer-Encoding"))
	for pos := 0; pos < len(m.Body); {
		end := lineEnd(m.Body, pos)
		c.line(m.Body[pos:end])
		pos = end
	}
	c.end()
}

// content is the state of WriteContent.
type content struct {
	w          io.Writer
	boundaries map[string]bool
	header     bool // within a part's header
	fields     Header

	// of the part under way
	mediaType string
	encoding  string
	length    uint64
	implied   bool // a preamble or epilogue, which is no part unless there is something in it
	text      lines
	base64    quanta
}

// begin starts a part.
func (c *content) begin(t ContentType, encoding string) {
	c.mediaType, c.encoding = t.Type, strings.ToLower(encoding)
	c.length, c.implied, c.header = 0, false, false
	if b := t.Params["boundary"]; b != "" && strings.HasPrefix(t.Type, "multipart/") && len(c.boundaries) < maxBoundaries {
		c.boundaries[b] = true
		c.encoding = "" // RFC 2045 §6.4: a multipart has none
	}
	c.text = lines{}
	c.base64 = quanta{}
}

// end ends the part under way.
func (c *content) end() {
	if c.header {
		c.begin(c.partType(), "")
	}
	if c.encoding == "base64" {
		c.decoded(c.base64.rest())
	}
	if c.implied && c.length == 0 {
		return
	}
	trailer := append([]byte(c.mediaType), 0)
	c.w.Write(binary.BigEndian.AppendUint64(trailer, c.length))
}

// line takes one line with its end.
func (c *content) line(l []byte) {
	if bytes.HasPrefix(l, []byte("--")) && len(c.boundaries) > 0 && c.boundary(l) {
		return
	}
	if c.header {
		if c.field(l) {
			return
		}
		c.begin(c.partType(), c.fields.Get("Content-Transfer-Encoding"))
		if len(trimEOL(l)) == 0 {
			return // the empty line that ends the header
		}
	}
	switch c.encoding {
	case "base64":
		c.base64.decode(l, c.decoded)
	case "quoted-printable":
		c.normal(unquote(l))
	default:
		c.normal(l)
	}
}

// boundary reports whether l is a boundary line, and acts on it.
func (c *content) boundary(l []byte) bool {
	name := string(bytes.TrimRight(l[2:min(len(l), 2+maxValue)], " \t\r\n"))
	closing := false
	if !c.boundaries[name] {
		name, closing = strings.CutSuffix(name, "--")
		if !closing || !c.boundaries[name] {
			return false
		}
	}
	c.end()
	if c.begin(ContentType{Type: "text/plain"}, ""); closing {
		c.implied = true
	} else {
		c.header, c.fields = true, nil
	}
	return true
}

// field takes a line of a part's header. It reports false where the header ends. What is
// no field for MIME is content: a reader may see it.
func (c *content) field(l []byte) bool {
	folded := l[0] == ' ' || l[0] == '\t'
	l = trimEOL(l)
	colon := bytes.IndexByte(l, ':')
	switch {
	case len(l) == 0 || len(c.fields) >= 50:
		return false
	case folded && len(c.fields) > 0 && len(l) < maxValue:
		c.fields[len(c.fields)-1].Value += "\n" + string(l)
		return true
	case colon > 0 && isFieldName(l[:colon]) && hasPrefixFold(l, "content-") && len(l) < maxValue:
		c.fields = append(c.fields, Field{string(l[:colon]), strings.TrimSpace(string(l[colon+1:]))})
		return true
	}
	return false
}

func hasPrefixFold(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && strings.EqualFold(string(b[:len(prefix)]), prefix)
}

func (c *content) partType() ContentType {
	return ParseContentType(c.fields.Get("Content-Type"))
}

// decoded takes bytes behind base64: text has lines, all else is as it is.
func (c *content) decoded(b []byte) {
	if strings.HasPrefix(c.mediaType, "text/") {
		c.normal(b)
		return
	}
	c.put(b)
}

func (c *content) normal(b []byte) { c.text.normalise(b, c.put) }

func (c *content) put(b []byte) {
	c.length += uint64(len(b))
	c.w.Write(b)
}

// lines drops white space at the ends of lines and of the text. What may turn out to be
// such is held back.
type lines struct {
	feeds  int
	blanks []byte
}

var manyFeeds = bytes.Repeat([]byte("\n"), 256)

func (t *lines) normalise(b []byte, put func([]byte)) {
	for len(b) > 0 {
		end := bytes.IndexByte(b, '\n')
		l := b
		if end >= 0 {
			l = b[:end]
		}
		visible := bytes.TrimRight(l, " \t\r")
		if len(visible) > 0 || len(t.blanks) > maxValue {
			for t.feeds > 0 {
				n := min(t.feeds, len(manyFeeds))
				put(manyFeeds[:n])
				t.feeds -= n
			}
			put(t.blanks)
			put(visible)
			t.blanks = t.blanks[:0]
		}
		t.blanks = append(t.blanks, l[len(visible):]...)
		if end < 0 {
			return
		}
		t.blanks = t.blanks[:0]
		t.feeds++
		b = b[end+1:]
	}
}
