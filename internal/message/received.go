package message

import "strings"

// Clause is the word behind another one in a Received field, RFC 5321 §4.4, such as "by", in
// lower case; "" where there is none.
func Clause(field, name string) string {
	stamp, _, _ := strings.Cut(field, ";")
	for {
		i := strings.Index(stamp, name)
		if i < 0 {
			return ""
		}
		before, after := stamp[:i], stamp[i+len(name):]
		stamp = after
		value := strings.TrimLeft(after, " \t")
		if before != "" && !strings.HasSuffix(before, " ") && !strings.HasSuffix(before, "\t") || len(value) == len(after) {
			continue
		}
		if end := strings.IndexAny(value, " \t()"); end >= 0 {
			value = value[:end]
		}
		return strings.ToLower(strings.TrimRight(value, "."))
	}
}
