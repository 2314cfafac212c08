// Package scenario plays sequences of messages that test files describe, and compares what
// is decided with what they expect. The README says what a test file looks like.
package scenario

import (
	"context"
	"fmt"
	"io/fs"
	"time"

	"breakwater/internal/message"
	"breakwater/internal/rules"
	"breakwater/internal/tomlfile"
)

// Folder is where tests lie, beside the rules.
const Folder = "tests"

// file is a test file.
type file struct {
	Tests []fileTest `toml:"test" doc:"Tests; each begins with nothing seen."`
}

type fileTest struct {
	Name  string `toml:"name" need:"true" doc:"What is tested."`
	Sends []send `toml:"send" need:"true" doc:"Messages, in their order."`
}

// send is one or more messages. client, from, to and message are templates.
type send struct {
	Times  int           `toml:"times" min:"1" max:"1000000" doc:"So many different messages, numbered {{.N}} from 1; 1 if left out."`
	Copies int           `toml:"copies" min:"1" max:"1000000" doc:"So many copies of each, numbered {{.Copy}}; 1 if left out."`
	Every  time.Duration `toml:"every" doc:"Between one message and the next; no time if left out."`
	After  time.Duration `toml:"after" doc:"From the last message of the send before to the first of this; no time if left out."`
	Retry  bool          `toml:"retry" doc:"The copies are attempts to send one and the same, not new transfers."`
	Direct bool          `toml:"direct" doc:"The client is no relay: it writes no Received field."`

	Client  string   `toml:"client" doc:"IP address; 192.0.2.1 if left out."`
	Helo    string   `toml:"helo" doc:"mx.example.net if left out."`
	Login   string   `toml:"login" doc:"The user who logged in; nobody if left out."`
	From    *string  `toml:"from" doc:"Envelope sender; \"\" is that of bounces. robot@example.net if left out."`
	To      []string `toml:"to" doc:"Envelope recipients; u1@example.test if left out."`
	Message string   `toml:"message" doc:"Header and body. From, To, Date and Message-ID are added if left out."`
	File    string   `toml:"file" doc:"A file with the message instead, beside the test; it is sent as it is."`
	Without []string `toml:"without" doc:"Fields not to be added: Date, Message-ID."`

	Expect []string             `toml:"expect" doc:"What happens to the messages in their order: \"3 deliver\", then \"absorb\" for the rest; one action, or one for each recipient. Behind a colon: what the reason says."`
	Total  map[rules.Action]int `toml:"total" doc:"Or what happens to how many, in any order; one for each recipient of each message."`
}

// Schema is the JSON Schema of test files.
func Schema() map[string]any {
	return tomlfile.Schema(file{}, "Tests of breakwater's rules")
}

// Test is one test.
type Test struct {
	Name string
	File string
	Line int

	fsys  fs.FS
	doc   *tomlfile.Document
	key   string
	sends []*sequence
}

// Load reads all test files of a folder; a folder that is not there has none. Its error has
// all that is wrong in them.
func Load(fsys fs.FS) ([]*Test, error) {
	names, err := fs.Glob(fsys, "*.toml")
	if err != nil {
		return nil, fmt.Errorf("read tests: %w", err)
	}
	var tests []*Test
	var wrong []*tomlfile.Error
	for _, name := range names {
		of, err := load(fsys, name)
		bad, rest := tomlfile.Errors(err)
		if rest != nil {
			return nil, rest
		}
		tests, wrong = append(tests, of...), append(wrong, bad...)
	}
	return tests, tomlfile.Together(wrong)
}

func load(fsys fs.FS, name string) ([]*Test, error) {
	doc, err := tomlfile.Read(fsys, name)
	if err != nil {
		return nil, err
	}
	var f file
	wrong, rest := tomlfile.Errors(doc.Decode(&f))
	if rest != nil {
		return nil, rest
	}
	var tests []*Test
	for i, ft := range f.Tests {
		key := fmt.Sprintf("test[%d]", i)
		t := &Test{Name: ft.Name, File: name, Line: doc.Line(key), fsys: fsys, doc: doc, key: key}
		for k, s := range ft.Sends {
			sq, bad := newSequence(doc, fmt.Sprintf("%s.send[%d]", key, k), s, fsys)
			t.sends, wrong = append(t.sends, sq), append(wrong, bad...)
		}
		tests = append(tests, t)
	}
	if len(wrong) > 0 {
		return nil, tomlfile.Together(wrong)
	}
	return tests, nil
}

// Judge decides about a message, for each of its recipients.
type Judge func(context.Context, *message.Message) (rules.Judgement, error)

// Start is when every test begins.
var Start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// Run plays the messages to judge, which has seen nothing before. It returns how many there
// were. The error has everything that was not as expected, as *tomlfile.Errors at the places
// of the expectations; or it is that of judge.
func (t *Test) Run(ctx context.Context, judge Judge) (int, error) {
	at, n := Start, 0
	var wrong []*tomlfile.Error
	for _, sq := range t.sends {
		at = at.Add(sq.After)
		check := newExpectation(sq)
		for m, err := range sq.messages(at) {
			if err != nil {
				return n, err
			}
			j, err := judge(ctx, m)
			if err != nil {
				return n, fmt.Errorf("%s: %w", t.Name, err)
			}
			n++
			at = m.At
			check.add(j.Decisions)
		}
		wrong = append(wrong, check.done()...)
	}
	return n, tomlfile.Together(wrong)
}
