// Package demo plays a made-up mail storm to a daemon in a folder, over the milter protocol, and tells what arrived.
package demo

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"breakwater/internal/archive"
	"breakwater/internal/daemon"
	"breakwater/internal/host"
	"breakwater/internal/milterd"
	"breakwater/internal/milterd/client"
	"breakwater/internal/record"
	"breakwater/internal/show"
	"breakwater/internal/stormgen"
)

// Demo is a storm to play.
type Demo struct {
	Storm       stormgen.Options
	Connections int  // of the milter, at a time
	Keep        bool // the folder is kept
}

// Play runs a daemon in folder and plays the storm to it. A bar on progress shows how far it is.
func (d *Demo) Play(ctx context.Context, folder string, progress io.Writer) (*Result, error) {
	run, closeLog, err := open(folder)
	if err != nil {
		return nil, err
	}
	defer closeLog()
	ln, err := milterd.Listen("inet:127.0.0.1:0", milterd.ListenOptions{})
	if err != nil {
		return nil, errors.Join(err, run.Close())
	}
	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- run.Serve(serving, []net.Listener{ln}) }()
	r := newResult(d.Storm)
	err = d.send(ctx, ln.Addr().String(), r, progress)
	if err == nil {
		r.Incidents, err = run.Incidents(ctx, d.Storm.Start)
	}
	stop()
	err = errors.Join(err, <-served, run.Close())
	if err == nil {
		err = r.archive(ctx, filepath.Join(folder, "archive"))
	}
	if d.Keep {
		r.Kept = folder
	}
	return r, err
}

// open opens a daemon with the shipped rules and everything else in folder, and returns what closes its log.
func open(folder string) (*daemon.Daemon, func() error, error) {
	cfg, err := host.InFolder(folder)
	if err != nil {
		return nil, nil, err
	}
	file, err := os.Create(filepath.Join(folder, "log"))
	if err != nil {
		return nil, nil, err
	}
	d, err := daemon.Open(cfg, daemon.Options{Log: slog.New(slog.NewTextHandler(file, nil))})
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return d, file.Close, nil
}

// outcome is what became of one item.
type outcome struct {
	item    stormgen.Item
	fates   []bool // of each recipient: whether it arrived
	altered bool
	err     error
}

// send plays the storm over several connections and counts what becomes of it.
func (d *Demo) send(ctx context.Context, addr string, r *Result, progress io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	items, outcomes := make(chan stormgen.Item), make(chan outcome)
	go func() {
		defer close(items)
		for it := range stormgen.Generate(d.Storm) {
			select {
			case items <- it:
			case <-ctx.Done():
				return
			}
		}
	}()
	var wg sync.WaitGroup
	for range d.Connections {
		wg.Go(func() { sender(ctx, addr, items, outcomes) })
	}
	go func() {
		wg.Wait()
		close(outcomes)
	}()
	bar := show.NewProgress(progress, d.Storm.Messages+max(0, d.Storm.Ordinary))
	defer bar.Done()
	begun := time.Now()
	shots := map[string]bool{}
	var failed error
	for o := range outcomes {
		if o.err != nil {
			if failed == nil {
				failed = o.err
			}
			cancel()
			continue
		}
		if o.item.Kind == stormgen.Original {
			shots[o.item.Group] = true
		}
		r.add(o.item, d.Storm.Start, o.fates, o.altered)
		bar.Add(len(o.fates))
	}
	r.Mailshots = len(shots)
	r.finish(time.Since(begun))
	if failed == nil {
		failed = ctx.Err()
	}
	return failed
}

// sender plays items over one connection.
func sender(ctx context.Context, addr string, items <-chan stormgen.Item, outcomes chan<- outcome) {
	c, err := client.Dial(ctx, "tcp", addr, client.Options{Abort: true})
	if err != nil {
		outcomes <- outcome{err: err}
		return
	}
	defer c.Close()
	for it := range items {
		o := outcome{item: it}
		var res client.Result
		if res, o.err = c.Send(client.MailOf(it.Envelope, it.Raw)); o.err == nil {
			o.fates, o.altered = fates(it, res)
		}
		outcomes <- o
		if o.err != nil {
			return
		}
	}
	c.Quit()
}

// fates reads off the milter's answer who got a message, and whether it was changed.
func fates(it stormgen.Item, res client.Result) (got []bool, altered bool) {
	lost := map[string]int{}
	for _, addr := range append(res.Deleted, res.Refused...) {
		lost[addr]++
	}
	arrived := (res.Verdict == client.Accept || res.Verdict == client.Continue) && res.Quarantined == ""
	for _, rcpt := range it.Envelope.Recipients {
		got = append(got, arrived && lost[rcpt.Addr] == 0)
	}
	return got, len(res.Inserted)+len(res.Changed) > 0
}

// archive counts what is in the archive, and how large it is.
func (r *Result) archive(ctx context.Context, folder string) error {
	a, err := archive.OpenReadOnly(folder)
	if err != nil {
		return err
	}
	for c, err := range a.All(ctx) {
		if err != nil {
			return err
		}
		for _, rcpt := range c.Recipients {
			r.Absorbed[rcpt.Class]++
		}
	}
	return filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if path == record.IncidentsDir(folder) || path == record.LedgerDir(folder) {
			return fs.SkipDir // they are no mail
		}
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			r.Archived += info.Size()
		}
		return err
	})
}
