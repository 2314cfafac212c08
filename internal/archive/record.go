package archive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// A record is a head, a byte for each recipient that says what became of his copy, the copy
// as a list of strings, and the message. Strings and message are compressed by zstd, each
// for itself, and where the record has a base, with the base's as the dictionary: what is
// left is the difference. The head, all numbers big-endian:
//
//	 0  magic
//	 8  ID: nanoseconds since 1970; 0 is the mark at the end of a finished segment
//	16  ID of the base; 0 for none, its own for the spare of a base. In the mark: the last ID
//	24  number of recipients
//	28  length of the compressed copy
//	32  length of the compressed message
//	36  length of the message
//	40  SHA-256 of the message
//	72  CRC-32C of the compressed copy
//	76  CRC-32C of the compressed message
//	80  CRC-32C of the segment's name and the head so far
//
// The segment's name is in the sum so that nobody can mail us something that is taken for
// a record: a sender cannot know when his message will begin a segment.
//
// The last byte of the magic is the format of the copy. Format 2 has no time on the archive's
// clock and no domains of single recipients; it is read, and no longer written.
const (
	stem     = "\x89copy\r\n"
	magic    = stem + "\x03"
	magicOld = stem + "\x02"
	headSize = 84
	headSums = 80 // offset of the last sum

	maxStrings = 64 << 20 // bytes of a copy
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func sum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// id is when a copy was archived, in nanoseconds since 1970. No two copies have the same.
type id int64

const idLayout = "20060102-150405" // and nanoseconds

func (i id) String() string {
	t := i.time().UTC()
	return fmt.Sprintf("%s-%09d", t.Format(idLayout), t.Nanosecond())
}

func (i id) time() time.Time { return time.Unix(0, int64(i)) }

// parseID accepts nothing but what String writes.
func parseID(s string) (id, bool) {
	if len(s) != len(idLayout)+10 {
		return 0, false
	}
	t, err := time.Parse(idLayout+".000000000", s[:len(idLayout)]+"."+s[len(idLayout)+1:])
	i := id(t.UnixNano())
	return i, err == nil && i > 0 && i.String() == s
}

// head says what a record holds.
type head struct {
	old              bool // format 2
	id, base         id
	recipients       uint32
	strings, message uint32 // lengths in the file
	size             uint32 // of the message
	sha              [32]byte
	stringsSum       uint32
	messageSum       uint32
}

// length is that of the whole record.
func (h head) length() int64 {
	return headSize + int64(h.recipients) + int64(h.strings) + int64(h.message)
}

// spare reports whether the record is a base once more, for when the first is damaged.
func (h head) spare() bool { return h.id != 0 && h.base == h.id }

// delta reports whether the record is kept as the difference to another.
func (h head) delta() bool { return h.id != 0 && h.base != 0 && h.base != h.id }

func (h head) append(b []byte, segment string) []byte {
	start := len(b)
	if h.old {
		b = append(b, magicOld...)
	} else {
		b = append(b, magic...)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(h.id))
	b = binary.BigEndian.AppendUint64(b, uint64(h.base))
	for _, n := range []uint32{h.recipients, h.strings, h.message, h.size} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	b = append(b, h.sha[:]...)
	b = binary.BigEndian.AppendUint32(b, h.stringsSum)
	b = binary.BigEndian.AppendUint32(b, h.messageSum)
	return binary.BigEndian.AppendUint32(b, headSum(b[start:], segment))
}

func headSum(b []byte, segment string) uint32 {
	return crc32.Update(sum([]byte(segment)), castagnoli, b)
}

// parseHead reads the head at the beginning of b, if there is one.
func parseHead(b []byte, segment string) (h head, ok bool) {
	if len(b) < headSize {
		return h, false
	}
	switch string(b[:len(magic)]) {
	case magic:
	case magicOld:
		h.old = true
	default:
		return h, false
	}
	u32 := func(at int) uint32 { return binary.BigEndian.Uint32(b[at:]) }
	if u32(headSums) != headSum(b[:headSums], segment) {
		return h, false
	}
	h.id = id(binary.BigEndian.Uint64(b[8:]))
	h.base = id(binary.BigEndian.Uint64(b[16:]))
	h.recipients, h.strings, h.message, h.size = u32(24), u32(28), u32(32), u32(36)
	copy(h.sha[:], b[40:72])
	h.stringsSum, h.messageSum = u32(72), u32(76)
	return h, h.id >= 0 && h.base >= 0 && h.size <= MaxMessage &&
		h.recipients <= maxStrings && h.strings <= 2*maxStrings && h.message <= 2*MaxMessage
}

// record is a copy as it is written.
type record struct {
	head             head
	states           []byte // of the recipients
	strings, message []byte
}

func (r record) append(b []byte, segment string) []byte {
	b = append(r.head.append(b, segment), r.states...)
	return append(append(b, r.strings...), r.message...)
}

// state is what became of a recipient's copy. It is written into the record itself, as one
// byte that no sum covers.
type state = byte

const (
	held state = iota
	released
	forgotten // to be erased, and shown to nobody any more
)

// ErrDamaged is what errors wrap that say that bytes of the archive are not what was written. Other
// errors may be over in a moment.
var ErrDamaged = errors.New("damaged record")

// Texts of a copy, and of each of its failures and recipients.
const (
	fixedTexts, fixedTextsOld = 11, 10
	failureTexts              = 3
	recipientTexts            = 7
)

// appendCopy writes c as strings, each after its length: bytes as they came, whatever
// their encoding.
func appendCopy(b []byte, c Copy) []byte {
	client := ""
	if c.Client.IsValid() {
		client = c.Client.String()
	}
	add := func(texts ...string) {
		for _, s := range texts {
			b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
		}
	}
	add(timeText(c.At), c.QueueID, client, c.Helo, c.AuthUser, c.ReversePath)
	add(c.Domain, c.From, c.Subject, strconv.Itoa(len(c.Failures)), timeText(c.Kept))
	for _, f := range c.Failures {
		add(f.Recipient, f.Action, f.Status)
	}
	for _, r := range c.Recipients {
		add(r.Addr, r.Class, r.Reason, r.Rule, r.Storm, r.Notify, r.Domain)
	}
	return b
}

// timeText is a time in seconds since 1970 with nine decimals; "" for the zero time.
func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond())
}

func parseTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	sec, nsec, _ := strings.Cut(text, ".")
	s, err := strconv.ParseInt(sec, 10, 64)
	n, nerr := strconv.ParseInt(nsec, 10, 64)
	return time.Unix(s, n).UTC(), errors.Join(err, nerr)
}

// parseCopy reads what appendCopy wrote, and the rest of the copy from the head.
func (h head) parseCopy(b []byte) (Copy, error) {
	var texts []string
	for len(b) > 0 {
		n, used := binary.Uvarint(b)
		if used <= 0 || n > uint64(len(b)-used) {
			return Copy{}, ErrDamaged
		}
		texts = append(texts, string(b[used:used+int(n)]))
		b = b[used+int(n):]
	}
	fixed := fixedTexts
	if h.old {
		fixed = fixedTextsOld
	}
	if len(texts) < fixed {
		return Copy{}, ErrDamaged
	}
	failures, err := strconv.Atoi(texts[9])
	if err != nil || failures < 0 || failures > len(texts) {
		return Copy{}, ErrDamaged
	}
	recipient := recipientTexts
	if h.old {
		recipient = 5 // or one more where it is said who is told
		if len(texts) == fixed+failures*failureTexts+int(h.recipients)*6 {
			recipient = 6
		}
	}
	if len(texts) != fixed+failures*failureTexts+int(h.recipients)*recipient {
		return Copy{}, ErrDamaged
	}
	at, err := parseTime(texts[0])
	kept := h.id.time().UTC() // an old copy is kept since its ID says
	if err == nil && !h.old {
		kept, err = parseTime(texts[10])
	}
	if err != nil {
		return Copy{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	client, _ := netip.ParseAddr(texts[2]) // "" is the zero Addr
	c := Copy{
		ID: h.id.String(), At: at, Kept: kept, QueueID: texts[1], Client: client, Helo: texts[3], AuthUser: texts[4], ReversePath: texts[5],
		Domain: texts[6], From: texts[7], Subject: texts[8], SHA256: h.sha, Size: int64(h.size),
	}
	texts = texts[fixed:]
	for ; failures > 0; failures-- {
		c.Failures = append(c.Failures, Failure{Recipient: texts[0], Action: texts[1], Status: texts[2]})
		texts = texts[failureTexts:]
	}
	for r := texts; len(r) > 0; r = r[recipient:] {
		rcpt := Recipient{Addr: r[0], Class: r[1], Reason: r[2], Rule: r[3], Storm: r[4]}
		if recipient > 5 {
			rcpt.Notify = r[5]
		}
		if recipient > 6 {
			rcpt.Domain = r[6]
		}
		c.Recipients = append(c.Recipients, rcpt)
	}
	return c, nil
}
