package scenario

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"fmt"
	"io/fs"
	"iter"
	"math/rand/v2"
	"net/netip"
	"path"
	"slices"
	"strings"
	"text/template"
	"time"

	"breakwater/internal/message"
	"breakwater/internal/tomlfile"
)

// sequence is a send, ready to be played.
type sequence struct {
	send
	doc    *tomlfile.Document
	key    string
	from   *template.Template
	to     []*template.Template
	text   *template.Template
	raw    []byte // of a file
	client *template.Template
	runs   []run // what is expected
}

// values are what templates see.
type values struct {
	N    int    // of the message, from 1
	Copy int    // of this message, from 1
	Date string // of the message, the same for all copies
	Now  string // when this copy is sent
}

// functions of templates, besides those that all templates have.
var functions = template.FuncMap{
	"add":    func(a, b int) int { return a + b },
	"mul":    func(a, b int) int { return a * b },
	"div":    func(a, b int) (int, error) { return divide(a, b, func() int { return a / b }) },
	"mod":    func(a, b int) (int, error) { return divide(a, b, func() int { return a % b }) },
	"repeat": repeat,
	"base64": func(s string) string { return lines(base64.StdEncoding.EncodeToString([]byte(s))) },
	"data":   data,
}

func divide(_, b int, by func() int) (int, error) {
	if b == 0 {
		return 0, fmt.Errorf("division by zero")
	}
	return by(), nil
}

// maxText bounds what a template makes, in bytes.
const maxText = 8 << 20

func repeat(n int, s string) (string, error) {
	if n < 0 || n*len(s) > maxText {
		return "", fmt.Errorf("repeat makes more than %d bytes", maxText)
	}
	return strings.Repeat(s, n), nil
}

// data is n bytes that are different for each seed.
func data(n, seed int) (string, error) {
	if n < 0 || n > maxText {
		return "", fmt.Errorf("data makes more than %d bytes", maxText)
	}
	r := rand.New(rand.NewPCG(uint64(seed), 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b), nil
}

// lines breaks base64 as RFC 2045 §6.8 wants it.
func lines(s string) string {
	var b strings.Builder
	for len(s) > 76 {
		b.WriteString(s[:76] + "\n")
		s = s[76:]
	}
	return b.String() + s
}

// newSequence checks all that a send says.
func newSequence(doc *tomlfile.Document, key string, s send, fsys fs.FS) (*sequence, []*tomlfile.Error) {
	sq := &sequence{send: s, doc: doc, key: key}
	var wrong []*tomlfile.Error
	bad := func(name string, err error) {
		if err != nil {
			wrong = append(wrong, doc.WrongValue(key+"."+name, "%v", err))
		}
	}
	sq.Times, sq.Copies = max(s.Times, 1), max(s.Copies, 1)
	var err error
	sq.client, err = parse(cmp.Or(s.Client, "192.0.2.1"))
	if err == nil {
		_, err = sq.addr(values{N: 1, Copy: 1})
	}
	bad("client", err)
	from := "robot@example.net"
	if s.From != nil {
		from = *s.From
	}
	sq.from, err = parse(from)
	bad("from", err)
	if len(s.To) == 0 {
		s.To = []string{"u1@example.test"}
	}
	for i, to := range s.To {
		t, err := parse(to)
		bad(fmt.Sprintf("to[%d]", i), err)
		sq.to = append(sq.to, t)
	}
	sq.text, err = parse(s.Message)
	bad("message", err)
	switch {
	case (s.Message == "") == (s.File == ""):
		wrong = append(wrong, doc.WrongKey(key, "a send has either message or file"))
	case s.File != "":
		sq.raw, err = fs.ReadFile(fsys, path.Clean(s.File))
		bad("file", err)
	}
	runs, errs := readRuns(doc, key, s, len(sq.to))
	sq.runs = runs
	return sq, append(wrong, errs...)
}

func parse(text string) (*template.Template, error) {
	return template.New("").Option("missingkey=error").Funcs(functions).Parse(text)
}

// messages yields the messages: all of them once, then the second copy of all.
func (sq *sequence) messages(at time.Time) iter.Seq2[*message.Message, error] {
	return func(yield func(*message.Message, error) bool) {
		begun := at
		for c := range sq.Copies {
			for n := range sq.Times {
				m, err := sq.message(n+1, c+1, begun.Add(time.Duration(n)*sq.Every), at)
				if !yield(m, err) || err != nil {
					return
				}
				at = at.Add(sq.Every)
			}
		}
	}
}

// message makes copy c of message n, which was written at one time and is sent at another.
func (sq *sequence) message(n, c int, written, at time.Time) (*message.Message, error) {
	v := values{N: n, Copy: c, Date: written.Format(time.RFC1123Z), Now: at.Format(time.RFC1123Z)}
	env := message.Envelope{
		QueueID: fmt.Sprintf("T%dC%d", n, c), AuthUser: sq.Login, Helo: sq.Helo,
	}
	if env.Helo == "" {
		env.Helo = "mx.example.net"
	}
	var err error
	if env.Client, err = sq.addr(v); err != nil {
		return nil, sq.doc.WrongValue(sq.key+".client", "%v", err)
	}
	if env.ReversePath, err = sq.fill("from", sq.from, v); err != nil {
		return nil, err
	}
	for i, t := range sq.to {
		to, err := sq.fill(fmt.Sprintf("to[%d]", i), t, v)
		if err != nil {
			return nil, err
		}
		env.Recipients = append(env.Recipients, message.Recipient{Addr: to})
	}
	raw, err := sq.bytes(env, v)
	if err != nil {
		return nil, err
	}
	return message.Parse(env, at, raw), nil
}

// addr is the client of a message.
func (sq *sequence) addr(v values) (netip.Addr, error) {
	var b strings.Builder
	if err := sq.client.Execute(&b, v); err != nil {
		return netip.Addr{}, err
	}
	return netip.ParseAddr(b.String())
}

func (sq *sequence) fill(name string, t *template.Template, v values) (string, error) {
	var b strings.Builder
	if err := t.Execute(&b, v); err != nil {
		return "", sq.doc.WrongValue(sq.key+"."+name, "%v", err)
	}
	return b.String(), nil
}

// transfer is the stamp of the last relay: another one for each transfer, the same for a
// retry. That of the first one, who was handed the message, is the same for all copies.
func (sq *sequence) transfer(v values) string {
	if sq.Retry {
		v.Copy = 1
	}
	return fmt.Sprintf("%s.%d.%d", sq.key, v.N, v.Copy)
}

// bytes is the message as it comes to the mail server.
func (sq *sequence) bytes(env message.Envelope, v values) ([]byte, error) {
	var b bytes.Buffer
	if !sq.Direct {
		fmt.Fprintf(&b, "Received: from origin.example.net by %s id %s;\r\n %s\r\n", env.Helo, sq.transfer(v), v.Date)
		fmt.Fprintf(&b, "Received: from pc by origin.example.net with ESMTPSA id %s.%d;\r\n %s\r\n", sq.key, v.N, v.Date)
	}
	if sq.File != "" {
		return append(b.Bytes(), sq.raw...), nil
	}
	text, err := sq.fill("message", sq.text, v)
	if err != nil {
		return nil, err
	}
	text = strings.ReplaceAll(strings.TrimPrefix(text, "\n"), "\n", "\r\n")
	h, _, _ := message.ParseHeader([]byte(text))
	from := env.ReversePath
	if from == "" {
		from = "MAILER-DAEMON@" + env.Helo
	}
	for _, f := range [][2]string{
		{"From", "<" + from + ">"}, {"To", "<" + env.Recipients[0].Addr + ">"}, {"Date", v.Date}, {"Message-ID", fmt.Sprintf("<%d.%s>", v.N, from)},
	} {
		if len(h.Values(f[0])) == 0 && !slices.Contains(sq.Without, f[0]) {
			fmt.Fprintf(&b, "%s: %s\r\n", f[0], f[1])
		}
	}
	b.WriteString(text)
	return b.Bytes(), nil
}
