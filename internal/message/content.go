package message

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
)

// Limits of what WriteContent looks into. What is over them is taken for text.
const (
	maxBoundaries = 100      // multiparts of one message
	maxSeparators = 2000     // boundary lines
	maxPiece      = 64 << 10 // bytes of a line that are taken at once
)

// WriteContent writes what m contains to w, all parts and attachments, from the first to the
// last byte of Body: transfer encodings are undone, lines end in LF, white space at the end
// of lines and parts is dropped, and behind each part stand its media type, with the name of the
// file that it is, and the lengths of both. Boundaries, encodings and charsets do not show, so that copies that a gateway wrote
// anew give the same bytes; any other difference shows. It takes one pass, O(len(Body)) time
// and little memory, whatever the structure.
func (m *Message) WriteContent(w io.Writer) { m.WriteContents(w, nil) }

// WriteContents is WriteContent, and writes to rest, if it is not nil, what is no text that
// Parts shows: attachments, and what is behind the first MaxParse bytes. It returns how many
// parts are text.
func (m *Message) WriteContents(w, rest io.Writer) (texts int) {
	c := content{w: w, rest: rest, boundaries: map[string]bool{}}
	c.begin(m.ContentType, m.Header)
	c.preamble = strings.HasPrefix(m.ContentType.Type, "multipart/")
	shown := MaxParse - (len(m.Raw) - len(m.Body))
	begins := true // a line begins at pos
	for pos := 0; pos < len(m.Body); {
		end := pieceEnd(m.Body, pos)
		c.unseen = end > shown
		c.line(m.Body[pos:end], begins)
		begins = m.Body[end-1] == '\n'
		pos = end
	}
	c.end()
	if c.preamble && rest != nil { // no boundary came: it is no preamble
		rest.Write(m.Body)
	}
	return c.texts
}

// pieceEnd is where the line at pos ends, or a piece of it that cuts no escape of
// quoted-printable in two.
func pieceEnd(b []byte, pos int) int {
	if len(b) <= pos+maxPiece {
		return lineEnd(b, pos)
	}
	end := lineEnd(b[:pos+maxPiece], pos)
	switch {
	case b[end-1] == '=':
		return end - 1
	case b[end-1] != '\n' && b[end-2] == '=':
		return end - 2
	}
	return end
}

// content is the state of WriteContent.
type content struct {
	w, rest    io.Writer
	unseen     bool // what comes now is behind what Parts shows
	boundaries map[string]bool
	separators int
	texts      int // parts that are text

	// of the part under way
	mediaType string
	encoding  string
	length    uint64
	text      bool   // Parts shows it as text
	preamble  bool   // it is what nobody sees, before the first boundary of the message
	name      string // of the file that it is
	implied   bool   // a header, preamble or epilogue, which is no part unless there is something in it
	lines     lines
	base64    base64Decoder
	unquoted  []byte

	// of its header
	header bool // it is under way
	last   lastField
	fields []byte // those that MIME heeds, as they came
}

// lastField is what the last field of a header is.
type lastField int

const (
	none lastField = iota
	heeded
	other
)

// begin starts a part with a header.
func (c *content) begin(t ContentType, h Header) {
	c.mediaType, c.encoding = t.Type, transferEncoding(h)
	c.text, c.preamble, c.name = isText(t, h), false, filename(t, h)
	c.length, c.implied, c.header = 0, false, false
	if b := t.Params["boundary"]; b != "" && strings.HasPrefix(t.Type, "multipart/") && len(c.boundaries) < maxBoundaries {
		c.boundaries[b] = true
		c.encoding = "" // RFC 2045 §6.4: a multipart has none
	}
	c.lines.reset()
}

// beginHeader starts the header of a part: a part of no media type, in which is what no
// field for MIME is: a reader may see it.
func (c *content) beginHeader() {
	c.begin(ContentType{}, nil)
	c.implied, c.header, c.last, c.fields = true, true, none, c.fields[:0]
}

// beginBody starts the part whose header was under way.
func (c *content) beginBody() {
	c.header = false
	c.end()
	h, _, _ := ParseHeader(c.fields)
	c.begin(ParseContentType(h.Get("Content-Type")), h)
}

// end ends the part under way.
func (c *content) end() {
	if c.header {
		c.beginBody() // nothing is behind it
	}
	if c.encoding == "base64" {
		c.decoded(c.base64.rest(nil))
	}
	if c.implied && c.length == 0 {
		return
	}
	what := c.mediaType
	if c.name != "" { // there are empty files, and their names say all
		what += "; name=" + c.name
	}
	trailer := binary.BigEndian.AppendUint64([]byte(what), uint64(len(what)))
	trailer = binary.BigEndian.AppendUint64(trailer, c.length)
	c.w.Write(trailer)
	if c.text {
		c.texts++
	}
	if c.rest != nil && !c.text && !c.preamble {
		c.rest.Write(trailer)
	}
}

// line takes a line with its end, or a piece of one.
func (c *content) line(l []byte, begins bool) {
	if begins && bytes.HasPrefix(l, []byte("--")) && c.boundary(l) {
		return
	}
	if c.header && c.headerLine(l, begins) {
		return
	}
	switch c.encoding {
	case "base64":
		c.base64.decode(l, c.decoded)
	case "quoted-printable":
		if bytes.IndexByte(l, '=') >= 0 {
			c.unquoted = appendUnquoted(c.unquoted[:0], l)
			l = c.unquoted
		}
		c.normal(l)
	default:
		c.normal(l)
	}
}

// boundary reports whether l is a boundary line, and acts on it.
func (c *content) boundary(l []byte) bool {
	if len(c.boundaries) == 0 || c.separators >= maxSeparators {
		return false
	}
	name := bytes.TrimRight(l[2:], " \t\r\n")
	closing := false
	if !c.boundaries[string(name)] {
		name, closing = bytes.CutSuffix(name, []byte("--"))
		if !closing || !c.boundaries[string(name)] {
			return false
		}
	}
	c.separators++
	c.end()
	if closing {
		c.begin(ContentType{Type: "text/plain"}, nil)
		c.implied, c.text = true, false // no part, though it may hold something
	} else {
		c.beginHeader()
	}
	return true
}

// headerLine takes a line of a part's header. It reports false where there is none.
func (c *content) headerLine(l []byte, begins bool) bool {
	switch {
	case !begins || isBlank(l[0]) && c.last != none: // goes on with the field
	case isField(l) && hasPrefixFold(l, "content-"):
		c.last = heeded
	case isField(l):
		c.last = other
	default:
		c.beginBody()
		return len(trimEOL(l)) == 0
	}
	if c.last == heeded && len(c.fields)+len(l) <= maxValue {
		c.fields = append(c.fields, l...)
		return true
	}
	c.last = other
	c.normal(l)
	return true
}

func hasPrefixFold(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && strings.EqualFold(string(b[:len(prefix)]), prefix)
}

// decoded takes bytes behind base64: text has lines, all else is as it is.
func (c *content) decoded(b []byte) {
	if strings.HasPrefix(c.mediaType, "text/") {
		c.normal(b)
		return
	}
	c.put(b)
}

func (c *content) normal(b []byte) { c.lines.normalise(b, c.put) }

func (c *content) put(b []byte) {
	c.length += uint64(len(b))
	c.w.Write(b)
	if c.rest != nil && !c.preamble && (!c.text || c.unseen) {
		c.rest.Write(b)
	}
}

// lines drops white space at the ends of lines and of the text. What may turn out to be
// such is held back, up to maxValue blanks.
type lines struct {
	feeds  int
	blanks []byte
}

func (t *lines) reset() { t.feeds, t.blanks = 0, t.blanks[:0] }

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
