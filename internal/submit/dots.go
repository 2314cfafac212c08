package submit

import (
	"bufio"
	"errors"
	"io"
)

// writeDots copies a message with its leading dots doubled (RFC 5321 §4.5.2), and without
// its last line end. Each bare LF becomes CRLF; a server that takes it for a line end
// could otherwise see the end of the message, and commands behind it, where there are none.
//
// It is here because net/textproto's DotWriter, which go-smtp uses, adds a CR to CR CR LF.
func writeDots(w io.Writer, message io.Reader) error {
	in, out := bufio.NewReader(message), bufio.NewWriterSize(w, 16<<10)
	held := "" // what was read and not written: "", "\r" or "\r\n"
	begin := true
	for {
		c, err := in.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			if held == "\r" {
				out.WriteString(held)
			}
			return out.Flush()
		case err != nil:
			return err
		case c == '\n':
			if held == "\r\n" {
				out.WriteString(held)
			}
			held, begin = "\r\n", true
			continue
		}
		out.WriteString(held)
		held = ""
		if c == '.' && begin {
			out.WriteByte('.')
		}
		begin = false
		if c == '\r' {
			held = "\r"
			continue
		}
		if err := out.WriteByte(c); err != nil {
			return err
		}
	}
}
