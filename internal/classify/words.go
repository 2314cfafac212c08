package classify

import "regexp"

// What automatic replies, challenges and complaints say that carry no field for it, one table
// for each question. All phrases are in lower case, with single blanks and straight apostrophes.

// prefixes are what programs put before the subject that they answer. A person's answer to
// such a subject begins with "Re:".
var prefixes = []string{
	"automatic reply:", "automatic reply from", "auto reply:", "auto-reply:", "autoreply:", "auto reply to", "auto-reply to", "auto reply from",
	"auto-reply from", "auto-response from", "auto response from", "auto-respond e-mail from", "automatically generated response from", "automated reply:", "automatic response:", "automatic response to", "auto response:", "auto-response:", "autoresponse:",
	"automated response:", "autorespond:", "auto:", "[auto-reply]", "[auto reply]", "[autoreply]", "[auto response]", "[automatic reply]",
	"(auto reply)", "(auto-reply)", "out of office:", "out of office autoreply", "out of office reply", "out of office auto reply", "out-of-office:",
	"out of office message", "out of office notification", "vacation reply", "yahoo! auto response", "autoreply from", "autoreply re:",
	"automatic out of office", "abwesenheitsnotiz", "abwesenheitsnachricht", "abwesenheitsmeldung", "automatische antwort", "automatische abwesenheit",
	"automatische rückantwort", "automatische nachricht", "automatische e-mail-antwort", "abwesenheitsassistent", "out of office (automatische",
	"autom. antwort", "réponse automatique", "reponse automatique", "réponse d'absence", "réponse auto", "absence du bureau", "absent du bureau",
	"absent(e) du bureau", "message d'absence", "notification d'absence", "avis d'absence", "message automatique d'absence", "respuesta automática",
	"respuesta automatica", "fuera de la oficina", "autorrespuesta", "autorespuesta", "contestador automático", "erantzun automatikoa", "contestación automática", "mensaje de ausencia", "aviso de ausencia",
	"resposta automática", "resposta automatica", "aviso de ausência", "risposta automatica", "assenza dall'ufficio", "assente dall'ufficio",
	"messaggio di assenza", "avviso di assenza", "risponditore automatico", "resposta automàtica", "automatisch antwoord", "automatische reactie",
	"automatische beantwoording", "automatische reply", "afwezigheidsassistent", "afwezigheidsbericht", "afwezigheidsmelding", "odpowiedź automatyczna",
	"automatyczna odpowiedź", "[automatyczna odpowiedź", "autoodpowiedź", "autoresponder:", "автоматический ответ", "автоматическое уведомление",
	"автоответ", "автовідповідь", "отсутствие на рабочем месте", "автоматична відповідь", "automatická odpověď", "automatická odpoveď", "automatski odgovor",
	"automatický e-mail", "samodejni odgovor", "автоматичен отговор", "аутоматски одговор", "autosvar", "automatiskt svar", "automatisk svar",
	"automatisk besked", "fraværsassistent", "automaattinen vastaus", "automaattivastaus", "poissaoloilmoitus", "sjálfvirkt svar", "ārpus biroja",
	"arpus biroja", "automātiska atbilde", "automatiska atbilde", "automatinis atsakymas", "automaatvastus", "automaatne vastus", "automatikus válasz",
	"răspuns automat", "raspuns automat", "otomatik yanıt", "otomatik cevap", "αυτόματη απάντηση", "自动答复", "自动回复", "自動回覆", "自動回復", "自動答覆", "外出自动回复",
	"休假自动", "yahoo! 来信自动回复", "来信自动回复", "自動応答", "自動返信", "【自動返信】", "[自動返信]", "(自動返信)", "（自動返信）", "【自動応答】", "【自動配信】", "自動配信", "不在通知", "자동 회신", "자동회신", "부재중 자동응답",
	"자동 응답", "자동응답", "tự động trả lời", "trả lời tự động", "balasan otomatis", "jawapan automatik", "ตอบกลับอัตโนมัติ", "รายการตอบรับอัตโนมัติ",
	"رد تلقائي", "תשובה אוטומטית", "מענה אוטומטי",
	"[자동응답]", "[자동 응답]", "[자동회신]", "【自动回复】", "[自动回复]", "【自動回覆】", "[automatische antwort]", "[réponse automatique]", "[respuesta automática]",
	"[risposta automatica]", "[resposta automática]", "[autoresponder]", "[автоответ]", "autosvar:", "automatische eingangsbestätigung",
	"mensaje automático: ausencia", "mensaje automático de ausencia", "mensagem automática: ausência", "message automatique : absence",
	"message automatique: absence", "messaggio automatico di assenza",
	"automated out of office", "away message:", "courriel automatique", "respuesta de ausencia", "mensagem automática de ausência",
	"notificación de ausencia", "notifica di assenza", "niet-aanwezigheidsassistent", "asystent podczas nieobecności", "ассистент отсутствия",
	"[out of office]",
	"sjálfvirk svörun", "ateb awtomatig", "ymateb awtomatig", "allan o'r swyddfa", "allan o swyddfa", "allan o ofis", "freagra uathoibríoch",
	"स्वचालित उत्तर", "स्वचालित जवाब", "स्वतः उत्तर", "स्वत: उत्तर", "پاسخ خودکار", "خودکار جواب", "автоматты жауап", "автомат җавап", "автомат хариу",
	"автоматски одговор", "аўтаматычны адказ", "awtomatikong tugon", "awtomatikong sagot", "përgjigje automatike", "avtomatik cavab", "avtomatik javob",
	"ავტომატური პასუხი", "ինքնաշխատ պատասխան", "ավտոմատ պատասխան", "স্বয়ংক্রিয় উত্তর", "தானியங்கு பதில்", "తక్షణ ప్రత్యుత్తరం",
	"స్వయంచాలక ప్రత్యుత్తరం", "ಸ್ವಯಂಚಾಲಿತ ಪ್ರತ್ಯುತ್ತರ", "സ്വയമേവയുള്ള മറുപടി", "स्वयंचलित उत्तर", "સ્વચાલિત જવાબ", "outomatiese antwoord",
	"jibu la kiotomatiki", "automatesch äntwert", "tweġiba awtomatika", "ການຕອບກັບອັດຕະໂນມັດ", "ចម្លើយស្វ័យប្រវត្តិ", "automatisch äntwert",
	"автоматик җавап",
}

// absences are such words that people put before their subjects as well.
var absences = []string{
	"ooo:", "ooo re:", "oof:", "oof re:", "ooto:", "vacation:", "vacation re:", "vacation message", "vacation notice", "away:", "away from my mail", "away from mail", "abwesend:",
	"abwesenheit:", "urlaubsnotiz", "urlaubsbenachrichtigung", "absence:", "absence :", "absent:", "absent :", "ausencia:", "ausencia de la oficina",
	"ausente de la oficina", "ausência temporária", "fuera de oficina", "fora da empresa", "fora do escritorio", "fora do escritório",
	"ausente do escritório", "ausência do escritório", "fuori sede", "fuori ufficio", "afwezig:", "afwezigheid:", "niet aanwezig:", "niet op kantoor",
	"buiten kantoor", "poza biurem", "nieobecność w biurze", "nieobecny w biurze", "nieobecność:", "отсутствует на рабочем месте", "вне офиса",
	"нет на работе", "поза офісом", "mimo kancelář", "mimo kanceláriu", "nepřítomnost:", "neprítomnosť", "odsutan", "odsotnost", "fravær:",
	"fraværende", "ikke til stede", "ikke på kontoret", "frånvaro", "frånvarande", "ej på plats", "poissa:", "poissaoloviesti", "poissa toimistosta", "lomailmoitus",
	"fjarverandi", "semester:", "atvaļinājum", "nesu biure", "kontorist väljas", "házon kívül", "irodán kívül", "în afara biroului", "ofis dışında",
	"ofis dışı", "εκτός γραφείου", "απουσία από το γραφείο", "不在办公室", "不在辦公室", "外出:", "不在のお知らせ", "不在連絡", "休暇のお知らせ", "外出中", "부재 중", "부재중", "خارج المكتب",
	"מחוץ למשרד", "out of the office:", "out of office re:", "on vacation", "out of the office",
	"nieobecny:", "nieobecna:", "nieobecność ", "нет на рабочем месте", "не в офисе", "отпуск:", "не на месте:", "不在:", "不在：", "外出先:", "休暇:", "休假:",
	"出差:", "休假中", "out of town:", "on leave:", "annual leave:", "maternity leave:", "parental leave:", "holiday:", "ich bin im urlaub", "im urlaub:",
	"urlaub:", "außer haus:", "nicht im büro:", "en congé:", "en congé :", "en vacances:", "en vacances :", "de vacaciones:", "vacaciones:",
	"in ferie:", "ferie:", "férias:", "de férias:", "op vakantie:", "vakantie:", "met verlof:", "na urlopie:", "urlop:",
	"cuti:", "bercuti:", "estou de férias", "pe concediu", "на почивка", "на одмор", "i fríi", "wyliau", "در مرخصی", "демалыста", "छुट्टी पर",
}

// unmistakable are the prefixes, and words within a subject, that nobody but a program
// writes, so that they need no second sign.
var unmistakable = []string{
	"automatic reply:", "auto reply:", "auto-reply:", "autoreply:", "out of office autoreply:", "out of office auto reply:", "[auto-reply]",
	"[autoreply]", "[auto reply]", "yahoo! auto response", "abwesenheitsnotiz:", "automatische antwort:", "réponse automatique :",
	"réponse automatique:", "absence du bureau :", "respuesta automática:", "fuera de la oficina:", "risposta automatica:", "resposta automática:",
	"automatisch antwoord:", "automatische reactie:", "odpowiedź automatyczna:", "automatyczna odpowiedź:",
	"[automatyczna odpowiedź]", "автоматический ответ:", "автоматична відповідь:", "automatická odpověď:", "automatická odpoveď:", "autosvar:",
	"automatiskt svar:", "automatisk svar:", "automaattinen vastaus:", "automatikus válasz:", "răspuns automat:", "otomatik yanıt:",
	"αυτόματη απάντηση:", "automatinis atsakymas:", "automātiska atbilde:", "automaatvastus:", "自动答复:", "自动答复：", "自动回复:", "自动回复：", "自動回覆:", "自動回覆：",
	"自動応答:", "自動応答：", "自動返信:", "自動返信：", "【自動返信】", "[自動返信]", "(自動返信)", "（自動返信）", "자동 회신:", "자동 회신：", "yahoo! 来信自动回复",
	"resposta automàtica:", "erantzun automatikoa:", "samodejni odgovor:", "automatski odgovor:", "аутоматски одговор:", "автоматичен отговор:", "автовідповідь:",
	"ตอบกลับอัตโนมัติ:", "trả lời tự động:", "balasan otomatis:", "תשובה אוטומטית:", "رد تلقائي:",
	"sjálfvirk svörun:", "ateb awtomatig:", "ymateb awtomatig:", "freagra uathoibríoch:", "स्वचालित उत्तर:", "स्वचालित जवाब:", "स्वतः उत्तर:",
	"स्वत: उत्तर:", "پاسخ خودکار:", "خودکار جواب:", "автоматты жауап:", "автомат җавап:", "автомат хариу:", "автоматски одговор:", "аўтаматычны адказ:",
	"awtomatikong tugon:", "awtomatikong sagot:", "përgjigje automatike:", "avtomatik cavab:", "avtomatik javob:", "ავტომატური პასუხი:",
	"ինքնաշխատ պատասխան:", "ավտոմատ պատասխան:", "স্বয়ংক্রিয় উত্তর:", "தானியங்கு பதில்:", "తక్షణ ప్రత్యుత్తరం:", "స్వయంచాలక ప్రత్యుత్తరం:",
	"ಸ್ವಯಂಚಾಲಿತ ಪ್ರತ್ಯುತ್ತರ:", "സ്വയമേവയുള്ള മറുപടി:", "स्वयंचलित उत्तर:", "સ્વચાલિત જવાબ:", "outomatiese antwoord:", "jibu la kiotomatiki:",
	"automatesch äntwert:", "tweġiba awtomatika:", "ການຕອບກັບອັດຕະໂນມັດ:", "ចម្លើយស្វ័យប្រវត្តិ:", "automatisch äntwert:", "автоматик җавап:",
}

// suffixes stand at the end of a subject that a program answers.
var suffixes = []string{
	"(automatic response)", "(automatic reply)", "(auto response)", "(auto reply)", "(auto-reply)", "(autoreply)", "(out of office)", "(away from the office)", "[auto reply]",
	"[auto-reply]", "(automated response)", "- auto reply", "- autoreply", "(automatische antwort)", "(réponse automatique)", "(respuesta automática)",
	"(risposta automatica)", "(resposta automática)", "(automatisch antwoord)", "(автоответ)", "(自動返信)", "（自動返信）", "【自動返信】", "[自動返信]", "（自動返信メール）",
	"(自動返信メール)", "（自動配信）", "（自動送信）", "(自动回复)", "（自动回复）", "自动回复", "自動回覆", "auto response", "auto-response", "autoresponse", "autoreply", "auto-reply",
	"auto reply",
	"[out of office]", "[automatic reply]", "[autoreply]", "[automatische antwort]", "[réponse automatique]", "[respuesta automática]", "[risposta automatica]", "[resposta automática]", "[автоответ]",
	"(svar automatik)", "[automatisk svar]", "[autosvar]",
}

// notes stand in the text of an automatic reply.
var notes = []string{
	"out of the office", "out of office", "out of my office", "on vacation", "on leave", "on holiday", "on annual leave", "away from my",
	"away from the office", "currently away", "annual leave", "maternity leave", "parental leave", "sick leave", "sabbatical", "paternity leave",
	"will be back", "be back in the office", "be back on", "back on monday", "will return on", "returning on", "limited access to e", "no access to e",
	"will not have access", "unable to respond", "will respond", "will reply to your", "upon my return", "on my return", "when i return",
	"when i get back", "i am away", "i'm away", "i will be away", "i'll be away", "no longer with", "no longer work", "has left the company",
	"left the company", "no longer in use", "not monitored", "automatic reply", "automatic response", "auto response", "auto-response",
	"automated response", "automated reply", "auto reply", "auto-reply", "autoreply", "autoresponder",
	"nicht im büro", "nicht im haus", "außer haus", "abwesend", "nicht anwesend", "im urlaub", "in elternzeit", "mutterschutz", "bin ab dem",
	"wieder erreichbar", "wieder im büro", "zurück am", "nicht erreichbar", "wird nicht weitergeleitet", "werden nicht weitergeleitet",
	"automatische antwort", "automatisch generiert", "automatische nachricht", "nicht mehr tätig", "nicht mehr im unternehmen",
	"absent", "en congé", "en vacances", "de retour", "en déplacement", "réponse automatique", "congé maternité", "serai de retour",
	"ne fait plus partie", "fuera de la oficina", "de vacaciones", "estaré ausente", "ausente", "de baja", "regreso", "vuelvo el",
	"respuesta automática", "ya no trabaja", "fuori ufficio", "fuori sede", "in ferie", "assente", "in vacanza", "al mio rientro", "rientrerò",
	"risposta automatica", "non lavora più",
	"férias", "ferias", "fora do escritório", "fora da empresa", "ausência", "licença", "retornarei", "estarei de volta", "resposta automática",
	"afwezig", "met vakantie", "op vakantie", "niet aanwezig", "niet op kantoor", "weer aanwezig", "met verlof", "zwangerschapsverlof",
	"automatisch antwoord", "urlop", "nieobecn", "poza biurem", "zwolnieni", "automatyczna odpowiedź", "wracam", "w biurze",
	"в отпуске", "отсутств", "в командировке", "на больничном", "буду доступ", "вернусь", "автоматический ответ", "автоответ", "відпуст", "不在", "休假",
	"外出", "出差", "度假", "回来后", "回复您", "尽快", "自动回复", "自動回覆", "自動返信", "自動応答", "休暇", "休業", "出張", "お休み", "返信が遅れ", "부재", "휴가", "출장", "자동",
	"semester", "ferie", "på ferie", "barsel", "tillbaka", "tilbage", "tilbake", "föräldraledig", "lomalla", "poissa", "palaan", "dovolen", "nepřítom",
	"szabadság", "nem vagyok", "távol", "izinde", "yıllık izin", "ofis dışında", "atvaļinājum", "prombūtn", "atostog", "puhkus", "concediu", "άδεια",
	"odmor", "godišnj", "отпуск", "nghỉ phép", "cuti", "إجازة", "בחופש", "בחופשה",
	"out until", "i am out", "i'm out", "is ooo", "not in use any more", "not in use anymore", "no longer use this address", "no longer read",
	"not read any more", "address has changed", "new address is", "new e-mail address", "new email address", "neue adresse",
	"adresse hat sich geändert", "nicht mehr gelesen", "nicht mehr verwendet", "adresse a changé", "nouvelle adresse", "plus utilisée",
	"dirección ha cambiado", "nueva dirección", "ya no se utiliza", "indirizzo è cambiato", "nuovo indirizzo", "non è più in uso", "endereço mudou",
	"novo endereço", "adres is gewijzigd", "nieuwe adres", "nieuw adres", "adres się zmienił", "nowy adres", "adres został zmieniony",
	"адрес изменился", "новый адрес", "新しいアドレス", "アドレスが変わ", "新邮箱", "新的邮箱", "de vacances", "vacacións", "ลาพัก", "พักร้อน", "ลางาน", "ไม่อยู่",
	"serai absent", "fríi", "fjarverandi", "wyliau", "i ffwrdd", "छुट्टी", "अवकाश", "مرخصی", "демалыс",
	"naka-leave", "bakasyon", "bercuti", "pushime", "məzuniyyət", "შვებულ", "արձակուրդ", "ছুটি", "விடுமுறை", "సెలవు", "con vakansie",
	"met vakansie", "likizo", "чөлөө", "адпачынк", "відпустц", "на почивка", "отпуска", "на одмор", "na dopust", "odsoten",
	"odsotna", "atvaļinājumā", "puhkusel", "lomal",
}

// automatic are the first words of texts that say what they are.
var automatic = []string{
	"this is an automatic reply", "this is an automatic response", "this is an automated reply", "this is an automated response",
	"this is an auto reply", "this is an auto-reply", "this is an autoreply", "this is an auto response", "this is an auto-response",
	"this is an autoresponse", "this is an autoresponder", "this is an auto-generated response", "this is an auto-generated reply",
	"this is an automatically generated reply", "this is an automatically generated response", "this message is an automatic reply",
	"this message is an automatic response", "this message is an automated response", "this email is an automatic reply",
	"this email is an automated response", "this e-mail is an automated response", "this e-mail is an automatic reply",
	"this email is an automatic response", "this is a computer generated response", "this is an automatic vacation",
	"automated out of office", "automatic out of office",
	"dies ist eine automatische antwort", "dies ist eine automatisierte antwort", "dies ist eine automatisch generierte antwort",
	"dies ist eine automatisch erstellte antwort", "diese antwort wurde automatisch", "dies ist eine automatische abwesenheit",
	"diese antwort wird automatisch", "ceci est une réponse automatique", "ceci est un message automatique d'absence", "cette réponse est automatique",
	"esta es una respuesta automática", "este mensaje es una respuesta automática", "esto es una respuesta automática",
	"questa è una risposta automatica", "questo è un messaggio di risposta automatic", "risposta generata automaticamente",
	"esta é uma resposta automática", "este é um e-mail de resposta automática", "dit is een automatisch antwoord", "dit is een automatische reactie",
	"dit is een automatisch gegenereerd antwoord", "dit is een automatische beantwoording", "to jest automatyczna odpowiedź",
	"to jest odpowiedź automatyczna", "ta odpowiedź została wygenerowana automatycznie", "это автоматический ответ",
	"это письмо является автоматическим ответом", "данное письмо является автоматическим ответом", "это автоответ", "这是自动回复", "这是一封自动回复", "此邮件为自动回复",
	"本邮件为自动回复", "這是自動回覆", "自动回复邮件", "このメールは自動返信", "本メールは自動返信", "これは自動返信", "こちらは自動返信", "自動返信メールです", "自動返信です", "自動応答メール", "이 메일은 자동", "자동 회신 메일",
	"detta är ett automatiskt svar", "dette er et automatisk svar", "dette er et autosvar", "tämä on automaattinen vastaus",
	"tämä on automaattivastaus", "toto je automatická odpověď", "toto je automatická odpoveď", "ez egy automatikus válasz", "bu otomatik bir yanıt",
	"bu bir otomatik yanıt", "αυτή είναι μια αυτόματη απάντηση", "acesta este un răspuns automat",
	"this message has been automatically generated in response to", "this message was automatically generated in response to",
	"this is an automatically generated acknowledgement", "this is an automatically generated acknowledgment", "this is an automated acknowledgement",
	"this is an automated acknowledgment",

	"this is an automated out of office", "diese nachricht wurde automatisch als antwort", "dies ist eine automatische eingangsbestätigung",
	"dies ist eine automatische empfangsbestätigung", "ce message est une réponse automatique", "ce mail est une réponse automatique",
	"ceci est un accusé de réception automatique", "ce message a été généré automatiquement en réponse", "este es un mensaje de respuesta automática",
	"este correo es una respuesta automática", "este es un acuse de recibo automático", "questo messaggio è una risposta automatica",
	"questa e-mail è una risposta automatica", "messaggio di risposta automatica", "esta mensagem é uma resposta automática",
	"este email é uma resposta automática", "esta é uma mensagem de resposta automática", "dit bericht is een automatisch antwoord",
	"deze e-mail is een automatisch antwoord", "dit is een automatische ontvangstbevestiging", "ta wiadomość jest automatyczną odpowiedzią",
	"ta wiadomość została wygenerowana automatycznie w odpowiedzi", "это автоматически созданный ответ",
	"это сообщение является автоматическим ответом", "это сообщение отправлено автоматически в ответ",
	"данное сообщение является автоматическим ответом", "此邮件是自动回复", "本邮件是自动回复", "此信为自动回复", "这是系统自动回复", "本郵件為自動回覆", "此郵件為自動回覆", "此信件為系統自動回覆",
	"本メールは自動応答", "自動返信にて", "自動応答です", "본 메일은 자동",
}

// confirming begin texts that go on with what is confirmed: the receipt of mail, or anything.
var confirming = []string{
	"this is an automated message to", "this is an automated email to", "this is an automated e-mail to", "this is an automated notification to",
	"this is an automated confirmation",
}

// thanks are what forms and ticket systems say when they have taken a message or a request.
// People say it, too.
var thanks = []string{
	"thank you for contacting", "thanks for contacting", "thank you for your message", "thanks for your message", "thank you for your inquiry",
	"thanks for your inquiry", "thank you for your enquiry", "thanks for your enquiry", "thank you for your email", "thank you for your e-mail",
	"thanks for your email", "thank you for getting in touch", "thanks for getting in touch", "thank you for reaching out", "thanks for reaching out",
	"thank you for writing", "thank you for your request", "thanks for your request", "thank you for your query", "thank you for your question",
	"thank you for your feedback", "thank you for your submission", "vielen dank für ihre anfrage", "vielen dank für ihre nachricht",
	"vielen dank für ihre mail", "vielen dank für ihre e-mail", "vielen dank für ihre kontakt", "danke für ihre anfrage", "danke für ihre nachricht",
	"danke für ihre e-mail", "danke für ihre mail", "merci pour votre message", "merci de votre message", "merci pour votre demande",
	"merci de votre demande", "merci pour votre e-mail", "merci pour votre mail", "gracias por contactar", "gracias por ponerse en contacto",
	"gracias por su mensaje", "gracias por tu mensaje", "gracias por su consulta", "gracias por tu consulta", "gracias por escribir",
	"gracias por comunicarse", "grazie per il tuo messaggio", "grazie per il suo messaggio", "grazie per la sua richiesta",
	"grazie per la tua richiesta", "obrigado por entrar em contato", "obrigado por nos contat", "obrigado por contactar", "obrigado pelo contato",
	"obrigado pelo seu contato", "obrigado pela sua mensagem", "agradecemos o contato", "agradecemos o seu contato", "agradecemos seu contato",
	"спасибо за обращение", "спасибо за заявку", "спасибо за сообщение", "感谢您的留言", "感谢您的来信", "感谢您的咨询", "感谢您联系", "感谢您的联系", "感謝您的來信", "感謝您的留言", "感謝您聯絡",
	"谢谢您的留言", "谢谢您的来信", "문의해 주셔서", "tack för ditt meddelande", "tack för ditt mejl", "tack för ditt mail", "tack för ditt ärende", "tack för att du kontakt",
	"tack för att du hör av dig", "tak for din henvendelse", "tak for din besked", "tak for din mail", "tak for din e-mail",
	"takk for din henvendelse", "takk for din melding", "takk for din e-post", "takk for at du kontakt", "takk for at du tok kontakt", "kiitos viestistä",
	"kiitos yhteydenotosta", "kiitos palautteesta", "köszönjük megkeresés", "köszönjük üzenet", "köszönjük érdeklődés", "mesajınız için teşekkür",
	"iletişime geçtiğiniz için", "cảm ơn bạn đã liên hệ", "cảm ơn quý khách đã liên hệ", "terima kasih telah menghubungi", "شكرا لتواصلك",
	"شكراً لتواصلك", "תודה על פנייתך",
	"תודה שפנית", "ขอบคุณที่ติดต่อ", "merci de nous avoir contact", "merci de nous avoir écrit", "grazie per aver contattato",
	"grazie per averci contattat", "grazie per averci scritto", "bedankt voor uw bericht", "bedankt voor uw aanvraag", "bedankt voor uw e-mail",
	"bedankt voor uw reactie", "bedankt voor je bericht", "dank voor uw bericht", "dank u voor uw bericht", "dziękujemy za wiadomość",
	"dziękujemy za kontakt", "dziękujemy za zgłoszenie", "dziękujemy za przesłanie", "спасибо за ваше письмо", "спасибо за вашу заявку",
	"благодарим за обращение", "благодарим вас за обращение", "дякуємо за звернення", "děkujeme za vaši zprávu", "děkujeme za váš dotaz",
	"ďakujeme za vašu správu", "tack för din förfrågan", "ευχαριστούμε για το μήνυμά", "ευχαριστούμε για την επικοινωνία", "vă mulțumim pentru mesaj",
	"terima kasih atas pesan", "hvala na vašoj poruci", "thank you for making contact", "vielen dank für deine nachricht", "danke für deine nachricht",
}

// receipts say that something was taken, as people hardly do.
var receipts = []string{
	"received your message", "received your email", "received your e-mail", "received your inquiry", "received your enquiry", "received your request",
	"received your query", "received your question", "received your submission", "received your feedback", "received your mail",
	"received your contact", "received your ticket", "received your support request", "your message has been received", "your email has been received",
	"your e-mail has been received", "your inquiry has been received", "your enquiry has been received", "your request has been received",
	"your submission has been received", "your message has been sent", "your ticket has been received", "your ticket has been registered",
	"your ticket has been submitted",
	"ticket has been created", "acknowledgement of your", "confirmation of your message",
	"you sent the following message", "ihre anfrage ist bei uns", "ihre anfrage ist eingegangen",
	"ihre anfrage wurde empfangen", "ihre anfrage wurde erfolgreich", "ihre anfrage wurde registriert", "ihre anfrage wurde gesendet",
	"ihre anfrage wurde versendet", "ihre anfrage wurde übermittelt", "ihre anfrage wurde unter", "ihre anfrage wurde aufgenommen",
	"ihre nachricht ist bei uns", "ihre nachricht wurde", "eingangsbestätigung", "empfangsbestätigung", "haben ihre anfrage",
	"haben ihre nachricht", "haben ihre e-mail", "accusé de réception", "bien reçu votre",
	"votre demande a bien été", "votre message a bien été", "votre message a été", "hemos recibido su", "hemos recibido tu",
	"acuse de recibo", "su mensaje ha sido", "conferma di ricezione", "il suo messaggio è stato",
	"recebemos a sua mensagem", "recebemos sua mensagem", "confirmação de recebimento",
	"ontvangstbevestiging", "uw bericht is", "potwierdzenie otrzymania",
	"twoja wiadomość została", "ваше сообщение получено", "ваше сообщение отправлено", "ваше обращение принято", "ваше обращение получено",
	"ваше обращение зарегистрировано", "ваша заявка принята", "ваша заявка получена", "ваша заявка зарегистрирована", "ваша заявка отправлена",
	"мы получили ваш",
	"заявка принята", "ваше повідомлення", "已收到您的", "我们已经收到", "已經收到您的", "문의가 접수", "접수되었습니다", "olemme vastaanottaneet",
	"mesajınız alınmıştır", "mesajınız tarafımıza", "talebiniz alınmıştır", "تم استلام", "спасибо за ваше обращение", "спасибо за ваше сообщение",
	"благодарим за ваше обращение", "we hebben uw bericht ontvangen", "wij hebben uw bericht ontvangen", "uw aanvraag is ontvangen",
	"abbiamo ricevuto la tua richiesta", "abbiamo ricevuto la sua richiesta", "abbiamo ricevuto il suo messaggio", "abbiamo ricevuto il tuo messaggio",
	"otrzymaliśmy twoją wiadomość", "otrzymaliśmy twoje zgłoszenie", "obdrželi jsme vaši zprávu", "vi har mottagit ditt", "vi har modtaget din",
	"vi har mottatt din", "case has been created", "support ticket opened",
	"we got your request", "got your request", "we got your message", "we have got your message", "received your case", "your case has been received",
	"your case has been registered",
	"your request has been registered", "your request has been logged", "has been logged as", "ticket has been opened", "ticket has been logged",
	"ticket has been assigned", "ticket has now been opened", "case has been opened", "case has been logged", "request for support has been created",
	"acknowledge receipt of your", "acknowledge that we have received", "confirming receipt of your", "confirm receipt of your",
	"confirm that we have received", "confirm that we received", "ticket wurde erstellt", "ticket wurde angelegt", "ticket wurde eröffnet",
	"ticket wurde erzeugt", "wurde ein ticket", "anfrage mit der nummer", "unter der ticketnummer",
	"unter der vorgangsnummer", "haben ihr anliegen", "bestätigen den eingang ihrer", "votre ticket a été créé", "votre ticket a été enregistré",
	"votre demande a été reçue", "votre demande a été envoyée", "votre demande a été transmise", "votre demande a été prise en compte",
	"nous avons bien reçu",
	"demande a été enregistrée", "su solicitud ha sido recibida", "su solicitud ha sido registrada", "su solicitud ha sido enviada",
	"su consulta ha sido recibida", "su consulta ha sido registrada", "su consulta ha sido enviada", "tu solicitud ha sido recibida",
	"tu solicitud ha sido registrada", "su petición ha sido recibida", "su petición ha sido registrada",
	"hemos recibido correctamente", "se ha creado un ticket", "richiesta è stata ricevuta", "richiesta è stata presa in carico",
	"è stato aperto un ticket", "abbiamo ricevuto la sua", "abbiamo ricevuto la tua", "recebemos a sua", "recebemos sua", "recebemos o seu",
	"recebemos seu", "sua solicitação foi", "sua mensagem foi enviada", "chamado foi aberto", "seu chamado foi aberto", "seu chamado foi registrado",
	"we hebben uw aanvraag ontvangen",
	"uw verzoek is ontvangen", "uw vraag is ontvangen", "wij hebben uw aanvraag ontvangen", "wij hebben uw vraag ontvangen", "ticket is aangemaakt",
	"zgłoszenie zostało przyjęte", "zgłoszenie zostało zarejestrowane", "zgłoszenie zostało utworzone", "zgłoszenie zostało wysłane",
	"zarejestrowane pod numerem", "otrzymaliśmy państwa", "przyjęliśmy zgłoszenie", "ваш запрос получен", "ваш запрос принят",
	"ваш запрос зарегистрирован", "ваше письмо получено", "ваш вопрос получен", "зарегистрирована под номером", "зарегистрировано под номером",
	"присвоен номер", "我们已收到", "我們已收到", "您的邮件我已收到", "工单已创建", "工單已建立", "已收到您", "已收到你的",
	"your incident has been received", "your incident has been logged", "your incident has been registered", "incident has been created",
	"incident has been opened", "request has been created", "request has been opened",
}

// promises are what forms and ticket systems go on with when they have taken something: that
// somebody will answer.
var promises = []string{
	"get back to you", "back to you", "shortly", "soon", "be in touch", "come back to you", "will contact you", "will respond", "will reply", "will answer", "will review your",
	"will be reviewed", "will be handled", "will be processed", "will be answered", "respond to you", "reply to you", "responded to",
	"as soon as possible", "at the earliest", "as quickly as possible", "within 24", "within 48", "within one", "within two", "within the next",
	"business day", "working day", "working hours", "office hours", "one of our", "our team will", "a member of", "representative", "do not reply",
	"don't reply", "please do not respond", "this mailbox is not", "ticket number", "ticket id", "reference number", "your reference", "melden uns",
	"setzen uns", "bei ihnen melden", "bearbeit", "schnellstmöglich", "so schnell wie möglich", "so bald wie möglich", "in kürze", "umgehend",
	"kümmern uns", "werden wir", "antworten ihnen", "nicht auf diese", "vous répond", "vous contact", "plus brefs délais", "plus tôt possible",
	"dès que possible", "reviendrons vers", "reviendra vers", "sera traité", "ne pas répondre", "dans les meilleurs délais", "le antes posible",
	"lo antes posible", "a la brevedad", "brevedad posible", "nos pondremos", "en contacto con usted", "en contacto contigo", "le responder",
	"te responder", "responderemos", "contestaremos", "pronto", "no responda", "al più presto", "quanto prima", "il prima possibile", "risponderemo",
	"ricontatter", "contatteremo", "non rispondere", "sarà contattat", "entraremos em contato", "entraremos em contacto", "o mais breve",
	"mais rápido possível", "retornaremos", "em breve", "não responda", "zo spoedig", "zo snel mogelijk", "nemen contact", "neemt contact", "nemen wij",
	"binnen 24", "binnen 48", "werkdagen", "binnenkort", "beantwoord", "niet te beantwoorden", "jak najszybciej", "najszybciej jak", "skontaktujemy",
	"odpowiemy", "wkrótce", "w najbliższym czasie", "prosimy nie odpowiadać", "в ближайшее время", "свяжемся", "свяжется", "ответим", "ответит",
	"в течение", "рассмотр", "не отвечайте", "зв'яжемось", "найближчим часом", "återkommer", "så snart", "kontaktar dig", "hör av oss",
	"vender tilbage", "hurtigst muligt", "kontakter dig", "tar kontakt", "så snart som", "snarest", "otamme yhteyttä", "mahdollisimman pian",
	"palaamme", "co nejdříve", "ozveme se", "brzy", "čo najskôr", "hamarosan", "felvesszük", "a lehető leg", "en kısa sürede", "geri dönüş",
	"dönüş yap", "σύντομα", "το συντομότερο", "în cel mai scurt", "vă vom contacta", "възможно най-скоро", "uskoro", "javit ćemo", "liên hệ lại",
	"sớm nhất", "segera", "secepat", "سنقوم", "في أقرب", "بهקדם", "בהקדם", "נחזור", "โดยเร็ว", "ติดต่อกลับ", "尽快", "盡快", "会回复", "將回覆", "联系您", "聯絡您",
	"與您聯", "与您联", "回复您", "回覆您", "工作日", "折り返し", "担当者", "改めて", "営業日", "ご連絡いた", "ご連絡させ", "返信いた", "お待ち", "しばらく", "빠른 시일", "빠른 시간", "답변", "연락드리", "회신",
}

// moves say where the mail of somebody goes now who has left.
var moves = []string{
	"forward his mail", "goes on to forward", "go on to forward", "forward her mail", "forward their mail", "forward the mail", "his mail is forwarded", "her mail is forwarded",
	"mail is now forwarded", "mail is being forwarded", "mail will be forwarded", "this message has been forwarded", "your message has been forwarded",
	"your mail has been forwarded", "your message was forwarded", "update your address book", "e-mails werden weitergeleitet",
	"nachricht wurde weitergeleitet", "mail wurde weitergeleitet", "ihre mail wird weitergeleitet", "nachricht wird weitergeleitet",
	"courrier est transféré", "message a été transféré", "correo se reenvía", "mensaje ha sido reenviado", "mensaje se ha reenviado",
	"posta viene inoltrata", "messaggio è stato inoltrato", "mensagem foi encaminhada", "bericht is doorgestuurd", "mail wordt doorgestuurd",
	"wiadomość została przekazana", "письмо перенаправлено", "письмо переадресовано", "已转发给", "已轉寄給",
}

// webmails are programs in which people write, in the fields of programs that handle forms.
var webmails = []string{"roundcube", "rcube", "squirrelmail", "horde", "imp_", "rainloop", "snappymail", "webmail", "afterlogic", "sogo", "group-office", "egroupware"}

// unauthentic is the subject of reports on mail that failed the checks of a domain, RFC 6591.
var unauthentic = regexp.MustCompile(`\b(dmarc|dkim|spf|domain-based message authentication|message authentication|authentication)\b.{0,40}\b(forensic|failure|failed)\b.{0,10}\breport\b|\b(forensic|failure) report\b.{0,30}\b(dmarc|dkim|spf)\b`)

// failing say so in the text.
var failing = []string{
	"failed the published dmarc policy", "authentication failure report for an email message received from", "authentication failure report for a message", "is an authentication failure report",
	"is an email authentication failure report", "is a dkim failure report", "is an spf failure report", "is a spf failure report", "is a dmarc failure report", "dkim authentication failure report", "is a dmarc forensic report",
}

// titles stand alone in the subject of what says so. Texts have such words, too.
var titles = []string{"message received", "request received", "ticket received", "ticket opened", "case received"}

// selves are words of those who write of themselves.
var selves = []string{
	"i am", "i'm", "i will", "i'll", "my absence", "ich bin", "ich werde", "bin ich", "je suis", "je serai", "je reviens", "estoy", "estaré", "sono",
	"sarò", "estou", "estarei", "ik ben", "ben ik", "jestem", "będę", "я нахожусь", "я в ", "я на ", "я вне ", "нахожусь", "я буду", "меня не будет", "буду", "我", "私", "不在", "저는",
	"중입니다", "jag är", "jeg er", "olen", "jsem", "budu", "vagyok", "leszek", "izindeyim", "olacağım", "değilim", "voi fi", "είμαι", "θα είμαι", "nisam",
	"tôi", "saya", "أنا", "אני", "休暇", "休假", "出差",
}

// passed say that a form passes on what was filled in: to those who run it, for whom it is a
// person's letter, or as a copy to the person.
var passed = []string{
	"sent from a contact form", "sent via a contact form", "submitted via the contact form", "kontaktformular", "kontaktanfrage", "contactformulier",
	"formulaire de contact", "formulario de contacto", "modulo di contatto", "formulário de contato", "formulário de contacto", "formularz kontaktowy",
	"formularza kontaktowego", "обратной связи", "メッセージ本文:", "フォームから送信",
}

// dealings are words of orders, payments, bookings, accounts and the like. Shops and services
// confirm these in the words of forms. Tickets that others opened are there as well.
var dealings = []string{
	"your order", "order confirm", "order received", "order number", "order no", "order #", "an order", "purchase", "payment", "invoice", "booking",
	"reservation", "shipment", "bestellung", "auftrag", "zahlung", "rechnung", "buchung", "einkauf", "commande", "paiement", "facture", "réservation",
	"votre achat", "inscription", "pedido", "compra", "su pago", "tu pago", "factura", "reserva", "inscripción", "ordine", "acquisto", "pagamento",
	"fattura", "prenotazione", "iscrizione", "encomenda", "inscrição", "bestelling", "betaling", "factuur", "reservering", "boeking", "aankoop",
	"zamówieni", "płatnoś", "faktur", "rezerwacj", "zakup", "заказ", "оплат", "платеж", "платёж", "покупк", "бронирован", "замовлен", "订单", "訂單", "付款",
	"支付", "预订", "預訂", "购买", "購買", "发票", "注文", "お支払", "購入", "予約", "주문", "결제", "예약", "구매", "beställning", "orderbekräft", "betalning", "bokning",
	"bestilling", "ordre", "tilau", "maksu", "varau", "objednáv", "platb", "rezervac", "rendelés", "fizetés", "foglalás", "sipariş", "ödeme",
	"rezervasyon", "παραγγελ", "πληρωμ", "comanda", "comenz", "đơn hàng", "đặt hàng", "thanh toán", "pesanan", "pembayaran", "طلبك", "الدفع", "הזמנת",
	"תשלום", "คำสั่งซื้อ", "ชำระเงิน", "password", "passwort", "kennwort", "mot de passe", "contraseña", "senha", "wachtwoord", "hasł", "парол", "密码",
	"密碼", "パスワード", "비밀번호", "lösenord", "adgangskode", "passord", "salasana", "şifre", "heslo", "jelszó", "parol", "your account", "account is",
	"new account", "benutzerkonto", "kundenkonto", "votre compte", "su cuenta", "tu cuenta", "sua conta", "аккаунт", "учетн", "учётн", "账户", "账号", "帳號",
	"アカウント", "계정", "registration", "registering", "signing up", "subscription", "anmeldung", "registrierung", "регистрац", "注册", "註冊", "登録", "회원가입",
	"your application", "bewerbung", "candidature", "candidatura", "応募", "appointment", "termin", "rendez-vous", "transfer", "überweisung", "parcel",
	"paket", "label", "voicemail", "voice message", "fax from", "manuscript", "your paper", "conference", "congress", "abstract", "reviewer",
	"donation", "spende", "survey", "please rate", "bewerten", "umfrage", "created by", "opened by", "assigned to you",
}

// japanese are words with which Japanese forms confirm an inquiry; where to inquire says other mail, too.
var japanese = regexp.MustCompile(`(お?問い?合わ?せ|ご連絡|お?申し?込み?|資料請求|お見積)(ありがとう|有難う|有り難う|頂き|いただき|受付(け|いた|し|完|のお知らせ|のご連絡|のご案内|通知)|受け付け|受けいたし|承り|完了|送信され|[^先窓].{0,60}?(ありがとう|有難う|有り難う|頂き|いただき|受付(け|いた|し|完)|受け付け|受けいたし|承り|完了|送信され))|自動(返信|的に返信)`)

// mailers are programs that send what forms on web pages are filled with.
var mailers = []string{"phpmailer", "wpmailsmtp", "drupal", "joomla", "wordpress", "codeigniter", "coldfusion", "php/", "swiftmailer", "swift mailer", "formmail", "form mail", "jmail", "cdonts", "contact form", "laravel", "symfony", "typo3", "zend", "nette", "cakephp", "rsform", "chronoforms", "xoops", "movable type", "mt::", "a-form", "mailform", "cgi"}

// days are what somebody puts into a subject who announces an absence.
var days = []string{
	"today", "tomorrow", "this", "next", "monday", "tuesday", "wednesday", "thursday", "friday", "january", "february", "march", "april", "may", "june", "july",
	"august", "september", "october", "november", "december", "heute", "morgen", "nächste", "montag", "dienstag", "mittwoch", "donnerstag", "freitag", "januar",
	"februar", "märz", "mai", "juni", "juli", "oktober", "dezember", "aujourd", "demain", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "janvier", "février", "mars",
	"avril", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre", "hoy", "mañana", "lunes", "martes", "miércoles", "jueves", "viernes", "enero",
	"febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre", "oggi", "domani", "lunedì", "martedì",
	"mercoledì", "giovedì", "venerdì", "gennaio", "febbraio", "aprile", "maggio", "giugno", "luglio", "settembre", "ottobre", "dicembre", "hoje", "amanhã", "segunda",
	"terça", "quarta", "quinta", "sexta", "janeiro", "fevereiro", "março", "maio", "junho", "julho", "setembro", "outubro", "novembro", "dezembro", "vandaag", "maandag",
	"dinsdag", "woensdag", "donderdag", "vrijdag", "januari", "februari", "maart", "augustus", "dziś", "dzisiaj", "jutro", "poniedziałek", "wtorek", "środa", "środę",
	"czwartek", "piątek", "сегодня", "завтра", "понедельник", "вторник", "сред", "четверг", "пятниц", "明天", "今天", "下周", "明日", "本日", "今日", "来週", "周一", "月曜", "내일", "오늘",
}

// responders are programs in X-Mailer that only answer.
var responders = []string{"autorespon", "auto-respon", "auto respon", "autoreply", "auto-reply", "vacation/", "vacation.pl", "vacation program"}

// automata are names of From that a program bears which answers.
var automata = []string{
	"autoresponder", "auto-responder", "auto responder", "autoresponse", "auto-response", "auto response", "autoreply", "auto-reply", "auto reply", "autoreplier",
	"autoanswer", "auto-answer", "autoauthorizer", "auto-authorizer", "automailer", "auto-mailer", "mailbot",
	"automatic reply", "automatic response", "automated reply", "automated response", "vacation program", "vacation responder", "automatische antwort",
	"abwesenheitsassistent", "réponse automatique", "respuesta automática", "autorespuesta",
	"risposta automatica", "risponditore automatico", "resposta automática", "automatisch antwoord", "autoodpowiedź", "automatyczna odpowiedź",
	"автоответчик", "автоответ", "自動返信", "自動応答", "自动回复", "自動回覆",
}

// replied are subjects of Lotus Notes, which has the person's name in front.
var replied = regexp.MustCompile(`(is|will be) (currently )?out of (the |)office\.?( ?\(| until| from|$)|is (away|on vacation|on leave|out)\.? \((returning|retour|back)|ist (außer haus|abwesend|nicht im (büro|haus))\.?( \(|$)|est absent(\(e\)|e)?( du bureau)?\.?( \(|$)|está (ausente|fuera de la oficina)\.?( \(|$)|è (assente|fuori ufficio|fuori sede)\.?( \(|$)|está (ausente|fora)( do escritório)?\.?( \(|$)|is (afwezig|niet aanwezig|niet op kantoor)\.?( \(|$)|jest (nieobecn[ya]|poza biurem)\.?( \(|$)|は不在です|は、?外出`)

// challengers stand in the From, challengePaths begin the reverse-path, challenges stand in the
// subject and challengeFields in the header of what systems send that ask a sender to prove
// that he is one.
var (
	challengePaths  = []string{"spamblocker-challenge@", "spambush@", "spamhippo@", "devnull-quarantine@", "apd.sspam@"}
	challengeFields = []string{
		"X-Spamarrest-Noauth", "X-Askversion", "X-Choicemail-Registration-Request", "X-Boxtrapper", "X-Bluebottle-Request", "X-Spamazoid-Md", "Spamlion", "X-Exispam",
	}
	challenges = []string{
		"requires verification verify#", "[qurb ", "[spam arrest]", "please confirm that you are not a spammer", "authentification de votre e-mail requise",
	}
)

// challengers are domains in From, and mayChallenges words of a subject, of such systems, which
// people have or write as well; demands are what only the systems say in their texts.
var (
	challengers   = []string{"@spamguard.vanquish.com", "@si20.com", "@boxbe.com", "@spamarrest.com", "@0spam.com", "@bluebottle.com", "@mailblocks.com", "@earthlink.net (spamblocker", "antispamuol", "antispam@uol"}
	mayChallenges = []string{
		"sender verification required", "sender authentication required", "your message requires verification", "your email requires verification", "confirm your email to me",
		"confirmation requise pour l'envoi", "please confirm your message", "(verifying)", "confirm (rsvp)", "(conf#", "antispam uol", "please verify your message", "please verify your email to", "message to me is waiting", "action required: confirm your",
	}
	demands = []string{
		"waitlisted", "wait list", "guest list", "allowed senders", "approved senders", "list of accepted", "approved list", "allow list", "whitelist", "white list", "accepted senders", "accept list",
		"not a spammer", "you are human", "you're human", "human being", "a real person", "not a machine", "not a robot", "prove that you", "verify that you", "verify yourself", "authenticate yourself", "identify yourself", "authorize yourself",
		"to have yours delivered", "to have your message delivered", "to have your mail delivered", "to deliver your message", "to release your message", "so that your message can be delivered", "message will be delivered once", "message will be delivered after", "message will be delivered to",
		"will not be delivered until", "has not been delivered yet", "is being held", "been placed on hold", "are holding your message", "in a holding area", "in quarantine until", "protect myself from", "protecting myself from", "protected by spam", "junk email i receive", "spam i receive",
		"only receive mail from", "only accept mail from", "unknown senders", "one-time confirmation", "one-time verification", "just this once", "only have to do this once", "need to do this once",
		"entregar sua mensagem", "para que sua mensagem", "antispam uol", "clique no link", "não sou um robô", "autorizar o envio", "remetentes autorizados", "votre message sera", "libérer votre message", "expéditeurs autorisés", "ihre nachricht wird zugestellt", "zugestellt, sobald", "bestätigen sie bitte, dass sie",
	}
)

// complained is the subject of complaints that carry no feedback-report part.
var complained = regexp.MustCompile(`^complaint about message from [0-9a-fx.:]+$|^(email|e-mail) feedback report for ip `)
