package stormgen

import (
	"strings"
	"time"
)

// family is mail that one program writes to many, or time and again to one, and that differs
// in one thing: each is wanted, wherever it goes.
type family struct {
	name, subject string
	text          string // "%" is what differs; HTML if it begins with "<"
	differ        []string
}

// write is of the nth message of a family.
func (f family) write(_ *alike, n int) (string, []part) {
	text := strings.ReplaceAll(f.text, "%", f.differ[n])
	p := plain("%s\n", text)
	if strings.HasPrefix(text, "<") {
		p[0].typ = "text/html; charset=utf-8"
	}
	return f.subject, p
}

var (
	counted  = strings.Fields("118.20 118.21 118.30 81.20 18.20 1118.20 118.02 218.20 118.29 120.18 811.20 118")
	signed   = strings.Fields("+1 -1 +2 -2 +3 -3 +4 -4 +5 -5 +6 -6")
	dates    = strings.Split("2 March|3 March|4 March|5 March|6 March|9 March|10 March|11 March|12 March|13 March|16 March|17 March", "|")
	people   = strings.Fields("Ann Anna Anne Hanna Hannah Joan Joanna John Johanna Jon Jona Jonas")
	accented = strings.Fields("Hùng Hưng Hồng Hằng Hạng Hường Hãng Höng Hăng Hống Hüng Hàng")
	umlauts  = strings.Fields("Möller Müller Mäller Mòller Mùller Mèller Mêller Môller Mûller Møller Mœller Mýller")
	romans   = strings.Fields("Ⅰ Ⅱ Ⅲ Ⅳ Ⅴ Ⅵ Ⅶ Ⅷ Ⅸ Ⅹ Ⅺ Ⅻ")
	shares   = strings.Fields("½ ¼ ¾ ⅓ ⅔ ⅛ ⅜ ⅝ ⅞ ⅕ ⅖ ⅗")
	prices   = strings.Fields("€5 £5 ¥5 ₹5 $5 ₽5 ₩5 ₪5 ₺5 ฿5 ₴5 5")
	seats    = strings.Fields("A1 A2 A3 A4 A5 A6 B1 B2 B3 B4 B5 B6")
	grades   = strings.Fields("A B C D E F A+ A- B+ B- C+ C-")
	ranks    = strings.Fields("★★★★★ ★★★★☆ ★★★☆☆ ★★☆☆☆ ★☆☆☆☆ ☆☆☆☆☆ ★☆★☆★ ☆★☆★☆ ☆☆☆☆★ ☆☆☆★★ ☆☆★★★ ☆★★★★")
	tokens   = strings.Fields("qWzR81 qWzR82 qWzR91 aWzR81 bWzR81 cWzR81 dWzR81 eWzR81 fWzR81 gWzR81 hWzR81 iWzR81")
	marks    = strings.Fields("✅ ❌ ⚠ ⏳ 🔴 🟢 🟡 ➡ ⬆ ⬇ 🔵 🟣")
	jobs     = strings.Fields("cook baker smith tailor clerk nurse porter sailor mason glazier cooper printer")
	said     = []string{
		"The roof is to be mended.", "The roof is not to be mended.", "The roof was mended.", "The fee stays.", "The fee goes up.", "The fee goes down.",
		"The chair resigns.", "The chair stays.", "The ball is off.", "The ball is on.", "Ann was elected.", "Nobody was elected.",
	}
	letters = map[string][]string{
		"Chinese": strings.Split("安|柏|程|达|恩|方|高|韩|嘉|康|林|梅", "|"), "Japanese": strings.Split("安田|石田|上田|江田|岡田|加田|木田|久田|小田|佐田|志田|須田", "|"),
		"Russian": strings.Fields("Анна Алла Инна Нина Нонна Ася Зоя Майя Рая Тая Яна Ева"), "Arabic": strings.Fields("سلمى سارة سمر سحر سناء سهى هدى هند هبة منى مها ندى"),
		"Arabic digits": strings.Fields("٤٧ ٤٨ ٤٩ ٥٠ ٥١ ٥٢ ٥٣ ٥٤ ٥٥ ٥٦ ٥٧ ٥٨"), "Thai": strings.Fields("สมชาย สมหญิง สมศรี สมบัติ สมพร สมใจ สมปอง สมคิด สมนึก สมบูรณ์ สมหมาย สมจิต"),
		"Hindi": strings.Fields("राम रमा रीमा रूमा रोमा रमी रमे रमो रामा रामी रामे रामो"), "Greek": strings.Fields("Άννα Ελένη Μαρία Σοφία Ζωή Ειρήνη Νίκη Δάφνη Θάλεια Ήρα Ίρις Ρέα"),
		"Korean": strings.Fields("김 이 박 최 정 강 조 윤 장 임 한 오"),
	}
	notices = map[string]string{
		"Chinese": "尊敬的%，您好，您的体检结果已经可以在本院网站上查询，请在三十天之内凭身份证件领取纸质报告，如有疑问请与我们联系。", "Japanese": "%様、いつもお世話になっております。お申し込みいただいた件につきまして、下記の通り受付が完了いたしましたのでお知らせいたします。",
		"Russian":       "Уважаемая %, результаты вашего обследования готовы, их можно получить в регистратуре поликлиники в любой рабочий день, не забудьте взять с собой паспорт и полис.",
		"Arabic":        "السيدة % المحترمة، نتائج الفحص الخاص بك جاهزة ويمكنك استلامها من مكتب الاستقبال في أي يوم عمل، يرجى إحضار بطاقة الهوية معك عند الزيارة",
		"Arabic digits": "رقم الموعد الخاص بك هو % يرجى الحضور قبل الموعد بربع ساعة وإحضار بطاقة الهوية معك إلى مكتب الاستقبال في الطابق الأول من المبنى",
		"Thai":          "เรียนคุณ% ผลการตรวจสุขภาพของท่านพร้อมแล้ว ท่านสามารถติดต่อรับผลได้ที่แผนกเวชระเบียนทุกวันทำการ กรุณานำบัตรประชาชนมาด้วย",
		"Hindi":         "प्रिय % जी, आपकी जाँच की रिपोर्ट तैयार है और आप उसे किसी भी कार्य दिवस पर स्वागत कक्ष से ले सकते हैं, कृपया अपना पहचान पत्र साथ लाएँ और समय पर आएँ",
		"Greek":         "Αγαπητή %, τα αποτελέσματα των εξετάσεών σας είναι έτοιμα και μπορείτε να τα παραλάβετε από τη γραμματεία κάθε εργάσιμη ημέρα, φέρτε μαζί την ταυτότητά σας",
		"Korean":        "% 고객님 안녕하세요 신청하신 건강 검진 결과가 준비되어 있으니 평일 업무 시간에 신분증을 가지고 접수 창구로 방문해 주시기 바랍니다 문의 사항은 전화로 연락 주십시오",
	}
)

// families are all of them.
var families = func() []family {
	fs := []family{
		{"statements", "Your statement", "Dear customer, your account at the savings bank of the old harbour has the balance %. The next statement comes in a month, as always." + shopFoot, counted},
		{"changes of an account", "Your account", "Dear customer, on your account at the savings bank of the old harbour something has changed by % today, and the rest is as it was." + shopFoot, signed},
		{"invoices in the text", "Invoice", "Please pay % to the account below within fourteen days, and name the number of your contract where the form has room for it." + shopFoot, counted},
		{"parking tickets", "Your parking ticket", "The car with the plate HH %: it stood where no car may stand, and we have to ask you for the usual fine, to be paid at the town hall." + shopFoot, seats},
		{"exam results", "Your result", "Dear student, your paper of last month has been marked, and the mark is %. You may look at it in the office of the school until Friday." + shopFoot, grades},
		{"exam results by name", "Result", "Dear teacher, the paper of % has been marked, and has passed. You may look at it in the office of the school until Friday." + shopFoot, people},
		{"test results of patients", "Test result", "Dear doctor, the blood of patient % was looked at, and we found nothing that would have to worry you or the patient." + shopFoot, accented},
		{"test results of patients with umlauts", "Test result", "Dear doctor, the blood of patient % was looked at, and we found nothing that would have to worry you or the patient." + shopFoot, umlauts},
		{"tickets with seats", "Your ticket", "We look forward to seeing you at the opera of the harbour town. Your seat is %, doors open an hour before the play begins." + shopFoot, seats},
		{"tickets with a picture", "Your ticket", "<p>We look forward to seeing you at the opera of the harbour town. Show this code at the door, which is open an hour before the play begins.</p><img src=\"https://opera.example.org/code/%.png\"><p>" + shopFoot + "</p>", tokens},
		{"states told by a picture", "State of the pumps", "<p>The state of the pumps at the old quay, as it was when this mail was written by the machine that watches them for us day and night:</p><img alt=\"%\" src=\"cid:state\"><p>" + shopFoot + "</p>", jobs},
		{"forms filled in", "Your answer", "<form action=\"https://shop.example.org/a\"><p>Thank you for having filled in our form about the harbour. This is what you told us, and you may change it until tomorrow:</p><input name=\"a\" value=\"%\"></form><p>" + shopFoot + "</p>", jobs},
		{"minutes of meetings", "Minutes", "Present were all but two members of the board. The minutes of the last meeting were read and approved. % The meeting was closed in the evening." + shopFoot, said},
		{"job alerts", "New job", "There is a new job that may be for you: a % is wanted in a workshop at the old harbour, from next month on, by day and well paid." + shopFoot, jobs},
		{"price lists", "Prices", "These are the prices of the week for all that swims. Herring is two crowns, cod is five crowns, plaice is four crowns, and eel is % this week." + shopFoot, prices},
		{"recipes", "Recipe of the day", "Take % cup of flour, three eggs, some milk and a little salt, stir it well, and bake it in a hot pan until both sides are brown." + shopFoot, shares},
		{"chapters", "The next chapter", "Here is chapter % of the novel that you are reading with us. You find it behind the link on our page, as all that came before it." + shopFoot, romans},
		{"password resets", "Your password", "<p>Somebody, we hope you, has asked for a new password at the shop at the old harbour. This link lets you choose one, and holds for an hour.</p><a href=\"https://shop.example.org/r/%\">Choose a password</a><p>" + shopFoot + "</p>", tokens},
		{"shared documents", "A document was shared with you", "The clerk of the harbour has shared a document with you. It is called %, and lies in the folder of the board, where you may read and change it." + shopFoot, jobs},
		{"dunning letters", "Reminder", "We still wait for your payment of last month. Please pay by % at the latest, so that we need not send you another reminder with costs." + shopFoot, dates},
		{"opinions", "A new opinion", "Somebody has written what he thinks of your shop at the old harbour. He gives it %, and says that he will come again with friends." + shopFoot, ranks},
		{"checks", "Check", "The nightly check of the pumps at the old quay has ended, and this is what it says of the third pump from the left: % and of all others nothing." + shopFoot, marks},
	}
	for _, l := range []string{"Chinese", "Japanese", "Russian", "Arabic", "Arabic digits", "Thai", "Hindi", "Greek", "Korean"} {
		fs = append(fs, family{"notices in " + l, "A notice", notices[l], letters[l]})
	}
	return fs
}()

// paces are how a family may come: what tells its messages apart, but for what differs.
func paces(f family) []alike {
	const from = "Office <office@shop.example.org>"
	return []alike{
		{name: f.name, from: from, write: f.write, gap: 10 * time.Second},
		{name: f.name + " in one second", from: from, write: f.write, direct: true},
		{name: f.name + " in one second by a server without queue IDs", from: from, write: f.write, oneID: true, stale: true},
		{name: f.name + " in one session", from: from, write: f.write, session: "via tcp with ESMTPS id dJ0zq1vLfT3mCk"},
		{name: f.name + " in one session with one Message-ID", from: from, write: f.write, oneID: true, session: "(JAMES SMTP Server 3.8) with ESMTP ID 3f6a90c2"},
	}
}
