package report

// What bounces without structure say, in the words of mail systems. All in lower case and
// with single blanks. A phrase belongs here if a system says it and a person hardly would.

// failures begin or stand in the subject of a bounce.
var failures = []string{
	"undelivered mail", "undeliverable", "undeliverable mail", "mail delivery failed", "mail delivery failure", "mail delivery problem",
	"delivery failure", "delivery failed", "failed delivery", "delivery status notification", "failure notice", "returned mail",
	"mail system error", "message undeliverable", "delivery report", "message status - undeliverable", "non delivery", "nondeliverable",
	"mail could not be delivered", "message delivery has failed", "unzustellbar", "zustellung fehlgeschlagen", "fehler bei der zustellung",
	"nicht zustellbar", "unzustellbare nachricht", "mail failed, returning", "there was an error sending your mail", "email delivery failure",
	"échec de la remise", "message non remis", "non remis", "échec de livraison", "non distribué", "retour de courrier",
	"no se puede entregar", "no se pudo entregar", "error de entrega", "entrega fallida", "notificación del estado de entrega (error)",
	"messaggio non recapitabile", "mancato recapito", "non recapitato", "consegna fallita", "impossibile recapitare",
	"não entregue", "falha na entrega", "não é possível entregar", "falha de entrega", "onbestelbaar", "niet afgeleverd", "bezorging mislukt",
	"niedostarczalna", "nie można dostarczyć", "niedostarczona", "błąd dostarczenia", "недоставлен", "не удалось доставить", "ошибка доставки",
	"недоставленное сообщение", "退信", "未送达", "无法送达", "投递失败", "无法投递", "郵件無法傳遞", "配信できません", "配信不能", "送信できません", "配達できません", "エラーメール",
	"blocked by", "virus infection", "attachment type not allowed",
}

// delays stand in the subject of a warning that delivery goes on.
var delays = []string{
	"delayed", "(delay)", "still being retried", "delivery delay", "could not send message for past", "message delayed",
	"verzögert", "retard", "retrasad", "ritard", "atrasad", "vertraagd", "opóźnion", "задерж", "延迟", "遅延",
}

// sentences begin the text of a bounce, or stand in its first lines.
var sentences = []string{
	"this message was created automatically by mail delivery software", "this is the mail system at host", "this is the qmail-send program",
	"i'm sorry to have to inform you that", "i wasn't able to deliver your message", "unable to deliver message to the following address",
	"unable to deliver your message", "delivery to the following recipient", "delivery to the following recipients failed",
	"your message did not reach some or all of the intended recipients", "did not reach the following recipient", "the recipient name is not recognized", "could not be delivered", "was not delivered to", "couldn't be delivered",
	"the following addresses had permanent fatal errors", "the following addresses had transient non-fatal errors", "the following address failed",
	"a message that you sent could not be delivered", "your message cannot be delivered to the following recipients", "the original message was received at",
	"this is a permanent error", "permanent failure", "message delivery failed", "user unknown", "unknown user", "mailbox unavailable", "mailbox is full",
	"mailbox full", "over quota", "quota exceeded", "recipient address rejected", "does not exist", "no such user", "host unknown", "this user doesn't have a",
	"delivery has failed to these recipients", "the following recipient(s) could not be reached", "returned to sender", "sorry, we were unable to deliver",
	"there was a problem delivering your message", "an error occurred while trying to deliver", "message is being returned", "transcript of session follows",
	"invalid final delivery userid", "undeliverable to", "address not found", "has not been delivered", "hasn't been delivered yet", "not yet been delivered",
	"nicht zugestellt werden", "konnte nicht zugestellt", "unzustellbar", "n'a pas pu être", "n'a pas été remis", "no se pudo entregar", "no ha podido ser entregado",
	"non è stato possibile", "non può essere recapitato", "não pôde ser entregue", "não foi possível entregar", "kon niet worden", "niet worden afgeleverd",
	"nie mogła zostać", "nie może zostać dostarczona", "не может быть доставлено", "не было доставлено", "不能送达", "无法送达", "无法投递", "未能送达", "配信できません", "送信できません", "配達できません",
	"送ることができません", "見つかりませんでした",
}

// ends are the lines behind which the returned message stands, not the report.
var ends = []string{
	"--- below this line is a copy of the message", "------ this is a copy of", "----- original message", "----- unsent message", "--- original message",
	"received:", "return-path:", "----- message header follows", "----- the following is a copy", "--- enclosed is a copy", "--- undelivered message follows",
	"----- transcript of message follows", "original message follows", "-- the header and top", "message-id:", "----- forwarded message", "----original message",
}
