package origin

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"breakwater/internal/message"
	"breakwater/internal/seal"
)

// TokenField is the header field with the token.
const TokenField = "X-Breakwater-Token"

// tokenLife is how long a token is good. Bounces come within days; what comes later is
// rather somebody who collects tokens.
const tokenLife = 30 * 24 * time.Hour

// Token is the value of TokenField for mail with this From, Date and Message-ID field, as
// they stand in its header, that a domain of ours sends at a time. It is folded once.
func (r *Ring) Token(domain, from, date, id string, at time.Time) string {
	k, d := r.Signing(at), strconv.FormatInt(day(at), 10)
	return fmt.Sprintf("d=%s; k=%s; t=%s;\r\n\ts=%s", domain, k.ID(), d, k.token(domain, d, from, date, id))
}

func (k Key) token(domain, day, from, date, id string) string {
	return hex.EncodeToString(k.sign("token", domain, day, authors(from), canonical(date), canonical(id)))[:32]
}

// authors is what of a From field stays as it is: its addresses. Sendmail and Courier write the
// rest anew, with other quotes, brackets and spaces.
func authors(from string) string { return strings.Join(message.Addresses(from), ",") }

// canonical is a field's value without what mail servers change: its folds.
func canonical(value string) string { return strings.Join(strings.Fields(value), " ") }

// messageID is the Message-ID of a field, without angle brackets: the same for all fields for which a token
// holds.
func messageID(field string) string { return message.MessageID(canonical(field)) }

// token is what the token in a returned header is worth.
type token struct {
	domain string // that sent the message; anybody can write it where the token does not hold
	day    int64  // on which it was signed, since 1970
	ours   bool   // it names a key of the ring
	holds  bool   // the key signed it for this From, Date and Message-ID, and it has not expired
	why    string
}

// checkToken reads the token of a returned header at a time.
func (r *Ring) checkToken(h message.Header, at time.Time) token {
	value := h.Get(TokenField)
	if value == "" {
		return token{why: "no token in what is returned"}
	}
	of := map[string]string{}
	for tag := range strings.SplitSeq(value, ";") {
		name, v, _ := strings.Cut(tag, "=")
		of[strings.TrimSpace(name)] = strings.Join(strings.Fields(v), "")
	}
	k, ok := r.named(of["k"])
	if !ok {
		return token{why: "the token is of a key that is not ours"}
	}
	signed, err := strconv.ParseInt(of["t"], 10, 64)
	t := token{domain: of["d"], day: signed, ours: true}
	switch age := day(at) - signed; {
	case !seal.Equal(of["s"], k.token(of["d"], of["t"], h.Get("From"), h.Get("Date"), h.Get("Message-ID"))):
		t.why = "the token does not fit From, Date and Message-ID"
	case err != nil || age < -1:
		t.why = "the token is of a day to come"
	case age > int64(tokenLife/(24*time.Hour)) || r.Retired(k, at):
		t.why = "the token has expired"
	default:
		t.holds, t.why = true, "token of key "+k.ID()
	}
	return t
}
