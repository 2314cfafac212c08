package sweep

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"breakwater/internal/sweep/session"
)

// Undone is what an undo brought back.
type Undone struct {
	Account string `json:"account"`
	Run     string `json:"run"`
	Moved   int    `json:"moved"`   // messages that the run had moved or marked
	Back    int    `json:"back"`    // of these, where they were
	Missing int    `json:"missing"` // gone from where the run had put them
}

// Undo puts back all that a run moved or marked, as far as it is still there. It can be
// called again, and after a run that was cut off.
func (s *Sweep) Undo(ctx context.Context, run string) (Undone, error) {
	s.defaults()
	u := Undone{Account: s.Account, Run: run}
	unlock, err := s.lock()
	if err != nil {
		return u, err
	}
	defer unlock()
	j, err := openJournal(s.journalPath(run))
	if err != nil {
		return u, err
	}
	defer j.Close()
	if err := layout.Write(s.Dir); err != nil {
		return u, err
	}
	l := s.link()
	defer l.close()
	forth := s.carrier(j, false)
	for _, p := range j.batches { // what was cut off is either here or there first
		if err := l.with(ctx, func(in *session.Session) error { return forth.found(ctx, in, p) }); err != nil {
			return u, err
		}
	}
	back := s.carrier(j, true)
	err = s.each(ctx, l, back)
	for _, p := range j.batches {
		u.Moved += len(p.forth.moved)
		u.Back += len(p.back.moved)
	}
	if err != nil {
		return u, fmt.Errorf("undo %s: %w; run it again", run, err)
	}
	u.Missing = u.Moved - u.Back
	if err := s.remember(j); err != nil {
		return u, err
	}
	return u, j.write(record{Op: opUndone})
}

// remember keeps later sweeps from taking again what was brought back.
func (s *Sweep) remember(j *journal) error {
	st, err := readState(s.statePath())
	if err != nil {
		return err
	}
	for _, p := range j.batches {
		var uids []uint32
		for _, m := range p.back.moved {
			if m.uid != 0 {
				uids = append(uids, m.uid)
			}
		}
		if len(uids) == 0 {
			continue
		}
		if err := st.restored(p.Folder, p.back.moved[0].validity, uids); err != nil {
			return err
		}
	}
	if err := remove(s.nextPath(j.head.Run)); err != nil {
		return err
	}
	return st.write(s.statePath())
}

// taken is what runs at the account have moved, also what is back.
func (s *Sweep) taken() (map[identity]bool, error) {
	runs, err := s.Runs()
	if err != nil {
		return nil, err
	}
	all := map[identity]bool{}
	for _, run := range runs {
		j, damaged, err := readableJournal(s.journalPath(run))
		if err != nil {
			return nil, err
		}
		if damaged != nil {
			s.Log.Warn("a journal is damaged: what it had moved, and somebody took back by hand, may be moved again", "run", run, "err", damaged)
		}
		for _, p := range j.batches {
			if p.Keyword != "" {
				continue
			}
			for _, e := range p.all(true) {
				all[identity{e.Hash, e.Size}] = true
			}
		}
		if err := j.Close(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// keepJournals is how long the journal of a run is kept that has come to its end: so long it can be undone.
const keepJournals = 180 * 24 * time.Hour

// trim removes journals of runs that have come to their end long ago.
func (s *Sweep) trim() error {
	runs, err := s.Runs()
	if err != nil {
		return err
	}
	for _, run := range runs {
		at, err := s.begun(run)
		if err != nil || s.Now().Sub(at) < keepJournals {
			continue // it may be named by hand
		}
		if ended, err := hasEnded(s.journalPath(run)); err != nil || !ended {
			continue // Resume or Undo tells what is wrong with it
		}
		if err := errors.Join(remove(s.journalPath(run)), remove(s.nextPath(run))); err != nil {
			return fmt.Errorf("trim journals: %w", err)
		}
		_ = os.Remove(filepath.Join(s.Dir, runsFolder, run)) // other accounts may have journals in it
		s.Log.Info("the journal of a run is removed; it can not be undone any more", "run", run)
	}
	return nil
}

// begun is when a run began. Where that is still to come, since the clock was ahead, it is when that was first found,
// which the time of the journal's file tells then.
func (s *Sweep) begun(run string) (time.Time, error) {
	now := s.Now()
	at, err := runTime(run)
	if err != nil || !at.After(now) {
		return at, err
	}
	st, err := os.Stat(s.journalPath(run))
	if err != nil {
		return at, err
	}
	if st.ModTime().Before(now) {
		return st.ModTime(), nil
	}
	return now, os.Chtimes(s.journalPath(run), time.Time{}, now)
}

// Runs lists the runs at the account that have a journal, oldest first.
func (s *Sweep) Runs() ([]string, error) {
	all, err := os.ReadDir(filepath.Join(s.Dir, runsFolder)) // sorted
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	var runs []string
	for _, run := range all {
		if _, err := os.Stat(s.journalPath(run.Name())); err == nil {
			runs = append(runs, run.Name())
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("list runs: %w", err)
		}
	}
	return runs, nil
}

// Journal is a run at an account, in short.
type Journal struct {
	Run     string    `json:"run"`
	Account string    `json:"account"`
	At      time.Time `json:"at"`
	State   string    `json:"state"`   // applied, undone, cut off, or undo cut off
	Planned int       `json:"planned"` // messages
	Moved   int       `json:"moved"`
	Back    int       `json:"back"`
}

// Journals lists those of all accounts in a Sweep's Dir, oldest first.
func Journals(dir string) ([]Journal, error) {
	if err := layout.Check(dir); err != nil {
		return nil, err
	}
	names, err := filepath.Glob(filepath.Join(dir, runsFolder, "*", "*.jsonl"))
	if err != nil {
		return nil, err
	}
	list := []Journal{}
	for _, name := range names {
		j, _, err := readJournal(name, os.O_RDONLY) // it may be under way
		if err != nil {
			return nil, err
		}
		run := filepath.Base(filepath.Dir(name)) // a full disk may have left nothing in it
		v := Journal{Run: run, Account: j.head.Account, At: j.head.At, State: "cut off"}
		if j.undoing() {
			v.State = "undo cut off"
		} else if j.undone {
			v.State = "undone"
		} else if j.applied {
			v.State = "applied"
		}
		for _, p := range j.batches {
			v.Planned += len(p.Messages)
			v.Moved += len(p.forth.moved)
			v.Back += len(p.back.moved)
		}
		list = append(list, v)
		if err := j.Close(); err != nil {
			return nil, err
		}
	}
	return list, nil
}
