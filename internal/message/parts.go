package message

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/jhillyerd/enmime/v2"
)

// Limits of the MIME tree. enmime takes twice as long for each level of multiparts that are
// never closed, so a mail of 2 KB could keep it busy for ever: it sees only what is within
// these limits, and is stopped when it reads on and on behind the end.
const (
	MaxParse      = 256 << 10 // bytes of a message that are looked at for its parts
	maxMultiparts = 10
	maxDashed     = 200      // lines that may be boundaries
	maxPartHeader = 64 << 10 // bytes of one header
	maxEndReads   = 2000     // reads behind the end; a truncated DSN makes about 40
	maxParts      = 200
)

// errOverread stops enmime.
var errOverread = errors.New("too many reads behind the end")

// Parts returns the leaves of the MIME tree in their order, of the first MaxParse bytes. A
// message without a multipart is one part. The tree is read at the first call; a Message
// must not be asked by several goroutines at once.
func (m *Message) Parts() []Part {
	if m.parsed {
		return m.parts
	}
	m.parsed = true
	if !strings.HasPrefix(m.ContentType.Type, "multipart/") {
		m.parts = []Part{leaf(m.Header, m.Body[:min(len(m.Body), MaxParse)])}
		return m.parts
	}
	m.parts = m.tree()
	return m.parts
}

// tree splits a multipart: by enmime where there are multiparts within, or flat where there
// are none, as in most reports, or where enmime is not to be trusted with it.
func (m *Message) tree() []Part {
	if parts, nested := m.flat(false); len(parts) > 0 && !nested {
		return parts
	}
	raw := WithoutBlank(m.Raw[:min(len(m.Raw), MaxParse)])
	problem := tooMuch(raw, len(m.Raw)-len(m.Body))
	if problem == "" {
		root, err := guarded(raw)
		parts := leaves(root, nil)
		switch {
		case err != nil:
			problem = "the MIME tree can not be read"
		case len(parts) == 0 || len(parts) == 1 && strings.HasPrefix(parts[0].Type, "multipart/"):
			problem = "the boundary is missing or wrong"
		default:
			return parts
		}
	}
	m.Problems = append(m.Problems, problem)
	parts, _ := m.flat(true)
	if len(parts) == 0 {
		parts = []Part{{ContentType: m.ContentType, Header: m.Header, Content: m.Body[:min(len(m.Body), MaxParse)]}}
	}
	return parts
}

// tooMuch says why enmime must not see a message with a header of so many bytes; "" if it may.
func tooMuch(raw []byte, header int) string {
	switch {
	case header > maxPartHeader:
		return "the header is too long"
	case CountType(raw, "multipart/") > maxMultiparts:
		return "too many multiparts"
	case bytes.Count(raw, []byte("\n--")) > maxDashed:
		return "too many parts"
	}
	inHeader, since := true, 0
	for pos := 0; pos < len(raw); {
		end := lineEnd(raw, pos)
		line := trimEOL(raw[pos:end])
		if bytes.HasPrefix(line, []byte("--")) {
			inHeader, since = true, pos
		} else if len(line) == 0 {
			inHeader = false
		}
		if inHeader && (len(line) > maxValue || bytes.Count(line, []byte(";")) > 100 || end-since > maxPartHeader) {
			return "a header is too long"
		}
		pos = end
	}
	return ""
}

// guarded runs enmime. It may panic, and it is made to when it does not come to an end.
func guarded(raw []byte) (root *enmime.Part, err error) {
	defer func() {
		if v := recover(); v != nil {
			root, err = nil, errOverread
		}
	}()
	p := enmime.NewParser(enmime.RawContent(true), enmime.SkipMalformedParts(true), enmime.MultipartWOBoundaryAsSinglePart(true),
		enmime.MaxStoredPartErrors(16), enmime.DisableCharacterDetection(true), enmime.DisableTextConversion(true))
	return p.ReadParts(&counted{r: bytes.NewReader(raw)})
}

// counted counts the reads behind the end, and panics when they are too many: enmime heeds no error.
type counted struct {
	r    *bytes.Reader
	ends int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if err == io.EOF {
		if c.ends++; c.ends > maxEndReads {
			panic(errOverread)
		}
	}
	return n, err
}

func leaves(p *enmime.Part, to []Part) []Part {
	for ; p != nil && len(to) < maxParts; p = p.NextSibling {
		if p.FirstChild != nil {
			to = leaves(p.FirstChild, to)
			continue
		}
		var h Header
		for _, name := range slices.Sorted(maps.Keys(p.Header)) {
			for _, v := range p.Header[name] {
				h = append(h, Field{name, v})
			}
		}
		to = append(to, leaf(h, p.Content))
	}
	return to
}

// leaf makes a Part of its header and its content as it came.
func leaf(h Header, raw []byte) Part {
	p := Part{ContentType: ParseContentType(h.Get("Content-Type")), Header: h, Content: raw}
	p.Filename = DecodeWords(filename(p.ContentType, h))
	content := decodeTransfer(transferEncoding(h), raw)
	if strings.HasPrefix(p.Type, "message/") {
		// RFC 2046 §5.2.1 allows no base64 here; some say so and send plain text.
		if inner, _, _ := ParseHeader(content); len(inner) == 0 {
			content = raw
		}
	}
	p.Content = content
	return p
}

// filename is what a part calls the file that it holds, as it came (RFC 2183 §2.3).
func filename(t ContentType, h Header) string {
	_, d, _ := strings.Cut(h.Get("Content-Disposition"), ";")
	if name := ParseContentType("x/x;" + d).Params["filename"]; name != "" {
		return name
	}
	return t.Params["name"]
}

// isText reports whether a part is text for a reader, and no file.
func isText(t ContentType, h Header) bool {
	return (t.Type == "text/plain" || t.Type == "text/html") && filename(t, h) == "" && !hasPrefixFold([]byte(h.Get("Content-Disposition")), "attachment")
}

// IsText reports whether p is text for a reader, and no file.
func (p Part) IsText() bool { return isText(p.ContentType, p.Header) }

// flat splits a message at all lines that are boundaries, declared or, where it is to guess,
// by their looks. It takes one pass, has no regard to nesting, and tells whether there is any.
func (m *Message) flat(guess bool) (parts []Part, nested bool) {
	boundaries := map[string]bool{}
	declare := func(t ContentType) {
		if b := t.Params["boundary"]; b != "" && len(boundaries) < maxBoundaries {
			boundaries[b] = true
		}
	}
	declare(m.ContentType)
	body := m.Body[:min(len(m.Body), MaxParse)]
	begun := -1
	finish := func(end int) {
		if begun < 0 {
			return
		}
		h, content, _ := ParseHeader(withoutEOL(body[begun:end]))
		declare(ParseContentType(h.Get("Content-Type")))
		if p := leaf(h, content); strings.HasPrefix(p.Type, "multipart/") {
			nested = true
		} else {
			parts = append(parts, p)
		}
	}
	for pos, end := 0, 0; pos < len(body) && len(parts) < maxParts; pos = end {
		end = lineEnd(body, pos)
		if !bytes.HasPrefix(body[pos:end], []byte("--")) {
			continue
		}
		name := string(bytes.TrimRight(body[pos+2:end], " \t\r\n"))
		switch open := strings.TrimSuffix(name, "--"); {
		case name == "":
		case boundaries[name] || guess && beginsPart(body[end:]):
			boundaries[name] = true
			finish(pos)
			begun = end
		case boundaries[open]:
			finish(pos)
			begun = -1
		}
	}
	if len(parts) < maxParts {
		finish(len(body))
	}
	return parts, nested
}

// withoutEOL is b without its last line end, which belongs to the boundary behind it,
// RFC 2046 §5.1.1.
func withoutEOL(b []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
}

// beginsPart reports whether b looks like the header of a part.
func beginsPart(b []byte) bool { return hasPrefixFold(b, "content-") }
