package message

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

var at = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

func parse(s string) *Message {
	return Parse(Envelope{}, at, []byte(strings.ReplaceAll(s, "\n", "\r\n")))
}

func TestParse(t *testing.T) {
	m := parse("Received: from b\n by c; x\nReceived: from a by b\nFrom: =?utf-8?q?J=C3=B6rg?= <Joerg@Example.ORG>\n" +
		"Subject: =?iso-8859-1?Q?Gr=FC=DFe?=\n aus =?utf-8?B?S8O2bG4=?=\nMessage-ID: <1@example.org>\nDate: Mon, 2 Mar 2026 09:00:00 +0100\n" +
		"Content-Type: text/plain; charset=utf-8\n\nbody\n")
	if m.From != "Joerg@example.org" || m.Subject != "Grüße aus Köln" || m.MessageID != "1@example.org" || !m.Date.Equal(at) ||
		!reflect.DeepEqual(m.Received, []string{"from b by c; x", "from a by b"}) || string(m.Body) != "body\r\n" ||
		m.ContentType.Type != "text/plain" || len(m.Problems) != 0 {
		t.Errorf("%+v", m)
	}
}

func TestParseHeader(t *testing.T) {
	tests := []struct{ name, raw, fields, body string }{
		{"plain", "A: 1\r\nB: 2\r\n\r\nx", "A=1 B=2", "x"},
		{"line feeds", "A: 1\nB: 2\n\nx", "A=1 B=2", "x"},
		{"folded", "A: 1\r\n 2\r\nB:\r\n\t3\r\n\r\n", "A=1\r\n 2 B=\r\n\t3", ""},
		{"no body", "A: 1", "A=1", ""},
		{"nothing", "", "", ""},
		{"body alone", "\r\nx", "", "x"},
		{"empty value", "A:\r\nB: 1\r\n\r\nx", "A= B=1", "x"},
		{"white space before the colon", "A : 1\r\n\r\nx", "A=1", "x"},
		{"no empty line", "A: 1\r\nhello world\r\nmore", "A=1", "hello world\r\nmore"},
		{"mbox", "From a@b Mon\r\nA: 1\r\n>From c\r\nB: 2\r\n\r\nx", "A=1 B=2", "x"},
		{"8 bit name", "A: 1\r\n\xff\xfe: 2\r\nx", "A=1", "\xff\xfe: 2\r\nx"},
		{"8 bit value", "A: \xff\r\n\r\nx", "A=\xff", "x"},
		{"NUL", "A: \x001\r\n\r\n\x00x", "A=\x001", "\x00x"},
		{"leading fold", " A: 1\r\nB: 2\r\n\r\nx", "", " A: 1\r\nB: 2\r\n\r\nx"},
		{"bare CR", "A: 1\rB: 2\r\n\r\nx", "A=1\rB: 2", "x"},
		{"mixed line ends", "A: 1\nB: 2\r\nC: 3\n\r\nx", "A=1 B=2 C=3", "x"},
		{"fold of blanks", "A: 1\r\n \r\nB: 2\r\n\r\nx", "A=1\r\n  B=2", "x"},
		{"fold behind a separator", "From a@b\n x\nA: 1\n\ny", "", " x\nA: 1\n\ny"},
		{"fold behind a quoted separator", "A: 1\n>From a@b\n x\n\ny", "A=1", " x\n\ny"},
		{"no colon", "A: 1\r\nno field\r\nB: 2\r\n\r\nx", "A=1", "no field\r\nB: 2\r\n\r\nx"},
		{"no name", "A: 1\r\n: 2\r\n\r\nx", "A=1", ": 2\r\n\r\nx"},
		{"cut in a field", "A: 1\r\nB", "A=1", "B"},
		{"empty lines first", "\r\n\r\nA: 1\r\n", "", "\r\nA: 1\r\n"},
	}
	for _, tt := range tests {
		h, body, _ := ParseHeader([]byte(tt.raw))
		var fields []string
		for _, f := range h {
			fields = append(fields, f.Name+"="+f.Value)
		}
		if got := strings.Join(fields, " "); got != tt.fields || string(body) != tt.body {
			t.Errorf("%s: %q, %q", tt.name, got, body)
		}
	}
}

// TestLongHeader looks at what is kept of headers over the limits, and that the body is
// found behind them.
func TestLongHeader(t *testing.T) {
	const tail = "Subject: late\r\n\r\nbody\r\n"
	long := strings.Repeat("x", maxHeader)
	tests := []struct {
		name, raw string
		fields    int
		body      string
		problem   bool
	}{
		{"at the limit of fields", strings.Repeat("A: 1\r\n", maxFields-1) + tail, maxFields, "body\r\n", false},
		{"one field too many", strings.Repeat("A: 1\r\n", maxFields) + tail, maxFields, "body\r\n", true},
		{"one long field first", "A: " + long + "\r\n" + tail, 0, "body\r\n", true},
		{"one long field last", "A: 1\r\nB: " + long + "\r\n\r\nbody\r\n", 1, "body\r\n", true},
		{"a long folded field", "A: 1\r\nCc: a" + strings.Repeat(",\r\n a", maxHeader/4) + "\r\n" + tail, 2, "body\r\n", true},
		{"long, without an empty line", strings.Repeat("A: 1\r\n", maxHeader) + "no field\r\n\r\nx", maxFields, "no field\r\n\r\nx", true},
		{"long, without a body", strings.Repeat("A: 1\r\n", maxHeader), maxFields, "", true},
		{"no line end", long + long, 0, long + long, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := Parse(Envelope{}, at, []byte(tt.raw))
			if len(m.Header) != tt.fields || string(m.Body) != tt.body || (len(m.Problems) > 0) != tt.problem {
				t.Errorf("%d fields, body of %d bytes, problems %q", len(m.Header), len(m.Body), m.Problems)
			}
		})
	}
}

func TestHeader(t *testing.T) {
	h, _, _ := ParseHeader([]byte("To: a,\r\n\tb\r\nX-To: c\r\nTO : d \r\nEmpty:\r\n\r\n"))
	if got := h.Get("to"); got != "a,\tb" {
		t.Errorf("Get: %q", got)
	}
	if got := h.Values("tO"); !reflect.DeepEqual(got, []string{"a,\tb", "d"}) {
		t.Errorf("Values: %q", got)
	}
	if h.Get("Empty") != "" || h.Get("Missing") != "" || h.Get("") != "" || h.Values("Missing") != nil {
		t.Error("what is not there is there")
	}
	if n := testing.AllocsPerRun(100, func() { h.Get("TO"); h.Get("Missing") }); n > 1 {
		t.Errorf("%v allocations", n) // one for the fold
	}
}

func TestNullPath(t *testing.T) {
	tests := []struct {
		path    string
		rebuilt bool
		fields  string
		want    bool
	}{
		{"", false, "", true}, {"ann@example.org", false, "", false}, {"MAILER-DAEMON", false, "", true}, {"mailer-daemon@mx.example.org", true, "", true},
		{"", true, "", false}, {"", true, "Return-Path: <>\n", true}, {"ann+mailer-daemon@example.org", false, "", false},
	}
	for _, tt := range tests {
		m := Parse(Envelope{ReversePath: tt.path, Rebuilt: tt.rebuilt}, time.Time{}, []byte(tt.fields+"\n"))
		if got := m.NullPath(); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}
