package message

import (
	"strings"
	"testing"
	"time"
)

// TestOwn says of texts what their writers wrote. "|" stands where the quotation begins; what
// is behind a line "~" is theirs again.
func TestOwn(t *testing.T) {
	for name, text := range map[string]string{
		"no quotation":            "Hello,\n\nthe minutes are below:\n\nFrom nine to ten we talked.\n",
		"a field alone":           "From: our office\n\nall are well.\n",
		"a time with a colon":     "We meet on 4 May 2026 at 9:12:\n\nbring the plan.\n",
		"a list with addresses":   "Please write to these:\n\nann@example.org\nbob@example.net\n",
		"marked":                  "Yes.\n|> Will you come?\n",
		"marked, then more":       "|> Will you come?\n~Yes.\n",
		"Gmail":                   "Yes.\n\n|On Mon, May 4, 2026 at 9:12 AM Ann Lee <ann@example.org> wrote:\n\n> Will you come?\n",
		"Gmail, two lines":        "Yes.\n\n|On Mon, May 4, 2026 at 9:12 AM Ann Lee Somebody-Longer\n<ann.somebody@example.org> wrote:\n\n> Will you come?\n",
		"Gmail, below":            "|On Mon, May 4, 2026 at 9:12 AM Ann Lee <ann@example.org> wrote:\n\n> Will you come?\n~\nYes, gladly.\n",
		"Gmail, unmarked":         "Yes.\n\n|On Mon, May 4, 2026 at 9:12 AM Ann Lee <ann@example.org> wrote:\n\nWill you come?\n",
		"Gmail, Ukrainian":        "Так.\n\n|пн, 4 трав. 2026 р. о 09:12 Ann Lee <ann@example.org> пише:\n\n> Прийдете?\n",
		"Gmail, Czech":            "Ano.\n\n|po 4. 5. 2026 v 9:12 odesílatel Ann Lee <ann@example.org> napsal:\n\n> Přijdete?\n",
		"Gmail, Japanese":         "はい。\n\n|2026年5月4日(月) 9:12 Ann Lee <ann@example.org>:\n\n> 来ますか\n",
		"Gmail, Turkish":          "Evet.\n\n|Ann Lee <ann@example.org>, 4 May 2026 Pzt, 09:12 tarihinde şunu yazdı:\n\n> Gelir misin?\n",
		"Gmail, Hungarian":        "Igen.\n\n|Ann Lee <ann@example.org> ezt írta (időpont: 2026. máj. 4., H, 9:12):\n\n> Jössz?\n",
		"Apple, Greek":            "Ναι.\n\n|Στις 4 Μαΐου 2026, στις 9:12, ο χρήστης Ann Lee <ann@example.org> έγραψε:\n\nΘα έρθεις;\n",
		"Thunderbird, Danish":     "Ja.\n\n|Den 04.05.2026 kl. 09.12 skrev Ann Lee:\n> Kommer du?\n",
		"Outlook":                 "Yes.\n\n|From: Ann Lee\nSent: Monday, 4 May 2026 9:12\nTo: Bob\nSubject: Dinner\n\nWill you come?\n",
		"Outlook, bold":           "Yes.\n\n|*From:* Ann Lee\n*Sent:* Monday, 4 May 2026 9:12\n*Subject:* Dinner\n\nWill you come?\n",
		"Outlook 2003":            "Yes.\n\n|-----Original Message-----\nFrom: Ann Lee\n\nWill you come?\n",
		"Outlook, Finnish":        "Joo.\n\n|Lähettäjä: Ann Lee\nLähetetty: maanantai 4. toukokuuta 2026\nVastaanottaja: Bob\nAihe: Illallinen\n\nTuletko?\n",
		"Outlook, Turkish":        "Evet.\n\n|Kimden: Ann Lee\nGönderildi: 4 Mayıs 2026\nKime: Bob\nKonu: Yemek\n\nGelir misin?\n",
		"Outlook, Hebrew":         "כן\n\n|מאת: Ann Lee\nנשלח: 4 May 2026\nאל: Bob\nנושא: ערב\n\nתבוא?\n",
		"Outlook, Traditional":    "好的\n\n|寄件者: Ann Lee\n寄件日期: 2026年5月4日\n收件者: Bob\n主旨: 晚餐\n\n來嗎\n",
		"Apple, forwarded":        "Look.\n\n|Begin forwarded message:\n\nFrom: Ann Lee\n",
		"Apple, forwarded, Dutch": "Kijk.\n\n|Begin doorgestuurd bericht:\n\nVan: Ann Lee\n",
		"QQ":                      "好的\n\n|------------------ 原始邮件 ------------------\n发件人: Ann\n\n来吗\n",
		"Yandex":                  "Да.\n\n|04.05.2026, 09:12, \"Ann Lee\" <ann@example.org>:\n\nПридёте?\n",
		"all of it":               "|---------- Forwarded message ---------\nFrom: Ann Lee\n\nWill you come?\n",
		"dashes of a signature":   "Yes.\n\n-- \nBob\n--- and that is all\n",
	} {
		before, behind, _ := strings.Cut(text, "|")
		if _, again, ok := strings.Cut(behind, "~"); ok {
			before += again
		}
		text = strings.NewReplacer("|", "", "~", "").Replace(text)
		if got := Own(text); strings.TrimSpace(got) != strings.TrimSpace(before) {
			t.Errorf("%s: %q, want %q", name, got, before)
		}
	}
}

// TestOwnParts holds the plain and the HTML part of a message to the same.
func TestOwnParts(t *testing.T) {
	for name, body := range map[string]string{
		"Gmail":       `<div>Yes.</div><div class="gmail_quote"><div class="gmail_attr">On Mon Ann wrote:<br></div><blockquote>Will <div>you</div> come?</blockquote></div>`,
		"blockquote":  `<p>Yes.</p><div>Den 4. maj 2026 kl. 09.12 skrev Ann:<blockquote>Kommer <blockquote>du</blockquote> snart?</blockquote></div>`,
		"below":       `<blockquote type="cite">Will you come?</blockquote><p>Yes.</p>`,
		"Outlook":     `<p>Yes.</p><div id="appendonsend"></div><hr><div id="divRplyFwdMsg"><b>From:</b> Ann</div><div>Will you come?</div>`,
		"Outlook 16":  `<p>Yes.</p><div style="border-top:solid #E1E1E1 1.0pt"><p><b>Von:</b> Ann<br><b>Gesendet:</b> Montag<br><b>An:</b> Bob<br><b>Betreff:</b> Essen</p></div><p>Kommst du?</p>`,
		"renamed":     `<p>Yes.</p><div class="x_gmail_quote">Will you come?</div>`,
		"set in only": `<blockquote>Yes.</blockquote>`,
		"broken":      "<p>Yes.<br>\n<br>\nOn 2 Mar 2026 at 9:12 Ann<br>\n&lt;ann@example.org&gt; wrote:<br>\n<br>\nWill you come?</p>",
		"set as is":   "<pre>Yes.\n\nFrom: Ann\nSent: x\nTo: Bob\n\nWill you come?</pre>",
		"no end":      `<p>Yes.</p><blockquote>Will you come?`,
	} {
		m := Parse(Envelope{}, time.Time{}, []byte("Content-Type: text/html; charset=utf-8\n\n"+body))
		if got := strings.Trim(Plain(m.Own(1000)), " "); got != "yes." {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestReply tells subjects that mail programs mark from others.
func TestReply(t *testing.T) {
	for _, s := range []string{"Re: x", "RE:x", "AW: x", "Re[2]: x", "Re (3): x", "Re^2: x", "回复：x", "转发: x", "VB: x", "SV: x", "R: x", "[EXTERNAL] Re: x", "[External]RE: x", "***SPAM*** Fwd: x", "Odp: x", "Vá: x", "ΑΠ: x", "Πρθ: x", "Отв: x", "YNT: x", "Antw.: x"} {
		if want := s != "Antw.: x"; IsReply(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
	for _, s := range []string{"", ":", "Report: x", "Refund: x", "Automatic reply: x", "Rechnung: 4", "[list] Re: x", "Trả lời tự động: x", "رد تلقائي: x", "re-entry: x", "x Re: y"} {
		if IsReply(s) {
			t.Errorf("%q is an answer", s)
		}
	}
}

// FuzzOwn holds what is left of a text to whole lines of it, in their order.
func FuzzOwn(f *testing.F) {
	for _, text := range []string{"Yes.\n\nOn 2 Mar 2026 at 9:12 Ann <ann@example.org> wrote:\n\n> Well?\n\nNo.\n", "From: Ann\nSent: x\nTo: y\n\nz", ">\n\n> x\nx", "-----Original Message-----\nx", ":\n>\n", "2026 9:12\na@b\n<x>:\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rest := text
		for line := range strings.Lines(Own(text)) {
			i := strings.Index(rest, line)
			if i < 0 {
				t.Fatalf("%q: %q is not in it, or not in its place", text, line)
			}
			rest = rest[i+len(line):]
		}
	})
}
