package message

// What mail programs and servers put above what somebody answers, forwards or gets back, one
// list for each question, in all languages that we know. All words are in lower case, with
// single blanks and straight apostrophes.

// labels are what the fields of a message are called above a quotation and in running text.
var labels = map[string][]string{
	"Message-ID": {
		"message-id", "message id", "messageid",
	},
	"From": {
		"from", "von", "de", "da", "od", "от", "от кого", "发件人", "寄件者", "发件人地址", "發件人地址", "送信者", "差出人", "보낸 사람", "från", "fra", "lähettäjä", "feladó",
		"felado", "küldő", "gönderen", "kimden", "από", "αποστολέας", "подател", "изпращач", "від", "expeditor", "de la", "pošiljatelj", "pošiljateľ",
		"odesílatel", "odosielateľ", "šalje", "saatja", "kellelt", "nuo", "siuntėjas", "bidaltzailea", "nork", "frá", "寄件人", "發件人", "發送者", "发信人", "發信人",
		"보낸사람", "발신자", "발신", "מאת", "من", "مرسل", "از", "จาก", "ผู้ส่ง", "từ", "người gửi", "dari", "pengirim", "daripada", "प्रेषक", "से", "sender",
		"gesendet von", "expéditeur", "remitente", "mittente", "remetente", "afzender", "nadawca", "отправитель", "avsändare", "afsender", "avsender",
	},
	"To": {
		"to", "an", "à", "para", "a", "aan", "do", "кому", "收件人", "收件者", "宛先", "받는 사람", "till", "til", "vastaanottaja", "címzett", "kime", "komu",
		"cimzett", "către", "catre", "до", "προς", "za", "prima", "adressaat", "kellele", "kam",
		"iki", "per a", "收信人", "수신", "אל", "إلى", "الى", "ถึง", "đến",
		"kepada", "प्रति",
	},
	"Cc": {
		"cc", "bcc", "kopie", "copie", "cópia", "kopia", "копия", "抄送", "副本", "참조", "másolat",
	},
	"Subject": {
		"subject", "message subject", "original subject", "with subject", "the subject of the message is", "subject of the message", "subject was",
		"your message with the subject", "subject of your message", "betreff", "objet", "asunto", "oggetto", "assunto", "onderwerp", "temat", "тема", "主题",
		"主旨", "郵件主題", "メール標題", "邮件主题", "原邮件主题", "件名", "제목", "ämne", "emne", "aihe", "předmět", "tárgy", "konu", "predmet", "targy", "sujet", "assumpte",
		"subiect", "message title", "email subject", "e-mail subject", "относно", "θέμα", "naslov", "teema", "temats", "tēma", "tema", "gaia", "efni",
		"zadeva", "naslov poruke", "主題", "標題", "标题", "נושא", "الموضوع", "موضوع", "เรื่อง", "หัวข้อ", "chủ đề", "tiêu đề", "perihal", "subjek", "subyek",
		"विषय", "betr", "betrifft",
	},
	"Date": {
		"date", "sent", "sent date", "sent on", "date sent", "the date of the message is", "message sent on", "datum", "gesendet", "gesendet am", "envoyé",
		"envoyé le", "enviado", "enviado el", "fecha", "enviados", "inviato", "data", "enviada em", "enviado em", "enviada", "verzonden", "wysłano",
		"дата", "отправлено", "日期", "发送时间", "时间", "發送時間", "送信時間", "日時", "日付", "送信日時", "보낸 날짜", "skickat", "sendt", "lähetetty", "odesláno", "dátum",
		"dato", "tarih", "päivämäärä", "date submitted", "sent at", "изпратено", "надіслано", "відправлено", "gönderildi", "gönderme tarihi",
		"gönderilme tarihi", "στάλθηκε", "ημερομηνία", "poslano", "poslato", "saadetud", "kuupäev", "nosūtīts", "datums", "išsiųsta", "enviat", "elküldve",
		"küldve", "odoslané", "trimis", "dată", "päiväys", "发送日期", "寄件日期", "傳送時間", "傳送日期", "送信日", "보낸 시간", "보낸시간", "보낸날짜", "보낸 일시", "날짜", "발신일", "נשלח",
		"תאריך", "تاريخ الإرسال", "تم الإرسال", "التاريخ", "تاريخ", "ارسال شده", "วันที่ส่ง", "วันที่", "ส่ง", "ngày", "đã gửi", "đã gửi lúc", "tanggal",
		"dikirim", "dihantar", "tarikh", "भेजा गया", "दिनांक", "wysłane", "wysłana", "data invio", "verzonden op", "datum verzonden", "sendt den",
		"date d'envoi", "fecha de envío", "data de envio", "дата отправки",
	},
	"Received": {
		"received",
	},
	"MIME-Version": {
		"mime-version",
	},
	"Return-Path": {
		"return-path",
	},
	"Content-Type": {
		"content-type",
	},
}

// fieldNames are labels the other way round.
var fieldNames = func() map[string]string {
	names := map[string]string{}
	for name, all := range labels {
		for _, l := range all {
			names[l] = name
		}
	}
	return names
}()

// titles stand behind dashes above what is answered or forwarded.
var titles = []string{
	"original message", "original appointment", "original mail", "original-nachricht", "originalnachricht", "original", "ursprüngliche",
	"weitergeleitete", "message d'origine", "message original", "message transféré", "message réexpédié", "message transmis", "mensaje original",
	"mensaje reenviado", "messaggio originale", "messaggio inoltrato", "mensagem original", "mensagem encaminhada", "mensagem reencaminhada",
	"oorspronkelijk", "origineel bericht", "doorgestuurd", "oryginalna wiadomość", "wiadomość oryginalna", "wiadomość przekazana",
	"przekazana wiadomość", "przesłana wiadomość", "treść przekazanej", "treść oryginalnej", "исходное сообщение", "исходное письмо", "пересланное",
	"пересылаемое", "перенаправленное", "вихідне повідомлення", "оригінальне повідомлення", "переслане", "ursprungligt meddelande",
	"originalmeddelande", "vidarebefordrat", "oprindelig meddelelse", "original meddelelse", "videresendt", "opprinnelig melding",
	"alkuperäinen viesti", "välitetty viesti", "edelleenlähetetty", "původní zpráva", "původní e-mail", "přeposlaná", "pôvodná správa", "preposlaná",
	"eredeti üzenet", "továbbított", "orijinal mesaj", "özgün ileti", "orijinal ileti", "iletilen", "yönlendirilen", "αρχικό μήνυμα",
	"προωθημένο μήνυμα", "mesaj original", "mesajul original", "mesaj redirecționat", "mesaj trimis", "оригинално съобщение", "препратено",
	"izvorna poruka", "originalna poruka", "proslijeđena", "prosleđena", "оригинална порука", "izvirno sporočilo", "posredovano", "algne kiri",
	"algne sõnum", "edastatud", "sākotnējā ziņa", "oriģinālais ziņojums", "pārsūtīt", "pradinis laiškas", "originalus laiškas", "persiųst",
	"missatge original", "missatge reenviat", "jatorrizko mezua", "mensaxe orixinal", "upprunaleg skilaboð", "原始邮件", "原始郵件", "原邮件", "原郵件", "转发邮件",
	"轉寄郵件", "转发的邮件", "轉寄的郵件", "转发信息", "元のメッセージ", "元のメール", "転送メッセージ", "転送された", "원본 메일", "원본 메시지", "원본메일", "원래 메시지", "전달된 메일", "전달된 메시지", "הודעה מקורית",
	"הודעה שהועברה", "الرسالة الأصلية", "رسالة أصلية", "رسالة معاد", "پیام اصلی", "ข้อความต้นฉบับ", "ข้อความที่ส่งต่อ", "thư gốc", "tin nhắn gốc",
	"thư được chuyển", "pesan asli", "pesan terusan", "mesej asal", "मूल संदेश", "अग्रेषित", "neges wreiddiol", "forwarded", "reply message",
	"reply to message", "begin forwarded", "start of forwarded",
}

// openings are such titles that have no dashes and end in a colon, as of Apple Mail.
var openings = []string{
	"begin forwarded message", "anfang der weitergeleiteten", "beginn der weitergeleiteten", "weitergeleitete nachricht", "début du message",
	"message transféré", "inizio messaggio inoltrato", "inizio del messaggio inoltrato", "inicio del mensaje", "início da mensagem",
	"begin doorgestuurd bericht", "begin van doorgestuurd", "doorgestuurd bericht", "vidarebefordrat brev", "vidarebefordrat mail",
	"vidarebefordrat meddelande", "start på videresendt", "videresendt melding", "videresendt besked", "videresendt meddelelse", "välitetty viesti",
	"edelleenlähetetty viesti", "początek przekazywanej", "początek przekazanej", "přeposlaná zpráva", "začátek přeposlané", "začiatok preposlanej",
	"továbbított levél", "továbbított üzenet", "iletilen mesaj", "yönlendirilen mesaj", "αρχή προωθημένου", "începutul mesajului",
	"начало переадресованного", "начало пересланного", "початок переадресованого", "početak proslijeđene", "下面是被转发的邮件", "以下是转发的邮件", "以下是被转发", "開始轉寄郵件",
	"以下是轉寄", "転送されたメッセージ", "전달된 메시지", "התחלת הודעה", "بدء الرسالة", "inici del missatge",
}

// wrotes are the words of a line that says who wrote what stands below it.
var wrotes = []string{
	"wrote", "writes", "schrieb", "hat geschrieben", "a écrit", "a écrit", "escribió", "escribio", "ha scritto", "scrive", "escreveu", "schreef",
	"napisał(a)", "napisał", "napisała", "pisze", "написал(а)", "написал", "написала", "пишет", "писал", "написав", "написала", "пише", "skrev",
	"skriver", "kirjoitti", "napsal(a)", "napsal", "napsala", "napísal(a)", "napísal", "napísala", "ezt írta", "írta", "yazdı", "şunu yazdı",
	"şunları yazdı", "έγραψε", "a scris", "написа", "je napisao", "je napisala", "napisao", "napisala", "je napisal", "napisal", "kirjutas", "rakstīja",
	"parašė", "rašė", "va escriure", "ha escrit", "idatzi du", "escribiu", "skrifaði", "写道", "寫道", "写到", "のメール", "書きました", "が書いた", "님이 작성", "님이 쓴", "작성",
	"작성한 글", "כתב/ה", "כתב", "כתבה", "כתב‏", "كتب", "كتبت", "نوشت", "เขียนว่า", "เขียน", "đã viết", "viết", "menulis", "menulis pesan", "ने लिखा",
	"ysgrifennodd", "a écrit le", "s'ha escrit",
}

// tags are what gateways put in front of any subject. Those of ticket systems, lists and
// build servers tell mail apart and are none.
var tags = []string{
	"[extern]", "[external]", "[ext]", "[external email]", "[external sender]", "[externe]", "[externo]", "[esterno]", "[spam]", "[suspected spam]",
	"[possible spam]", "[spam?]", "[junk]", "[bulk]", "[caution]", "[warning]", "***spam***", "*****spam*****", "*** spam ***", "{spam?}", "{spam}",
	"external:", "extern:", "[外部]", "[外部邮件]",
}

// replies are the marks before the colon of a subject that is answered or forwarded.
var replies = set(
	"re", "aw", "antw", "sv", "vs", "vl", "odp", "ynt", "ilt", "enc", "res", "rif", "rép", "réf", "r", "i", "fw", "fwd", "wg", "wtr", "tr", "rv", "fs",
	"vb", "doorst", "pd", "vá", "válasz", "továbbítás", "tov", "απ", "πρθ", "σχετ", "προωθ", "bls", "atb", "odg", "prosl", "отв", "отг", "пересл", "нa",
	"hа", "відп", "відповідь", "перес", "пд", "ats", "perd", "vast", "edasi", "pārs", "rsp", "回复", "回覆", "答复", "答覆", "回信", "转发", "轉寄", "轉發", "返信", "転送",
	"답장", "회신", "전달", "השב", "תשובה", "תגובה", "הועבר", "رد", "ردّ", "إعادة توجيه", "پاسخ", "بازارسال", "ตอบ", "ตอบกลับ", "ส่งต่อ", "trả lời",
	"chuyển tiếp", "chuyển", "terusan", "उत्तर", "अग्रेषित", "yml", "ymlaen", "ref",
)

// daemons are the local parts from which mail systems send their reports, without what joins
// their words.
var daemons = set(
	"mailerdaemon", "maildaemon", "mdaemon", "maildeliverysystem", "maildeliverysubsystem", "deliverysubsystem", "mailsubsystem", "smtpdaemon", "mmdf", "pmdf",
)

// quoters are classes, ids and names of elements of HTML in which mail programs put what they
// quote: of Gmail and its kin, Yahoo, Proton, Tuta, Zoho, Thunderbird, Yandex, web.de; and of
// Outlook, which puts the head into one, and what it quotes behind that.
var quoters = map[string]scope{
	"gmail_quote": container, "gmail_quote_container": container, "gmail_extra": container, "yahoo_quoted": container, "yahoo-quoted": container, "protonmail_quote": container,
	"tutanota_quote": container, "zmail_extra": container, "quote": container, "quoted": container, "moz-forward-container": container, "moz-email-headers-table": container,
	"isreplycontent": container, "isforwardcontent": container, "cyrus_quote": container, "mailspring-quoted-text": container, "gmx_quote": container,
	"divrplyfwdmsg": theRest, "appendonsend": theRest, "outlookmessageheader": theRest, "olk_src_body_section": theRest, "mail-editor-reference-message-container": theRest,
	"ms-outlook-mobile-reference-message": theRest, "replysplit": theRest, "reply-intro": theRest, "stopspelling": theRest,
}

var (
	dashed   = NewPhrases(titles)
	undashed = NewPhrases(openings)
	wrote    = NewPhrases(wrotes)
)

func set(words ...string) map[string]bool {
	all := map[string]bool{}
	for _, w := range words {
		all[w] = true
	}
	return all
}
