package message

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// samples gives messages of all qualities to add.
func samples(f *testing.F, add func([]byte)) {
	for _, s := range []string{report, nested(5, true), nested(5, false), multipart("x", "base64", "\n", "text\n", "file"), "\n", "From x\nA: b\n\nc"} {
		add([]byte(s))
		add([]byte(strings.ReplaceAll(s, "\n", "\r\n")))
	}
	files, err := filepath.Glob("../../testdata/*/*.eml")
	if err != nil || len(files) == 0 {
		f.Fatal("no samples: ", err)
	}
	for _, name := range files {
		if b, err := os.ReadFile(name); err == nil && len(b) < 20_000 {
			add(b)
		}
	}
}

func FuzzParse(f *testing.F) {
	samples(f, func(b []byte) { f.Add(b) })
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		m := Parse(Envelope{}, at, b)
		parts := m.Parts()
		again := Parse(Envelope{}, at, b)
		again.Parts()
		if !reflect.DeepEqual(m, again) {
			t.Error("not deterministic")
		}
		if !bytes.HasSuffix(b, m.Body) || len(parts) == 0 || len(parts) > maxParts {
			t.Errorf("%d parts", len(parts))
		}
		total := 0
		for _, p := range parts {
			total += len(p.Content)
		}
		if total > len(b) {
			t.Errorf("parts of %d bytes in %d", total, len(b))
		}
		for _, s := range []string{m.From, m.Subject, m.Text(1000)} {
			if !utf8.ValidString(s) || strings.ContainsAny(m.Subject+m.From, "\x00\n\r\t\x1b\x7f") {
				t.Errorf("%q is not fit to be shown", s)
			}
		}
		if s := m.Text(1000); len(s) > 1000 {
			t.Errorf("text of %d bytes", len(s))
		}
		if !bytes.Equal(b, before) {
			t.Error("raw was changed")
		}
	})
}

// FuzzContent inserts words at the beginning of any line of a body: they must show.
func FuzzContent(f *testing.F) {
	add := func(b []byte) { f.Add(b, uint16(len(b)/20)) }
	samples(f, add)
	f.Fuzz(func(t *testing.T, b []byte, n uint16) {
		body := Parse(Envelope{}, at, b).Body
		pos := 0
		for ; n > 0 && pos < len(body); n-- {
			pos = lineEnd(body, pos)
		}
		if pos > 0 && body[pos-1] != '\n' || len(body) == 0 {
			return
		}
		header := b[:len(b)-len(body)]
		with := slices.Concat(header, body[:pos], []byte("7 words\n"), body[pos:])
		one, two := streamOf(b), streamOf(with)
		if bytes.Equal(one, two) {
			t.Errorf("words at %d of the body do not show in %q", pos, one)
		}
		readContent(t, string(one))
		readContent(t, string(two))
	})
}

func streamOf(raw []byte) []byte {
	var b bytes.Buffer
	Parse(Envelope{}, at, raw).WriteContent(&b)
	return b.Bytes()
}

// FuzzGateways writes a text and a file in all manners: the stream is always that of its parts.
func FuzzGateways(f *testing.F) {
	f.Add("Good day,\n\n--\nAnn \n", []byte("\x89PNG"))
	f.Add("--x\n.\n=\n=41\nFrom a\n\tb =20\n", []byte{})
	f.Add(" \r\n\r \n\xff\x00", []byte("\n \n"))
	f.Fuzz(func(t *testing.T, text string, file []byte) {
		// CRs at line ends are of the line end.
		text = strings.ReplaceAll(text, "\r", "")
		var visible []string
		for l := range strings.SplitSeq(text, "\n") {
			if strings.HasPrefix(l, "--x") {
				return
			}
			visible = append(visible, strings.TrimRight(l, " \t"))
		}
		want := []string{"text/plain: " + strings.TrimRight(strings.Join(visible, "\n"), "\n"), "image/png; name=x: " + string(file)}
		for _, boundary := range []string{"x", "x--y z"} {
			for _, encoding := range []string{"8bit", "base64", "quoted-printable"} {
				for _, eol := range []string{"\n", "\r\n"} {
					got := readContent(t, contentOf(multipart(boundary, encoding, eol, text, string(file))))
					if !slices.Equal(got[1:], want) {
						t.Errorf("%s, %s, %q: %q, want %q", boundary, encoding, eol, got[1:], want)
					}
				}
			}
		}
	})
}
