package sweep

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"breakwater/internal/engine"
	"breakwater/internal/format"
	"breakwater/internal/owned"
	"breakwater/internal/rules"
	"breakwater/internal/store"
	"breakwater/internal/sweep/session"
)

// Sweep is a sweep of one account.
type Sweep struct {
	Account string          // its name, unique in Dir
	Mailbox string          // its address: whose rules, and whose copies
	Server  session.Options // where it is
	Limiter *session.Limiter
	Dir     string // folder for journals and state

	Engine func(store.Store) *engine.Engine // judges, and counts in the store given
	Daemon store.Store                      // what the daemon knows, only read; nil: nothing
	Rules  rules.Sweep

	Host     string // name of this host, for the digest
	Language string // of the digest, one of rules.Languages; "": the first

	Folders    []string // none: all that are not exempt
	Full       bool     // look at all messages, not only at new ones
	MaxMessage int64    // what is longer is left alone; 0: 32 MiB
	Batch      int      // messages that one command moves; 0: 2,000

	Now      func() time.Time
	Backoff  time.Duration // before a lost connection is made again, at first; 0: one second
	Pause    time.Duration // for a server to end what it was at when a connection was lost; 0: two seconds
	Log      *slog.Logger
	Progress func(Progress) // nil: not told
}

// Progress is how far a sweep is.
type Progress struct {
	Account, Folder string
	Stage           string // look, apply or undo
	Done, Of        int    // messages
}

// ErrUnfinished is a run at an account that was cut off, or whose undo was.
type ErrUnfinished struct {
	Run  string
	Undo bool
}

func (e *ErrUnfinished) Error() string {
	if e.Undo {
		return fmt.Sprintf("the undo of run %s was cut off: run `breakwater undo %s` again", e.Run, e.Run)
	}
	return fmt.Sprintf("run %s was cut off: finish it with `breakwater sweep --resume`, or take it back with `breakwater undo %s`", e.Run, e.Run)
}

// ErrIncomplete is a run that could not do all.
type ErrIncomplete struct {
	Run string
	Err error
}

func (e *ErrIncomplete) Error() string {
	return fmt.Sprintf("run %s is not complete: %v; `breakwater sweep --resume` tries again, `breakwater undo %s` takes it back", e.Run, e.Err, e.Run)
}

func (e *ErrIncomplete) Unwrap() error { return e.Err }

func (s *Sweep) defaults() {
	if s.MaxMessage <= 0 {
		s.MaxMessage = 32 << 20
	}
	if s.Batch <= 0 {
		s.Batch = batchSize
	}
	if s.Backoff <= 0 {
		s.Backoff = time.Second
	}
	if s.Pause <= 0 {
		s.Pause = 2 * time.Second
	}
	if s.Limiter == nil {
		s.Limiter = &session.Limiter{}
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	s.Log = s.Log.With("account", s.Account)
	if s.Progress == nil {
		s.Progress = func(Progress) {}
	}
	if s.Language == "" {
		s.Language = rules.Languages[0]
	}
	if s.Now == nil {
		s.Now = time.Now
	}
}

// Run plans, hands the plan to show, and applies it if show says so. The plan has the run's
// name where it is applied.
func (s *Sweep) Run(ctx context.Context, run string, show func(*Plan) (apply bool, err error)) error {
	s.defaults()
	unlock, err := s.lock()
	if err != nil {
		return err
	}
	defer unlock()
	open, err := s.unfinished()
	if err != nil {
		return err
	}
	if open != nil {
		return open
	}
	if err := s.trim(); err != nil {
		s.Log.Warn("old journals are not removed", "err", err)
	}
	l := s.link()
	defer l.close()
	plan, err := s.plan(ctx, l)
	if err != nil {
		return err
	}
	apply, err := show(plan)
	if err != nil || !apply {
		return err
	}
	return s.apply(ctx, l, plan, run)
}

// Guard tells what in a plan should make a person look first. share is what may go of a folder.
func (p *Plan) Guard(share float64) error { return p.guard(share) }

func (s *Sweep) link() *link {
	return &link{options: s.Server, limiter: s.Limiter, log: s.Log, backoff: s.Backoff}
}

// apply makes a plan a journal, and carries it out.
func (s *Sweep) apply(ctx context.Context, l *link, plan *Plan, run string) error {
	next, err := readState(s.statePath())
	if err != nil {
		return err
	}
	if err := layout.Write(s.Dir); err != nil {
		return err
	}
	for _, f := range plan.Folders {
		if f.next != nil {
			next[f.Folder] = f.next
		}
	}
	if plan.Move()+plan.Mark() == 0 {
		return next.write(s.statePath())
	}
	if err := next.write(s.nextPath(run)); err != nil {
		return err
	}
	j, err := createJournal(s.journalPath(run), record{Run: run, Account: s.Account, Server: s.Server.Server, User: s.Server.User})
	if err != nil {
		return err
	}
	defer j.Close()
	if err := j.plan(plan); err != nil {
		return err
	}
	plan.Run = run
	return s.carryOut(ctx, l, j)
}

// Resume finishes a run that was cut off; done is false where there was nothing to finish.
func (s *Sweep) Resume(ctx context.Context, run string) (done bool, err error) {
	s.defaults()
	unlock, err := s.lock()
	if err != nil {
		return false, err
	}
	defer unlock()
	if run == "" {
		open, err := s.unfinished()
		if err != nil || open == nil {
			return false, err
		}
		run = open.Run
	}
	j, err := openJournal(s.journalPath(run))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer j.Close()
	if err := layout.Write(s.Dir); err != nil {
		return false, err
	}
	if j.head.Server != s.Server.Server || j.head.User != s.Server.User {
		return false, fmt.Errorf("run %s was at %s as %s, and is not resumed elsewhere; `breakwater undo %s` takes it back", run, j.head.Server, j.head.User, run)
	}
	if j.undoing() {
		return false, &ErrUnfinished{run, true}
	}
	if j.applied || j.undone {
		return false, nil
	}
	if !j.planned { // nothing was begun
		return true, s.forsake(j)
	}
	l := s.link()
	defer l.close()
	return true, s.carryOut(ctx, l, j)
}

// forsake ends a journal whose plan was never whole.
func (s *Sweep) forsake(j *journal) error {
	s.Log.Info("the run was cut off before it began: sweep again", "run", j.head.Run)
	if err := layout.Write(s.Dir); err != nil {
		return err
	}
	if err := j.write(record{Op: opUndone}); err != nil {
		return err
	}
	return remove(s.nextPath(j.head.Run))
}

// carryOut carries out what of a journal is not done.
func (s *Sweep) carryOut(ctx context.Context, l *link, j *journal) error {
	c := s.carrier(j, false)
	if err := s.each(ctx, l, c); err != nil {
		return &ErrIncomplete{j.head.Run, err}
	}
	if s.Rules.Digest {
		if err := l.with(ctx, func(in *session.Session) error { return s.digest(ctx, in, j) }); err != nil {
			s.Log.Error("the digest could not be put into INBOX", "err", err)
		}
	}
	if err := s.advance(j); err != nil {
		return &ErrIncomplete{j.head.Run, err}
	}
	return j.write(record{Op: opApplied})
}

func (s *Sweep) carrier(j *journal, back bool) *carrier {
	return &carrier{
		j: j, back: back, keyword: s.Rules.Keyword, log: s.Log.With("run", j.head.Run),
		full: map[string]error{}, ends: map[string]session.State{}, strays: map[string]index{}, again: map[int]int{}, pause: s.Pause,
	}
}

// advance makes the state of a run that of the account. What did not go is held: somebody
// touched it meanwhile.
func (s *Sweep) advance(j *journal) error {
	name := s.nextPath(j.head.Run)
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) { // done before it was cut off
		return nil
	}
	next, err := readState(name)
	if err != nil {
		return err
	}
	now, err := readState(s.statePath())
	if err != nil {
		return err
	}
	if err := next.keepRestored(now); err != nil {
		return err
	}
	for _, p := range j.batches {
		if f := next[p.Folder]; f != nil && f.UIDValidity == p.UIDValidity {
			if f.Held, err = withUIDs(f.Held, uidsOf(p.rest(false))); err != nil {
				return err
			}
		}
	}
	if err := next.write(s.statePath()); err != nil {
		return err
	}
	return remove(name)
}

// each carries all batches, and returns what hindered it.
func (s *Sweep) each(ctx context.Context, l *link, c *carrier) error {
	stage, total, done := "apply", 0, 0
	batches := c.j.batches
	if c.back {
		stage = "undo"
		batches = slices.Clone(batches)
		slices.Reverse(batches)
	}
	for _, p := range batches {
		total += len(p.all(c.back))
	}
	for _, p := range batches {
		if err := l.with(ctx, func(in *session.Session) error { return c.carry(ctx, in, p) }); err != nil {
			return err
		}
		done += len(p.all(c.back))
		s.Progress(Progress{s.Account, p.Folder, stage, done, total})
	}
	for _, p := range batches {
		if err := l.with(ctx, func(in *session.Session) error { return c.found(ctx, in, p) }); err != nil {
			return err
		}
	}
	var all []error
	for _, err := range c.full {
		all = append(all, err)
	}
	return errors.Join(all...)
}

// unfinished is the run that was cut off, or whose undo was; nil if there is none. It need not be
// the last by name, since clocks are set back.
func (s *Sweep) unfinished() (*ErrUnfinished, error) {
	runs, err := s.Runs()
	if err != nil {
		return nil, err
	}
	for _, run := range runs {
		if open, err := s.isOpen(run); open != nil || err != nil {
			return open, err
		}
	}
	return nil, nil
}

// isOpen is unfinished for one run.
func (s *Sweep) isOpen(run string) (*ErrUnfinished, error) {
	if ended, err := hasEnded(s.journalPath(run)); ended || err != nil {
		return nil, err
	}
	j, err := openJournal(s.journalPath(run))
	if err != nil {
		return nil, err
	}
	defer j.Close()
	switch {
	case j.undoing():
		return &ErrUnfinished{run, true}, nil
	case j.applied || j.undone:
		return nil, nil
	case !j.planned:
		return nil, s.forsake(j)
	}
	return &ErrUnfinished{run, false}, nil
}

// layout is the format of Dir: of states, and of journals.
var layout = format.Format{Name: "breakwater sweep", Version: 1, Oldest: 1, Instead: "let --state name another folder: all messages are looked at again, and earlier runs cannot be undone from there"}

// lock keeps two sweeps of one account apart.
func (s *Sweep) lock() (unlock func(), err error) {
	if err := layout.Check(s.Dir); err != nil {
		return nil, err
	}
	if err := owned.MkdirAll(s.Dir); err != nil {
		return nil, fmt.Errorf("folder for journals, which the configuration or --state names: %w", err)
	}
	f, err := owned.Open(s.path("lock"), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, fmt.Errorf("lock account: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, errors.New("it is being swept by another process: wait for that one")
	}
	return func() {
		// A process that is just being started may have the file, too, for a moment.
		unix.Flock(int(f.Fd()), unix.LOCK_UN) // what fails, Close does
		f.Close()
	}, nil
}

// runsFolder is the folder of journals, below Dir: one folder for each run.
const runsFolder = "runs"

func (s *Sweep) file() string { return strings.ReplaceAll(url.PathEscape(s.Account), "*", "%2A") }

func (s *Sweep) path(suffix string) string { return filepath.Join(s.Dir, s.file()+"."+suffix) }
func (s *Sweep) statePath() string         { return s.path("state") }
func (s *Sweep) journalPath(run string) string {
	return filepath.Join(s.Dir, runsFolder, run, s.file()+".jsonl")
}
func (s *Sweep) nextPath(run string) string {
	return filepath.Join(s.Dir, runsFolder, run, s.file()+".state")
}

const runFormat = "20060102T150405.000Z"

// NewRun names a run by its time.
func NewRun(at time.Time) string { return at.UTC().Format(runFormat) }

// runTime is the time of a run by its name.
func runTime(run string) (time.Time, error) { return time.Parse(runFormat, run) }
