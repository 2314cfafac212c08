package sweep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"breakwater/internal/engine"
	"breakwater/internal/message"
	"breakwater/internal/rules"
	"breakwater/internal/sweep/session"
)

const (
	fetchBytes    = 4 << 20 // of messages that are fetched by one command, unless one is longer
	fetchMessages = 500
)

// plan looks at all folders and says what would be done.
func (s *Sweep) plan(ctx context.Context, l *link) (*Plan, error) {
	st, err := readState(s.statePath())
	if err != nil {
		return nil, err
	}
	var all []session.Folder
	local := s.Rules
	err = l.with(ctx, func(in *session.Session) (err error) {
		all, err = in.List(ctx)
		local.Absorb, local.Quarantine = in.Name(s.Rules.Absorb), in.Name(s.Rules.Quarantine)
		local.Exempt = nil
		for _, name := range s.Rules.Exempt {
			local.Exempt = append(local.Exempt, in.Name(name))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, name := range []string{local.Absorb, local.Quarantine} {
		if why := perishes(name, all); why != "" {
			return nil, fmt.Errorf("what is put into folder %s may be deleted, since it is %s; choose another one in [sweep]", name, why)
		}
	}
	chosen, err := s.choose(all)
	if err != nil {
		return nil, err
	}
	p := &Plan{Account: s.Account, Folders: []FolderPlan{}}
	ours := append([]string{local.Absorb, local.Quarantine}, local.Exempt...)
	for _, f := range chosen {
		fp := FolderPlan{Folder: f.Name, Skipped: exempt(f, all, ours)}
		if fp.Skipped == "" {
			err := s.look(ctx, l, &fp, st, local)
			if errors.Is(err, errAway) {
				fp = FolderPlan{Folder: f.Name, Skipped: "it " + errAway.Error()}
			} else if err != nil {
				return nil, fmt.Errorf("folder %s: %w", f.Name, err)
			}
		}
		s.Log.Info("looked at folder", "folder", fp.Folder, "skipped", fp.Skipped, "messages", fp.Messages, "looked", fp.Looked,
			"move", fp.Move, "mark", fp.Mark)
		p.Folders = append(p.Folders, fp)
	}
	return p, nil
}

// choose picks the folders that were named, each once, or all.
func (s *Sweep) choose(all []session.Folder) ([]session.Folder, error) {
	if len(s.Folders) == 0 {
		return all, nil
	}
	var chosen []session.Folder
	for _, name := range s.Folders {
		i := slices.IndexFunc(all, func(f session.Folder) bool { return session.Canonical(f.Name) == session.Canonical(name) })
		if i < 0 {
			return nil, fmt.Errorf("there is no folder %q; there are %s", name, names(all))
		}
		if !slices.ContainsFunc(chosen, func(f session.Folder) bool { return f.Name == all[i].Name }) {
			chosen = append(chosen, all[i])
		}
	}
	return chosen, nil
}

// names are those of some folders, for a person.
func names(all []session.Folder) string {
	const shown = 20
	var list []string
	for i, f := range all {
		if i == shown {
			list = append(list, fmt.Sprintf("and %d more", len(all)-i))
			break
		}
		list = append(list, strconv.Quote(f.Name))
	}
	return strings.Join(list, ", ")
}

// look makes the plan of one folder.
func (s *Sweep) look(ctx context.Context, l *link, fp *FolderPlan, st state, local rules.Sweep) error {
	var now session.State
	err := l.with(ctx, func(in *session.Session) (err error) {
		now, err = in.Status(ctx, fp.Folder)
		return err
	})
	if session.Refused(err) {
		return errAway
	}
	if err != nil {
		return err
	}
	had := st.of(fp.Folder, now)
	fp.Messages = int(now.Messages)
	fp.Keep = fp.Messages
	if !s.Full && had.unchanged(now) {
		return nil
	}
	v := &view{Sweep: s, link: l, folder: fp.Folder, state: now, scratch: newScratch(s.Daemon),
		decisions: map[rules.Decision]*rules.Decision{}, abouts: map[about]*about{}, flags: map[string][]string{}}
	next := &folderState{UIDValidity: now.UIDValidity, Restored: had.Restored, ModSeq: now.HighestModSeq}
	held, freed, err := v.held(ctx, &had)
	if err != nil {
		return err
	}
	if s.Full || freed { // which copies stay is decided anew for all
		had.UIDNext, had.Tallies, had.Young, held = 0, nil, "", nil
	}
	if err := had.restore(v.scratch, v.Now()); err != nil {
		return fmt.Errorf("read state: %w; sweep with --full", err)
	}
	v.engine = s.Engine(v.scratch)
	if err := v.list(ctx, &had, s.Rules.MinAge); err != nil {
		return err
	}
	if v.marking && !v.state.Keywords {
		fp.Skipped = "the server can neither move single messages (MOVE, UIDPLUS) nor mark them (keywords)"
		return nil
	}
	if err := v.read(ctx); err != nil {
		return err
	}
	if v.scratch.lost != nil {
		s.Log.Warn("what the daemon knows is left out", "err", v.scratch.lost)
	}
	fp.Looked, fp.Young, fp.Restored, fp.Observed = len(v.all), len(v.young), v.restored, v.observed
	if err := v.leavePutBack(fp); err != nil {
		return err
	}
	fp.draw(v.all, v.possible(local), s.Batch)
	for i := range fp.batches {
		fp.batches[i].UIDValidity = now.UIDValidity
	}
	next.UIDNext, next.Young = v.next, session.FormatUIDs(v.young)
	fp.held = append(fp.held, v.deleted...)
	if next.Held, err = withUIDs(session.FormatUIDs(held), fp.held); err != nil {
		return err
	}
	fp.next = next
	return next.keep(v.scratch, v.latest)
}

// leavePutBack leaves alone what a sweep has taken away before: somebody has put it back.
func (v *view) leavePutBack(fp *FolderPlan) error {
	if !slices.ContainsFunc(v.all, (*candidate).held) {
		return nil
	}
	taken, err := v.taken()
	if err != nil {
		return err
	}
	v.all = slices.DeleteFunc(v.all, func(c *candidate) bool { return taken[identity{c.hash, c.size}] })
	fp.Restored += fp.Looked - len(v.all)
	return nil
}

// held reads the flags of copies that stayed because of them: those that still do, and whether
// somebody has freed one since.
func (v *view) held(ctx context.Context, had *folderState) (held []uint32, freed bool, err error) {
	uids, err := session.ParseUIDs(had.Held)
	if err != nil || had.sameFlags(v.state) {
		return uids, false, err
	}
	err = v.link.with(ctx, func(in *session.Session) error {
		held, freed = nil, false
		if err := v.enter(ctx, in); err != nil {
			return err
		}
		return in.Fetch(ctx, uids, session.Nothing, 0, func(m session.Message) error {
			if protected(m.Flags, v.Rules.Keyword) == "" {
				freed = true
			}
			held = append(held, m.UID)
			return nil
		})
	})
	return held, freed, err
}

// view is one folder being looked at.
type view struct {
	*Sweep
	link    *link
	folder  string
	state   session.State
	scratch *scratch
	engine  *engine.Engine

	marking  bool // nothing can be moved here: it is marked
	todo     []meta
	young    []uint32
	deleted  []uint32 // about to be expunged: they count for nothing
	next     uint32   // UIDs from here on are not looked at
	migrated bool     // all INTERNALDATEs are one day
	all      []*candidate
	restored int
	observed int
	latest   time.Time

	// What candidates have, each once: of a storm most have the same.
	decisions map[rules.Decision]*rules.Decision
	abouts    map[about]*about
	flags     map[string][]string
}

// meta is a message to be looked at.
type meta struct {
	uid      uint32
	internal time.Time
	size     int64
}

// list finds out which messages are to be looked at, in the order in which they came.
func (v *view) list(ctx context.Context, had *folderState, minAge time.Duration) error {
	young, err := session.ParseUIDs(had.Young)
	if err != nil {
		return err
	}
	restored, err := session.ParseUIDs(had.Restored)
	if err != nil {
		return err
	}
	err = v.link.with(ctx, func(in *session.Session) error {
		v.todo, v.young, v.deleted, v.restored, v.next, v.marking = nil, nil, nil, 0, max(had.UIDNext, 1), !in.Move && !in.UIDPlus
		if err := v.enter(ctx, in); err != nil {
			return err
		}
		add := func(m session.Message) error {
			v.next = max(v.next, m.UID+1)
			_, back := slices.BinarySearch(restored, m.UID)
			switch {
			case back:
				v.restored++
			case has(m.Flags, `\Deleted`):
				v.deleted = append(v.deleted, m.UID)
			case m.InternalDate.IsZero() || v.Now().Sub(m.InternalDate) < minAge: // or it was not told
				v.young = append(v.young, m.UID)
			default:
				v.todo = append(v.todo, meta{m.UID, m.InternalDate, m.Size})
			}
			return nil
		}
		if err := in.Fetch(ctx, young, session.Nothing, 0, add); err != nil {
			return err
		}
		return in.FetchFrom(ctx, v.next, session.Nothing, 0, add)
	})
	slices.Sort(v.young)
	v.next = max(v.next, v.state.UIDNext)
	slices.SortStableFunc(v.todo, func(a, b meta) int { return cmp.Or(a.internal.Compare(b.internal), cmp.Compare(a.uid, b.uid)) })
	if n := len(v.todo); n > 1 {
		v.migrated = v.todo[n-1].internal.Sub(v.todo[0].internal) < 24*time.Hour
	}
	return err
}

// enter selects the folder for reading, and makes sure that it is still the same.
func (v *view) enter(ctx context.Context, in *session.Session) error {
	st, err := in.Enter(ctx, v.folder, true)
	if session.Refused(err) || err == nil && st.UIDValidity != v.state.UIDValidity {
		return errAway
	}
	v.state.Keywords = st.Keywords
	return err
}

// read fetches and judges all messages, the next ones coming in while some are judged.
func (v *view) read(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	fetched := make(chan []session.Message, 1)
	failed := make(chan error, 1)
	go func() {
		defer close(fetched)
		failed <- v.fetch(ctx, fetched)
	}()
	var err error
	done := 0
	for batch := range fetched {
		if err == nil {
			if err = v.judge(ctx, batch); err != nil {
				cancel()
			}
		}
		done += len(batch)
		v.Progress(Progress{v.Account, v.folder, "look", done, len(v.todo)})
	}
	return errors.Join(err, <-failed)
}

// fetch sends all messages, a few megabytes at a time.
func (v *view) fetch(ctx context.Context, to chan<- []session.Message) error {
	for i := 0; i < len(v.todo); {
		var uids []uint32
		for size := int64(0); i < len(v.todo) && len(uids) < fetchMessages; i++ {
			if size += min(v.todo[i].size, v.MaxMessage); size > fetchBytes && len(uids) > 0 {
				break
			}
			uids = append(uids, v.todo[i].uid)
		}
		var batch []session.Message
		err := v.link.with(ctx, func(in *session.Session) error {
			batch = batch[:0]
			if err := v.enter(ctx, in); err != nil {
				return err
			}
			return in.Fetch(ctx, uids, session.Whole, v.MaxMessage, func(m session.Message) error {
				batch = append(batch, m)
				return nil
			})
		})
		if err != nil {
			return err
		}
		select {
		case to <- batch:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// judge judges messages in the order in which they came.
func (v *view) judge(ctx context.Context, batch []session.Message) error {
	type arrival struct {
		session.Message
		m     *message.Message
		dated bool
	}
	var list []arrival
	for _, f := range batch {
		if len(f.Raw) == 0 { // the server can not read it: all such look the same
			continue
		}
		a := arrival{Message: f, m: parse(f, v.Mailbox)}
		a.m.At, a.dated = arrived(a.m, f.InternalDate, v.Now(), v.migrated)
		list = append(list, a)
	}
	slices.SortStableFunc(list, func(a, b arrival) int { return a.m.At.Compare(b.m.At) })
	for _, a := range list {
		v.scratch.undated, v.scratch.keys = !a.dated, v.scratch.keys[:0]
		j, err := v.engine.Judge(ctx, a.m)
		ds := j.Decisions
		if err != nil {
			return fmt.Errorf("judge message %d: %w", a.UID, err)
		}
		v.all = append(v.all, v.candidate(a.Message, a.m, ds[0]))
		if a.m.At.After(v.latest) {
			v.latest = a.m.At
		}
	}
	return nil
}

func (v *view) candidate(f session.Message, m *message.Message, d rules.Decision) *candidate {
	flags := v.sharedFlags(f.Flags)
	c := &candidate{
		uid: f.UID, at: m.At, size: f.Size, flags: flags, hash: beginning(f.Raw),
		keys: slices.Clone(v.scratch.keys), says: v.scratch.version, protected: protected(flags, v.Rules.Keyword),
	}
	if to, keyword := target(d.Action, v.Rules); to != "" || keyword != "" {
		c.decision = v.sharedDecision(d)
		c.about = v.sharedAbout(about{m.From, clip(m.Subject)})
	} else if d.Wanted != "" && v.wants(d) {
		v.observed++
	}
	return c
}

// sharedDecision returns d without what differs between the messages of a storm.
func (v *view) sharedDecision(d rules.Decision) *rules.Decision {
	d.Recipient = message.Recipient{}
	d.Reason, _, _ = strings.Cut(d.Reason, ", copy ")
	if v.decisions[d] == nil {
		v.decisions[d] = &d
	}
	return v.decisions[d]
}

func (v *view) sharedAbout(a about) *about {
	if v.abouts[a] == nil {
		a = about{strings.Clone(a.from), strings.Clone(a.subject)} // parts of the header, which would be kept with them
		v.abouts[a] = &a
	}
	return v.abouts[a]
}

func (v *view) sharedFlags(flags []string) []string {
	flags = slices.DeleteFunc(slices.Clone(flags), func(f string) bool { return f == `\Recent` })
	key := strings.Join(flags, " ")
	if _, known := v.flags[key]; !known {
		v.flags[key] = flags
	}
	return v.flags[key]
}

// wants reports whether d would take a message away, were the rules enforced.
func (v *view) wants(d rules.Decision) bool {
	to, keyword := target(d.Wanted, v.Rules)
	return to != "" || keyword != ""
}

// possible is r as far as the server can do it: without MOVE and UIDPLUS nothing can be taken
// away without expunging what others have marked, and it is marked instead.
func (v *view) possible(r rules.Sweep) rules.Sweep {
	if v.marking {
		r.Absorb, r.Quarantine = "", ""
	}
	return r
}

// clip cuts a foreign subject to what is shown of it.
func clip(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:79]) + "…"
	}
	return s
}
