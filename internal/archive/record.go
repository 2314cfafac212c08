package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// A record is a head, the copy as a list of strings, and the message compressed by zstd.
// The head, all numbers big-endian:
//
//	 0  magic
//	 8  ID: nanoseconds since 1970; 0 is the mark at the end of a finished segment
//	16  length of the copy
//	20  length of the compressed message
//	24  length of the message
//	32  SHA-256 of the message
//	64  CRC-32C of the copy
//	68  CRC-32C of the compressed message
//	72  CRC-32C of the segment's name and the head so far
//
// The segment's name is in the sum so that nobody can mail us something that is taken for
// a record: a sender cannot know when his message will begin a segment.
const (
	magic    = "\x89copy\r\n\x01"
	headSize = 76

	maxStrings = 64 << 20 // bytes of a copy
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func sum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// id is when a copy was archived, in nanoseconds since 1970. No two copies have the same.
type id int64

const idLayout = "20060102-150405" // and nanoseconds

func (i id) String() string {
	t := time.Unix(0, int64(i)).UTC()
	return fmt.Sprintf("%s-%09d", t.Format(idLayout), t.Nanosecond())
}

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
	id               id
	strings, message uint32 // lengths in the file
	size             int64
	sha              [32]byte
	stringsSum       uint32
	messageSum       uint32
}

// length is that of the whole record.
func (h head) length() int64 { return headSize + int64(h.strings) + int64(h.message) }

func (h head) append(b []byte, segment string) []byte {
	start := len(b)
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint64(b, uint64(h.id))
	b = binary.BigEndian.AppendUint32(b, h.strings)
	b = binary.BigEndian.AppendUint32(b, h.message)
	b = binary.BigEndian.AppendUint64(b, uint64(h.size))
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
	if len(b) < headSize || !bytes.HasPrefix(b, []byte(magic)) {
		return h, false
	}
	if binary.BigEndian.Uint32(b[72:]) != headSum(b[:72], segment) {
		return h, false
	}
	h.id = id(binary.BigEndian.Uint64(b[8:]))
	h.strings = binary.BigEndian.Uint32(b[16:])
	h.message = binary.BigEndian.Uint32(b[20:])
	h.size = int64(binary.BigEndian.Uint64(b[24:]))
	copy(h.sha[:], b[32:64])
	h.stringsSum = binary.BigEndian.Uint32(b[64:])
	h.messageSum = binary.BigEndian.Uint32(b[68:])
	return h, h.id >= 0 && h.size >= 0 && h.size <= MaxMessage && h.strings <= maxStrings && h.message <= 2*MaxMessage
}

// record is a copy as it is written.
type record struct {
	head             head
	strings, message []byte
}

func newRecord(c Copy, raw []byte, enc *zstd.Encoder) record {
	r := record{strings: appendCopy(nil, c), message: enc.EncodeAll(raw, nil)}
	r.head = head{
		strings: uint32(len(r.strings)), message: uint32(len(r.message)),
		size: int64(len(raw)), sha: sha256.Sum256(raw),
		stringsSum: sum(r.strings), messageSum: sum(r.message),
	}
	return r
}

// newEncoder compresses with little memory: most copies are of a few kilobytes.
func newEncoder() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2),
		zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true))
}

// unpack is the message of a record, checked.
func (h head) unpack(compressed []byte) ([]byte, error) {
	if sum(compressed) != h.messageSum {
		return nil, errDamaged
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxMessage+1))
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	raw, err := dec.DecodeAll(compressed, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if int64(len(raw)) != h.size || sha256.Sum256(raw) != h.sha {
		return nil, errDamaged
	}
	return raw, nil
}

var errDamaged = errors.New("damaged record")

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
	add(fmt.Sprintf("%d.%09d", c.At.Unix(), c.At.Nanosecond()), c.QueueID, client, c.Helo, c.AuthUser, c.ReversePath)
	add(c.From, c.Subject, strconv.Itoa(len(c.Failures)))
	for _, f := range c.Failures {
		add(f.Recipient, f.Action, f.Status)
	}
	for _, r := range c.Recipients {
		add(r.Addr, r.Class, r.Reason, r.Rule, r.Storm)
	}
	return b
}

func unixTime(sec, nsec string) (time.Time, error) {
	s, err := strconv.ParseInt(sec, 10, 64)
	n, nerr := strconv.ParseInt(nsec, 10, 64)
	return time.Unix(s, n).UTC(), errors.Join(err, nerr)
}

// parseCopy reads what appendCopy wrote, and the rest of the copy from the head.
func (h head) parseCopy(b []byte) (Copy, error) {
	if sum(b) != h.stringsSum {
		return Copy{}, errDamaged
	}
	var texts []string
	for len(b) > 0 {
		n, used := binary.Uvarint(b)
		if used <= 0 || n > uint64(len(b)-used) {
			return Copy{}, errDamaged
		}
		texts = append(texts, string(b[used:used+int(n)]))
		b = b[used+int(n):]
	}
	const fixed, failure, recipient = 9, 3, 5 // texts of each
	if len(texts) < fixed {
		return Copy{}, errDamaged
	}
	failures, err := strconv.Atoi(texts[8])
	if left := len(texts) - fixed - failures*failure; err != nil || failures < 0 || failures > len(texts) || left < 0 || left%recipient != 0 {
		return Copy{}, errDamaged
	}
	sec, nsec, _ := strings.Cut(texts[0], ".")
	at, err := unixTime(sec, nsec)
	if err != nil {
		return Copy{}, fmt.Errorf("%w: %w", errDamaged, err)
	}
	client, _ := netip.ParseAddr(texts[2]) // "" is the zero Addr
	c := Copy{
		ID: h.id.String(), At: at, QueueID: texts[1], Client: client, Helo: texts[3], AuthUser: texts[4], ReversePath: texts[5],
		From: texts[6], Subject: texts[7], SHA256: h.sha, Size: h.size,
	}
	texts = texts[fixed:]
	for ; failures > 0; failures-- {
		c.Failures = append(c.Failures, Failure{Recipient: texts[0], Action: texts[1], Status: texts[2]})
		texts = texts[failure:]
	}
	for r := texts; len(r) > 0; r = r[recipient:] {
		c.Recipients = append(c.Recipients, Recipient{Addr: r[0], Class: r[1], Reason: r[2], Rule: r[3], Storm: r[4]})
	}
	return c, nil
}
