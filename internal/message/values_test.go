package message

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestAddresses(t *testing.T) {
	tests := []struct{ field, want string }{
		{"a@B.example", "a@b.example"},
		{"Ann <a@b.example>, Bob <c@d.example>", "a@b.example c@d.example"},
		{`"a, b" <a@b.example> (comment)`, "a@b.example"},
		{"Group: a@b.example, c@d.example;", "a@b.example c@d.example"},
		{"J\xf6rg <a@b.example>", "a@b.example"},
		{"=?x-unknown?Q?J=F6rg?= <a@b.example>", "a@b.example"},
		{"Ann [Sales] <a@b.example>", "a@b.example"},
		{"mail to a@b.example now", "a@b.example"},
		{"<>", ""}, {"", ""}, {"undisclosed-recipients:;", ""}, {"<<<@>>>", ""},
		{"a@[192.0.2.1]", "a@[192.0.2.1]"}, {`"a b"@C.example`, "a b@c.example"}, {"a@b.example (Ann (Sales))", "a@b.example"},
		{"<<a@b.example>>", "a@b.example"}, {"<a@b.example\x00\x1b[2J>", "a@b.example[2j"},
		{"<a@b.example", "a@b.example"}, {"Ann <a@b.example>, , <c@d.example>;", "a@b.example c@d.example"},
		{"=?utf-8?B?SsO2cmc=?= <a@b.example>", "a@b.example"}, {"j\xf6rg@b.example", "jörg@b.example"},
	}
	for _, tt := range tests {
		if got := strings.Join(Addresses(tt.field), " "); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.field, got, tt.want)
		}
	}
}

func TestDecodeWords(t *testing.T) {
	tests := []struct{ in, want string }{
		{"plain", "plain"}, {"Gr\xfc\xdfe", "Grüße"}, {"Grüße", "Grüße"},
		{"=?utf-8?B?w7w=?= =?utf-8?B?w7w=?=", "üü"}, {"=?big5?B?pKSk5Q==?=", "中文"}, {"=?nope?Q?=FC?=", "ü"},
		{"=?utf-8?Q?a=0D=0Ab?=", "ab"}, {"=?utf-8?Q?broken", "=?utf-8?Q?broken"}, {"\x00\x1b[31m", "[31m"},
		{"\xcf\xb5\xcd\xb3\xcd\xcb\xd0\xc5", "系统退信"}, {"\xc4\xd6 \xdc", "ÄÖ Ü"}, {"\xe3\xe4 \xe5\xe6 \xe7\xe8", "ãä åæ çè"}, // GB 2312 or not
		{"\xc0\xe2\xf2\xee\xee\xf2\xe2\xe5\xf2", "Автоответ"}, {"\xe1\xd7\xd4\xcf\xcf\xd4\xd7\xc5\xd4", "Автоответ"}, // windows-1251, KOI8-R
		{"LIQUIDA\xc7\xc3O DA A\xc7\xc3O E INSCRI\xc7\xc3O", "LIQUIDAÇÃO DA AÇÃO E INSCRIÇÃO"}, {"LIQUIDAÇÃO DA AÇÃO E INSCRIÇÃO", "LIQUIDAÇÃO DA AÇÃO E INSCRIÇÃO"},
		{"Yahoo! À´ÐÅ×Ô¶¯»Ø¸´", "Yahoo! 来信自动回复"}, {"Àâòîîòâåò", "Автоответ"}, {"Größe, Größe, Größe", "Größe, Größe, Größe"}, // taken for Latin-1
		{"folded\twith a tab", "folded with a tab"}, {"=?utf-8?Q?a?=\t=?utf-8?Q?b?=", "ab"}, {"a =?utf-8?Q?b?= c", "a b c"},
		{"=?utf-8?Q?one_?= =?utf-8?Q?two?=", "one two"}, {"=?utf-8?Q?a?= - =?utf-8?Q?b?=", "a - b"}, {"=?utf-8?Q?a?=b", "ab"},
		// One character in two words, no padding, too much of it, a language, no content.
		{"=?utf-8?B?w7zD?= =?UTF-8?B?vA==?=", "üü"}, {"=?utf-8?Q?=C3?= =?utf-8?Q?=BC?=", "ü"}, {"=?utf-8?B?w7w?=", "ü"},
		{"=?utf-8?B?w7w===?=", "ü"}, {"=?koi8-r*ru?B?8NLJ18XU?=", "Привет"}, {"=?utf-8?Q??= x", " x"},
		{"=?iso-8859-1?Q?=FC?= =?utf-8?Q?=C3=BC?=", "üü"}, {"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"},
		{"=?utf-8?Q?a?b?=", "a?b"}, {"=?utf-8?X?a?=", "=?utf-8?X?a?="}, {"=??Q?a?=", "=??Q?a?="}, {"=?=?=?", "=?=?=?"},
		{"Gr\xfc=?utf-8?Q?=C3=9F?=e", "Grüße"}, {"a\u0085\u202eb", "a\u202eb"},
	}
	for _, tt := range tests {
		if got := DecodeWords(tt.in); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestParseDate(t *testing.T) {
	for _, s := range []string{"Mon, 2 Mar 2026 08:00:00 +0000", "2 Mar 2026 09:00:00 +0100", "Mon, 02 Mar 2026 08:00:00 GMT", "Mon, 2 Mar 2026 08:00:00 +0000 (UTC)",
		"Mon,  2 Mar 2026 08:00 +0000", "Mon Mar  2 08:00:00 2026", "2026-03-02T08:00:00Z", "Mon, 2 Mar 2026 03:00:00 EST", "Mon, 2 Mar 2026 00:00:00 pst",
		"2 Mar 26 04:00:00 EDT", "Mon Mar  2 02:00:00 CST 2026", "Mon, 2 Mar 2026 08:00:00 UT", "Mon, 2 Mar 2026 08:00:00 Z", "Mon, 2 Mar 2026 08:00:00 XYZ",
		"\tMon, 2 Mar 2026\t08:00:00 +0000", "Mon, 2 Mar 2026 08:00:00 -0000 (a (nested) comment)"} {
		if d := ParseDate(s); !d.Equal(at) {
			t.Errorf("%q: %v", s, d)
		}
	}
	for _, s := range []string{"", "yesterday", "Mon, 32 Mar 2026 08:00:00 +0000", "Mon, 2 Mar 2026", "(comment)", strings.Repeat("1", 1000)} {
		if d := ParseDate(s); !d.IsZero() {
			t.Errorf("%q: %v", s, d)
		}
	}
}

func TestParseContentType(t *testing.T) {
	tests := []struct{ in, typ, boundary string }{
		{"text/HTML; charset=x", "text/html", ""},
		{`multipart/report; report-type=delivery-status; boundary="a b"`, "multipart/report", "a b"},
		{`multipart/report; boundary=a; boundary=b`, "multipart/report", "a"},
		{"multipart/mixed; boundary=a=b", "multipart/mixed", "a=b"},
		{"multipart/mixed; =junk;; boundary=a", "multipart/mixed", "a"},
		{"multipart/mixed boundary=a", "multipart/mixed", "a"}, {`Multipart/Mixed (x); ; boundary="a b";;`, "multipart/mixed", "a b"},
		{"multipart/mixed; boundary=a (comment); x", "multipart/mixed", "a"}, {`multipart/mixed; boundary="never closed`, "multipart/mixed", "never closed"},
		{"multipart/mixed; boundary=a/b:c", "multipart/mixed", "a/b:c"}, {"multipart/mixed; boundary*0=a; boundary*1=b", "multipart/mixed", "ab"},
		{"multipart/mixed;boundary=\xff", "multipart/mixed", "\xff"},
		{"", "text/plain", ""}, {"junk", "text/plain", ""}, {"text", "text/plain", ""},
		{"multipart/mixed" + strings.Repeat("; p=1", 20000), "multipart/mixed", ""},
	}
	for _, tt := range tests {
		if got := ParseContentType(tt.in); got.Type != tt.typ || got.Params["boundary"] != tt.boundary {
			t.Errorf("%.60q: %+v", tt.in, got)
		}
	}
}

func TestManyParameters(t *testing.T) {
	v := "multipart/mixed; boundary=b"
	for i := range 1000 {
		v += fmt.Sprintf("; p%d=x", i)
	}
	if c := ParseContentType(v); c.Params["boundary"] != "b" || len(c.Params) > 100 {
		t.Errorf("%d parameters, boundary %q", len(c.Params), c.Params["boundary"])
	}
}

// TestParseDateAnywhere reads dates on hosts of two zones that both have a name in them.
func TestParseDateAnywhere(t *testing.T) {
	defer func(l *time.Location) { time.Local = l }(time.Local)
	for _, host := range []*time.Location{time.UTC, time.FixedZone("CET", 3600), time.FixedZone("EST", 36000)} {
		time.Local = host
		for s, want := range map[string]time.Time{"Mon, 2 Mar 2026 08:00:00 CET": at, "Mon, 2 Mar 2026 03:00:00 EST": at, "Mon, 2 Mar 2026 08:00:00": at} {
			if d := ParseDate(s); !d.Equal(want) {
				t.Errorf("%q on a host in %v: %v", s, host, d)
			}
		}
	}
}
