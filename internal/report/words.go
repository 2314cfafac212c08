package report

import "strings"

// What bounces without structure say, in the words of mail systems, one table for each
// question. All phrases are in lower case, with single blanks and straight apostrophes.
// A phrase fits in where a mail system says it; where people say it as well, it belongs into
// reasons, which count for little alone.

// failures stand in the subject of a bounce.
var failures = []string{
	// English
	"undeliver", "addressing error", "no valid recipient", "could not be delivered", "couldn't be delivered", "cannot be delivered", "can't be delivered", "not delivered", "nondeliver", "non-deliver", "non deliver",
	"delivery fail", "delivery warning", "failed delivery", "delivery has failed", "delivery error", "delivery problem", "delivery status", "delivery report", "delivery notification",
	"failure delivery", "failed to deliver", "unable to deliver", "failure notice", "mail failure", "mail failed", "message failure", "failed mail",
	"mail error", "mail system error",
	"smtp error", "error sending", "returned mail", "returned email", "returned message", "returned to sender", "return to sender", "returning message",
	"returned:", "bounce",
	"user unknown", "unknown user", "unknown recipient", "unknown address", "invalid recipient", "invalid address", "address not found", "no such user",
	"mailbox full", "mailbox is full", "over quota", "message rejected", "mail rejected", "email rejected", "rejected:", "message refused",
	"message status - ", "message not accepted", "ndn:",
	"host unknown", "unknown host", "message blocked", "mail blocked", "email blocked", "was blocked", "been blocked", "blocked by",
	"virus", "infected", "banned content", "banned file", "banned contents", "attachment type not allowed", "prohibited attachment", "disallowed attachment", "attachment type found", "file type forbidden", "groupshield alert", "report to sender",
	"possible spam in your message",
	"content violation", "policy violation", "sensitive content", "action taken", "to sender,", "message you sent",
	// German
	"unzustellbar", "nicht zustellbar", "nicht zugestellt", "zustellung fehlgeschlagen", "zustellung nicht möglich", "zustellungsfehler",
	"zustellfehler", "fehler bei der zustellung",
	"fehler bei der übermittlung", "übermittlung fehlgeschlagen", "zustellbericht", "zustellstatus", "übermittlungsstatus", "unzugestellt",
	"konnte nicht zugestellt", "zurückgewiesen",
	"e-mail abgelehnt", "nachricht abgelehnt", "mailversand fehlgeschlagen", "rückläufer",
	// French
	"échec de la remise", "échec de remise", "echec de remise", "échec de livraison", "échec de la livraison", "échec de distribution",
	"échec de la distribution", "échec d'envoi", "échec de transmission", "échec de l'envoi", "non remis", "non distribu",
	"non délivr", "n'a pas pu être", "n'a pas été", "retour de courrier", "retour à l'expéditeur", "message rejeté", "état de remise", "état de la distribution",
	"impossible de remettre", "erreur de distribution", "non livré",
	// Spanish
	"no se puede entregar", "no se pudo entregar", "no se ha podido entregar", "no entregado", "no entregable", "error de entrega",
	"error en la entrega", "entrega fallida", "fallo en la entrega", "fallo de entrega",
	"falló la entrega", "estado de entrega", "correo devuelto", "mensaje devuelto", "mensaje rechazado", "correo rechazado", "no se pudo enviar", "envío fallido",
	// Italian
	"non recapitabile", "mancato recapito", "mancata consegna", "mancato invio", "non recapitato", "non consegnat", "consegna fallita",
	"consegna non riuscita", "recapito non riuscito", "impossibile recapitare", "impossibile consegnare",
	"errore di consegna", "errore nella consegna", "avviso di mancata", "stato del recapito", "messaggio respinto", "mail respinta", "messaggio rifiutato",
	// Portuguese
	"não entregue", "falha na entrega", "falha de entrega", "falha no envio", "erro na entrega", "erro de entrega", "erro no envio",
	"não é possível entregar", "não foi possível entregar", "não pôde ser entregue", "não pode ser entregue",
	"mensagem devolvida", "e-mail devolvido", "email devolvido", "status de entrega", "mensagem rejeitada", "mensagem recusada", "retorno de mensagem",
	// Dutch
	"onbestelbaar", "niet-bestelbaar", "niet bestelbaar", "niet afgeleverd", "niet bezorgd", "niet besteld", "bezorging mislukt", "bezorgen mislukt", "aflevering mislukt",
	"afleveren mislukt", "afleverstatus", "bezorgstatus", "kon niet worden", "geweigerd", "retour afzender", "verzenden mislukt",
	// Polish
	"niedostarcz", "nie dostarcz", "nie można dostarczyć", "nie mogła zostać", "nie została dostarczona", "nie udało się dostarczyć",
	"błąd dostarczenia", "błąd dostarczania", "błąd doręczenia", "stanie dostarczenia", "zwrot poczty", "zwrot wiadomości", "zwrot do nadawcy",
	"odrzucon",
	// Russian and Ukrainian
	"недоставлен", "не доставлен", "не было доставлено", "не может быть доставлен", "не удалось доставить", "не удается доставить",
	"невозможно доставить", "ошибка доставки", "ошибка при доставке", "сбой доставки", "о состоянии доставки", "о недоставке",
	"возврат почты", "возврат письма", "возвращено отправителю", "сообщение отклонено", "письмо отклонено", "не вдалося доставити", "не доставлено",
	// Chinese
	"退信", "退回", "未送达", "未送達", "未传递", "无法送达", "無法送達", "不能送达", "投递失败", "投遞失敗", "发送失败", "發送失敗", "传送失败", "傳送失敗", "寄送失敗", "无法投递", "無法投遞", "无法传递", "無法傳遞",
	"无法递送", "未能送达", "传递状态", "傳遞狀態", "传递失败", "傳遞失敗", "被拒收", "拒收通知",
	// Japanese
	"配信できません", "配信不能", "配信エラー", "配信に失敗", "配信失敗", "配信障害", "配信状態通知", "配信状況通知", "未配信", "未配達", "送信できません", "送信エラー", "送信失敗", "送信に失敗", "配達できません", "配達不能",
	"配達エラー", "不達", "エラーメール", "メールエラー", "宛先不明", "届きません", "受信拒否", "配送エラー", "配送不能", "配送できません",
	// Korean
	"배달되지", "배달할 수 없", "배달 실패", "전달되지", "전달할 수 없", "전송 실패", "반송", "발송 실패",
	// Swedish, Danish, Norwegian, Finnish
	"kan inte levereras", "kunde inte levereras", "ej levererat", "olevererat", "leveransfel", "leveransstatus", "kan ikke leveres",
	"kunne ikke leveres", "ikke leveret", "ikke levert", "levering mislykkedes", "leveringsfeil", "leveringsfejl", "ei voitu toimittaa",
	"ei voida toimittaa", "toimitus epäonnistui", "toimittaminen epäonnistui",
	// Czech, Slovak, Hungarian, Turkish, Greek, Romanian, Baltic, Hebrew, Vietnamese
	"nedoručiteln", "nedoručen", "nelze doručit", "doručení se nezdařilo", "nebylo možné doručit", "kézbesíthetetlen", "nem kézbesíthető",
	"kézbesítési hiba", "sikertelen kézbesítés", "teslim edilemedi", "teslim edilemeyen", "iletilemedi", "teslimat hatası",
	"δεν παραδόθηκε", "αδυναμία παράδοσης", "η παράδοση", "nelivrabil", "nelivrat", "nu a putut fi livrat", "nav piegādā", "nepiegādāt", "nepristatyt",
	"kohaletoimetamatu", "לא ניתן למסירה", "לא נמסר", "không thể gửi", "không gửi được",
	// other languages
	"발송실패", "전송실패", "배달실패", "전달실패", "반송메일", "전송되지 못", "보내지 못", "배달 불가", "فشل التسليم", "فشل تسليم", "فشل إرسال", "فشل في التسليم", "تعذر تسليم",
	"تعذر إرسال", "لم يتم تسليم", "لم يتم التسليم", "غير قابل للتسليم", "تعذّر", "ส่งไม่สำเร็จ", "ส่งอีเมลไม่", "ส่งข้อความไม่", "ไม่สามารถส่ง",
	"การส่งล้มเหลว", "ไม่สำเร็จ", "tidak terkirim", "gagal terkirim", "gagal mengirim", "gagal dikirim", "tidak dapat dikirim", "pengiriman gagal",
	"tidak dapat disampaikan", "gagal dihantar", "tidak dapat dihantar", "penghantaran gagal", "gửi không thành công", "không thể chuyển",
	"gửi thất bại", "डिलीवर नहीं", "वितरित नहीं", "नहीं भेजा जा सका", "تحویل داده نشد", "ارسال نشد", "تحویل ناموفق", "не е доставено", "недоставено",
	"неуспешна доставка", "не може да бъде доставено", "nije isporučena", "nije isporučeno", "nije moguće isporučiti", "neisporučen",
	"isporuka nije uspjela", "isporuka nije uspela", "није испоручена", "није могуће испоручити", "ni bilo mogoče dostaviti", "ni bila dostavljena",
	"nedostavljeno", "dostava ni uspela", "nav iespējams piegādāt", "piegāde neizdevās", "nepavyko pristatyti", "pristatymas nepavyko",
	"ei saanud toimetada", "kohaletoimetamine ebaõnnestus", "edastamine ebaõnnestus", "no s'ha pogut lliurar", "no lliurat", "error de lliurament",
	"non se puido entregar", "ekki var hægt að", "ekki hægt að afhenda", "nebyla doručena", "nepodařilo se doručit", "doručení selhalo",
	"nebolo možné doručiť", "nedoručená", "doručenie zlyhalo", "nem sikerült kézbesíteni", "gönderilemedi", "ulaştırılamadı", "teslimat başarısız",
	"livrarea a eșuat", "nu a fost livrat", "αποτυχία παράδοσης", "δεν ήταν δυνατή η παράδοση", "доставка не вдалася", "не вдалося надіслати",
	"не було доставлено", "hindi naihatid", "hindi maipadala",
}

// delays stand in the subject of a warning that delivery goes on.
var delays = []string{
	"delayed", "(delay)", "delivery delay", "delay notification", "still being retried", "could not send message for past", "could not yet", "transient delivery failure",
	"temporarily undeliverable", "not yet been delivered", "notification: warning", "verzögert", "verzögerung bei der zustellung", "retardée", "différé",
	"remise retardée", "retrasad", "retraso en la entrega", "ritardata", "ritardo nel recapito", "ritardo nella consegna", "atrasad", "atraso na entrega",
	"vertraagd", "vertraging", "opóźnion", "opóźnienie", "задерж", "откладыва", "отложен", "延迟", "延遲", "延误", "遅延", "遅れて", "지연", "försenad", "forsinket",
	"viivästy", "zpožd", "késleltet", "gecik",
}

// retries stand in the text of such a warning.
var retries = []string{
	"not yet been delivered", "not been delivered yet", "hasn't been delivered yet", "delivery attempts will continue", "will be retried", "will continue to try",
	"will keep trying", "will continue trying", "will try to deliver", "will be tried again", "has been deferred", "has been defered", "could not yet be delivered", "additional attempts to deliver", "warning message only", "you do not need to resend", "you don't need to resend",
	"you do not need to re-send", "is delayed for more than", "has been postponed", "delivery is delayed", "delivery has been delayed", "message has been delayed", "temporary failure report",
	"is still in the queue", "still queued", "wird weiter versucht", "weitere zustellversuche", "zustellung verzögert", "nouvelle tentative", "nouvelles tentatives",
	"seguirá intentando", "se seguirá intentando", "se intentará de nuevo", "verranno effettuati altri tentativi", "continuerà a tentare", "continuará tentando",
	"novas tentativas", "blijft proberen", "wordt opnieuw geprobeerd", "próby będą", "ponowne próby", "попытки доставки будут", "будут продолжены", "будет продолжать",
	"将继续尝试", "会继续尝试", "將繼續嘗試", "稍后重试", "再送を試み", "配信を試み続け", "再試行します", "다시 시도",
}

// arrivals stand in the text of a notice that mail came where it was to go. None may be a
// part of what says the opposite: in most languages "not" stands before the verb, so that
// the noun has to.
var arrivals = []string{
	"message delivered successfully", "message delivered to a mail gateway",
	"was successfully delivered to", "were successfully delivered to", "been successfully delivered to", "successfully delivered to the following",
	"successfully delivered to mailbox", "successful delivery notifications", "your message has been delivered to", "your message was delivered to",
	"was delivered to the following recipient", "has been delivered to the following recipient", "delivery to these recipients or groups is complete",
	"delivery to the following recipients is complete", "successfully relayed to", "relayed to non-dsn-aware", "your mail has been delivered to",
	"wurde an die folgenden empfänger übermittelt", "wurde an folgende empfänger übermittelt", "wurde an die folgenden empfänger zugestellt",
	"wurde erfolgreich zugestellt", "wurde erfolgreich übermittelt", "a été remis aux destinataires suivants", "a été remis au destinataire suivant",
	"a été remis avec succès", "a bien été remis", "mensaje se ha entregado a", "mensaje se entregó a", "mensaje ha sido entregado a",
	"entregado correctamente a", "messaggio è stato recapitato a", "messaggio è stato consegnato a", "recapitato correttamente", "consegnato correttamente",
	"mensagem foi entregue a", "entregue com êxito", "entregue com sucesso", "is bezorgd bij de volgende", "is afgeleverd bij de volgende",
	"is met succes bezorgd", "wiadomość została dostarczona do", "została pomyślnie dostarczona", "сообщение было доставлено следующ",
	"сообщение доставлено следующ", "успешно доставлен", "邮件已送达", "已成功送到", "已成功到达", "已成功到達", "已成功送达", "已成功传递", "郵件已傳遞給", "已成功傳遞", "受信者に配信されました", "に届きました", "正常に配信され",
}

// relays stand in it where nobody will say more.
var relays = []string{
	"message delivered to a mail gateway", "relayed to non-dsn-aware", "successfully relayed to", "no delivery notification was sent by the destination", "delivery notification may not be sent by the destination",
	"keine übermittlungsbestätigung", "aucune notification de remise", "non è stata inviata alcuna notifica", "el servidor de destino no envió", "o servidor de destino não enviou",
	"目标服务器未发送", "宛先サーバーから配信通知",
}

// forwards say that the message went on to another address, whose owner has it now.
var forwards = []string{
	"we forward", "will forward", "is forwarded", "are forwarded", "was forwarded", "were forwarded", "been forwarded", "being forwarded", "forwarded it to", "forwarded your", "forwarded to", "forwarding your", "forwarding it",
	"passed on to", "passed it on", "passes on to", "goes on to", "redirected to", "is redirected", "sent on to", "weitergeleitet", "umgeleitet", "leiten wir weiter", "nachgesendet", "transféré", "fait suivre", "faisons suivre", "transmis à", "redirigé",
	"reenviado", "reenviamos", "redirigido", "remitido a", "inoltrat", "inoltriamo", "reindirizzat", "girato a", "encaminhad", "encaminhamos", "redirecionad", "reencaminhad", "doorgestuurd", "doorgezonden", "sturen wij door",
	"przekazan", "przekierowan", "przesłan", "переслан", "пересылаем", "перенаправлен", "перенаправля", "переадресован", "перенаправлено", "vidarebefordra", "videresend", "välitet", "edelleenlähet", "přeposlán", "přesměrov", "preposlan",
	"továbbít", "yönlendiril", "iletilmiştir", "προωθ", "redirecționat", "препратен", "proslijeđ", "转发", "轉寄", "转交", "轉交", "転送", "전달하", "전달되었",
}

// reaching say of the addresses in their line, or below it, that the message came to them,
// in a report that tells of others, too.
var reaching = []string{
	"delivered to", "was delivered", "were delivered", "been delivered", "delivered successfully", "successfully", "successful delivery", "succeeded", "relayed to", "mail reached",
	"message reached", "did reach", "have it already", "has it already", "got it", "got the", "received it", "received the message", "accepted for", "accepted by", "ok: ", "delivered:",
	"sent to these", "zugestellt an", "wurde zugestellt", "zugestellt:", "erreichte", "erfolgreich", "erhalten haben", "haben sie erhalten", "remis à", "a été remis", "remis :", "avec succès", "ont reçu", "bien reçu",
	"entregado a", "entregado correctamente", "entregados", "con éxito", "recibieron", "lo recibió", "consegnato a", "recapitato a", "con successo", "hanno ricevuto", "entregue a", "entregue com", "com sucesso",
	"receberam", "bezorgd bij", "afgeleverd bij", "met succes", "hebben het ontvangen", "ontvangen door", "dostarczono do", "dostarczona do", "pomyślnie", "otrzymali", "доставлено", "успешно", "получили",
	"levererades till", "har levererats", "leveret til", "levert til", "toimitettiin", "doručena", "doručeno", "kézbesítve", "başarıyla", "teslim edildi", "παραδόθηκε", "已送达", "已送達", "成功", "配信されました", "届きました",
	"配信済み", "전달되었습니다", "전송되었습니다",
}

// denials say no, so that a line that has one tells of nobody whom the message reached.
var denials = []string{
	" not ", "n't", "cannot", "never", "fail", "unable", "unsuccessful", "undeliver", "unless", " only if", "error", "reject", "refus", "bounced", "denied", "nicht", "fehlgeschlagen", "erfolglos", "konnte", " pas ", "n'a ", "échec", "échou", "impossible", "no se ",
	"no fue ", "no pudo ", "no lleg", "no ha ", "no lo ", "fallid", "falló", " non ", "non è", "mancat", "impossib", "não ", "falh", "niet ", "mislukt", "nie ", "не ", "невозможно", "ошибка", "inte ", "ikke ", "ei voi", "epäonnist",
	"nebyl", "nelze", "nem ", "sikertelen", "edilemedi", "δεν ", "未", "无法", "無法", "失败", "失敗", "不", "ません", "できな", "エラー", "않", "없", "못", "실패",
}

// reads begin the subject of what says that a message was read, and unreads of what says
// that it was deleted before. People put some of these before their subjects as well.
var (
	reads = []string{
		"read:", "opened:", "displayed:", "receipt:", "return receipt", "read receipt", "read notification", "disposition notification", "message status - opened", "message status - read",
		"gelesen:", "empfangsbestätigung", "lesebestätigung", "nachrichtenstatus - geöffnet", "lu :", "lu:", "accusé de réception", "accusé de lecture", "confirmation de lecture",
		"leído:", "leido:", "confirmación de lectura", "acuse de recibo", "letto:", "conferma di lettura", "ricevuta di ritorno", "lida:", "lido:", "lidas:", "confirmação de leitura",
		"gelezen:", "leesbevestiging", "odczytano:", "przeczytano:", "przeczytane:", "przeczytana:", "potwierdzenie przeczytania", "potwierdzenie odczytu", "прочтено:", "прочитано:",
		"уведомление о прочтении", "已读:", "已读：", "已讀:", "已讀：", "已读回执", "已讀回條", "開封済み:", "開封済み：", "開封済:", "開封確認", "읽음:", "läst:", "læst:", "lest:", "luettu:",
		"přečteno:", "přečtené:", "elolvasva:", "okundu:", "αναγνώστηκε:", "citit:",
	}
	unreads = []string{
		"not read:", "deleted:", "ungelesen:", "nicht gelesen:", "ungelesen gelöscht:", "gelöscht:", "non lu :", "non lu:", "no leído:", "non letto:", "não lida:", "não lido:", "niet gelezen:",
		"nie przeczytano:", "nieprzeczytane:", "не прочтено:", "не прочитано:", "未读:", "未读：", "未讀:", "未讀：", "未開封:", "未開封：", "inte läst:", "ikke læst:", "ikke lest:",
	}
)

// readings say in the text that the reader's message was read. By receipted they do so in
// words of programs alone, by readings in those of people as well.
var (
	receipted = []string{
		"your document:", "this is a return receipt for the mail", "this is a receipt for the mail you sent", "confirmation of reading",
		"message that you sent was opened by", "message that you sent was read by", "acknowledges that the message was displayed on", "ihr dokument:",
		"dies ist eine empfangsbestätigung für", "dies ist eine lesebestätigung für", "votre document :", "votre document:", "ceci est un accusé de réception pour", "su documento:",
		"este es un acuse de recibo", "il documento:", "questa è una ricevuta di ritorno", "o seu documento:", "uw document:", "twój dokument:",
	}
	readings = []string{
		"was read on", "was read at", "has been read", "was displayed on", "was displayed at", "has been displayed", "was opened on", "was opened at", "was deleted without being read",
		"was not read", "gelesen", "angezeigt", "gelöscht", "a été lu", "a été affiché", "sans avoir été lu", "fue leído", "se leyó", "ha sido leído", "sin ser leído", "sin leer",
		"è stato letto", "è stato visualizzato", "senza essere letto", "foi lida", "foi lido", "sem ser lida", "gelezen", "została przeczytana", "została odczytana", "bez przeczytania",
		"zostało przeczytane", "прочтено", "прочитано", "без прочтения", "阅读", "已读", "閱讀", "已讀", "開封", "읽었", "읽음", "lästes", "har lästs", "blev læst", "ble lest", "luettiin",
		"byla přečtena", "elolvasták", "okundu", "citit",
	}
)

// formulas are sentences that a mail system writes and hardly anybody else.
var formulas = []string{
	// Exim and its kin, Postfix, qmail and its kin, DragonFly, Courier, James
	"this message was created automatically by mail delivery", "this message was created automatically by",
	"a message that you sent could not be delivered", "a message that you sent has not yet been delivered", "a message that you sent contained",
	"a message that you sent was rejected", "a message you sent could not be delivered", "this is the mail system at host",
	"i'm sorry to have to inform you that", "this is the qmail-send program", "this is the mail delivery agent at", "this is the deliver program",
	"this is the machine generated message from mail service", "this is the email server at", "this is the mail server", "this is the mail delivery",
	"i wasn't able to deliver", "i was not able to deliver", "i couldn't deliver", "i've given up", "this is the mailer-daemon", "has occurred while attempting to deliver", "list of recipients:", "could not be delivered to:", "this is the dragonfly mail agent",
	"was not able to deliver",
	"this is a delivery status notification", "writing to let you know that the group you tried to contact", "delivery status notification is sent", "this is an automatically generated delivery status notification",
	"this is a delivery failure notification", "this is a non-delivery", "this is a bounce message", "bounce message",
	"there was an error delivering your mail", "there was a problem delivering your message", "there was a problem with delivering",
	"error message below", "the following message to <", "this is the james mail server", "this message has been undeliverable", "was undeliverable",
	// Sendmail and its kin
	"transcript of session follows", "had permanent fatal errors", "had permanent delivery errors", "had transient non-fatal errors",
	"had delivery problems", "had delivery errors", "had temporary problems", "unsent message follows", "the original message was received at",
	"addresses had delivery",
	"the following address failed", "the following addresses failed", "failed addresses follow", "failed recipient", "list of failed recipients",
	"message text follows", "below this line is a copy of the message",
	// Exchange, Notes, GroupWise and other groupware
	"did not reach some or all of the intended recipients", "did not reach the following recipient", "could not be delivered to the following",
	"recipient(s) could not be reached", "the recipient name is not recognized", "delivery has failed to these recipients",
	"delivery is delayed to these recipients",
	"delivery to the following recipient", "delivery to these recipients", "diagnostic information for administrators", "original message headers:",
	"generating server:", "was not delivered to:", "not listed in domino", "not listed in public name", "not listed in name & address book",
	"failure reasons", "returned message -", "was undeliverable to the following", "undeliverable to the following",
	"couldn't be delivered to", "wasn't delivered to", "wasn't found at", "message could not be delivered to", "message could not be delivered",
	"message couldn't be delivered", "message cannot be delivered", "message can't be delivered", "message was not delivered",
	"message wasn't delivered",
	"mail could not be delivered", "email could not be delivered", "e-mail could not be delivered", "mail cannot be delivered",
	"mail was not delivered", "email was not delivered", "e-mail was not delivered", "messages could not be delivered", "message was undeliverable",
	"message is undeliverable", "could not be delivered for the following reason",
	"the following recipients did not receive", "the following recipients were affected", "the following recipients could not",
	"the following recipient could not", "the following recipients was rejected", "recipients were rejected", "did not receive this message",
	"did not receive your message",
	"permanent fatal delivery errors", "unable to deliver message", "unable to deliver your message", "unable to deliver the message",
	"unable to deliver the following", "unable to deliver mail", "unable to deliver this message", "unable to deliver to the",
	"unable to send your message", "could not deliver message", "could not deliver your", "could not deliver the", "couldn't deliver the",
	"failed to deliver", "failed to send to",
	"delivery failed", "delivery of your message", "delivery of this message", "delivery attempt", "delivery error", "delivery failure",
	"deliver your message to", "was not able to be delivered", "message delivery failed", "message delivery has", "message delivery to",
	"tried to deliver your message", "trying to deliver", "attempting to deliver your", "error occurred while trying to deliver",
	"an error occurred while sending", "message has been returned", "mail has been returned", "has been returned because",
	"has failed permanently", "failed permanently", "permanent failure", "permanent error", "this is a permanent", "no further delivery attempts",
	"no further attempts", "message has encountered delivery problems", "message is being returned", "undelivered mail", "undelivered message",
	"undeliverable mail", "undeliverable message", "undeliverable address", "undeliverable to",
	"this report relates to a message you sent", "this report relates to your message", "message not delivered", "mail not delivered",
	"not deliverable", "has not been delivered", "hasn't been delivered", "have not been delivered", "had trouble delivering your message",
	"transmission of your message", "we were unable to deliver", "we are unable to deliver", "sorry, unable to deliver",
	"your mail to the following recipients", "your message to the following recipients",
	"the message you sent to", "the message that you sent", "the email that you sent", "the mail you sent", "the email you sent", "mail you sent",
	"not a member of this mailing list", "your message was rejected", "your mail was rejected", "your email was rejected", "your message has been rejected", "your message was refused",
	"address not found", "address couldn't be found", "message blocked", "message not sent", "invalid final delivery userid", "you sent mail to",
	"your mail message to", "your message to <", "session transcript", "original message attached",
	// gateways and filters
	"blocked by our spam firewall", "message you sent was blocked", "virus in a message you sent", "virus in an email you sent", "virus in your",
	"virus was found in your", "virus in mail you sent", "our virus detector", "triggered by a message you sent", "message sent by you",
	"email sent by you", "mail sent by you", "you attempted to send", "you have sent a", "message you have sent", "could not be sent to one or more", "message you sent contain", "email you sent contain",
	"message you sent with", "your message was not sent",
	"delivery of the email was stopped", "delivery of the message was stopped", "your email was blocked", "your message was blocked",
	"your mail was blocked", "message has been blocked", "message was blocked", "message was quarantined", "banned by our", "violated our",
	"violates our", "violated system policy", "policy at the recipient", "detected a virus", "found a virus", "content violation was found",
	"as the sender, with the following",
	// German
	"nicht zugestellt", "konnte nicht übermittelt", "konnte nicht ausgeliefert", "unzustellbar", "nicht zustellbar",
	"fehler bei der nachrichtenzustellung", "fehler bei der zustellung", "diagnoseinformationen für administratoren", "generierender server",
	"vorgesehenen empfänger nicht", "empfänger nicht erreicht", "nicht erreicht werden", "automatisch erstellte benachrichtigung", "dauerhafter fehler",
	"permanenter fehler", "zurückgesendet", "zurückgeschickt", "zurückgewiesen", "folgende adressen", "folgende empfänger", "folgenden empfänger",
	"folgender empfänger", "kopie ihrer nachricht",
	// French
	"n'a pas été remis", "n'a pas été transmis", "n'a pas été délivré", "n'a pas été distribué", "n'est pas parvenu", "échec de la remise", "échec de la distribution",
	"la remise aux destinataires", "informations de diagnostic pour les administrateurs", "serveur de génération", "impossible de remettre",
	"impossible de délivrer", "impossible de joindre", "notification d'état de remise", "adresse introuvable", "erreur permanente",
	"voici le programme", "destinataires suivants", "destinataire suivant", "adresses suivantes",
	// Spanish
	"no se pudo entregar", "no se ha podido entregar", "no pudo ser entregado", "no ha podido ser entregado", "no puede ser entregado",
	"no se puede entregar", "no se ha entregado", "no fue entregado", "no ha llegado a", "no llegó a", "error de entrega", "error en la entrega",
	"información de diagnóstico para", "servidor generador", "generando servidor", "no se ha encontrado la dirección", "no se encontró la dirección",
	"siguientes destinatarios", "siguiente destinatario", "siguientes direcciones", "siguiente dirección", "error permanente", "ha sido devuelto",
	"no fue posible entregar", "lamento informarle", "lamentamos informarle",
	// Italian
	"non è stato recapitato", "non è stato consegnato", "non è stata consegnata", "impossibile recapitare", "impossibile consegnare",
	"impossibile contattare", "recapito non riuscito", "consegna non riuscita", "informazioni di diagnostica", "server di generazione",
	"indirizzo non trovato", "notifica sullo stato", "seguenti destinatari", "seguente destinatario", "seguenti indirizzi", "seguente indirizzo",
	"errore permanente", "spiacenti di informar", "non ha raggiunto",
	// Portuguese
	"não pôde ser entregue", "não pode ser entregue", "não foi possível entregar", "não foi entregue", "falha na entrega", "falha ao entregar",
	"informações de diagnóstico", "gerando servidor", "servidor de geração", "endereço não encontrado", "seguintes destinatários",
	"seguinte destinatário", "seguintes endereços", "seguinte endereço", "erro permanente", "foi devolvid", "lamento informar", "lamentamos informar",
	// Dutch
	"niet worden bezorgd", "niet worden afgeleverd", "niet bezorgd", "niet afgeleverd", "niet aangekomen", "diagnostische gegevens", "bronserver",
	"adres niet gevonden", "volgende ontvanger", "volgende geadresseerde", "volgende adres", "volgende e-mailadres", "permanente fout", "teruggestuurd",
	"niet bereikt",
	// Polish
	"nie została dostarczona", "nie można dostarczyć", "nie udało się dostarczyć", "nie dotarła", "informacje diagnostyczne", "serwer generujący",
	"nie znaleziono adresu", "następujących adresatów", "następujących odbiorców", "następujących adresów", "następującego adresu",
	"następującego odbiorcy", "błąd trwały", "została zwrócona",
	// Russian and Ukrainian
	"не может быть доставлен", "не может быть отправлен", "не могут быть доставлен", "не было доставлено", "не было получено", "не доставлено",
	"не доставлена", "не была доставлена", "не удалось доставить", "не удается доставить", "невозможно доставить", "сбой доставки", "ошибка доставки",
	"диагностические сведения", "формирующий сервер", "создающий сервер", "адрес не найден", "отправлено почтовым сервером", "следующим получателям",
	"следующим адресатам", "следующему адресу", "следующим адресам", "следующие адреса", "постоянная ошибка", "отвергнуто", "к сожалению, мы вынуждены",
	"письмо возвращено", "не вдалося доставити", "не може бути доставлен",
	// Chinese
	"无法送达", "無法送達", "不能送达", "未能送达", "未送达", "未送達", "没有送达", "无法投递", "無法投遞", "投递失败", "投遞失敗", "无法传递", "無法傳遞", "未能传递", "传递失败", "傳遞失敗", "发送失败", "發送失敗",
	"无法发送到", "无法被送达", "被退回", "退信", "退回给", "退回給", "诊断信息", "診斷資訊", "生成服务器", "產生伺服器", "找不到地址", "传递状态通知", "傳遞狀態通知", "收件人地址不存在", "用户不存在", "拒绝接收", "被对方服务器",
	"以下收件人", "下列收件人", "下列收件者", "以下地址",
	// Japanese
	"配信できません", "配信されません", "配信できなかった", "配信することができません", "配信に失敗", "配信不能", "配信エラー", "送信できません", "送信できなかった", "送信に失敗", "送信することができません", "送ることができません", "配達できません",
	"配達できなかった", "配達されません", "お届けできません", "届けることができません", "届きませんでした", "診断情報", "生成サーバー", "配信状態通知", "次の受信者", "以下の受信者", "以下の宛先", "次の宛先", "以下のアドレス",
	"以下のメールアドレス", "次のあて先", "次のアドレス", "アドレス不明", "宛先不明", "エラーのため", "返送", "配送できません", "配送エラー",
	// Korean
	"배달하지 못했", "배달할 수 없", "배달되지 않", "전달되지 않", "전달할 수 없", "전송하지 못", "전송되지 않", "반송되", "반송된", "진단 정보", "주소를 찾을 수 없",
	// Nordic
	"kunde inte levereras", "kan inte levereras", "gick inte att leverera", "levererades inte", "har inte levererats", "diagnostikinformation",
	"genererande server", "kunne ikke leveres", "kan ikke leveres", "blev ikke leveret", "ble ikke levert", "levering mislykkedes",
	"diagnosticeringsoplysninger", "diagnostikkinformasjon", "ei voitu toimittaa", "ei voida toimittaa", "toimittaminen epäonnistui",
	"toimitus seuraaville", "diagnostiikkatiedot", "følgende modtager", "følgende mottaker", "följande mottagare", "seuraaville vastaanottajille",
	// Central and Eastern Europe, Turkish, Greek, Baltic
	"nelze doručit", "nemohla být doručena", "nebyla doručena", "nebylo možné doručit", "doručení těmto", "diagnostické informace",
	"nepodarilo sa doručiť", "nebolo možné doručiť", "nem kézbesíthető", "kézbesítése nem", "diagnosztikai adatok", "teslim edilemedi", "iletilemedi",
	"gönderilemedi", "teslim başarısız", "tanılama bilgileri", "δεν παραδόθηκε", "nu a putut fi livrat", "nu a fost livrat", "nevarēja piegādāt",
	"netika piegādāt", "nepavyko pristatyti", "не може да бъде доставен", "nije isporučen", "nije moguće isporučiti", "ni bilo mogoče dostaviti",
	"无法将邮件发送", "无法将您的邮件", "无法将此邮件", "無法將郵件", "無法將您的郵件", "无法发送邮件", "無法傳送郵件",
	// other languages
	"전송되지 못했", "전송하지 못했", "보내지 못했", "배달되지 못했", "전달하지 못했", "발송되지 못", "발송에 실패", "전송에 실패", "تعذر تسليم رسالتك", "تعذر تسليم الرسالة", "تعذر تسليم",
	"لم يتم تسليم", "لم تصل رسالتك", "فشل تسليم", "ไม่สามารถส่งข้อความ", "ไม่สามารถส่งอีเมล", "ไม่สามารถนำส่ง", "ส่งข้อความถึง", "ส่งไม่สำเร็จ",
	"ไม่สามารถจัดส่ง", "tidak dapat dikirim", "tidak dapat disampaikan", "tidak terkirim", "gagal dikirim", "gagal terkirim", "tidak dapat dihantar",
	"gagal dihantar", "không gửi được", "không thể gửi", "không thể chuyển", "gửi không thành công", "वितरित नहीं किया जा सका", "डिलीवर नहीं",
	"नहीं भेजा जा सका", "تحویل داده نشد", "قابل تحویل نیست", "не може да бъде доставено", "не беше доставено", "не бе доставено", "nije isporučena",
	"nije isporučeno", "nije mogla biti isporučena", "није испоручена", "није могуће испоручити", "ni bilo dostavljeno", "neizdevās piegādāt",
	"negalėjo būti pristatyt", "ei saanud kohale toimetada", "ei õnnestunud kohale", "no s'ha pogut lliurar", "no ha pogut ser lliurat",
	"non se puido entregar", "ekki var hægt að afhenda", "nepodařilo se doručit", "nem sikerült kézbesíteni", "nem lehetett kézbesíteni",
	"ulaştırılamadı", "δεν ήταν δυνατή η παράδοση", "לא ניתן היה למסור", "לא ניתן למסור", "ההודעה לא נמסרה", "hindi naihatid",
}

// reasons say why mail fails. People who discuss a bounce say so, too, and so do those who
// want a password, so that it takes more to make a bounce.
var reasons = []string{
	"leider nicht", "fehlgeschlagen", "nicht angenommen", "a échoué", "ont échoué", "message d'erreur", "mi dispiace", "non è stato possibile",
	"non può essere", "non ha potuto essere", "não foi possível", "não pôde ser", "não atingiu", "não chegou a", "kon niet worden",
	"konden niet worden", "kan niet worden", "is mislukt", "geweigerd", "nie może być", "nie mogła być", "nie może zostać", "nie mogła zostać",
	"z przykrością", "很抱歉，您", "很遗憾", "見つかりません", "存在しません", "拒否されました", "受け取れません", "epäonnistui", "mislyktes", "se nezdařilo", "nem sikerült",
	"δεν ήταν δυνατή", "ei õnnestunud", "error description:", "you sent a message", "n'a pas pu être", "n'ont pas pu être", "n'a pu être",
	"ha sido rechazado", "fue rechazado", "è stato respinto", "è stato rifiutato", "foi rejeitad", "foi recusad", "została odrzucona", "было отклонено",
	"ihre nachricht an", "ihre e-mail an", "wurde automatisch vom", "wurde automatisch von", "généré automatiquement", "créé automatiquement",
	"generado automáticamente", "creado automáticamente", "generato automaticamente", "creato automaticamente", "generata automaticamente",
	"gerada automaticamente", "gerado automaticamente", "criada automaticamente", "automatisch gegenereerd", "automatisch aangemaakt",
	"wygenerowane automatycznie", "wygenerowana automatycznie", "automatycznie wygenerowan", "создано автоматически", "автоматически создан", "自動的に生成",
	"自動的に作成", "自動生成された", "notificación automática", "has been failed", "sent to the following", "considered unsolicited", "classified as spam",
	"returned to sender", "returned to you",
	"user unknown", "unknown user", "unknown recipient", "unknown local", "unknown address", "unknown host", "host unknown", "host not found",
	"domain not found", "no such user", "not known here", "was not delivered", "were not delivered", "no such recipient", "no such mailbox", "no such address", "no such account", "no such domain", "no such host",
	"not a valid user", "not a valid address", "not a valid recipient", "invalid user", "invalid recipient", "invalid mailbox", "invalid address",
	"invalid domain", "bad address", "bad destination", "address is not valid", "doesn't exist", "does not exist", "don't exist", "doesn't have a",
	"does not have a", "not exist", "user not found", "recipient not found", "mailbox not found", "account not found", "address not found",
	"name is not recognized",
	"mailbox unavailable", "mailbox is unavailable", "mailbox full", "mailbox is full", "mailbox was full", "full mailbox", "not accepting mail from", "mailbox has exceeded", "mailbox quota",
	"over quota", "overquota", "out of quota", "quota exceeded", "exceeded quota", "exceeded its quota", "exceeded storage", "exceeds allowed size",
	"disk quota", "storage limit", "has been disabled", "is disabled", "account disabled", "been suspended", "no longer active", "is inactive",
	"inactive user", "account expired", "no longer available",
	"recipient address rejected", "sender address rejected", "address rejected", "recipient rejected", "was rejected", "rejected by",
	"relay access denied", "relaying denied", "unable to relay", "not permitted to relay", "we do not relay", "access denied", "mail loop",
	"too many hops", "hop count", "connection refused", "connection timed out", "timed out", "timeout", "not responding", "dns error", "dns failure",
	"dns lookup", "message too large", "message size exceeds", "exceeds the maximum", "service unavailable", "policy rejection", "blocked using",
	"blacklist", "blocklist", "considered spam", "looks like spam", "spam message", "user doesn't have", "refused",
	"unbekannter empfänger", "empfänger unbekannt", "benutzer unbekannt", "adresse unbekannt", "existiert nicht", "postfach voll", "postfach ist voll",
	"postfach des empfängers", "quota überschritten", "unbekannt", "inconnu", "n'existe pas", "boîte pleine", "est pleine", "quota dépassé",
	"no existe", "desconocido", "buzón lleno", "está lleno", "cuota", "non esiste", "inesistente", "sconosciuto", "casella piena", "è piena",
	"não existe", "desconhecido", "caixa cheia", "está cheia", "inválido", "onbekend", "bestaat niet", "postvak vol", "mailbox vol", "is vol",
	"nie istnieje", "nieznany", "skrzynka pełna", "jest pełna", "przepełnion",
	"не существует", "неизвестный", "не найден", "переполнен", "недоступен", "不存在", "已满", "已滿", "无效", "無效", "不可用", "超过", "拒绝", "拒絕", "不明", "いっぱい", "容量", "超過", "無効", "拒否",
	"not found in the", "was not found in", "not listed in", "找不到", "查無此", "查无此", "見つかりませんでした",
	// other languages
	"존재하지 않", "없는 사용자", "수신자를 찾을 수 없", "용량이 초과", "받는 사람의 메일 주소가", "غير موجود", "صندوق البريد ممتلئ", "المستخدم غير", "ไม่มีผู้ใช้", "ไม่พบผู้ใช้",
	"กล่องจดหมายเต็ม", "tidak ditemukan", "tidak dikenal", "kotak surat penuh", "không tồn tại", "hộp thư đầy", "nepoznat korisnik", "ne postoji",
	"непознат корисник", "neexistuje", "schránka je plná", "neznámý uživatel", "nem létezik", "ismeretlen címzett", "betelt a postafiók", "bulunamadı",
	"bilinmeyen kullanıcı", "nu există", "căsuța este plină", "не съществува", "непознат потребител", "не існує", "невідомий користувач", "לא קיים",
	"לא קיימת", "תיבת הדואר מלאה", "ei ole olemassa", "tuntematon", "findes ikke", "ukendt modtager", "finnes ikke", "ukjent mottaker", "finns inte",
	"okänd mottagare", "δεν υπάρχει", "άγνωστος χρήστης",
}

// notices stand in the subject of what a mail system tells its postmaster.
var notices = []string{
	"smtp server: errors from", "smtp server: protocol error", "lmtp server: errors from", "smtp client: errors from", "smtp client: protocol error", "lmtp client: errors from",
	"error(s) in forwarding or filtering", " frozen", "mail for you)", "virus in mail to you", "virus in mail for you", "dmarc aggregate report", "report domain:",
}

// lures are what those say who want a password. They send no original back.
var lures = []string{
	"click here", "click below", "click the button", "click on the link", "by clicking", "click to", "release messages", "release your messages", "release these messages",
	"pending messages", "held messages", "new incoming messages", "incoming messages are", "incoming messages have", "your incoming messages", "messages pending", "pending incoming", "messages to inbox", "to your inbox", "quarantine folder", "re-validate",
	"verify your account", "verify your email", "verify your mailbox", "confirm your account", "confirm your password", "keep same password", "keep current password",
	"upgrade your", "update your account", "update your mailbox", "log in to", "login to", "sign in to", "increase your", "clear cache", "storage settings", "deactivat",
	"your mailbox is full", "your mailbox is almost full", "your mailbox is over", "your mailbox has exceeded", "your mailbox has reached", "your mailbox is now",
}

// finds are what filters find in mail.
var finds = []string{
	"virus", "infected", "sensitive content", "sensitive e-mail", "malware", "malicious", "trojan", "banned", "prohibited", "not allowed", "not permitted", "disallowed", "content filter", "content policy",
	"security policy", "mail policy", "email policy", "e-mail policy", "content violation", "spam", "unsolicited", "offensive", "profanity", "viren", "schadsoftware", "вирус", "病毒", "ウイルス",
	"ウィルス", "바이러스", "wirus", "vírus",
}

// yours say that the message was the reader's.
var yours = []string{
	"you sent", "you emailed", "you e-mailed", "you mailed", "sent by you", "you have sent", "you attempted", "you tried to send", "from you <", "from you to", "presumably from you", "your message to", "as the sender",
	"your message was", "your e-mail was", "your email was", "your mail was", "e-mail enviado para", "email enviado para", "your mail could", "your message could", "your email could", "your message has", "your email has", "your e-mail has", "your message contain",
	"your email contain", "your e-mail contain", "your mail contain", "found in your", "in your message", "in your email", "in your e-mail", "in your mail ", "your system", "von ihnen", "ihre nachricht",
	"ihre e-mail", "ihrer e-mail", "ihrer nachricht", "votre message", "vous avez envoyé", "su mensaje", "usted envió", "il suo messaggio", "il tuo messaggio", "sua mensagem", "uw bericht",
	"twoja wiadomość", "twojej wiadomości", "ваше сообщение", "ваше письмо", "вашем письме", "您发送", "您的邮件", "お送りいただいた", "あなたが送信",
}

// ends are the lines behind which the returned message stands, not the report.
var ends = []string{
	"--- below this line is", "---below this line is", "--- below the next line is a copy", "------ this is a copy of", "--- this is a copy of",
	"----- original message", "-----original message", "--- original message", "original message follows", "--- the header of the original",
	"--- header of the original",
	"original message headers:", "message headers follow", "message header follows", "----- message header", "--- message header", "original headers:",
	"headers of the original", "----- unsent message", "--- unsent message", "message text follows", "----- the following is a copy",
	"--- enclosed is a copy", "a copy of the original message",
	"--- undelivered message", "----- transcript of message follows", "----- message text", "--- message text", "-- the header and top",
	"----- forwarded message", "--- returned message", "------- returned message", "-------- returned mail", "---- start of returned message",
	"--- old message", "old message:", "|---- message text", "|------------------------- message text",
	"--- start of message", "--- begin message", "-----begin message", "--- attached is", "your message reads", "your message follows",
	"returned message follows", "returned mail follows", "possibly truncated original message follows", "original mail as follows",
	"-------original message", "-------original mail", "the first lines of the message", "first part of the message", "received:", "return-path:",
	"--- ursprüngliche nachricht", "----- ursprüngliche nachricht", "-----ursprüngliche nachricht", "ursprüngliche nachrichtenkopfzeilen",
	"kopfzeilen der ursprünglichen", "--- kopie der nachricht", "--- der header der ursprünglichen", "--- message d'origine", "-----message d'origine",
	"en-têtes de message d'origine", "--- mensaje original", "-----mensaje original", "encabezados de mensajes originales",
	"encabezados del mensaje original", "--- messaggio originale", "-----messaggio originale", "intestazioni messaggio originale",
	"--- mensagem original", "-----mensagem original", "cabeçalhos de mensagem originais", "cabeçalhos da mensagem original",
	"--- oorspronkelijk bericht", "-----oorspronkelijk bericht", "originele berichtkoppen", "--- oryginalna wiadomość", "oryginalne nagłówki",
	"--- исходное сообщение", "исходные заголовки", "заголовки исходного", "原始邮件", "原始郵件", "邮件原文", "元のメッセージ", "--- 元の", "以下は元の",
}

// others are beginnings of lines whose addresses are those of somebody else.
var others = []string{
	"message-id", "message id", "references", "in-reply-to", "from", "sender", "reply-to", "received", "return-path", "mail from", ">>> mail from",
	"envelope-from",
	"x-a", "x-m", "x-o", "x-s", "cc:", "von:", "de:", "от:", "od:", "发件人", "寄件者", "差出人", "http", "mailto:", "authentication-results", "dkim-",
	"with smtp", "by ", "id ",
}

// helpers tell that an address is the one to ask for help.
var helpers = []string{
	"contact", "please", "assistance", "unsubscribe", "support", "help", "mailto:", "wenden", "kontakt", "contactez", "contacter", "póngase", "contatt",
	"contato", "обратит", "联系", "聯絡", "連絡",
}

// labels are what stands before the address of somebody who failed.
var labels = []string{
	"your message to", "your mail to", "your email to", "message to", "the following message to", "recipient", "recipients",
	"recipient address", "email address", "e-mail address", "intended recipient", "failed recipient", "failed address", "address", "user", "mailbox", "smtp", "[smtp", "recipient: [smtp",
	"empfänger", "destinataire", "destinatario", "destinatário", "ontvanger", "geadresseerde", "odbiorca", "adresat", "получатель", "адресат", "收件人地址",
	"送信先", "受信者", "받는 사람",
}

// accents are the letters of words.go that have one, as they are written without.
var accents = strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss",
	"á", "a", "à", "a", "â", "a", "ã", "a", "ą", "a", "ç", "c", "ć", "c", "č", "c", "ď", "d", "é", "e", "è", "e", "ê", "e", "ę", "e", "ě", "e",
	"í", "i", "ì", "i", "î", "i", "ł", "l", "ñ", "n", "ń", "n", "ň", "n", "ó", "o", "ò", "o", "ô", "o", "õ", "o", "ř", "r", "ś", "s", "š", "s", "ť", "t",
	"ú", "u", "ù", "u", "ů", "u", "ý", "y", "ź", "z", "ż", "z", "ž", "z")
