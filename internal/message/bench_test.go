package message

import (
	"strings"
	"testing"
)

func ordinary(size int) []byte {
	s := "Received: from a.example.net (a.example.net [192.0.2.1])\n\tby mx.example.test (Postfix) with ESMTPS id 4ABC\n\tfor <u1@example.test>; Mon, 2 Mar 2026 08:00:00 +0000 (UTC)\n" +
		"From: Ann <ann@example.net>\nTo: u1@example.test\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\nDate: Mon, 2 Mar 2026 07:59:00 +0000\nMessage-ID: <1@example.net>\n" +
		"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\nUser-Agent: x\n\n" + strings.Repeat("A line of text, as people write it.\n", size/36)
	return []byte(strings.ReplaceAll(s, "\n", "\r\n"))
}

func BenchmarkParse(b *testing.B) {
	raw := ordinary(4 << 10)
	b.ReportAllocs()
	for b.Loop() {
		Parse(Envelope{}, at, raw)
	}
}

func BenchmarkParts(b *testing.B) {
	raw := []byte(strings.ReplaceAll(strings.Replace(report, "\nbody\n", "\n"+strings.Repeat("A line of text, as people write it.\n", 500), 1), "\n", "\r\n"))
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		Parse(Envelope{}, at, raw).Parts()
	}
}

func BenchmarkContent(b *testing.B) {
	for _, encoding := range []string{"8bit", "quoted-printable", "base64"} {
		b.Run(encoding, func(b *testing.B) {
			m := parse(multipart("x", encoding, "\n", strings.Repeat("A line of text, as people write it.\n", 500), "x"))
			b.SetBytes(int64(len(m.Raw)))
			b.ReportAllocs()
			for b.Loop() {
				m.WriteContent(discard{})
			}
		})
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
