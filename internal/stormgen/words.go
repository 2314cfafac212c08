package stormgen

import (
	"fmt"
	"strings"

	"breakwater/internal/address"
)

// authors of the mailshots, by local part.
var authors = []string{"sales", "events", "info", "office"}

var authorNames = map[string]string{"sales": "Sales", "events": "Events Desk", "info": "Auskunft für Mitglieder", "office": "Main Office"}

func authorName(addr string) string {
	local := address.Local(addr)
	return authorNames[local]
}

var firstNames = strings.Fields(`ada ben carla dieter elif frank greta hanno ines jan katja
	lars mona nils olga paul quirin rosa sven tina udo vera willi xenia yusuf zoe anke bruno
	cem doris egon frieda gero hilde ivo jutta kurt lena malte nora`)

// localPart is the name of the nth mailbox.
func localPart(n int) string {
	name := firstNames[n%len(firstNames)]
	if n >= len(firstNames) {
		return fmt.Sprintf("%s%d", name, n/len(firstNames)+1)
	}
	return name
}

// everybodyElse is who is in Cc and has no mailbox with us.
func everybodyElse() []string {
	var list []string
	for i := range relays {
		list = append(list, "office@"+relays[i].site)
	}
	for _, f := range failures {
		list = append(list, f.rcpts...)
	}
	for _, r := range responders {
		list = append(list, r.addr)
	}
	return append(list, "press@news.example.com", "h.brandt@law.example.net", "board@club.example.org")
}

var shotSubjects = []string{
	"Invitation to our open day, no.", "Einladung zur Hausmesse Nr.", "New price list", "Spring offers for our partners, part",
	"Änderung der Öffnungszeiten, Mitteilung", "Change of address, notice", "Invitation à la journée portes ouvertes n°", "Reminder: annual meeting",
}

var paragraphs = []string{
	"we cordially invite you to our open day. The doors open at ten, and there is coffee for everybody who comes early.",
	"wie in jedem Jahr möchten wir Sie herzlich zu unserer Hausmesse einladen. Für Essen und Getränke ist gesorgt, über Ihr Kommen freuen wir uns.",
	"Please find the new prices below. They hold from the first of next month; orders that reach us before are charged at the old ones.",
	"Bitte beachten Sie, dass unser Büro vom 23. bis zum 27. geschlossen bleibt. Danach sind wir wieder wie gewohnt für Sie da.",
	"Nous vous prions de bien vouloir confirmer votre présence avant la fin de la semaine, afin que nous puissions réserver les places.",
	"Our stand is in hall four, right beside the entrance. Show this mail at the counter and take a bag home with you.",
	"The meeting begins at half past six in the small hall. Those who cannot come may send somebody with a written power of attorney.",
	"Parkplätze stehen hinter dem Haus zur Verfügung. Wer mit der Bahn kommt, wird auf Wunsch am Bahnhof abgeholt.",
	"If you do not wish to get such mail, answer with the word stop, and we will take you off the list by hand.",
	"With thanks for the good work of the past year, and in the hope of many more to come, we remain yours.",
}
