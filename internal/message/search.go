package message

import (
	"bytes"
	"strings"
)

// CountType counts how often a media type, or the beginning of one up to its slash, is named
// in b, whatever its case. It reads b once and copies nothing.
func CountType(b []byte, mediaType string) int {
	slash := strings.IndexByte(mediaType, '/')
	n := 0
	for pos := 0; ; pos++ {
		i := bytes.IndexByte(b[pos:], '/')
		if i < 0 {
			return n
		}
		pos += i
		begin, end := pos-slash, pos-slash+len(mediaType)
		if begin >= 0 && end <= len(b) && strings.EqualFold(string(b[begin:end]), mediaType) {
			n++
		}
	}
}
