package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// Folder is a mailbox in the sense of IMAP that can be selected.
type Folder struct {
	Name  string
	Uses  []string // special uses (RFC 6154) in lower case, such as \sent
	Delim string   // between the parts of its name; "" if there is no hierarchy
}

// State is that of a folder.
type State struct {
	UIDValidity   uint32
	UIDNext       uint32
	Messages      uint32
	HighestModSeq uint64 // 0 without CONDSTORE
	Keywords      bool   // new ones can be made; known of a selected folder
}

// Bounds of what a server may list.
const (
	maxFolders = 20_000
	maxNames   = 8 << 20 // bytes
)

// List lists the user's own folders, each once.
func (s *Session) List(ctx context.Context) ([]Folder, error) {
	var options *imap.ListOptions
	if s.SpecialUse {
		options = &imap.ListOptions{ReturnSpecialUse: true}
	}
	var folders []Folder
	names := 0
	err := s.do(ctx, func() error {
		cmd := s.c.List("", "*", options)
		for d := cmd.Next(); d != nil; d = cmd.Next() {
			s.delim = d.Delim
			if names += len(d.Mailbox); len(folders) >= maxFolders || names > maxNames {
				return s.leave(cmd.Close, "the server lists more than %d folders, or %d bytes of names", maxFolders, maxNames)
			}
			if f := folder(d); s.own(f.Name) && selectable(f) {
				folders = append(folders, f)
			}
		}
		return cmd.Close()
	})
	slices.SortFunc(folders, func(a, b Folder) int { return strings.Compare(Canonical(a.Name), Canonical(b.Name)) })
	folders = slices.CompactFunc(folders, func(a, b Folder) bool { return Canonical(a.Name) == Canonical(b.Name) })
	return folders, wrap("list folders", err)
}

func folder(d *imap.ListData) Folder {
	f := Folder{Name: d.Mailbox}
	if d.Delim != 0 {
		f.Delim = string(d.Delim)
	}
	for _, a := range d.Attrs {
		f.Uses = append(f.Uses, strings.ToLower(string(a)))
	}
	return f
}

func selectable(f Folder) bool {
	return !slices.Contains(f.Uses, `\noselect`) && !slices.Contains(f.Uses, `\nonexistent`)
}

// Canonical is the one form of a name that may be written in several: INBOX has no case.
func Canonical(name string) string {
	if strings.EqualFold(name, "INBOX") {
		return "INBOX"
	}
	return name
}

// own reports whether a folder is the user's, and not another's or one for all.
func (s *Session) own(name string) bool {
	if s.namespace == nil {
		return true
	}
	for _, ns := range slices.Concat(s.namespace.Other, s.namespace.Shared) {
		if ns.Prefix != "" && (strings.HasPrefix(name, ns.Prefix) || name+string(ns.Delim) == ns.Prefix) {
			return false
		}
	}
	return true
}

// Name is the name that the server has for a folder of the user that is written with "/"
// between its parts.
func (s *Session) Name(path string) string {
	prefix, delim := "", s.delim
	if s.namespace != nil && len(s.namespace.Personal) > 0 {
		prefix, delim = s.namespace.Personal[0].Prefix, s.namespace.Personal[0].Delim
	}
	if delim != 0 && delim != '/' {
		path = strings.ReplaceAll(path, "/", string(delim))
	}
	return prefix + path
}

// Enter is Select, but for a folder that is selected already, which may cost a server a second.
// The state is then that of when it was selected.
func (s *Session) Enter(ctx context.Context, name string, readOnly bool) (State, error) {
	if s.in.name == name && s.in.readOnly == readOnly {
		return s.in.state, nil
	}
	return s.Select(ctx, name, readOnly)
}

// selected is the folder that is selected; it has no name where none is.
type selected struct {
	name     string
	readOnly bool
	state    State
}

// Select selects a folder; readOnly leaves even \Recent as it is.
func (s *Session) Select(ctx context.Context, name string, readOnly bool) (State, error) {
	s.in = selected{} // whether it works or not, RFC 3501 §6.3.1
	var st State
	err := s.do(ctx, func() error {
		d, err := s.c.Select(name, &imap.SelectOptions{ReadOnly: readOnly, CondStore: s.CondStore}).Wait()
		if err != nil {
			return err
		}
		st = State{UIDValidity: d.UIDValidity, UIDNext: uint32(d.UIDNext), Messages: d.NumMessages, HighestModSeq: d.HighestModSeq}
		st.Keywords = slices.Contains(d.PermanentFlags, imap.FlagWildcard)
		s.in = selected{name, readOnly, st}
		return nil
	})
	if Refused(err) {
		err = s.missing(ctx, name, err)
	}
	return st, wrap("select "+name, err)
}

// ErrNoFolder means that there is no folder of a name, or none that can be selected. A server also
// refuses a folder that is in use, or damaged: then it may come back.
var ErrNoFolder = errors.New("there is no such folder")

// missing is ErrNoFolder and the error with which a folder was refused, if the server does not list
// it; or that error alone.
func (s *Session) missing(ctx context.Context, name string, refused error) error {
	there := false
	err := s.do(ctx, func() error {
		there = false
		cmd := s.c.List("", name, nil)
		for d := cmd.Next(); d != nil; d = cmd.Next() {
			there = there || Canonical(d.Mailbox) == Canonical(name) && selectable(folder(d))
		}
		return cmd.Close()
	})
	switch {
	case errors.Is(err, ErrLost):
		return err
	case err != nil || there:
		return refused
	}
	return fmt.Errorf("%w: %w", ErrNoFolder, refused)
}

// Status asks for the state of a folder that is not selected.
func (s *Session) Status(ctx context.Context, name string) (State, error) {
	var st State
	err := s.do(ctx, func() error {
		d, err := s.c.Status(name, &imap.StatusOptions{NumMessages: true, UIDNext: true, UIDValidity: true, HighestModSeq: s.CondStore}).Wait()
		if err != nil {
			return err
		}
		st = State{UIDValidity: d.UIDValidity, UIDNext: uint32(d.UIDNext), HighestModSeq: d.HighestModSeq}
		if d.NumMessages != nil {
			st.Messages = *d.NumMessages
		}
		return nil
	})
	return st, wrap("status of "+name, err)
}

// Create makes a folder, and is content if it is there. The user's programs are told of it.
func (s *Session) Create(ctx context.Context, name string) error {
	err := s.do(ctx, func() error { return s.c.Create(name, nil).Wait() })
	if Refused(err) {
		if _, known := s.Status(ctx, name); known == nil || errors.Is(known, ErrLost) {
			return known // lost, it is to be asked again
		}
	}
	if err != nil {
		return wrap("create "+name, err)
	}
	if err := s.do(ctx, func() error { return s.c.Subscribe(name).Wait() }); err != nil && !Refused(err) {
		return wrap("subscribe "+name, err)
	}
	return nil
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
